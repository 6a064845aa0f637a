"""A provider that answers nobody any more ends a batch in bounded time, also where calls are held back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import virtual_time
from loopback import Loopback, Reply, Seen, Status
from running import Program
from test_batch import adding, batch, rows, sums, write
from virtual_time import now

from rise_cli.chat import CallKey, Request
from rise_cli.chat.adaptive import MOST, Adaptive
from rise_cli.chat.door import Door
from rise_cli.chat.limits import Limited, Traffic
from rise_cli.chat.retrying import Retrying
from rise_cli.core.domain import Completion, Message, Purpose, StopReason
from rise_cli.errors import ProviderError
from rise_cli.problems import Row
from rise_cli.run.batch import Driver, End, Worked
from rise_cli.run.silence import FEWEST, Silence, patience_s

# The decision: times of failures (`F`) and answers (`A`), with the number of other calls being made


@pytest.mark.parametrize(
    ("steps", "opened_at"),
    [
        ([("F", n * 30.0, 0) for n in range(20)], 270.0),  # the tenth failure, and beyond 240 s
        ([("F", n * 60.0, 0) for n in range(20)], 540.0),
        ([("F", n * 1.0, 0) for n in range(300)], 241.0),
        ([("F", n * 1.0, 0) for n in range(240)], None),
        ([("F", n * 1000.0, 0) for n in range(FEWEST - 1)], None),
        ([("A" if n % 200 == 100 else "F", n * 1.0, 0) for n in range(900)], None),
        ([("F", n * 1.0, 1) for n in range(900)], 541.0),  # who is inside may still be answered
        ([("F", n * 1.0, n < 400) for n in range(900)], 400.0),
        # Twenty are told to wait for two minutes, do, and are served.
        ([*[("F", n / 10, 0) for n in range(20)], ("A", 121.0, 0), ("F", 300.0, 0)], None),
    ],
)
def test_how_long_nobody_may_be_answered(
    steps: list[tuple[str, float, int]], opened_at: float | None
) -> None:
    silence, opened = Silence(patience_s(120.0), 300.0), None
    for what, at, inside in steps:
        if what == "A":
            silence.broken()
        elif silence.lasts(at, inside):
            opened = at
            break
    assert opened == opened_at


# With `--concurrency auto`, in virtual time

Says = Callable[[float], ProviderError | None]


def refused(status: int = 503, retry_after: float | None = None) -> ProviderError:
    return ProviderError("closed", kind="server", status=status, retry_after=retry_after)


class Provider:
    """Says after 10 ms what `says` does of the time; None is a reply, after a second."""

    def __init__(self, says: Says) -> None:
        self._says = says

    async def complete(self, request: Request) -> Completion:
        if (error := self._says(now())) is not None:
            await asyncio.sleep(0.01)
            raise error
        await asyncio.sleep(1.0)
        return Completion("ok")

    async def aclose(self) -> None:
        pass


def run(says: Says, problems: int, most: int = MOST) -> tuple[End, float, str]:
    """How a batch with the default settings ends, when, and what it says of the provider."""

    async def main() -> tuple[End, float, str]:
        auto = Adaptive(most=most, clock=now, trace=lambda at, limit: traffic.changed())
        traffic, door = Traffic(lambda: auto.limit), Door(auto)
        chat = Retrying(Limited(Provider(says), door, traffic), notice=lambda text: None, sleep=traffic.pause)

        async def feed() -> AsyncIterator[Row]:
            for n in range(problems):
                yield Row(n, n, str(n), "?", None, None, {})

        async def work(row: Row) -> Worked:
            try:
                await chat.complete(Request(CallKey(row.id, 1, 1, Purpose.ATTEMPT), (Message("user", "hi"),)))
            except ProviderError:
                return Worked(StopReason.ERROR)
            return Worked(StopReason.TURNS)

        silence = Silence(patience_s(120.0), 300.0)
        driver = Driver(work, width=lambda: traffic.width, door=door, silence=silence)
        traffic.changed = driver.look_again
        return await driver.run(feed()), now(), driver.last_outage

    return virtual_time.run(main())


# A 500 says nothing of the load, so as many calls as may be go on being made: a hundred thousand.
@pytest.mark.parametrize(("status", "most"), [(429, MOST), (503, MOST), (500, 10)])
def test_a_provider_that_is_down_for_good_ends_the_run_within_minutes(status: int, most: int) -> None:
    end, at, why = run(lambda time: refused(status) if time > 10 else None, 100_000, most)
    assert (end, why) == (End.DOWN, "closed")
    assert 10 + 240 < at < 10 + 300


def test_pauses_that_are_asked_for_and_kept_end_no_run() -> None:
    def says(time: float) -> ProviderError | None:
        closed = 10 < time < 125 or 200 < time < 315
        return refused(429, retry_after=110.0) if closed else None

    end, at, _ = run(says, 3000)
    assert end is End.COMPLETE
    assert at > 315


def test_the_last_few_problems_get_their_rows() -> None:
    """They may be what no server can bear: the next run would end at them again."""
    end, _, _ = run(lambda time: refused(), 4)
    assert end is End.COMPLETE


# Through the command


def test_by_default_a_batch_ends_when_nobody_is_answered(rise: Program) -> None:
    write(rise, sums(200))
    up = [False]

    def plan(seen: Seen) -> Reply | Status:
        if up[0] or seen.index < 5:
            return adding(seen)
        return Status(429 if seen.index % 2 else 503, "closed")

    with Loopback(plan) as server:
        more = ("--turns", "1", "--max-wait", "1", "--max-retries", "50")
        result = batch(rise, "openai", server, *more)
        assert (result.code, "the provider is down (" in result.err) == (4, True), result.err
        assert "(429)" in result.err or "(503)" in result.err
        assert {row["status"] for row in rows(rise)} <= {"ok"}
        up[0] = True
        assert batch(rise, "openai", server, *more).code == 0
    assert {row["status"] for row in rows(rise)} == {"ok"}
    assert len(rows(rise)) == 200
