"""Right out of how many, with an interval: of one turn, of a majority, of any turn at all.

The unit is the problem. Where it has several chains, it counts with the mean of them: so many chains are so
many looks at one problem, not so many problems. A problem of which nobody can tell is left out, and `n` is
the number of those that are not.

Intervals are Wilson's (1927) at 95%. For means of several chains they are those of as many problems that are
right or wrong as a whole, rounded outwards: a fraction varies less than a coin of the same mean, so this
interval may be too wide and is never too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil, floor, fsum

from rise_cli.core.domain import StopReason
from rise_cli.measure.majority import any_right, upto, voted_right
from rise_cli.measure.rollouts import Rollout

_WHOLE = (StopReason.TURNS, StopReason.UNRECORDED)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share from 0 to 1 of `n` problems and its 95% interval; all None where `n` is 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def share(right: int, n: int) -> Estimate:
    """How many of `n` are right."""
    return mean(right, n)


def mean(total: float, n: int) -> Estimate:
    """The mean of `n` values from 0 to 1 that add up to `total`."""
    if n == 0:
        return Estimate(None, None, None, 0)
    total = round(total, 9)  # ten tenths are one
    low = _wilson(floor(total), n)[0]
    high = _wilson(ceil(total), n)[1]
    return Estimate(total / n, low, high, n)


def _wilson(right: int, n: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    interval = binomtest(right, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def over(rollouts: Iterable[Rollout], worth: Callable[[Rollout], float | bool | None]) -> Estimate:
    """The mean of what each rollout is worth, those left out that are worth None."""
    return over_values(map(worth, rollouts))


def over_values(values: Iterable[float | bool | None]) -> Estimate:
    """The mean of those that are not None."""
    found = [value for value in values if value is not None]
    return mean(fsum(found), len(found))


def voted(rollouts: Iterable[Rollout]) -> Estimate:
    """How many of the answers are right that the runs gave, under their own rules."""
    return over(rollouts, lambda one: one.right)


def at_turn(rollouts: Iterable[Rollout], t: int) -> Estimate:
    """acc@t: how many of the answers of turn t are right. A chain that stopped before has none."""

    def worth(one: Rollout) -> float | None:
        known = [x.right for x in one.turns if x.attempt.turn == t and x.right is not None]
        return sum(known) / len(known) if known else None

    return over(rollouts, worth)


def majority_upto(rollout: Rollout, t: int, chain: int | None = None) -> bool | None:
    """Whether the majority of the first t turns of a chain, by default the first one, is right."""
    chain = chain if chain is not None else next(iter(rollout.chains), 1)
    return voted_right(upto(rollout, t, [chain]), rollout.tie)


def majority_of(rollout: Rollout, k: int) -> bool | None:
    """Whether the majority of the first turns of the first k chains is right; None where there are fewer."""
    chains = rollout.chains[:k]
    return voted_right(upto(rollout, 1, chains), rollout.tie) if len(chains) == k else None


def vote_upto(rollouts: Iterable[Rollout], t: int) -> Estimate:
    """m1@t: how many of the majorities of a chain's first t turns are right."""
    return over(rollouts, lambda one: _over_chains(one, lambda chain: majority_upto(one, t, chain)))


def vote_of(rollouts: Iterable[Rollout], k: int) -> Estimate:
    """mk@t1: how many of the majorities of k chains' first turns are right."""
    return over(rollouts, lambda one: majority_of(one, k))


def ever_right(rollouts: Iterable[Rollout], t: int) -> Estimate:
    """p1@t: how often any of a chain's first t turns is right. Only an oracle could pick that one."""
    return over(rollouts, lambda one: _over_chains(one, lambda chain: any_right(upto(one, t, [chain]))))


def ever_of(rollouts: Iterable[Rollout], k: int) -> Estimate:
    """pk@t1: how often any of k chains' first turns is right. An oracle's figure, too."""

    def worth(one: Rollout) -> bool | None:
        chains = one.chains[:k]
        return any_right(upto(one, 1, chains)) if len(chains) == k else None

    return over(rollouts, worth)


def _over_chains(rollout: Rollout, worth: Callable[[int], bool | None]) -> float | None:
    known = [value for value in map(worth, rollout.chains) if value is not None]
    return sum(known) / len(known) if known else None


def turns_asked(rollout: Rollout) -> int:
    """How many turns each of its chains was to take at most."""
    asked = rollout.settings.get("turns")
    return asked if isinstance(asked, int) else rollout.last


def is_partial(rollouts: Iterable[Rollout]) -> bool:
    """Whether some stopped early: then acc@t is of those that went on, p1@t counts turns that nobody took."""
    return any(stopped_early(one) for one in rollouts)


def stopped_early(rollout: Rollout) -> bool:
    """Whether a chain took fewer turns than it was to take."""
    if rollout.stop_reason in _WHOLE or not rollout.turns:
        return False
    lasts = dict[int, int]()
    for turn in rollout.turns:
        lasts[turn.attempt.chain] = max(lasts.get(turn.attempt.chain, 0), turn.attempt.turn)
    return min(lasts.values()) < turns_asked(rollout)
