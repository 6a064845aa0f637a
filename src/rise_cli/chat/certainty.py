"""How sure a model was of the tokens that it wrote."""

from __future__ import annotations

from math import exp, isfinite, log


class Certainty:
    """The tokens of one reply: their mean log probability, and their mean entropy, both in nats.

    A provider shows only the likeliest alternatives at each place. What is left of the probability
    counts as one further outcome, so the entropy is a lower bound of the true one.
    """

    def __init__(self) -> None:
        self._logprobs: list[float] = []
        self._entropies: list[float] = []

    @property
    def logprob(self) -> float | None:
        """The mean, or None where nothing is known."""
        return sum(self._logprobs) / len(self._logprobs) if self._logprobs else None

    @property
    def entropy(self) -> float | None:
        """The mean, or None where no alternatives are known."""
        return sum(self._entropies) / len(self._entropies) if self._entropies else None

    def add(self, token: object) -> None:
        """Take in `{"logprob": -0.1, "top_logprobs": [{"logprob": -0.1}, ...]}`. Whatever is none of
        that is ignored."""
        own = _logprob(token)
        if own is None or not isinstance(token, dict):
            return
        self._logprobs.append(own)
        shown = token.get("top_logprobs")
        known = [_logprob(other) for other in shown] if isinstance(shown, list) else []
        if alternatives := [value for value in known if value is not None]:
            self._entropies.append(_entropy(alternatives))


def _logprob(token: object) -> float | None:
    value = token.get("logprob") if isinstance(token, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return min(float(value), 0.0)  # rounding may put a certain token above 0


def _entropy(logprobs: list[float]) -> float:
    """-sum(p ln p) over the alternatives and over what is left."""
    rest = 1.0 - sum(exp(value) for value in logprobs)
    certain = -sum(exp(value) * value for value in logprobs)
    return certain - (rest * log(rest) if rest > 1e-9 else 0.0)
