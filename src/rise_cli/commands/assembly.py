"""Puts the parts of a run together from its settings, the same way for every command.

Retrying(Limited(Budgeted(Counting(Priced(connect(...))))))     what a call passes on its way to the model
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rise_cli.chat import Chat, Notice, Sampling, connect
from rise_cli.core.domain import Ask, Call, Done, Kind, Message, Policy, Problem, Shape, Vote
from rise_cli.core.loop import next_step
from rise_cli.core.selecting import GROUP_REPLIES
from rise_cli.core.shapes import most_seen
from rise_cli.errors import ConfigurationError, UsageError
from rise_cli.prompts import Protocol, load, load_role, messages
from rise_cli.settings import Resolved, Settings, find_key

if TYPE_CHECKING:
    from rise_cli.chat.budget import Wallet
    from rise_cli.chat.counting import Spent
    from rise_cli.chat.limits import Limits, Traffic
    from rise_cli.chat.prices import Tariff
    from rise_cli.chat.providers import Provider
    from rise_cli.chat.rates import Rates
    from rise_cli.check import Check


_ALTERNATIVES = 5  # to each token: as many as every provider that shows any is willing to show
_USUAL_REPLY = 512  # tokens; what the embedded model is held to
_USUAL_SLOTS = 20


@dataclass(frozen=True)
class Endpoint:
    """Which model at which provider, and how to get there. `base_url` is None for what is not remote."""

    provider: Provider
    model: str
    base_url: str | None
    key: str | None

    @property
    def name(self) -> str:
        return f"{self.provider.name}:{self.model}"


@dataclass(frozen=True)
class Method:
    """What is asked and by which rules: the protocol with its words, and the policy. `kind` is that of
    the answers, as far as it is known without the question."""

    protocol: Protocol
    role: str | None
    policy: Policy
    kind: Kind

    def render(self, problem: Problem, call: Call, done: tuple[Done, ...]) -> tuple[Message, ...]:
        return messages(self.protocol, self.policy, problem, call, done, self.role)

    def first(self, problem: Problem, given: tuple[Done, ...] = ()) -> tuple[Message, ...]:
        """The messages of the first call that is to be made after what is given."""
        step = next_step(self.policy, problem, given)
        return self.render(problem, step.calls[0], given) if isinstance(step, Ask) else ()


def method(resolved: Resolved) -> Method:
    """The protocol, the role and the policy that the settings ask for.

    Raises UsageError for a protocol or role that does not exist or is broken, and for options that
    contradict each other.
    """
    settings = resolved.settings
    protocol = load(settings.prompt, settings.language)
    role = load_role(settings.role) if settings.role else None
    kind = settings.kind
    if kind is Kind.AUTO and role is not None and role.kind is not None:
        kind = role.kind
    single = protocol.shape is Shape.INDEPENDENT
    if single and settings.turns > 1 and resolved.origin["turns"] == "flag":
        raise UsageError(
            f"--prompt {settings.prompt} asks every chain once, so --turns {settings.turns} does nothing; "
            f"use --samples {settings.turns}"
        )
    window = protocol.window if settings.window is None else settings.window
    policy = Policy(
        shape=protocol.shape,
        turns=1 if single else settings.turns,
        samples=settings.samples or protocol.samples,
        window=None if window == "all" else window,
        draw=settings.draw or protocol.draw,
        seed=settings.seed or 0,
        rates=settings.confidence == "asked",
        vote=settings.vote or (Vote.CONSISTENT if kind is Kind.TEXT else Vote.MAJORITY),
        vote_temperature=settings.vote_temperature,
        tie=settings.tie,
        threshold=settings.threshold,
        patience=settings.patience,
        early_stop=settings.early_stop,
        strict=settings.strict,
    )
    _check_rules(policy, settings)
    return Method(protocol, role.text if role else None, policy, kind)


def _check_rules(policy: Policy, settings: Settings) -> None:
    if policy.strict and policy.vote is Vote.CONSISTENT:
        raise UsageError(
            "--strict wants more than half of the votes, and --vote consistent counts none; leave one out, "
            "or name another --vote"
        )
    if policy.vote is Vote.WEIGHTED and settings.confidence == "none":
        raise UsageError("--vote weighted counts confidences, and --confidence none has none; leave one out")


def endpoint(resolved: Resolved, env: Mapping[str, str], notice: Notice) -> Endpoint:
    """The model that is named, else the first provider whose key is set, else the embedded one."""
    from rise_cli.chat.providers import PROVIDERS, find_base_url, parse_model

    settings = resolved.settings
    name = settings.model

    def key_of(provider: Provider) -> str | None:
        return find_key(provider.key_vars, provider.name, env, resolved.key_cmds)

    if name is None:
        if settings.base_url:
            raise UsageError(
                f"name the model that {settings.base_url!r} shall run, such as --model openai:NAME"
            )
        keyed = (p for p in PROVIDERS.values() if p.needs_key and key_of(p))
        chosen = next(keyed, PROVIDERS["local"])
        name = f"{chosen.name}:"
        notice(_chosen_for(chosen))
    provider, model = parse_model(name)
    if not provider.remote:
        return Endpoint(provider, model, None, None)
    base_url = find_base_url(provider, settings.base_url, env, resolved.base_urls.get(provider.name))
    return Endpoint(provider, model, base_url, key_of(provider))


def _chosen_for(provider: Provider) -> str:
    if provider.needs_key:
        return f"no model was named; using {provider.name}:{provider.default_model}, whose key is set"
    return "no model was named and no key is set; using the embedded one (--model names another)"


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
) -> Line:
    """Connect to the model, with prices and the budget around it: what one attempt at a call passes.
    Nothing is sent yet. `rates` learn from the headers of the answers.

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
        purse = Wallet(max_cost_usd=settings.max_cost, max_tokens=settings.max_tokens_total)
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


