"""`--dry-run`: what a run would send, how many calls it may make, and what they may cost."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from rise_cli.core.controls import printable
from rise_cli.core.domain import Call, Done, Message, Policy, Problem, Shape, Vote
from rise_cli.core.selecting import GROUP_REPLIES, most_selections
from rise_cli.core.shapes import most_seen
from rise_cli.core.stopping import turns_allowed
from rise_cli.problems import BadRow, Problems
from rise_cli.render.amounts import counted
from rise_cli.settings import resolve, working_folder

if TYPE_CHECKING:
    from rise_cli.chat.prices import Tariff
    from rise_cli.commands.assembly import Endpoint, Method
    from rise_cli.settings import Resolved, Settings

# A byte-level tokenizer never makes more tokens than there are bytes; hardly any text takes fewer
# than one token for eight bytes, or one character in less than a byte.
_BYTES_PER_TOKEN_AT_MOST = 8
_OUTPUT_LIMIT = 8192
_PER_MESSAGE = 16


@dataclass(frozen=True)
class Estimate:
    """Bounds of a run before it starts. Costs are USD, None where the price is not known; they and the
    tokens are at most so many if no reply is longer than `output_limit` tokens. Retries come on top."""

    calls_at_least: int
    calls_at_most: int
    output_limit: int
    input_tokens_at_least: int
    input_tokens_at_most: int
    cost_usd_at_least: float | None
    cost_usd_at_most: float | None

    def __add__(self, other: Estimate) -> Estimate:
        """The bounds of both runs together, which have the same output limit."""
        return Estimate(
            self.calls_at_least + other.calls_at_least,
            self.calls_at_most + other.calls_at_most,
            self.output_limit,
            self.input_tokens_at_least + other.input_tokens_at_least,
            self.input_tokens_at_most + other.input_tokens_at_most,
            _sum(self.cost_usd_at_least, other.cost_usd_at_least),
            _sum(self.cost_usd_at_most, other.cost_usd_at_most),
        )


def estimate(
    policy: Policy, first: tuple[Message, ...], output_limit: int, tariff: Tariff | None, *, judged: bool
) -> Estimate:
    """Bound the calls of a run under `policy` whose first call sends `first`, and their price.

    `judged` says whether a check may end the run after any turn. At most: every turn runs, sees a
    full window of replies at the output limit, every byte is a token, every answer is rated, and the
    winner is selected from replies as long as can be. At least: the fewest turns after which a rule can
    stop the run, with input at eight bytes a token and one token of output, and nothing to select.
    """
    calls = list(_calls_at_most(policy, output_limit, judged=judged))
    least = _fewest_calls(policy, judged)
    size = sum(len(m.text.encode()) for m in first)
    head = size + _PER_MESSAGE * len(first)
    shortest = max(size // _BYTES_PER_TOKEN_AT_MOST, 1)
    # What a reply is followed by is about as long as the question's own instructions.
    longest = [head + sum(reply + more + head for reply, more in seen) for seen in calls]
    lowest = highest = None
    if tariff is not None:
        lowest = least * tariff.worst(shortest, 1)
        highest = sum(tariff.worst(length, output_limit) for length in longest)
    return Estimate(least, len(calls), output_limit, least * shortest, sum(longest), lowest, highest)


def _calls_at_most(policy: Policy, reply: int, *, judged: bool) -> Iterator[list[tuple[int, int]]]:
    """Every call that may be made: for each reply that it sees, the tokens of it and of what is said
    about it. Feedback of a check is 4 KiB at most."""
    said = 4096 if judged else 1024
    refines = policy.shape is Shape.REFINE
    answers = turns_allowed(policy) * policy.samples
    for turn in range(1, turns_allowed(policy) + 1):
        seen = most_seen(policy, turn)
        shown = [(reply, said + reply * refines)] * seen
        yield from [shown] * (policy.samples * (2 if refines and seen else 1))
    if policy.shape is Shape.SINGLE:
        answers *= policy.turns  # a reply holds that many
    if policy.rates:
        yield from [[(reply, said)]] * answers
    if policy.vote is Vote.CONSISTENT:
        left = answers
        for groups in most_selections(answers, _BYTES_PER_TOKEN_AT_MOST * reply):
            yield from [[(reply, 0)] * min(left, GROUP_REPLIES)] * groups
            left = groups


def _fewest_calls(policy: Policy, judged: bool) -> int:
    """The calls of the fewest turns, if every reply gives an answer."""
    turns = _fewest_turns(policy, judged)
    critiques = turns - 1 if policy.shape is Shape.REFINE and policy.window != 0 else 0
    ratings = turns if policy.rates and not judged else 0
    return (turns + critiques + ratings) * policy.samples


def _fewest_turns(policy: Policy, judged: bool) -> int:
    if judged:
        return 1
    turns = turns_allowed(policy)
    if not policy.early_stop:
        return turns
    decided = turns // 2 + 1 if policy.vote is Vote.MAJORITY else turns
    return min(policy.patience, decided, turns)


def show_estimate(
    method: Method,
    problem: Problem,
    at: Endpoint,
    settings: Settings,
    given: tuple[Done, ...] = (),
    *,
    as_json: bool,
) -> int:
    """Print the first call's messages and the bounds; call nobody. Returns the exit code."""
    from rise_cli.commands.assembly import reply_limit
    from rise_cli.commands.wiring import tariff

    first = method.first(problem, given)
    price = tariff(settings, at)
    policy = replace(method.policy, turns=method.policy.turns - len(given))
    bounds = estimate(
        policy,
        first,
        reply_limit(method, at, settings) or _OUTPUT_LIMIT,
        price,
        judged=settings.check is not None,
    )
    if as_json:
        messages = [{"role": m.role, "content": m.text} for m in first]
        shown = {"model": at.name, "messages": messages, **asdict(bounds), "max_cost_usd": settings.max_cost}
        sys.stdout.write(json.dumps(shown, ensure_ascii=True, indent=2) + "\n")
        return 0
    for message in first:
        sys.stdout.write(f"--- {message.role}\n{printable(message.text)}\n")
    sys.stdout.write(f"--- {at.name}\n{_calls(bounds)}\n{_cost(bounds)}\n")
    tell_cap(settings)
    return 0


