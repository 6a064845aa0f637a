"""The vocabulary of the program: frozen values that every room shares.

State is the tuple of finished calls (`Done`). Turns, votes and transcripts are views of it, so a
replay, a resumption and a test are all "the same function on the same tuple".

Units: confidences and shares are fractions from 0 to 1; times are seconds; token counts are the
provider's own. Turns and chains count from 1. Unknown is `None`, never a default.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Purpose(StrEnum):
    """Why a call is made."""

    ATTEMPT = "attempt"
    CRITIQUE = "critique"
    RATE = "rate"
    SELECT = "select"


class Kind(StrEnum):
    """What an answer is, which decides how it is found and compared."""

    AUTO = "auto"
    NUMBER = "number"
    CHOICE = "choice"
    MATH = "math"
    TEXT = "text"


class Shape(StrEnum):
    """How a protocol's calls depend on each other. A protocol names one in its `protocol.toml`."""

    REVISE = "revise"
    INDEPENDENT = "independent"
    REFINE = "refine"
    AGGREGATE = "aggregate"
    DECIDE = "decide"
    SINGLE = "single"


class Vote(StrEnum):
    """How the winner is found. See `core.voting` and, for `consistent`, `core.selecting`."""

    MAJORITY = "majority"
    LAST = "last"
    FIRST = "first"
    WEIGHTED = "weighted"
    ENTROPY = "entropy"
    CONSISTENT = "consistent"


class Tie(StrEnum):
    """Which of equally polled answers wins, after summed confidence."""

    EARLIEST = "earliest"
    LATEST = "latest"


class StopReason(StrEnum):
    """Why a run is over."""

    TURNS = "turns"
    DECIDED = "decided"
    CONFIDENT = "confident"
    ACCEPTED = "accepted"
    STOPPED = "stopped"
    BUDGET = "budget"
    DEADLINE = "deadline"
    INTERRUPTED = "interrupted"
    ERROR = "error"
    UNRECORDED = "unrecorded"


