"""Does a role earn its place? The same open questions with and without it, judged blind.

    uv run python benchmarks/roles.py [--role tutor] [--model local:] [--judge local:] [--turns 1]

Every question of `open_questions.jsonl` is answered twice by `rise batch`, once with the role. A judge
model sees both replies under numbers, in both orders, and picks one each time (`prompts/shared/judge.md`).
A reply that is picked in both orders wins; where the judge follows the order, it is a tie. Told are the
wins, losses and ties, the role's share of the decided questions with Wilson's 95% interval (Wilson,
1927), and how often the judge picked what stood first, which is half of the time if the order means
nothing to it.

A small model writes no verdict that could be read. Where a `local:` judge does not, it is not asked to
write one: llama.cpp is held to each of the two verdicts by a grammar, and the one to whose tokens the
model gives the greater probability is what it leans to. How far it leans, in nats, is known then, so
the pull of the order can be taken out too: the lean of one order less that of the other decides every
pair. That is told apart, since it is not what was picked twice.

What came of it with the embedded model as both, `--max-tokens 120 --seed 1`, 20 questions, role tutor:

    0 won by the role, 1 lost, 19 ties; 1 pair judged by words, 19 by the likelier verdict, none not readable
    the role's share of those decided: 0 of 1, 0% (95% interval 0% to 79%)
    picked what stood first: 39 of 40, 98% (95% interval 87% to 100%), by 0.98 on the mean
    with the pull of the order taken out, for the role: 8 of 19, 42% (95% interval 23% to 64%)

So no effect of the role was found, and none ruled out: what stands first takes it all. A judge of 135 million
parameters knows next to nothing about what serves a person. That run shows that the measuring works,
and nothing about roles; name a judge of size with `--judge`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from rise_cli.chat import CallKey, Chat, Request, Sampling, connect
from rise_cli.core.domain import Message, Purpose
from rise_cli.core.selecting import read_selection
from rise_cli.prompts import home
from rise_cli.prompts.templates import Folder, fill

QUESTIONS = Path(__file__).with_name("open_questions.jsonl")
_Z = 1.959964  # of the normal distribution, for 95%


def answers(options: argparse.Namespace, *role: str) -> dict[str, str]:
    """The winning reply to each question that got one."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "results.jsonl")
        command = [
            sys.executable, "-m", "rise_cli", "batch", str(QUESTIONS), "-o", str(out), "-m", options.model,
            "--kind", "text", "--turns", str(options.turns), "--max-tokens", str(options.max_tokens), "-q",
            "--seed", str(options.seed),
            "--no-log", *role,
        ]  # fmt: skip
        subprocess.run(command, check=False)
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    # A reply that reached the limit is as good as any here: both sides have the same one.
    return {row["question"]: reply for row in rows if (reply := _reply(row))}


def _reply(row: dict[str, object]) -> str | None:
    if row["answer"]:
        return str(row["answer"])
    turns = row["turns"]
    assert isinstance(turns, list)
    return next((turn["reply"] for turn in turns if turn["reply"]), None)


@dataclass(frozen=True)
class Pair:
    """How far the judge leans to the role's reply in each order: where it stands first, and second.

    Above 0 it picks that reply, below 0 the other. A verdict in words is 1 or -1; a lean by probability
    is in nats.
    """

    first: float
    second: float
    by_words: bool

    @property
    def verdict(self) -> int:
        """1 if the role's reply was picked in both orders, -1 if the other was, else 0."""
        return (min(self.first, self.second) > 0) - (max(self.first, self.second) < 0)

    @property
    def without_order(self) -> float:
        """The lean with the pull of the order taken out."""
        return self.first + self.second


