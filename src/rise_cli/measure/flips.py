"""What becomes of right and of wrong answers from one turn of a chain to the next.

A further turn helps only if it mends more than it breaks. With a the share that is right before, c the
share of the wrong that are fixed and d the share of the right that are broken, it does so where
(1 - a) * c > a * d: where c/d > a/(1 - a), the break-even.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rise_cli.measure.rollouts import Rollout


@dataclass(frozen=True, slots=True)
class Flips:
    """Pairs of consecutive turns of a chain, by whether their answers are right. Pairs are left out of
    which one cannot be told. `gained` and `lost` count the problems in which more was fixed than broken, or
    the other way round."""

    kept_right: int = 0
    kept_wrong: int = 0
    fixed: int = 0
    broken: int = 0
    gained: int = 0
    lost: int = 0

    @property
    def pairs(self) -> int:
        return self.kept_right + self.kept_wrong + self.fixed + self.broken


@dataclass(frozen=True, slots=True)
class BreakEven:
    """`a` is the share right before, `c` = P(fixed | wrong), `d` = P(broken | right); None where there was
    none to fix or to break. `ratio` is c/d and `bar` is a/(1 - a), both None where they have no value.
    `helps` is None where that cannot be told; `sentence` says what it means."""

    a: float | None
    c: float | None
    d: float | None
    ratio: float | None
    bar: float | None
    helps: bool | None
    sentence: str


def between(rollouts: Iterable[Rollout], t: int) -> Flips:
    """What became of the answers of turn t in turn t + 1."""
    return _flips(rollouts, t)


def total(rollouts: Iterable[Rollout]) -> Flips:
    """What became of all answers in the turn after them."""
    return _flips(rollouts, None)


def _flips(rollouts: Iterable[Rollout], only: int | None) -> Flips:
    seen = Counter[tuple[bool, bool]]()
    balances = Counter[bool]()
    for one in rollouts:
        balance = 0
        known = {(x.attempt.chain, x.attempt.turn): x.right for x in one.turns if x.right is not None}
        for (chain, turn), before in known.items():
            after = known.get((chain, turn + 1))
            if after is not None and only in {None, turn}:
                seen[before, after] += 1
                balance += after - before
        if balance:
            balances[balance > 0] += 1
    return Flips(
        seen[True, True],
        seen[False, False],
        seen[False, True],
        seen[True, False],
        balances[True],
        balances[False],
    )


def break_even(flips: Flips) -> BreakEven:
    """Hold the flips against the break-even.

    Whether it holds is told by a sign test (exact, two-sided, at 5%) of the problems that gained against
    those that lost. Flips are not counted there: those of one problem hang together, and a model that goes
    to and fro brings many of them.
    """
    right, wrong = flips.kept_right + flips.broken, flips.kept_wrong + flips.fixed
    a = right / flips.pairs if flips.pairs else None
    c = flips.fixed / wrong if wrong else None
    d = flips.broken / right if right else None
    ratio = c / d if c is not None and d else None
    bar = right / wrong if wrong else None
    helps = _helps(flips)
    return BreakEven(a, c, d, ratio, bar, helps, _sentence(flips, ratio, bar, helps))


def _helps(flips: Flips) -> bool | None:
    moved = flips.gained + flips.lost
    if not moved:
        return None
    from scipy.stats import binomtest

    if binomtest(flips.gained, moved).pvalue >= 0.05:
        return None
    gains = flips.gained > flips.lost
    return gains if gains == (flips.fixed > flips.broken) else None


def _sentence(flips: Flips, ratio: float | None, bar: float | None, helps: bool | None) -> str:
    right, wrong = flips.kept_right + flips.broken, flips.kept_wrong + flips.fixed
    if not flips.pairs:
        return "There are no two consecutive turns of which right and wrong are known."
    fixed, broken = f"{flips.fixed:,} of {wrong:,} wrong", f"{flips.broken:,} of {right:,} right"
    if not flips.fixed + flips.broken:
        return f"Another turn changed nothing: it fixed {fixed} answers and broke {broken} ones."
    did = f"Another turn fixed {fixed} answers and broke {broken} ones"
    if ratio is not None and bar is not None:
        did += f": c/d is {ratio:.2g}, and it breaks even at a/(1-a) = {bar:.2g}"
    problems = f"{flips.gained:,} problem{'' if flips.gained == 1 else 's'}"
    did += f". On balance {problems} gained and {flips.lost:,} lost"
    if helps is None:
        return f"{did}: too few, or too even, to tell whether it helps."
    return f"{did}: it {'mends more than it breaks' if helps else 'breaks more than it mends'}."
