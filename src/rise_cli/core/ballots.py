"""What a vote counts: by confidence, or by how sure the model's tokens were.

weighted   w_i = exp(c_i / T) / sum_j exp(c_j / T), the softmax of the confidences of one question over
           the temperature T (confidence-informed self-consistency, 2502.06233). A small T lets the
           surest attempt decide, a large one makes all votes equal.
entropy    w_i = 1 / H_i, H_i the mean entropy of the reply's tokens in nats (2511.02309).

An attempt that states no confidence counts as one of mean confidence: not stating one is no sign of
doubt. A calibration (`core.calibration`) is applied before that. Where none states any, all count the
same. Entropies that are not known likewise.
"""

from __future__ import annotations

from math import exp, fsum

from rise_cli.core.calibration import calibrated
from rise_cli.core.domain import Attempt, Policy, Vote

_LEAST_ENTROPY = 1e-6  # nats; a reply without any doubt in it would weigh without bound


def weights(policy: Policy, attempts: list[Attempt]) -> list[float] | None:
    """What the vote of each attempt counts under `policy`; None where all votes count 1."""
    if policy.vote is Vote.WEIGHTED:
        stated = (a.confidence for a in attempts)
        sure = [None if c is None else calibrated(c, policy.breakpoints) for c in stated]
        return softmax(_filled(sure), policy.vote_temperature)
    if policy.vote is Vote.ENTROPY:
        known = [None if a.entropy is None else max(a.entropy, _LEAST_ENTROPY) for a in attempts]
        return [1 / entropy if entropy else 1.0 for entropy in _filled(known)]
    return None


def softmax(values: list[float], temperature: float) -> list[float]:
    """exp(v/T) of each value over the sum of them all; they add up to 1. `temperature` is above 0."""
    if not values:
        return []
    most = max(values)  # taken off first, or a small temperature would overflow
    raised = [exp((value - most) / temperature) for value in values]
    total = fsum(raised)
    return [value / total for value in raised]


def _filled(values: list[float | None]) -> list[float]:
    """Unknown values take the mean of the known ones; 0 where none is known."""
    known = [value for value in values if value is not None]
    mean = fsum(known) / len(known) if known else 0.0
    return [mean if value is None else value for value in values]
