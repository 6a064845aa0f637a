"""What a judge thought of the replies: how good they are and whether they still answer the question, turn
by turn; and how far it agrees with exact grading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from rise_cli.core.judgement import Opinion
from rise_cli.measure.accuracy import Estimate, mean


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over `n` problems with its 95% interval (Student's t); no interval for a single problem, or
    where all are the same."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class TurnOpinion:
    """Of one turn: the mean `quality` from 1 to 10, and the share of replies that answer the question."""

    turn: int
    quality: Mean
    answers: Estimate


@dataclass(frozen=True, slots=True)
class Opinions:
    """By turn, and how the last turn of each problem is rated against its first: `change` in quality,
    with the `p` of a paired t-test. Several chains count with their mean."""

    turns: tuple[TurnOpinion, ...]
    change: Mean
    p: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Answers of which exact comparison and the judge both said something: the share on which they agree,
    and Cohen's (1960) kappa, which is 0 for an agreement by chance; None where it has no value."""

    n: int
    share: float | None
    kappa: float | None
    judge_only: int
    exact_only: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge `model` said of a file: `asked` judgements were wanted, `unreadable` said nothing that
    could be read, `lost` never came."""

    model: str
    asked: int
    unreadable: int
    lost: int
    agreement: Agreement
    opinions: Opinions


def opinions(judged: Iterable[Sequence[Opinion]]) -> Opinions:
    """What was thought of the replies; one sequence a problem."""
    quality: dict[int, list[float]] = {}
    answers: dict[int, list[float]] = {}
    firsts, lasts = [], []
    for one in judged:
        rated = _by_turn((x.turn, x.quality) for x in one)
        for turn, value in rated.items():
            quality.setdefault(turn, []).append(value)
        for turn, value in _by_turn((x.turn, x.answers) for x in one).items():
            answers.setdefault(turn, []).append(value)
        if len(rated) > 1:
            firsts.append(rated[min(rated)])
            lasts.append(rated[max(rated)])
    turns = tuple(
        TurnOpinion(turn, _mean(quality.get(turn, [])), _share(answers.get(turn, [])))
        for turn in sorted(quality.keys() | answers.keys())
    )
    return Opinions(turns, _mean(_rises(firsts, lasts)), _paired(firsts, lasts))


def agreement(cells: Mapping[tuple[bool, bool], int]) -> Agreement:
    """How far they agree. `cells` count answers by what exact comparison said, and what the judge did."""
    both, neither = cells.get((True, True), 0), cells.get((False, False), 0)
    exact_only, judge_only = cells.get((True, False), 0), cells.get((False, True), 0)
    n = both + neither + exact_only + judge_only
    if not n:
        return Agreement(0, None, None, 0, 0)
    share = (both + neither) / n
    exact, judge = (both + exact_only) / n, (both + judge_only) / n
    chance = exact * judge + (1 - exact) * (1 - judge)
    kappa = None if chance == 1 else (share - chance) / (1 - chance)
    return Agreement(n, share, kappa, judge_only, exact_only)


def _by_turn(said: Iterable[tuple[int, float | bool | None]]) -> dict[int, float]:
    """The mean over chains of what is known, by turn."""
    known: dict[int, list[float]] = {}
    for turn, value in said:
        if value is not None:
            known.setdefault(turn, []).append(float(value))
    # Rounded, since the last digits of a mean must not pass for a spread.
    return {turn: round(fsum(values) / len(values), 6) for turn, values in known.items()}


def _mean(values: Sequence[float]) -> Mean:
    if not values:
        return Mean(None, None, None, 0)
    value = fsum(values) / len(values)
    if len(set(values)) < 2:  # a spread of nothing says nothing about the next one
        return Mean(value, None, None, len(values))
    from scipy.stats import ttest_1samp

    interval = ttest_1samp(values, 0.0).confidence_interval(0.95)
    return Mean(value, float(interval.low), float(interval.high), len(values))


def _rises(firsts: Sequence[float], lasts: Sequence[float]) -> list[float]:
    return [round(b - a, 6) for a, b in zip(firsts, lasts, strict=True)]


def _share(values: Sequence[float]) -> Estimate:
    return mean(fsum(values), len(values))


def _paired(firsts: Sequence[float], lasts: Sequence[float]) -> float | None:
    if len(set(_rises(firsts, lasts))) < 2:
        return None
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(_rises(firsts, lasts), 0.0).pvalue)  # of differences: the paired test
