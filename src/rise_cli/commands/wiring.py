"""The way to the model, wired from the settings, the same for every command.

Retrying(Limited(Budgeted(Counting(Priced(connect(...))))))     what a call passes on its way to the model
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rise_cli.chat import Chat, Notice, Sampling, connect
from rise_cli.core.domain import Vote
from rise_cli.errors import ConfigurationError, UsageError
from rise_cli.settings import Settings

if TYPE_CHECKING:
    from rise_cli.chat.budget import Amount, Wallet
    from rise_cli.chat.counting import Spent
    from rise_cli.chat.limits import Limits, Traffic
    from rise_cli.chat.prices import Tariff
    from rise_cli.chat.rates import Rates
    from rise_cli.commands.assembly import Endpoint

_ALTERNATIVES = 5  # to each token: as many as every provider that shows any is willing to show
_USUAL_SLOTS = 20


def tariff(settings: Settings, at: Endpoint, *, shown: bool = True) -> Tariff | None:
    """What the model's tokens cost, or None where nobody knows, or nobody asks.

    `shown` says whether a cost will be shown; the list of prices takes a tenth of a second to load.
    A provider's prices are for its own address alone: what another server asks is not known.
    Raises ConfigurationError where `--max-cost` needs a price and there is none.
    """
    from rise_cli.chat.prices import Free, tariff_for
    from rise_cli.chat.providers import is_loopback

    keyless = not at.provider.needs_key
    if settings.price is None and keyless and (at.base_url is None or is_loopback(at.base_url)):
        return Free()
    if not shown and settings.max_cost is None:
        return None
    prices_id = at.provider.prices_id if at.base_url == at.provider.base_url else None
    known = tariff_for(prices_id, at.model, price=settings.price)
    if known is None and settings.max_cost is not None:
        raise ConfigurationError(
            f"the price of {at.name!r} is not known, so --max-cost {settings.max_cost:g} cannot be kept; "
            "give it with --price IN,OUT in USD per million tokens, or use --max-tokens-total"
        )
    return known


def _check_capped(settings: Settings) -> None:
    """Refuse options under which a cap would not hold: another price, or more than one reply."""
    caps = {"--max-cost": settings.max_cost, "--max-tokens-total": settings.max_tokens_total}
    bound = {"service_tier": ("--max-cost",), "best_of": tuple(caps)}
    for name in bound.keys() & settings.option.keys():
        for cap in bound[name]:
            if caps[cap] is not None:
                raise UsageError(
                    f"--option {name!r} changes what is billed, so {cap} cannot be kept; leave one out"
                )


def sampling(settings: Settings) -> Sampling:
    """What goes out beside the messages: only what was asked for."""
    return Sampling(
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
        reasoning_effort=settings.reasoning_effort,
        logprobs=_logprobs(settings),
        extra=settings.option,
    )


def _logprobs(settings: Settings) -> int | None:
    """How many alternatives to each token are asked for; None: no probabilities at all."""
    if settings.vote is Vote.ENTROPY:
        return _ALTERNATIVES
    return 0 if settings.confidence == "logprob" else None


def _check_capable(settings: Settings, at: Endpoint) -> None:
    """Refuse what the provider's wire has no words for."""
    if _logprobs(settings) is not None and at.provider.wire == "anthropic":
        from rise_cli.chat.wire import no_logprobs

        raise no_logprobs(at.name)


@dataclass(frozen=True)
class Room:
    """How much an engine of our own must hold: calls in flight, and tokens in each."""

    slots: int
    context_tokens: int


@dataclass(frozen=True)
class Line:
    """The way to the model: the outermost chat, the purse where something is capped, and what is spent."""

    chat: Chat
    purse: Wallet | None
    spent: Spent


@dataclass(frozen=True)
class Flow:
    """What holds calls back: how many are in flight, and how many go out a minute; and what can be told
    of them. `rates` is None where nobody counts."""

    limits: Limits
    rates: Rates | None
    traffic: Traffic


