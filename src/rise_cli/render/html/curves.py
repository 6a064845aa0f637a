"""Accuracy along what it costs: what a vote would have been right about, had it been held earlier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from rise_cli.measure.accuracy import Estimate, over
from rise_cli.measure.majority import upto, voted_right
from rise_cli.measure.rollouts import Rollout, Turn


@dataclass(frozen=True, slots=True)
class Spot:
    """A vote of the first so many turns or samples (`name` says which): how often it is right, and what it
    takes for a problem in calls and in tokens, input and output together; None where that is not known."""

    name: str
    right: Estimate
    calls: float
    tokens: float | None


Curve = tuple[Spot, ...]

Taken = Callable[[Rollout], list[Turn]]
"""The turns of a rollout that a vote counts."""


def curve(rollouts: Sequence[Rollout]) -> Curve:
    """The votes over all chains up to each turn; over the first so many chains where they have one turn.

    Calls that are no attempts (critiques, ratings) are in no turn: they count with every turn alike.
    """
    some = [one for one in rollouts if one.turns]
    if not some:
        return ()
    factor = _beyond_attempts(some)
    requests = sum(one.requests for one in some) / max(1, sum(len(one.turns) for one in some))
    return tuple(_spot(name, some, taken, requests, factor) for name, taken in _steps(some))


def _spot(name: str, some: Sequence[Rollout], taken: Taken, requests: float, factor: float) -> Spot:
    right = over(some, lambda one: voted_right(taken(one), one.tie))
    tokens = _mean_tokens([taken(one) for one in some])
    calls = sum(len(taken(one)) for one in some) / len(some)
    return Spot(name, right, calls * requests, None if tokens is None else tokens * factor)


def _steps(rollouts: Sequence[Rollout]) -> Iterator[tuple[str, Taken]]:
    turns = max(one.last for one in rollouts)
    samples = max(len(one.chains) for one in rollouts)
    if turns == 1 and samples > 1:
        for k in range(1, samples + 1):
            yield f"{k} of {samples} samples", partial(_samples, k=k)
    else:
        for t in range(1, turns + 1):
            yield f"turn {t}", partial(upto, turns=t)


def _samples(rollout: Rollout, k: int) -> list[Turn]:
    return upto(rollout, 1, rollout.chains[:k])


def _mean_tokens(taken: Sequence[Sequence[Turn]]) -> float | None:
    """Of a problem. A turn without a count is None, but where no reply came or another carries it."""
    total = 0
    for turns in taken:
        for turn in turns:
            if turn.usage:
                total += turn.usage.input_tokens + turn.usage.output_tokens
    return total / len(taken) if total else None


def _beyond_attempts(rollouts: Sequence[Rollout]) -> float:
    """All tokens over those of attempts, as far as both are known."""
    attempts = total = 0
    for one in rollouts:
        if one.input_tokens is not None and one.output_tokens is not None:
            total += one.input_tokens + one.output_tokens
            usages = [turn.usage for turn in one.turns if turn.usage]
            attempts += sum(usage.input_tokens + usage.output_tokens for usage in usages)
    return total / attempts if attempts else 1.0
