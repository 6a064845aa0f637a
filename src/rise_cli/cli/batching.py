"""The arguments of `rise batch`: a table of its own beside the shared one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rise_cli.cli.fields import ContextField, IdField, QuestionField, ReferenceField
from rise_cli.cli.help import examples
from rise_cli.cli.options import OUTPUT, takes_options

BATCH_EXAMPLES = examples(
    "rise batch problems.jsonl --turns 5 --max-cost 2  # again, to go on after an interruption",
    "rise batch problems.csv -o results.jsonl --question-field text --ordered",
    "rise batch problems.jsonl --replay problems.jsonl.rise.jsonl --vote last -o last.jsonl",
    "rise batch problems.jsonl --dry-run -m anthropic:claude-haiku-5-5",
    "zcat problems.jsonl.gz | rise batch - -o - | jq .answer",
    "",
    "Exit codes: 0 done; 2 wrong usage, or other settings than the rows in OUT were made with;",
    "3 keys or configuration; 4 some problems failed, or the provider went down; 5 budget or",
    "deadline; 130 interrupted; 141 with -o -, its reader has left before the last row.",
    "The same command goes on where it stopped, without --overwrite: no finished call is made",
    "again. A provider is down when nobody was answered for about twice --max-wait, and for",
    "--timeout more where a call is still on its way.",
    "--max-cost, --max-tokens-total and --deadline count for each run of the command.",
)


@takes_options
def batch(  # noqa: PLR0913, PLR0917  (a command's parameters are its options)
    problems: Annotated[
        str, typer.Argument(help="JSONL, CSV, TSV or text (a question a line), gzipped or not; '-' is stdin.")
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE|-",
            help="Where the rows go; '-' is stdout, without a journal. [default: PROBLEMS.rise.jsonl]",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    ordered: Annotated[
        bool,
        typer.Option(
            "--ordered", help="Write the rows in the order of the problems.", rich_help_panel=OUTPUT
        ),
    ] = False,
    slim: Annotated[
        bool, typer.Option("--slim", help="Leave the turns out of the rows.", rich_help_panel=OUTPUT)
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Start over where OUT has rows; they stay until the first new one.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Try failed problems again, and lines that were bad; all rows of such are taken out.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast", help="Stop at a line that poses no problem.", rich_help_panel=OUTPUT),
    ] = False,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay",
            metavar="RESULTS",
            help="Ask nobody: read, vote and stop again over recorded replies. "
            "[default output: PROBLEMS.replay.jsonl]",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            "--summary", metavar="FILE", help="Write the summary as JSON too.", rich_help_panel=OUTPUT
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print how many calls the whole file takes and what they may cost; call nobody.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    question_field: QuestionField = None,
    reference_field: ReferenceField = None,
    id_field: IdField = None,
    context_field: ContextField = None,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show every retry.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Show errors only.", rich_help_panel=OUTPUT)
    ] = False,
    **flags: Any,
) -> None:
    """Answer a file of problems, one JSON row each, and go on where an earlier run stopped.

    Every problem is answered as by rise ask. Rows are written as problems finish. Finished calls are
    kept in a journal beside the rows until the run is complete.
    """
    from rise_cli.commands.batch import batch
    from rise_cli.commands.wish import Wish
    from rise_cli.problems import Fields

    wish = Wish(
        out=out,
        ordered=ordered,
        slim=slim,
        overwrite=overwrite,
        retry_failed=retry_failed,
        fail_fast=fail_fast,
        replay=replay,
        summary=summary,
        dry_run=dry_run,
        verbose=verbose,
        quiet=quiet,
    )
    fields = Fields(question_field, reference_field, id_field, context_field)
    raise typer.Exit(batch(problems, fields, wish, flags))
