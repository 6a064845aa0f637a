"""At most so many calls in flight, whatever befalls them."""

from __future__ import annotations

import asyncio

import pytest

from rise_cli.chat import CallKey, Request
from rise_cli.chat.limits import Limited
from rise_cli.core.domain import Completion, Message, Purpose
from rise_cli.errors import ProviderError

REQUEST = Request(CallKey("p", 1, 1, Purpose.ATTEMPT), (Message("user", "hi"),))


class Counting:
    """A chat that knows the most calls it ever had at once. Every third one fails."""

    def __init__(self) -> None:
        self.now = self.most = self.calls = 0
        self.closed = False

    async def complete(self, request: Request) -> Completion:
        self.calls += 1
        number = self.calls
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(5):
            await asyncio.sleep(0)
        self.now -= 1
        if number % 3 == 0:
            raise ProviderError("no", kind="server")
        return Completion("ok")

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_no_more_than_the_limit(limit: int) -> None:
    inner = Counting()
    chat = Limited(inner, asyncio.Semaphore(limit))
    results = await asyncio.gather(*(chat.complete(REQUEST) for _ in range(30)), return_exceptions=True)
    assert inner.most == min(limit, 30)
    assert sum(isinstance(result, ProviderError) for result in results) == 10


async def test_a_cancelled_call_gives_its_place_back() -> None:
    chat = Limited(Counting(), asyncio.Semaphore(1))
    call = asyncio.create_task(chat.complete(REQUEST))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await chat.complete(REQUEST)).reply == "ok"


async def test_closes_what_it_wraps() -> None:
    inner = Counting()
    await Limited(inner, asyncio.Semaphore(1)).aclose()
    assert inner.closed
