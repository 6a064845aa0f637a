"""CSV and TSV: a header, then records, which may run over several lines where a cell is quoted."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator

from rise_cli.errors import UsageError
from rise_cli.problems.content import Fault, not_utf8, nul
from rise_cli.problems.fields import Fields, listed, named
from rise_cli.problems.source import Line, too_long


def table(
    lines: Iterator[Line], delimiter: str, fields: Fields, label: str, longest: int
) -> Iterator[tuple[int, dict[str, object] | Fault]]:
    """Yield each record that has something in it, by column, with the number of its first line.

    Raises UsageError for a header that cannot be read, that names a column twice, or that lacks one
    that `fields` names; a question is looked for in every record, as in the other formats.
    """
    found = _cells(lines, delimiter, longest)
    number, header = next(found, (0, Fault("it is missing; write the names of the columns into it")))
    if isinstance(header, Fault):
        raise UsageError(f"the header of {label}, in line {number}, is of no use: {header.error}")
    columns = [cell.strip() for cell in header]
    _verify(columns, fields, label)
    for number, cells in found:
        if isinstance(cells, Fault):
            yield number, cells
        elif len(cells) != len(columns):
            yield number, _uneven(cells, columns)
        else:
            yield number, dict(zip(columns, cells, strict=True))


def _verify(columns: list[str], fields: Fields, label: str) -> None:
    twice = [name for name, times in Counter(columns).items() if name and times > 1]
    if twice:
        raise UsageError(f"the header of {label} has {twice[0]!r} twice; rename one of them")
    for role in ("reference", "id", "context"):
        name: str | None = getattr(fields, role)
        if name is not None and not named(columns, (name,)):
            raise UsageError(
                f"{label} has no column {name!r} for --{role}-field; name one of {listed(columns)}"
            )


def _uneven(cells: list[str], columns: list[str]) -> Fault:
    return Fault(
        f"this record has {len(cells)} cells and the header {len(columns)}, from {cells[0][:40]!r} on; "
        "put cells that hold a separator or a line break in double quotes"
    )


def _cells(lines: Iterator[Line], delimiter: str, longest: int) -> Iterator[tuple[int, list[str] | Fault]]:
    # The module's own limit is for a cell, and for the whole process; the feed limits the record.
    csv.field_size_limit(max(csv.field_size_limit(), longest + 1))
    feed = _Feed(lines, longest)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield feed.first, feed.fault or _malformed(str(error), feed)
            continue
        if cells is None:
            return
        if feed.fault:
            yield feed.first, feed.fault
        elif any(map(str.strip, cells)):
            yield feed.first, cells


def _malformed(error: str, feed: _Feed) -> Fault:
    if "unexpected end" in error:
        return Fault(
            f"a double quote is opened here and not closed until the end of the file, {feed.last}; close it"
        )
    if "expected after" in error:
        return Fault('a double quote stands inside a quoted cell; double it there: ""')
    return Fault(f"this record is not CSV ({error}); correct it")


class _Feed:
    """Hands lines to the csv module and remembers of which the record at hand is made.

    An iterator that can go on after it raised, which a generator cannot. Bytes that are no text
    become lone surrogates, so that the record ends where it should.
    """

    def __init__(self, lines: Iterator[Line], longest: int) -> None:
        self._lines = lines
        self._longest = longest
        self.last = 0
        self.begin()

    def begin(self) -> None:
        """Start a new record."""
        self.first = self.last + 1
        self.fault: Fault | None = None
        self._bytes = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        if not self._bytes:
            self.first = number
        self.last = number
        if isinstance(line, Fault):
            self.fault = line
            raise csv.Error
        self._bytes += len(line)
        if self._bytes > self._longest:
            self.fault = too_long(self._longest)
            raise csv.Error
        if b"\0" in line:
            self.fault = nul(line.index(b"\0"))
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            self.fault = not_utf8(error)
            return line.decode(errors="surrogateescape")
