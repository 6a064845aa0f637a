"""Which problems have their row: learned piece by piece, so that the input can be read meanwhile.

Rows stand about in the order of the input. Whoever goes through the input thus finds each problem among
the pieces that are known, and waits for all of them only where a problem has no row.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from rise_cli.errors import UsageError
from rise_cli.history.ids import as_bytes, digest
from rise_cli.history.rows import Row

_FEWEST, _MOST = 4096, 32768  # rows in a piece: few at first, so that nobody waits long for it

Span = tuple[int, int]
"""Where a part of a file begins and ends, in bytes."""


class Piece(NamedTuple):
    """What some adjacent rows come to, some of which may be left out.

    `ids` are digests, sorted, and `asked` the checksums of their questions. `lines` counts all rows,
    `taken` those that are not left out, `failed` those of them that failed. `settings` are those with
    which a row differs from the one before it. `kept` are the parts of the file that are not left out.
    """

    ids: array[int]
    asked: array[int]
    lines: int
    taken: int
    failed: int
    settings: Sequence[Mapping[str, Any]]
    kept: Sequence[Span]

    def find(self, key: int) -> int | None:
        """The checksum that belongs to the digest `key`."""
        ids = self.ids
        at = bisect_left(ids, key)
        return self.asked[at] if at < len(ids) and ids[at] == key else None


def pieces(rows: Iterable[Row], *, retry_failed: bool) -> Iterator[Piece]:
    """Yield what `rows` come to. With `retry_failed`, failed ones are left out.

    Where `rows` raises UsageError, what came before is yielded first.
    """
    some, size = _Some(None), _FEWEST
    try:
        for row in rows:
            some.lines += 1
            if not (retry_failed and row.failed):
                some.take(row)
            if some.lines == size:
                yield some.piece()
                some, size = _Some(some.last), min(2 * size, _MOST)
    except UsageError:
        yield some.piece()
        raise
    yield some.piece()


class _Some:
    """Rows that become a piece. `last` are the settings of the last row that was taken."""

    def __init__(self, last: Mapping[str, Any] | None) -> None:
        self.lines = self._taken = self._failed = 0
        self.last = last
        self._found: dict[int, int] = {}
        self._settings: list[Mapping[str, Any]] = []
        self._kept: list[Span] = []
        self._begun = self._reached = -1

    def take(self, row: Row) -> None:
        name, _, failed, asked, settings, start, length = row
        self._found.setdefault(digest(name), asked)
        self._taken += 1
        self._failed += failed
        if settings is not self.last:  # rows that are written alike share them
            self._settings.append(settings)
            self.last = settings
        if start != self._reached:
            self._close()
            self._begun = start
        self._reached = start + length

    def piece(self) -> Piece:
        self._close()
        ids = array("Q", sorted(self._found))
        asked = array("I", map(self._found.__getitem__, ids))
        return Piece(ids, asked, self.lines, self._taken, self._failed, self._settings, self._kept)

    def _close(self) -> None:
        if self._begun >= 0:
            self._kept.append((self._begun, self._reached))


class Done:
    """A map from ids to the checksums of the questions that their rows answer, over pieces that are taken
    as they are needed. With n ids, the chance that any two are held to be one is n^2 / 2^65.

    What a piece that is needed raises is raised by each method that needs it, once. For one thread.
    """

    def __init__(self, coming: Iterator[Piece]) -> None:
        self._coming = coming
        self._known: list[Piece] = []
        # Of the piece that the last one was found in, as the next one mostly is.
        self._ids, self._asked = array("Q"), array("I")

    def get(self, id: str) -> int | None:  # noqa: A002 - it is one
        key, ids = digest(as_bytes(id)), self._ids
        at = bisect_left(ids, key)
        if at < len(ids) and ids[at] == key:
            return self._asked[at]
        return self._elsewhere(key)

    def complete(self) -> None:
        """Take all pieces."""
        for _ in self._further():
            pass

    def _elsewhere(self, key: int) -> int | None:
        known: Iterator[Piece] = reversed(self._known)
        for piece in chain(known, self._further()):
            if (found := piece.find(key)) is not None:
                self._ids, self._asked = piece.ids, piece.asked
                return found
        return None

    def _further(self) -> Iterator[Piece]:
        for piece in self._coming:
            self._known.append(piece)
            yield piece
