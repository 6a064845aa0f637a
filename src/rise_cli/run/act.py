"""What becomes of one call: its messages, the request, the reply, the answer in it, the verdict.

One `Actor` serves one problem. The order of things is fixed so that a run can be repeated exactly:
replies of one turn may arrive in any order, but they are read in the order of their chains, since an
answer joins the earliest candidate that it equals. A reply that arrived is never lost: on
cancellation it is read at once, without waiting for the others, and handed to the sink.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from rise_cli.chat import CallKey, Chat, Request
from rise_cli.core.canonical import equal
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
    StopReason,
    Verdict,
)
from rise_cli.core.extract import read_answer
from rise_cli.errors import BudgetExhausted, ProviderError, RiseError
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

    `sink` is given every finished call before it is used. `stated` says whether confidences are
    read from replies. `max_tokens` bounds one reply, `deadline` is in seconds on the loop's clock.
    """

    render: Render
    chat: Chat
    compare: Compare
    observer: Observer
    sink: Sink
    judge: Judge | None = None
    stated: bool = True
    max_tokens: int | None = None
    deadline: float | None = None


@dataclass
class Actor:
    """Does the calls of one problem; an instance is the `act` that `solve` wants."""

    setup: Setup
    _unread: dict[Place, asyncio.Event] = field(default_factory=dict)
    _fresh: list[Attempt] = field(default_factory=list)

    async def __call__(self, problem: Problem, call: Call, done: tuple[Done, ...]) -> Done:
        self._unread[call.place] = asyncio.Event()
        attempt: Attempt | None = None
        judging: asyncio.Task[Verdict | None] | None = None
        try:
            self.setup.observer.asked(call)
            result = await self._complete(problem, call, done)
            if isinstance(result, Failure):
                return self._finish(Done(call, result))
            attempt = self._read(problem, call, result)
            if self.setup.judge is not None:
                # A verdict needs no candidate: it is not kept waiting for the chains before this one.
                judging = asyncio.create_task(self._judge(self.setup.judge, problem, attempt))
            attempt = await self._joined(problem, attempt, done)
            self._fresh.append(attempt)
        except asyncio.CancelledError:
            if attempt is not None:
                attempt = self._join(problem, attempt, self._earlier(done), lambda: False)
                self._fresh.append(attempt)
                self.setup.sink(Done(call, result, (attempt,)))
            if judging is not None:
                await _ended(judging)
            raise
        finally:
            self._unread.pop(call.place).set()
        if judging is None:
            return self._finish(Done(call, result, (attempt,)))
        try:
            verdict = await judging
        except (asyncio.CancelledError, RiseError):
            self.setup.sink(Done(call, result, (attempt,)))
            await _ended(judging)
            raise
        return self._finish(Done(call, result, (attempt,), verdict=verdict))

    def _finish(self, done: Done) -> Done:
        self.setup.sink(done)
        self.setup.observer.finished(done)
        return done

    async def _complete(self, problem: Problem, call: Call, done: tuple[Done, ...]) -> Completion | Failure:
        observer = self.setup.observer
        request = Request(
            key=CallKey(problem.key, call.chain, call.turn, call.purpose),
            messages=self.setup.render(problem, call, done),
            max_tokens=self.setup.max_tokens,
            listen=lambda text, reasoning: observer.heard(call, text, reasoning),
            restart=lambda: observer.restarted(call),
        )
        timer = asyncio.timeout_at(self.setup.deadline)
        sent = False
        try:
            async with timer:
                if self.setup.deadline is not None:
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
        except BudgetExhausted as error:
            return Failure(StopReason.BUDGET, str(error))
        except ProviderError as error:
            return Failure(error.kind, str(error), error.lost_attempts)

    def _read(self, problem: Problem, call: Call, result: Completion) -> Attempt:
        """Find the answer and the confidence. What did not end by itself has neither."""
        answer = confidence = None
        if result.finish_reason == "stop":
            answer = read_answer(result.reply, problem.kind, problem.choices)
            confidence = read_confidence(result.reply) if self.setup.stated else None
        return Attempt(call.chain, call.turn, result.reply, answer, None, confidence)

    async def _joined(self, problem: Problem, attempt: Attempt, done: tuple[Done, ...]) -> Attempt:
        """The attempt with its candidate, decided after the lower chains of the turn."""
        for place, event in list(self._unread.items()):
            if place < attempt.place:
                await event.wait()
        earlier = self._earlier(done)
        answer, kind = attempt.answer, problem.kind
        if answer is None or all(equal(answer, other, kind) is not None for other in earlier.values()):
            return self._join(problem, attempt, earlier, lambda: False)
        # Mathematics may take seconds: not on the event loop's thread, and not beyond the deadline.
        late = threading.Event()
        try:
            async with asyncio.timeout_at(self.setup.deadline):
                return await asyncio.to_thread(self._join, problem, attempt, earlier, late.is_set)
        except TimeoutError:
            return self._join(problem, attempt, earlier, lambda: True)
        finally:
            late.set()

    def _join(
        self, problem: Problem, attempt: Attempt, earlier: dict[Place, str], hurried: Callable[[], bool]
    ) -> Attempt:
        """The attempt with the earliest candidate that its answer equals, else a new one of its own.

        Once `hurried`, only what can be told at once counts as equal.
        """
        answer, candidate = attempt.answer, None
        if answer is not None:
            candidate = attempt.place
            for place, other in earlier.items():
                told = equal(answer, other, problem.kind)
                if told or (
                    told is None and not hurried() and self.setup.compare.same(answer, other, problem.kind)
                ):
                    candidate = place
                    break
        return replace(attempt, candidate=candidate)

    def _earlier(self, done: tuple[Done, ...]) -> dict[Place, str]:
        """Each candidate so far with the answer that founded it, earliest first."""
        attempts = [a for d in done for a in d.attempts] + self._fresh
        founders = {a.place: a.answer for a in attempts if a.place == a.candidate and a.answer is not None}
        return dict(sorted(founders.items()))

    async def _judge(self, judge: Judge, problem: Problem, attempt: Attempt) -> Verdict | None:
        """What the judge says, or None where there is no answer, or no time."""
        if attempt.answer is None:
            return None
        try:
            async with asyncio.timeout_at(self.setup.deadline):
                return await judge.respond(problem, attempt)
        except TimeoutError:
            self.setup.observer.notice("the deadline passed before the check was done")
            return None


async def _ended(task: asyncio.Task[Any]) -> None:
    """Cancel `task` and wait until it has cleaned up, whatever it says."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
