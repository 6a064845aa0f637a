"""`rise batch`: a file of problems, from the command line to its rows, summary and exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_cli.commands import plan as planning
from rise_cli.commands.plan import Plan
from rise_cli.commands.remember import remember_batch
from rise_cli.commands.wish import STDIO, Wish, output
from rise_cli.compare import Comparer
from rise_cli.core.domain import Shape, StopReason, Trajectory
from rise_cli.errors import (
    BudgetExhausted,
    DeadlinePassed,
    Interrupted,
    ProblemsFailed,
    RiseError,
    UsageError,
)
from rise_cli.history.journal import Journal, settings_digest
from rise_cli.history.lines import Lines
from rise_cli.history.record import to_record
from rise_cli.history.results import Results
from rise_cli.history.rows import Recorded, recorded
from rise_cli.problems import BadRow, Fields, Row, count, rows
from rise_cli.run.act import Actor, Setup
from rise_cli.run.batch import Driver, End
from rise_cli.run.book import Book, unread
from rise_cli.run.feed import at_once, beside
from rise_cli.run.interrupt import at_first_signal
from rise_cli.run.scoring import score
from rise_cli.run.solve import solve
from rise_cli.run.totals import Totals

if TYPE_CHECKING:
    from rise_cli.chat import Chat
    from rise_cli.chat.door import Door
    from rise_cli.render.progress import Meter, Standing

_MOST_TOLD = 20  # bad lines


def batch(problems: str, fields: Fields, wish: Wish, flags: Mapping[str, object]) -> int:
    """Solve every problem of the file that has no row yet; return the exit code.

    Raises the RiseError that ends the program in any other way than well.
    """
    out = output(problems, wish)
    notices: list[str] = []
    with contextlib.ExitStack() as stack:
        if wish.replay is None:
            plan = planning.live(problems, fields, flags, notices.append)
        else:
            recording = Recorded(Path(wish.replay))
            stack.callback(recording.close)
            plan = planning.replay(wish.replay, recording, flags)
        run = _Run(problems, fields, replace(wish, out=out), plan)
        end = run.go(notices)
    if plan.resolved.settings.log:
        remember_batch(plan, problems, out, run.summary, ended=end.value, quiet=wish.quiet)
    return run.conclude(end)


class _Run:
    """One run of `rise batch`, from its open files to its summary."""

    def __init__(self, problems: str, fields: Fields, wish: Wish, plan: Plan) -> None:
        self._problems, self._fields, self._wish, self._plan = problems, fields, wish, plan
        self._total = None if wish.quiet else count(problems, fields)
        self._is_file = problems != STDIO and Path(problems).is_file()
        self._began = time.monotonic()
        self._complete = False
        self._retries = self._told = 0
        self._ok = self._failed = 0
        self._book: Book | None = None
        self._driver: Driver | None = None
        self.summary: dict[str, object] = {}

    def go(self, notices: list[str]) -> End:
        """Run it, and show and write the summary."""
        from rise_cli.render.progress import meter

        settings, quiet = self._plan.resolved.settings, self._wish.quiet
        watcher = meter(sys.stderr, quiet=quiet, color=settings.color, env=os.environ, look=self._look)
        with watcher, Comparer(notice=watcher.notice) as comparer:
            for text in notices:
                watcher.notice(text)
            if self._wish.out == STDIO:
                watcher.notice("rows go to stdout, without a journal: a run that is stopped starts over")
            end = asyncio.run(self._main(watcher, comparer))
        self._tell()
        return end

    async def _main(self, watcher: Meter, comparer: Comparer) -> End:
        loop, settings = asyncio.get_running_loop(), self._plan.resolved.settings
        deadline = None if settings.deadline is None else loop.time() + settings.deadline
        way = self._plan.way(watcher.notice, lambda text: self._retried(text, watcher))
        try:
            with self._files(watcher) as (out, journal):
                chat: Chat = way.chat
                if journal is not None:
                    from rise_cli.chat.recording import Recording

                    chat = Recording(chat, journal, settings_digest(self._plan.sent))
                self._book = Book(out, journal)
                setup = Setup(
                    render=self._plan.method.render,
                    chat=chat,
                    compare=comparer,
                    observer=watcher,
                    sink=lambda done: None,
                    judge=self._plan.judge,
                    confidence=settings.confidence,
                    rounds=self._plan.method.policy.shape is Shape.SINGLE,
                    max_tokens=settings.max_tokens,
                    deadline=deadline,
                )
                end = await self._drive(setup, way.width, way.door, watcher)
                if isinstance(out, Results):
                    if end is End.COMPLETE:
                        out.finish()
                    self._ok, self._failed = out.ok, out.failed
                self._complete = end is End.COMPLETE
        finally:
            await way.chat.aclose()
        return end

    async def _drive(self, setup: Setup, width: Callable[[], int], door: Door, watcher: Meter) -> End:
        assert self._book is not None  # noqa: S101 - `_main` has set it
        driver = self._driver = Driver(
            lambda row: self._one(row, setup), width=width, door=door, deadline=setup.deadline
        )
        items = rows(self._problems, self._fields)
        feed: AsyncIterator[Row | BadRow] = at_once(items) if self._is_file else beside(items)
        ticking = asyncio.ensure_future(_tick(watcher))
        try:
            with at_first_signal(driver.interrupt):
                left = self._book.left(feed, lambda item, name: self._bad(item, name, watcher))
                return await driver.run(left)
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)

    async def _one(self, row: Row, setup: Setup) -> StopReason:
        """Solve a problem and write its row, unless it was cut off. Raises what must end the run."""
        assert self._book is not None  # noqa: S101 - `_main` has set it
        problem = self._plan.pose(row)
        trajectory = await solve(problem, self._plan.method.policy, Actor(setup))
        reason = trajectory.end.reason
        if reason in {StopReason.BUDGET, StopReason.DEADLINE}:
            return reason
        record = self._record(trajectory, row)
        await score(record, problem.kind, setup.compare)
        self._book.write(record)
        return reason

    def _record(self, trajectory: Trajectory, row: Row) -> dict[str, Any]:
        model = self._plan.model_of(row)
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

    @contextlib.contextmanager
    def _files(self, watcher: Meter) -> Iterator[tuple[Results | Lines, Journal | None]]:
        """The output and its journal, open and locked; both are let go however the run ends."""
        wish, name = self._wish, str(self._wish.out)
        if name == STDIO:
            lines = Lines(_to_stdout, ordered=wish.ordered, slim=wish.slim)
            with contextlib.closing(lines):
                yield lines, None
            return
        with contextlib.closing(Results(Path(name), ordered=wish.ordered, slim=wish.slim)) as results:
            journal = Journal(Path(f"{name}.journal")) if self._plan.journalled else None
            try:
                if wish.overwrite:
                    results.restart()
                    if journal is not None:
                        journal.clear()
                results.resume(self._plan.expected, notice=watcher.notice, retry_failed=wish.retry_failed)
                yield results, journal
            finally:
                if journal is not None:
                    # An empty one is of no use to anybody.
                    journal.close(complete=self._complete or not len(journal))

    def _retried(self, text: str, watcher: Meter) -> None:
        self._retries += 1
        if self._wish.verbose:
            watcher.notice(text)

    def _look(self) -> Standing:
        from rise_cli.render.progress import Standing

        book, driver = self._book, self._driver
        totals = book.totals if book else Totals()
        return Standing(
            done=totals.problems + (book.earlier if book else 0),
            fresh=totals.problems,
            total=self._total,
            failed=totals.failed,
            under_way=driver.under_way if driver else 0,
            accuracy=totals.accuracy,
            cost_usd=totals.cost_usd,
            retries=self._retries,
            seconds=time.monotonic() - self._began,
        )

    def _tell(self) -> None:
        """The summary of the whole file: rows of earlier runs are read again."""
        from rise_cli.render.summary import table

        assert self._book is not None  # noqa: S101 - the run is over
        totals, seconds = self._book.totals, time.monotonic() - self._began
        if self._wish.out == STDIO:
            self._ok, self._failed = totals.ok, totals.failed
        if self._wish.quiet and self._wish.summary is None and not self._plan.resolved.settings.log:
            return
        whole = totals
        if self._book.earlier:
            whole = Totals()
            for record in recorded(Path(str(self._wish.out))):
                whole.add(record)
        self.summary = {**whole.summary(seconds, totals.problems), "retries": self._retries}
        if not self._wish.quiet:
            sys.stderr.write(table(self.summary))
            sys.stderr.flush()
        if self._wish.summary is not None:
            try:
                self._wish.summary.write_text(json.dumps(self.summary, indent=2) + "\n", encoding="utf-8")
            except OSError as error:
                name = str(self._wish.summary)
                raise RiseError(f"cannot write the summary to {name!r}: {error.strerror}") from None

    def conclude(self, end: End) -> int:
        """Return 0, or raise what says how the run ended, and how to go on."""
        done = self._ok + self._failed
        of = "" if self._total is None else f" of {self._total:,}"
        so_far = f"with {done:,}{of} problems done"
        again = "run the same command again to go on"
        match end:
            case End.INTERRUPTED:
                raise Interrupted(f"interrupted {so_far}; {self._resumption()}")
            case End.BUDGET:
                raise BudgetExhausted(f"the budget ended the run {so_far}; raise it and {again}")
            case End.DEADLINE:
                raise DeadlinePassed(f"the deadline ended the run {so_far}; {again}")
        if self._failed:
            how = "" if self._wish.out == STDIO else "; --retry-failed tries them again"
            raise ProblemsFailed(f"{self._failed:,} of {done:,} problems failed{how}")
        return 0

    def _resumption(self) -> str:
        if self._wish.out == STDIO:
            return "name a file with -o to be able to go on after that"
        from rise_cli.settings.redaction import redacted

        again = [word for word in sys.argv[1:] if word not in {"--overwrite", "--retry-failed"}]
        return f"go on with: {redacted(shlex.join(['rise', *again]))}"


async def _tick(watcher: Meter) -> None:
    while True:
        await asyncio.sleep(watcher.interval_s)
        watcher.tick()


def _to_stdout(line: bytes) -> None:
    sys.stdout.write(line.decode())
    sys.stdout.flush()
