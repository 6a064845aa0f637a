"""The bytes of a file of problems: opened, unpacked, and cut into lines of bounded length.

Everything that can befall the file as a whole becomes a UsageError here.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rise_cli.errors import UsageError
from rise_cli.problems.content import Fault

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN = "-"

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes. No model reads a question of that size; a file without line breaks is what has such lines."""

_GZIP = b"\x1f\x8b"
_FOREIGN = {
    b"\xff\xfe": "UTF-16 text; convert it with iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "UTF-16 text; convert it with iconv -f UTF-16 -t UTF-8",
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it, or export it as CSV",
    b"PAR1": "a Parquet file; export it as JSONL or CSV",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it, or pack it with gzip",
    b"\xfd7zXZ": "packed with xz; unpack it, or pack it with gzip",
}
_HEAD = 5
_BOM = b"\xef\xbb\xbf"


Line = tuple[int, bytes | Fault]
"""A line's number, from 1, and its bytes with the line break, or why it is not held."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An open file of problems. `plain` says that it was not gzipped."""

    label: str
    bytes: io.BufferedIOBase
    plain: bool


@contextmanager
def opened(path: str) -> Iterator[Stream]:
    """Open `path`, or stdin for `-`, which stays open afterwards. Raises UsageError where that fails."""
    label = "stdin" if path == STDIN else repr(path)
    with ExitStack() as stack:
        try:
            file = _stdin() if path == STDIN else stack.enter_context(Path(path).open("rb"))
            head = file.read(_HEAD)
        except OSError as error:
            raise UsageError(f"cannot read the problems in {label}: {why(error)}") from None
        for magic, advice in _FOREIGN.items():
            if head.startswith(magic):
                raise UsageError(f"{label} is {advice}")
        whole: io.BufferedIOBase = stack.enter_context(io.BufferedReader(_Rejoined(head, file), 1 << 17))
        if head.startswith(_GZIP):
            yield Stream(label, stack.enter_context(gzip.GzipFile(fileobj=whole)), plain=False)
        else:
            yield Stream(label, whole, plain=True)


def lines(stream: Stream, longest: int) -> Iterator[Line]:
    """Cut the stream into lines, at line feeds alone; blank ones and their breaks are kept.

    At most `longest` bytes are held. Raises UsageError, with the line reached, where the file is
    damaged or cannot be read on.
    """
    number, most, read = 0, longest + 1, stream.bytes.readline
    try:
        while line := read(most):
            number += 1
            if number == 1:
                line = line.removeprefix(_BOM)
            if len(line) > longest and not line.endswith(b"\n"):
                _skip(stream.bytes)
                yield number, too_long(longest)
            else:
                yield number, line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UsageError(
            f"{stream.label} is damaged after line {number} ({error}); make or fetch that gzip file again"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {stream.label} after line {number}: {why(error)}") from None


def too_long(longest: int) -> Fault:
    return Fault(f"this has more than {longest} bytes, which no model reads; shorten it, or split it up")


def why(error: OSError) -> str:
    return error.strerror or str(error)


def _skip(stream: io.BufferedIOBase) -> None:
    while (piece := stream.readline(1 << 20)) and not piece.endswith(b"\n"):
        pass


def _stdin() -> io.BufferedReader:
    if sys.stdin is None:
        raise UsageError("stdin is closed, so no problems can be read from it; name a file instead")
    return cast(io.BufferedReader, sys.stdin.buffer)


class _Rejoined(io.RawIOBase):
    """`head`, then the rest of `file`, as it arrives: what was read to look at is read again.

    `file` is left open.
    """

    def __init__(self, head: bytes, file: io.BufferedReader) -> None:
        self._head = head
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        room = memoryview(buffer).cast("B")
        # Not `readinto1`: with a large buffer it waits for more than has arrived.
        piece = self._head or self._file.read1(len(room))
        piece, self._head = piece[: len(room)], piece[len(room) :]
        room[: len(piece)] = piece
        return len(piece)
