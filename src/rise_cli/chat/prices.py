"""What tokens cost: from genai-prices, or from the person who knows better (`--price IN,OUT`).

An amount that is not known is None, never a guess: a model that the price list does not name exactly
has no tariff. Amounts are US dollars. Sums are taken in `Decimal`, and a `float` that is returned is
the exact amount, rounded once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from rise_cli.chat import Chat, Request
from rise_cli.core.domain import Completion, Usage

if TYPE_CHECKING:
    from genai_prices.types import MatchLogic, ModelInfo, ModelPrice, Provider, TieredPrices

_MILLION = Decimal(1_000_000)


class Tariff(Protocol):
    """What a model's tokens cost, in USD.

    For every usage of at most `input_tokens` and `output_tokens`, `cost(usage)` is at most
    `worst(input_tokens, output_tokens)`, and `worst` never falls when either count grows.
    """

    def cost(self, usage: Usage) -> float:
        """What a call with this usage cost."""
        ...

    def worst(self, input_tokens: int, output_tokens: int) -> float:
        """The most that a call with so many tokens can cost, however they are cached."""
        ...


class Free:
    """The tariff of a model that runs on a machine of one's own."""

    def cost(self, usage: Usage) -> float:
        return 0.0

    def worst(self, input_tokens: int, output_tokens: int) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class Flat:
    """One price for all input and one for all output, in USD per million tokens.

    What caching would save is not known, so cached input costs as much as any other.
    """

    input_price: Decimal
    output_price: Decimal

    def cost(self, usage: Usage) -> float:
        return self.worst(usage.input_tokens, usage.output_tokens)

    def worst(self, input_tokens: int, output_tokens: int) -> float:
        return float((self.input_price * input_tokens + self.output_price * output_tokens) / _MILLION)


class Listed:
    """A model's prices as genai-prices lists them, with cache prices, tiers and times of day.

    `now` says when a call is made, for prices that change.
    """

    def __init__(self, provider: Provider, model: ModelInfo, now: Callable[[], datetime]) -> None:
        self._provider = provider
        self._model = model
        self._now = now

    def cost(self, usage: Usage) -> float:
        from genai_prices import Usage as Counted

        cached, written = usage.cached_input_tokens, usage.cache_write_tokens
        counted = Counted(
            # The list refuses parts that exceed the whole; a provider that says so is taken at its parts.
            input_tokens=max(usage.input_tokens, cached + written),
            cache_read_tokens=cached,
            cache_write_tokens=written,
            output_tokens=usage.output_tokens,
        )
        price = self._model.calc_price(counted, self._provider, genai_request_timestamp=self._now())
        return float(price.total_price)

    def worst(self, input_tokens: int, output_tokens: int) -> float:
        prices = _in_force(self._model, self._now())
        dearest = max(_worst(price, input_tokens, output_tokens) for price in prices)
        return float(dearest)


class Priced:
    """A `Chat` whose completions say what they cost, where the tokens and the tariff are known."""

    def __init__(self, chat: Chat, tariff: Tariff | None) -> None:
        self._chat = chat
        self._tariff = tariff

    async def complete(self, request: Request) -> Completion:
        completion = await self._chat.complete(request)
        if self._tariff is None or completion.usage is None:
            return completion
        return replace(completion, cost_usd=self._tariff.cost(completion.usage))

    async def aclose(self) -> None:
        await self._chat.aclose()


def tariff_for(
    prices_id: str | None,
    model: str,
    *,
    price: tuple[float, float] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
) -> Tariff | None:
    """The tariff of a model, or None where it is not known.

    `prices_id` is the provider's name in genai-prices, None for a provider that it does not list.
    `price` (USD per million tokens, input and output) goes before the list. A listed model counts
    only if the list names it: a prefix of its name is enough for a dated release of the same model
    and for a fine-tune, never for another model.
    """
    if price is not None:
        return Flat(exact(price[0]), exact(price[1]))
    if prices_id is None:
        return None
    from genai_prices.data_snapshot import get_snapshot

    name = model.lower().removeprefix("models/")  # Google's own way to write a name
    try:
        provider, listed = get_snapshot().find_provider_model(name, None, prices_id, None)
    except LookupError:
        return None
    if not _names(listed, name):
        return None
    prices = _in_force(listed, now())
    if listed.id.endswith(":free") and all(_is_empty(price) for price in prices):
        return Free()
    known = all(price.input_mtok is not None and price.output_mtok is not None for price in prices)
    return Listed(provider, listed, now) if known else None


