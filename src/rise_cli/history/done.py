"""Which problems have their row: learned piece by piece, so that the input can be read meanwhile.

Rows stand about in the order of the input. Whoever goes through the input thus finds each problem among
the pieces that are taken, and needs all of them only where a problem has no row.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rise_cli.errors import UsageError
from rise_cli.history.ids import as_bytes, digest
from rise_cli.history.rows import NOWHERE, Row

_FEWEST, _MOST = 4096, 32768  # rows in a piece: few at first, so that nobody waits long for it
_MOST_BYTES = 64 << 20  # and about so many at most, where rows are long
_MOST_SETTINGS = 64  # different ones in a piece; more than one file ever has

Span = tuple[int, int]
"""Where a part of a file begins and ends, in bytes."""


class Piece(NamedTuple):
    """What some adjacent rows come to, some of which may be left out.

    `ids` are digests, sorted, `prints` the fingerprints of what each row answers, and `places` where each
    stood in the input. `lines` counts all rows, `taken` those that are not left out, `failed` those of them
    that failed. `settings` are the different ones that they were made with. `kept` are the parts of the file
    that are not left out.
    """

    ids: array[int]
    prints: array[int]
    places: array[int]
    lines: int
    taken: int
    failed: int
    settings: Sequence[Mapping[str, Any]]
    kept: Sequence[Span]


def pieces(rows: Iterable[Row], *, retry_failed: bool) -> Iterator[Piece]:
    """Yield what `rows` come to. With `retry_failed`, failed ones are left out.

    Where `rows` raises UsageError, what came before is yielded first.
    """
    gathered, size = _Gathered(), _FEWEST
    try:
        for row in rows:
            gathered.lines += 1
            if not (retry_failed and row.failed):
                gathered.take(row)
            if gathered.lines == size or gathered.is_much:
                yield gathered.piece()
                gathered, size = _Gathered(), min(2 * size, _MOST)
    except UsageError:
        yield gathered.piece()
        raise
    yield gathered.piece()


class _Gathered:
    """Rows that become a piece."""

    def __init__(self) -> None:
        self.lines = self._taken = self._failed = 0
        self.settings: list[Mapping[str, Any]] = []
        self._last: Mapping[str, Any] | None = None
        self._found: dict[int, tuple[int, int]] = {}
        self._bytes = 0
        self._kept: list[Span] = []
        self._begun = self._reached = -1

    def take(self, row: Row) -> None:
        name, place, failed, print_, settings, start, length = row
        self._found.setdefault(digest(name), (print_, NOWHERE if place is None else min(place, NOWHERE)))
        self._taken += 1
        self._failed += failed
        self._bytes += length
        if settings is not self._last:  # rows that are written alike share them
            self._last = settings
            if settings not in self.settings:
                self.settings.append(settings)
        if start != self._reached:
            self._close()
            self._begun = start
        self._reached = start + length

    @property
    def is_much(self) -> bool:
        return self._bytes > _MOST_BYTES or len(self.settings) == _MOST_SETTINGS

    def piece(self) -> Piece:
        self._close()
        ids = array("Q", sorted(self._found))
        found = [self._found[id_] for id_ in ids]
        prints = array("Q", [print_ for print_, _ in found])
        places = array("q", [place for _, place in found])
        return Piece(ids, prints, places, self.lines, self._taken, self._failed, self.settings, self._kept)

    def _close(self) -> None:
        if self._begun >= 0:
            self._kept.append((self._begun, self._reached))


class _Known(NamedTuple):
    """What is kept of a piece."""

    ids: array[int]
    prints: array[int]
    places: array[int]
    wanted: bytearray

    def at(self, key: int) -> int:
        """Where the id with this digest is; -1 if it is not there."""
        at = bisect_left(self.ids, key)
        return at if at < len(self.ids) and self.ids[at] == key else -1


class Done:
    """The problems that have their row, over pieces that are taken one by one. It remembers which of them
    the input wanted, and where it has them.

    With n ids, the chance that any two are held to be one is n^2 / 2^65. Where an id has two rows, either
    may count.
    """

    def __init__(self, coming: Iterator[Piece]) -> None:
        self._coming = coming
        self._known: list[_Known] = []
        # The piece that the last one was found in, as the next one mostly is.
        self._last = _Known(array("Q"), array("Q"), array("q"), bytearray())
        self._error: Exception | None = None
        self.complete = False
        """Whether all pieces are taken."""
        self.moved = False
        """Whether the input has any at another place than its row says."""

    def find(self, id: str, place: int) -> int | None:  # noqa: A002 - it is one
        """The fingerprint of what the row of a problem answers that the input has at `place`, None if the
        pieces that are taken do not hold it."""
        key, piece = digest(as_bytes(id)), self._last
        at = piece.at(key)
        if at < 0:
            for piece in reversed(self._known):
                if (at := piece.at(key)) >= 0:
                    self._last = piece
                    break
            else:
                return None
        piece.wanted[at] = True
        if piece.places[at] != place:
            piece.places[at] = place
            self.moved = True
        return piece.prints[at]

    def place(self, id: bytes) -> int | None:  # noqa: A002
        """Where the input has a problem, `NOWHERE` if it wants it not; None if the pieces do not hold it."""
        key, held = digest(id), None
        for piece in (self._last, *self._known):
            if (at := piece.at(key)) >= 0:
                if piece.wanted[at]:
                    return piece.places[at]
                held = NOWHERE
        return held

    @property
    def wanted(self) -> int:
        """How many problems of the pieces the input has wanted."""
        return sum(piece.wanted.count(True) for piece in self._known)

    @property
    def unwanted(self) -> int:
        """How many it has not."""
        return sum(piece.wanted.count(False) for piece in self._known)

    def take(self) -> None:
        """Take one more piece, however long that takes. What that raises is raised again each time: there
        is no going on without the piece."""
        if self._error is not None:
            raise self._error
        try:
            piece = next(self._coming, None)
        except Exception as error:
            self._error = error
            raise
        if piece is None:
            self.complete = True
        else:
            self._known.append(_Known(*piece[:3], bytearray(len(piece.ids))))

    def take_all(self) -> None:
        while not self.complete:
            self.take()
