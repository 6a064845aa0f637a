"""The arguments of `rise report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rise_cli.cli.help import examples

REPORT_EXAMPLES = examples(
    "rise report problems.jsonl.rise.jsonl",
    "rise report introspect.jsonl sample.jsonl -o comparison.html --open",
    'rise report results.jsonl --title "GSM8K, 500 problems" -o - > page.html',
    "",
    "Of several files the first is what the others are held against.",
    "Exit codes: 0 done; 2 wrong usage, or a line that is no row; 3 matplotlib is not installed",
    "(pip install 'rise-cli[eval]').",
)


def report(
    results: Annotated[list[Path], typer.Argument(help="Files of rise batch.", show_default=False)],
    out: Annotated[
        str, typer.Option("-o", "--out", metavar="FILE|-", help="Where the page goes; '-' is stdout.")
    ] = "report.html",
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="The page's title.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show errors only.")] = False,
) -> None:
    """Make one page of results that stands alone: a verdict, charts, and every transcript.

    The page asks nothing of the network and works from a folder. It shows whether reconsidering helped and
    what it cost; its problems can be searched, filtered and opened turn by turn.
    """
    from rise_cli.commands.page import report

    report(results, out, title, show=show, quiet=quiet)