def exact(amount: float) -> Decimal:
    """The decimal number that was meant by a float: 0.1, not 0.1000000000000000055."""
    return Decimal(repr(float(amount)))


# What tells releases of one model apart: a date or a short build number, or a word for "the current".
_RELEASE = re.compile(
    r"(?:[-@](?:latest|preview|exp|\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|\d{2}-\d{4}|\d{3,4}))+$|[-@]$"
)


def _names(model: ModelInfo, reference: str) -> bool:
    """Whether the list means this very model. Its clauses alone are broader: `claude-opus-4-1` also
    matches as the beginning of a later `claude-opus-4-10`, which would cost something else."""
    from genai_prices import types

    clauses = list(_leaves(model.match))
    for clause in clauses:
        anchored = isinstance(clause, types.ClauseRegex) and clause.regex.endswith("$")
        if (isinstance(clause, types.ClauseEquals) or anchored) and clause.is_match(reference):
            return True
    texts = [_literal(clause) for clause in clauses]
    if reference.startswith("ft:"):
        return any(text.startswith("ft:") and reference.startswith(text) for text in texts)
    bare = _RELEASE.sub("", reference)
    return bare in {_RELEASE.sub("", text) for text in [model.id, *texts]}


def _leaves(clause: MatchLogic) -> Iterator[MatchLogic]:
    from genai_prices import types

    if isinstance(clause, types.ClauseOr):
        inner = clause.or_
    elif isinstance(clause, types.ClauseAnd):
        inner = clause.and_
    else:
        yield clause
        return
    for each in inner:
        yield from _leaves(each)


def _literal(clause: MatchLogic) -> str:
    from genai_prices import types

    match clause:
        case types.ClauseStartsWith(text) | types.ClauseContains(text) | types.ClauseEndsWith(text):
            return text.lower()
    return ""


def _in_force(model: ModelInfo, at: datetime) -> list[ModelPrice]:
    """Every price that may apply to a call begun at this time: today's, tomorrow's, and all those of
    a time of day, since a call may end in another hour than it began."""
    from genai_prices import types

    if isinstance(model.prices, types.ModelPrice):
        return [model.prices]
    found: list[ModelPrice] = []
    for conditional in reversed(model.prices):
        constraint = conditional.constraint
        daily = isinstance(constraint, types.TimeOfDateConstraint)
        if daily or constraint is None or constraint.active(at + timedelta(days=1)):
            found.append(conditional.prices)
        if not daily and (constraint is None or constraint.active(at)):
            return found
    return [*found, model.prices[0].prices]


def _worst(price: ModelPrice, input_tokens: int, output_tokens: int) -> Decimal:
    """Every input token at the dearest input price, every output token at the dearest output price,
    of all tiers that so much input can reach."""
    dearest = {"input": Decimal(0), "output": Decimal(0)}
    total = Decimal(0)
    for key, value in price.__dict__.items():
        direction = _direction(key)
        if value is not None and direction is not None:
            dearest[direction] = max(dearest[direction], _highest(value, input_tokens))
        elif value is not None and key == "requests_kcount":
            total += _highest(value, input_tokens) / 1000
    return total + (dearest["input"] * input_tokens + dearest["output"] * output_tokens) / _MILLION


def _direction(key: str) -> str | None:
    """`input` or `output` for the price of a text token, None for that of anything else."""
    # Caches are asked for at their shortest life, so the price of a longer one never applies.
    if not key.endswith("_mtok") or re.search("audio|image|video|_1h", key):
        return None
    return "output" if key.startswith("output") else "input"


def _highest(price: Decimal | TieredPrices, input_tokens: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    return max([price.base, *(tier.price for tier in price.tiers if tier.start < input_tokens)])


def _is_empty(price: ModelPrice) -> bool:
    return all(value is None for value in price.__dict__.values())
