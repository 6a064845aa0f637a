"""`rise batch`: a file of problems, from the command line to its rows, summary and exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_cli.commands import plan as planning
from rise_cli.commands.conclusion import Conclusion
from rise_cli.commands.output import Files, brought_up, opened
from rise_cli.commands.part import Part
from rise_cli.commands.plan import Plan, Way
from rise_cli.commands.remember import remember_batch
from rise_cli.commands.report import Report
from rise_cli.commands.wish import STDIO, Wish, output
from rise_cli.compare import Comparer
from rise_cli.core.domain import Shape, StopReason, Trajectory
from rise_cli.errors import ReaderGone, RiseError, RowsUnread, UsageError
from rise_cli.history.journal import settings_digest
from rise_cli.history.record import to_record
from rise_cli.history.results import Results
from rise_cli.history.rows import Recorded
from rise_cli.problems import BadRow, Fields, Problems, Row
from rise_cli.render.amounts import counted
from rise_cli.run.act import Actor, Setup
from rise_cli.run.batch import GRACE_S, Driver, End, Worked
from rise_cli.run.book import Book, unread
from rise_cli.run.breaker import Held, outage
from rise_cli.run.feed import at_once, beside
from rise_cli.run.garbage import settled
from rise_cli.run.interrupt import at_first_signal
from rise_cli.run.loop import run_in_loop
from rise_cli.run.scoring import score
from rise_cli.run.silence import Silence, patience_s
from rise_cli.run.solve import solve

if TYPE_CHECKING:
    from rise_cli.chat import Chat
    from rise_cli.render.progress import Meter

_MOST_TOLD = 20  # bad lines


def batch(path: str, fields: Fields, wish: Wish, flags: Mapping[str, object]) -> int:
    """Solve every problem of the file that has no row yet; return the exit code.

    Raises the RiseError that ends the program in any other way than well.
    """
    out, problems = output(path, wish), Problems(path, fields)
    if wish.dry_run:
        from rise_cli.commands.estimate import show_batch_estimate

        return show_batch_estimate(problems, flags)
    notices: list[str] = []
    with contextlib.ExitStack() as stack:
        if wish.replay is None:
            plan = planning.live(problems, flags, notices.append)
        else:
            recording = Recorded(Path(wish.replay), notice=notices.append)
            stack.callback(recording.close)
            plan = planning.replay(wish.replay, recording, flags, notices.append)
        run = Run(problems, replace(wish, out=out), plan)
        end = run.go(notices)
    return run.conclusion.of(end)


class Run:
    """One file of rows, from its opening to the exit code. It is the only one of its command, or `part`."""

    def __init__(self, problems: Problems, wish: Wish, plan: Plan, part: Part | None = None) -> None:
        self._problems, self._wish, self._plan = problems, wish, plan
        self._part = part or Part()
        self.report = Report(
            wish,
            problems.count(),  # also where nobody is shown it: a damaged file is found now
            judged=plan.judge is not None,
            kept=plan.resolved.settings.log,
            priced=plan.resolved.settings.price is not None,
            part=self._part.name,
        )
        self._told = 0
        self.conclusion = Conclusion(wish, self.report, self._part.name, plan.key)

    def go(self, notices: list[str]) -> End:
        """Run it, show and write the summary, and keep it in the log."""
        from rise_cli.render.progress import meter

        settings, quiet = self._plan.resolved.settings, self._wish.quiet
        look = self.report.look
        watcher = meter(sys.stderr, quiet=quiet, color=settings.color, env=os.environ, look=look)
        try:
            with watcher, Comparer(notice=watcher.notice) as comparer:
                for text in notices:
                    watcher.notice(text)
                if self._wish.out == STDIO:
                    watcher.notice("rows go to stdout, without a journal: a run that is stopped starts over")
                end = run_in_loop(self._main(watcher, comparer), starts_programs=self._plan.judge is not None)
        except RiseError as error:
            if self.report.is_paid(error):
                self.report.tell()
            book = self.report.book
            if isinstance(error, ReaderGone) and book is not None:
                done = self.conclusion.done(book.totals.problems)
                raise RowsUnread(f"who read stdout has left: the run ended with {done}") from None
            raise
        self.report.tell()
        if settings.log and self.report.summary:
            path, out = self._problems.path, str(self._wish.out)
            remember_batch(self._plan, path, out, self.report.summary, ended=end.value, quiet=quiet)
        return end

    async def _main(self, watcher: Meter, comparer: Comparer) -> End:
        loop, settings = asyncio.get_running_loop(), self._plan.resolved.settings
        deadline = None if settings.deadline is None else loop.time() + settings.deadline
        if self._part.until is not None:
            deadline = loop.time() + self._part.until - time.monotonic()
        with opened(self._wish, self._plan, watcher.notice) as files:
            # The SDK is loaded while a second process looks through the rows of a long file.
            way = self.report.way = self._plan.way(
                self._part.once(watcher.notice), lambda text: self._retried(text, watcher)
            )
            try:
                end = await self._solved(files, way, comparer, watcher, deadline)
            finally:
                await way.chat.aclose()
        self.conclusion.waiting += files.lost
        return end

    async def _solved(
        self, files: Files, way: Way, comparer: Comparer, watcher: Meter, deadline: float | None
    ) -> End:
        """Solve the problems into the files."""
        chat: Chat = way.chat
        if files.journal is not None:
            from rise_cli.chat.recording import Recording

            chat = self.report.recording = Recording(chat, files.journal, settings_digest(self._plan.sent))
        method = self._plan.method
        setup = Setup(
            render=method.render,
            chat=chat,
            compare=comparer,
            observer=watcher,
            sink=lambda done: None,
            judge=self._plan.judge,
            confidence=self._plan.resolved.settings.confidence,
            rounds=method.policy.turns if method.policy.shape is Shape.SINGLE else None,
            max_tokens=self._plan.max_tokens,
            deadline=deadline,
            listens=False,
        )
        book = self.report.book = Book(files.rows, files.journal, files.room)
        end = await self._drive(setup, book, way, watcher)
        files.patience_s = GRACE_S if end is End.INTERRUPTED else None
        if isinstance(files.rows, Results):
            whole = None if self._part.name else self._problems.path
            end = await brought_up(files.rows, end, comparer, watcher.notice, whole)
            self.conclusion.waiting = files.rows.pending
            self.conclusion.at_least = not files.rows.known
        self.conclusion.ok, self.conclusion.failed = book.ok, book.failed
        files.complete = end is End.COMPLETE and not book.unread
        return end

    async def _drive(self, setup: Setup, book: Book, way: Way, watcher: Meter) -> End:
        settings = self._plan.resolved.settings
        driver = self.report.driver = Driver(
            lambda row: self._one(row, setup, book),
            width=lambda: way.limits.width,
            door=way.door,
            deadline=setup.deadline,
            silence=Silence(patience_s(settings.max_wait), settings.timeout),
        )
        way.limits.changed = driver.look_again
        problems = self._problems
        feed: AsyncIterator[Sequence[Row | BadRow]] = (
            at_once(problems.groups()) if problems.at_hand else beside(problems.rows())
        )
        ticking = asyncio.ensure_future(_tick(watcher))
        try:
            with at_first_signal(partial(self._stop, driver, way, watcher)), settled():
                left = book.left(feed, lambda item, name: self._bad(item, name, watcher))
                return await driver.run(left)
        except UsageError as error:
            # A damaged end of the input, a bad line with --fail-fast, a model that is not there.
            raise UsageError(f"{error}{self.conclusion.done_by(book)}") from None
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)

    def _stop(self, driver: Driver, way: Way, watcher: Meter) -> None:
        driver.interrupt()
        calls = counted(way.door.sent, "call", "calls")
        # With old rows in the file, how to go on depends on what these calls come to, and is said then.
        how = "" if self.conclusion.is_stale else f"; {self.conclusion.resumption()}"
        watcher.notice(
            f"stopping: {calls} in flight may finish for {GRACE_S:g} s; Ctrl-C again ends now{how}"
        )

    async def _one(self, row: Row, setup: Setup, book: Book) -> Worked:
        """Solve a problem and write its row, unless it was cut off or the provider may be down. Raises
        what must end the run."""
        self.report.solving()
        problem = self._plan.pose(row)
        trajectory = await solve(problem, self._plan.method.policy, Actor(setup))
        reason = trajectory.end.reason
        if reason in {StopReason.BUDGET, StopReason.DEADLINE}:
            return Worked(reason)
        record = self._record(trajectory, row)
        await score(record, problem.kind, setup.compare)
        # A replay asks nobody who could be down.
        if self._plan.journalled and (why := outage(trajectory)) is not None:
            return Worked(reason, Held(why, partial(book.write, record)))
        book.write(record)
        return Worked(reason)

    def _record(self, trajectory: Trajectory, row: Row) -> dict[str, Any]:
        model = self._plan.model_of(row)
        if self._plan.method.policy.strict and not trajectory.end.has_majority:
            trajectory = replace(trajectory, end=replace(trajectory.end, winner=None))
        return to_record(
            trajectory,
            index=row.index,
            model=model,
            settings={**self._plan.settings, "model": model, "kind": trajectory.problem.kind.value},
            reference=row.reference,
            extra=row.extra,
            oracle=self._plan.judge is not None,
        )

    def _bad(self, item: BadRow, name: str, watcher: Meter) -> Mapping[str, Any]:
        """The row of a line that poses no problem. Raises UsageError where that ends the run."""
        what = f"line {item.line}: {item.error}"
        if self._wish.fail_fast:
            raise UsageError(f"{what} (or leave out --fail-fast)")
        self._told += 1
        if self._told <= _MOST_TOLD:
            watcher.notice(what)
        elif self._told == _MOST_TOLD + 1:
            watcher.notice("further bad lines are told by their rows alone")
        kind = self._plan.method.kind
        plan = self._plan
        return to_record(
            unread(name, kind, plan.method.policy),
            index=item.index,
            model=str(plan.settings.get("model", "")),
            settings={"model": "", **plan.settings, "kind": kind.value},
            error=what,
        )

    def _retried(self, text: str, watcher: Meter) -> None:
        self.report.retries += 1
        if self._wish.verbose:
            watcher.notice(text)


async def _tick(watcher: Meter) -> None:
    while True:
        await asyncio.sleep(watcher.interval_s)
        watcher.tick()
