"""Which answer wins, and what each polled.

The vote is over every turn of every chain, since the last turn is not the best one and a model that
is asked to reconsider often gives up a right answer (2310.01798). One attempt, one vote; attempts
with an equal answer (`candidate`) vote together.

Not polled: attempts without an answer, and those that somebody rejected. An accepted attempt is the
answer, whatever the others say.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum

from rise_cli.core.domain import Attempt, Done, Place, Policy, Tally, Tie, Vote


def accepted(done: Iterable[Done]) -> Attempt | None:
    """The earliest attempt that a check or a person accepted."""
    found = [d.attempts[-1] for d in done if d.verdict and d.verdict.accepted and d.attempts]
    return min(found, key=lambda a: a.place, default=None)


def eligible(done: Iterable[Done]) -> list[Attempt]:
    """Attempts that may vote, earliest first: answered, and not rejected."""
    attempts = [a for d in done if not (d.verdict and d.verdict.reward == 0) for a in d.attempts]
    return sorted((a for a in attempts if a.candidate is not None), key=lambda a: a.place)


def polled(vote: Vote, attempts: list[Attempt]) -> list[Attempt]:
    """The attempts that `vote` counts: all of them, or each chain's last or first."""
    if vote is Vote.MAJORITY:
        return attempts
    ordered = attempts if vote is Vote.LAST else attempts[::-1]
    return sorted({a.chain: a for a in ordered}.values(), key=lambda a: a.place)


def tally(attempts: list[Attempt], tie: Tie) -> tuple[Tally, ...]:
    """Count `attempts`, the winner first.

    Most votes; then the greater summed confidence, if every attempt of the answers in question
    states one; then the answer given earliest, or under `Tie.LATEST` the one given last. `attempts`
    are in order of their places.
    """
    ballots: dict[Place, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.candidate is not None:
            ballots.setdefault(attempt.candidate, []).append(attempt)

    unsure = {len(group) for group in ballots.values() if any(a.confidence is None for a in group)}

    def by_votes(group: list[Attempt]) -> tuple[int, float, int, int]:
        # Rounded, since 0.1 + 0.2 and 0.15 + 0.15 are the same sum to whoever stated them.
        certainty = 0.0 if len(group) in unsure else round(fsum(a.confidence or 0.0 for a in group), 9)
        first, last = group[0].place, group[-1].place
        order = (last.turn, last.chain) if tie is Tie.LATEST else (-first.turn, -first.chain)
        return (len(group), certainty, *order)

    ranked = sorted(ballots.items(), key=lambda item: by_votes(item[1]), reverse=True)
    total = sum(map(len, ballots.values()))
    return tuple(_tally(candidate, group, total) for candidate, group in ranked)


def _tally(candidate: Place, group: list[Attempt], total: int) -> Tally:
    stated = [a.confidence for a in group if a.confidence is not None]
    return Tally(
        candidate=candidate,
        answer=group[0].answer or "",
        count=len(group),
        weight=float(len(group)),
        share=len(group) / total,
        places=tuple(a.place for a in group),
        confidence=fsum(stated) / len(stated) if stated else None,
    )


def elect(policy: Policy, done: Iterable[Done]) -> tuple[Attempt | None, tuple[Tally, ...]]:
    """Return the attempt that stands for the answer, and what every candidate polled.

    The attempt is the earliest polled one of the winning candidate, so that a later turn which
    cannot change the winner cannot change the printed answer either.
    """
    done = tuple(done)
    ballots = polled(policy.vote, eligible(done))
    votes = tally(ballots, policy.tie)
    if (attempt := accepted(done)) is not None:
        return attempt, votes
    if not votes:
        return None, ()
    return next(a for a in ballots if a.candidate == votes[0].candidate), votes
