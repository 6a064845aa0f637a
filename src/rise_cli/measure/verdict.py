"""A comparison in words: helps, hurts, or cannot tell with this many problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rise_cli.measure.paired import Comparison, needed

_MANY = 1_000_000  # problems, from which on their number tells nobody anything


@dataclass(frozen=True, slots=True)
class Verdict:
    """`needed` is about how many problems it would take to tell; None where it can be told, or where no
    number would do."""

    word: Literal["helps", "hurts", "cannot tell"]
    sentence: str
    needed: int | None


def judge(comparison: Comparison, what: str, baseline: str) -> Verdict:
    """Say whether `what` is right more often than `baseline`, which is the `a` of the comparison.

    It helps or hurts where McNemar's p is below 0.05 and the interval of the difference has no zero in it.
    """
    if comparison.difference is None or comparison.low is None or comparison.high is None:
        return Verdict("cannot tell", f"Cannot tell: no problem has both {baseline} and {what} graded.", None)
    if not comparison.only_a + comparison.only_b:
        same = f"{what} and {baseline} are right on the same of {_problems(comparison.n)}"
        return Verdict("cannot tell", f"Cannot tell whether {what} helps: {same}.", None)
    points = 100 * comparison.difference
    figures = (
        f"{points:+.1f} points against {baseline} on {_problems(comparison.n)} "
        f"({100 * comparison.low:+.1f} to {100 * comparison.high:+.1f}, p {_p(comparison.p)})"
    )
    if comparison.tells:
        word: Literal["helps", "hurts"] = "helps" if points > 0 else "hurts"
        return Verdict(word, f"{what} {word}: {figures}.", None)
    number = needed(comparison)
    if number is not None:
        number = max(number, comparison.n + 1)
    said = f"Cannot tell whether {what} helps: {figures}. {_outlook(comparison, number)}"
    return Verdict("cannot tell", said, number)


def _outlook(comparison: Comparison, number: int | None) -> str:
    if number is not None and number > _MANY:
        return f"To tell a difference that small takes more than {_MANY:,} problems."
    if number is not None:
        return f"To tell a difference of that size takes about {_problems(_rounded(number))}."
    return "As many were mended as were broken."


def _problems(n: int) -> str:
    return f"{n:,} problem{'' if n == 1 else 's'}"


def _rounded(number: int) -> int:
    """To two digits: more would be a promise."""
    digits = max(len(str(number)) - 2, 0)
    return round(number, -digits)


def _p(p: float | None) -> str:
    if p is None:
        return "unknown"
    return f"= {p:.3f}" if p >= 0.001 else "< 0.001"
