"""A results file brought to what its input says now: the rows of earlier runs may have been made for another
edition of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rise_cli.history.done import Done, Span
from rise_cli.history.locked import LockedFile
from rise_cli.history.outdated import Outdated
from rise_cli.history.record import dumps
from rise_cli.history.rows import NOWHERE, Row, damaged, looking, numbered, scan

Grade = Callable[[dict[str, Any], str | None], bool]
"""Holds a row, as JSON, against a reference, or against none, and fills in what it finds; False where the row
lacks what that takes."""


class Mending:
    """What is to be changed in `file`, once the input has asked `done` for all its problems, and those of
    which it says another reference are in `outdated`. It changes nothing itself."""

    def __init__(self, file: LockedFile, done: Done, outdated: Outdated) -> None:
        self._file = file
        self._done = done
        self._outdated = outdated
        self.is_misplaced = done.moved
        """Whether a row says another place than it has now; of strangers, known once they are counted."""
        self.ungraded = 0
        """Outdated rows that could not be graded again."""

    def strangers(self) -> tuple[int, int]:
        """Count the rows of no problem of the input, and those of them that failed."""
        found = failed = 0
        for row in self._rows():
            if self._done.place(row.id) == NOWHERE:
                found += 1
                failed += row.failed
                self.is_misplaced |= row.position is not None
        return found, failed

    def in_order(self) -> list[Span] | None:
        """Where the rows begin and end, in the order of the input, strangers last; None if they stand so."""
        spans = [(self._place(row), row.start, row.start + row.length) for row in self._rows()]
        ordered = sorted(spans)
        return None if spans == ordered else [(start, end) for _, start, end in ordered]

    def lines(self, order: Sequence[Span] | None, grade: Grade) -> Iterator[bytes]:
        """Yield the lines, in this order or as they stand, with their places, and graded anew."""
        look = looking()
        for line in self._lines(order):
            row = look(line, 0)
            if row is None:
                raise damaged(self._file.name, 0)  # by somebody else, since it was looked through
            place = self._place(row)
            mended = line if place == _said(row) else numbered(line, place)
            if row.id in self._outdated:
                record = json.loads(mended)
                if grade(record, self._outdated.reference(row.id)):
                    mended = dumps(record).encode() + b"\n"
                else:
                    self.ungraded += 1
            yield mended

    def _rows(self) -> Iterator[Row]:
        with self._file.read() as file:
            yield from scan(file, self._file.name, self._file.size)

    def _lines(self, order: Sequence[Span] | None) -> Iterator[bytes]:
        if order is not None:
            yield from (self._file.part(start, end - start) for start, end in order)
            return
        with self._file.read() as file:
            yield from file

    def _place(self, row: Row) -> int:
        """Where the row stands in the input now; `NOWHERE` for one that is not in it."""
        place = self._done.place(row.id)
        return _said(row) if place is None else place


def _said(row: Row) -> int:
    return NOWHERE if row.position is None else row.position
