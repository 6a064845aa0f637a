"""The format `rise.trajectory/1`: its members, what they hold, and which may be null.

Every key is always present. Unknown is null, never a default: a sum of which one part is unknown is
null too. `rise schema` derives the JSON Schema from these dataclasses, so that the two cannot drift
apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rise_cli.core.domain import StopReason

SCHEMA = "rise.trajectory/1"

FinishReason = Literal["stop", "length", "refusal", "filtered", "empty", "budget"]
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
    """Calls that came back or failed; not those that the budget kept from being made, nor those that a
    recording does not have."""
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
    timeout, broken, context, rejected, credit, budget, deadline or unrecorded. The reply is of no use:
    length, refusal, filtered, empty or budget (cut off where that ended)."""
    finish_reason: FinishReason | None
    latency_s: float | None
    usage: RecordedUsage | None
    cost_usd: float | None
    """Null if the price is not known, or if an attempt was lost that may be charged for."""
    logprob: float | None
    """The mean natural logarithm of the probabilities of the reply's tokens, where it was asked for."""
    entropy: float | None
    """The mean entropy of the reply's tokens in nats, where it was asked for."""


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
    """failed: there is no answer, and `failure` and `error` say why."""
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
    failure: str | None
    """Why there is no answer, in one word: what befell the last turn that brought nothing (see `turns`),
    no_answer if there were replies and no answer was found in any, no_majority if no answer has more
    than half of the votes and that was asked for, input if the line of the input posed no problem."""
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
