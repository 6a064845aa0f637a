"""Two ways of answering the same problems: which one is right more often, and can that be told.

Only pairs count, since problems differ more than methods do. The p-value is McNemar's, exact: of the
problems on which the two differ, as many should go either way if they are equally good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt

_RESAMPLES = 9_999
_FEWEST_DISCORDANT = 6  # 2 * 0.5**5 is above 0.05, 2 * 0.5**6 is not


@dataclass(frozen=True, slots=True)
class Comparison:
    """`n` problems that both have answered: both right, only one, or neither. `difference` is the share
    that b has right less that of a, `low` and `high` its 95% interval, `p` McNemar's; None where `n` is 0."""

    n: int
    both: int
    only_a: int
    only_b: int
    neither: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None

    @property
    def tells(self) -> bool:
        """Whether one is better than the other: p below 0.05, and no zero in the interval."""
        if self.p is None or self.low is None or self.high is None:
            return False
        return self.p < 0.05 and not self.low <= 0 <= self.high


def compare(a: Mapping[str, bool | None], b: Mapping[str, bool | None], seed: int = 0) -> Comparison:
    """Compare over the problems that both know, by their ids."""
    cells = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for key, first in a.items():
        second = b.get(key)
        if first is not None and second is not None:
            cells[first, second] += 1
    return from_cells(*cells.values(), seed=seed)


def from_cells(both: int, only_a: int, only_b: int, neither: int, *, seed: int = 0) -> Comparison:
    """The comparison of so many pairs of each sort.

    The interval is the percentile bootstrap's over problems. Each of them is one of four sorts, so that a
    resample is one draw from a multinomial: the same distribution as drawing problems one by one, at a cost
    that does not grow with their number.
    """
    n = both + only_a + only_b + neither
    if n == 0:
        return Comparison(0, 0, 0, 0, 0, None, None, None, None)
    from scipy.stats import binomtest, multinomial, quantile

    shares = [only_a / n, only_b / n, (both + neither) / n]
    drawn = multinomial.rvs(n, shares, size=_RESAMPLES, random_state=seed)
    low, high = quantile((drawn[:, 1] - drawn[:, 0]) / n, [0.025, 0.975])
    discordant = only_a + only_b
    p = float(binomtest(only_b, discordant).pvalue) if discordant else 1.0
    return Comparison(
        n, both, only_a, only_b, neither, (only_b - only_a) / n, float(low), float(high), min(p, 1.0)
    )


def needed(comparison: Comparison) -> int | None:
    """About how many problems it takes to tell, four times out of five, a difference like this one.

    Connor (1987, Biometrics 43:207), for McNemar's test at 5%, two-sided: with psi the share of problems on
    which the two differ and delta the difference of their shares,
    n = (z(0.975) * sqrt(psi) + z(0.8) * sqrt(psi - delta^2))^2 / delta^2. At least as many as bring the six
    problems to differ on without which the exact test never tells. None where no difference was seen.
    """
    delta = comparison.difference
    if not delta:
        return None
    from scipy.stats import norm

    psi = (comparison.only_a + comparison.only_b) / comparison.n
    alpha, beta = (float(z) for z in norm.ppf([0.975, 0.8]))
    spread = alpha * sqrt(psi) + beta * sqrt(max(psi - delta**2, 0.0))
    return max(ceil(spread**2 / delta**2), ceil(_FEWEST_DISCORDANT / psi))
