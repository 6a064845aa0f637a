"""One trajectory as JSON: `rise ask --json`, one line of `rise batch`, the input of `rise score`.

The members are those of `history.format`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, Literal, cast

from rise_cli.core.controls import UNSAFE
from rise_cli.core.domain import (
    Attempt,
    Completion,
    Done,
    Place,
    Purpose,
    Tally,
    Trajectory,
    Usage,
)
from rise_cli.history.format import (
    SCHEMA,
    FinishReason,
    Record,
    RecordedMessage,
    RecordedTotal,
    RecordedTurn,
    RecordedUsage,
    RecordedVote,
    Source,
)
from rise_cli.history.outcome import call_failure, complaint, cost, failure, unmade

# The members that hold others of these classes, or lists; all else is JSON as it stands.
_NESTED: dict[type, tuple[str, ...]] = {
    Record: ("prior", "votes", "turns", "usage"),
    RecordedMessage: (),
    RecordedVote: ("turns",),
    RecordedTurn: ("usage",),
    RecordedUsage: (),
    RecordedTotal: (),
}


def to_record(  # noqa: PLR0913  (a trajectory, and each fact that it does not know itself)
    trajectory: Trajectory,
    *,
    index: int | None,
    model: str,
    settings: dict[str, object],
    reference: str | None = None,
    extra: dict[str, object] | None = None,
    oracle: bool = False,
    error: str | None = None,
) -> dict[str, object]:
    """Return `trajectory` as plain JSON values, in the format of `Record`.

    `settings` and `extra` must be JSON already (see `as_json`), and are not copied. `error` replaces the
    reason that is otherwise put together from the failures when there is no answer. `correct` stays null:
    scoring fills it in.
    """
    problem, end = trajectory.problem, trajectory.end
    failed = end.winner is None
    record = Record(
        schema="rise.trajectory/1",
        id=problem.key,
        index=index,
        status="failed" if failed else "ok",
        prior=[RecordedMessage(cast(Literal["user"], m.role), m.text) for m in problem.prior],
        question=problem.question,
        context=problem.context,
        reference=reference,
        correct=None,
        extra=extra or {},
        answer=end.answer,
        stop_reason=end.reason,
        failure=failure(trajectory),
        confidence=end.confidence,
        oracle=oracle,
        votes=[recorded_vote(tally) for tally in end.votes],
        turns=sorted(_turns(trajectory.done), key=lambda turn: (turn.turn, turn.chain)),
        usage=total(trajectory.done),
        cost_usd=cost(trajectory.done),
        model=model,
        settings=settings,
        error=error or (complaint(trajectory) if failed else None),
    )
    plain: dict[str, object] = _plain(record)
    return plain


def as_json(value: Any) -> Any:
    """Return `value` as a reader of its JSON holds it. Raises ValueError or TypeError for what is none."""
    return json.loads(json.dumps(value, allow_nan=False))


@cache
def _members(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """The names of the members of a class, and what reads them all at once."""
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names)


def _plain(value: Any) -> Any:
    """As `dataclasses.asdict` has it, with lists for tuples, for the types of this module: it takes a
    twentieth of the time."""
    kind: type = type(value)
    if (nested := _NESTED.get(kind)) is not None:
        names, read = _members(kind)
        plain = dict(zip(names, read(value), strict=True))
        for name in nested:
            plain[name] = _plain(plain[name])
        return plain
    if kind is list or kind is tuple:
        return [_plain(inner) for inner in value]
    return value


_TOKENS = tuple(field.name for field in fields(RecordedUsage))
_tokens: Callable[[Usage], tuple[int, ...]] = attrgetter(*_TOKENS)

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def dumps(record: dict[str, object]) -> str:
    """Return `record` as one line of JSON that any terminal can show.

    What `printable` would drop (terminal and bidi controls, separators, lone surrogates) is escaped
    instead, so nothing is lost; all other characters stay readable.
    """
    text = _encode(record)
    # Nearly every line is whole, and these tell in a fraction of the time that the search takes. Of what
    # is not printable in ASCII, `json` leaves only this one.
    if text.isascii() and "\x7f" not in text:
        return text
    if text.isprintable():
        return text
    # All of them are in the basic plane, and `json` has escaped the line breaks already.
    return UNSAFE.sub(lambda unsafe: f"\\u{ord(unsafe[0]):04x}", text)


def schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a record."""
    from pydantic import TypeAdapter  # only `rise schema` needs it

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TypeAdapter(Record).json_schema(mode="serialization"),
        "title": SCHEMA,
    }


def total(done: Sequence[Done]) -> RecordedTotal:
    """Return the requests and tokens of `done` in sum; tokens are None if any count is missing."""
    made = [one for one in done if not unmade(one.result) and not one.given]
    replies = [one.result for one in made if isinstance(one.result, Completion)]
    usages = [reply.usage for reply in replies if reply.usage]
    known = (
        bool(replies) and len(usages) == len(replies) and not any(one.result.lost_attempts for one in made)
    )
    sums: dict[str, int | None] = dict.fromkeys(_TOKENS)
    if known:
        sums = dict(zip(_TOKENS, map(sum, zip(*map(_tokens, usages), strict=True)), strict=True))
    purposes: dict[str, int] = {}
    for one in made:
        purposes[one.call.purpose.value] = purposes.get(one.call.purpose.value, 0) + 1
    return RecordedTotal(requests=len(made), by_purpose=purposes, **sums)


def recorded_vote(tally: Tally) -> RecordedVote:
    turns = [(place.chain, place.turn) for place in tally.places]
    return RecordedVote(tally.answer, tally.count, tally.weight, tally.share, turns)


def _turns(done: Sequence[Done]) -> Iterator[RecordedTurn]:
    critiques = {
        one.call.place: one.result.reply
        for one in done
        if one.call.purpose is Purpose.CRITIQUE and isinstance(one.result, Completion)
    }
    for one in done:
        if one.call.purpose is not Purpose.ATTEMPT:
            continue
        # A reply that holds many rounds was paid for once: the first of them carries its usage.
        attempts: tuple[Attempt | None, ...] = one.attempts or (None,)
        for attempt in attempts:
            yield _turn(one, attempt, critiques, first=attempt is attempts[0], last=attempt is attempts[-1])


def _turn(
    done: Done, attempt: Attempt | None, critiques: dict[Place, str], *, first: bool, last: bool
) -> RecordedTurn:
    call, verdict = done.call, done.verdict if last else None  # the last round is what was judged
    came = done.result if isinstance(done.result, Completion) else None
    reply = attempt.reply if attempt else came.reply if came else None
    return RecordedTurn(
        chain=attempt.chain if attempt else call.chain,
        turn=attempt.turn if attempt else call.turn,
        given=done.given,
        reply=reply,
        reasoning=came.reasoning if came and first else None,
        answer=attempt.answer if attempt else None,
        confidence=attempt.confidence if attempt else None,
        critique=critiques.get(call.critique) if call.critique else None,
        feedback=verdict.feedback if verdict else None,
        reward=verdict.reward if verdict else None,
        verdict=cast(Source, verdict.source) if verdict else None,
        failure=call_failure(done.result),
        finish_reason=cast(FinishReason, came.finish_reason) if came else None,
        latency_s=came.latency_s if came and first and not done.given else None,
        usage=_usage(came.usage) if came and came.usage and first else None,
        cost_usd=came.cost_usd if came and first and not came.lost_attempts else None,
        logprob=came.logprob if came else None,
        entropy=came.entropy if came else None,
    )


def _usage(usage: Usage) -> RecordedUsage:
    return RecordedUsage(*_tokens(usage))
