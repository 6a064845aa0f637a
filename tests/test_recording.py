"""A finished call is not made again, whatever it was recorded in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_cli.chat import CallKey, Request
from rise_cli.chat.recording import JournalKey, Recording, Replay, ReplayedVerdicts, _digest
from rise_cli.compare import Comparer
from rise_cli.core.confidence import read_confidence
from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Failure,
    Kind,
    Message,
    Policy,
    Problem,
    Purpose,
    StopReason,
    Trajectory,
    Usage,
    Verdict,
    Vote,
)
from rise_cli.core.rounds import split_rounds
from rise_cli.core.stopping import reason_to_stop
from rise_cli.errors import ProviderError
from rise_cli.history.record import to_record
from rise_cli.run.act import Actor, Setup
from rise_cli.run.observe import Silent
from rise_cli.run.solve import solve

KEY = CallKey("p", 1, 1, Purpose.ATTEMPT)
HEAD = (Message("system", "be brief"), Message("user", "1+1?", fixed=True))
REQUEST = Request(KEY, HEAD)


class Shelf:
    """A journal in memory, which cannot be what is tested here."""

    def __init__(self) -> None:
        self.kept: dict[JournalKey, Completion] = {}

    def get(self, key: JournalKey) -> Completion | None:
        return self.kept.get(key)

    async def keep(self, key: JournalKey, completion: Completion) -> None:
        self.kept[key] = completion


class Replying:
    """A chat that gives these outcomes in turn and then counts on."""

    def __init__(self, *outcomes: str | BaseException) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0
        self.closed = False

    async def complete(self, request: Request) -> Completion:
        await asyncio.sleep(0)
        self.calls += 1
        outcome = self.outcomes.pop(0) if self.outcomes else f"reply {self.calls}"
        if isinstance(outcome, BaseException):
            raise outcome
        return Completion(outcome, usage=Usage(10, 5), cost_usd=0.25, latency_s=1.5)

    async def aclose(self) -> None:
        self.closed = True


async def test_a_call_is_made_once() -> None:
    inner, shelf = Replying(), Shelf()
    first = Recording(inner, shelf, "s")
    paid = await first.complete(REQUEST)
    again = Recording(inner, shelf, "s")
    assert await again.complete(REQUEST) == paid
    assert (inner.calls, first.recalled, again.recalled) == (1, 0, 1)


OTHERS = [
    ("settings", "t", REQUEST),
    ("problem", "s", replace(REQUEST, key=replace(KEY, problem="q"))),
    ("chain", "s", replace(REQUEST, key=replace(KEY, chain=2))),
    ("turn", "s", replace(REQUEST, key=replace(KEY, turn=2))),
    ("purpose", "s", replace(REQUEST, key=replace(KEY, purpose=Purpose.RATE))),
    ("question", "s", replace(REQUEST, messages=(HEAD[0], Message("user", "1+2?", fixed=True)))),
    ("wording", "s", replace(REQUEST, messages=(Message("system", "be long"), HEAD[1]))),
    (
        "border between messages",
        "s",
        replace(REQUEST, messages=(Message("system", "be "), Message("user", "brief1+1?", fixed=True))),
    ),
    ("lone surrogate", "s", replace(REQUEST, messages=(HEAD[0], Message("user", "\ud800", fixed=True)))),
]


@pytest.mark.parametrize(("settings", "other"), [case[1:] for case in OTHERS], ids=[c[0] for c in OTHERS])
async def test_another_call_is_not_taken_for_it(settings: str, other: Request) -> None:
    inner, shelf = Replying(), Shelf()
    await Recording(inner, shelf, "s").complete(REQUEST)
    assert (await Recording(inner, shelf, settings).complete(other)).reply == "reply 2"


async def test_what_is_made_for_different_reasons_at_one_place_is_kept_apart() -> None:
    inner, shelf = Replying(), Shelf()
    requests = [replace(REQUEST, key=replace(KEY, purpose=purpose)) for purpose in Purpose]
    first = [(await Recording(inner, shelf, "s").complete(request)).reply for request in requests]
    again = [(await Recording(inner, shelf, "s").complete(request)).reply for request in requests]
    assert first == again == ["reply 1", "reply 2", "reply 3", "reply 4"]
    assert len(shelf.kept) == len(Purpose)


@pytest.mark.parametrize("purpose", [Purpose.RATE, Purpose.SELECT])
async def test_another_answer_is_rated_again(purpose: Purpose) -> None:
    """A rating's messages have no part that stays: the whole of them is what was asked."""
    inner, shelf = Replying(), Shelf()
    for said, reply in (("4", "reply 1"), ("5", "reply 2"), ("4", "reply 1")):
        request = Request(replace(KEY, purpose=purpose), (Message("user", f"Is it {said}?"),))
        assert (await Recording(inner, shelf, "s").complete(request)).reply == reply


