"""`--concurrency auto` in virtual time: how many calls it lets through, and how many are refused.

Whole minutes of a run pass in a second, and the same every time. The load is more calls than any limit
lets in, through the program's own retries and limits; only the provider is played.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
import virtual_time
from virtual_time import now

from rise_cli.chat import CallKey, Request
from rise_cli.chat.adaptive import START, Adaptive, Aimd
from rise_cli.chat.door import Door
from rise_cli.chat.limits import Limited, Limits, Traffic
from rise_cli.chat.retrying import Retrying
from rise_cli.core.domain import Completion, Message, Purpose, StopReason
from rise_cli.errors import ProviderError
from rise_cli.problems import Row
from rise_cli.run.batch import Driver, End, Worked

REQUEST = Request(CallKey("p", 1, 1, Purpose.ATTEMPT), (Message("user", "hi"),))

Latency = Callable[["Provider"], float]
Trace = list[tuple[float, int]]


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
    `refusal_s`, and a share of them all by `chance`. `sent` and `refused` are times, `done` those of
    replies; `told` counts the refusals that arrived."""

    latency: Latency
    admits: Callable[[float], int]
    refusal_s: float = 0.01
    retry_after: float | None = None
    chance: float = 0.0
    inside: int = 0
    told: int = 0
    sent: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    random: random.Random = field(default_factory=lambda: random.Random(7))

    async def complete(self, request: Request) -> Completion:
        self.sent.append(now())
        if self.inside >= self.admits(now()) or self.random.random() < self.chance:
            self.refused.append(now())
            await asyncio.sleep(self.refusal_s)
            self.told += 1
            raise ProviderError("no", kind="rate_limited", status=429, retry_after=self.retry_after)
        self.inside += 1
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


