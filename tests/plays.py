"""Runs for transcripts: the real driver and the real reading of replies over a chat that knows its lines.

    play({"attempt 1 1": "Answer: 3", "critique 1 2": "Count again."}, policy, at=80)

A line is named by its purpose, chain and turn. Every call takes 1 s, 100 tokens in and 20 out.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rich.console import Console

from rise_cli.chat import Request
from rise_cli.compare import Comparer
from rise_cli.core.domain import (
    Attempt,
    Completion,
    Done,
    Kind,
    Message,
    Policy,
    Problem,
    Shape,
    Trajectory,
    Usage,
    Verdict,
)
from rise_cli.errors import ProviderError
from rise_cli.render.plain import PlainTranscript
from rise_cli.run.act import Actor, Setup
from rise_cli.run.observe import Silent
from rise_cli.run.solve import solve

Lines = Mapping[str, str | Completion]


def ticking() -> Callable[[], float]:
    """A clock that moves two seconds a look."""
    seconds = iter(range(0, 10_000_000, 2))
    return lambda: float(next(seconds))


@dataclass(frozen=True)
class Knowing:
    """A chat that says its lines, and fails where it has none."""

    lines: Lines

    async def complete(self, request: Request) -> Completion:
        key = request.key
        line = self.lines.get(f"{key.purpose} {key.chain} {key.turn}")
        if line is None:
            raise ProviderError("no line for that", kind="server")
        if isinstance(line, Completion):
            return line
        return Completion(line, usage=Usage(100, 20), cost_usd=0.001, latency_s=1.0)

    async def aclose(self) -> None: ...


@dataclass(frozen=True)
class Wants:
    """A judge that accepts one answer, and says so."""

    answer: str

    async def respond(self, problem: Problem, attempt: Attempt) -> Verdict:
        right = attempt.answer == self.answer
        return Verdict(float(right), None if right else f"not {attempt.answer}", right, "check")


def played(
    lines: Lines,
    policy: Policy,
    *,
    kind: Kind = Kind.AUTO,
    confidence: str = "stated",
    judge: Wants | None = None,
    observer: Silent | PlainTranscript | None = None,
) -> Trajectory:
    """The whole run, told to `observer` as it goes."""
    watcher = observer or Silent()
    with Comparer(notice=watcher.notice) as comparer:
        setup = Setup(
            render=lambda problem, call, done: (Message("user", problem.question),),
            chat=Knowing(lines),
            compare=comparer,
            observer=watcher,
            sink=lambda done: None,
            judge=judge,
            confidence="asked" if policy.rates else confidence,
            rounds=policy.turns if policy.shape is Shape.SINGLE else None,
        )
        run = asyncio.run(solve(Problem("p", "What is it?", kind=kind), policy, Actor(setup)))
    watcher.ended(run)
    return run


def transcript(
    stream: io.StringIO, policy: Policy, at: int, *, full: bool = False, color: bool = False
) -> PlainTranscript:
    """A plain transcript on a page of `at` cells."""
    console = Console(
        file=stream,
        width=at,
        height=24,
        color_system="standard" if color else None,
        force_terminal=color,
        legacy_windows=False,
    )
    return PlainTranscript(console, model="openai:m", policy=policy, clock=ticking(), full=full)


def play(lines: Lines, policy: Policy, *, at: int, full: bool = False, **more: object) -> str:
    """What is shown of the run while it goes on."""
    stream = io.StringIO()
    with transcript(stream, policy, at, full=full) as shown:
        played(lines, policy, observer=shown, **more)  # type: ignore[arg-type]
    return stream.getvalue()


def replayed(run: Trajectory, *, at: int, done: Iterable[Done] | None = None) -> str:
    """What is shown of a stored run, one call after the other."""
    stream = io.StringIO()
    with transcript(stream, run.policy, at) as shown:
        for one in run.done if done is None else done:
            shown.asked(one.call)
            shown.finished(one)
        shown.ended(run)
    return stream.getvalue()
