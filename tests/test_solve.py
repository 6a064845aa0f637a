"""The driver and what becomes of each call: any order of arrival, any way of ending, nothing lost."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import pytest
from rollouts import rollout

from rise_cli.chat import Request
from rise_cli.core.canonical import equal
from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Failure,
    Kind,
    Message,
    Place,
    Policy,
    Problem,
    Purpose,
    StopReason,
    Trajectory,
    Verdict,
)
from rise_cli.errors import (
    BudgetExhausted,
    ConfigurationError,
    CredentialsError,
    ProviderError,
    UsageError,
)
from rise_cli.run.act import Actor, Setup
from rise_cli.run.interrupt import interruptible
from rise_cli.run.observe import Silent
from rise_cli.run.solve import cut_short, solve

PROBLEM = Problem("p", "What is it?", kind=Kind.CHOICE)
FORMULA = Problem("p", "Which formula?", kind=Kind.MATH)
HOUR = 3600.0

Answer = str | Completion | Exception | Callable[[], Awaitable[str]]
"""What a chat does in one call: reply, fail, or do as it is told."""


@dataclass
class Hand:
    """A chat written by hand: what it does at each (chain, turn), and `beside` in calls that are no
    attempts, by (purpose, chain, turn). Each call waits for its gate, if it has one, and `cleaning` steps
    of the loop when it is cancelled."""

    answers: dict[tuple[int, int], Answer]
    gates: dict[tuple[int, int], asyncio.Event] = field(default_factory=dict)
    cleaning: int = 0
    beside: dict[tuple[Purpose, int, int], Answer] = field(default_factory=dict)
    asked: list[tuple[int, int]] = field(default_factory=list)
    cleaned: list[tuple[int, int]] = field(default_factory=list)

    async def complete(self, request: Request) -> Completion:
        place = (request.key.chain, request.key.turn)
        self.asked.append(place)
        try:
            if place in self.gates:
                await self.gates[place].wait()
            attempt = request.key.purpose is Purpose.ATTEMPT
            answer = self.answers[place] if attempt else self.beside[request.key.purpose, *place]
            if callable(answer):
                answer = await answer()
        except asyncio.CancelledError:
            for _ in range(self.cleaning):
                await asyncio.sleep(0)
            self.cleaned.append(place)
            raise
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Completion) else Completion(f"Answer: {answer}")

    async def aclose(self) -> None: ...


async def for_ever() -> str:
    await asyncio.Event().wait()
    raise AssertionError("for ever is over")


def hand(*chains: Sequence[Answer], **more: Any) -> Hand:
    """A chat whose chain n does in turn t what `chains[n - 1][t - 1]` says."""
    answers = {(c, t): a for c, chain in enumerate(chains, 1) for t, a in enumerate(chain, 1)}
    return Hand(answers, **more)


class Spelling:
    """Answers are the same if they are spelt the same."""

    def same(self, a: str, b: str, kind: Kind) -> bool:
        return a == b


@dataclass(frozen=True)
class Pairs:
    """Answers are the same if these pairs say so: not transitive, as mathematics by algorithm is not."""

    pairs: frozenset[frozenset[str]]

    def same(self, a: str, b: str, kind: Kind) -> bool:
        return a == b or frozenset({a, b}) in self.pairs


@dataclass
class Told(Silent):
    """An observer that writes down what it is told."""

    heard_of: list[str] = field(default_factory=list)

    def asked(self, call: Call) -> None:
        self.heard_of.append(f"asked {call.chain}.{call.turn}")

    def finished(self, done: Done) -> None:
        self.heard_of.append(f"finished {done.call.chain}.{done.call.turn}")

    def notice(self, text: str) -> None:
        self.heard_of.append(text)


@dataclass
class Rig:
    """One problem's run with everything around it made by hand."""

    chat: Hand
    compare: Any = field(default_factory=Spelling)
    judge: Any = None
    observer: Told = field(default_factory=Told)
    sunk: list[Done] = field(default_factory=list)
    deadline: float | None = None
    confidence: str = "stated"
    rounds: int | None = None

    def actor(self) -> Actor:
        return Actor(
            Setup(
                render=lambda problem, call, done: (Message("user", problem.question),),
                chat=self.chat,
                compare=self.compare,
                observer=self.observer,
                sink=self.sunk.append,
                judge=self.judge,
                confidence=self.confidence,
                rounds=self.rounds,
                deadline=self.deadline,
            )
        )

    async def run(
        self, policy: Policy, problem: Problem = PROBLEM, done: tuple[Done, ...] = ()
    ) -> Trajectory:
        return await solve(problem, policy, self.actor(), done)


