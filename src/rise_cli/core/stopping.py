"""Why to stop. Looked at after every whole turn, over all chains together.

In this order, the first that holds:

accepted    a check or a person accepted an attempt.
stopped     a person wants no further turn.
budget      a call of the last turn did not fit into what may still be spent, or its reply was cut off
            where that ended.
deadline    a call of the last turn was not made, or not waited for, because time was up.
unrecorded  a replay came to a call of the last turn that was never made.
error       no attempt of the last turn came back, for reasons that retrying did not mend.
turns       no turn is left. What a person said about an attempt of the last one is worth one more: it
            would be lost otherwise, and the attempt does not vote any longer.
decided     majority only: the leader's lead over the runner-up exceeds the votes still to come, so
            no later turn can change the winner. It changes no answer, only the bill. Where somebody
            judges it never holds: whatever is accepted later would be the answer.
confident   a chain gave the same answer `patience` times in a row, each time with a stated
            confidence of at least `threshold` (of what it is worth, under a calibration), and nobody
            rejected that answer in any turn. Stated confidence clusters at 80 to 100, so one confident
            turn is not enough by default.

The last two are early stops: `early_stop=False` runs every turn.
"""

from __future__ import annotations

from rise_cli.core.calibration import calibrated
from rise_cli.core.domain import (
    Attempt,
    Completion,
    Done,
    Failure,
    Place,
    Policy,
    Purpose,
    StopReason,
    Vote,
)
from rise_cli.core.shapes import heard, looks_back, whole
from rise_cli.core.voting import accepted, eligible, polled, tally


def turns_taken(done: tuple[Done, ...]) -> int:
    """How many whole turns are behind us, given that no turn is half done."""
    taken = 0
    for d in done:
        if d.call.turn > taken and d.call.purpose is Purpose.ATTEMPT:
            taken = d.call.turn
    return taken


def turns_allowed(policy: Policy) -> int:
    """How many turns of calls a chain may take. Independent chains answer once, and a reply that holds
    all its rounds is one call, whatever the policy says."""
    return policy.turns if looks_back(policy.shape) else 1


def reason_to_stop(policy: Policy, done: tuple[Done, ...]) -> StopReason | None:
    """Return why the run ends here, or None. `done` holds whole turns only."""
    taken = turns_taken(done)
    if taken == 0:
        return None
    if verdicts := [d.verdict for d in done if d.verdict]:
        if accepted(done):
            return StopReason.ACCEPTED
        if any(verdict.enough for verdict in verdicts):
            return StopReason.STOPPED
    if (cause := _cut_off(done, taken)) is not None:
        return cause
    if taken >= turns_allowed(policy) and not _unanswered(policy, done, taken):
        return StopReason.TURNS
    return _early(policy, done) if policy.early_stop else None


def _unanswered(policy: Policy, done: tuple[Done, ...], turn: int) -> bool:
    """Whether a person said something in the last turn that a further one could take up."""
    return looks_back(policy.shape) and turn in [place.turn for place in heard(done)]


def _early(policy: Policy, done: tuple[Done, ...]) -> StopReason | None:
    if decided(policy, done):
        return StopReason.DECIDED
    return StopReason.CONFIDENT if confident(policy, done) else None


def _cut_off(done: tuple[Done, ...], turn: int) -> StopReason | None:
    """Why the outside world ends the run, judged by the calls of its last turn, and of ratings, which may
    belong to later rounds of one reply."""
    for d in done:
        if d.call.turn >= turn and not whole(d):
            break
    else:
        return None
    last = [d for d in done if d.call.turn >= turn]
    kinds = {d.result.kind for d in last if isinstance(d.result, Failure)}
    if any(isinstance(d.result, Completion) and d.result.finish_reason == "budget" for d in last):
        return StopReason.BUDGET
    for reason in (StopReason.BUDGET, StopReason.DEADLINE, StopReason.UNRECORDED):
        if reason.value in kinds:
            return reason
    attempts = [d.result for d in last if d.call.purpose is Purpose.ATTEMPT]
    if attempts and all(isinstance(result, Failure) for result in attempts):
        return StopReason.ERROR
    return None


def decided(policy: Policy, done: tuple[Done, ...]) -> bool:
    """Whether no outcome of the turns left, over all chains, can change the majority's winner, nor,
    where the policy is strict, whether it has more than half of the votes."""
    if policy.vote is not Vote.MAJORITY or any(d.verdict and not d.given for d in done):
        return False
    votes = tally(polled(policy.vote, eligible(done)), policy.tie)
    if not votes:
        return False
    runner_up = votes[1].count if len(votes) > 1 else 0
    left = (turns_allowed(policy) - turns_taken(done)) * policy.samples
    most, total = votes[0].count, sum(v.count for v in votes)
    # Under `strict` the outcome is also whether the winner has more than half: that must be settled too.
    half = 2 * most > total + left or 2 * (most + left) <= total + left
    return most - runner_up > left and (half or not policy.strict)


def confident(policy: Policy, done: tuple[Done, ...]) -> bool:
    """Whether some chain repeated one answer `patience` times in a row, surely enough each time."""
    chains: dict[int, list[Attempt | None]] = {}
    for d in sorted(done, key=lambda d: d.call.place):
        if d.call.purpose is Purpose.ATTEMPT:
            chains.setdefault(d.call.chain, []).append(d.attempts[-1] if d.attempts else None)
    settled = {_settled(policy, turns[-policy.patience :]) for turns in chains.values()}
    rejected = {d.attempts[-1].candidate for d in done if d.verdict and d.verdict.reward == 0 and d.attempts}
    return bool(settled - rejected - {None})


def _settled(policy: Policy, run: list[Attempt | None]) -> Place | None:
    """The one answer that every turn of `run` gave surely, if there is one."""
    sure = [
        a
        for a in run
        if a and a.confidence is not None and calibrated(a.confidence, policy.breakpoints) >= policy.threshold
    ]
    candidates = {a.candidate for a in sure}
    return candidates.pop() if len(sure) >= policy.patience and len(candidates) == 1 else None
