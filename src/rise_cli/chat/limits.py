"""At most so many calls at once: a `Chat` around a `Chat`, and what a run can tell of its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeGuard

from rise_cli.chat import Chat, Request
from rise_cli.core.domain import Completion, Usage
from rise_cli.errors import ProviderError

if TYPE_CHECKING:
    from rise_cli.chat.rates import Rates, Share

_OVERLOADED = frozenset({429, 503, 529})


class Limits(Protocol):
    """What is entered for the time of one call: `asyncio.Semaphore(n)` for n calls in flight, `Adaptive`
    for as many as are good, or something that a whole cluster shares."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...


@dataclass
class Traffic:
    """How the calls of a run are getting on, for whoever shows it or starts more of them.

    `in_flight` of the `limit` calls that may be are sent and not answered. `queued` calls wait for
    their turn; a rate holds the first of them while `held`. `refused` calls got a 429, 503 or 529.
    `pausing` calls wait for their next attempt. `moves` says whether the limit is found out by trying.
    `changed` is called when there may be room for more calls.
    """

    allowed: Callable[[], int]
    moves: bool = False
    in_flight: int = 0
    refused: int = 0
    pausing: int = 0
    queued: int = 0
    held: bool = False
    changed: Callable[[], None] = lambda: None

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return self.allowed()

    @property
    def throttled(self) -> int:
        """How many calls wait for a rate now."""
        return self.queued if self.held else 0

    @property
    def width(self) -> int:
        """How many problems to keep going. A call that pauses holds no place, so another one may have it;
        at most twice the limit, or a provider that is down would let them all begin."""
        return self.limit + min(self.pausing, self.limit)

    async def pause(self, seconds: float) -> None:
        """Sleep before a retry."""
        self.pausing += 1
        self.changed()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.pausing -= 1


class Limited:
    """Makes a call wait until the rates and `limits` let it in.

    It belongs inside `Retrying`, so that a call that waits for its next attempt holds no place, and
    outside `Budgeted`, so that a call that waits for its place has nothing reserved.
    """

    def __init__(
        self, chat: Chat, limits: Limits, traffic: Traffic | None = None, rates: Rates | None = None
    ) -> None:
        self._chat = chat
        self._limits = limits
        self._traffic = traffic or Traffic(lambda: 0)
        self._rates = rates
        self._turn = asyncio.Lock()

    async def complete(self, request: Request) -> Completion:
        if self._rates is None:
            async with self._limits:
                return await self._send(request)
        share = await self._line_up(request, self._rates)
        try:
            completion = await self._send(request)
        except BaseException as error:
            if isinstance(error, ProviderError) and not error.billed:
                self._rates.settle(share, Usage(0, 0))
            await self._limits.__aexit__(type(error), error, error.__traceback__)
            raise
        self._rates.settle(share, completion.usage)
        await self._limits.__aexit__(None, None, None)
        return completion

    async def aclose(self) -> None:
        await self._chat.aclose()

    async def _line_up(self, request: Request, rates: Rates) -> Share | None:
        """First come, first served: through the rates, and then to a place, which is to be left. Nobody who
        waits for a rate holds a place, and no burst can gather between the two."""
        traffic = self._traffic
        traffic.queued += 1
        try:
            async with self._turn:
                traffic.held = True
                try:
                    share = await rates.take(request)
                finally:
                    traffic.held = False
                await self._limits.__aenter__()
        finally:
            traffic.queued -= 1
        return share

    async def _send(self, request: Request) -> Completion:
        self._traffic.in_flight += 1
        try:
            return await self._chat.complete(request)
        except ProviderError as error:
            self._traffic.refused += refuses(error)
            raise
        finally:
            self._traffic.in_flight -= 1


def refuses(error: BaseException) -> TypeGuard[ProviderError]:
    """Whether the provider refused a call for load: too many at once, too many a minute, or too busy."""
    return isinstance(error, ProviderError) and (error.kind == "rate_limited" or error.status in _OVERLOADED)
