"""What tokens cost, at worst and afterwards, and for whom that is not known."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from hypothesis import given
from hypothesis import strategies as st

from rise_cli.chat import CallKey, Request
from rise_cli.chat.prices import Flat, Free, Listed, Priced, Tariff, tariff_for
from rise_cli.core.domain import Completion, Message, Purpose, Usage

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def listed(prices: ModelPrice | list[ConditionalPrice], at: datetime = NOON) -> Listed:
    model = ModelInfo("m", ClauseEquals("m"), prices=prices)
    return Listed(Provider("p", "P", ""), model, lambda: at)


def price(**dollars: str | TieredPrices) -> ModelPrice:
    return ModelPrice(**{k: Decimal(v) if isinstance(v, str) else v for k, v in dollars.items()})


def tiered(base: str, *tiers: tuple[int, str]) -> TieredPrices:
    return TieredPrices(Decimal(base), [Tier(start, Decimal(usd)) for start, usd in tiers])


CACHING = price(input_mtok="3", output_mtok="15", cache_read_mtok="0.3", cache_write_mtok="3.75")
TIERED = price(
    input_mtok=tiered("3", (200_000, "6")),
    output_mtok=tiered("15", (200_000, "22.5")),
    cache_read_mtok=tiered("0.3", (200_000, "0.6")),
    cache_write_mtok=tiered("3.75", (200_000, "7.5")),
)
CHEAPER_IN_BULK = price(input_mtok=tiered("3", (100, "1")), output_mtok="1")


@pytest.mark.parametrize(
    ("tariff", "usage", "usd"),
    [
        (listed(CACHING), Usage(1000, 100), 0.0045),
        (listed(CACHING), Usage(1000, 100, cached_input_tokens=600), 0.00288),
        (listed(CACHING), Usage(1000, 100, cached_input_tokens=600, cache_write_tokens=300), 0.003105),
        (listed(CACHING), Usage(100, 0, cached_input_tokens=600), 0.00018),  # parts above the whole
        (listed(TIERED), Usage(200_000, 10), 0.60015),
        (listed(TIERED), Usage(200_001, 10), 1.200231),
        (listed(price(input_mtok="1", output_mtok="2", requests_kcount="5")), Usage(10, 10), 0.00503),
        (Flat(Decimal("0.15"), Decimal("0.6")), Usage(1000, 1000, cached_input_tokens=900), 0.00075),
        (Free(), Usage(10**9, 10**9), 0.0),
    ],
)
def test_cost(tariff: Tariff, usage: Usage, usd: float) -> None:
    assert tariff.cost(usage) == usd


@pytest.mark.parametrize(
    ("tariff", "tokens", "usd"),
    [
        (listed(CACHING), (1000, 100), 0.00525),  # as if all of it were written to the cache
        (listed(TIERED), (200_000, 100), 0.7515),
        (listed(TIERED), (200_001, 100), 1.5022575),
        (listed(CHEAPER_IN_BULK), (101, 0), 0.000303),  # a shorter prompt would cost more a token
        (
            listed(price(input_mtok="1", output_mtok="2", input_audio_mtok="99", requests_kcount="5")),
            (0, 1),
            0.005002,
        ),
        (listed(price(input_mtok="1", output_mtok="2", cache_write_1h_mtok="9")), (1, 0), 0.000001),
        (Flat(Decimal("0.15"), Decimal("0.6")), (1, 1), 7.5e-7),
        (Free(), (10**9, 10**9), 0.0),
    ],
)
def test_worst(tariff: Tariff, tokens: tuple[int, int], usd: float) -> None:
    assert tariff.worst(*tokens) == usd


LOW, HIGH, OLD = (price(input_mtok=usd, output_mtok=usd) for usd in ("1", "2", "9"))
OFF_PEAK = TimeOfDateConstraint(time(16, tzinfo=UTC), time(0, 30, tzinfo=UTC))


DAY_AND_NIGHT = [ConditionalPrice(prices=HIGH), ConditionalPrice(OFF_PEAK, prices=LOW)]
NIGHT = datetime(2026, 10, 1, 17, tzinfo=UTC)


def rising(before: ModelPrice, day: date, after: ModelPrice) -> list[ConditionalPrice]:
    return [ConditionalPrice(prices=before), ConditionalPrice(StartDateConstraint(day), prices=after)]


@pytest.mark.parametrize(
    ("prices", "at", "cost", "worst"),
    [
        (DAY_AND_NIGHT, NOON, 2, 2),
        (DAY_AND_NIGHT, NIGHT, 1, 2),  # a call that begins at night may end by day
        (rising(OLD, date(2025, 1, 1), LOW), NOON, 1, 1),
        (rising(LOW, date(2026, 10, 2), HIGH), NOON, 1, 2),  # so may one before midnight
        (rising(LOW, date(2026, 10, 9), HIGH), NOON, 1, 1),
        (rising(HIGH, date(2026, 10, 9), LOW)[1:], NOON, 1, 1),
    ],
)
def test_prices_that_change(prices: list[ConditionalPrice], at: datetime, cost: float, worst: float) -> None:
    tariff = listed(prices, at)
    assert tariff.cost(Usage(1_000_000, 0)) == cost
    assert tariff.worst(1_000_000, 0) == worst


def every_model() -> list[tuple[str, str]]:
    ids = ["openai", "anthropic", "openrouter", "deepseek", "groq", "together", "mistral", "google", "x-ai"]
    providers = [provider for provider in get_snapshot().providers if provider.id in ids]
    assert len(providers) == len(ids)
    return [(provider.id, model.id) for provider in providers for model in provider.models]


TARIFFS = [tariff for name in every_model() if (tariff := tariff_for(*name)) is not None]
counts = st.integers(0, 3_000_000)


@given(st.sampled_from(TARIFFS), counts, counts, counts, counts, counts, counts)
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(
    tariff: Tariff, most_in: int, most_out: int, tokens_in: int, tokens_out: int, cached: int, written: int
) -> None:
    tokens_in, tokens_out = min(tokens_in, most_in), min(tokens_out, most_out)
    cached = min(cached, tokens_in)
    written = min(written, tokens_in - cached)
    worst = tariff.worst(most_in, most_out)
    assert 0 <= tariff.cost(Usage(tokens_in, tokens_out, cached, written)) <= worst
    assert worst <= tariff.worst(most_in + 1, most_out) <= tariff.worst(most_in + 1, most_out + 1)


def test_most_models_of_the_list_have_a_tariff() -> None:
    assert len(TARIFFS) > 0.8 * len(every_model())


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-4o-mini-2024-07-18"),
        ("openai", "GPT-4o-mini"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:org::id"),
        ("anthropic", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("anthropic", "claude-sonnet-4-20250514"),
        ("anthropic", "claude-3-5-haiku-latest"),
        ("openrouter", "openai/gpt-4o"),
        ("google", "gemini-2.5-flash"),
        ("google", "models/gemini-2.5-flash"),
        ("google", "gemini-2.5-pro-preview-05-06"),
        ("groq", "llama-3.3-70b-versatile"),
    ],
)
def test_models_that_the_list_names(provider: str, model: str) -> None:
    assert isinstance(tariff_for(provider, model), Listed)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini-nonsense"),
        ("openai", "gpt-999"),
        ("openai", "llama-3"),
        ("openai", "gpt-4o-realtime-of-tomorrow"),
        ("openai", "my-moderation-tune"),
        ("openai", "text-embedding-3-small"),  # named, and not a chat model
        ("openai", ""),
        ("anthropic", "claude-opus-4-10"),  # begins like claude-opus-4-1
        ("anthropic", "claude-sonnet-4-5-turbo"),
        ("anthropic", "claude-opus-99"),
        ("deepseek", "deepseek-chat-v99"),
        ("google", "gemini-3.5-flash-8b"),
        ("google", "gemini-1.5-pro-max"),
        ("openrouter", "openai/gpt-4o:nitro"),
        ("openrouter", "nobody/nothing"),
        ("nobody", "gpt-4o"),
        (None, "gpt-4o"),
    ],
)
def test_models_that_it_does_not_name(provider: str | None, model: str) -> None:
    assert tariff_for(provider, model) is None
    assert tariff_for(provider, model, price=(1.0, 2.0)) == Flat(Decimal(1), Decimal(2))


def test_a_free_variant_is_free() -> None:
    free = [
        model for provider, model in every_model() if provider == "openrouter" and model.endswith(":free")
    ]
    assert isinstance(tariff_for("openrouter", free[0]), Free)


class Replying:
    def __init__(self, usage: Usage | None) -> None:
        self.usage = usage

    async def complete(self, request: Request) -> Completion:
        return Completion("ok", usage=self.usage)

    async def aclose(self) -> None: ...


@pytest.mark.parametrize(
    ("usage", "tariff", "usd"),
    [
        (Usage(1000, 1000), Flat(Decimal("0.15"), Decimal("0.6")), 0.00075),
        (Usage(1000, 1000), None, None),
        (None, Flat(Decimal(1), Decimal(1)), None),
        (Usage(1000, 1000), Free(), 0.0),
    ],
)
async def test_completions_say_what_they_cost(usage: Usage | None, tariff: Any, usd: float | None) -> None:
    request = Request(CallKey("p", 1, 1, Purpose.ATTEMPT), (Message("user", "hi"),))
    assert await Priced(Replying(usage), tariff).complete(request) == Completion(
        "ok", usage=usage, cost_usd=usd
    )
