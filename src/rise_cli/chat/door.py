"""A door before the calls that can be shut: what is under way ends, and nothing new begins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType

from rise_cli.chat.limits import Limits


class Door:
    """`Limits` around `Limits`: entered for the time of one attempt at a call.

    Once it is shut, whoever wants to enter waits until it is cancelled. `empty` tells when the last
    attempt has left. `answered` counts the attempts that brought a reply. `heard` is called with what
    each attempt came to, None for a reply, once it has left.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._shut = False
        self._left = asyncio.Event()
        self._idle_since: float | None = None
        self.inside = self.answered = 0
        self.heard: Callable[[BaseException | None], None] = lambda error: None

    @property
    def idle_s(self) -> float:
        """For how many seconds nobody has been inside; 0 as long as nobody ever was."""
        if self.inside or self._idle_since is None:
            return 0.0
        return time.monotonic() - self._idle_since

    def shut(self) -> None:
        """Let nobody in any more."""
        self._shut = True
        self._tell()

    async def empty(self) -> None:
        """Wait until it is shut and nobody is inside."""
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
        if self._shut and not self.inside:
            self._left.set()
