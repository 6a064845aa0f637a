"""Does stated confidence say anything about being right?

Over turns that state one and of which right and wrong are known, of all chains:

ECE     expected calibration error (Guo et al. 2017): over equal bins (m-1)/M < confidence <= m/M, the mean
        distance between confidence and share right, weighted by how many are in the bin
Brier   mean squared distance between the confidence and 1 for right, 0 for wrong
AUROC   the chance that a right turn was more sure than a wrong one, of any problems; 0.5 tells nothing
WQD     within-question discrimination: the same, but only over pairs of turns of the same problem. It alone
        says whether confidence can pick among the answers to one question; the others reward a model that
        merely knows which questions are hard
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, fsum

from rise_cli.measure.accuracy import Estimate, share
from rise_cli.measure.rollouts import Rollout

Pair = tuple[float, bool]
"""A confidence, and whether what it is about was right."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """`n` turns state a confidence and are known to be right or wrong; `pairs` is the number of pairs
    that `wqd` is of. None where there is nothing to measure."""

    ece: float | None
    brier: float | None
    auroc: float | None
    wqd: float | None
    pairs: int
    n: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Turns with low < confidence <= high, and how many of them are right. `confidence` is their mean."""

    low: float
    high: float
    confidence: float | None
    right: Estimate


@dataclass(frozen=True, slots=True)
class Coverage:
    """The problems whose answer is at least so sure: their share of all, and how many are right."""

    threshold: float
    coverage: float
    right: Estimate


def stated(rollouts: Iterable[Rollout]) -> list[Pair]:
    """Confidence, and whether right, of all turns of which both are known."""
    return [pair for one in rollouts for pair in _of(one)]


def _of(rollout: Rollout) -> list[Pair]:
    return [
        (turn.attempt.confidence, turn.right)
        for turn in rollout.turns
        if turn.attempt.confidence is not None and turn.right is not None
    ]


def measure(rollouts: Sequence[Rollout]) -> Confidence:
    """Measure the confidence of all turns."""
    known = stated(rollouts)
    wqd, pairs = _within(rollouts)
    if not known:
        return Confidence(None, None, None, wqd, pairs, 0)
    brier = fsum((confidence - right) ** 2 for confidence, right in known) / len(known)
    return Confidence(ece_of(in_bins(known)), brier, auroc(known), wqd, pairs, len(known))


def reliability(rollouts: Iterable[Rollout], bins: int = 15) -> list[Bin]:
    """The turns in equal bins of confidence, empty ones among them."""
    return in_bins(stated(rollouts), bins)


def in_bins(known: Iterable[Pair], bins: int = 15) -> list[Bin]:
    """Confidences in equal bins, empty ones among them."""
    inside: list[list[Pair]] = [[] for _ in range(bins)]
    for confidence, right in known:
        inside[max(ceil(round(confidence * bins, 9)) - 1, 0)].append((confidence, right))
    return [
        Bin(
            low=number / bins,
            high=(number + 1) / bins,
            confidence=fsum(confidence for confidence, _ in some) / len(some) if some else None,
            right=share(sum(right for _, right in some), len(some)),
        )
        for number, some in enumerate(inside)
    ]


def coverage(rollouts: Iterable[Rollout]) -> list[Coverage]:
    """What is left, and how much of it is right, if only answers count that are sure enough.

    One point for every whole percent that an answer states, the surest first. The last one covers less
    than all where answers state no confidence.
    """
    known = [one for one in rollouts if one.right is not None]
    seen: dict[int, list[bool]] = {}
    for one in known:
        if one.confidence is not None:
            seen.setdefault(round(100 * one.confidence), []).append(bool(one.right))
    levels = sorted(seen, reverse=True)
    numbers = accumulate(len(seen[level]) for level in levels)
    rights = accumulate(sum(seen[level]) for level in levels)
    return [
        Coverage(level / 100, number / len(known), share(right, number))
        for level, number, right in zip(levels, numbers, rights, strict=True)
    ]


def ece_of(bins: Iterable[Bin]) -> float:
    """The expected calibration error of bins, of which one at least is not empty."""
    filled = [(one.right.n, one.confidence, one.right.value) for one in bins]
    gaps = [n * abs(sure - right) for n, sure, right in filled if sure is not None and right is not None]
    return fsum(gaps) / sum(n for n, _, _ in filled)


def auroc(known: Iterable[Pair]) -> float | None:
    """Mann and Whitney's U as a share of all pairs, a tie counting half."""
    sides: dict[bool, list[float]] = {True: [], False: []}
    for confidence, right in known:
        sides[right].append(confidence)
    if not sides[True] or not sides[False]:
        return None
    from scipy.stats import mannwhitneyu

    u = mannwhitneyu(sides[True], sides[False], method="asymptotic").statistic
    return float(u) / (len(sides[True]) * len(sides[False]))


def _within(rollouts: Iterable[Rollout]) -> tuple[float | None, int]:
    """WQD, and of how many pairs."""
    won, pairs = 0.0, 0
    for one in rollouts:
        known = _of(one)
        for sure in (confidence for confidence, right in known if right):
            for unsure in (confidence for confidence, right in known if not right):
                pairs += 1
                won += 0.5 if sure == unsure else float(sure > unsure)
    return (won / pairs if pairs else None), pairs