async def test_feedback_that_differs_from_run_to_run_does_not_count() -> None:
    inner, shelf = Replying(), Shelf()
    for said in ("wrong, at 10:01", "wrong, at 10:02"):
        request = Request(replace(KEY, turn=2), (*HEAD, Message("assistant", "3"), Message("user", said)))
        assert (await Recording(inner, shelf, "s").complete(request)).reply == "reply 1"


async def test_a_failure_is_not_kept() -> None:
    inner, shelf = Replying(ProviderError("no", kind="server")), Shelf()
    chat = Recording(inner, shelf, "s")
    with pytest.raises(ProviderError):
        await chat.complete(REQUEST)
    assert not shelf.kept
    assert (await chat.complete(REQUEST)).reply == "reply 2"


async def test_a_reply_that_the_budget_cut_off_is_not_kept() -> None:
    class Cutting(Replying):
        async def complete(self, request: Request) -> Completion:
            return replace(await super().complete(request), finish_reason="budget")

    inner, shelf = Cutting(), Shelf()
    cut = await Recording(inner, shelf, "s").complete(REQUEST)
    assert (cut.reply, cut.finish_reason, shelf.kept) == ("reply 1", "budget", {})


async def test_closes_what_it_wraps() -> None:
    inner = Replying()
    await Recording(inner, Shelf(), "s").aclose()
    assert inner.closed


def turn(number: int, reply: str | None = "18", chain: int = 1, **more: Any) -> dict[str, Any]:
    """A turn as a results file has it."""
    return {
        "chain": chain, "turn": number, "reply": reply, "reasoning": None, "answer": reply,
        "confidence": None, "critique": None, "feedback": None, "reward": None, "verdict": None,
        "failure": None, "finish_reason": "stop" if reply is not None else None, "latency_s": 1.2,
        "usage": None, **more,
    }  # fmt: skip


def turns_of(*turns: dict[str, Any]) -> Any:
    def find(problem: str) -> Sequence[Mapping[str, Any]] | None:
        return turns if problem == "p" else None

    return find


async def test_a_replay_gives_the_whole_completion() -> None:
    counted = {"input_tokens": 9, "output_tokens": 8, "cached_input_tokens": 3, "cache_write_tokens": 2}
    recorded = turn(1, "", reasoning="hm", finish_reason="length", usage={**counted, "reasoning_tokens": 1})
    assert await Replay(turns_of(recorded)).complete(REQUEST) == Completion(
        "", "length", "hm", Usage(9, 8, 3, 2, 1), None, 1.2
    )


CALLS = [
    ("another problem", replace(KEY, problem="q"), "unrecorded"),
    ("another chain", replace(KEY, chain=2), "unrecorded"),
    ("a later turn", replace(KEY, turn=5), "unrecorded"),
    ("another purpose", replace(KEY, purpose=Purpose.SELECT), "unrecorded"),
    ("cut off by the budget", replace(KEY, turn=2), "unrecorded"),
    ("cut off by the deadline", replace(KEY, turn=3), "unrecorded"),
    ("half a reply, and then the budget", replace(KEY, turn=6), "unrecorded"),
    ("failed at the provider", replace(KEY, turn=4), "server"),
]