class Place(NamedTuple):
    """Where an attempt stands. Ordered by turn first, so `min` of places is the earliest attempt."""

    turn: int
    chain: int


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message. `role` is `system`, `user` or `assistant`.

    `fixed` marks the last message of the prefix that no turn changes: a provider that caches on
    request (Anthropic) is told to cache up to there.
    """

    role: str
    text: str
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """What is asked. It holds no reference answer: what steers a rollout cannot see one.

    `key` identifies the problem within a run and seeds its random draws. `prior` is an earlier
    conversation that the question continues. `kind` is fixed before turn 1; `choices` are the
    letters on offer where the question lists lettered options.
    """

    key: str
    question: str
    context: str | None = None
    prior: tuple[Message, ...] = ()
    kind: Kind = Kind.AUTO
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as its provider counted them.

    `input_tokens` includes the cached and cache-written ones; `output_tokens` includes reasoning.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """A reply that arrived. `finish_reason` is `stop`, `length`, `refusal`, `filtered`, `empty` or `budget`
    (cut off at an output limit that the budget had lowered).

    All but `stop` are finished turns that do not vote; `budget` ends the run like a call that the budget did
    not allow, and a higher one makes the call again. `reasoning` is the model's hidden thinking where the
    provider shows it; it is never read for an answer. `usage` is None where the provider did not say;
    `cost_usd` where the price is not known. `lost_attempts` were made before this one and brought nothing,
    although the provider may charge for them. `logprob` is the mean natural logarithm of the reply's token
    probabilities, `entropy` their mean entropy in nats; both are None unless they were asked for.
    """

    reply: str
    finish_reason: str = "stop"
    reasoning: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    latency_s: float = 0.0
    lost_attempts: int = 0
    logprob: float | None = None
    entropy: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that brought no reply, after all its retries. `kind` as in `ProviderError`, or `budget` or
    `deadline` where it was never made or not waited for. `lost_attempts` may be charged for."""

    kind: str
    message: str
    lost_attempts: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A model's answer to the problem, read from a reply.

    `candidate` says which answer it equals: the place of the earliest attempt with an equal answer,
    decided when the reply is read. Two attempts vote for the same answer if and only if their
    candidates are equal. `answer` and `candidate` are None together where nothing could be read.
    `entropy` is the mean token entropy of its reply in nats, where it was asked for.
    """

    chain: int
    turn: int
    reply: str
    answer: str | None
    candidate: Place | None
    confidence: float | None
    entropy: float | None = None

    @property
    def place(self) -> Place:
        return Place(self.turn, self.chain)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said about an attempt by a `source`: `check`, `person` or `reference`.

    `reward` is 1.0 or 0.0, or None where nobody could tell. `feedback` is shown to the next turn.
    `enough` asks for no further turn.
    """

    reward: float | None
    feedback: str | None
    accepted: bool
    source: str
    enough: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request to make. `sees` are the places of the attempts (and their verdicts) that its
    messages show, in the order in which they are shown; `critique` is the place of the critique it
    works from, if any.

    A critique stands where the attempt stands that works from it, a rating where the attempt that it
    rates stands. Selections count on their own: `turn` is the round and `chain` the group.
    """

    chain: int
    turn: int
    purpose: Purpose = Purpose.ATTEMPT
    sees: tuple[Place, ...] = ()
    critique: Place | None = None

    @property
    def place(self) -> Place:
        return Place(self.turn, self.chain)


@dataclass(frozen=True, slots=True)
class Done:
    """A finished call: what came back, and what was read from it.

    An attempt call that got a reply has exactly one attempt, or one for each round where a protocol
    runs all of them in one call; other calls have none, and neither have failed ones. `rating` is a
    confidence; `selected` counts from 0 among what the call sees. Both are None if unreadable.

    One that is `given` was not made in this run: it is an attempt of the run that this one continues. It
    stands for the turn of all chains, every chain sees it, and it costs nothing.
    """

    call: Call
    result: Completion | Failure
    attempts: tuple[Attempt, ...] = ()
    rating: float | None = None
    selected: int | None = None
    verdict: Verdict | None = None
    given: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a rollout, all of what `next_step` may look at besides the state.

    `turns` is the most turns a chain takes, `samples` the number of chains, `window` how many of
    its past attempts a turn sees (None: all of them), `draw` how many attempts of all chains it sees
    where a shape draws, `seed` what those draws depend on. `rates` asks for a rating of every answer.
    `strict` wants more than half of the votes. `breakpoints` say what a stated confidence is worth.
    """

    shape: Shape = Shape.REVISE
    turns: int = 5
    samples: int = 1
    window: int | None = 1
    draw: int = 4
    seed: int = 0
    rates: bool = False
    vote: Vote = Vote.MAJORITY
    vote_temperature: float = 0.5
    tie: Tie = Tie.EARLIEST
    threshold: float = 0.9
    patience: int = 2
    early_stop: bool = True
    strict: bool = False
    breakpoints: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """What one candidate polled. `weight` equals `count` under unweighted votes; `share` is of all
    weight polled; `places` are its attempts, earliest first; `confidence` is the mean of those
    that were stated."""

    candidate: Place
    answer: str
    count: int
    weight: float
    share: float
    places: tuple[Place, ...]
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Ask:
    """Make these calls. They do not depend on each other and may run side by side."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over. `winner` is the attempt whose answer and reply stand for the result: the
    earliest of the winning candidate, or the accepted one. None where nothing could be polled, or where
    the winner does not count for want of a majority."""

    reason: StopReason
    winner: Attempt | None
    votes: tuple[Tally, ...]

    @property
    def answer(self) -> str | None:
        return self.winner.answer if self.winner else None

    @property
    def has_majority(self) -> bool:
        """Whether the answer has more than half of the votes, or was accepted and needs none."""
        if self.reason is StopReason.ACCEPTED or self.winner is None:
            return self.winner is not None
        return self.votes[0].share > 0.5

    @property
    def confidence(self) -> float | None:
        """Mean stated confidence of the winning candidate's turns."""
        if self.winner is None:
            return None
        return next((t.confidence for t in self.votes if t.candidate == self.winner.candidate), None)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A whole run: what was asked, under which rules, every finished call, and how it ended."""

    problem: Problem
    policy: Policy
    done: tuple[Done, ...]
    end: Finish