def flow(settings: Settings, at: Endpoint, room: Room) -> Flow:
    """The limits that the settings ask for. An engine of our own has `room.slots` places, whatever is
    asked for: there is nothing to find out."""
    from rise_cli.chat.adaptive import Adaptive
    from rise_cli.chat.limits import Traffic
    from rise_cli.chat.rates import Rates

    rates = None
    if at.provider.remote or settings.rpm is not None or settings.tpm is not None:
        rates = Rates(settings.rpm, settings.tpm, longest_hold_s=settings.max_wait)
    fixed = room.slots if at.provider.name == "local" else settings.concurrency
    if fixed != "auto":
        return Flow(asyncio.Semaphore(fixed), rates, Traffic(lambda: fixed))
    adaptive = Adaptive(trace=lambda at, limit: traffic.changed())
    traffic = Traffic(lambda: adaptive.limit, moves=True)
    return Flow(adaptive, rates, traffic)


def attempts(  # noqa: PLR0913 - where the settings become a chat
    settings: Settings,
    at: Endpoint,
    price: Tariff | None,
    *,
    notice: Notice,
    stream: bool,
    room: Room,
    rates: Rates | None,
    before: Amount | None = None,
) -> Line:
    """Connect to the model, with prices and the budget around it: what one attempt at a call passes.
    Nothing is sent yet. `rates` learn from the headers of the answers; `before` is what others took from
    the same budget.

    Raises as `connect` does, and UsageError for an option that a cap does not allow.
    """
    from rise_cli.chat.budget import DEFAULT_OUTPUT, Budgeted, Wallet
    from rise_cli.chat.counting import Counting, Spent
    from rise_cli.chat.local import EMBEDDED_MAX_TOKENS
    from rise_cli.chat.prices import Priced

    _check_capped(settings)
    _check_capable(settings, at)
    asked = sampling(settings)
    chat = connect(
        at.name,
        key=at.key,
        base_url=at.base_url,
        sampling=asked,
        timeout_s=settings.timeout,
        stream=stream,
        notice=notice,
        slots=room.slots,
        context_tokens=room.context_tokens,
        headed=None if rates is None else rates.hear,
    )
    if price is not None:
        chat = Priced(chat, price)
    purse, spent = None, Spent()
    chat = Counting(chat, spent)
    if settings.max_cost is not None or settings.max_tokens_total is not None:
        purse = Wallet(settings.max_cost, settings.max_tokens_total, before)
        default_output = EMBEDDED_MAX_TOKENS if at.name == "local:" else DEFAULT_OUTPUT
        chat = Budgeted(chat, purse, price, notice=notice, default_output=default_output)
    return Line(chat, purse, spent)


def patient(chat: Chat, flow: Flow, settings: Settings, notice: Notice) -> Chat:
    """Put the limits and the retries around `attempts`. `notice` is told of every retry."""
    from rise_cli.chat.limits import Limited
    from rise_cli.chat.retrying import Retrying

    return Retrying(
        Limited(chat, flow.limits, flow.traffic, flow.rates),
        max_retries=settings.max_retries,
        max_wait_s=settings.max_wait,
        notice=notice,
        sleep=flow.traffic.pause,
    )


def line(
    settings: Settings, at: Endpoint, price: Tariff | None, *, notice: Notice, stream: bool, room: Room
) -> Line:
    """Connect to the model, with its limits, budget and retries around it. Nothing is sent yet."""
    held = flow(settings, at, room)
    made = attempts(settings, at, price, notice=notice, stream=stream, room=room, rates=held.rates)
    return replace(made, chat=patient(made.chat, held, settings, notice))


def slots(settings: Settings) -> int:
    """How many places an engine of our own shall have at most."""
    return _USUAL_SLOTS if settings.concurrency == "auto" else settings.concurrency
