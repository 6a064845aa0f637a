"""Ctrl-C and `kill` end a run politely once; the second time at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def interruptible(work: Coroutine[Any, Any, T]) -> T | None:
    """Run `work`; the first SIGINT or SIGTERM cancels it, and None is returned once it has unwound.

    From then on the signals do what they do by default, so that a second one ends the program.
    Where handlers cannot be set (not the main thread) signals are left as they are.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        restore()
        task.cancel()

    def restore() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            if stopped:
                signal.signal(number, signal.SIG_DFL)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
    except (NotImplementedError, RuntimeError, ValueError):
        return await task
    try:
        return await task
    except asyncio.CancelledError:
        if stopped:
            return None
        raise
    finally:
        if not stopped:
            restore()