def candidates(done: Sequence[Done]) -> dict[str, str | None]:
    """Which candidate each attempt joined, as `{"chain.turn": "chain.turn"}`."""
    return {
        f"{a.chain}.{a.turn}": a.candidate and f"{a.candidate.chain}.{a.candidate.turn}"
        for d in sorted(done, key=lambda d: d.call.place)
        for a in d.attempts
    }


async def settle() -> None:
    """Let everything that can go on go on, comparisons in threads included."""
    for _ in range(20):
        await asyncio.sleep(0)
    await asyncio.to_thread(lambda: None)
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
async def no_task_left() -> AsyncIterator[None]:
    """No task outlives a run."""
    yield
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def all_read() -> AsyncIterator[None]:
    """No error of a task goes unread, which asyncio says when the task is collected."""
    unread: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context))
    yield
    gc.collect()
    assert not unread


# To the end


async def test_a_run_to_its_end() -> None:
    rig = Rig(hand(["A", "B", "B"]))
    trajectory = await rig.run(Policy(turns=3))
    assert rig.chat.asked == [(1, 1), (1, 2), (1, 3)]
    assert trajectory.end.answer == "B"
    assert trajectory.end.reason is StopReason.TURNS
    assert candidates(trajectory.done) == {"1.1": "1.1", "1.2": "1.2", "1.3": "1.2"}
    assert tuple(rig.sunk) == trajectory.done
    assert rig.observer.heard_of == [
        f"{what} 1.{turn}" for turn in (1, 2, 3) for what in ("asked", "finished")
    ]


async def test_calls_of_a_turn_run_side_by_side_and_turns_one_after_the_other() -> None:
    gates = {(chain, 1): asyncio.Event() for chain in (1, 2, 3)}
    rig = Rig(hand(*[["A", "A"]] * 3, gates=gates))
    run = asyncio.ensure_future(rig.run(Policy(turns=2, samples=3)))
    await settle()
    assert rig.chat.asked == [(1, 1), (2, 1), (3, 1)]
    gates[1, 1].set()
    gates[3, 1].set()
    await settle()
    assert len(rig.chat.asked) == 3
    gates[2, 1].set()
    await run
    assert rig.chat.asked == [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2)]


def test_the_formulas_below_are_left_to_algebra() -> None:
    assert {equal(a, b, Kind.MATH) for a, b in permutations(("x+1", "x+2", "x+3"), 2)} == {None}


# x+1 = x+2 and x+2 = x+3, but not x+1 = x+3: who is read first decides what is the same.
CHAINED = Pairs(frozenset({frozenset({"x+1", "x+2"}), frozenset({"x+2", "x+3"})}))


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
@pytest.mark.parametrize(
    ("problem", "answers", "expected"),
    [
        (PROBLEM, ("A", "A", "B"), {"1.1": "1.1", "2.1": "1.1", "3.1": "3.1"}),
        (PROBLEM, ("B", "A", "A"), {"1.1": "1.1", "2.1": "2.1", "3.1": "2.1"}),
        (FORMULA, ("x+1", "x+2", "x+3"), {"1.1": "1.1", "2.1": "1.1", "3.1": "3.1"}),
        (FORMULA, ("x+2", "x+1", "x+3"), {"1.1": "1.1", "2.1": "1.1", "3.1": "1.1"}),
        (FORMULA, ("x+3", "x+1", "x+2"), {"1.1": "1.1", "2.1": "2.1", "3.1": "1.1"}),
    ],
)
async def test_the_order_of_arrival_changes_nothing(
    order: tuple[int, ...], problem: Problem, answers: tuple[str, ...], expected: dict[str, str]
) -> None:
    gates = {(chain, 1): asyncio.Event() for chain in (1, 2, 3)}
    rig = Rig(hand(*([answer] for answer in answers), gates=gates), CHAINED)
    run = asyncio.ensure_future(rig.run(Policy(turns=1, samples=3), problem))
    for chain in order:
        await settle()
        gates[chain, 1].set()
    trajectory = await run
    assert candidates(trajectory.done) == expected
    assert [d.call.chain for d in trajectory.done] == [1, 2, 3]
    assert trajectory.end.votes[0].candidate == Place(1, 1) or answers == ("B", "A", "A")


