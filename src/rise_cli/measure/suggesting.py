"""Which threshold, vote temperature and number of turns the stored rollouts speak for, and what each of them
would have saved and cost there.

Every figure is of a replay (`measure.replay`) of the same rollouts, so a choice is made on the problems that
it is then judged by: the more there was to choose from, the more flattering. Nothing is suggested from fewer
than 50 problems, or while the 95% interval of the accuracy is wider than 20 points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from rise_cli.core.calibration import Breakpoints, calibrated
from rise_cli.core.domain import StopReason, Vote
from rise_cli.core.shapes import looks_back
from rise_cli.measure.accuracy import Estimate, share
from rise_cli.measure.paired import Comparison, compare
from rise_cli.measure.replay import Outcome, Played, Stored, outcome, play_all

FEWEST_PROBLEMS = 50
WIDEST = 0.20
FEWEST_SURE = 20
"""Runs that stop because they are sure, of which a threshold is judged."""

TEMPERATURES = (2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02)
_MOST_THRESHOLDS = 40


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A `value` of the setting `name`, None where none is suggested; `reason` says why, either way.

    `before` is what came of the runs under their own rules, `after` under the suggested one, and
    `comparison` is of the two. `sure` is of the runs that stopped at the threshold: how many of them are
    right.
    """

    name: str
    value: float | int | None
    reason: str
    before: Outcome
    after: Outcome | None = None
    comparison: Comparison | None = None
    sure: Estimate | None = None


@dataclass(frozen=True, slots=True)
class _Tried:
    value: float | int
    played: Sequence[Played]
    after: Outcome


def suggest(runs: Sequence[Stored], breakpoints: Breakpoints, target: float) -> list[Suggestion]:
    """The suggestions for these rollouts under these breakpoints. `target` is the share, from 0 to 1, of the
    runs stopped by the threshold that shall be right."""
    played = play_all(runs)
    before = outcome(played)
    if (short := too_little(before.right)) is not None:
        names = ("threshold", "vote_temperature", "turns")
        return [Suggestion(name, None, short, before) for name in names]
    return [
        _threshold(runs, breakpoints, target, played),
        _temperature(runs, breakpoints, played),
        _turns(runs, played),
    ]


def too_little(right: Estimate) -> str | None:
    """Why nothing can be suggested from so few problems, and how many it takes; None where it can."""
    if right.low is None or right.high is None or right.value is None:
        return "of no problem is it known whether the answer is right"
    width = right.high - right.low
    if right.n >= FEWEST_PROBLEMS and width <= WIDEST:
        return None
    # The width of a 95% interval is 2 * 1.96 * sqrt(p(1-p)/n).
    number = max(
        FEWEST_PROBLEMS, ceil(right.value * (1 - right.value) * (2 * 1.96 / WIDEST) ** 2), right.n + 1
    )
    return (
        f"the 95% interval of the accuracy is {100 * width:.0f} points wide with {right.n:,} problems; it takes "
        f"{FEWEST_PROBLEMS} of them and {100 * WIDEST:.0f} points at the most, so about {number:,} problems"
    )


def _threshold(
    runs: Sequence[Stored], breakpoints: Breakpoints, target: float, played: Sequence[Played]
) -> Suggestion:
    """The lowest threshold of which the runs that stop at it are right often enough."""
    before, best = outcome(played), None
    levels = _levels(runs, breakpoints)
    gaps = 0
    for level in levels:
        after = play_all(runs, early_stop=True, breakpoints=breakpoints, threshold=level)
        known = outcome(after)
        if known.unrecorded > before.unrecorded:
            gaps += 1
            continue
        stopped = [one.right for one in after if one.end.reason is StopReason.CONFIDENT]
        sure = share(sum(right is True for right in stopped), sum(right is not None for right in stopped))
        if sure.n < FEWEST_SURE:
            continue
        best = max(best or 0.0, sure.value or 0.0)
        if sure.value is not None and sure.value >= target:
            reason = f"the lowest at which the runs that stop sure of their answer are {target:.0%} right"
            return Suggestion("threshold", level, reason, before, known, _compared(played, after), sure)
    if best is None:
        why = f"at none of {len(levels)} thresholds do {FEWEST_SURE} runs stop sure of their answer"
    else:
        why = f"the runs that stop sure of their answer are {best:.1%} right at the most, not {target:.0%}"
    return Suggestion("threshold", None, why + _gaps(gaps, "thresholds"), before)


