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
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from rise_cli.chat import CallKey, Request
from rise_cli.chat.adaptive import Adaptive
from rise_cli.chat.door import Door
from rise_cli.chat.limits import Limited, Limits, Traffic
from rise_cli.chat.openai import OpenAIChat
from rise_cli.chat.retrying import Retrying
from rise_cli.core.domain import Message, Purpose, StopReason
from rise_cli.errors import ProviderError
from rise_cli.problems import Row
from rise_cli.run.batch import Driver, Worked

FIXED = (20, 40, 60, 80, 160)
TARGET = 0.8
MOST_REFUSED = 0.05
BARS = "▁▂▃▄▅▆▇█"

REQUEST = Request(CallKey("p", 1, 1, Purpose.ATTEMPT), (Message("user", "What is 1+1?"),))
REPLY = json.dumps(
    {
        "choices": [{"message": {"role": "assistant", "content": "Answer: 2"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }
).encode()
REFUSAL = json.dumps({"error": {"message": "too many at once", "type": "rate_limit"}}).encode()


@dataclass
class Server:
    """Admits `admits` calls at once. Times are seconds since `began`."""

    admits: int
    latency: float
    steady: bool
    began: float = field(default_factory=time.monotonic)
    inside: int = 0
    replies: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    random: random.Random = field(default_factory=lambda: random.Random(1))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after another."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
                status, body = await self._answer()
                fields = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(f"HTTP/1.1 {status} Loopback\r\n{fields}".encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self) -> tuple[int, bytes]:
        if self.inside >= self.admits:
            self.refusals.append(time.monotonic() - self.began)
            return 429, REFUSAL
        self.inside += 1
        try:
            # Log-uniform over a decade, with the mean asked for.
            spread = 1.0 if self.steady else 10 ** self.random.uniform(-0.5, 0.5) / 1.236
            await asyncio.sleep(self.latency * spread)
        finally:
            self.inside -= 1
        self.replies.append(time.monotonic() - self.began)
        return 200, REPLY


@dataclass(frozen=True)
class Outcome:
    """Replies a second, the share of refused calls, and the limit over time."""

    throughput: float
    refused: float
    trace: list[tuple[float, int]]


async def measure(server: Server, fixed: int | None, seconds: float) -> Outcome:
    """Drive one setting (None: auto) against `server` for so many seconds."""
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=2048)
    port = listening.sockets[0].getsockname()[1]
    trace = [(0.0, fixed or 20)]

    def moved(at: float, limit: int) -> None:
        trace.append((at - server.began, limit))
        traffic.changed()

    limits: Limits
    if fixed is None:
        auto = limits = Adaptive(trace=moved)
        traffic = Traffic(lambda: auto.limit)
    else:
        limits, traffic = asyncio.Semaphore(fixed), Traffic(lambda: fixed or 0)
    try:
        await _drive(f"http://127.0.0.1:{port}/v1", limits, traffic, seconds)
    finally:
        listening.close()
    since = min(10.0, seconds / 2)
    replies = sum(since <= at < seconds for at in server.replies)
    refusals = sum(since <= at < seconds for at in server.refusals)
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
        except ProviderError as error:  # refused time and again: a failed problem
            assert error.kind == "rate_limited", error
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
        server = Server(given.admits, given.latency, given.steady)
        outcome = asyncio.run(measure(server, fixed, given.seconds))
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
