"""How far the result of one question can be relied on: the error, and with it the exit code, that says so."""

from __future__ import annotations

from rise_cli.core.domain import StopReason, Trajectory
from rise_cli.errors import BudgetExhausted, DeadlinePassed, Interrupted, NoAnswer, NoMajority, RiseError

_FINE = {
    StopReason.TURNS,
    StopReason.DECIDED,
    StopReason.CONFIDENT,
    StopReason.ACCEPTED,
    StopReason.STOPPED,
}


def verdict(trajectory: Trajectory, *, strict: bool) -> RiseError | None:
    """The error that ends this run with the right exit code, or None where all went well."""
    end = trajectory.end
    if end.reason in _FINE and end.winner is not None:
        unsure = end.reason is not StopReason.ACCEPTED and end.votes[0].share <= 0.5
        if strict and unsure:
            return NoMajority(f"no answer has more than half of the votes; {so_far(trajectory)}")
        return None
    return _misfortune(trajectory)


def _misfortune(trajectory: Trajectory) -> RiseError:
    from rise_cli.history.outcome import why_failed

    end, vote, why = trajectory.end, so_far(trajectory), why_failed(trajectory.done)
    cut_off: dict[StopReason, RiseError] = {
        StopReason.BUDGET: BudgetExhausted(f"the budget ended the run ({why}); {vote}"),
        StopReason.DEADLINE: DeadlinePassed(f"the deadline ended the run; {vote}"),
        StopReason.INTERRUPTED: Interrupted(f"interrupted; {vote}"),
    }
    if end.reason in cut_off:
        return cut_off[end.reason]
    if end.winner is None:
        return NoAnswer(f"no turn gave a usable answer: {why}")
    return NoAnswer(f"the provider failed ({why}); {vote}")


def so_far(trajectory: Trajectory) -> str:
    """The vote as it stands, in a clause."""
    end = trajectory.end
    if end.winner is None:
        return "no turn gave an answer before that"
    won = next((t for t in end.votes if t.candidate == end.winner.candidate), None)
    polled = sum(t.count for t in end.votes)
    answer = " ".join((end.winner.answer or "").split())
    short = answer if len(answer) <= 200 else answer[:199] + "…"
    return f"the vote so far is {short!r} with {won.count if won else 0} of {polled} votes"
