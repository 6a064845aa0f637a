"""Ctrl-C and `kill` end a run politely once; the second time at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

_SHOW_CURSOR = b"\x1b[?25h\n"  # and leave the line of the bar


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


@contextmanager
def at_first_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Within this, inside a running loop, the first SIGINT or SIGTERM calls `stop`.

    From then on, and also afterwards, one ends the program at once, with a terminal on stderr as it was
    before: the cursor may be hidden, and nobody else will show it again. Where handlers cannot be
    set (not the main thread) signals are left as they are.
    """
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    came = False

    def first() -> None:
        nonlocal came
        came = True
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, _end_now)
        stop()

    try:
        for number in numbers:
            loop.add_signal_handler(number, first)
    except (NotImplementedError, RuntimeError, ValueError):
        yield
        return
    try:
        yield
    finally:
        if not came:
            for number in numbers:
                loop.remove_signal_handler(number)


def _end_now(number: int, frame: object) -> None:
    if os.isatty(2):
        with suppress(OSError):
            os.write(2, _SHOW_CURSOR)
    os._exit(128 + number)
