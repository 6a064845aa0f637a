"""Which failures are retried, after how long, and what is said about it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from random import Random

import pytest

from rise_cli.chat import CallKey, Request
from rise_cli.chat.retrying import Retrying
from rise_cli.core.domain import Completion, Message, Purpose
from rise_cli.errors import BudgetExhausted, CredentialsError, ProviderError, UsageError

KEY = CallKey("p", 1, 1, Purpose.ATTEMPT)
REQUEST = Request(KEY, (Message("user", "hi"),))
RATE_LIMITED = ProviderError("too many requests", kind="rate_limited", status=429)


class Failing:
    """A chat that raises the given errors in turn, then replies. It says `said` before each outcome."""

    def __init__(self, *errors: BaseException, said: str = "") -> None:
        self.errors = list(errors)
        self.said = said
        self.calls = 0

    async def complete(self, request: Request) -> Completion:
        self.calls += 1
        if self.said and request.listen:
            request.listen(self.said, False)
        if self.errors:
            raise self.errors.pop(0)
        return Completion("ok")

    async def aclose(self) -> None: ...


class Sleeper:
    """Remembers how long it was asked to sleep instead of sleeping."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def retrying(
    inner: Failing, sleeper: Sleeper, notice: Callable[[str], None] = lambda text: None, **options: float
) -> Retrying:
    return Retrying(
        inner,
        notice=notice,
        sleep=sleeper,
        random=Random(7),
        max_retries=int(options.get("max_retries", 6)),
        max_wait_s=options.get("max_wait_s", 120.0),
    )


@pytest.mark.parametrize("kind", ["rate_limited", "server", "connection", "timeout", "broken"])
async def test_what_may_pass_is_retried(kind: str) -> None:
    inner, sleeper = Failing(ProviderError("no", kind=kind), ProviderError("no", kind=kind)), Sleeper()
    assert (await retrying(inner, sleeper).complete(REQUEST)).reply == "ok"
    assert inner.calls == 3
    assert len(sleeper.slept) == 2


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("bad", kind="rejected", status=400),
        ProviderError("long", kind="context", status=400),
        CredentialsError("refused"),
        UsageError("no such model"),
        BudgetExhausted("enough"),
        ZeroDivisionError(),
        asyncio.CancelledError(),
    ],
    ids=lambda error: f"{type(error).__name__}-{getattr(error, 'kind', '')}",
)
async def test_everything_else_passes_through_untouched(error: BaseException) -> None:
    inner, sleeper = Failing(RATE_LIMITED, error), Sleeper()
    with pytest.raises(type(error)) as caught:
        await retrying(inner, sleeper).complete(REQUEST)
    assert caught.value is error
    assert inner.calls == 2


async def test_pauses_are_drawn_from_a_doubling_range_up_to_a_cap() -> None:
    sleeper = Sleeper()
    await retrying(Failing(*[RATE_LIMITED] * 10), sleeper, max_retries=10).complete(REQUEST)
    random = Random(7)
    assert sleeper.slept == [random.uniform(0, min(30, 0.5 * 2**n)) for n in range(10)]


@pytest.mark.parametrize(
    ("retry_after", "at_least"), [(4.0, 4.0), (120.0, 120.0), (0.0, 0.0), (-3.0, 0.0), (0.001, 0.001)]
)
async def test_retry_after_is_never_undercut(retry_after: float, at_least: float) -> None:
    sleeper = Sleeper()
    error = ProviderError("slow down", kind="rate_limited", status=429, retry_after=retry_after)
    await retrying(Failing(error), sleeper).complete(REQUEST)
    assert at_least <= sleeper.slept[0] <= max(at_least, 0.5)


@pytest.mark.parametrize("retry_after", [120.5, 86_400.0, math.inf, math.nan])
async def test_asking_for_too_long_a_wait_fails_at_once(retry_after: float) -> None:
    error = ProviderError("slow down", kind="rate_limited", status=429, retry_after=retry_after)
    inner, sleeper = Failing(error), Sleeper()
    with pytest.raises(ProviderError, match=r"--max-wait is 120; .* .slow down.") as caught:
        await retrying(inner, sleeper).complete(REQUEST)
    assert (inner.calls, sleeper.slept) == (1, [])
    assert (caught.value.kind, caught.value.status) == ("rate_limited", 429)


async def test_the_last_error_stands_and_says_how_many_attempts_there_were() -> None:
    last = ProviderError("still down", kind="server", status=503, billed=True)
    inner, sleeper = Failing(RATE_LIMITED, RATE_LIMITED, last), Sleeper()
    with pytest.raises(ProviderError, match=r"^after 3 attempts: still down$") as caught:
        await retrying(inner, sleeper, max_retries=2).complete(REQUEST)
    assert (inner.calls, len(sleeper.slept)) == (3, 2)
    assert (caught.value.kind, caught.value.status, caught.value.billed) == ("server", 503, True)


async def test_no_retries() -> None:
    inner, sleeper = Failing(RATE_LIMITED), Sleeper()
    with pytest.raises(ProviderError) as caught:
        await retrying(inner, sleeper, max_retries=0).complete(REQUEST)
    assert caught.value is RATE_LIMITED
    assert (inner.calls, sleeper.slept) == (1, [])


async def test_every_retry_is_said() -> None:
    said: list[str] = []
    errors = [
        ProviderError("slow down", kind="rate_limited", status=429, retry_after=4.0),
        ProviderError("reset", kind="connection", retry_after=5.0),
        ProviderError("odd", kind="server", retry_after=20.0),
    ]
    await retrying(Failing(*errors), Sleeper(), said.append).complete(REQUEST)
    assert said == [
        "provider says 429; retry 1 of 6 in 4.0 s",
        "the connection failed; retry 2 of 6 in 5.0 s",
        "server error; retry 3 of 6 in 20.0 s",
    ]


async def test_shown_text_is_taken_back_before_the_next_attempt() -> None:
    heard: list[str] = []
    request = Request(
        KEY,
        (Message("user", "hi"),),
        listen=lambda text, reasoning: heard.append(text),
        restart=lambda: heard.append("<restart>"),
    )
    await retrying(Failing(RATE_LIMITED, RATE_LIMITED, said="some"), Sleeper()).complete(request)
    assert heard == ["some", "<restart>", "some", "<restart>", "some"]
    heard.clear()
    await retrying(Failing(RATE_LIMITED), Sleeper()).complete(request)
    assert heard == []


async def test_cancelling_during_a_pause_ends_the_call() -> None:
    inner = Failing(RATE_LIMITED)

    async def for_ever(seconds: float) -> None:
        await asyncio.Event().wait()

    call = asyncio.create_task(Retrying(inner, notice=lambda text: None, sleep=for_ever).complete(REQUEST))
    for _ in range(20):
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert inner.calls == 1
