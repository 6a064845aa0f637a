"""What becomes of one call: its messages, the request, the reply, the answer in it, the verdict.

One `Actor` serves one problem. The order of things is fixed so that a run can be repeated exactly:
replies of one turn may arrive in any order, but they are read in the order of their chains, since an
answer joins the earliest candidate that it equals. A reply that arrived is never lost: on
cancellation it is read at once, without waiting for the others, and handed to the sink.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from rise_cli.chat import CallKey, Chat, Request
from rise_cli.core.confidence import read_confidence
from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Failure,
    Kind,
    Message,
    Place,
    Problem,
    Purpose,
    StopReason,
    Verdict,
)
from rise_cli.core.extract import read_answer
from rise_cli.core.rounds import split_rounds
from rise_cli.core.selecting import read_selection
from rise_cli.errors import BudgetExhausted, ProviderError, RiseError
from rise_cli.run.joining import join
from rise_cli.run.observe import Observer

if TYPE_CHECKING:
    from rise_cli.check import Judge

Render = Callable[[Problem, Call, tuple[Done, ...]], tuple[Message, ...]]
Sink = Callable[[Done], None]


class Compare(Protocol):
    """Whether two answers are the same. May take seconds, on any thread."""

    def same(self, a: str, b: str, kind: Kind) -> bool: ...


@dataclass(frozen=True)
class Setup:
    """The outside world as one call needs it, shared by all problems of a run.

    `sink` is given every finished call before it is used. `confidence` says where confidences come
    from: `stated` in the reply, `logprob`, `asked` in a call of its own, or `none`. `rounds`: a reply
    holds a whole rollout of so many rounds at most. `max_tokens` bounds one reply, `deadline` is in seconds
    on the loop's clock. `listens` says whether the observer wants replies as they arrive.
    """

    render: Render
    chat: Chat
    compare: Compare
    observer: Observer
    sink: Sink
    judge: Judge | None = None
    confidence: str = "stated"
    rounds: int | None = None
    max_tokens: int | None = None
    deadline: float | None = None
    listens: bool = True


@dataclass
class Actor:
    """Does the calls of one problem; an instance is the `act` that `solve` wants."""

    setup: Setup
    # The attempts that are being made, and what those wait for that are to be read after them.
    _unread: dict[Place, asyncio.Event | None] = field(default_factory=dict)
    _fresh: list[Attempt] = field(default_factory=list)

    def __call__(self, problem: Problem, call: Call, done: tuple[Done, ...]) -> Coroutine[Any, Any, Done]:
        made = self._attempt if call.purpose is Purpose.ATTEMPT else self._beside
        return made(problem, call, done)

    async def _beside(self, problem: Problem, call: Call, done: tuple[Done, ...]) -> Done:
        """A call that is no attempt."""
        self.setup.observer.asked(call)
        result = await self._complete(problem, call, done)
        if isinstance(result, Failure) or result.finish_reason != "stop":
            return self._finish(Done(call, result))
        match call.purpose:
            case Purpose.RATE:
                return self._finish(Done(call, result, rating=read_confidence(result.reply)))
            case Purpose.SELECT:
                chosen = read_selection(result.reply, len(call.sees))
                return self._finish(Done(call, result, selected=chosen))
        return self._finish(Done(call, result))

    async def _attempt(self, problem: Problem, call: Call, done: tuple[Done, ...]) -> Done:
        self._unread[call.place] = None
        attempts: tuple[Attempt, ...] = ()
        judging: asyncio.Task[Verdict | None] | None = None
        try:
            self.setup.observer.asked(call)
            result = await self._complete(problem, call, done)
            if isinstance(result, Failure):
                return self._finish(Done(call, result))
            attempts = self._read(problem, call, result)
            if self.setup.judge is not None:
                # A verdict needs no candidate: it is not kept waiting for the chains before this one.
                judging = asyncio.create_task(self._judge(self.setup.judge, problem, attempts[-1]))
            attempts = await self._joined(problem, call, attempts, done)
            self._fresh += attempts
        except asyncio.CancelledError:
            if attempts:
                attempts = self._join_hard(problem, attempts, self._earlier(done), lambda: False)
                self._fresh += attempts
                self.setup.sink(Done(call, result, attempts))
            if judging is not None:
                await _ended(judging)
            raise
        finally:
            if (waited_for := self._unread.pop(call.place)) is not None:
                waited_for.set()
        if judging is None:
            return self._finish(Done(call, result, attempts))
        try:
            verdict = await judging
        except (asyncio.CancelledError, RiseError):
            self.setup.sink(Done(call, result, attempts))
            await _ended(judging)
            raise
        return self._finish(Done(call, result, attempts, verdict=verdict))

    def _finish(self, done: Done) -> Done:
        self.setup.sink(done)
        self.setup.observer.finished(done)
        return done

    async def _complete(self, problem: Problem, call: Call, done: tuple[Done, ...]) -> Completion | Failure:
        setup = self.setup
        key = CallKey(problem.key, call.chain, call.turn, call.purpose)
        messages = setup.render(problem, call, done)
        if setup.listens:
            request = Request(
                key,
                messages,
                setup.max_tokens,
                listen=lambda text, reasoning: setup.observer.heard(call, text, reasoning),
                restart=lambda: setup.observer.restarted(call),
            )
        else:
            request = Request(key, messages, setup.max_tokens)
        try:
            if setup.deadline is None:
                return await setup.chat.complete(request)
            return await self._in_time(request, setup.deadline)
        except BudgetExhausted as error:
            return Failure(StopReason.BUDGET, str(error))
        except ProviderError as error:
            return Failure(error.kind, str(error), error.lost_attempts)

    async def _in_time(self, request: Request, deadline: float) -> Completion | Failure:
        sent = False
        try:
            async with asyncio.timeout_at(deadline) as timer:
                # A timeout in the past fires at the first suspension, which a chat may not have.
                await asyncio.sleep(0)
                sent = True
                return await self.setup.chat.complete(request)
        except TimeoutError:
            if not timer.expired():
                raise
            return Failure(
                StopReason.DEADLINE, "the deadline passed before the reply was complete", int(sent)
            )

    def _read(self, problem: Problem, call: Call, result: Completion) -> tuple[Attempt, ...]:
        """Find the answers and the confidences: one, or one for each round that the reply holds. What
        did not end by itself has neither."""
        if result.finish_reason != "stop":
            return (Attempt(call.chain, call.turn, result.reply, None, None, None),)
        if self.setup.rounds is None:
            return (self._read_one(problem, call, result.reply, result, 0),)
        rounds = split_rounds(result.reply, self.setup.rounds)
        return tuple(self._read_one(problem, call, text, result, later) for later, text in enumerate(rounds))

    def _read_one(self, problem: Problem, call: Call, text: str, result: Completion, later: int) -> Attempt:
        return Attempt(
            chain=call.chain,
            turn=call.turn + later,
            reply=text,
            answer=read_answer(text, problem.kind, problem.choices),
            candidate=None,
            confidence=self._confidence(text, result),
            entropy=result.entropy,
        )

    def _confidence(self, text: str, result: Completion) -> float | None:
        match self.setup.confidence:
            case "stated":
                return read_confidence(text)
            case "logprob" if result.logprob is not None:
                # The geometric mean of the tokens' probabilities.
                return min(1.0, math.exp(result.logprob))
        return None  # not wanted, or asked for in a call of its own

    async def _joined(
        self, problem: Problem, call: Call, attempts: tuple[Attempt, ...], done: tuple[Done, ...]
    ) -> tuple[Attempt, ...]:
        """The attempts with their candidates, decided after the lower chains of the turn."""
        for place in [place for place in self._unread if place < call.place]:
            if place in self._unread:
                event = self._unread[place] = self._unread[place] or asyncio.Event()
                await event.wait()
        earlier = self._earlier(done)
        if (joined := join(problem.kind, attempts, earlier, lambda a, b: None)) is not None:
            return joined
        # Mathematics may take seconds: not on the event loop's thread, and not beyond the deadline.
        late = threading.Event()
        try:
            async with asyncio.timeout_at(self.setup.deadline):
                return await asyncio.to_thread(self._join_hard, problem, attempts, earlier, late.is_set)
        except TimeoutError:
            return self._join_hard(problem, attempts, earlier, lambda: True)
        finally:
            late.set()

    def _join_hard(
        self,
        problem: Problem,
        attempts: tuple[Attempt, ...],
        earlier: dict[Place, str],
        hurried: Callable[[], bool],
    ) -> tuple[Attempt, ...]:
        """As `join`, with algebra where spelling does not tell. Once `hurried`, only what can be told at
        once counts as equal."""

        def told(answer: str, other: str) -> bool:
            return not hurried() and self.setup.compare.same(answer, other, problem.kind)

        return join(problem.kind, attempts, earlier, told) or ()

    def _earlier(self, done: tuple[Done, ...]) -> dict[Place, str]:
        """Each candidate so far with the answer that founded it, earliest first."""
        founders: dict[Place, str] = {}
        for attempts in (*(one.attempts for one in done), self._fresh):
            for attempt in attempts:
                if attempt.answer is not None and attempt.candidate == attempt.place:
                    founders[attempt.place] = attempt.answer
        return founders if len(founders) < 2 else dict(sorted(founders.items()))

    async def _judge(self, judge: Judge, problem: Problem, attempt: Attempt) -> Verdict | None:
        """What the judge says, or None where there is no answer, or no time."""
        if attempt.answer is None:
            return None
        try:
            async with asyncio.timeout_at(self.setup.deadline):
                return await judge.respond(problem, attempt)
        except TimeoutError:
            self.setup.observer.notice("the deadline passed before the answer was judged")
            return None


async def _ended(task: asyncio.Task[Any]) -> None:
    """Cancel `task` and wait until it has cleaned up, whatever it says."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
