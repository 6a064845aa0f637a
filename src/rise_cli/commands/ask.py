"""`rise ask`: one question, from the command line to its answer and exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rise_cli.commands import assembly, wiring
from rise_cli.commands.continuing import Earlier, answer_back, find, inherited
from rise_cli.commands.question import pose, read_context, read_feedback, read_question
from rise_cli.commands.verdict import so_far, verdict
from rise_cli.core.conversation import conversation
from rise_cli.core.domain import Done, Problem, Shape, StopReason, Trajectory
from rise_cli.errors import Interrupted, NoMajority, RiseError, UsageError

if TYPE_CHECKING:
    from rise_cli.check import Judge
    from rise_cli.compare import Comparer
    from rise_cli.render.quiet import Watcher
    from rise_cli.settings import Resolved


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
    """How a person takes part: `interactive` asks them after every turn; `continued` names an earlier run,
    and `feedback` is what they say about its answer."""

    interactive: bool = False
    continued: str | None = None
    feedback: str | None = None


@dataclass(frozen=True)
class Job:
    """Everything that is settled before the first call. `given` are the calls of an earlier run that this
    one goes on from, `parent` is its id. `judge` says whether answers are right, if anybody does."""

    resolved: Resolved
    method: assembly.Method
    problem: Problem
    given: tuple[Done, ...]
    parent: str | None
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
    earlier = _earlier(question, context, people)
    if earlier is not None:
        flags = inherited(earlier, flags, same_question=people.feedback is not None)
    resolved = resolve(flags, env=os.environ, cwd=working_folder())
    settings = resolved.settings
    if people.interactive:
        _check_interactive(output, resolved)
    notices: list[str] = []
    task = _task(question, context, people, assembly.method(resolved), earlier)
    at = assembly.endpoint(resolved, os.environ, notices.append)
    if doubt := assembly.doubt_about(task[0].calibration, at.name, settings):
        notices.append(doubt)
    keys = frozenset({at.key} if at.key else ())
    check = assembly.check(settings, os.environ, keys)
    job = Job(resolved, *task, earlier.id if earlier else None, at, check, output, people)
    if output.dry_run:
        from rise_cli.commands.estimate import show_estimate

        return show_estimate(job.method, job.problem, at, settings, job.given, as_json=output.json)
    with _watched(job) as (watcher, judge):
        job = replace(job, judge=judge)
        for text in notices:
            watcher.notice(text)
        trajectory, error = _run(job, watcher)
    return _conclude(job, trajectory, error)


def _earlier(question: str | None, context: str | None, people: People) -> Earlier | None:
    """The run that is taken up again, if any. Raises UsageError for what does not go together with it."""
    if people.continued is None:
        if people.feedback is not None:
            raise UsageError("--feedback is about an earlier run; name it with --continue ID, or last")
        return None
    if people.feedback is not None and (question is not None or context is not None):
        raise UsageError(
            "--feedback is about the question of the earlier run; leave out the new question and --context"
        )
    return find(people.continued)


def _task(
    question: str | None,
    context: str | None,
    people: People,
    method: assembly.Method,
    earlier: Earlier | None,
) -> tuple[assembly.Method, Problem, tuple[Done, ...]]:
    """What is asked by which rules, and the calls that are there already."""
    if earlier is not None and people.feedback is not None:
        return answer_back(earlier, read_feedback(people.feedback), method)
    if question in (None, "-") and context == "-":
        raise UsageError("stdin cannot be both the question and --context; give one of them otherwise")
    text = read_question(question)
    material = read_context(context) if context is not None else None
    prior = conversation(earlier.run) if earlier is not None else ()
    return method, pose(text, material, method.kind, prior), ()


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
    trajectory = cut_short(job.problem, job.method.policy, [*job.given, *finished], reason)
    watcher.ended(trajectory)
    return trajectory, fatal


async def _rollout(job: Job, watcher: Watcher, comparer: Comparer, finished: list[Done]) -> Trajectory:
    import asyncio

    from rise_cli.run.act import Actor, Setup
    from rise_cli.run.solve import solve

    settings, policy = job.resolved.settings, job.method.policy
    line = wiring.line(
        settings,
        job.at,
        wiring.tariff(settings, job.at, shown=job.output.json or watcher.shows_cost),
        notice=watcher.notice,
        stream=_streams(job),
        room=assembly.room(_roomy(job), job.problem, settings, job.given),
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
    for done in job.given:
        watcher.finished(done)
    try:
        trajectory = await solve(job.problem, policy, Actor(setup), job.given)
    finally:
        await line.chat.aclose()
    watcher.ended(trajectory)
    return trajectory


def _roomy(job: Job) -> assembly.Method:
    """The method as far as room goes: what a person may say stays in sight, and so does what it is about."""
    if not job.people.interactive:
        return job.method
    return replace(job.method, policy=replace(job.method.policy, window=None))


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
    if fatal is None:
        ending = verdict(trajectory, strict=job.resolved.settings.strict)
    else:
        ending = type(fatal)(f"{fatal}; {so_far(trajectory)}")
    try:
        if job.output.json:
            from rise_cli.history.record import dumps

            sys.stdout.write(dumps(record) + "\n")
        elif fatal is None and not isinstance(ending, NoMajority | Interrupted):
            sys.stdout.write(answer_text(trajectory.end, job.output.full))
        sys.stdout.flush()
    finally:
        # Also where nobody reads stdout any more: the answer was paid for.
        if log:
            _remember(job, record)
    if ending is not None:
        raise ending
    return 0


def _record(job: Job, trajectory: Trajectory) -> dict[str, object]:
    from rise_cli.history.record import to_record

    return to_record(
        trajectory,
        index=None,
        model=job.at.name,
        settings=_settings_of(job),
        oracle=job.judge is not None or bool(job.given),
    )


def _remember(job: Job, record: dict[str, object]) -> None:
    from rise_cli.commands.remember import remember_ask

    remember_ask(
        record, key=job.at.key, parent=job.parent, verbose=job.output.verbose, quiet=job.output.quiet
    )


def _settings_of(job: Job) -> dict[str, object]:
    recorded = assembly.recorded_settings(job.resolved, job.method, job.at.name, job.at.key)
    return {**recorded, "kind": job.problem.kind.value}
