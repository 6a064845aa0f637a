"""At most so many calls at once: a `Chat` around a `Chat`."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from rise_cli.chat import Chat, Request
from rise_cli.core.domain import Completion


class Limits(Protocol):
    """What is entered for the time of one call: `asyncio.Semaphore(n)` for n calls in flight, a rate
    limiter (`aiolimiter.AsyncLimiter`), or something that a whole cluster shares."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...


class Limited:
    """Makes a call wait until `limits` lets it in.

    It belongs inside `Retrying`, so that a call that waits for its next attempt holds no place, and
    outside `Budgeted`, so that a call that waits for its place has nothing reserved.
    """

    def __init__(self, chat: Chat, limits: Limits) -> None:
        self._chat = chat
        self._limits = limits

    async def complete(self, request: Request) -> Completion:
        async with self._limits:
            return await self._chat.complete(request)

    async def aclose(self) -> None:
        await self._chat.aclose()
