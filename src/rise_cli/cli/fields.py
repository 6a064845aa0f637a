"""The options that say which fields of a file of problems are what, for all commands that read one."""

from __future__ import annotations

from typing import Annotated

import typer

from rise_cli.cli.options import FIELDS

QuestionField = Annotated[
    str | None,
    typer.Option(
        "--question-field",
        metavar="NAME",
        help="[default: question, problem, prompt or input]",
        show_default=False,
        rich_help_panel=FIELDS,
    ),
]
ReferenceField = Annotated[
    str | None,
    typer.Option(
        "--reference-field",
        metavar="NAME",
        help="The known right answer, for grading alone. [default: answer, reference or target]",
        show_default=False,
        rich_help_panel=FIELDS,
    ),
]
IdField = Annotated[
    str | None,
    typer.Option(
        "--id-field", metavar="NAME", help="[default: id]", show_default=False, rich_help_panel=FIELDS
    ),
]
ContextField = Annotated[
    str | None,
    typer.Option(
        "--context-field",
        metavar="NAME",
        help="[default: context]",
        show_default=False,
        rich_help_panel=FIELDS,
    ),
]
