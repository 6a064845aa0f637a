"""Does a role earn its place? The same open questions with and without it, judged blind.

    uv run python benchmarks/roles.py [--role tutor] [--model local:] [--judge local:] [--turns 1]

Every question of `open_questions.jsonl` is answered twice by `rise batch`, once with the role. A judge
model sees both replies under numbers, in both orders, and picks one each time (`prompts/shared/judge.md`).
A reply that is picked in both orders wins; where the judge follows the order, nobody does. Told are the
wins, how often the judge contradicted itself, and the role's share of the decided questions with
Wilson's 95% interval (Wilson, 1927). A small model as a judge says little: where it mostly follows the
order, the share says next to nothing, and that is told with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
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


async def picked(judge: Chat, question: str, replies: list[str], at: int) -> int | None:
    """The position of the reply that the judge picked."""
    template = Folder(home() / "shared", None).template("judge.md")
    text = fill(template, {"question": question, "replies": replies})
    key = CallKey(question, 1, at, Purpose.SELECT)
    done = await judge.complete(Request(key, (Message("user", text),), max_tokens=64))
    return read_selection(done.reply, 2)


async def judged(options: argparse.Namespace, plain: dict[str, str], played: dict[str, str]) -> None:
    """Judge every pair in both orders, and tell what came of it."""
    judge = connect(options.judge, sampling=Sampling(), notice=print, context_tokens=4096)
    won = lost = order = unread = 0
    questions = [question for question in plain if question in played]
    for question in questions:
        pair = [plain[question], played[question]]
        first = await picked(judge, question, pair, 1)
        second = await picked(judge, question, pair[::-1], 2)
        if first is None or second is None:
            unread += 1
        elif first == second:  # the same place, so another reply
            order += 1
        elif first == 1:
            won += 1
        else:
            lost += 1
    await judge.aclose()
    print(f"{len(questions)} questions: {won} for the role, {lost} against, {order} after their order")
    print(f"alone, {unread} not readable (role {options.role}, judge {options.judge})")
    if won + lost:
        low, high = wilson(won, won + lost)
        print(f"the role won {won / (won + lost):.0%} of those decided ({low:.0%} to {high:.0%})")
    if order + unread >= won + lost:
        print("the judge contradicts itself more often than not: this says next to nothing about the role")


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
    options = parser.parse_args()
    plain, played = answers(options), answers(options, "--role", options.role)
    asyncio.run(judged(options, plain, played))


if __name__ == "__main__":
    main()
