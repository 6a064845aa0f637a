"""The method: what to do next, given what is done. One pure function owns the rules.

RISE (Recursive IntroSpEction, 2407.18219) reads one question as a Markov decision process over
turns: the state is the question with the attempts so far and what was said about them, an action is
a whole reply, and the transition appends it. At inference a rollout of T turns is put to a vote.

`next_step(policy, problem, done)` is that process seen from outside. `done` is the whole state, so

- a fresh run starts from `()`,
- a resumed run starts from what its journal holds, half a turn included,
- a replay feeds recorded calls back in, under another policy if wanted,

and all three are the same call. It looks at one turn after the other and ends at the first after
which this policy stops; what was recorded beyond that has no say. Chains move in lockstep: turn t is
asked of every chain at once and the next one only when all of them are back, so votes and stops
always see whole turns.

The shapes:

revise        turn t sees the last `window` attempts of its own chain, with their verdicts
independent   every chain answers once and sees nothing (self-consistency, 2203.11171)
"""

from __future__ import annotations

from rise_cli.core.domain import (
    Ask,
    Call,
    Completion,
    Done,
    Finish,
    Place,
    Policy,
    Problem,
    Purpose,
    Shape,
    StopReason,
)
from rise_cli.core.stopping import reason_to_stop
from rise_cli.core.voting import elect


def next_step(policy: Policy, problem: Problem, done: tuple[Done, ...], since: int = 1) -> Ask | Finish:
    """Return the calls to make now, or the end with its answer.

    Pure and deterministic. It asks only for what is missing: calls in `done` are never repeated.
    `problem` seeds the draws of shapes that draw. Who has asked before about the same rollout may name
    the turn that was missing then: the whole turns before it are not looked at again.
    """
    turn = since
    while not (missing := _missing(policy, done, turn)):
        known = tuple(d for d in done if d.call.turn <= turn and d.call.chain <= policy.samples)
        if (reason := reason_to_stop(policy, known)) is not None:
            return conclude(policy, known, reason)
        turn += 1
    return Ask(missing)


def conclude(policy: Policy, done: tuple[Done, ...], reason: StopReason) -> Finish:
    """End the run here with the vote over what there is, half a turn included."""
    winner, votes = elect(policy, done)
    return Finish(reason, winner, votes)


def _missing(policy: Policy, done: tuple[Done, ...], turn: int) -> tuple[Call, ...]:
    """The attempts of `turn` that are not done yet, by chain."""
    there = {d.call.chain for d in done if d.call.turn == turn and d.call.purpose is Purpose.ATTEMPT}
    return tuple(
        Call(chain, turn, Purpose.ATTEMPT, sees=_window(policy, done, chain, turn))
        for chain in range(1, policy.samples + 1)
        if chain not in there
    )


def _window(policy: Policy, done: tuple[Done, ...], chain: int, turn: int) -> tuple[Place, ...]:
    """Which attempts turn `turn` of `chain` sees: its own last ones that came back whole.

    A reply that was cut off, refused or lost is not shown: there is nothing in it to reconsider.
    """
    if policy.shape is Shape.INDEPENDENT:
        return ()
    own = sorted(
        d.call.place
        for d in done
        if d.call.chain == chain
        and d.call.turn < turn
        and d.call.purpose is Purpose.ATTEMPT
        and isinstance(d.result, Completion)
        and d.result.finish_reason == "stop"
    )
    if policy.window is None:
        return tuple(own)
    return tuple(own[-policy.window :]) if policy.window else ()
