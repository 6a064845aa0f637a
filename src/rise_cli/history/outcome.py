"""What the calls of a run cost, and why those that came to nothing did."""

from __future__ import annotations

from collections.abc import Iterable

from rise_cli.core.domain import Completion, Done, Failure, Purpose


def cost(done: Iterable[Done]) -> float | None:
    """Return what the replies in `done` cost in USD; None if any price is unknown, an attempt was lost
    that may be charged for, or none came."""
    done = tuple(one for one in done if not one.given)
    if any(one.result.lost_attempts for one in done):
        return None
    costs = [one.result.cost_usd for one in done if isinstance(one.result, Completion)]
    known = [usd for usd in costs if usd is not None]
    return sum(known) if known and len(known) == len(costs) else None


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
    if done.result.finish_reason != "stop":
        return f"the reply is of no use ({done.result.finish_reason})"
    if done.verdict and any(attempt.answer is not None for attempt in done.attempts):
        return f"the {done.verdict.source} rejected the answer"
    return "no answer was found in the reply"


def unmade(result: Completion | Failure) -> bool:
    """Whether the budget kept the call from being made."""
    return isinstance(result, Failure) and result.kind == "budget"
