"""A finished row read again: the same replies, another kind of answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rise_cli.core.choices import fix_kind
from rise_cli.core.domain import Attempt, Done, Kind, Place, Purpose, Trajectory, Vote
from rise_cli.core.extract import read_answer
from rise_cli.core.voting import elect
from rise_cli.history.record import recorded_vote
from rise_cli.history.restore import to_trajectory
from rise_cli.run.act import Compare
from rise_cli.run.joining import join


def read_again(record: dict[str, Any], kind: Kind, compare: Compare) -> Kind:
    """Read the answers of a row under `kind`, let them vote under the row's own rules, and return the
    kind as it was fixed for the question.

    What a reference said is struck out, to be said anew by `scoring.score`; so is what a check or a person
    said of an answer that reads differently now. A row without turns (`--slim`) stays as it is. May block
    for seconds, where mathematics is compared.
    """
    fixed, choices = fix_kind(kind, record["question"])
    if not record["turns"]:
        return fixed
    was = to_trajectory(record)
    attempts = _attempts(was, fixed, choices, compare)
    done = tuple(
        replace(one, attempts=tuple(attempts.get(a.place, a) for a in one.attempts)) for one in was.done
    )
    for turn in record["turns"]:
        now = attempts.get(Place(turn["turn"], turn["chain"]))
        answer = now.answer if now else None
        if turn["verdict"] in {None, "reference"} or turn["answer"] != answer:
            turn["reward"] = turn["verdict"] = None
        turn["answer"] = answer
    _vote(record, was, done)
    record["settings"] = {**record["settings"], "kind": fixed.value}
    return fixed


def _attempts(
    was: Trajectory, kind: Kind, choices: tuple[str, ...], compare: Compare
) -> dict[Place, Attempt]:
    """Every attempt as it reads now, with the earliest one that it equals."""
    read = [
        replace(one, answer=read_answer(one.reply, kind, choices), candidate=None)
        for one in sorted(_ended(was.done), key=lambda a: a.place)
    ]
    joined = join(kind, read, {}, lambda a, b: compare.same(a, b, kind)) or ()
    return {attempt.place: attempt for attempt in joined}


def _ended(done: tuple[Done, ...]) -> Iterator[Attempt]:
    """The attempts of replies that ended by themselves; others have no answer."""
    for one in done:
        if one.call.purpose is Purpose.ATTEMPT and getattr(one.result, "finish_reason", "") == "stop":
            yield from one.attempts


def _vote(record: dict[str, Any], was: Trajectory, done: tuple[Done, ...]) -> None:
    """Fill in what the attempts poll now. What the model itself has picked stays picked."""
    winner, votes = elect(was.policy, done)
    if was.policy.vote is Vote.CONSISTENT and was.end.winner is not None:
        place = was.end.winner.place
        winner = next((a for one in done for a in one.attempts if a.place == place and a.answer), winner)
    ended = replace(was.end, winner=winner, votes=votes)
    if was.policy.strict and not ended.has_majority:
        ended = replace(ended, winner=None)
    record["votes"] = [recorded_vote(tally) for tally in votes]
    record["answer"], record["confidence"], record["correct"] = ended.answer, ended.confidence, None
