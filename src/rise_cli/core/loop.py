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
always see whole turns. What turn t takes depends on the shape (`core.shapes`); where the policy rates,
a turn is whole once each of its answers is rated.
"""

from __future__ import annotations

from rise_cli.core.domain import Ask, Done, Finish, Policy, Problem, Purpose, StopReason, Vote
from rise_cli.core.selecting import next_selection
from rise_cli.core.shapes import missing_calls
from rise_cli.core.stopping import reason_to_stop
from rise_cli.core.voting import accepted, elect, eligible, rated

# Why a run may end although another call could be paid and waited for.
_BY_ITSELF = frozenset({StopReason.TURNS, StopReason.CONFIDENT, StopReason.STOPPED})


def next_step(policy: Policy, problem: Problem, done: tuple[Done, ...], since: int = 1) -> Ask | Finish:
    """Return the calls to make now, or the end with its answer.

    Pure and deterministic. It asks only for what is missing: calls in `done` are never repeated.
    `problem` seeds the draws of shapes that draw. Who has asked before about the same rollout may name
    the turn that was missing then: the whole turns before it are not looked at again.
    """
    done = rated(done)
    turn = since
    while not (missing := missing_calls(policy, problem, done, turn)):
        known = _up_to(policy, done, turn)
        if (reason := reason_to_stop(policy, known)) is not None:
            return _ending(policy, known, done, reason)
        turn += 1
    return Ask(missing)


def conclude(policy: Policy, done: tuple[Done, ...], reason: StopReason) -> Finish:
    """End the run here with the vote over what there is, half a turn included."""
    winner, votes = elect(policy, rated(done))
    return Finish(reason, winner, votes)


def _up_to(policy: Policy, done: tuple[Done, ...], turn: int) -> tuple[Done, ...]:
    """The turns up to `turn` of the chains that there are, with whatever belongs to their attempts."""
    for d in done:
        if d.call.turn > turn or d.call.chain > policy.samples or d.call.purpose is Purpose.SELECT:
            break
    else:
        return done
    places = {d.call.place for d in done if d.call.purpose is Purpose.ATTEMPT and d.call.turn <= turn}
    places |= {a.place for d in done if d.call.place in places for a in d.attempts}
    return tuple(
        d
        for d in done
        if d.call.purpose is not Purpose.SELECT
        and d.call.chain <= policy.samples
        and (d.call.turn <= turn or d.call.place in places)
    )


def _ending(
    policy: Policy, known: tuple[Done, ...], done: tuple[Done, ...], reason: StopReason
) -> Ask | Finish:
    """The end, or where the policy has the winner selected, the calls that do so."""
    if policy.vote is not Vote.CONSISTENT or reason not in _BY_ITSELF or accepted(known):
        return conclude(policy, known, reason)
    selections = tuple(d for d in done if d.call.purpose is Purpose.SELECT)
    calls, cut = next_selection(eligible(known), selections)
    if calls and cut is None:
        return Ask(calls)
    return conclude(policy, known + selections, cut or reason)
