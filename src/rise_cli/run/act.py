"""What becomes of one call: its messages, the request, the reply, the answer in it, the verdict.

One `Actor` serves one problem. The order of things is fixed so that a run can be repeated exactly:
replies of one turn may arrive in any order, but they are read in the order of their chains, since an
answer joins the earliest candidate that it equals. A reply that arrived is never lost: on
cancellation it is read at once, without waiting for the others, and handed to the sink.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

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
        try:
            self.setup.observer.asked(call)
            result = await self._complete(problem, call, done)
            finished = await self._read(problem, call, done, result)
        finally:
            self._unread.pop(call.place).set()
        return await self._judged(problem, finished)

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
        try:
            async with timer:
                # A timeout in the past fires at the first suspension, which a chat may not have.
                await asyncio.sleep(0)
                return await self.setup.chat.complete(request)
        except TimeoutError:
            if not timer.expired():
                raise
            return Failure(StopReason.DEADLINE, "the deadline passed before the reply was complete")
        except BudgetExhausted as error:
            return Failure(StopReason.BUDGET, str(error))
        except ProviderError as error:
            return Failure(error.kind, str(error))

    async def _read(
        self, problem: Problem, call: Call, done: tuple[Done, ...], result: Completion | Failure
    ) -> Done:
        """Find the answer and the candidate it equals, after the lower chains of the turn."""
        if isinstance(result, Failure):
            return Done(call, result)
        answer = confidence = None
        if result.finish_reason == "stop":
            answer = read_answer(result.reply, problem.kind, problem.choices)
            confidence = read_confidence(result.reply) if self.setup.stated else None
        try:
            for place, event in list(self._unread.items()):
                if place < call.place:
                    await event.wait()
            candidate = await self._candidate(problem, call, done, answer)
        except asyncio.CancelledError:
            candidate = self._join(problem, call, answer, self._earlier(done))
            attempt = Attempt(call.chain, call.turn, result.reply, answer, candidate, confidence)
            self._fresh.append(attempt)
            self.setup.sink(Done(call, result, (attempt,)))
            raise
        attempt = Attempt(call.chain, call.turn, result.reply, answer, candidate, confidence)
        self._fresh.append(attempt)
        return Done(call, result, (attempt,))

    async def _candidate(
        self, problem: Problem, call: Call, done: tuple[Done, ...], answer: str | None
    ) -> Place | None:
        if answer is None:
            return None
        earlier = self._earlier(done)
        for place, other in earlier.items():
            told = equal(answer, other, problem.kind)
            if told is None:
                # Mathematics may take seconds: not on the event loop's thread.
                return await asyncio.to_thread(self._join, problem, call, answer, earlier)
            if told:
                return place
        return call.place

    def _join(
        self, problem: Problem, call: Call, answer: str | None, earlier: dict[Place, str]
    ) -> Place | None:
        """The earliest candidate that `answer` equals, else a new one of its own."""
        if answer is None:
            return None
        same = self.setup.compare.same
        return next((p for p, other in earlier.items() if same(answer, other, problem.kind)), call.place)

    def _earlier(self, done: tuple[Done, ...]) -> dict[Place, str]:
        """Each candidate so far with the answer that founded it, earliest first."""
        attempts = [a for d in done for a in d.attempts] + self._fresh
        founders = {a.place: a.answer for a in attempts if a.place == a.candidate and a.answer is not None}
        return dict(sorted(founders.items()))

    async def _judged(self, problem: Problem, finished: Done) -> Done:
        verdict = None
        if self.setup.judge and finished.attempts and finished.attempts[-1].answer is not None:
            try:
                async with asyncio.timeout_at(self.setup.deadline):
                    verdict = await self.setup.judge.respond(problem, finished.attempts[-1])
            except TimeoutError:
                self.setup.observer.notice("the deadline passed while the check was running")
            except (asyncio.CancelledError, RiseError):
                self.setup.sink(finished)
                raise
        judged = Done(finished.call, finished.result, finished.attempts, verdict=verdict)
        self.setup.sink(judged)
        self.setup.observer.finished(judged)
        return judged