@pytest.mark.parametrize(("key", "kind"), [case[1:] for case in CALLS], ids=[case[0] for case in CALLS])
async def test_a_replay_makes_no_call(key: CallKey, kind: str) -> None:
    lost = (turn(n, None, failure=why) for n, why in ((2, "budget"), (3, "deadline"), (4, "server")))
    half = turn(6, "So", failure="budget", finish_reason="budget")
    chat = Replay(turns_of(turn(1), *lost, half))
    with pytest.raises(ProviderError, match=f"turn {key.turn} of chain {key.chain} of problem") as raised:
        await chat.complete(replace(REQUEST, key=key))
    assert raised.value.kind == kind
    await chat.aclose()


async def test_a_replay_answers_critiques_from_their_turn() -> None:
    chat = Replay(turns_of(turn(1), turn(2, critique="Look again."), turn(3)))
    asked = [replace(REQUEST, key=replace(KEY, turn=n, purpose=Purpose.CRITIQUE)) for n in (2, 3)]
    assert await chat.complete(asked[0]) == Completion("Look again.")
    assert await chat.complete(asked[1]) == Completion("", "empty")  # there was none to work from


@given(st.floats(0, 1) | st.integers(0, 100).map(lambda percent: percent / 100))
async def test_a_replay_answers_ratings_with_the_same_number(sure: float) -> None:
    chat = Replay(turns_of(turn(1, confidence=sure)), confidence="asked")
    rating = await chat.complete(replace(REQUEST, key=replace(KEY, purpose=Purpose.RATE)))
    assert read_confidence(rating.reply) == pytest.approx(sure, abs=1e-15)


async def test_a_rating_that_was_none_is_none_again() -> None:
    chat = Replay(turns_of(turn(1)), confidence="asked")
    rating = await chat.complete(replace(REQUEST, key=replace(KEY, purpose=Purpose.RATE)))
    assert rating == Completion("", "empty")


@pytest.mark.parametrize("purpose", [Purpose.RATE, Purpose.SELECT])
async def test_what_no_record_has_is_unrecorded(purpose: Purpose) -> None:
    chat = Replay(turns_of(turn(1, confidence=0.5)))
    with pytest.raises(ProviderError, match=f"the call to {purpose} at turn 1 of chain 1") as raised:
        await chat.complete(replace(REQUEST, key=replace(KEY, purpose=purpose)))
    assert raised.value.kind == "unrecorded"


async def test_a_replay_puts_probabilities_back() -> None:
    chat = Replay(turns_of(turn(1, logprob=-1.5, entropy=0.75), turn(2)))
    replayed = await chat.complete(REQUEST)
    assert (replayed.logprob, replayed.entropy) == (-1.5, 0.75)
    assert (await chat.complete(replace(REQUEST, key=replace(KEY, turn=2)))).logprob is None


async def test_a_replay_puts_the_rounds_of_a_reply_together() -> None:
    recorded = turns_of(turn(1, "Answer: 1"), turn(2, "Answer: 2"), turn(1, "only", chain=2))
    chat = Replay(recorded, rounds=True)
    assert split_rounds((await chat.complete(REQUEST)).reply) == ["Answer: 1", "Answer: 2"]
    other = await chat.complete(replace(REQUEST, key=replace(KEY, chain=2)))
    assert split_rounds(other.reply) == ["only"]


JUDGED = turn(1, "18", verdict="check", reward=0.0, feedback="too small")
ACCEPTED = turn(1, "18", verdict="person", reward=1.0)
UNKNOWN = Verdict(None, None, accepted=False, source="check")


