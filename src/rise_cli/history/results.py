"""The results file of a batch: one row for each problem, exactly once, whatever happens in between.

A row is in the kernel's hands, whole, before `append` returns, so `kill -9` leaves at most one torn
line at the end, and the next run repairs it. A power cut may take the rows of the last seconds; their
problems are then solved again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from rise_cli.errors import UsageError
from rise_cli.history.differences import differences
from rise_cli.history.done import Done, Piece, Span, pieces
from rise_cli.history.ids import NOTHING_ASKED, as_bytes, asks_the_same, fingerprint
from rise_cli.history.lines import Lines
from rise_cli.history.locked import LockedFile
from rise_cli.history.mending import Grade, Mending
from rise_cli.history.outdated import Outdated
from rise_cli.history.rows import NOWHERE, Row, damaged, is_row, is_torn, scan, was_slim
from rise_cli.history.scanner import WORTH_IT, Scanner

_FIRST_ROOM = 64 << 10
"""Bytes: of what is in flight at the start, there shall be room for some before it is paid for."""


class Posed(Protocol):
    """A problem of the input, in the words of `rise_cli.problems.Row`."""

    @property
    def index(self) -> int: ...
    @property
    def line(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def context(self) -> str | None: ...
    @property
    def reference(self) -> str | None: ...


class Results:
    """The file, for the time of one run: `resume` or `restart`, then `answers` for each problem, then
    `append` for those that have no row, and `finish` once the run is complete.

    The rows of a long file are learned piece by piece: until all are `known`, `answers` may not be able to
    tell, and `learn_more` learns another piece. `ok` and `failed` count the rows of all runs, `earlier`
    those of earlier ones, as far as they are known. Rows of earlier runs may have become `strangers` to the
    input, or `outdated` by it: `finish` finds the former, which then count no more, and mends the latter.
    `repeated` rows have an id that another one has, too: somebody has put two files together. `ungraded`
    ones are outdated and not whole, and stay as they are.

    With `ordered`, rows are written in the order of their `index`, which counts from 0; a file that was
    begun without, or from an input in another order, is put in order by `finish`. `slim` leaves the turns
    out. For one thread at a time.
    """

    def __init__(
        self,
        path: Path,
        *,
        ordered: bool = False,
        slim: bool = False,
        afresh: str = "start over with --overwrite",
    ) -> None:
        """Open or create the file and lock it. `afresh` is what a person is told to do about rows that do
        not fit. Raises UsageError as `LockedFile` does."""
        self.ordered = ordered
        self._slim = slim
        self._afresh = afresh
        self._file = LockedFile(path)
        self._lines = Lines(self._write, ordered=ordered, slim=slim)
        self._done = Done(iter(()))
        self._scanner: Scanner | None = None
        self._kept: list[Span] = []  # the parts of the file that stay
        self._notice: Callable[[str], None] = lambda text: None
        self._torn = ""  # what to say of a last line that is
        self._whole = 0  # bytes of the lines that are not torn
        self._shaped = False
        self._new = 0
        self._outdated = Outdated()
        self._settled = False  # what of the earlier rows belongs to the input
        self.ok = self.failed = self.strangers = self.repeated = self.ungraded = 0
        self.stale = False
        """Whether the rows in the file are those that `restart` found."""

    @property
    def name(self) -> str:
        return self._file.name

    @property
    def earlier(self) -> int:
        return self.ok + self.failed - self._new

    @property
    def known(self) -> bool:
        return self._done.complete

    @property
    def begun(self) -> bool:
        """Whether what was asked for once, `restart` or `retry_failed`, is done and need not be again."""
        return self._shaped and not self.stale

    @property
    def pending(self) -> int:
        """How many rows are held back for an earlier one."""
        return self._lines.pending

    @property
    def outdated(self) -> int:
        """How many rows were held against another reference than the input now has."""
        return len(self._outdated)

    @property
    def doubtful(self) -> int:
        """How many rows of earlier runs may belong to the input, or not: it has not asked for them yet."""
        return 0 if self._settled else self._done.unwanted

    def has_row(self, id: str, index: int) -> bool | None:  # noqa: A002
        """Whether the problem `id`, which the input has at `index`, has had its row since an earlier run;
        None as long as that is not known."""
        if self._done.find(id, index) is None:
            return False if self._done.complete else None
        return True

    def has_answer(self, id: str, index: int) -> bool:  # noqa: A002
        """Whether such a row is one that a question was asked for, and not that of a bad line."""
        was = self._done.find(id, index)
        return was is not None and not asks_the_same(was, NOTHING_ASKED)

    def answers(self, problem: Posed) -> bool | None:
        """As `has_row`, and notice where the input was edited since: another reference makes the row
        `outdated`. Raises UsageError where the row answers another question, or one on other material.
        """
        was = self._done.find(problem.id, problem.index)
        if was is None:
            return False if self._done.complete else None
        now = fingerprint(
            as_bytes(problem.question), as_bytes(problem.context or ""), as_bytes(problem.reference or "")
        )
        if was != now:
            if not asks_the_same(was, now):
                raise self._other_question(problem, was)
            self._outdated.add(as_bytes(problem.id), problem.reference)
        return True

    def is_stranger(self, id: str) -> bool:  # noqa: A002
        """Whether a row of this id belongs to no problem of the input. To be asked after `finish`."""
        return self.strangers > 0 and self._done.place(as_bytes(id)) == NOWHERE

    def restart(self) -> None:
        """Start over (`--overwrite`). The rows that are there count no more, but stay until there is a new
        one: a run that cannot begin takes nothing away."""
        self.stale = self._file.size > 0
        self._done.take_all()

    def resume(
        self, settings: Mapping[str, object], *, notice: Callable[[str], None], retry_failed: bool = False
    ) -> None:
        """Begin to find what is done; of a short file, find it.

        `settings` are those that the rows must have been made with; what else a row holds does not
        matter. With `retry_failed`, failed rows do not count, and `begin` takes them out. Raises
        UsageError, here or in `learn_more`, if a line is no row, or the settings or `slim` differ.
        """
        if self.stale:
            return
        self._notice = notice
        tail = self._file.tail()
        if tail and is_row(tail):
            tail = b""  # it lacks its newline alone
        self._whole = self._file.size - len(tail)
        if self._whole < WORTH_IT:
            found = pieces(self._rows(self._whole), retry_failed=retry_failed)
        else:
            self._scanner = Scanner(self._file.path, self._file.name, self._whole, retry_failed=retry_failed)
            found = self._scanner.pieces()
        self._done = Done(self._learned(found, json.loads(json.dumps(settings)), tail))
        if self._scanner is None:
            self._done.take_all()

    def learn_more(self) -> None:
        """Learn what a further piece of the rows holds, however long that takes."""
        self._done.take()

    def begin(self, *, more: bool = True) -> None:
        """Put the file in shape for new rows: take out what was torn, and what is to be tried again. The
        first `append` does it, if nobody has. If `more` rows are to come, see that there is some room for
        them. Raises RiseError where there is none."""
        if self._shaped:
            return
        self._done.take_all()
        if not self.stale:
            if sum(end - start for start, end in self._kept) < self._whole:
                self._file.replace(self._file.parts(self._kept))
            elif self._torn:
                self._file.cut(self._whole)
            if self._file.tail():
                self._file.append(b"\n")
        if self._torn:
            self._notice(self._torn)
        if more:
            self._file.probe(_FIRST_ROOM)
        self._shaped = True

    def append(self, record: Mapping[str, Any]) -> list[str]:
        """Take a finished row. Return the ids of the rows that are in the file now and were not before:
        where the order of the input is kept, those may be none, or several.

        Raises RiseError, and leaves the file as it was, if it cannot be written.
        """
        self.begin()
        written = self._lines.append(record)
        self._new += 1
        if record["status"] == "failed":
            self.failed += 1
        else:
            self.ok += 1
        return written

    def skip(self, index: int) -> list[str]:
        """Do not wait for the row of `index`, it is in the file already. Returns as `append` does."""
        return self._lines.skip(index)

    def finish(self, grade: Grade) -> None:
        """The run is complete: the input has asked for every problem that it has. Count the strangers, hold
        outdated rows against the references of now, and see that each row has its place and, where the order
        is kept, stands there. May take long. What `grade` raises leaves the file as it was."""
        self.begin(more=False)
        self._empty_if_stale()
        before, mending = self.earlier, Mending(self._file, self._done, self._outdated)
        if self._done.unwanted:
            self.strangers, failed = mending.strangers()
            self.failed -= failed
            self.ok -= self.strangers - failed
        self.repeated = self.earlier - self._done.wanted
        self._settled = True
        order = mending.in_order() if self.ordered and before else None
        if order is not None or self.outdated or mending.is_misplaced:
            self._file.replace(mending.lines(order, grade))
            self._outdated.clear()
            self.ungraded = mending.ungraded

    def withdraw(self) -> None:
        """Remove the file if this run has created it and it is empty. To be called before `close`."""
        self._file.withdraw()

    def close(self) -> None:
        """Let go of the file and its lock. Rows that are still held back are dropped. Calling it twice
        does no harm."""
        self._lines.close()
        self._outdated.close()
        if self._scanner is not None:
            self._scanner.close()
        self._file.close()

    def _learned(
        self, found: Iterable[Piece], expected: Mapping[str, object], tail: bytes
    ) -> Iterator[Piece]:
        """Yield what is found, if it fits."""
        lines = 0
        for piece in found:
            for made_with in piece.settings:
                self._compare(made_with, expected)
            lines += piece.lines
            self.failed += piece.failed
            self.ok += piece.taken - piece.failed
            for start, end in piece.kept:
                if self._kept and self._kept[-1][1] == start:
                    start = self._kept.pop()[0]  # noqa: PLW2901 - they are one
                self._kept.append((start, end))
            yield piece
        if self._kept:
            self._compare_turns()
        if tail:
            self._torn = self._torn_line(tail, lines + 1)

    def _rows(self, upto: int) -> Iterator[Row]:
        with self._file.read() as file:
            yield from scan(file, self._file.name, upto)

    def _other_question(self, problem: Posed, was: int) -> UsageError:
        has = f"line {problem.line}: the problem {problem.id!r} has a row in {self._file.name!r}"
        if asks_the_same(was, NOTHING_ASKED):
            return UsageError(f"{has} that says its line was bad; add --retry-failed to solve it now")
        return UsageError(
            f"{has} that answers another question; name another output with -o, or {self._afresh}"
        )

    def _compare(self, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
        if differing := differences(theirs, ours):
            raise UsageError(
                f"{self._file.name!r} was made with {', '.join(differing)}; repeat those, name another file "
                f"with -o, or {self._afresh}"
            )

    def _compare_turns(self) -> None:
        was = was_slim(self._file.path)
        if was is not None and was != self._slim:
            theirs, advice = ("with", "repeat it") if was else ("without", "leave it out")
            raise UsageError(
                f"{self._file.name!r} was made {theirs} --slim; {advice}, name another file with -o, or "
                f"{self._afresh}"
            )

    def _torn_line(self, tail: bytes, number: int) -> str:
        """What to say of a last line that is one of ours in part."""
        if not is_torn(tail):
            raise damaged(self._file.name, number)
        name = self._file.name
        return f"line {number} of {name!r} was torn when it was written; it is removed and made again"

    def _write(self, line: bytes) -> None:
        # What the new row is made of is in the journal, should the program end between the two.
        self._empty_if_stale()
        self._file.append(line)

    def _empty_if_stale(self) -> None:
        if self.stale:
            self._file.cut(0)
            self.stale = False
