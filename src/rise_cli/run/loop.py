"""The event loop of a run of many calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_in_loop(main: Coroutine[Any, Any, T], *, starts_programs: bool = False) -> T:
    """As `asyncio.run`, on uvloop where there is one: its sockets and callbacks take less of the processor,
    which is what limits how many calls can be in flight.

    Who `starts_programs` gets the loop of Python, which they were tried with: a program costs more than any
    loop saves.
    """
    with asyncio.Runner(loop_factory=None if starts_programs else _fastest()) as runner:
        return runner.run(main)


def _fastest() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        from uvloop import new_event_loop
    except ImportError:  # not made for this Python
        return None
    return new_event_loop