async def test_an_answer_joins_the_candidates_of_earlier_turns() -> None:
    rig = Rig(hand(["x+1", "x+3", "x+2"]), CHAINED)
    trajectory = await rig.run(Policy(turns=3, early_stop=False), FORMULA)
    # x+2 equals both; the earlier one has it.
    assert candidates(trajectory.done) == {"1.1": "1.1", "1.2": "1.2", "1.3": "1.1"}


async def test_candidates_never_merge() -> None:
    """x+2 equals x+1 and so votes with it; x+3 equals x+2, but x+2 founded nothing."""
    rig = Rig(hand(["x+1", "x+2", "x+3"]), CHAINED)
    trajectory = await rig.run(Policy(turns=3, early_stop=False), FORMULA)
    assert candidates(trajectory.done) == {"1.1": "1.1", "1.2": "1.1", "1.3": "1.3"}


async def test_a_chain_that_fails_holds_up_nobody() -> None:
    gates = {(1, 1): asyncio.Event()}
    rig = Rig(hand([ProviderError("down", kind="server")], ["A"], ["A"], gates=gates))
    run = asyncio.ensure_future(rig.run(Policy(turns=1, samples=3)))
    await settle()
    gates[1, 1].set()
    trajectory = await run
    assert trajectory.done[0].result == Failure("server", "down")
    assert candidates(trajectory.done) == {"2.1": "2.1", "3.1": "2.1"}
    # A failed call is finished as well, and everybody is told.
    assert {d.call.chain for d in rig.sunk} == {1, 2, 3}


@pytest.mark.parametrize("finish_reason", ["length", "refusal", "filtered", "empty"])
async def test_a_reply_that_is_none_is_a_turn_that_does_not_vote(finish_reason: str) -> None:
    cut = Completion("Answer: A\nConfidence: 100%", finish_reason=finish_reason)
    trajectory = await Rig(hand([cut, "B"])).run(Policy(turns=2))
    (attempt,) = trajectory.done[0].attempts
    assert (attempt.answer, attempt.candidate, attempt.confidence) == (None, None, None)
    assert attempt.reply == cut.reply
    assert trajectory.end.answer == "B"


@pytest.mark.parametrize(("source", "confidence"), [("stated", 0.8), ("none", None), ("asked", None)])
async def test_confidences_are_read_if_asked_for(source: str, confidence: float | None) -> None:
    rig = Rig(hand([Completion("Answer: A\nConfidence: 80%")]), confidence=source)
    trajectory = await rig.run(Policy(turns=1))
    assert trajectory.done[0].attempts[0].confidence == confidence


async def test_a_reply_without_an_answer_is_not_judged() -> None:
    rig = Rig(hand([Completion("I do not know.")]), judge=Judging({}))
    trajectory = await rig.run(Policy(turns=1))
    assert (trajectory.end.answer, trajectory.done[0].verdict) == (None, None)


# Resumed


async def test_a_run_goes_on_from_what_is_done() -> None:
    rig = Rig(hand(["A", "B", "A"], ["B", "B", "A"]))
    policy = Policy(turns=3, samples=2, early_stop=False)
    whole = await rig.run(policy)
    for length in range(len(whole.done) + 1):
        again = Rig(hand(["A", "B", "A"], ["B", "B", "A"]))
        resumed = await again.run(policy, done=whole.done[:length])
        assert resumed == whole
        assert [(d.call.chain, d.call.turn) for d in whole.done[length:]] == again.chat.asked
        assert again.sunk == list(whole.done[length:])


async def test_a_run_that_is_over_asks_nobody() -> None:
    rig = Rig(hand())
    done = rollout("A A A")
    trajectory = await rig.run(Policy(turns=5), done=done)
    assert trajectory.end.reason is StopReason.DECIDED
    assert trajectory.done == done
    assert rig.chat.asked == []


async def test_new_answers_join_the_candidates_of_what_is_done() -> None:
    trajectory = await Rig(hand([], ["A", "B"])).run(Policy(turns=1, samples=2), done=rollout("A"))
    assert candidates(trajectory.done) == {"1.1": "1.1", "2.1": "1.1"}


