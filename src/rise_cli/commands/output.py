"""The files of one batch: where its rows go, and the journal of its calls beside them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import select
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rise_cli.chat import Notice
from rise_cli.commands.plan import Plan
from rise_cli.commands.wish import STDIO, Wish
from rise_cli.errors import RiseError
from rise_cli.history.journal import Journal
from rise_cli.history.lines import Lines
from rise_cli.history.results import Results
from rise_cli.render.amounts import counted
from rise_cli.run.act import Compare
from rise_cli.run.batch import End
from rise_cli.run.interrupt import at_first_signal
from rise_cli.run.outlet import Outlet
from rise_cli.run.scoring import score_again

_EVERY_S = 10.0  # a word on how far it is


@dataclass
class Files:
    """Where rows go: a results file and, unless nobody is asked, its journal; or stdout with neither.

    `room` is to be awaited before anything new is begun: whoever reads stdout may be slow. `complete` is to
    be set once nothing is left to do: only then does the journal go, whatever it holds. `patience_s` is how
    long to wait in the end for the reader of stdout; None: until all rows are read. Thereafter `lost` rows
    were not.
    """

    rows: Results | Lines
    journal: Journal | None
    room: Callable[[], Awaitable[None]] | None = None
    complete: bool = False
    patience_s: float | None = None
    lost: int = 0


@contextlib.contextmanager
def opened(wish: Wish, plan: Plan, notice: Notice) -> Iterator[Files]:
    """The files that `wish.out` names, open and locked; they are let go however the run ends. Within a
    running loop."""
    name = str(wish.out)
    if name == STDIO:
        outlet = Outlet(_to_stdout)
        lines = Lines(outlet.put, ordered=wish.ordered, slim=wish.slim)
        files = Files(lines, None, outlet.room)
        try:
            with contextlib.closing(lines):
                yield files
        finally:
            files.lost = outlet.close(files.patience_s)
            if files.lost:
                notice(f"{counted(files.lost, 'row')} waited for the reader of stdout, and are lost")
        return
    with contextlib.closing(_results(name, wish)) as results:
        try:
            journal = Journal(Path(f"{os.path.realpath(name)}.journal")) if plan.journalled else None
        except RiseError:
            results.withdraw()
            raise
        files = Files(results, journal)
        try:
            if wish.overwrite:
                results.restart()
                if journal is not None:
                    journal.restart()
            results.resume(plan.expected, notice=notice, retry_failed=wish.retry_failed)
            yield files
        finally:
            kept = journal is not None and len(journal) > 0
            if not files.complete and not kept:
                results.withdraw()  # an empty one is of no use to anybody, nor is an empty journal
            if journal is not None:
                journal.close(complete=files.complete or not kept)


async def brought_up(rows: Results, end: End, compare: Compare, notice: Notice, path: str | None) -> End:
    """See that the file of a complete run is as the input at `path` wants it, and say what of it was not.
    Return how the run ends then: a person may stop this, too. Without a path, rows of other problems are as
    they should be."""
    outdated, named = counted(rows.outdated, "row"), repr(rows.name)
    if end is End.COMPLETE and not await _finished(rows, compare, notice):
        end = End.INTERRUPTED
    if end is not End.COMPLETE:
        if rows.outdated:
            notice(f"{outdated} of {named} will be graded again in the end: the references have changed")
        return end
    if rows.ungraded:
        notice(f"{counted(rows.ungraded, 'row')} of {named} cannot be graded again, and say what they said")
    if rows.repeated:
        notice(f"{counted(rows.repeated, 'row')} of {named} with the id of another one: all of them count")
    if rows.strangers and path is not None:
        one = rows.strangers == 1
        belong, they, stay = ("belongs", "it", "stays") if one else ("belong", "they", "stay")
        these = f"{counted(rows.strangers, 'row')} of {named}"
        notice(f"{these} {belong} to no line of {path!r}: {they} {stay}, and the summary is without")
    return end


async def _finished(rows: Results, compare: Compare, notice: Notice) -> bool:
    """Finish the file beside the event loop; False if Ctrl-C has ended that, and it is as it was."""
    stopped, graded = False, 0

    def stop() -> None:
        nonlocal stopped
        stopped = True

    def grade(record: dict[str, Any], reference: str | None) -> bool:
        nonlocal graded
        if stopped:
            raise _Stopped
        graded += 1
        return score_again(record, reference, compare)

    outdated = counted(rows.outdated, "row")
    with at_first_signal(stop):
        if rows.outdated:
            notice(f"grading {outdated} of {rows.name!r} again: the references have changed")
        work = asyncio.ensure_future(asyncio.to_thread(rows.finish, grade))
        while not (await asyncio.wait([work], timeout=_EVERY_S))[0]:
            notice(f"{graded:,} of {outdated} graded" if graded else f"writing {rows.name!r} in order")
    try:
        work.result()
    except _Stopped:
        return False
    return True


class _Stopped(Exception):
    """A person does not want to wait."""


def _results(name: str, wish: Wish) -> Results:
    return Results(Path(name), ordered=wish.ordered, slim=wish.slim, afresh=wish.afresh)


def _to_stdout(line: bytes) -> None:
    # Past the buffer: a thread that is stuck in it would keep the program from ending.
    raw = cast(io.BufferedWriter, sys.stdout.buffer).raw
    rest = memoryview(line)
    while rest:
        written = raw.write(rest)
        if written is None:  # whoever gave it to us does not let us wait in it
            select.select([], [sys.stdout.fileno()], [])
        rest = rest[written or 0 :]
