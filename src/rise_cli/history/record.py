"""One trajectory as JSON: `rise ask --json`, one line of `rise batch`, the input of `rise score`.

The members are those of `history.format`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
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

_FLAT = frozenset({str, int, float, bool, type(None)})
_FORMAT = frozenset({Record, RecordedMessage, RecordedVote, RecordedTurn, RecordedUsage, RecordedTotal})


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

    `settings` and `extra` must be JSON already. `error` replaces the reason that is otherwise put
    together from the failures when there is no answer. `correct` stays null: scoring fills it in.
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
    # What comes from outside goes through JSON and back: what is returned is what a reader of the text
    # will hold, and a setting that is no JSON fails here and not at the end of a run.
    foreign = json.dumps([record.settings, record.extra], allow_nan=False)
    plain: dict[str, object] = _plain(record)
    plain["settings"], plain["extra"] = json.loads(foreign)
    return plain


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _plain(value: Any) -> Any:
    """As `dataclasses.asdict` has it, with lists for tuples, for the types of this module: it takes an
    eighth of the time."""
    kind: type = type(value)
    if kind in _FORMAT:
        members = {name: getattr(value, name) for name in _names(kind)}
        nested = [name for name, member in members.items() if type(member) not in _FLAT]
        return members | {name: _plain(members[name]) for name in nested}
    if kind is list or kind is tuple:
        return [_plain(inner) for inner in value]
    return value


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def dumps(record: dict[str, object]) -> str:
    """Return `record` as one line of JSON that any terminal can show.

    What `printable` would drop (terminal and bidi controls, separators, lone surrogates) is escaped
    instead, so nothing is lost; all other characters stay readable.
    """
    text = _encode(record)
    # Nearly every line is whole, and this tells in a fraction of the time that the search takes.
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
    return RecordedTotal(
        requests=len(made),
        input_tokens=sum(usage.input_tokens for usage in usages) if known else None,
        cached_input_tokens=sum(usage.cached_input_tokens for usage in usages) if known else None,
        cache_write_tokens=sum(usage.cache_write_tokens for usage in usages) if known else None,
        output_tokens=sum(usage.output_tokens for usage in usages) if known else None,
        reasoning_tokens=sum(usage.reasoning_tokens for usage in usages) if known else None,
        by_purpose=dict(Counter(one.call.purpose.value for one in made)),
    )


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
    return RecordedUsage(
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
