"""`--concurrency auto` in virtual time: how many calls it lets through, and how many are refused.

Whole minutes of a run pass in a second, and the same every time. The load is more calls than any limit
lets in, through the program's own retries and limits; only the provider is played.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import virtual_time
from virtual_time import now

from rise_cli.chat import CallKey, Request
from rise_cli.chat.adaptive import Adaptive
from rise_cli.chat.limits import Limited, Limits, Traffic
from rise_cli.chat.retrying import Retrying
from rise_cli.core.domain import Completion, Message, Purpose
from rise_cli.errors import ProviderError

REQUEST = Request(CallKey("p", 1, 1, Purpose.ATTEMPT), (Message("user", "hi"),))

Latency = Callable[["Provider"], float]


def steady(seconds: float) -> Latency:
    return lambda provider: seconds


def tenfold(mean: float) -> Latency:
    """Lengths that differ tenfold: log-uniform around the mean."""
    return lambda provider: mean * 10 ** provider.random.uniform(-0.5, 0.5) / 1.236


def queueing(seconds: float, at_once: int) -> Latency:
    """Beyond so many at once, calls get slower and not more."""
    return lambda provider: seconds * max(1.0, provider.inside / at_once)


@dataclass
class Provider:
    """Admits `admits(time)` calls at once, answers those after `latency`, refuses others after
    `refusal_s`. `sent` and `refused` are times, `done` those of replies."""

    latency: Latency
    admits: Callable[[float], int]
    refusal_s: float = 0.01
    retry_after: float | None = None
    inside: int = 0
    most: int = 0
    sent: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    random: random.Random = field(default_factory=lambda: random.Random(7))

    async def complete(self, request: Request) -> Completion:
        self.sent.append(now())
        if self.inside >= self.admits(now()):
            self.refused.append(now())
            await asyncio.sleep(self.refusal_s)
            raise ProviderError("no", kind="rate_limited", status=429, retry_after=self.retry_after)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await asyncio.sleep(self.latency(self))
        finally:
            self.inside -= 1
        self.done.append(now())
        return Completion("ok")

    async def aclose(self) -> None:
        pass

    def rate(self, since: float, until: float) -> float:
        """Replies a second between two times."""
        return sum(since <= t < until for t in self.done) / (until - since)

    def share_refused(self, since: float) -> float:
        sent = sum(t >= since for t in self.sent)
        return sum(t >= since for t in self.refused) / max(1, sent)


async def load(provider: Provider, limits: Limits, width: Callable[[], int], seconds: float) -> None:
    """Keep as many calls going as `Traffic.width` says, and give up those that are left at the end."""
    traffic = Traffic(width)
    chat = Retrying(
        Limited(provider, limits, traffic),
        max_retries=100,
        notice=lambda text: None,
        sleep=traffic.pause,
        random=random.Random(1),
    )
    calls: set[asyncio.Task[Completion]] = set()
    while now() < seconds:
        while len(calls) < traffic.width:
            call = asyncio.create_task(chat.complete(REQUEST))
            calls.add(call)
            call.add_done_callback(calls.discard)
        await asyncio.sleep(0.02)
    for call in [*calls]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


def run_auto(provider: Provider, seconds: float) -> list[tuple[float, int]]:
    trace: list[tuple[float, int]] = []

    async def main() -> None:
        auto = Adaptive(clock=now, trace=lambda at, limit: trace.append((at, limit)))
        await load(provider, auto, lambda: auto.limit, seconds)
        assert auto.in_flight == 0

    virtual_time.run(main())
    return trace


def run_fixed(provider: Provider, limit: int, seconds: float) -> None:
    async def main() -> None:
        await load(provider, asyncio.Semaphore(limit), lambda: limit, seconds)

    virtual_time.run(main())


def best_fixed(make: Callable[[], Provider], since: float, seconds: float) -> float:
    rates = []
    for limit in (10, 20, 40, 60, 80, 160, 320):
        provider = make()
        run_fixed(provider, limit, seconds)
        rates.append(provider.rate(since, seconds))
    return max(rates)
