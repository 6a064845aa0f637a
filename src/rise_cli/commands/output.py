"""The files of one batch: where its rows go, and the journal of its calls beside them."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rise_cli.chat import Notice
from rise_cli.commands.plan import Plan
from rise_cli.commands.wish import STDIO, Wish
from rise_cli.errors import RiseError
from rise_cli.history.journal import Journal
from rise_cli.history.lines import Lines
from rise_cli.history.results import Grade, Results
from rise_cli.render.amounts import counted
from rise_cli.run.batch import End
from rise_cli.run.outlet import Outlet


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


def finish(rows: Results, end: End, grade: Grade, notice: Notice, path: str | None) -> None:
    """See that the file is as the input at `path` wants it, if the run is complete, and say what of it was
    not. Without a path, rows of other problems are as they should be."""
    outdated, named = counted(rows.outdated, "row"), repr(rows.name)
    if end is not End.COMPLETE:
        if rows.outdated:
            notice(f"{outdated} of {named} will be graded again in the end: the references have changed")
        return
    if rows.outdated:
        notice(f"grading {outdated} of {named} again: the references have changed")
    rows.finish(grade)
    if rows.strangers and path is not None:
        strangers = counted(rows.strangers, "row")
        notice(f"{strangers} of {named} belong to no line of {path!r}: they stay, and the summary omits them")


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
