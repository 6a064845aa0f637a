"""What a stated confidence is worth: breakpoints from what a model says to how often it is then right.

Models that say 90% are right far less often than that. A calibration is fitted to trajectories (see
`rise_cli.measure.calibration`) and applied here, wherever a confidence decides something: against the
threshold, as the weight of a vote, and between answers that polled the same. What is recorded and shown
stays what the model said.
"""

from __future__ import annotations

from bisect import bisect_right

Breakpoints = tuple[tuple[float, float], ...]
"""Pairs (stated confidence, chance of being right): the first rises, the second never falls."""


def calibrated(confidence: float, breakpoints: Breakpoints) -> float:
    """The chance of being right at this stated confidence: linear between breakpoints, and beyond the
    first and the last as there. Without any it is what was stated."""
    if not breakpoints:
        return confidence
    at = bisect_right(breakpoints, confidence, key=lambda point: point[0])
    if at in {0, len(breakpoints)}:
        return breakpoints[min(at, len(breakpoints) - 1)][1]
    (x0, y0), (x1, y1) = breakpoints[at - 1], breakpoints[at]
    # Not y0 + (y1 - y0) * share, which may leave a flat piece by the last digit.
    share = (confidence - x0) / (x1 - x0)
    return y0 if y0 == y1 else y0 * (1 - share) + y1 * share
