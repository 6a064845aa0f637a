"""Problems one at a time for an event loop: from a file at once, from a pipe without holding anybody up."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_AHEAD = 64  # items that are read before anybody wants them


async def at_once(groups: Iterable[Sequence[T]]) -> AsyncIterator[Sequence[T]]:
    """Yield groups of items, which are there as soon as they are wanted."""
    for group in groups:
        yield group


async def beside(items: Iterator[T]) -> AsyncIterator[Sequence[T]]:
    """Yield `items` one by one, which may take any time to come: a thread waits for them.

    The thread does not keep the program from ending.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Queue[tuple[T] | BaseException | None] = asyncio.Queue()
    room = threading.Semaphore(_AHEAD)

    def pump() -> None:
        # Held for as long as the thread waits in it: whoever closes it meanwhile would wait, too.
        held = sys.stdin
        last: BaseException | None = None
        try:
            for item in items:
                room.acquire()
                loop.call_soon_threadsafe(found.put_nowait, (item,))
        except BaseException as error:
            last = error
        del held
        if not loop.is_closed():
            loop.call_soon_threadsafe(found.put_nowait, last)

    threading.Thread(target=pump, name="problems", daemon=True).start()
    while isinstance(got := await found.get(), tuple):
        room.release()
        yield got
    if got is not None:
        raise got
