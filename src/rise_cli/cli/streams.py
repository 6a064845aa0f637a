"""stdin, stdout and stderr as the program needs them, whatever it was started with.

- A stream that was closed (`>&-`) leads to nowhere, so that no socket takes its place, and nobody is
  told: whoever closed it knows. A closed stdin stays None.
- What cannot be written to stdout is an error of ours, told apart from every other `OSError`:
  `ReaderGone` where the reader has left (`| head -1`), which is no failure, and `ResultLost` where
  the disk is full.
- What cannot be written to stderr is lost without harm: the talk never costs the result.
- stdout is UTF-8 wherever it leads, so that the same bytes come out everywhere.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from rise_cli.errors import ReaderGone, RiseError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class ResultLost(RiseError):
    """The result could not be written to stdout."""


def secure() -> None:
    """Replace the three streams by ones that keep the promises above. To be called first of all."""
    closed = set()
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            closed.add(os.open(os.devnull, os.O_RDWR))  # takes the lowest free number, which is this one
    result = _Result(_number(sys.stdout, 1), "w", closefd=False)
    result.leads_nowhere = 1 in closed
    sys.stdout = _text(result, "utf-8")
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    sys.stderr = _text(_Talk(_number(sys.stderr, 2), "w", closefd=False), encoding)


class _Result(io.FileIO):
    leads_nowhere = False  # whoever started the program has closed it

    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> NoReturn:
        # What is still buffered would fail again when the interpreter flushes it at exit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if isinstance(error, BrokenPipeError):
            raise ReaderGone from None
        raise ResultLost(f"cannot write the result to stdout: {error.strerror}") from None


class _Talk(io.FileIO):
    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except OSError:
            return memoryview(content).nbytes


def _text(raw: io.FileIO, encoding: str) -> io.TextIOWrapper:
    lines = isinstance(raw, _Talk) or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=lines)


def _number(stream: object, otherwise: int) -> int:
    return stream.fileno() if isinstance(stream, io.TextIOBase) else otherwise