def show_batch_estimate(problems: Problems, flags: Mapping[str, object]) -> int:
    """Print the bounds of a batch over the whole file, as if no row of it were there; call nobody."""
    resolved = resolve(flags, env=os.environ, cwd=working_folder())
    bounds = whole_estimate(problems, resolved)
    unread = f", {counted(bounds.bad, 'line')} without one" if bounds.bad else ""
    sys.stdout.write(f"{bounds.model} · {counted(bounds.found, 'problem')}{unread}\n")
    sys.stdout.write(told(bounds.whole))
    tell_cap(resolved.settings)
    return 0


class Bounds(NamedTuple):
    """Those of a whole file under one model's name, and how many of its lines pose a problem or do not."""

    model: str
    whole: Estimate
    found: int
    bad: int


def whole_estimate(problems: Problems, resolved: Resolved) -> Bounds:
    """Bound the run over all problems, as if no row of it were there."""
    from rise_cli.commands import assembly, wiring
    from rise_cli.commands.plan import posed

    settings, method = resolved.settings, assembly.method(resolved)
    at = assembly.endpoint(resolved, os.environ, lambda text: None)
    price, limit = wiring.tariff(settings, at), settings.max_tokens or _OUTPUT_LIMIT
    found = bad = 0
    whole = Estimate(0, 0, limit, 0, 0, *((None, None) if price is None else (0.0, 0.0)))
    for row in problems.rows():
        if isinstance(row, BadRow):
            bad += 1
            continue
        found += 1
        first = method.render(posed(row, settings.kind), Call(1, 1), ())
        whole += estimate(method.policy, first, limit, price, judged=settings.check is not None)
    return Bounds(at.name, whole, found, bad)


def told(whole: Estimate) -> str:
    """The calls, the tokens that are sent, and what they may cost, in two lines."""
    sent = f"{whole.input_tokens_at_least:,} to {whole.input_tokens_at_most:,} input tokens"
    return f"{_calls(whole)}, {sent}\n{_cost(whole)}\n"


def tell_cap(settings: Settings) -> None:
    """Say on stdout what may end the run before."""
    if settings.max_cost is not None:
        sys.stdout.write(f"--max-cost ends the run before it passes ${settings.max_cost:g}\n")


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _calls(bounds: Estimate) -> str:
    if bounds.calls_at_least == bounds.calls_at_most:
        return counted(bounds.calls_at_most, "call")
    return f"{bounds.calls_at_least:,} to {counted(bounds.calls_at_most, 'call')}"


def _cost(bounds: Estimate) -> str:
    if bounds.cost_usd_at_most is None or bounds.cost_usd_at_least is None:
        return "price not known; give it with --price IN,OUT"
    return (
        f"${bounds.cost_usd_at_least:,.6f} to ${bounds.cost_usd_at_most:,.6f}, "
        f"if no reply is longer than {bounds.output_limit:,} tokens and nothing is retried"
    )
