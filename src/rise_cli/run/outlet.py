"""Lines for a reader who may be slow: a thread writes them, in order, so that no call has to wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

MOST_WAITING = 1 << 20
"""Bytes that may wait for the reader before nothing new is begun."""


class Outlet:
    """Hands lines to `write`, which may take any time, on a thread of its own. Within a running loop.

    `put` returns at once, so whatever is under way can end; who begins something new awaits `room`
    first. What `write` raises ends it: the next of `put`, `room` and `close` raises that, once. The
    thread does not keep the program from ending; `close` waits for it.
    """

    def __init__(self, write: Callable[[bytes], None], *, most_waiting: int = MOST_WAITING) -> None:
        self._write = write
        self._most = most_waiting
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._lock = threading.Lock()  # around the two counts
        self._bytes = self._rows = 0  # that are not written yet
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._pump, name="rows", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Take a line."""
        self._raise()
        with self._lock:
            self._bytes += len(line)
            self._rows += 1
        self._lines.put(line)

    async def room(self) -> None:
        """Wait until few enough bytes wait."""
        self._raise()
        while self._bytes > self._most:
            self._news.clear()
            await self._news.wait()
            self._raise()

    def close(self, patience_s: float | None = None) -> int:
        """Wait until all lines are written, at most `patience_s` seconds; return how many the reader has kept
        waiting. Ctrl-C ends the wait."""
        self._lines.put(None)
        self._thread.join(patience_s)
        self._raise()
        return self._rows if self._thread.is_alive() else 0

    def _pump(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._write(line)
            except BaseException as error:
                self._error = error
                self._tell()
                return
            with self._lock:
                self._bytes -= len(line)
                self._rows -= 1
            self._tell()

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            self._loop.call_soon_threadsafe(self._news.set)

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
