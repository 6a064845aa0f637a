"""A cap that holds: over any mix of replies, losses and cancellations, at any concurrency."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_cli.chat import CallKey, Request
from rise_cli.chat.budget import Amount, Budgeted, Wallet, input_bound
from rise_cli.chat.door import Door
from rise_cli.chat.limits import Limited
from rise_cli.chat.prices import Flat, Tariff
from rise_cli.chat.retrying import Retrying
from rise_cli.core.domain import Completion, Message, Purpose, Usage
from rise_cli.errors import BudgetExhausted, ConfigurationError, CredentialsError, ProviderError, UsageError

KEY = CallKey("p", 1, 1, Purpose.ATTEMPT)
DOLLAR = Flat(Decimal(1_000_000), Decimal(1_000_000))  # a dollar a token: amounts read as counts
INPUT = 16 + 64 + 2  # what "hi" is reserved at


def request(text: str = "hi", max_tokens: int | None = None) -> Request:
    return Request(KEY, (Message("user", text),), max_tokens)


def quiet(text: str) -> None: ...


def budgeted(inner: Server, wallet: Wallet, tariff: Tariff | None = DOLLAR, output: int = 100) -> Budgeted:
    return Budgeted(inner, wallet, tariff, notice=quiet, default_output=output, floor=10)


class Server:
    """Writes exactly the output limit, always, and keeps its own bill. `outcome` is asked what befalls
    each call: `ok`, `silent` (no usage in the reply), `lost` (billed), `refused` (not billed) or `hang`."""

    def __init__(
        self,
        outcome: Callable[[], str] = lambda: "ok",
        tariff: Flat = DOLLAR,
        yields: Callable[[], int] = lambda: 1,
    ) -> None:
        self.outcome = outcome
        self.yields = yields
        self.tariff = tariff
        self.limits: list[int] = []
        self.billed = Amount()
        self.now = self.most = 0
        self.go = asyncio.Event()

    async def complete(self, request: Request) -> Completion:
        assert request.max_tokens is not None
        self.limits.append(request.max_tokens)
        outcome = self.outcome()
        if outcome == "refused":
            raise ProviderError("busy", kind="rate_limited", status=429)
        usage = Usage(sum(len(m.text.encode()) for m in request.messages), request.max_tokens)
        price = self.tariff.input_price * usage.input_tokens + self.tariff.output_price * usage.output_tokens
        self.billed += Amount(price / 1_000_000, usage.input_tokens + usage.output_tokens)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(self.yields()):
                await asyncio.sleep(0)
            if outcome == "hang":
                await self.go.wait()
        finally:
            self.now -= 1
        if outcome == "lost":
            raise ProviderError("cut", kind="broken", billed=True)
        return Completion("ok", usage=None if outcome == "silent" else usage)

    async def aclose(self) -> None: ...


class Raising:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def complete(self, request: Request) -> Completion:
        raise self.error

    async def aclose(self) -> None: ...


# --- one call ---


@pytest.mark.parametrize(
    ("cap", "asked", "sent"),
    [
        (None, None, 100),
        (10_000, None, 100),
        (10_000, 7, 7),
        (10_000, 5000, 5000),
        (INPUT + 100, None, 100),
        (INPUT + 99, None, 99),
        (INPUT + 10, None, 10),
        (INPUT + 9, None, None),
        (INPUT + 9, 3, 3),  # a smaller limit of one's own is no reason to stop
        (INPUT + 2, 3, None),
        (0, None, None),
    ],
)
@pytest.mark.parametrize("unit", ["usd", "tokens"])
async def test_the_output_limit_that_is_sent(
    cap: int | None, asked: int | None, sent: int | None, unit: str
) -> None:
    wallet = Wallet(max_cost_usd=cap) if unit == "usd" else Wallet(max_tokens=cap)
    server = Server()
    with suppress(BudgetExhausted):
        await budgeted(server, wallet).complete(request(max_tokens=asked))
    assert server.limits == ([] if sent is None else [sent])


@pytest.mark.parametrize(
    ("cap", "asked", "finish", "said"),
    [
        (INPUT + 99, None, "length", "budget"),
        (INPUT + 99, None, "stop", "stop"),
        (INPUT + 99, None, "empty", "empty"),
        (INPUT + 100, None, "length", "length"),
        (INPUT + 20, 20, "length", "length"),
        (INPUT + 20, 21, "length", "budget"),
    ],
)
async def test_a_reply_that_ends_where_the_budget_does(
    cap: int, asked: int | None, finish: str, said: str
) -> None:
    class Ending(Server):
        async def complete(self, request: Request) -> Completion:
            return replace(await super().complete(request), finish_reason=finish)

    wallet = Wallet(max_tokens=cap)
    completion = await budgeted(Ending(), wallet).complete(request(max_tokens=asked))
    assert completion.finish_reason == said
    assert wallet.spent_tokens > 0


async def test_the_tighter_cap_counts() -> None:
    server = Server()
    await budgeted(server, Wallet(max_cost_usd=INPUT + 50, max_tokens=INPUT + 20)).complete(request())
    assert server.limits == [20]


async def test_without_a_tariff_only_tokens_count() -> None:
    server, wallet = Server(), Wallet(max_cost_usd=0, max_tokens=1000)
    await budgeted(server, wallet, tariff=None).complete(request())
    assert (wallet.spent_usd, wallet.spent_tokens) == (0.0, 102)


@pytest.mark.parametrize(
    ("wallet", "message"),
    [
        (
            Wallet(max_cost_usd=0.5),
            "--max-cost 0.5 does not allow another call: 0.000000 USD spent, and it could take 92.000000 "
            "USD; raise it to go on",
        ),
        (
            Wallet(max_tokens=50),
            "--max-tokens-total 50 does not allow another call: 0 tokens spent, and it could take 92 tokens; "
            "raise it to go on",
        ),
    ],
)
async def test_what_is_said_when_nothing_fits(wallet: Wallet, message: str) -> None:
    with pytest.raises(BudgetExhausted) as caught:
        await budgeted(Server(), wallet).complete(request())
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["", "hi", "é", "日本語", "🦊", "\ud800", "a" * 1000])
def test_no_byte_level_tokenizer_makes_more_tokens_than_the_bound(text: str) -> None:
    assert input_bound((Message("user", text),)) >= len(text.encode(errors="replace"))
    assert input_bound((Message("user", text), Message("user", text))) > 2 * len(text)


# --- what an attempt is charged ---

RESERVED = INPUT + 100


@pytest.mark.parametrize(
    ("error", "charged", "lost"),
    [
        (ProviderError("busy", kind="server", status=503), 0, 0),
        (ProviderError("cut", kind="broken", billed=True), RESERVED, 1),
        (CredentialsError("no"), 0, 0),
        (ConfigurationError("no"), 0, 0),
        (UsageError("no such model"), 0, 0),
        (asyncio.CancelledError(), RESERVED, 1),
        (ZeroDivisionError(), RESERVED, 1),
        (KeyboardInterrupt(), RESERVED, 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
async def test_an_attempt_without_a_reply(error: BaseException, charged: int, lost: int) -> None:
    wallet = Wallet(max_cost_usd=1000)
    chat = Budgeted(Raising(error), wallet, DOLLAR, notice=quiet, default_output=100)
    with suppress(type(error)):
        await chat.complete(request())
    assert (wallet.spent_usd, wallet.spent_tokens, wallet.lost_attempts) == (charged, charged, lost)
    assert wallet.reserved == Amount()


@pytest.mark.parametrize(("outcome", "charged"), [("ok", 102), ("silent", RESERVED)])
async def test_an_attempt_with_a_reply(outcome: str, charged: int) -> None:
    wallet = Wallet(max_cost_usd=1000)
    await budgeted(Server(lambda: outcome), wallet).complete(request())
    assert (wallet.spent_usd, wallet.spent_tokens, wallet.lost_attempts) == (charged, charged, 0)


async def test_a_usage_above_the_reservation_is_recorded_and_said() -> None:
    class Generous(Server):
        async def complete(self, request: Request) -> Completion:
            return Completion("ok", usage=Usage(5000, 1))

    said: list[str] = []
    wallet = Wallet(max_cost_usd=1000)
    chat = Budgeted(Generous(), wallet, DOLLAR, notice=said.append, default_output=100)
    await chat.complete(request())
    assert wallet.spent_usd == 5001
    assert said == [
        "a call took 5001 tokens where at most 182 were reserved: the provider adds input or ignores the "
        "output limit, so the budget may be passed"
    ]
    with pytest.raises(BudgetExhausted):
        await chat.complete(request())


async def test_every_attempt_of_a_retried_call_is_reserved() -> None:
    outcomes = iter(["lost", "refused", "lost", "ok"])
    server, wallet = Server(lambda: next(outcomes)), Wallet(max_cost_usd=1000)

    async def no_pause(seconds: float) -> None: ...

    await Retrying(budgeted(server, wallet), notice=quiet, sleep=no_pause).complete(request())
    assert wallet.spent_usd == 2 * RESERVED + 102
    assert wallet.lost_attempts == 2


# --- calls side by side ---


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_call_waits_for_others_to_settle_before_it_is_cut_short() -> None:
    server, wallet = Server(lambda: "hang"), Wallet(max_cost_usd=2 * RESERVED + 50)
    chat = budgeted(server, wallet)
    calls = [asyncio.create_task(chat.complete(request())) for _ in range(3)]
    await turns()
    assert server.limits == [100, 100]
    assert wallet.reserved.usd == 2 * RESERVED
    server.go.set()
    await asyncio.gather(*calls)
    assert server.limits == [100, 100, 100]  # the two took 102 each instead of 182


async def test_nobody_is_overtaken() -> None:
    server, wallet = Server(lambda: "hang"), Wallet(max_cost_usd=2660)
    chat = budgeted(server, wallet)
    first = asyncio.create_task(chat.complete(request(max_tokens=1000)))
    await turns()
    large = asyncio.create_task(chat.complete(request(max_tokens=1500)))
    await turns()
    small = [asyncio.create_task(chat.complete(request(max_tokens=20))) for _ in range(3)]
    await turns()
    assert server.limits == [1000]  # the small ones would fit, and wait behind the large one
    server.go.set()
    await asyncio.gather(first, large, *small)
    assert server.limits == [1000, 1500, 20, 20, 20]


@pytest.mark.parametrize("victim", [0, 1, 2])
async def test_a_cancelled_call_stops_nobody(victim: int) -> None:
    server, wallet = Server(lambda: "hang"), Wallet(max_cost_usd=3 * RESERVED)
    chat = budgeted(server, wallet, output=2 * RESERVED)
    calls = [asyncio.create_task(chat.complete(request())) for _ in range(3)]
    await turns()
    calls[victim].cancel()
    await turns()
    server.go.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[victim], asyncio.CancelledError)
    assert all(isinstance(r, Completion | BudgetExhausted) for n, r in enumerate(results) if n != victim)
    assert wallet.reserved == Amount()
    assert wallet.lost_attempts == (victim == 0)  # the others had sent nothing yet


async def test_hundreds_of_calls_go_as_far_as_the_cap_and_no_further() -> None:
    server = Server(yields=lambda: 3)
    cap = 20_000
    chat = Limited(budgeted(server, wallet := Wallet(max_cost_usd=cap)), asyncio.Semaphore(300))
    results = await asyncio.gather(*(chat.complete(request()) for _ in range(500)), return_exceptions=True)
    done = sum(isinstance(result, Completion) for result in results)
    assert all(isinstance(result, Completion | BudgetExhausted) for result in results)
    assert server.most > 100
    assert cap - 2 * RESERVED < server.billed.usd <= cap
    assert done == len(server.limits) == 196  # 195 at 102 each, and one cut short
    assert Decimal(wallet.spent_usd) == server.billed.usd


mixes = st.lists(st.sampled_from(["ok", "ok", "silent", "lost", "refused", "hang"]), min_size=1, max_size=6)
dollars = st.decimals("0", "75", places=4)


@given(
    seed=st.integers(0, 2**32),
    calls=st.integers(1, 120),
    mix=mixes,
    tariff=st.builds(Flat, dollars, dollars),
    cap=st.decimals("0", "0.2", places=7),
    tokens=st.one_of(st.none(), st.integers(0, 60_000)),
)
@settings(max_examples=60, deadline=None)
def test_the_sum_billed_never_passes_the_cap(
    seed: int, calls: int, mix: list[str], tariff: Flat, cap: Decimal, tokens: int | None
) -> None:
    random = Random(seed)

    async def scenario() -> None:
        server = Server(lambda: random.choice(mix), tariff, lambda: random.randrange(4))
        wallet = Wallet(float(cap), tokens)

        async def pause(seconds: float) -> None:
            await asyncio.sleep(0)

        inner = Budgeted(server, wallet, tariff, notice=pytest.fail, default_output=500)
        chat = Retrying(Limited(inner, asyncio.Semaphore(40)), notice=quiet, sleep=pause, max_retries=2)
        tasks = [
            asyncio.create_task(chat.complete(request("é" * random.randrange(300)))) for _ in range(calls)
        ]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            hanging = [task for task in tasks if not task.done()]
            if hanging and random.random() < 0.2:
                random.choice(hanging).cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        allowed = (Completion, BudgetExhausted, ProviderError, asyncio.CancelledError)
        assert all(isinstance(result, allowed) for result in results)
        assert server.billed.usd <= cap
        assert tokens is None or server.billed.tokens <= tokens
        assert wallet.reserved == Amount()
        assert wallet.spent_usd >= float(server.billed.usd)

    asyncio.run(scenario())


async def test_once_the_door_is_shut_nobody_who_waits_for_the_purse_is_sent() -> None:
    inner, wallet = Server(lambda: "hang"), Wallet(max_cost_usd=INPUT + 70)
    door = Door(asyncio.Semaphore(9), wallet)
    chat = Limited(budgeted(inner, wallet, output=10), door)
    calls = [asyncio.create_task(chat.complete(request())) for _ in range(4)]
    await turns()
    assert (door.inside, door.sent, wallet.waiting, len(inner.limits)) == (4, 1, 3, 1)
    door.shut()
    inner.go.set()  # what it took is less than was reserved, so there would be room
    await asyncio.wait_for(door.empty(), 10)
    await turns()
    assert (len(inner.limits), door.sent, wallet.waiting) == (1, 0, 3)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert (door.inside, wallet.waiting, wallet.reserved) == (0, 0, Amount())
