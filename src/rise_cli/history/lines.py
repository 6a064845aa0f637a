"""Records as lines of text, at once or in the order of the input: what comes before any output.

A row that must wait for an earlier one is held back in bounded memory, and beyond that in a nameless
file, so one slow problem neither stops the others nor fills the memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from typing import IO, Any

from rise_cli.errors import RiseError
from rise_cli.history.record import dumps

HELD_IN_MEMORY = 8 << 20
"""Bytes of rows that wait in memory for their predecessors; more of them wait in a nameless file."""


class Lines:
    """Turns records into lines for `write`; with `ordered`, in the order of their `index` from 0.

    `pending` rows wait for an earlier one, in bounded memory but in no file that outlives the process:
    until `append` has returned their ids, their calls belong in the journal.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        *,
        ordered: bool = False,
        slim: bool = False,
        held_in_memory: int = HELD_IN_MEMORY,
    ) -> None:
        self._write = write
        self._ordered = ordered
        self._slim = slim
        self._room = held_in_memory
        self._next = 0
        # By index: the id (None: to be skipped) and the line, or where it is in the spill.
        self._held: dict[int, tuple[str | None, bytes | tuple[int, int]]] = {}
        self._spill: IO[bytes] | None = None
        self._spilled = 0
        self.pending = 0

    def append(self, record: Mapping[str, Any]) -> list[str]:
        """Take a finished row. Return the ids of those that are written by now, this one or others."""
        line = dumps({**record, "turns": []} if self._slim else record).encode() + b"\n"
        if not self._ordered:
            self._write(line)
            return [record["id"]]
        if record["index"] == self._next:
            self._write(line)
            self._next += 1
            return [record["id"], *self._release()]
        self._hold(record["index"], record["id"], line)
        return []

    def skip(self, index: int) -> list[str]:
        """Do not wait for the row of `index`: it was written before. Returns as `append` does."""
        if not self._ordered:
            return []
        self._held[index] = (None, b"")
        return self._release()

    def close(self) -> None:
        """Drop what is held back."""
        self._held.clear()
        if self._spill is not None:
            self._spill.close()
            self._spill = None

    def _hold(self, index: int, name: str, line: bytes) -> None:
        self.pending += 1
        if len(line) <= self._room:
            self._room -= len(line)
            self._held[index] = (name, line)
            return
        try:
            if self._spill is None:
                self._spill = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `close`
            start = self._spill.seek(0, os.SEEK_END)
            write_all(self._spill.fileno(), line)
        except OSError as error:
            raise RiseError(
                f"no room for rows that wait for an earlier one ({error.strerror}); make room in "
                f"{tempfile.gettempdir()!r}, or go on without --ordered"
            ) from error
        self._spilled += 1
        self._held[index] = (name, (start, len(line)))

    def _release(self) -> list[str]:
        written = []
        while self._next in self._held:
            name, kept = self._held[self._next]
            if name is not None:
                line = kept if isinstance(kept, bytes) else self._fetch(*kept)
                self._write(line)  # first: if that fails, the row is still held
                self._let_go(kept)
                written.append(name)
            del self._held[self._next]
            self._next += 1
        return written

    def _fetch(self, start: int, length: int) -> bytes:
        assert self._spill is not None  # noqa: S101 - who spilled has one
        return os.pread(self._spill.fileno(), length, start)

    def _let_go(self, kept: bytes | tuple[int, int]) -> None:
        self.pending -= 1
        if isinstance(kept, bytes):
            self._room += len(kept)
            return
        self._spilled -= 1
        if self._spill is not None and not self._spilled:
            self._spill.truncate(0)


def write_all(fd: int, text: bytes) -> None:
    """Write the whole text, however many writes that takes. Raises `OSError`, then with a part written."""
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(fd, rest) :]
