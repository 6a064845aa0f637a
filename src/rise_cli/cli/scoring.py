"""The arguments of `rise score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rise_cli.cli.help import examples
from rise_cli.cli.options import OUTPUT, taking

GRADING = "Grading"

SCORE_EXAMPLES = examples(
    "rise score problems.jsonl.rise.jsonl",
    "rise score introspect.jsonl sample.jsonl         # the same problems: compared in pairs",
    "rise score results.jsonl --by level",
    "rise score results.jsonl --json | jq '.files[0].figures.\"m1@t5\"'",
    "rise score results.jsonl --kind number           # read the answers again",
    "rise score code.jsonl --check 'python try_it.py'",
    "rise score essays.jsonl --judge openai:gpt-6-luna --max-cost 1",
    "",
    "m1@t1 is one sample at turn 1; m1@t5 the majority of a chain's first five turns; m5@t1 that of",
    "five chains' first turns; acc@3 the third turn alone; p1@t5 any of five turns, which only an",
    "oracle can pick. For measurements, run rise batch with --no-early-stop: what stopped early is",
    "marked as partial.",
    "",
    "Exit codes: 0 done; 2 wrong usage, or a file that is no results file; 3 keys or configuration;",
    "5 the budget of the judge is spent: with a higher one, what was judged is not asked again.",
)

_JUDGED_WITH = (
    "base_url", "temperature", "max_tokens", "reasoning_effort", "option", "check_timeout", "max_cost",
    "max_tokens_total", "price", "timeout", "max_retries", "max_wait", "concurrency", "rpm", "tpm", "color",
)  # fmt: skip


@taking(*_JUDGED_WITH)
def score(  # noqa: PLR0913, PLR0917  (a command's parameters are its options)
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Files of rise batch.")],
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Read the answers again from the replies, as auto, number, choice, math or text, and "
            "compare them with the references.",
            rich_help_panel=GRADING,
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            metavar="COMMAND",
            help="Run this on the answer of every turn: exit 0 is right, anything else is wrong.",
            rich_help_panel=GRADING,
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            metavar="PROVIDER:MODEL",
            help="Ask this model whether answers come to the same as their references. Replies to questions "
            "without one, or of kind text, it rates turn by turn: how good they are, and whether they still "
            "answer the question.",
            rich_help_panel=GRADING,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="FIELD",
            help="Also by the values of this field of the problems, such as level.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with everything.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Show errors only.", rich_help_panel=OUTPUT)
    ] = False,
    **flags: Any,
) -> None:
    """Measure results: what is right, what further turns fix and break, how sure, at what price.

    Asks nobody unless a check or a judge is named. Where files share problems, they are compared in
    pairs, each later one with each earlier one (with the first, from five files on).
    """
    from rise_cli.commands.grading import Grading
    from rise_cli.commands.score import score

    raise typer.Exit(score(results, by, as_json, Grading(kind, check, judge, quiet, flags)))
