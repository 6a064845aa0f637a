"""Finished rows held up to somebody who can tell: a check command, or a judge model.

Each is an async function of a row that fills in the rewards of its turns and `correct`. Rows may be done
side by side; whoever is asked holds back what is too much.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from rise_cli.chat import CallKey, Chat, Request
from rise_cli.core.choices import fix_kind
from rise_cli.core.domain import Attempt, Completion, Kind, Message, Problem, Purpose
from rise_cli.core.judgement import Opinion, read_answers, read_quality, read_verdict
from rise_cli.errors import ProviderError

if TYPE_CHECKING:
    from rise_cli.check import Judge
    from rise_cli.prompts import Judging

T = TypeVar("T")
R = TypeVar("R")


async def in_order(items: Iterable[T], work: Callable[[T], Awaitable[R]], most: int) -> AsyncIterator[R]:
    """Yield what comes of the items, in their order; at most so many are worked on side by side. The first
    error ends it, and cancels what is under way."""
    tasks: deque[asyncio.Future[R]] = deque()
    try:
        for item in items:
            tasks.append(asyncio.ensure_future(work(item)))
            if len(tasks) >= most:
                yield await tasks.popleft()
        while tasks:
            yield await tasks.popleft()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def check_row(record: dict[str, Any], check: Judge, limit: asyncio.Semaphore) -> None:
    """Run the check on the answer of every turn; what a reference said before no longer counts.

    A row without turns cannot be checked. Raises ConfigurationError if the check cannot be started.
    """
    kind, choices = fix_kind(Kind(record["settings"].get("kind", Kind.AUTO)), record["question"])
    problem = Problem(record["id"], record["question"], record["context"], kind=kind, choices=choices)

    async def said(turn: dict[str, Any]) -> None:
        turn["reward"], turn["verdict"] = None, None
        if turn["answer"] is None:
            return
        attempt = Attempt(
            turn["chain"], turn["turn"], turn["reply"] or "", turn["answer"], None, turn["confidence"]
        )
        async with limit:
            turn["reward"] = (await check.respond(problem, attempt)).reward
        turn["verdict"] = "check"

    await asyncio.gather(*(said(turn) for turn in record["turns"]))
    settle(record)


def settle(record: dict[str, Any]) -> None:
    """Fill in `correct` from what was said of the turns: of the answer, the first turn that gave it."""
    if not record["turns"]:
        record["correct"] = None
        return
    rewards = [turn["reward"] for turn in record["turns"] if turn["answer"] == record["answer"]]
    if record["answer"] is None:
        record["correct"] = False if any(turn["reply"] is not None for turn in record["turns"]) else None
    else:
        record["correct"] = None if not rewards or rewards[0] is None else rewards[0] == 1


@dataclass
class ModelJudge:
    """A model that says which answers are right, where there is a reference, and how good replies are,
    where the question is open: without a reference, or of kind text.

    `asked` judgements were wanted, `unreadable` said nothing that could be read, `lost` never came
    (`last_loss` says why). `agreement` counts answers by what exact comparison and the judge said of them.
    """

    chat: Chat
    words: Judging
    max_tokens: int | None = None
    asked: int = 0
    unreadable: int = 0
    lost: int = 0
    last_loss: ProviderError | None = None
    agreement: Counter[tuple[bool, bool]] = field(default_factory=Counter)

    async def judge(self, record: dict[str, Any]) -> list[Opinion]:
        """Judge a row; return what is thought of its replies where the question is open.

        Raises what ends a run: BudgetExhausted, credentials, a model that does not exist.
        """
        kind = record["settings"].get("kind", Kind.AUTO)
        opinions: list[Opinion] = []
        if record["reference"] is not None:
            await self._compare(record)
        if record["reference"] is None or kind == Kind.TEXT:
            came = [turn for turn in record["turns"] if turn["reply"] is not None and not turn.get("given")]
            opinions = list(await asyncio.gather(*(self._rate(record, turn) for turn in came)))
        return opinions

    async def _compare(self, record: dict[str, Any]) -> None:
        """Ask once about each different answer."""
        first = {turn["answer"]: turn for turn in reversed(record["turns"]) if turn["answer"] is not None}
        said = dict(
            zip(
                first,
                await asyncio.gather(
                    *(
                        self._ask(record, turn, self.words.compares(record, answer), read_verdict)
                        for answer, turn in first.items()
                    )
                ),
                strict=True,
            )
        )
        for answer, turn in first.items():
            if turn["verdict"] == "reference" and said[answer] is not None:
                self.agreement[turn["reward"] == 1, bool(said[answer])] += 1
        for turn in record["turns"]:
            verdict = said.get(turn["answer"])
            turn["reward"] = None if verdict is None else float(verdict)
            turn["verdict"] = None if verdict is None else "judge"
        settle(record)

    async def _rate(self, record: Mapping[str, Any], turn: Mapping[str, Any]) -> Opinion:
        """Ask what one reply is worth. Both scores come from one call, which sees nothing but the question
        and this reply: not which turn it is, nor what came before."""

        def read(reply: str) -> tuple[float | None, bool | None] | None:
            seen = read_quality(reply), read_answers(reply)
            return None if None in seen else seen

        both = await self._ask(record, turn, self.words.rates(record, turn["reply"]), read)
        quality, answers = both or (None, None)
        return Opinion(turn["chain"], turn["turn"], quality, answers)

    async def _ask(
        self,
        record: Mapping[str, Any],
        turn: Mapping[str, Any],
        messages: tuple[Message, ...],
        read: Callable[[str], R | None],
    ) -> R | None:
        key = CallKey(record["id"], turn["chain"], turn["turn"], Purpose.RATE)
        self.asked += 1
        try:
            completion: Completion = await self.chat.complete(Request(key, messages, self.max_tokens))
        except ProviderError as error:
            self.lost += 1
            self.last_loss = error
            return None
        said = read(completion.reply) if completion.finish_reason == "stop" else None
        self.unreadable += said is None
        return said
