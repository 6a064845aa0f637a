"""The rows of a batch: which are written already, what is still to be solved, and where rows go.

A row is written before its calls are forgotten, and its calls are in the journal before they are used,
so at any moment what was paid for is in one of the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from rise_cli.core.domain import Finish, Kind, Policy, Problem, StopReason, Trajectory
from rise_cli.errors import UsageError
from rise_cli.history.journal import Journal
from rise_cli.history.lines import Lines
from rise_cli.history.results import Results
from rise_cli.problems import BadRow, Row
from rise_cli.run.totals import Totals

_COUNTED = ("status", "failure", "stop_reason", "correct", "usage", "cost_usd")
_BREATH = 256  # rows that are passed over before others get a turn


class Book:
    """Where rows go: a results file with its journal, or lines on stdout with neither. `room` waits until
    there is some for further rows.

    `totals` are those of the problems that this run has solved, `written` those of the rows that are in
    the file by now: fewer, while rows wait for an earlier one. `unread` says whether a line posed no
    problem: once it is mended, its calls may be wanted, so they stay in the journal.
    """

    def __init__(
        self,
        out: Results | Lines,
        journal: Journal | None = None,
        room: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._out = out
        self._journal = journal
        self._room = room
        self.totals, self.written = Totals(), Totals()
        self._waiting: dict[str, Mapping[str, Any]] = {}
        self.unread = False
        self._to_keep: set[str] = set()  # of the rows that wait: those whose calls are not forgotten

    @property
    def earlier(self) -> int:
        """Rows that earlier runs have written, as far as they are known."""
        return self._out.earlier if isinstance(self._out, Results) else 0

    @property
    def known(self) -> bool:
        """Whether all of those are."""
        return not isinstance(self._out, Results) or self._out.known

    @property
    def ok(self) -> int:
        """Problems with an answer, in rows of all runs, as far as they are known."""
        return self._out.ok if isinstance(self._out, Results) else self.totals.ok

    @property
    def failed(self) -> int:
        return self._out.failed if isinstance(self._out, Results) else self.totals.failed

    @property
    def strangers(self) -> int | None:
        """Rows in the file that belong to no line of the input; None if a run ended before that was known."""
        if not isinstance(self._out, Results):
            return 0
        return None if self.doubtful else self._out.strangers

    @property
    def doubtful(self) -> int:
        """Rows of earlier runs that may be such."""
        return self._out.doubtful if isinstance(self._out, Results) else 0

    def is_stranger(self, id: str) -> bool:  # noqa: A002
        return isinstance(self._out, Results) and self._out.is_stranger(id)

    @property
    def begun(self) -> bool:
        """Whether `--overwrite` and `--retry-failed` are done, and need not be said again."""
        return not isinstance(self._out, Results) or self._out.begun

    @property
    def stale(self) -> bool:
        """Whether the rows in the file are those of before a run that starts over."""
        return isinstance(self._out, Results) and self._out.stale

    async def left(
        self, items: AsyncIterator[Sequence[Row | BadRow]], bad: Callable[[BadRow, str], Mapping[str, Any]]
    ) -> AsyncIterator[Row]:
        """Yield the problems that have no row yet. A bad line becomes the row that `bad` makes of it
        and an id of its own; what it raises ends the run."""
        passed, out, room = 0, self._out, self._room
        rows = out if isinstance(out, Results) else None
        async for some in items:
            for item in some:
                if room is not None:
                    await room()
                if isinstance(item, Row):
                    if rows is None:
                        yield item
                        continue
                    answered = rows.answers(item)
                    if answered is None:
                        await _learned(rows, item.id, item.index)
                        answered = rows.answers(item)
                    if answered:
                        self._pass(rows, item)
                    else:
                        rows.begin()
                        yield item
                elif rows is not None and await _learned(rows, item.name, item.index):
                    self._pass_bad(rows, item, bad)
                else:
                    self._take(item, bad)
            passed += len(some)
            if passed >= _BREATH:
                passed = 0
                await asyncio.sleep(0)
        await _all_learned(rows)  # there may be more rows than problems

    def _pass(self, rows: Results, row: Row) -> None:
        """Go past a problem that has its row."""
        if rows.ordered and (written := rows.skip(row.index)):
            self._note(written)
        if self._journal is not None:
            self._journal.forget(row.id)  # the program may have ended between its row and that

    def _pass_bad(self, rows: Results, item: BadRow, bad: Callable[[BadRow, str], Mapping[str, Any]]) -> None:
        """Go past a bad line that has its row. Raises UsageError where it was a good one."""
        if rows.has_answer(item.name, item.index):
            raise UsageError(
                f"line {item.line}: {item.error}; but the problem {item.name!r} has a row in {rows.name!r} "
                "that answers a question: mend the line, or name another output with -o"
            )
        self.unread = True
        bad(item, item.name)  # it is told of again: what is wrong may be something else now
        self._note(rows.skip(item.index))

    def _take(self, item: BadRow, bad: Callable[[BadRow, str], Mapping[str, Any]]) -> None:
        """Write the row of a bad line."""
        self.unread, name = True, item.name
        row = bad(item, name)
        self._to_keep.add(name)
        self.write(row)

    def write(self, record: Mapping[str, Any]) -> None:
        """Write a row, and forget the calls of the rows that are on disk by now."""
        written = self._out.append(record)
        self.totals.add(record)
        self._waiting[record["id"]] = _counted(record)
        self._note(written)

    def _note(self, written: list[str]) -> None:
        for name in written:
            if (record := self._waiting.pop(name, None)) is not None:
                self.written.add(record)
            if self._journal is not None:
                self._journal.begin()
                if name not in self._to_keep:
                    self._journal.forget(name)
            self._to_keep.discard(name)


async def _learned(rows: Results, id: str, index: int) -> bool:  # noqa: A002
    """Whether a problem has its row. Learning that may take long, and holds nobody up."""
    while (answered := rows.has_row(id, index)) is None:
        await asyncio.to_thread(rows.learn_more)
    return answered


async def _all_learned(rows: Results | None) -> None:
    while rows is not None and not rows.known:
        await asyncio.to_thread(rows.learn_more)


def _counted(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `Totals` reads of a row: many may wait, and their texts do not fit into the memory."""
    turns = [{"reply": turn["reply"] and "", "failure": turn["failure"]} for turn in record["turns"]]
    return {name: record[name] for name in _COUNTED} | {"turns": turns}


def unread(name: str, kind: Kind, policy: Policy) -> Trajectory:
    """The trajectory of a line that poses no problem: nothing was asked."""
    return Trajectory(Problem(name, "", kind=kind), policy, (), Finish(StopReason.ERROR, None, ()))
