"""The files of one batch: where its rows go, and the journal of its calls beside them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rise_cli.chat import Notice
from rise_cli.commands.plan import Plan
from rise_cli.commands.wish import STDIO, Wish
from rise_cli.history.journal import Journal
from rise_cli.history.lines import Lines
from rise_cli.history.results import Results


@dataclass
class Files:
    """Where rows go: a results file and, unless nobody is asked, its journal; or stdout with neither.

    `complete` is to be set once nothing is left to do: only then does the journal go, whatever it holds.
    """

    rows: Results | Lines
    journal: Journal | None
    complete: bool = False


@contextlib.contextmanager
def opened(wish: Wish, plan: Plan, notice: Notice) -> Iterator[Files]:
    """The files that `wish.out` names, open and locked; they are let go however the run ends."""
    name = str(wish.out)
    if name == STDIO:
        lines = Lines(_to_stdout, ordered=wish.ordered, slim=wish.slim)
        with contextlib.closing(lines):
            yield Files(lines, None)
        return
    with contextlib.closing(Results(Path(name), ordered=wish.ordered, slim=wish.slim)) as results:
        journal = Journal(Path(f"{os.path.realpath(name)}.journal")) if plan.journalled else None
        files = Files(results, journal)
        try:
            if wish.overwrite:
                results.restart()
                if journal is not None:
                    journal.restart()
            results.resume(plan.expected, notice=notice, retry_failed=wish.retry_failed)
            yield files
        except BaseException:
            if not plan.journalled:  # a replay that cannot begin
                results.withdraw()
            raise
        finally:
            if journal is not None:
                # An empty one is of no use to anybody.
                journal.close(complete=files.complete or not len(journal))


def _to_stdout(line: bytes) -> None:
    sys.stdout.write(line.decode())
    sys.stdout.flush()