async def load(provider: Provider, limits: Limits, traffic: Traffic, seconds: float) -> None:
    """Solve problems of one call each without end, and stop as Ctrl-C does."""
    door = Door(limits)
    chat = Retrying(
        Limited(provider, door, traffic),
        max_retries=100,
        notice=lambda text: None,
        sleep=traffic.pause,
        random=random.Random(1),
    )

    async def rows() -> AsyncIterator[Row]:
        for n in itertools.count():
            yield Row(n, n, str(n), "?", None, None, {})

    async def work(row: Row) -> Worked:
        await chat.complete(REQUEST)
        return Worked(StopReason.TURNS)

    driver = Driver(work, width=lambda: traffic.width, door=door, grace_s=0.0)
    traffic.changed = driver.look_again
    asyncio.get_running_loop().call_later(seconds, driver.interrupt)
    assert await driver.run(rows()) is End.INTERRUPTED
    assert (traffic.in_flight, traffic.pausing, provider.inside) == (0, 0, 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def run_auto(provider: Provider, seconds: float) -> Trace:
    """Run it, and return the times and the limits."""
    trace = [(0.0, START)]

    async def main() -> None:
        def moved(at: float, limit: int) -> None:
            trace.append((at, limit))
            traffic.changed()

        auto = Adaptive(clock=now, trace=moved)
        traffic = Traffic(lambda: auto.limit)
        await load(provider, auto, traffic, seconds)
        assert auto.in_flight == 0
        assert traffic.refused == provider.told

    virtual_time.run(main())
    return trace


def limit_at(trace: Trace, time: float) -> int:
    return [limit for at, limit in trace if at <= time][-1]


def always(number: int) -> Callable[[float], int]:
    return lambda time: number


FORTY: dict[str, tuple[float, Provider]] = {
    "short": (0.5, Provider(steady(0.5), always(40))),
    "long": (2.0, Provider(steady(2.0), always(40))),
    "tenfold": (1.0, Provider(tenfold(1.0), always(40))),
    "tenfold, long": (5.0, Provider(tenfold(5.0), always(40))),
    "refused slowly": (1.0, Provider(tenfold(1.0), always(40), refusal_s=0.5)),
    "asks to wait": (1.0, Provider(tenfold(1.0), always(40), retry_after=1.0)),
}


@pytest.mark.parametrize("name", FORTY)
def test_forty_at_once(name: str) -> None:
    latency, provider = FORTY[name]
    run_auto(provider, 60)
    assert provider.rate(10, 60) >= 0.8 * 40 / latency
    assert 0 < provider.share_refused(10) <= 0.04


@pytest.mark.parametrize("number", [1, 5, 200])
def test_other_numbers_at_once(number: int) -> None:
    provider = Provider(tenfold(1.0), always(number))
    run_auto(provider, 50)
    assert provider.rate(20, 50) >= 0.8 * number
    assert provider.share_refused(20) <= (0.2 if number == 1 else 0.08)


def test_it_follows_when_fewer_are_admitted() -> None:
    provider = Provider(tenfold(1.0), lambda time: 40 if time < 30 else 10)
    trace = run_auto(provider, 90)
    assert limit_at(trace, 30) > 30
    assert limit_at(trace, 40) <= 12
    assert provider.rate(40, 90) >= 0.8 * 10
    assert provider.share_refused(40) <= 0.05


def test_it_follows_when_more_are_admitted() -> None:
    provider = Provider(tenfold(1.0), lambda time: 40 if time < 20 else 160)
    run_auto(provider, 90)
    assert provider.rate(70, 90) >= 0.8 * 160
    assert provider.share_refused(20) <= 0.05


def test_it_goes_up_to_a_thousand_where_nothing_is_refused() -> None:
    trace = run_auto(Provider(tenfold(1.0), always(10_000)), 10)
    assert max(limit for _, limit in trace) == limit_at(trace, 10) == 1000


def test_a_server_that_gets_slower_is_not_filled_further() -> None:
    provider = Provider(queueing(0.5, 40), always(10_000))
    trace = run_auto(provider, 90)
    assert provider.rate(10, 90) >= 0.95 * 80
    assert limit_at(trace, 90) <= 4 * 40


def test_a_server_that_slows_down_by_degrees() -> None:
    provider = Provider(lambda p: 0.5 * (1 + p.inside / 40), always(10_000))
    run_auto(provider, 60)
    assert provider.rate(10, 60) >= 0.8 * 160 / (0.5 * (1 + 160 / 40))


def test_longer_replies_are_no_congestion() -> None:
    early, late = tenfold(1.0), tenfold(4.0)
    provider = Provider(lambda p: early(p) if now() < 30 else late(p), always(100))
    run_auto(provider, 120)
    assert provider.rate(60, 120) >= 0.8 * 100 / 4


def test_a_refusal_by_chance_is_no_sign() -> None:
    provider = Provider(tenfold(1.0), always(100), chance=0.01)
    run_auto(provider, 60)
    assert provider.rate(30, 60) >= 0.7 * 100


@pytest.mark.parametrize(("chance", "least"), [(0.05, 25), (0.15, 15)])
@pytest.mark.parametrize("seed", [0, 1])
def test_refusals_that_come_whatever_the_load_do_not_end_at_nothing(
    chance: float, least: int, seed: int
) -> None:
    provider = Provider(tenfold(1.0), always(100), chance=chance, random=random.Random(seed))
    trace = run_auto(provider, 60)
    assert min(limit_at(trace, second) for second in range(20, 60)) >= least
    assert provider.rate(20, 60) >= 2 * least
    assert provider.share_refused(20) <= chance + 0.03


def test_load_is_told_from_chance_where_there_are_both() -> None:
    provider = Provider(tenfold(1.0), always(40), chance=0.15)
    trace = run_auto(provider, 60)
    assert provider.rate(20, 60) >= 0.6 * 40
    assert max(limit for at, limit in trace if at > 20) <= 2 * 40
    assert provider.share_refused(20) <= 0.25


def test_an_empty_allowance_is_left_alone() -> None:
    """From 20 s on everything is refused for 40 s: calls are held back, and their retries are kept."""
    provider = Provider(tenfold(1.0), lambda time: 0 if 20 <= time < 60 else 40)
    run_auto(provider, 130)
    assert 0 < sum(30 <= at < 60 for at in provider.refused) < 10
    assert provider.rate(110, 130) >= 0.8 * 40


def test_a_pause_that_is_asked_for_holds_all_calls_when_nobody_is_served() -> None:
    provider = Provider(steady(1.0), lambda time: 0 if 5 <= time < 60 else 40, retry_after=8.0)
    run_auto(provider, 60)
    late = [at for at in provider.sent if at > 14]
    assert len(late) > 3
    assert min(b - a for a, b in itertools.pairwise(late)) >= 7.9


async def test_places_are_taken_in_turn_and_given_back() -> None:
    auto = Adaptive(start=1)
    order: list[int] = []

    async def call(number: int) -> None:
        async with auto:
            order.append(number)
            await asyncio.sleep(0)

    calls = [asyncio.create_task(call(number)) for number in range(4)]
    await asyncio.sleep(0)
    assert (order, auto.in_flight) == ([0], 1)
    calls[1].cancel()  # the first in the queue
    await asyncio.gather(*calls, return_exceptions=True)
    assert (order, auto.in_flight) == ([0, 2, 3], 0)


def test_a_limit_that_does_not_bind_does_not_grow() -> None:
    aimd = Aimd()
    for n in range(100):
        aimd.on_success(n, n + 1, in_flight=5)
    assert aimd.limit == START


def test_a_burst_of_refusals_counts_once() -> None:
    aimd = Aimd()
    for n in range(10):
        aimd.on_refused(0.0, 1.0 + n / 100, in_flight=20)
        assert aimd.limit == (20 if n == 0 else 17)
