"""`rise score`: results files, from the command line to a table or a JSON object."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path

from rise_cli.commands.grading import Grading, graded, to_stderr
from rise_cli.errors import UsageError
from rise_cli.history.record import dumps
from rise_cli.measure.rollouts import Rollout
from rise_cli.measure.summary import Change, Summary, change, outcomes, summarize
from rise_cli.render.amounts import counted
from rise_cli.run.garbage import settled
from rise_cli.settings import resolve, working_folder

SCHEMA = "rise.score/1"

_ALL_PAIRS = 4  # files; of more, each is compared with the first

_Named = tuple[str, Mapping[str, bool | None]]


def score(paths: Sequence[Path], by: str | None, as_json: bool, grading: Grading) -> int:
    """Measure the files and print what was found; return the exit code."""
    notice = to_stderr(grading.quiet)
    summaries: list[Summary] = []
    known: list[_Named] = []
    for path, (rollouts, judged) in zip(paths, graded(paths, grading, notice), strict=True):
        _check(rollouts, path, by)
        with settled():  # or a large file would be searched for garbage again and again
            summaries.append(replace(summarize(rollouts, str(path), by), judged=judged))
        known.append((str(path), outcomes(rollouts)))
        if again := len(rollouts) - len({one.id for one in rollouts}):
            notice(
                f"{counted(again, 'row')} of {str(path)!r} with an id that another one has: all of them "
                "count, but in pairs only the first of each id"
            )
        if slim := summaries[-1].slim:
            notice(
                f"{slim:,} rows of {str(path)!r} were written with --slim: nothing is known of their turns"
            )
    changes = _compared(known)
    if as_json:
        _print_json(summaries, changes)
    else:
        _print_table(summaries, changes, by, grading)
    return 0


def _check(rollouts: Sequence[Rollout], path: Path, by: str | None) -> None:
    if not rollouts:
        raise UsageError(f"there are no rows in {str(path)!r}; name a results file of rise batch")
    fields = {name for one in rollouts for name in one.extra}
    if by is not None and by not in fields:
        known = f"it has {', '.join(map(repr, sorted(fields)[:20]))}" if fields else "it has none"
        raise UsageError(f"no row of {str(path)!r} has a field {by!r}; {known}")


def _compared(known: Sequence[_Named]) -> list[Change]:
    """The pairs of files that share problems, the earlier one as the baseline."""
    pairs = list(combinations(known, 2))
    if len(known) > _ALL_PAIRS:
        pairs = [(a, b) for a, b in pairs if a is known[0]]
    return [change(a, b) for a, b in pairs if not a[1].keys().isdisjoint(b[1])]


def _print_json(summaries: Sequence[Summary], changes: Sequence[Change]) -> None:
    found = {
        "schema": SCHEMA,
        "files": [one.as_json for one in summaries],
        "comparisons": [asdict(one) for one in changes],
    }
    # By way of the text: what is in a field is anybody's, and may be no number that JSON knows.
    sys.stdout.write(dumps(json.loads(json.dumps(found), parse_constant=str)) + "\n")


def _print_table(
    summaries: Sequence[Summary], changes: Sequence[Change], by: str | None, grading: Grading
) -> None:
    from rich.text import Text

    from rise_cli.render.console import make_console
    from rise_cli.render.page import Page
    from rise_cli.render.score import comparisons, sheet

    color = resolve(
        {"color": grading.flags.get("color")}, env=os.environ, cwd=working_folder()
    ).settings.color
    page = Page(make_console(sys.stdout, color, os.environ))
    for at, summary in enumerate(summaries):
        page.show([*([Text()] if at else []), *sheet(summary, by, page)])
    if changes:
        page.show([Text(), *comparisons(changes, page)])
