"""Which attempts give the same answer: each joins the earliest one that it equals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rise_cli.core.canonical import equal
from rise_cli.core.domain import Attempt, Kind, Place


def join(
    kind: Kind,
    attempts: Iterable[Attempt],
    earlier: Mapping[Place, str],
    otherwise: Callable[[str, str], bool | None],
) -> tuple[Attempt, ...] | None:
    """Each attempt with the earliest candidate that its answer equals, else a new one of its own.

    `earlier` are the candidates so far with the answers that founded them, earliest first; so are the
    attempts. Where spelling does not tell, `otherwise` does; None if it does not either.
    """
    founders, joined = dict(earlier), []
    for attempt in attempts:
        answer = attempt.answer
        if answer is None:
            joined.append(attempt)
            continue
        candidate = attempt.place
        for place, other in founders.items():
            same = equal(answer, other, kind)
            if same is None and (same := otherwise(answer, other)) is None:
                return None
            if same:
                candidate = place
                break
        founders.setdefault(candidate, answer)
        joined.append(_with_candidate(attempt, candidate))
    return tuple(joined)


def _with_candidate(attempt: Attempt, candidate: Place) -> Attempt:
    """As `dataclasses.replace`, in a fraction of the time."""
    return Attempt(
        attempt.chain,
        attempt.turn,
        attempt.reply,
        attempt.answer,
        candidate,
        attempt.confidence,
        attempt.entropy,
    )
