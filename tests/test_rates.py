"""`--rpm`, `--tpm` and what headers say: in virtual time, and over the loopback server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress

import pytest
import virtual_time
from loopback import Loopback, Reply, Seen, Status
from running import KEYS, Program, at
from test_batch import adding, batch, rows, sums, write
from virtual_time import now
from wires import opened, request

from rise_cli.chat import Request
from rise_cli.chat.limits import Limited, Traffic
from rise_cli.chat.rates import Rates
from rise_cli.core.domain import Completion, Usage
from rise_cli.errors import ProviderError

ASKED = request(text="x" * 400)  # 100 tokens, as estimated


class Provider:
    """Answers after `latency`; `sent` are the times of calls. Every reply counts `usage`."""

    def __init__(self, latency: float = 0.0, usage: Usage | None = None, refuse: int = 0) -> None:
        self.latency, self.usage, self.refuse = latency, usage, refuse
        self.sent: list[float] = []

    async def complete(self, request: Request) -> Completion:
        self.sent.append(now())
        await asyncio.sleep(self.latency)
        if len(self.sent) <= self.refuse:
            raise ProviderError("no", kind="rate_limited", status=429)
        return Completion("ok", usage=self.usage)

    async def aclose(self) -> None:
        pass


def run(provider: Provider, calls: int, make: Callable[[], Rates], places: int = 1000) -> Traffic:
    """Make so many calls at once."""
    traffic = Traffic(lambda: places)

    async def main() -> None:
        chat = Limited(provider, asyncio.Semaphore(places), traffic, make())
        await asyncio.gather(*(chat.complete(ASKED) for _ in range(calls)), return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_time.run(main())
    return traffic


def test_requests_go_out_evenly() -> None:
    provider = Provider(latency=30.0)
    run(provider, 100, lambda: Rates(rpm=60))
    assert provider.sent == pytest.approx([float(n) for n in range(100)], abs=0.01)


def test_tokens_as_the_provider_counts_them() -> None:
    """100 and 512 are estimated, 1,000 are counted: after the first calls it is the count that holds."""
    provider = Provider(latency=0.5, usage=Usage(100, 900))
    run(provider, 200, lambda: Rates(tpm=60_000))
    assert sum(t < 180 for t in provider.sent) == pytest.approx(180, rel=0.1)
    for start in range(0, 120, 10):
        assert sum(start <= t < start + 60 for t in provider.sent) <= 60 * 1.1 + 6


def test_what_was_estimated_too_high_is_given_back() -> None:
    provider = Provider(latency=0.5, usage=Usage(50, 50))
    run(provider, 300, lambda: Rates(tpm=60_000))
    assert provider.sent[-1] == pytest.approx(300 * 100 / 1000, abs=8)


def test_a_call_of_more_than_a_minute_is_made_all_the_same() -> None:
    provider = Provider(usage=Usage(100, 512))
    run(provider, 3, lambda: Rates(tpm=306))
    assert [b - a for a, b in itertools.pairwise(provider.sent)] == pytest.approx([120, 120], abs=1)


def test_refused_calls_give_their_tokens_back() -> None:
    provider = Provider(refuse=100)
    run(provider, 100, lambda: Rates(tpm=6120))
    assert provider.sent[-1] < 10  # 60 s a ten calls, were they charged


def test_nobody_who_waits_for_a_rate_holds_a_place() -> None:
    provider = Provider(latency=2.5)
    traffic = Traffic(lambda: 3)
    seen: list[tuple[int, int]] = []

    async def main() -> None:
        chat = Limited(provider, asyncio.Semaphore(3), traffic, Rates(rpm=60))
        calls = [asyncio.create_task(chat.complete(ASKED)) for _ in range(6)]
        await asyncio.sleep(1.9)
        seen.append((traffic.in_flight, traffic.throttled))
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert (traffic.in_flight, traffic.throttled) == (0, 0)

    virtual_time.run(main())
    assert seen == [(2, 4)]


def heard(*headers: tuple[str, str], rpm: int | None = None, tpm: int | None = None) -> Callable[[], Rates]:
    def make() -> Rates:
        rates = Rates(rpm, tpm, longest_hold_s=100, clock=lambda: 1_795_471_200.0)
        rates.hear(headers)
        return rates

    return make


def test_a_limit_that_headers_tell() -> None:
    provider = Provider()
    run(provider, 100, heard(("x-ratelimit-limit-requests", "60")))
    assert sum(t < 60 for t in provider.sent) <= 60 + 6
    assert provider.sent[-1] == pytest.approx(94, abs=1)


@pytest.mark.parametrize(("told", "rate"), [("30", 30), ("600", 60)])
def test_headers_lower_what_the_user_gave_and_never_raise_it(told: str, rate: int) -> None:
    provider = Provider()
    run(provider, 10, heard(("anthropic-ratelimit-requests-limit", told), rpm=60))
    assert provider.sent == pytest.approx([n * 60 / rate for n in range(10)], abs=0.01)


@pytest.mark.parametrize(
    "headers",
    [
        [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1m5s")],
        [
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-23T22:01:05Z"),
        ],
    ],
)
def test_everybody_waits_until_there_is_something_left(headers: list[tuple[str, str]]) -> None:
    provider = Provider()
    run(provider, 5, heard(*headers))
    assert provider.sent == pytest.approx([65.0] * 5, abs=0.01)


@pytest.mark.parametrize(
    "headers",
    [
        [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "101s")],  # too long
        [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "tomorrow")],
        [("x-ratelimit-remaining-tokens", "1"), ("x-ratelimit-reset-tokens", "60s")],
        [("x-ratelimit-limit-requests", "0")],
        [],
    ],
)
def test_what_holds_nobody_up(headers: list[tuple[str, str]]) -> None:
    provider = Provider()
    run(provider, 20, heard(*headers))
    assert provider.sent == pytest.approx([0.0] * 20, abs=0.01)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [200, 429])
async def test_headers_are_heard_over_the_wire(wire: str, stream: bool, status: int) -> None:
    told: list[dict[str, str]] = []
    script = [Status(429, headers={"x-ratelimit-limit-requests": "5"})] if status == 429 else [Reply("hello")]
    with Loopback(script) as server:
        async with opened(wire, server, stream=stream, headed=lambda items: told.append(dict(items))) as chat:
            with suppress(ProviderError):
                await chat.complete(request())
    (headers,) = told
    assert headers.get("x-ratelimit-limit-requests") == ("5" if status == 429 else None)
    assert "content-type" in headers


# From the command line


def test_batch_keeps_to_rpm(rise: Program, wire: str) -> None:
    write(rise, sums(5))
    with Loopback(adding) as server:
        assert batch(rise, wire, server, "--turns", "1", "--rpm", "600").code == 0
        times = [seen.time - server.seen[0].time for seen in server.seen]
    assert len(rows(rise)) == 5
    # The first call may have been long on its way, the last one never comes early.
    assert times[-1] >= 0.4 - 0.1


def test_batch_waits_where_a_header_says_that_nothing_is_left(rise: Program) -> None:
    """Whoever is refused, and told when, is the only one: the others wait for that moment."""
    write(rise, sums(4))
    empty = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "700ms"}

    def script(seen: Seen) -> Reply | Status:
        return Status(429, headers=empty) if seen.index == 0 else adding(seen)

    with Loopback(script) as server:
        where = at("openai", server)
        result = rise("batch", "p.jsonl", *where, "--turns", "1", "--concurrency", "1", env=KEYS)
        times = [seen.time for seen in server.seen]
    assert result.code == 0
    assert len(times) == 5
    assert times[1] - times[0] >= 0.7


@pytest.mark.parametrize("command", ["ask", "batch"])
@pytest.mark.parametrize("given", ["auto", "3"])
def test_concurrency_is_taken_by_both(rise: Program, command: str, given: str) -> None:
    write(rise, sums(3))
    with Loopback(adding) as server:
        what = "p.jsonl" if command == "batch" else "How many are 1 plus 1?"
        result = rise(command, what, *at("openai", server), "--turns", "1", "--concurrency", given, env=KEYS)
    assert result.code == 0
