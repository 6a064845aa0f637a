"""How good is `--concurrency auto`? Against fixed settings, on a server that admits so many at once.

    uv run python benchmarks/concurrency.py [--seconds 20] [--admits 40] [--latency 0.5] [--steady]

A server of its own on 127.0.0.1 answers `--admits` calls at a time and refuses all others with 429 at
once. Latencies differ tenfold around `--latency` seconds, or are all the same with `--steady`. Every
setting drives the program's own chat stack for `--seconds`, with problems without end of one call each,
on a fresh server. Replies are counted after half of the time or 10 s, whichever is less, and so are
refusals, as a share of the calls.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from rise_cli.chat import CallKey, Request
from rise_cli.chat.adaptive import START, Adaptive
from rise_cli.chat.door import Door
from rise_cli.chat.limits import Limited, Limits, Traffic
from rise_cli.chat.openai import OpenAIChat
from rise_cli.chat.retrying import Retrying
from rise_cli.core.domain import Message, Purpose, StopReason
from rise_cli.errors import ProviderError
from rise_cli.problems import Row
from rise_cli.run.batch import Driver, Worked

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from loopback import Loopback, Reply, Seen, Status

FIXED = (20, 40, 60, 80, 160)
TARGET = 0.8
MOST_REFUSED = 0.05
BARS = "▁▂▃▄▅▆▇█"

REQUEST = Request(CallKey("p", 1, 1, Purpose.ATTEMPT), (Message("user", "What is 1+1?"),))


class Provider:
    """The script of a server that admits `admits` calls at once. Times are seconds since it began."""

    def __init__(self, admits: int, latency: float, steady: bool) -> None:
        self._admits, self._latency, self._steady = admits, latency, steady
        self._began = time.monotonic()
        self._inside: list[float] = []  # a heap of when they will leave
        self._random = random.Random(1)
        self.replies: list[float] = []
        self.refusals: list[float] = []

    def now(self) -> float:
        return time.monotonic() - self._began

    def __call__(self, seen: Seen) -> Reply | Status:
        now = self.now()
        while self._inside and self._inside[0] <= now:
            heapq.heappop(self._inside)
        if len(self._inside) >= self._admits:
            self.refusals.append(now)
            return Status(429)
        # Log-uniform over a decade, with the mean asked for.
        spread = 1.0 if self._steady else 10 ** self._random.uniform(-0.5, 0.5) / 1.236
        heapq.heappush(self._inside, now + self._latency * spread)
        self.replies.append(now + self._latency * spread)
        return Reply("Answer: 2", delay_s=self._latency * spread)


@dataclass(frozen=True)
class Outcome:
    """Replies a second, the share of refused calls, and the limit over time."""

    throughput: float
    refused: float
    trace: list[tuple[float, int]]


async def measure(provider: Provider, url: str, fixed: int | None, seconds: float) -> Outcome:
    """Drive one setting (None: auto) for so many seconds."""
    trace = [(0.0, fixed or START)]

    def moved(at: float, limit: int) -> None:
        trace.append((provider.now(), limit))
        traffic.changed()

    limits: Limits
    if fixed is None:
        auto = limits = Adaptive(trace=moved)
        traffic = Traffic(lambda: auto.limit)
    else:
        limits, traffic = asyncio.Semaphore(fixed), Traffic(lambda: fixed)
    await _drive(url, limits, traffic, seconds)
    since = min(10.0, seconds / 2)
    replies = sum(since <= at < seconds for at in provider.replies)
    refusals = sum(since <= at < seconds for at in provider.refusals)
    return Outcome(replies / (seconds - since), refusals / max(1, replies + refusals), trace)


async def _drive(url: str, limits: Limits, traffic: Traffic, seconds: float) -> None:
    """Solve problems of one call without end, and stop after so many seconds."""
    door = Door(limits)
    held = Limited(OpenAIChat(base_url=url, model="m"), door, traffic)
    chat = Retrying(held, notice=lambda text: None, sleep=traffic.pause)

    async def rows() -> AsyncIterator[Row]:
        for n in itertools.count():
            yield Row(n, n, str(n), "?", None, None, {})

    async def work(row: Row) -> Worked:
        try:
            await chat.complete(REQUEST)
        except ProviderError as error:
            if error.status != 429:  # refused time and again, as happens with a limit that is too high
                raise
        return Worked(StopReason.TURNS)

    driver = Driver(work, width=lambda: traffic.width, door=door, grace_s=0.0)
    traffic.changed = driver.look_again
    asyncio.get_running_loop().call_later(seconds, driver.interrupt)
    try:
        await driver.run(rows())
    finally:
        await chat.aclose()


def sparkline(trace: list[tuple[float, int]], seconds: float, columns: int = 60) -> str:
    """The limit over time, from 0 at the bottom to its highest at the top."""
    values = []
    for column in range(columns):
        until = (column + 1) * seconds / columns
        values.append([limit for at, limit in trace if at <= until][-1])
    highest = max(values)
    return "".join(BARS[round(value / highest * (len(BARS) - 1))] for value in values)


def rows_of(trace: list[tuple[float, int]], seconds: float) -> str:
    """The limit at 0 s, 1 s and so on."""
    at_second = [[limit for at, limit in trace if at <= second][-1] for second in range(int(seconds) + 1)]
    return " ".join(str(limit) for limit in at_second)


def main() -> None:
    """Measure every setting and print a line for each, then the ratio and the trace."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--admits", type=int, default=40)
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--steady", action="store_true")
    given = parser.parse_args()
    print(f"{'setting':>8} {'replies/s':>10} {'429s':>7}")
    best = 0.0
    for fixed in (*FIXED, None):
        provider = Provider(given.admits, given.latency, given.steady)
        with Loopback(provider) as server:
            outcome = asyncio.run(measure(provider, server.openai_url, fixed, given.seconds))
        print(f"{fixed or 'auto':>8} {outcome.throughput:>10.1f} {outcome.refused:>7.2%}", flush=True)
        best = max(best, outcome.throughput) if fixed else best
    ratio = outcome.throughput / best
    good = ratio >= TARGET and outcome.refused <= MOST_REFUSED
    print(
        f"auto / best fixed = {ratio:.2f} (target {TARGET}), 429s {outcome.refused:.2%} "
        f"(target {MOST_REFUSED:.0%}): {'within' if good else 'MISSED'}"
    )
    print(f"limit, 0 to {given.seconds:g} s: {sparkline(outcome.trace, given.seconds)}")
    print(f"limit at each second: {rows_of(outcome.trace, given.seconds)}")


if __name__ == "__main__":
    main()
