"""One trajectory as JSON: `rise ask --json`, one line of `rise batch`, the input of `rise score`.

Every key is always present. Unknown is null, never a default: a sum of which one part is unknown is
null too. The dataclasses below are the format, and `schema` derives the JSON Schema from them, so
that the two cannot drift apart.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, cast

from rise_cli.core.controls import printable
from rise_cli.core.domain import (
    Attempt,
    Completion,
    Done,
    Failure,
    Place,
    Purpose,
    StopReason,
    Tally,
    Trajectory,
    Usage,
)
from rise_cli.history.outcome import cost, unmade, why_failed

SCHEMA = "rise.trajectory/1"

FinishReason = Literal["stop", "length", "refusal", "filtered", "empty"]
Source = Literal["check", "person", "reference"]

# Read by pydantic when the schema is asked for: no other keys than these, and the strings under the
# fields become the schema's descriptions.
_STRICT = {"extra": "forbid", "use_attribute_docstrings": True}


@dataclass(frozen=True, slots=True)
class RecordedUsage:
    """Tokens of one call as its provider counted them."""

    __pydantic_config__ = _STRICT

    input_tokens: int
    """All input tokens, the cached and the cache-written ones among them."""
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    """All output tokens, reasoning among them."""
    reasoning_tokens: int


@dataclass(frozen=True, slots=True)
class RecordedTotal:
    """Requests and tokens of the whole run. Tokens are null where a reply came without a count."""

    __pydantic_config__ = _STRICT

    requests: int
    """Calls that came back or failed; not those that the budget kept from being made."""
    input_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    by_purpose: dict[str, int]
    """The requests again, by why they were made."""


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """A message of an earlier conversation."""

    __pydantic_config__ = _STRICT

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """One attempt, or one call for an attempt that brought none."""

    __pydantic_config__ = _STRICT

    chain: int
    turn: int
    given: bool
    """Taken over from the run that this one continues, for all chains; nobody was asked for it."""
    reply: str | None
    """The whole text that the model wrote; null if the call failed."""
    reasoning: str | None
    answer: str | None
    """What was read from the reply; null if nothing could be, or if the reply may not vote."""
    confidence: float | None
    """As stated in the reply, from 0 to 1."""
    critique: str | None
    """The critique that this turn worked from."""
    feedback: str | None
    """What was said about this attempt, and shown to the next one."""
    reward: float | None
    """1 if the answer is right, 0 if not, null if nobody could tell."""
    verdict: Source | None
    """Who gave the reward."""
    failure: str | None
    """Why this turn brought nothing to vote on. The call failed: rate_limited, server, connection,
    timeout, broken, context, rejected, budget or deadline. The reply is of no use: length, refusal,
    filtered or empty."""
    finish_reason: FinishReason | None
    latency_s: float | None
    usage: RecordedUsage | None


@dataclass(frozen=True, slots=True)
class RecordedVote:
    """What one answer polled."""

    __pydantic_config__ = _STRICT

    answer: str
    count: int
    weight: float
    share: float
    """Of all the weight that was polled, from 0 to 1."""
    turns: list[tuple[int, int]]
    """The attempts that gave this answer, as [chain, turn], earliest first."""


@dataclass(frozen=True, slots=True)
class Record:
    """One question, its turns, and the answer they came to."""

    __pydantic_config__ = _STRICT

    schema: Literal["rise.trajectory/1"]
    id: str
    index: int | None
    """Its position in the input file, from 0; null for a single question."""
    status: Literal["ok", "failed"]
    """failed: no turn was usable, and `error` says why."""
    prior: list[RecordedMessage]
    """The conversation that the question continues, earliest first."""
    question: str
    context: str | None
    reference: str | None
    """The known right answer, for scoring."""
    correct: bool | None
    """Whether the answer equals the reference; filled in by scoring."""
    extra: dict[str, object]
    """The fields of the input that are not ours."""
    answer: str | None
    stop_reason: StopReason
    confidence: float | None
    """The mean of the confidences stated in the winner's turns."""
    oracle: bool
    """Whether the reference steered the rollout: not comparable with runs that it did not."""
    votes: list[RecordedVote]
    turns: list[RecordedTurn]
    """By turn, then by chain."""
    usage: RecordedTotal
    cost_usd: float | None
    model: str
    settings: dict[str, object]
    error: str | None


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
        confidence=end.confidence,
        oracle=oracle,
        votes=[_vote(tally) for tally in end.votes],
        turns=sorted(_turns(trajectory.done), key=lambda turn: (turn.turn, turn.chain)),
        usage=total(trajectory.done),
        cost_usd=cost(trajectory.done),
        model=model,
        settings=settings,
        error=error or (why_failed(trajectory.done) if failed else None),
    )
    # Through JSON and back: what is returned is what a reader of the text will hold, lists for
    # tuples included, and a setting that is no JSON fails here and not at the end of a run.
    plain: dict[str, object] = json.loads(json.dumps(asdict(record), allow_nan=False))
    return plain


def dumps(record: dict[str, object]) -> str:
    """Return `record` as one line of JSON that any terminal can show.

    What `printable` would drop (terminal and bidi controls, separators, lone surrogates) is escaped
    instead, so nothing is lost; all other characters stay readable.
    """
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    # All of them are in the basic plane, and `json` has escaped the line breaks already.
    unsafe = {ord(char): f"\\u{ord(char):04x}" for char in set(text) if not printable(char)}
    return text.translate(unsafe)


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


def _vote(tally: Tally) -> RecordedVote:
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
        for position, attempt in enumerate(attempts):
            yield _turn(one, attempt, critiques, first=position == 0)


def _turn(done: Done, attempt: Attempt | None, critiques: dict[Place, str], *, first: bool) -> RecordedTurn:
    call, verdict = done.call, done.verdict
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
        failure=_failure(done.result),
        finish_reason=cast(FinishReason, came.finish_reason) if came else None,
        latency_s=came.latency_s if came and first and not done.given else None,
        usage=_usage(came.usage) if came and came.usage and first else None,
    )


def _failure(result: Completion | Failure) -> str | None:
    if isinstance(result, Failure):
        return result.kind
    return result.finish_reason if result.finish_reason != "stop" else None


def _usage(usage: Usage) -> RecordedUsage:
    return RecordedUsage(
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
