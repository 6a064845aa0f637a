"""A door before the calls that can be shut: what is under way ends, and nothing new begins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from rise_cli.chat.limits import Limits


class Queue(Protocol):
    """Where a call may have to wait behind the door before it is sent, such as a `Wallet`: `waiting` do
    now, and once it is shut nobody gets further who waits there or comes."""

    waiting: int

    def shut(self) -> None: ...


class Door:
    """`Limits` around `Limits`: entered for the time of one attempt at a call.

    Once it is shut, whoever wants to enter, or is in the `queue` behind it, waits until it is cancelled.
    `empty` tells when the last attempt that was sent has left. `answered` counts the attempts that
    brought a reply. `heard` is called with what each attempt came to, None for a reply, once it has left.
    """

    def __init__(self, limits: Limits, queue: Queue | None = None) -> None:
        self._limits = limits
        self._queue = queue
        self._shut = False
        self._left = asyncio.Event()
        self._idle_since: float | None = None
        self.inside = self.answered = 0
        self.heard: Callable[[BaseException | None], None] = lambda error: None

    @property
    def sent(self) -> int:
        """How many of those inside are past the queue."""
        return self.inside - (self._queue.waiting if self._queue is not None else 0)

    @property
    def idle_s(self) -> float:
        """For how many seconds nobody has been inside; 0 as long as nobody ever was."""
        if self.inside or self._idle_since is None:
            return 0.0
        return time.monotonic() - self._idle_since

    def shut(self) -> None:
        """Let nobody in any more."""
        self._shut = True
        if self._queue is not None:
            self._queue.shut()
        self._tell()

    async def empty(self) -> None:
        """Wait until it is shut and nothing that was sent is inside."""
        await self._left.wait()

    async def __aenter__(self) -> None:
        await self._limits.__aenter__()
        if self._shut:
            # A place in the limits is of no use to anyone now, so it need not be given back first.
            try:
                await asyncio.Event().wait()
            except BaseException as error:
                await self._limits.__aexit__(type(error), error, error.__traceback__)
                raise
        self.inside += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self.inside -= 1
        self._idle_since = time.monotonic()
        self.answered += error is None
        self.heard(error)
        self._tell()
        return await self._limits.__aexit__(kind, error, trace)

    def _tell(self) -> None:
        if self._shut and not self.sent:
            self._left.set()
