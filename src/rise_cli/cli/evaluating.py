"""The arguments of `rise eval`: a table of its own beside the shared one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rise_cli.cli.fields import ContextField, IdField, QuestionField, ReferenceField
from rise_cli.cli.help import examples
from rise_cli.cli.options import OUTPUT, takes_options

COMPARISON = "Comparison"

EVAL_EXAMPLES = examples(
    "rise eval problems.jsonl --turns 5 -m openai:gpt-6-luna --max-cost 5",
    "rise eval problems.jsonl --compare introspect,sample,./mine",
    "rise eval hf:openai/gsm8k:main --limit 200 --shuffle --save rise.toml",
    "rise eval hf:cais/mmlu:all:test --limit 500 --shuffle --models openai:gpt-6-luna,local:",
    "rise eval problems.jsonl --dry-run -m anthropic:claude-haiku-5-5",
    "",
    "With T turns: introspect and paper make T calls a problem, refine 2T-1, single-call one, sample",
    "draws T samples, and aggregate runs 2 chains (--samples changes that) of T/2 turns, at least 2.",
    "Two protocols are compared where they have made the same calls, or used the same tokens.",
    "",
    "Exit codes: 0 done; 2 wrong usage or input; 3 keys, configuration, or a package that is missing;",
    "4 some runs got no reply; 5 budget or deadline (what there is gets compared); 130 interrupted.",
    "After 5 and 130 the same command goes on where it stopped: no finished call is made again.",
    "--max-cost, --max-tokens-total and --deadline are for all protocols of one run of the command.",
)


@takes_options
def evaluate(  # noqa: PLR0913, PLR0917  (a command's parameters are its options)
    problems: Annotated[
        str,
        typer.Argument(
            help="Any file that rise batch takes, or a data set: hf:NAME[:CONFIG[:SPLIT]]; '-' is stdin. "
            "Problems need a reference."
        ),
    ],
    compare: Annotated[
        str,
        typer.Option(
            "--compare",
            metavar="NAME|DIR,...",
            help="The protocols (see rise prompts list), or folders with one.",
            rich_help_panel=COMPARISON,
        ),
    ] = "introspect,sample,refine,aggregate,paper,single-call",
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            metavar="MODEL,...",
            help="Compare several models, each under every protocol.",
            rich_help_panel=COMPARISON,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=1, help="Take the first N problems.", rich_help_panel=COMPARISON
        ),
    ] = None,
    shuffle: Annotated[
        bool,
        typer.Option(
            "--shuffle",
            help="Take them in random order, the same one for the same --seed: a larger --limit adds to "
            "the problems of a smaller one.",
            rich_help_panel=COMPARISON,
        ),
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Where the rows go: a results file for each protocol. [default: PROBLEMS.eval]",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FILE",
            help="Write the recommended options there, as a rise.toml.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --save.", rich_help_panel=OUTPUT)
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try failed problems again.", rich_help_panel=OUTPUT)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the comparison as JSON.", rich_help_panel=OUTPUT)
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print how many calls each protocol takes and what they may cost; call nobody.",
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
    """Compare protocols on problems with known answers: does reconsidering help here, and at what cost.

    Every protocol answers every problem, all turns of it. They are compared at equal calls and at equal
    tokens, with intervals; the cheapest that cannot be told from the best is recommended.
    """
    from rise_cli.commands.evaluate import EvalWish, evaluate
    from rise_cli.problems import Fields

    wish = EvalWish(
        compare=compare,
        models=models,
        out=out,
        limit=limit,
        shuffle=shuffle,
        save=save,
        overwrite=overwrite,
        retry_failed=retry_failed,
        dry_run=dry_run,
        as_json=as_json,
        verbose=verbose,
        quiet=quiet,
    )
    fields = Fields(question_field, reference_field, id_field, context_field)
    raise typer.Exit(evaluate(problems, fields, wish, flags))
