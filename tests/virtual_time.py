"""An event loop whose clock jumps: when nothing is ready, the next timer is due at once.

Minutes of waiting take milliseconds, and run the same every time. Nothing outside the loop can be
waited for in it: no sockets, no threads.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


_PASS_S = 1e-6
"""Every pass of the loop takes this long, so that what polls gets somewhere."""


class _Jumping(selectors.SelectSelector):
    """A selector that passes the time it is asked to wait instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and no timer will ever end it")
        self.now += timeout + _PASS_S
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time()` starts at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def now() -> float:
    """The virtual time, in seconds."""
    return asyncio.get_running_loop().time()
