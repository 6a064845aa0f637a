"""A record taken back to the trajectory that it was made from: the inverse of `record.to_record`.

A transcript can be shown again from it, and a conversation be taken up. What the format does not hold
stays unknown:

- what a call cost (the record has the sum), what a failed one said, and what a call saw, unless the
  shape is one of those whose transcript depends on it: then it is worked out again;
- the shape of the protocol, which whoever has its folder can say;
- which answers were the same where neither the votes nor their spelling tell: those count as different;
- replies to ratings and selections, and what scoring fills in afterwards, which steered nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from math import fsum
from typing import Any

from rise_cli.core.canonical import equal
from rise_cli.core.choices import fix_kind
from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Failure,
    Finish,
    Kind,
    Message,
    Place,
    Policy,
    Problem,
    Purpose,
    Shape,
    StopReason,
    Tally,
    Tie,
    Trajectory,
    Usage,
    Verdict,
    Vote,
)
from rise_cli.core.shapes import missing_calls
from rise_cli.errors import UsageError
from rise_cli.history.fitting import misfit

_Json = Mapping[str, Any]


def to_trajectory(record: _Json, shape: Shape = Shape.REVISE) -> Trajectory:
    """Return the trajectory of a record in the format `rise.trajectory/1`.

    Raises UsageError where it has an answer but not the turn that gave it (`--slim`), where a value is of
    another kind than the format says, or where a later version of this program wrote it with rules that
    this one does not know.
    """
    if (wrong := misfit(record)) is not None:
        raise _unreadable(record, "{} is {!r:.60}".format(*wrong))
    try:
        return _trajectory(record, shape)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _unreadable(record, str(error)) from error


def _unreadable(record: _Json, why: str) -> UsageError:
    return UsageError(
        f"the run {record.get('id')!r} cannot be read ({why}); it is damaged, or a later version of rise may "
        "have written it"
    )


def seconds(record: _Json) -> float:
    """Return how long the calls took one after the other: of every turn its slowest chain."""
    slowest: dict[int, float] = {}
    for turn in record["turns"]:
        slowest[turn["turn"]] = max(slowest.get(turn["turn"], 0.0), turn["latency_s"] or 0.0)
    return fsum(slowest.values())


def _trajectory(record: _Json, shape: Shape) -> Trajectory:
    problem = _problem(record)
    policy = _policy(record["settings"], shape)
    reason = StopReason(record["stop_reason"])
    same = candidates(record, problem.kind)
    done = tuple(_dones(record, same))
    if policy.shape in {Shape.AGGREGATE, Shape.DECIDE}:
        done = _seeing(policy, problem, done)
    attempts = {attempt.place: attempt for one in done for attempt in one.attempts}
    votes = tuple(_tally(vote, same, attempts) for vote in record["votes"])
    winner = _winner(record["answer"], done, votes)
    if winner is None and record["answer"] is not None:
        raise UsageError(f"the run {record['id']!r} was written without its turns; there is nothing to show")
    if winner is not None:
        votes = tuple(
            replace(vote, confidence=record["confidence"]) if vote.candidate == winner.candidate else vote
            for vote in votes
        )
    return Trajectory(problem, policy, done, Finish(reason, winner, votes))


def _problem(record: _Json) -> Problem:
    kind, choices = fix_kind(Kind(record["settings"].get("kind", Kind.AUTO)), record["question"])
    prior = tuple(Message(m["role"], m["text"]) for m in record.get("prior", ()))
    return Problem(record["id"], record["question"], record["context"], prior, kind, choices)


def _policy(settings: _Json, shape: Shape) -> Policy:
    """The rules by their names in the settings; what is not there has the default."""
    known = {field.name for field in fields(Policy)}
    given = {name: value for name, value in settings.items() if name in known and value is not None}
    enums = {"vote": Vote, "tie": Tie, "shape": Shape}
    given = {name: enums[name](value) if name in enums else value for name, value in given.items()}
    if given.get("window") == "all":
        given["window"] = None
    return Policy(**{"shape": shape, **given})


def candidates(record: _Json, kind: Kind) -> dict[Place, Place]:
    """By the place of every attempt with an answer, the earliest one that it equals."""
    polled = {
        Place(turn, chain): at for at, vote in enumerate(record["votes"]) for chain, turn in vote["turns"]
    }
    found: dict[Place, Place] = {}
    founders: dict[Place, str] = {}
    of_vote: dict[int, Place] = {}
    for turn in record["turns"]:
        place, answer = _place(turn), turn["answer"]
        if answer is None:
            continue
        vote = polled.get(place)
        candidate = None if vote is None else of_vote.get(vote)
        if candidate is None:
            others = set(of_vote.values()) if vote is not None else set()
            same = (at for at, other in founders.items() if at not in others and equal(answer, other, kind))
            candidate = next(same, place)
        if vote is not None:
            of_vote[vote] = candidate
        found[place] = candidate
        founders.setdefault(candidate, answer)
    return found


def _dones(record: _Json, candidates: Mapping[Place, Place]) -> Iterator[Done]:
    """The calls, by turn: critiques first, then the attempts that work from them."""
    turns: Sequence[_Json] = record["turns"]
    lost = _lost(record)
    for group in _by_call(turns):
        first = group[0]
        if first["critique"] is not None:
            yield Done(Call(first["chain"], first["turn"], Purpose.CRITIQUE), Completion(first["critique"]))
        done = _done(group, record, candidates)
        # Which of the calls lost an attempt is not recorded.
        yield replace(done, result=replace(done.result, lost_attempts=1)) if lost else done
        lost = False


def _seeing(policy: Policy, problem: Problem, done: tuple[Done, ...]) -> tuple[Done, ...]:
    """The same calls with what each saw, which follows from the rules and the turns before."""
    found: list[Done] = []
    for turn in sorted({one.call.turn for one in done}):
        asked = {call.chain: call for call in missing_calls(policy, problem, tuple(found), turn)}
        of_turn = [one for one in done if one.call.turn == turn]
        found += [
            one if one.given else replace(one, call=asked.get(one.call.chain, one.call)) for one in of_turn
        ]
    return tuple(found)


def _by_call(turns: Sequence[_Json]) -> list[list[_Json]]:
    """The turns that one call brought: many where a reply holds all its rounds, and only the first of
    them has the latency then."""
    calls: list[list[_Json]] = []
    latest: dict[int, list[_Json]] = {}
    for turn in turns:
        goes_on = turn["reply"] is not None and turn["latency_s"] is None and not turn.get("given")
        if goes_on and turn["chain"] in latest:
            latest[turn["chain"]].append(turn)
            continue
        latest[turn["chain"]] = [turn]
        calls.append(latest[turn["chain"]])
    return calls


def _done(group: list[_Json], record: _Json, candidates: Mapping[Place, Place]) -> Done:
    first = group[0]
    place = _place(first)
    call = Call(first["chain"], first["turn"], critique=place if first["critique"] is not None else None)
    if first["reply"] is None:
        return Done(call, Failure(first["failure"] or "unrecorded", ""))
    usage = first["usage"]
    replies = dict.fromkeys(turn["reply"] for turn in group)
    completion = Completion(
        "\n\n".join(replies),
        finish_reason=first["finish_reason"] or "stop",
        reasoning=first["reasoning"],
        usage=None if usage is None else Usage(**usage),
        latency_s=first["latency_s"] or 0.0,
    )
    attempts = tuple(
        Attempt(t["chain"], t["turn"], t["reply"], t["answer"], candidates.get(_place(t)), t["confidence"])
        for t in group
    )
    given = bool(first.get("given"))
    return Done(call, completion, attempts, verdict=_verdict(first, record), given=given)


def _verdict(turn: _Json, record: _Json) -> Verdict | None:
    source, reward = turn["verdict"], turn["reward"]
    if source is None or (source == "reference" and not record["oracle"]):
        return None
    steered = source != "reference" or record["stop_reason"] == StopReason.ACCEPTED
    return Verdict(reward, turn["feedback"], accepted=steered and reward == 1, source=source)


def _lost(record: _Json) -> bool:
    """Whether attempts were lost: then the sums are unknown although every reply was counted."""
    replies = [turn for turn in record["turns"] if turn["latency_s"] is not None]
    counted = bool(replies) and all(turn["usage"] for turn in replies)
    alone = set(record["usage"]["by_purpose"]) <= {Purpose.ATTEMPT}
    return counted and alone and record["usage"]["input_tokens"] is None


def _tally(vote: _Json, candidates: Mapping[Place, Place], attempts: Mapping[Place, Attempt]) -> Tally:
    places = tuple(Place(turn, chain) for chain, turn in vote["turns"])
    stated = [attempts[at].confidence for at in places if at in attempts]
    known = [confidence for confidence in stated if confidence is not None]
    return Tally(
        candidate=candidates.get(places[0], places[0]),
        answer=vote["answer"],
        count=vote["count"],
        weight=vote["weight"],
        share=vote["share"],
        places=places,
        confidence=fsum(known) / len(known) if known else None,
    )


def _winner(answer: str | None, done: tuple[Done, ...], votes: tuple[Tally, ...]) -> Attempt | None:
    """The accepted attempt with this answer, or the earliest one that was polled with it."""
    accepted = [a for one in done if one.verdict and one.verdict.accepted for a in one.attempts]
    polled = {place for vote in votes for place in vote.places}
    voting = [a for one in done for a in one.attempts if a.place in polled]
    return next((a for a in [*accepted, *voting] if answer is not None and a.answer == answer), None)


def _place(turn: _Json) -> Place:
    return Place(turn["turn"], turn["chain"])
