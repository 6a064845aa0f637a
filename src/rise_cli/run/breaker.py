"""When a provider counts as down: problem after problem fails, and nobody is answered in between.

A problem whose last calls all failed for reasons that are the provider's or the network's own is held
back at first: it may be one of a kind (a prompt that a server cannot bear), or one of all. Any reply,
to whomever, tells that it is one of a kind: then it is a failed row. As many failures in a row as there
are problems under way, and at least `AT_LEAST`, tell that nobody is there. Each of them has used up
its retries, so an outage that is shorter than a round of those ends no run, however many are in flight.

What is held back when a run ends unfinished has no row, and its finished calls are in the journal: the
next run goes on with it. A run whose problems are all done writes it as failed, since fewer than
`AT_LEAST` failures tell nothing about the others, and a row says why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rise_cli.core.domain import Failure, StopReason, Trajectory

AT_LEAST = 20
"""Fewer failures in a row never end a run."""

OUTAGES = frozenset({"rate_limited", "server", "connection", "timeout", "broken", "credit"})
"""Kinds of failures that are nobody's problem's own."""


class Held(NamedTuple):
    """A problem that is held back: why it failed, and what writes it as a failed row."""

    why: str
    write: Callable[[], None]


class Breaker:
    """Decides over the problems that are held back. It writes nothing itself."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self._answered = 0

    def freed(self, answered: int) -> list[Held]:
        """Let go of all that is held back if somebody was answered meanwhile, and return it.

        `answered` counts the replies that have come so far, to whomever.
        """
        if answered == self._answered:
            return []
        self._answered = answered
        freed, self.held = self.held, []
        return freed

    def opens(self, failed: Held, under_way: int) -> bool:
        """Hold `failed` back, too, and return whether the provider counts as down now.

        `under_way` problems are still being solved.
        """
        self.held.append(failed)
        return len(self.held) >= max(AT_LEAST, under_way)


def outage(trajectory: Trajectory) -> str | None:
    """Return what the last failure said, if it was for such reasons alone that the run ended; else None."""
    if trajectory.end.reason is not StopReason.ERROR or not trajectory.done:
        return None
    last = max(done.call.turn for done in trajectory.done)
    results = [done.result for done in trajectory.done if done.call.turn == last]
    failures = [result for result in results if isinstance(result, Failure) and result.kind in OUTAGES]
    return " ".join(failures[-1].message.split()) if len(failures) == len(results) else None
