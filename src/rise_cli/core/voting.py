"""Which answer wins, and what each polled.

The vote is over every turn of every chain, since the last turn is not the best one and a model that
is asked to reconsider often gives up a right answer (2310.01798). One attempt, one vote; attempts
with an equal answer (`candidate`) vote together.

Not polled: attempts without an answer, and those that somebody rejected. An accepted attempt is the
answer, whatever the others say.

majority     every attempt, one vote each
last, first  each chain's last or first attempt, one vote each
weighted     every attempt; what its vote counts grows with its confidence (see `core.ballots`)
entropy      every attempt; what its vote counts falls with the entropy of its tokens (there too)
consistent   the model itself picks the winner (see `core.selecting`); the counts are only reported
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import fsum
from operator import attrgetter

from rise_cli.core.ballots import weights
from rise_cli.core.calibration import Breakpoints, calibrated
from rise_cli.core.domain import Attempt, Done, Place, Policy, Purpose, Tally, Tie, Vote
from rise_cli.core.selecting import selected


def accepted(done: Iterable[Done]) -> Attempt | None:
    """The earliest attempt that a check or a person accepted."""
    found = [d.attempts[-1] for d in done if d.verdict and d.verdict.accepted and d.attempts]
    return min(found, key=_place, default=None) if found else None


def eligible(done: Iterable[Done]) -> list[Attempt]:
    """Attempts that may vote, earliest first: answered, and not rejected.

    Of a reply that holds many rounds the last is what was judged; a rejection is of those of its rounds
    that give the same answer.
    """
    attempts = [a for d in done for a in d.attempts if a.candidate is not None and not _rejected(a, d)]
    return sorted(attempts, key=_place)


_place = attrgetter("place")


def _rejected(attempt: Attempt, done: Done) -> bool:
    judged = done.verdict is not None and done.verdict.reward == 0
    return judged and attempt.candidate == done.attempts[-1].candidate


def polled(vote: Vote, attempts: list[Attempt]) -> list[Attempt]:
    """The attempts that `vote` counts: all of them, or each chain's last or first."""
    if vote is not Vote.LAST and vote is not Vote.FIRST:
        return attempts
    ordered = attempts if vote is Vote.LAST else attempts[::-1]
    return sorted({a.chain: a for a in ordered}.values(), key=_place)


def rated(done: tuple[Done, ...]) -> tuple[Done, ...]:
    """`done` with every rated attempt as sure as it was rated: a rating takes the place of what the
    attempt stated itself."""
    for d in done:
        if d.call.purpose is Purpose.RATE:
            break
    else:  # as most often
        return done
    ratings = {d.call.place: d.rating for d in done if d.call.purpose is Purpose.RATE}
    return tuple(replace(d, attempts=tuple(_rated(a, ratings) for a in d.attempts)) for d in done)


def _rated(attempt: Attempt, ratings: dict[Place, float | None]) -> Attempt:
    if attempt.place not in ratings or attempt.confidence == ratings[attempt.place]:
        return attempt
    return replace(attempt, confidence=ratings[attempt.place])


def tally(
    attempts: list[Attempt], tie: Tie, weights: list[float] | None = None, breakpoints: Breakpoints = ()
) -> tuple[Tally, ...]:
    """Count `attempts`, the winner first. `weights` are what their votes count, else 1 each.

    Most weight; then the greater summed confidence, calibrated where there are `breakpoints`, if every
    attempt of the answers in question states one; then the answer given earliest, or under `Tie.LATEST`
    the one given last. `attempts` are in order of their places.
    """
    ballots: dict[Place, list[tuple[Attempt, float]]] = {}
    for attempt, weight in zip(attempts, weights or [1.0] * len(attempts), strict=True):
        if attempt.candidate is not None:
            ballots.setdefault(attempt.candidate, []).append((attempt, weight))
    total = fsum([weight for group in ballots.values() for _, weight in group])
    tallies = [_tally(candidate, group, total) for candidate, group in ballots.items()]
    if len(tallies) < 2:  # as most often; nothing is to be put in order
        return tuple(tallies)
    # Rounded, since 0.1 + 0.2 and 0.15 + 0.15 are the same sum to whoever stated them.
    polled_same = {t.candidate: round(t.weight, 9) for t in tallies}
    stated = {c: [_sure(a, breakpoints) for a, _ in group] for c, group in ballots.items()}
    unsure = {polled_same[c] for c, confidences in stated.items() if None in confidences}

    def by_votes(tally: Tally) -> tuple[float, float, int, int]:
        weight, first, last = polled_same[tally.candidate], tally.places[0], tally.places[-1]
        sure = 0.0 if weight in unsure else round(fsum(c or 0.0 for c in stated[tally.candidate]), 9)
        order = (last.turn, last.chain) if tie is Tie.LATEST else (-first.turn, -first.chain)
        return (weight, sure, *order)

    return tuple(sorted(tallies, key=by_votes, reverse=True))


def _sure(attempt: Attempt, breakpoints: Breakpoints) -> float | None:
    return None if attempt.confidence is None else calibrated(attempt.confidence, breakpoints)


def _tally(candidate: Place, group: list[tuple[Attempt, float]], total: float) -> Tally:
    stated = [a.confidence for a, _ in group if a.confidence is not None]
    weight = fsum([weight for _, weight in group])
    return Tally(
        candidate=candidate,
        answer=group[0][0].answer or "",
        count=len(group),
        weight=weight,
        share=weight / total,
        places=tuple([a.place for a, _ in group]),
        confidence=fsum(stated) / len(stated) if stated else None,
    )


def elect(policy: Policy, done: Iterable[Done]) -> tuple[Attempt | None, tuple[Tally, ...]]:
    """Return the attempt that stands for the answer, and what every candidate polled.

    The attempt is the earliest polled one of the winning candidate, so that a later turn which
    cannot change the winner cannot change the printed answer either; or the one that was selected,
    where the policy selects and that was settled.
    """
    done = tuple(done)
    ballots = polled(policy.vote, eligible(done))
    votes = tally(ballots, policy.tie, weights(policy, ballots), policy.breakpoints)
    if (attempt := accepted(done)) is not None:
        return attempt, votes
    if not votes:
        return None, ()
    if policy.vote is Vote.CONSISTENT:
        chosen = selected(ballots, tuple(d for d in done if d.call.purpose is Purpose.SELECT))
        if chosen is not None:
            return chosen, votes
    return next(a for a in ballots if a.candidate == votes[0].candidate), votes
