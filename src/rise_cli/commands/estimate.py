"""`--dry-run`: what a run would send first, how many calls it may make, and what they may cost."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from rise_cli.core.controls import printable
from rise_cli.core.domain import Done, Message, Policy, Problem, Shape, Vote

if TYPE_CHECKING:
    from rise_cli.chat.prices import Tariff
    from rise_cli.commands.assembly import Endpoint, Method
    from rise_cli.settings import Settings

# A byte-level tokenizer never makes more tokens than there are bytes; hardly any text takes fewer
# than one token for eight bytes.
_BYTES_PER_TOKEN_AT_MOST = 8
_OUTPUT_LIMIT = 8192
_PER_MESSAGE = 16


@dataclass(frozen=True)
class Estimate:
    """Bounds of a run before it starts. Costs are USD, None where the price is not known; the upper
    one holds if no reply is longer than `output_limit` tokens. Retries come on top."""

    calls_at_least: int
    calls_at_most: int
    output_limit: int
    cost_usd_at_least: float | None
    cost_usd_at_most: float | None


def estimate(
    policy: Policy, first: tuple[Message, ...], output_limit: int, tariff: Tariff | None, *, judged: bool
) -> Estimate:
    """Bound the calls of a run under `policy` whose first call sends `first`, and their price.

    `judged` says whether a check may end the run after any turn. At most: every turn runs, sees a
    full window of replies at the output limit, and every byte is a token. At least: the fewest turns
    after which a rule can stop the run, with input at eight bytes a token and one token of output.
    """
    most = policy.turns * policy.samples
    least = _fewest_turns(policy, judged) * policy.samples
    if tariff is None:
        return Estimate(least, most, output_limit, None, None)
    size = sum(len(m.text.encode()) for m in first)
    head = size + _PER_MESSAGE * len(first)
    highest = 0.0
    for turn in range(1, policy.turns + 1):
        seen = turn - 1 if policy.window is None else min(policy.window, turn - 1)
        # What asks to reconsider is about as long as the question's own instructions; feedback of
        # a check adds at most 4 KiB.
        said = head + (4096 if judged else 1024)
        highest += policy.samples * tariff.worst(head + seen * (output_limit + said), output_limit)
    lowest = least * tariff.worst(max(size // _BYTES_PER_TOKEN_AT_MOST, 1), 1)
    return Estimate(least, most, output_limit, lowest, highest)


def _fewest_turns(policy: Policy, judged: bool) -> int:
    if judged or policy.shape is Shape.INDEPENDENT:
        return 1
    if not policy.early_stop:
        return policy.turns
    decided = policy.turns // 2 + 1 if policy.vote is Vote.MAJORITY else policy.turns
    return min(policy.patience, decided, policy.turns)


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
    from rise_cli.commands.assembly import tariff

    first = method.first(problem, given)
    price = tariff(settings, at)
    policy = replace(method.policy, turns=method.policy.turns - len(given))
    bounds = estimate(
        policy, first, settings.max_tokens or _OUTPUT_LIMIT, price, judged=settings.check is not None
    )
    if as_json:
        messages = [{"role": m.role, "content": m.text} for m in first]
        shown = {"model": at.name, "messages": messages, **asdict(bounds), "max_cost_usd": settings.max_cost}
        sys.stdout.write(json.dumps(shown, ensure_ascii=True, indent=2) + "\n")
        return 0
    for message in first:
        sys.stdout.write(f"--- {message.role}\n{printable(message.text)}\n")
    sys.stdout.write(f"--- {at.name}\n{_calls(bounds)}\n{_cost(bounds)}\n")
    if settings.max_cost is not None:
        sys.stdout.write(f"--max-cost ends the run before it passes ${settings.max_cost:g}\n")
    return 0


def _calls(bounds: Estimate) -> str:
    if bounds.calls_at_least == bounds.calls_at_most:
        return f"{bounds.calls_at_most} calls"
    return f"{bounds.calls_at_least} to {bounds.calls_at_most} calls"


def _cost(bounds: Estimate) -> str:
    if bounds.cost_usd_at_most is None or bounds.cost_usd_at_least is None:
        return "price not known; give it with --price IN,OUT"
    return (
        f"${bounds.cost_usd_at_least:.6f} to ${bounds.cost_usd_at_most:.6f}, "
        f"if no reply is longer than {bounds.output_limit:,} tokens and nothing is retried"
    )
