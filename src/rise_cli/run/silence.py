"""When nobody has been answered for too long: the run ends, however few problems have failed as yet.

`run.breaker` counts whole problems, each with all its retries. Where calls are held back, as
`--concurrency auto` does when all of them are refused, those take hours. Here attempts are counted.
"""

from __future__ import annotations

FEWEST = 10
"""Fewer attempts in a row that failed never end a run."""

_SHORTEST_S = 5.0


def patience_s(max_wait_s: float) -> float:
    """How long to bear it, in seconds: a pause of `max_wait_s` that a provider asked for, and another one."""
    return max(_SHORTEST_S, 2 * max_wait_s)


class Silence:
    """The decision alone, over attempts in the order in which they end; times are in seconds on any clock.

    `timeout_s` is how long a call may take that is being answered.
    """

    def __init__(self, patience_s: float, timeout_s: float) -> None:
        self._patience_s = patience_s
        self._timeout_s = timeout_s
        self._since = 0.0  # the first of the failures
        self._failures = 0

    def broken(self) -> None:
        """Somebody was answered, if only to be told what is wrong with the request."""
        self._failures = 0

    def lasts(self, now: float, others_inside: int) -> bool:
        """An attempt failed for the provider's own reasons; return whether it has been too long.

        `others_inside` calls are being made and may yet be answered: that is waited for, but once.
        """
        if not self._failures:
            self._since = now
        self._failures += 1
        patience = self._patience_s + (self._timeout_s if others_inside else 0.0)
        return self._failures >= FEWEST and now - self._since > patience