def _temperature(runs: Sequence[Stored], breakpoints: Breakpoints, played: Sequence[Played]) -> Suggestion:
    """The temperature with which a weighted vote is right most often, if that is more often than before."""
    before = outcome(played)
    tried, gaps = _try(
        TEMPERATURES,
        lambda value: play_all(runs, vote=Vote.WEIGHTED, vote_temperature=value, breakpoints=breakpoints),
        before,
    )
    best = max(tried, key=lambda one: one.after.right.value or 0.0, default=None)
    if best is None or (best.after.right.value or 0.0) <= (before.right.value or 0.0):
        why = "no weighted vote is right more often than the vote that was taken"
        return Suggestion("vote_temperature", None, why + _gaps(gaps, "temperatures"), before)
    reason = "a vote weighted by confidence is right most often with it"
    compared = _compared(played, best.played)
    return Suggestion("vote_temperature", best.value, reason, before, best.after, compared)


def _turns(runs: Sequence[Stored], played: Sequence[Played]) -> Suggestion:
    """The fewest turns with which as many are right as with any number of them."""
    before = outcome(played)
    most = max(one.policy.turns for one in runs)
    if not all(looks_back(one.policy.shape) for one in runs) or most == 1:
        return Suggestion("turns", None, "every chain was asked once", before)
    tried, gaps = _try(range(1, most + 1), lambda value: play_all(runs, turns=value), before)
    best = max(tried, key=lambda one: one.after.right.value or 0.0, default=None)
    if best is None:
        return Suggestion("turns", None, "nothing to compare" + _gaps(gaps, "numbers"), before)
    if best.value == most:
        return Suggestion("turns", None, f"with fewer than {most} turns fewer answers are right", before)
    reason = f"the fewest with which as many are right as with any number up to {most}"
    return Suggestion("turns", best.value, reason, before, best.after, _compared(played, best.played))


def _try(
    values: Iterable[float | int], played: Callable[[Any], Sequence[Played]], before: Outcome
) -> tuple[list[_Tried], int]:
    """What comes of each value, and how many of them ask for what was never recorded."""
    tried = [_Tried(value, found, outcome(found)) for value in values for found in [played(value)]]
    kept = [one for one in tried if one.after.unrecorded <= before.unrecorded]
    return kept, len(tried) - len(kept)


def _levels(runs: Sequence[Stored], breakpoints: Breakpoints) -> list[float]:
    """What the stated confidences are worth, rounded down to a thousandth, lowest first; evenly thinned."""
    stated = {a.confidence for one in runs for d in one.calls.values() for a in d.attempts}
    worth = {calibrated(confidence, breakpoints) for confidence in stated if confidence is not None}
    levels = sorted({floor(round(1000 * value, 6)) / 1000 for value in worth})
    step = ceil(len(levels) / _MOST_THRESHOLDS) or 1
    return levels[::-step][::-1]


def _compared(a: Sequence[Played], b: Sequence[Played]) -> Comparison:
    # By position, since the same id may stand in several files.
    return compare(
        {str(at): one.right for at, one in enumerate(a)}, {str(at): one.right for at, one in enumerate(b)}
    )


def _gaps(number: int, what: str) -> str:
    if not number:
        return ""
    return f" ({number} {what} ask for turns that were not recorded; run the batch with --no-early-stop)"
