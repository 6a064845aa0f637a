"""Stored rollouts under other rules: the same function that drives a run, on calls that are already made.

No figure here is an approximation: `next_step` decides what is asked and when to stop, and `elect` what
wins, as in a run and as in `rise batch --replay`. What a rule asks for and nobody has ever asked is not
made up: such a rollout ends `unrecorded`, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rise_cli.core.domain import (
    Ask,
    Attempt,
    Call,
    Completion,
    Done,
    Failure,
    Finish,
    Place,
    Policy,
    Problem,
    Purpose,
    Shape,
    StopReason,
)
from rise_cli.core.loop import next_step
from rise_cli.core.stopping import turns_taken
from rise_cli.history.record import total
from rise_cli.history.restore import to_trajectory
from rise_cli.measure.accuracy import Estimate, over_values
from rise_cli.measure.rollouts import Rollout, Turn, rollout

_OF_TURNS = {Purpose.ATTEMPT, Purpose.CRITIQUE}  # the others count otherwise


@dataclass(frozen=True, slots=True)
class Stored:
    """A rollout that can be played again: without its texts, so that many fit in memory.

    `right` says of every attempt whether it was right, `answered` of the row's own answer, None where
    nobody can tell; `silent` is what an end without an answer counts as. `counted`: every call that was
    made has its tokens in the record, which ratings do not.
    """

    problem: Problem
    policy: Policy
    calls: Mapping[tuple[Place, Purpose], Done]
    right: Mapping[Place, bool | None]
    silent: bool | None
    counted: bool


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a rollout under some rules."""

    id: str
    end: Finish
    right: bool | None
    turns: int
    requests: int
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of all of them: sums, and the share that is right. `tokens` are input and output, None where
    a call did not say; `unrecorded` counts rollouts that asked for what was never recorded."""

    problems: int
    right: Estimate
    turns: int
    requests: int
    tokens: int | None
    unrecorded: int


def stored(record: Mapping[str, Any], shape: Shape) -> Stored:
    """Return what can be played again of a record. Raises UsageError where its turns were left out."""
    run, measured = to_trajectory(record, shape), rollout(record)
    right = {turn.place: turn.right for turn in measured.turns}
    if run.end.winner is not None:
        # The row's own answer was held against the reference, also where a check judged its turns.
        same = [a.place for d in run.done for a in d.attempts if a.candidate == run.end.winner.candidate]
        right.update(dict.fromkeys(same, measured.right))
    replied = any(turn.replied for turn in measured.turns)
    return Stored(
        problem=replace(run.problem, question="", context=None, prior=()),
        policy=run.policy,
        calls={(done.call.place, done.call.purpose): _bare(done) for done in run.done},
        right=right,
        silent=False if replied and measured.right is not None else None,
        counted=Purpose.RATE not in record["usage"].get("by_purpose", {}),
    )


def of_measured(one: Rollout, policy: Policy) -> Stored:
    """What can be played again of a rollout that has been measured: its attempts. A critique that a rule asks
    for is taken to have come."""
    calls = [done for turn in one.turns for done in (_critique(turn), as_done(turn))]
    told = any(turn.right is False for turn in one.turns)
    return Stored(
        problem=Problem(one.id, ""),
        policy=policy,
        calls={(done.call.place, done.call.purpose): done for done in calls},
        right={turn.place: turn.right for turn in one.turns},
        silent=False if told else None,
        counted=False,
    )


def as_done(turn: Turn) -> Done:
    """A turn as a finished call, as far as votes and stops look at it."""
    return Done(
        Call(turn.place.chain, turn.place.turn),
        Completion("") if turn.replied else Failure(turn.failure or "server", ""),
        (turn.attempt,) if turn.replied else (),
    )


def _critique(turn: Turn) -> Done:
    return Done(Call(turn.place.chain, turn.place.turn, Purpose.CRITIQUE), Completion(""))


def play(one: Stored, policy: Policy) -> Played:
    """Play a rollout under these rules to its end."""
    done: tuple[Done, ...] = tuple(d for d in one.calls.values() if d.given)
    turn = 1
    while isinstance(step := next_step(policy, one.problem, done, turn), Ask):
        turn = step.calls[0].turn if step.calls[0].purpose in _OF_TURNS else turn
        done += tuple(_answer(one, call) for call in step.calls)
    sums = total(done)
    known = one.counted and sums.input_tokens is not None and sums.output_tokens is not None
    winner = step.winner
    return Played(
        id=one.problem.key,
        end=step,
        right=one.silent if winner is None else one.right.get(winner.place),
        turns=turns_taken(done),
        requests=sums.requests,
        tokens=(sums.input_tokens or 0) + (sums.output_tokens or 0) if known else None,
    )


def outcome(played: Sequence[Played]) -> Outcome:
    """Add up what came of them."""
    counted = [one.tokens for one in played]
    known = [tokens for tokens in counted if tokens is not None]
    return Outcome(
        problems=len(played),
        right=over_values(one.right for one in played),
        turns=sum(one.turns for one in played),
        requests=sum(one.requests for one in played),
        tokens=sum(known) if len(known) == len(counted) else None,
        unrecorded=sum(one.end.reason is StopReason.UNRECORDED for one in played),
    )


def play_all(runs: Iterable[Stored], **rules: Any) -> list[Played]:
    """Play each under its own recorded rules, but for those given."""
    return [play(one, replace(one.policy, **rules)) for one in runs]


def _answer(one: Stored, call: Call) -> Done:
    known = one.calls.get((call.place, call.purpose))
    return Done(call, Failure("unrecorded", "")) if known is None else replace(known, call=call)


def _bare(done: Done) -> Done:
    """Without texts, which no rule looks at but that of a selection."""
    result = done.result
    if isinstance(result, Completion):
        result = replace(result, reply="", reasoning=None)
    attempts = tuple(_without_reply(attempt) for attempt in done.attempts)
    return replace(done, result=result, attempts=attempts)


def _without_reply(attempt: Attempt) -> Attempt:
    return replace(attempt, reply="")