@dataclass(frozen=True)
class Judge:
    """Asks which of two replies is better. `held` are chats that can write one verdict each and nothing
    else; None where the provider has no grammar for that."""

    free: Chat
    held: tuple[Chat, Chat] | None

    async def pair(self, question: str, plain: str, played: str) -> Pair | None:
        """Return the judgement, or None where there is none."""
        orders = [_asked(question, [played, plain], 1), _asked(question, [plain, played], 2)]
        picks = [read_selection((await self.free.complete(request)).reply, 2) for request in orders]
        if None not in picks:
            return Pair(1.0 if picks[0] == 0 else -1.0, 1.0 if picks[1] == 1 else -1.0, by_words=True)
        if self.held is None:
            return None
        return Pair(await self._lean(orders[0]), -await self._lean(orders[1]), by_words=False)

    async def _lean(self, request: Request) -> float:
        """How much likelier the verdict for what stands first is, in nats."""
        assert self.held is not None
        one, other = [await _likelihood(chat, request) for chat in self.held]
        return one - other


def _asked(question: str, replies: list[str], at: int) -> Request:
    template = Folder(home() / "shared", None).template("judge.md")
    text = fill(template, {"question": question, "replies": replies})
    return Request(CallKey(question, 1, at, Purpose.SELECT), (Message("user", text),), max_tokens=64)


async def _likelihood(chat: Chat, request: Request) -> float:
    """The log probability of the whole verdict. Two verdicts differ in their last token alone."""
    done = await chat.complete(request)
    assert done.logprob is not None
    assert done.usage is not None
    return done.logprob * done.usage.output_tokens


def _connected(name: str, sampling: Sampling) -> Chat:
    return connect(name, sampling=sampling, notice=lambda text: None, context_tokens=4096)


def _holding(name: str, number: int) -> Chat:
    grammar = f'root ::= "The better choice is Response {number}"'
    return _connected(name, Sampling(temperature=0.0, logprobs=0, extra={"grammar": grammar}))


async def judged(name: str, plain: dict[str, str], played: dict[str, str]) -> list[Pair | None]:
    """Judge every pair of replies in both orders."""
    async with AsyncExitStack() as stack:
        chats = [_connected(name, Sampling())]
        if name.startswith("local:"):
            chats += [_holding(name, number) for number in (1, 2)]
        for chat in chats:
            await stack.enter_async_context(aclosing(chat))
        judge = Judge(chats[0], (chats[1], chats[2]) if len(chats) > 1 else None)
        return [await judge.pair(q, plain[q], played[q]) for q in plain if q in played]


def told(pairs: list[Pair | None]) -> Iterator[str]:
    """What came of it, line by line."""
    read = [pair for pair in pairs if pair is not None]
    won, lost = (sum(pair.verdict == side for pair in read) for side in (1, -1))
    ties = len(read) - won - lost
    yield f"{len(pairs)} questions: {won} won by the role, {lost} lost, {ties} ties after the order alone"
    words = sum(pair.by_words for pair in read)
    unread = len(pairs) - len(read)
    yield f"judged by words {words}, by the likelier verdict {len(read) - words}, not readable {unread}"
    if won + lost:
        yield f"the role's share of those decided: {_share(won, won + lost)}"
    leans = [lean for pair in read for lean in (pair.first, -pair.second)]  # to what stands first
    if leans:
        firsts = sum(lean > 0 for lean in leans)
        mean = sum(leans) / len(leans)
        yield f"picked what stood first: {_share(firsts, len(leans))}; mean lean to it {mean:+.2f}"
    clear = [pair for pair in read if pair.without_order]
    if clear:
        better = sum(pair.without_order > 0 for pair in clear)
        yield f"with the pull of the order taken out, for the role: {_share(better, len(clear))}"
    if ties + unread >= won + lost:
        yield "the judge contradicts itself more often than not: this says next to nothing about the role"


def _share(hits: int, trials: int) -> str:
    low, high = wilson(hits, trials)
    return f"{hits} of {trials}, {hits / trials:.0%} (95% interval {low:.0%} to {high:.0%})"


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Wilson's interval of a share, 95%."""
    share, spread = hits / trials, _Z * _Z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--role", default="tutor")
    parser.add_argument("--model", default="local:")
    parser.add_argument("--judge", default="local:")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--max-tokens", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    plain, played = answers(options), answers(options, "--role", options.role)
    print(f"role {options.role}, model {options.model}, judge {options.judge}")
    print("\n".join(told(asyncio.run(judged(options.judge, plain, played)))))


if __name__ == "__main__":
    main()