@pytest.mark.parametrize(
    ("recorded", "answer", "verdict"),
    [
        (JUDGED, "18", Verdict(0.0, "too small", accepted=False, source="check")),
        (ACCEPTED, "18", Verdict(1.0, None, accepted=True, source="person")),
        (JUDGED, "19", UNKNOWN),  # read differently now
        (turn(1, "18"), "18", UNKNOWN),
        (turn(1, "18", verdict="reference", reward=1.0), "18", UNKNOWN),  # scored later, steered nothing
        (turn(2, "18", verdict="check", reward=1.0), "18", UNKNOWN),
    ],
)
async def test_recorded_verdicts(recorded: dict[str, Any], answer: str, verdict: Verdict) -> None:
    attempt = Attempt(1, 1, "…", answer, None, None)
    assert await ReplayedVerdicts(turns_of(recorded)).respond(Problem("p", "?"), attempt) == verdict


PROBLEM = Problem("p", "How many?", kind=Kind.NUMBER)


async def rollout(chat: Any, policy: Policy) -> Trajectory:
    def render(problem: Problem, call: Call, done: tuple[Done, ...]) -> tuple[Message, ...]:
        return (Message("user", problem.question, fixed=True),)

    with Comparer(notice=lambda text: None) as comparer:
        setup = Setup(render, chat, comparer, Silent(), sink=lambda done: None)
        return await solve(PROBLEM, policy, Actor(setup))


async def test_a_recorded_run_votes_again_under_other_rules() -> None:
    policy = Policy(turns=4, early_stop=False)
    ran = await rollout(Replying("Answer: 4", "Answer: 5", "Answer: 4", "Answer: 6"), policy)
    record = to_record(ran, index=0, model="m", settings={})
    chat = Replay(turns_of(*record["turns"]))  # type: ignore[misc]
    assert (await rollout(chat, policy)).end == ran.end
    last = await rollout(chat, replace(policy, vote=Vote.LAST))
    assert (last.end.answer, last.end.reason) == ("6", StopReason.TURNS)
    longer = await rollout(chat, replace(policy, turns=5))
    assert (longer.end.answer, longer.end.reason) == ("4", StopReason.UNRECORDED)


REPLY = Completion("4")
STOPS = [
    ([Failure("unrecorded", "…")], StopReason.UNRECORDED),
    ([REPLY, Failure("unrecorded", "…")], StopReason.UNRECORDED),
    ([REPLY, Failure("server", "…")], None),
    ([REPLY, Completion("a", "budget")], StopReason.BUDGET),
    ([Completion("a", "budget"), Failure("deadline", "…")], StopReason.BUDGET),
    ([Completion("a", "length")], None),
    ([Failure("unrecorded", "…"), Failure("budget", "…")], StopReason.BUDGET),
]


@pytest.mark.parametrize(("results", "reason"), STOPS)
def test_a_turn_that_was_never_made_ends_the_run(
    results: list[Completion | Failure], reason: StopReason | None
) -> None:
    done = tuple(Done(Call(chain, 1), result) for chain, result in enumerate(results, 1))
    assert reason_to_stop(Policy(samples=len(results)), done) is reason


def test_the_name_of_a_call_in_a_journal_stays_what_it_was() -> None:
    """Or a run that is resumed with a later version would pay again for the calls in its journal."""
    words = (("system", "Be brief.", False), ("user", "How many? \ud83d é", True), ("assistant", "18", False))
    messages = tuple(Message(*one) for one in words)
    expected = blake2b(b"settings", digest_size=16)
    for role, text, _ in words[:2]:
        encoded = text.encode(errors="surrogatepass")
        expected.update(b"\0%s %d\0" % (role.encode(), len(encoded)) + encoded)
    assert _digest("settings", messages) == expected.hexdigest()
    assert _digest("settings", messages[:2]) == expected.hexdigest()
    everything = _digest("settings", messages[:1] + messages[2:])  # none of which is fixed
    assert everything != _digest("settings", messages[:1])
