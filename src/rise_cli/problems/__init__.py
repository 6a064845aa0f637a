"""Files of problems: JSONL, CSV, TSV and plain text, gzipped or not, from a file or from stdin; and data
sets, named `hf:` (see `problems.hub`).

Every non-blank line (of a table: every record that is not blank) gives exactly one item, in order: a
`Row`, or a `BadRow` that says what to do about it. What is wrong with the file as a whole raises
UsageError. Nothing is held but the line at hand and a digest of each id so far.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rise_cli.errors import UsageError
from rise_cli.problems.fields import BadRow, Fields, Reader, Row
from rise_cli.problems.formats import FORMATS, PARSERS, decided, records
from rise_cli.problems.hub import contents, on_hub, size
from rise_cli.problems.source import LONGEST_LINE, STDIN, Stream, lines, opened, why

__all__ = ["FORMATS", "LONGEST_LINE", "BadRow", "Fields", "Problems", "Row", "count", "rows"]

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
    fields = fields or Fields()
    read = Reader(fields).read
    if on_hub(path):
        for index, content in enumerate(contents(path, plain=fields != Fields())):
            yield read(index, index + 1, content)
        return
    with opened(path) as stream:
        found, whole = decided(lines(stream, longest), path, fields, format)
        parse = PARSERS[found]
        for index, (line, raw) in enumerate(records(whole, found, fields, stream.label, longest)):
            yield read(index, line, parse(raw))


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
        if self.held is not None or on_hub(self.path):
            return True
        return self.path != STDIN and _is_regular(self.path)

    def rows(self) -> Iterator[Row | BadRow]:
        return rows(self.path, self.fields) if self.held is None else iter(self.held)

    def count(self) -> int | None:
        return count(self.path, self.fields) if self.held is None else len(self.held)


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
