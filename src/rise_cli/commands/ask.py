"""`rise ask`: one question, from the command line to its answer and exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rise_cli.commands import assembly
from rise_cli.commands.question import read_context, read_question
from rise_cli.core.domain import Done, Kind, Problem, Shape, StopReason, Trajectory
from rise_cli.errors import (
    BudgetExhausted,
    DeadlinePassed,
    Interrupted,
    NoAnswer,
    NoMajority,
    RiseError,
    UsageError,
)

if TYPE_CHECKING:
    from rise_cli.check import Judge
    from rise_cli.compare import Comparer
    from rise_cli.render.quiet import Watcher
    from rise_cli.settings import Resolved


_FINE = {
    StopReason.TURNS,
    StopReason.DECIDED,
    StopReason.CONFIDENT,
    StopReason.ACCEPTED,
    StopReason.STOPPED,
}


@dataclass(frozen=True)
class Output:
    """What is to be printed, and how much is to be said about it."""

    full: bool = False
    json: bool = False
    dry_run: bool = False
    verbose: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class People:
    """How a person takes part: `interactive` asks them after every turn."""

    interactive: bool = False


@dataclass(frozen=True)
class Job:
    """Everything that is settled before the first call. `judge` says whether answers are right, if
    anybody does."""

    resolved: Resolved
    problem: Problem
    method: assembly.Method
    at: assembly.Endpoint
    judge: Judge | None
    output: Output
    people: People


def ask(
    question: str | None,
    context: str | None,
    flags: Mapping[str, object],
    output: Output,
    people: People,
) -> int:
    """Answer one question; print the result on stdout and return the exit code.

    Raises the RiseError that ends the program where there is nothing to print.
    """
    from rise_cli.settings import resolve, working_folder

    if output.verbose and output.quiet:
        raise UsageError("--verbose and --quiet exclude each other; give one of them")
    resolved = resolve(flags, env=os.environ, cwd=working_folder())
    settings = resolved.settings
    if people.interactive:
        _check_interactive(output, resolved)
    notices: list[str] = []
    method = assembly.method(resolved)
    problem = _problem(question, context, method.kind)
    at = assembly.endpoint(resolved, os.environ, notices.append)
    keys = frozenset({at.key} if at.key else ())
    job = Job(resolved, problem, method, at, assembly.check(settings, os.environ, keys), output, people)
    if output.dry_run:
        from rise_cli.commands.estimate import show_estimate

        return show_estimate(job.method, problem, at, settings, as_json=output.json)
    with _watched(job) as (watcher, judge):
        job = replace(job, judge=judge)
        for text in notices:
            watcher.notice(text)
        trajectory, error = _run(job, watcher)
    return _conclude(job, trajectory, error)


def _check_interactive(output: Output, resolved: Resolved) -> None:
    """Raise UsageError for what --interactive cannot go together with."""
    if resolved.settings.check is not None:
        where = resolved.origin["check"]
        raise UsageError(f"--interactive and --check ({where}) both judge the answers; leave one of them out")
    if output.dry_run:
        raise UsageError("--dry-run asks nobody, not even you; leave out --interactive")
    if output.quiet:
        raise UsageError("--quiet shows nothing that you could judge; leave out --interactive or --quiet")


@contextmanager
def _watched(job: Job) -> Iterator[tuple[Watcher, Judge | None]]:
    """Yield who shows the run and who judges its answers. A person needs both on one terminal."""
    from rise_cli.render import Verbosity, observer, transcript

    color, env, model, policy = job.resolved.settings.color, os.environ, job.at.name, job.method.policy
    if job.people.interactive:
        from rise_cli.render.person import Person, Terminal

        with (
            Terminal() as terminal,
            transcript(terminal.screen, color=color, env=env, model=model, policy=policy) as shown,
        ):
            yield shown, Person(shown, terminal)
        return
    verbosity = Verbosity.QUIET if job.output.quiet else Verbosity(int(job.output.verbose))
    with observer(
        sys.stderr, verbosity=verbosity, color=color, env=env, model=model, policy=policy
    ) as watcher:
        yield watcher, job.judge


def _problem(question: str | None, context: str | None, kind: Kind) -> Problem:
    from hashlib import sha256

    from rise_cli.core.extract import fix_kind

    if question in (None, "-") and context == "-":
        raise UsageError("stdin cannot be both the question and --context; give one of them otherwise")
    text = read_question(question)
    material = read_context(context) if context is not None else None
    fixed, choices = fix_kind(kind, text)
    key = sha256(f"{text}\0{material or ''}".encode(errors="surrogatepass")).hexdigest()[:16]
    return Problem(key, text, material, kind=fixed, choices=choices)


def _run(job: Job, watcher: Watcher) -> tuple[Trajectory, RiseError | None]:
    """Run the rollout on an event loop of its own, to its end or to its interruption.

    An error that is nobody's `Failure` (a key that is refused in turn 3) ends it too: it is returned
    beside what was done until then, and raised where nothing was.
    """
    import asyncio

    from rise_cli.compare import Comparer
    from rise_cli.run.interrupt import interruptible
    from rise_cli.run.solve import cut_short

    finished: list[Done] = []
    reason, fatal = StopReason.INTERRUPTED, None
    try:
        with Comparer(notice=watcher.notice) as comparer:
            trajectory = asyncio.run(interruptible(_rollout(job, watcher, comparer, finished)))
        if trajectory is not None:
            return trajectory, None
    except RiseError as error:
        if not finished:
            raise
        reason, fatal = StopReason.ERROR, error
    trajectory = cut_short(job.problem, job.method.policy, finished, reason)
    watcher.ended(trajectory)
    return trajectory, fatal


async def _rollout(job: Job, watcher: Watcher, comparer: Comparer, finished: list[Done]) -> Trajectory:
    import asyncio

    from rise_cli.run.act import Actor, Setup
    from rise_cli.run.solve import solve

    settings, policy = job.resolved.settings, job.method.policy
    line = assembly.line(
        settings,
        job.at,
        assembly.tariff(settings, job.at, shown=job.output.json or watcher.shows_cost),
        notice=watcher.notice,
        stream=_streams(job),
        room=assembly.room(job.method, job.problem, settings),
    )
    deadline = None if settings.deadline is None else asyncio.get_running_loop().time() + settings.deadline
    setup = Setup(
        render=job.method.render,
        chat=line.chat,
        compare=comparer,
        observer=watcher,
        sink=finished.append,
        judge=job.judge,
        confidence=settings.confidence,
        rounds=policy.shape is Shape.SINGLE,
        max_tokens=assembly.reply_limit(job.method, job.at, settings),
        deadline=deadline,
    )
    try:
        trajectory = await solve(job.problem, policy, Actor(setup))
    finally:
        await line.chat.aclose()
    watcher.ended(trajectory)
    return trajectory


def _streams(job: Job) -> bool:
    """Stream where it is asked for, and by default where somebody watches."""
    wanted = job.resolved.settings.stream
    if wanted is not None:
        return wanted
    return job.people.interactive or (sys.stderr.isatty() and not job.output.quiet)


def _conclude(job: Job, trajectory: Trajectory, fatal: RiseError | None) -> int:
    """Print the result and say by the exit code, and on stderr, how far it can be relied on."""
    from rise_cli.render.result import answer_text

    log = job.resolved.settings.log
    record = _record(job, trajectory) if job.output.json or log else {}
    verdict = _verdict(job, trajectory) if fatal is None else type(fatal)(f"{fatal}; {_so_far(trajectory)}")
    try:
        if job.output.json:
            from rise_cli.history.record import dumps

            sys.stdout.write(dumps(record) + "\n")
        elif fatal is None and not isinstance(verdict, NoMajority | Interrupted):
            sys.stdout.write(answer_text(trajectory.end, job.output.full))
        sys.stdout.flush()
    finally:
        # Also where nobody reads stdout any more: the answer was paid for.
        if log:
            _remember(job, record)
    if verdict is not None:
        raise verdict
    return 0


def _record(job: Job, trajectory: Trajectory) -> dict[str, object]:
    from rise_cli.history.record import to_record

    return to_record(
        trajectory,
        index=None,
        model=job.at.name,
        settings=_settings_of(job),
        oracle=job.judge is not None,
    )


def _remember(job: Job, record: dict[str, object]) -> None:
    from rise_cli.commands.remember import remember_ask

    remember_ask(record, key=job.at.key, verbose=job.output.verbose, quiet=job.output.quiet)


def _verdict(job: Job, trajectory: Trajectory) -> RiseError | None:
    """The error that ends this run with the right exit code, or None where all went well."""
    end = trajectory.end
    if end.reason in _FINE and end.winner is not None:
        if job.resolved.settings.strict and not end.has_majority:
            return NoMajority(f"no answer has more than half of the votes; {_so_far(trajectory)}")
        return None
    return _misfortune(trajectory)


def _misfortune(trajectory: Trajectory) -> RiseError:
    from rise_cli.history.outcome import why_failed

    end, so_far, why = trajectory.end, _so_far(trajectory), why_failed(trajectory.done)
    cut_off: dict[StopReason, RiseError] = {
        StopReason.BUDGET: BudgetExhausted(f"the budget ended the run ({why}); {so_far}"),
        StopReason.DEADLINE: DeadlinePassed(f"the deadline ended the run; {so_far}"),
        StopReason.INTERRUPTED: Interrupted(f"interrupted; {so_far}"),
    }
    if end.reason in cut_off:
        return cut_off[end.reason]
    if end.winner is None:
        return NoAnswer(f"no turn gave a usable answer: {why}")
    return NoAnswer(f"the provider failed ({why}); {so_far}")


def _so_far(trajectory: Trajectory) -> str:
    end = trajectory.end
    if end.winner is None:
        return "no turn gave an answer before that"
    won = next((t for t in end.votes if t.candidate == end.winner.candidate), None)
    polled = sum(t.count for t in end.votes)
    answer = " ".join((end.winner.answer or "").split())
    short = answer if len(answer) <= 200 else answer[:199] + "…"
    return f"the vote so far is {short!r} with {won.count if won else 0} of {polled} votes"


def _settings_of(job: Job) -> dict[str, object]:
    recorded = assembly.recorded_settings(job.resolved, job.method, job.at.name, job.at.key)
    return {**recorded, "kind": job.problem.kind.value}