async def test_an_answer_joins_the_earliest_candidate_whatever_was_done_first() -> None:
    """Chain 2 was done before the interruption, chain 1 after it; x+2 equals the answers of both."""
    there = Done(Call(2, 1), Completion("x+1"), (Attempt(2, 1, "x+1", "x+1", Place(1, 2), None),))
    rig = Rig(hand(["x+3", "x+2"], ["-", "x+9"]), CHAINED)
    trajectory = await rig.run(Policy(turns=2, samples=2, early_stop=False), FORMULA, (there,))
    assert candidates(trajectory.done) == {"1.1": "1.1", "2.1": "2.1", "1.2": "1.1", "2.2": "2.2"}


# Failures


@pytest.mark.parametrize(
    "kind", ["rate_limited", "server", "connection", "timeout", "broken", "context", "rejected"]
)
async def test_what_befalls_one_call_is_its_failure(kind: str) -> None:
    rig = Rig(hand([ProviderError("so it went", kind=kind), "A"], ["A", "A"]))
    trajectory = await rig.run(Policy(turns=2, samples=2, early_stop=False))
    assert trajectory.done[0] == Done(Call(1, 1), Failure(kind, "so it went"))
    assert trajectory.end.reason is StopReason.TURNS
    assert trajectory.end.votes[0].count == 3


async def test_a_turn_in_which_every_call_fails_ends_the_run() -> None:
    rig = Rig(hand(["A", ProviderError("down", kind="server")]))
    trajectory = await rig.run(Policy(turns=5))
    assert rig.chat.asked == [(1, 1), (1, 2)]
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.ERROR, "A")


async def test_the_budget_ends_the_run_with_the_vote_so_far() -> None:
    rig = Rig(hand(["A", "A"], ["B", BudgetExhausted("3 cents are left")], ["B", "A"]))
    trajectory = await rig.run(Policy(turns=5, samples=3))
    assert trajectory.end.reason is StopReason.BUDGET
    assert trajectory.done[4].result == Failure("budget", "3 cents are left")
    # The calls beside it are finished, and vote.
    assert (trajectory.end.answer, trajectory.end.votes[0].count) == ("A", 3)


@pytest.mark.parametrize(
    "error",
    [
        CredentialsError("the key is refused"),
        ConfigurationError("no such proxy"),
        UsageError("no such model"),
        TimeoutError("a bug: nobody set a time"),
        ZeroDivisionError("a bug"),
    ],
)
async def test_what_concerns_the_whole_run_ends_it(all_read: None, error: Exception) -> None:
    """The calls beside it are cancelled and clean up, and what they had brought is kept."""
    gates = {(2, 1): asyncio.Event()}
    rig = Rig(hand(["A"], [error], [for_ever], gates=gates, cleaning=3))
    run = asyncio.ensure_future(rig.run(Policy(turns=2, samples=3)))
    await settle()
    gates[2, 1].set()
    with pytest.raises(type(error)) as caught:
        await run
    assert caught.value is error
    assert rig.chat.cleaned == [(3, 1)]
    assert candidates(rig.sunk) == {"1.1": "1.1"}


async def test_when_several_fail_at_once_none_goes_unread(all_read: None) -> None:
    async def fail() -> str:
        raise CredentialsError("refused")

    async def fail_on_the_way_out() -> str:
        try:
            return await for_ever()
        finally:
            raise OSError("closing failed")

    rig = Rig(hand([fail], [fail], [fail_on_the_way_out], [for_ever]))
    with pytest.raises(CredentialsError):
        await rig.run(Policy(turns=1, samples=4))


async def test_messages_that_cannot_be_rendered_end_the_run(all_read: None) -> None:
    def render(problem: Problem, call: Call, done: tuple[Done, ...]) -> tuple[Message, ...]:
        raise UsageError("'revise.md', line 1: 'x' is undefined")

    rig = Rig(hand(["A"], ["A"]))
    actor = Actor(Setup(render, rig.chat, rig.compare, rig.observer, rig.sunk.append))
    with pytest.raises(UsageError):
        await solve(PROBLEM, Policy(samples=2), actor)


# The deadline


