"""Files of problems: JSONL, CSV, TSV and plain text, gzipped or not, from a file or from stdin; and data
sets, named `hf:` (see `problems.hub`).

Every non-blank line (of a table: every record that is not blank) gives exactly one item, in order: a
`Row`, or a `BadRow` that says what to do about it. What is wrong with the file as a whole raises
UsageError. Nothing is held but the lines at hand and a digest of each id so far.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from rise_cli.errors import UsageError
from rise_cli.problems.content import Content
from rise_cli.problems.fields import Fields
from rise_cli.problems.formats import FORMATS, PARSERS, decided, records
from rise_cli.problems.hub import contents, on_hub, size
from rise_cli.problems.reader import Reader
from rise_cli.problems.row import BadRow, Row
from rise_cli.problems.source import LONGEST_LINE, STDIN, Stream, lines, opened, why

__all__ = ["FORMATS", "LONGEST_LINE", "BadRow", "Fields", "Problems", "Row", "count", "rows"]

_TOGETHER, _MOST_BYTES = 64, 1 << 16  # of the records that are read together

# Counting reads the whole file; more than this takes seconds. A gzipped byte is several to unpack.
_CHEAP, _CHEAP_GZIPPED = 256 * 1024 * 1024, 32 * 1024 * 1024


def rows(
    path: str,
    fields: Fields | None = None,
    *,
    format: str | None = None,  # noqa: A002  (the word for it)
    longest: int = LONGEST_LINE,
) -> Iterator[Row | BadRow]:
    """Read the problems of the file at `path`, or of stdin for `-`, one at a time.

    `format` is one of `FORMATS`; None goes by the file's name, and where that does not tell, by its
    first line. Gzip is known by its first bytes. A line (of a table: a record) of more than `longest`
    bytes is a bad row, and is not held.

    Ids are unique: a second use of one is a bad row that bears the same id. A problem without an id
    gets one from its question and context, the same in every run and from every file; the second and
    later of equal problems have their occurrence in it.

    Waits where a pipe has nothing yet, and gives each item as soon as its line is there.

    Raises UsageError, at the first item, for a file that cannot be read or is of another kind, and
    later for one that turns out to be damaged: the items before it are good.
    """
    return chain.from_iterable(groups(path, fields, format=format, longest=longest))


def groups(
    path: str,
    fields: Fields | None = None,
    *,
    format: str | None = None,  # noqa: A002  (as in `rows`)
    longest: int = LONGEST_LINE,
) -> Iterator[Sequence[Row | BadRow]]:
    """Yield what `rows` yields, some items at a time where they are at hand: that is less work for each.
    A group is 64 items, or fewer: it ends with the one that makes it larger than 64 KiB. Raises as `rows`
    does."""
    fields = fields or Fields()
    read, index = Reader(fields).read_all, 0
    with ExitStack() as stack:
        found: Iterable[tuple[int, Any]]
        if on_hub(path):
            found = enumerate(contents(path, plain=fields != Fields()), 1)
            parse: Callable[[Any], Content] = _as_it_is
        else:
            stream = stack.enter_context(opened(path))
            form, whole = decided(lines(stream, longest), path, fields, format)
            found = records(whole, form, fields, stream.label, longest)
            parse = PARSERS[form]
        for some in _together(found, _TOGETHER if at_hand(path) else 1):
            yield read(index, [(line, parse(raw)) for line, raw in some])
            index += len(some)


def _together(records: Iterable[tuple[int, Any]], most: int) -> Iterator[list[tuple[int, Any]]]:
    """Yield so many records at a time, fewer where they are long; those before an error come first."""
    some, size = [], 0
    try:
        for record in records:
            some.append(record)
            size += _size(record[1])
            if len(some) >= most or size > _MOST_BYTES:
                yield some
                some, size = [], 0
    except UsageError:
        if some:
            yield some
        raise
    if some:
        yield some


def _size(raw: Any) -> int:
    """About the bytes of a record: a line, or by field."""
    if isinstance(raw, bytes):
        return len(raw)
    return len(str(raw))


def _as_it_is(content: Content) -> Content:
    return content


def count(
    path: str,
    fields: Fields | None = None,
    *,
    format: str | None = None,  # noqa: A002  (as in `rows`)
) -> int | None:
    """Return how many items `rows` will give, or None where that is not cheap to know: stdin, a pipe,
    and files that take seconds to read through.

    Raises UsageError as `rows` does, so a damaged file is found before anything is asked.
    """
    if on_hub(path):
        return size(path)
    if path == STDIN or not _is_regular(path):
        return None
    fields = fields or Fields()
    with opened(path) as stream:
        if not _is_cheap(path, stream):
            return None
        found, whole = decided(lines(stream, LONGEST_LINE), path, fields, format)
        return sum(1 for _ in records(whole, found, fields, stream.label, LONGEST_LINE))


@dataclass(frozen=True, slots=True)
class Problems:
    """Where problems come from: `path` as in `rows`. `held` are items that were read from there already,
    and stand for all that there is."""

    path: str
    fields: Fields = field(default_factory=Fields)
    held: tuple[Row | BadRow, ...] | None = None

    @property
    def at_hand(self) -> bool:
        """Whether reading them keeps nobody waiting, and can be done again. Raises UsageError where there is
        no such file."""
        return self.held is not None or at_hand(self.path)

    def rows(self) -> Iterator[Row | BadRow]:
        return rows(self.path, self.fields) if self.held is None else iter(self.held)

    def groups(self) -> Iterator[Sequence[Row | BadRow]]:
        if self.held is None:
            return groups(self.path, self.fields)
        return (self.held[at : at + _TOGETHER] for at in range(0, len(self.held), _TOGETHER))

    def count(self) -> int | None:
        return count(self.path, self.fields) if self.held is None else len(self.held)


def at_hand(path: str) -> bool:
    """Whether reading keeps nobody waiting, and can be done again. Raises UsageError where there is none."""
    return on_hub(path) or (path != STDIN and _is_regular(path))


def _is_regular(path: str) -> bool:
    """Whether reading the file leaves it as it is; a folder passes, for `opened` to refuse. Raises
    UsageError where there is none."""
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        raise UsageError(f"cannot read the problems in {path!r}: {why(error)}") from None
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _is_cheap(path: str, stream: Stream) -> bool:
    return Path(path).stat().st_size <= (_CHEAP if stream.plain else _CHEAP_GZIPPED)
