"""How a batch ended, in words and as the exit code, and how to go on."""

from __future__ import annotations

import sys

from rise_cli.commands.remember import known_keys
from rise_cli.commands.report import Report
from rise_cli.commands.resuming import same_again
from rise_cli.commands.wish import STDIO, Wish
from rise_cli.errors import BudgetExhausted, DeadlinePassed, Interrupted, ProblemsFailed
from rise_cli.render.amounts import counted
from rise_cli.run.batch import End
from rise_cli.run.book import Book


class Conclusion:
    """What is said of one run. `part` is what it is called where it is one of several, `key` what the
    provider is asked with, which no command line that is shown may hold.

    `ok`, `failed` and `waiting` are to be set before `of`: rows of either sort, and how many of them are not
    in the file yet; `at_least` where there may be more than are counted.
    """

    def __init__(self, wish: Wish, report: Report, part: str, key: str | None) -> None:
        self._wish, self._report, self._part, self._key = wish, report, part, key
        self.ok = self.failed = self.waiting = 0
        self.at_least = False

    def of(self, end: End) -> int:
        """Return 0, or 1 where the summary is lost. Raises what says how the run ended, and how to go on."""
        # Rows that wait for an earlier one are not in the file, and are made again from the journal.
        done = self.ok + self.failed - self.waiting
        so_far = f"{f'in {self._part} ' if self._part else ''}with {self.done(done)}"
        again = "run the same command again to go on"
        if self._wish.out == STDIO:
            again = self.resumption()
        elif self._wish.overwrite and not self.is_stale:
            again = "run the same command again without --overwrite to go on"
        match end:
            case End.INTERRUPTED:
                raise Interrupted(f"interrupted {so_far}; {self.resumption()}")
            case End.BUDGET:
                moved = self._book is not None and self._book.totals.problems
                how = f"{again}, with as much again" if moved else f"raise it and {again}"
                raise BudgetExhausted(f"the budget ended the run {so_far}; {how}")
            case End.DEADLINE:
                raise DeadlinePassed(f"the deadline ended the run {so_far}; {again}")
            case End.DOWN:
                why = self._report.driver.last_outage if self._report.driver else ""
                raise ProblemsFailed(f"the provider is down ({why}); the run ended {so_far}; {again}")
        if self.failed:
            how = "" if self._wish.out == STDIO else "; --retry-failed tries them again"
            raise ProblemsFailed(f"{self.failed:,} of {done:,} problems failed{how}")
        return 1 if self._report.unwritten else 0

    def done(self, done: int) -> str:
        """So many problems are done, in words. Earlier rows may be of other ones, as long as the input has
        not asked for them."""
        of, book = "" if self._report.total is None else f" of {self._report.total:,}", self._book
        if book is not None and book.known and book.doubtful:
            now = done - book.earlier
            return f"{now:,}{of} problems done by this run, and {counted(book.earlier, 'row')} there before"
        return f"{'at least ' if self.at_least else ''}{done:,}{of} problems done"

    def done_by(self, book: Book) -> str:
        """What to say of an error that ended the run, once there are rows."""
        if not book.known:
            return ""  # the run never began
        done = book.earlier + book.written.problems
        kept = "" if self._wish.out == STDIO else ", which are kept"
        return f"; the run ended with {self.done(done)}{kept}" if done else ""

    def resumption(self) -> str:
        if self._wish.out == STDIO:
            return "name a file with -o to be able to go on after that"
        begun = self._book is not None and self._book.begun
        return f"go on with: {same_again(sys.argv[1:], known_keys(self._key), begun=begun)}"

    @property
    def is_stale(self) -> bool:
        """Whether the rows in the file are those of before a run that starts over."""
        return self._book is not None and self._book.stale

    @property
    def _book(self) -> Book | None:
        return self._report.book