class Clock:
    """The loop's clock, which can be put forward: nobody waits for a deadline here."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ahead = 0.0

    def time(self) -> float:
        return self._now() + self._ahead

    def forward(self, seconds: float) -> None:
        self._ahead += seconds


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    loop = asyncio.get_running_loop()
    clock = Clock(loop.time)
    monkeypatch.setattr(loop, "time", clock.time)
    return clock


async def test_a_deadline_that_has_passed_sends_nothing() -> None:
    rig = Rig(hand(["A"], ["A"]), deadline=asyncio.get_running_loop().time() - 1)
    trajectory = await rig.run(Policy(turns=5, samples=2))
    assert rig.chat.asked == []
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.DEADLINE, None)
    assert [d.result for d in trajectory.done] == [
        Failure("deadline", "the deadline passed before the reply was complete")
    ] * 2


async def test_a_deadline_in_the_middle_of_a_call_keeps_the_others(clock: Clock) -> None:
    """Chain 1 holds up the reading of chain 2 until its time is over; then that reply is read."""
    rig = Rig(hand(["A", for_ever], ["B", "A"], cleaning=3))
    rig.deadline = clock.time() + HOUR
    run = asyncio.ensure_future(rig.run(Policy(turns=5, samples=2)))
    await settle()
    assert len(rig.sunk) == 2
    clock.forward(HOUR)
    trajectory = await run
    assert trajectory.end.reason is StopReason.DEADLINE
    assert rig.chat.cleaned == [(1, 2)]
    assert candidates(trajectory.done) == {"1.1": "1.1", "2.1": "2.1", "2.2": "1.1"}
    assert trajectory.end.answer == "A"


async def test_a_deadline_after_the_run_changes_nothing() -> None:
    rig = Rig(hand(["A", "A"]), deadline=asyncio.get_running_loop().time() + HOUR)
    trajectory = await rig.run(Policy(turns=2))
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.TURNS, "A")


async def test_a_deadline_while_a_check_runs_leaves_the_attempt_unjudged(clock: Clock) -> None:
    rig = Rig(hand(["A", "B"]), judge=Judging({"A": for_ever}))
    rig.deadline = clock.time() + HOUR
    run = asyncio.ensure_future(rig.run(Policy(turns=5)))
    await settle()
    clock.forward(HOUR)
    trajectory = await run
    assert trajectory.done[0].verdict is None
    assert "the deadline passed before the answer was judged" in rig.observer.heard_of
    assert rig.chat.asked == [(1, 1)]
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.DEADLINE, "A")


# Checks

ACCEPTED = Verdict(1.0, None, True, "check")
REJECTED = Verdict(0.0, "no", False, "check")


@dataclass
class Judging:
    """A judge that knows what it says to each answer, and waits for its gate if it has one."""

    verdicts: dict[str, Verdict | Exception | Callable[[], Awaitable[str]]]
    gates: dict[int, asyncio.Event] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    async def respond(self, problem: Problem, attempt: Attempt) -> Verdict:
        self.asked.append(attempt.chain)
        if attempt.chain in self.gates:
            await self.gates[attempt.chain].wait()
        verdict = self.verdicts[attempt.answer or ""]
        if callable(verdict):
            await verdict()
        if isinstance(verdict, Exception):
            raise verdict
        assert isinstance(verdict, Verdict)
        return verdict


async def test_an_accepted_attempt_ends_the_run() -> None:
    rig = Rig(hand(["A", "B", "C"]), judge=Judging({"A": REJECTED, "B": ACCEPTED}))
    trajectory = await rig.run(Policy(turns=5))
    assert [d.verdict for d in trajectory.done] == [REJECTED, ACCEPTED]
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.ACCEPTED, "B")


async def test_checks_of_a_turn_run_side_by_side() -> None:
    gates = {1: asyncio.Event()}
    judge = Judging({"A": REJECTED, "B": ACCEPTED}, gates)
    rig = Rig(hand(["A"], ["B"]), judge=judge)
    run = asyncio.ensure_future(rig.run(Policy(turns=1, samples=2)))
    await settle()
    assert judge.asked == [1, 2]
    assert [d.call.chain for d in rig.sunk] == [2]
    gates[1].set()
    trajectory = await run
    assert trajectory.end.answer == "B"


async def test_a_check_does_not_wait_for_the_chains_before_it(clock: Clock) -> None:
    """What the deadline cuts off is the slow chain, not the verdict on the quick one."""
    gates = {(1, 1): asyncio.Event()}
    judge = Judging({"B": ACCEPTED})
    rig = Rig(hand(["A"], ["B"], gates=gates), judge=judge)
    rig.deadline = clock.time() + HOUR
    run = asyncio.ensure_future(rig.run(Policy(turns=1, samples=2)))
    await settle()
    assert judge.asked == [2]
    clock.forward(HOUR)
    trajectory = await run
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.ACCEPTED, "B")


async def test_a_check_that_cannot_start_ends_the_run_and_loses_no_reply(all_read: None) -> None:
    rig = Rig(hand(["A"], ["B"]), judge=Judging({"A": ConfigurationError("not runnable"), "B": for_ever}))
    with pytest.raises(ConfigurationError):
        await rig.run(Policy(turns=1, samples=2))
    assert candidates(rig.sunk) == {"1.1": "1.1", "2.1": "2.1"}
    assert [d.verdict for d in rig.sunk] == [None, None]


# Interrupted


async def stopped(run: asyncio.Task[Trajectory]) -> None:
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


def vote(rig: Rig, policy: Policy, problem: Problem = PROBLEM) -> Trajectory:
    return cut_short(problem, policy, rig.sunk, StopReason.INTERRUPTED)


async def test_replies_that_wait_to_be_read_are_kept_and_vote_together(all_read: None) -> None:
    """Chain 1 never replies, so chains 2 to 4 are not read until the run is cancelled."""
    policy = Policy(turns=3, samples=4)
    rig = Rig(hand([for_ever], ["A"], ["B"], ["A"], cleaning=2))
    run = asyncio.ensure_future(rig.run(policy))
    await settle()
    assert rig.sunk == []
    await stopped(run)
    assert rig.chat.cleaned == [(1, 1)]
    assert candidates(rig.sunk) == {"2.1": "2.1", "3.1": "3.1", "4.1": "2.1"}
    end = vote(rig, policy).end
    assert (end.reason, end.answer) == (StopReason.INTERRUPTED, "A")
    assert [(t.answer, t.count) for t in end.votes] == [("A", 2), ("B", 1)]


async def test_a_check_that_is_running_costs_no_reply() -> None:
    policy = Policy(turns=3, samples=2)
    judge = Judging({"A": for_ever, "B": REJECTED})
    rig = Rig(hand(["A"], ["B"]), judge=judge)
    run = asyncio.ensure_future(rig.run(policy))
    await settle()
    await stopped(run)
    assert [(d.call.chain, d.verdict) for d in rig.sunk] == [(2, REJECTED), (1, None)]
    trajectory = vote(rig, policy)
    assert trajectory.end.answer == "A"
    assert [d.call.chain for d in trajectory.done] == [1, 2]


async def test_a_comparison_that_is_running_costs_no_reply() -> None:
    """Algebra runs in a thread that nobody can stop; the reply is compared again, at once."""
    begun, end = threading.Event(), threading.Event()

    class Slow:
        def same(self, a: str, b: str, kind: Kind) -> bool:
            if threading.current_thread() is not threading.main_thread():
                begun.set()
                end.wait()
            return True

    policy = Policy(turns=2)
    rig = Rig(hand(["x+1", "x+2"]), Slow())
    run = asyncio.ensure_future(rig.run(policy, FORMULA))
    try:
        await asyncio.to_thread(begun.wait)
        await stopped(run)
    finally:
        end.set()
    assert candidates(rig.sunk) == {"1.1": "1.1", "1.2": "1.1"}
    assert vote(rig, policy, FORMULA).end.votes[0].count == 2


async def test_the_deadline_holds_for_a_comparison_too() -> None:
    end = threading.Event()

    class Endless:
        def same(self, a: str, b: str, kind: Kind) -> bool:
            end.wait()
            return True

    rig = Rig(hand(["x+1", "x+2"]), Endless())
    rig.deadline = asyncio.get_running_loop().time() + 0.2
    try:
        trajectory = await rig.run(Policy(turns=3), FORMULA)
    finally:
        end.set()
    assert candidates(trajectory.done[:2]) == {"1.1": "1.1", "1.2": "1.2"}
    assert trajectory.end.reason is StopReason.DEADLINE


async def test_what_the_provider_may_charge_for_is_remembered() -> None:
    lost = ProviderError("cut", kind="broken", billed=True)
    rig = Rig(hand([lost]))
    trajectory = await rig.run(Policy(turns=1))
    assert trajectory.done[0].result == Failure("broken", "cut", lost_attempts=1)


async def test_finished_turns_and_half_a_turn_are_voted_on() -> None:
    policy = Policy(turns=5, samples=2)
    rig = Rig(hand(["A", for_ever], ["B", "B"]))
    run = asyncio.ensure_future(rig.run(policy))
    await settle()
    await stopped(run)
    trajectory = vote(rig, policy)
    assert [d.call.place for d in trajectory.done] == [Place(1, 1), Place(1, 2), Place(2, 2)]
    assert (trajectory.end.answer, trajectory.end.votes[0].count) == ("B", 2)


async def test_a_run_cancelled_before_any_reply_has_no_answer() -> None:
    rig = Rig(hand([for_ever]))
    run = asyncio.ensure_future(rig.run(Policy()))
    await settle()
    await stopped(run)
    assert rig.sunk == []
    assert vote(rig, Policy()).end.winner is None


async def test_a_call_that_is_cancelled_cleans_up_undisturbed(all_read: None) -> None:
    """A stream is closed and a check's processes are reaped: a second cancellation would cut that off.

    Chain 1 is gone at once, and with it the waiting for all of them; chains 2 and 3 take their time.
    """
    rig = Rig(hand(["A"], [for_ever], [for_ever], cleaning=5), judge=Judging({"A": for_ever}))
    run = asyncio.ensure_future(rig.run(Policy(samples=3)))
    await settle()
    await stopped(run)
    assert sorted(rig.chat.cleaned) == [(2, 1), (3, 1)]
    assert candidates(rig.sunk) == {"1.1": "1.1"}


# Signals


@pytest.fixture
def handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_cancels_the_work_and_none_is_returned(
    handlers: None, number: signal.Signals
) -> None:
    policy = Policy(samples=2)
    rig = Rig(hand([for_ever], ["A"], cleaning=3))

    async def signalled() -> None:
        await settle()
        os.kill(os.getpid(), number)

    sender = asyncio.ensure_future(signalled())
    assert await interruptible(rig.run(policy)) is None
    await sender
    assert rig.chat.cleaned == [(1, 1)]
    assert vote(rig, policy).end.answer == "A"
    # A second one would now end the program.
    assert signal.getsignal(number) is signal.SIG_DFL


async def test_without_a_signal_the_result_is_returned_and_the_handlers_are_gone(handlers: None) -> None:
    assert await interruptible(asyncio.sleep(0, "done")) == "done"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_errors_of_the_work_are_raised(handlers: None) -> None:
    async def fail() -> None:
        raise CredentialsError("refused")

    with pytest.raises(CredentialsError):
        await interruptible(fail())


async def test_a_cancellation_from_elsewhere_is_one(handlers: None) -> None:
    run = asyncio.ensure_future(interruptible(for_ever()))
    await settle()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_off_the_main_thread_signals_are_left_as_they_are(handlers: None) -> None:
    kept = signal.getsignal(signal.SIGINT)
    assert await asyncio.to_thread(lambda: asyncio.run(interruptible(asyncio.sleep(0, 7)))) == 7
    assert signal.getsignal(signal.SIGINT) is kept


PROGRAM = """
import asyncio, sys
from rise_cli.run.interrupt import interruptible

async def work():
    print("working", flush=True)
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print("unwinding", flush=True)
        await asyncio.sleep(float(sys.argv[1]))
        print("unwound", flush=True)
        raise

print(asyncio.run(interruptible(work())), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [False, True])
def test_a_real_program_unwinds_once_and_ends_at_once_the_second_time(
    number: signal.Signals, second: bool
) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "3600" if second else "0"], stdout=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout
        try:
            assert program.stdout.readline() == "working\n"
            program.send_signal(number)
            assert program.stdout.readline() == "unwinding\n"
            if second:
                program.send_signal(number)
            rest = program.stdout.read()
        finally:
            program.kill()
    if second:
        assert (rest, program.returncode) == ("", -number)
    else:
        assert (rest, program.returncode) == ("unwound\nNone\n", 0)


async def test_calls_that_are_cancelled_before_they_begin_leave_nothing_behind() -> None:
    async def act(problem: Problem, call: Call, done: tuple[Done, ...]) -> Done:
        raise AssertionError("it was never to begin")

    running = asyncio.create_task(solve(PROBLEM, Policy(samples=2), act))
    await asyncio.sleep(0)  # the calls are made tasks, and none has taken its first step
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    gc.collect()  # a coroutine that was never awaited would warn here
