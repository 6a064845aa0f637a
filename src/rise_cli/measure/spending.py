"""What the answers took: requests, tokens, money, time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import fsum

from rise_cli.measure.rollouts import Rollout


@dataclass(frozen=True, slots=True)
class Spending:
    """Sums over the problems, None where a part is not known; problems to which no reply came cost nothing.

    `known_usd` is the sum of what is known, `unpriced` the number of problems for which it is not. Latencies
    are those of single calls for an attempt. `per_right_usd` and `per_right_tokens` (input and output) are
    what a right answer took, the wrong ones paid for too.
    """

    requests: int
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    known_usd: float
    unpriced: int
    latency_median_s: float | None
    latency_p95_s: float | None
    per_right_usd: float | None
    per_right_tokens: float | None

    @property
    def cached_share(self) -> float | None:
        """Cached input tokens of all input tokens."""
        if self.cached_tokens is None or not self.input_tokens:
            return None
        return self.cached_tokens / self.input_tokens

    @property
    def tokens(self) -> int | None:
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


def spent(rollouts: Sequence[Rollout]) -> Spending:
    """Add up what the rollouts took."""
    counted = [one for one in rollouts if not _brought_nothing(one)]
    sent = _sum(counted, lambda one: one.input_tokens)
    received = _sum(counted, lambda one: one.output_tokens)
    prices = [one.cost_usd for one in counted]
    known = fsum(price for price in prices if price is not None)
    cost = None if None in prices else known
    right = sum(one.right is True for one in rollouts)
    tokens = None if sent is None or received is None else sent + received
    median, p95 = _latencies(rollouts)
    return Spending(
        requests=sum(one.requests for one in rollouts),
        input_tokens=sent,
        cached_tokens=_sum(counted, lambda one: one.cached_tokens),
        output_tokens=received,
        cost_usd=cost,
        known_usd=known,
        unpriced=prices.count(None),
        latency_median_s=median,
        latency_p95_s=p95,
        per_right_usd=cost / right if cost is not None and right else None,
        per_right_tokens=tokens / right if tokens is not None and right else None,
    )


def _brought_nothing(rollout: Rollout) -> bool:
    """Whether nobody was asked or no reply came, so that there is nothing that it could have cost."""
    unknown = rollout.input_tokens is None and rollout.cost_usd is None
    silent = bool(rollout.turns) and not any(turn.replied for turn in rollout.turns)
    return unknown and (silent or not rollout.requests)


def _sum(rollouts: Iterable[Rollout], of: Callable[[Rollout], int | None]) -> int | None:
    parts = [of(one) for one in rollouts]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _latencies(rollouts: Iterable[Rollout]) -> tuple[float | None, float | None]:
    """Median and 95th percentile."""
    seconds = [turn.latency_s for one in rollouts for turn in one.turns if turn.latency_s is not None]
    if not seconds:
        return None, None
    from scipy.stats import quantile

    median, p95 = quantile(seconds, [0.5, 0.95])
    return float(median), float(p95)