def check(settings: Settings, env: Mapping[str, str], keys: frozenset[str]) -> Check | None:
    """The check command, ready to run. Raises where it cannot be."""
    if settings.check is None:
        return None
    from rise_cli.chat.providers import PROVIDERS
    from rise_cli.check import Check

    variables = frozenset(v for p in PROVIDERS.values() for v in p.key_vars)
    return Check.parse(
        settings.check, settings.check_timeout, environ=env, key_variables=variables, keys=keys
    )


def reply_limit(method: Method, at: Endpoint, settings: Settings) -> int | None:
    """The most tokens of one reply; None leaves it to the provider.

    The embedded model is held to a usual reply, and one that holds all rounds to as many of them.
    """
    if settings.max_tokens is None and at.name == "local:" and method.policy.shape is Shape.SINGLE:
        return _USUAL_REPLY * method.policy.turns
    return settings.max_tokens


def room(method: Method, problem: Problem, settings: Settings, given: tuple[Done, ...] = ()) -> Room:
    """The room that this problem takes, after what is given.

    Two bytes a token is more than English text needs; every attempt that a turn sees brings a reply
    and what is said about it, a critique included. Where the winner is selected, a call sees as many
    replies as it may.
    """
    policy = method.policy
    reply = settings.max_tokens or _USUAL_REPLY
    seen = most_seen(policy, policy.turns) * (2 if policy.shape is Shape.REFINE else 1)
    if policy.vote is Vote.CONSISTENT:
        seen = max(seen, min(policy.turns * policy.samples, GROUP_REPLIES))
    rounds = policy.turns if policy.shape is Shape.SINGLE and settings.max_tokens is None else 1
    head = method.first(problem, given)
    tokens = sum(len(m.text.encode()) for m in head) // 2 + seen * (reply + 256) + rounds * reply + 512
    return Room(min(policy.samples, slots(settings)), tokens)


def slots(settings: Settings) -> int:
    """How many places an engine of our own shall have at most."""
    return _USUAL_SLOTS if settings.concurrency == "auto" else settings.concurrency


def recorded_settings(resolved: Resolved, method: Method, model: str, key: str | None) -> dict[str, object]:
    """The settings as they worked out, for a record: the protocol's own numbers filled in."""
    policy = method.policy
    public = resolved.settings.public(frozenset({key} if key else ()))
    del public["prompt"]
    return {
        "protocol": method.protocol.name,
        **public,
        "model": model,
        "turns": policy.turns,
        "samples": policy.samples,
        "window": "all" if policy.window is None else policy.window,
        "draw": policy.draw,
        "vote": policy.vote.value,
        "kind": method.kind.value,
    }
