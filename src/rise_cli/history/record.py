"""One trajectory as JSON: `rise ask --json`, one line of `rise batch`, the input of `rise score`.

The members are those of `history.format`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Any

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
from rise_cli.history.format import SCHEMA, Record, RecordedTotal, RecordedUsage
from rise_cli.history.outcome import call_failure, complaint, cost, failure, unmade


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
    problem, end, done = trajectory.problem, trajectory.end, trajectory.done
    failed = end.winner is None
    turns = sorted(_turns(done), key=_in_order)
    # In the order of `Record`, whose members these are: a batch writes a hundred thousand of them.
    return {
        "schema": SCHEMA,
        "id": problem.key,
        "index": index,
        "status": "failed" if failed else "ok",
        "prior": [{"role": m.role, "text": m.text} for m in problem.prior],
        "question": problem.question,
        "context": problem.context,
        "reference": reference,
        "correct": None,
        "extra": extra or {},
        "answer": end.answer,
        "stop_reason": end.reason.value,
        "failure": failure(trajectory),
        "confidence": end.confidence,
        "oracle": oracle,
        "votes": [recorded_vote(tally) for tally in end.votes],
        "turns": turns,
        "usage": _as_dict(total(done)),
        "cost_usd": cost(done),
        "model": model,
        "settings": settings,
        "error": error or (complaint(trajectory) if failed else None),
    }


_in_order = itemgetter("turn", "chain")


def as_json(value: Any) -> Any:
    """Return `value` as a reader of its JSON holds it. Raises ValueError or TypeError for what is none."""
    return json.loads(json.dumps(value, allow_nan=False))


_TOKENS = tuple(field.name for field in fields(RecordedUsage))
_tokens: Callable[[Usage], tuple[int, ...]] = attrgetter(*_TOKENS)

# A record is made of values that were JSON before: there is no circle in it to look for.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False).encode


def dumps(record: Mapping[str, object]) -> str:
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
    known, usages, purposes = True, [], dict[str, int]()
    for one in made:
        purpose = one.call.purpose.value
        purposes[purpose] = purposes.get(purpose, 0) + 1
        if one.result.lost_attempts:
            known = False
        elif isinstance(one.result, Completion):
            usages.append(one.result.usage)
    counted = [_tokens(usage) for usage in usages if usage]
    sums: Iterable[int | None] = map(sum, zip(*counted, strict=True))
    if not known or not counted or len(counted) < len(usages):
        sums = [None] * len(_TOKENS)
    return RecordedTotal(requests=len(made), by_purpose=purposes, **dict(zip(_TOKENS, sums, strict=True)))


_TOTALS = tuple(field.name for field in fields(RecordedTotal))
_totals: Callable[[RecordedTotal], tuple[object, ...]] = attrgetter(*_TOTALS)


def _as_dict(sums: RecordedTotal) -> dict[str, object]:
    return dict(zip(_TOTALS, _totals(sums), strict=True))


def recorded_vote(tally: Tally) -> dict[str, object]:
    """What an answer polled, in the format of `RecordedVote`."""
    return {
        "answer": tally.answer,
        "count": tally.count,
        "weight": tally.weight,
        "share": tally.share,
        "turns": [[place.chain, place.turn] for place in tally.places],
    }


def _turns(done: Sequence[Done]) -> Iterator[dict[str, Any]]:
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
) -> dict[str, Any]:
    """A turn in the format of `RecordedTurn`."""
    call, verdict = done.call, done.verdict if last else None  # the last round is what was judged
    came = done.result if isinstance(done.result, Completion) else None
    paid = came if first else None
    return {
        "chain": attempt.chain if attempt else call.chain,
        "turn": attempt.turn if attempt else call.turn,
        "given": done.given,
        "reply": attempt.reply if attempt else came.reply if came else None,
        "reasoning": paid.reasoning if paid else None,
        "answer": attempt.answer if attempt else None,
        "confidence": attempt.confidence if attempt else None,
        "critique": critiques.get(call.critique) if call.critique else None,
        "feedback": verdict.feedback if verdict else None,
        "reward": verdict.reward if verdict else None,
        "verdict": verdict.source if verdict else None,
        "failure": call_failure(done.result),
        "finish_reason": came.finish_reason if came else None,
        "latency_s": paid.latency_s if paid and not done.given else None,
        "usage": _usage(paid.usage) if paid and paid.usage else None,
        "cost_usd": paid.cost_usd if paid and not paid.lost_attempts else None,
        "logprob": came.logprob if came else None,
        "entropy": came.entropy if came else None,
    }


def _usage(usage: Usage) -> dict[str, int]:
    return dict(zip(_TOKENS, _tokens(usage), strict=True))
