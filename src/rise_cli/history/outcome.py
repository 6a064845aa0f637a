"""What the calls of a run cost, and why a run, or a call of it, came to nothing."""

from __future__ import annotations

from collections.abc import Iterable

from rise_cli.core.domain import Completion, Done, Failure, Purpose, StopReason, Trajectory


def cost(done: Iterable[Done]) -> float | None:
    """Return what the replies in `done` cost in USD; None if any price is unknown, an attempt was lost
    that may be charged for, or none came."""
    done = tuple(one for one in done if not one.given)
    if any(one.result.lost_attempts for one in done):
        return None
    costs = [one.result.cost_usd for one in done if isinstance(one.result, Completion)]
    known = [usd for usd in costs if usd is not None]
    return sum(known) if known and len(known) == len(costs) else None


def call_failure(result: Completion | Failure) -> str | None:
    """Return why a call brought nothing to vote on: the failure's kind, or why its reply is of no use."""
    if isinstance(result, Failure):
        return result.kind
    return result.finish_reason if result.finish_reason != "stop" else None


def failure(trajectory: Trajectory) -> str | None:
    """Return why a run has no answer, in one word, None if it has one.

    `input` where nothing was asked, since the line of the input posed no problem; `no_majority` where
    the vote was held and its winner does not count, under `--strict`; what befell the last call that
    brought nothing; else `no_answer`.
    """
    end, done = trajectory.end, trajectory.done
    if end.winner is not None:
        return None
    if end.votes:
        return "no_majority"
    if not done:
        return "input" if end.reason is StopReason.ERROR else end.reason.value
    attempts = (one.result for one in done if one.call.purpose is Purpose.ATTEMPT)
    kinds = [kind for result in attempts if (kind := call_failure(result))]
    return kinds[-1] if kinds else "no_answer"


def complaint(trajectory: Trajectory) -> str:
    """Return, in one line, why a run has no answer."""
    if failure(trajectory) == "no_majority":
        return "no answer has more than half of the votes"
    return why_failed(trajectory.done)


def why_failed(done: Iterable[Done]) -> str:
    """Return, in one line, why the calls in `done` that gave no usable answer did not: each reason once."""
    attempts = (one for one in done if one.call.purpose is Purpose.ATTEMPT and not one.given)
    useless = (one for one in attempts if not _useful(one))
    reasons = dict.fromkeys(_reason(one) for one in useless)
    shown = list(reasons)[:3]
    if len(reasons) > len(shown):
        shown.append(f"and {len(reasons) - len(shown)} more")
    return "; ".join(shown) or "no turn was finished"


def _useful(done: Done) -> bool:
    rejected = done.verdict is not None and done.verdict.reward == 0
    return not rejected and any(attempt.answer is not None for attempt in done.attempts)


def _reason(done: Done) -> str:
    if isinstance(done.result, Failure):
        message = " ".join(done.result.message.split()) or done.result.kind
        return message if len(message) <= 300 else message[:299] + "…"
    if done.result.finish_reason == "budget":
        return "the reply was cut off where the budget ended"
    if done.result.finish_reason != "stop":
        return f"the reply is of no use ({done.result.finish_reason})"
    if done.verdict and any(attempt.answer is not None for attempt in done.attempts):
        return f"the {done.verdict.source} rejected the answer"
    return "no answer was found in the reply"


def unmade(result: Completion | Failure) -> bool:
    """Whether the call was never made: the budget did not allow it, or a recording does not have it."""
    return isinstance(result, Failure) and result.kind in {"budget", "unrecorded"}
