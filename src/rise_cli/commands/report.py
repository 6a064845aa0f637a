"""What is told of a batch: how it stands while it runs, and what came of it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rise_cli.chat.counting import Spent
from rise_cli.commands.plan import Way
from rise_cli.commands.wish import STDIO, Wish
from rise_cli.errors import CredentialsError, RiseError, UsageError
from rise_cli.history.rows import readable
from rise_cli.render.amounts import counted
from rise_cli.run.batch import Driver
from rise_cli.run.book import Book
from rise_cli.run.pace import Pace
from rise_cli.run.totals import Totals, adds_up

if TYPE_CHECKING:
    from rise_cli.chat.recording import Recording
    from rise_cli.render.progress import Standing

_IDLE_S = 1.0  # without a call in flight, after which problems are said to wait
_MANY = 20_000  # rows that take more than a second to read again


class Report:
    """Keeps the numbers of one run together. `total` problems are in the file, None where nobody knows;
    `judged` says whether a check runs between calls, `kept` whether the summary goes into the log, `priced`
    whether a price was given. `part` is
    what the run is called where it is one of several: then their end says what came of it, and nothing here.

    `way`, `recording`, `book` and `driver` are to be set as soon as there are any. The summary as JSON is
    that of the file's rows, those of earlier runs among them (see `Totals.summary`), with

        retries     attempts that this run made again
        recalled    calls that it had not to make, since the journal of an earlier run had the reply
        strangers   rows in the file that belong to no line of the input, which count nowhere else; null
                    where a run ended before that was known, and then they may be counted
        spent_now   what it took from the provider (see `Spent.summary`), also for problems that have no
                    row yet and for attempts that were lost
    """

    def __init__(
        self, wish: Wish, total: int | None, *, judged: bool, kept: bool, priced: bool, part: str = ""
    ) -> None:
        self._wish, self._judged, self._kept, self._part = wish, judged, kept, part
        self._priced = priced
        self._shown = not wish.quiet and not part
        self._began = time.monotonic()
        self._pace: Pace | None = None
        self.total = total
        self.retries = 0
        self.summary: dict[str, object] = {}
        """As told; empty where nobody wanted to know, or nobody could."""
        self.unwritten = False
        """Whether the summary could not be written where that was wished for."""
        self.way: Way | None = None
        self.recording: Recording | None = None
        self.book: Book | None = None
        self.driver: Driver | None = None

    def solving(self) -> None:
        """A problem is begun. The pace counts from the first one on: to pass over rows that are there
        already is none."""
        if self._pace is None:
            self._pace = Pace(time.monotonic())

    def look(self) -> Standing:
        """How it stands now."""
        from rise_cli.render.progress import Standing

        book, driver, way, pace = self.book, self.driver, self.way, self._pace
        if book is None or driver is None or way is None:
            return Standing(part=self._part, total=self.total)
        if pace is None:
            return Standing(part=self._part, done=self._done(book), total=self.total)
        totals, spent, done = book.totals, way.spent, self._done(book)
        left = None if self.total is None else self.total - done
        pace.note(time.monotonic(), totals.problems, spent.output_tokens)
        return Standing(
            part=self._part,
            done=done,
            total=self.total,
            failed=totals.failed,
            in_flight=way.limits.in_flight,
            waiting=driver.under_way > 0 and way.door.idle_s > _IDLE_S and not self._judged,
            accuracy=totals.accuracy,
            turns=totals.turns / totals.problems if totals.problems else None,
            tokens_per_s=pace.tokens_per_s,
            cost_usd=spent.known_usd,
            cost_known=spent.cost_usd is not None,
            projected_usd=None if left is None else totals.projected_usd(left, spent.known_usd),
            retries=self.retries,
            limit=way.limits.limit if way.limits.moves else None,
            refused=way.limits.refused,
            throttled=way.limits.throttled,
            left_s=None if left is None else pace.left_s(left),
        )

    def _done(self, book: Book) -> int:
        """Problems that are done. A file may hold rows of others, too: where there are too many, those count
        that the input has asked for."""
        now = book.totals.problems
        if self.total is None or book.earlier + now <= self.total:
            return book.earlier + now
        return min(book.earlier - book.doubtful + now, self.total)

    def is_paid(self, error: RiseError) -> bool:
        """Whether a reply came, or may have been charged for, before `error` ended the run."""
        spent = self.way.spent if self.way else Spent()
        if any((spent.input_tokens, spent.output_tokens, spent.uncounted)):
            return True
        # Calls that were under way with a key that never worked cost nothing.
        return spent.lost > 0 and not isinstance(error, CredentialsError)

    def tell(self) -> None:
        """Show the summary of the whole file, and write it where that is wished for. Does not fail: a
        summary that is lost is a notice."""
        from rise_cli.render.summary import table

        if not self._shown and self._wish.summary is None and not self._kept:
            return
        if self.book is not None and not self.book.known:
            self._notice("no summary: the run has ended before it was known what is done")
            return
        summary = self.summary = self._summary()
        if self._shown:
            sys.stderr.write(table(summary, priced=self._priced))
            sys.stderr.flush()
        if self._wish.summary is not None:
            self._write(self._wish.summary, summary)

    def _summary(self) -> dict[str, object]:
        """Of all rows: those of earlier runs are read again."""
        assert self.book is not None  # noqa: S101 - the run is over
        whole = totals = self.book.written
        seconds = time.monotonic() - self._began
        if self.book.earlier and self._wish.out != STDIO:
            if self.book.earlier > _MANY and not self._wish.quiet:
                sys.stderr.write(
                    f"rise: adding up {self.book.ok + self.book.failed:,} rows for the summary\n"
                )
            whole = self._read_again(Path(str(self._wish.out))) or totals
        return {
            **whole.summary(seconds, totals.problems),
            "retries": self.retries,
            "recalled": self.recording.recalled if self.recording else 0,
            "strangers": self.book.strangers,
            "spent_now": (self.way.spent if self.way else Spent()).summary(),
        }

    def _read_again(self, out: Path) -> Totals | None:
        """The sums of all rows of the file, without those that are no longer what we write: the run is
        paid for, and may not fail over them. None if the file is gone."""
        whole, left_out = Totals(), 0
        try:
            for record in readable(out):
                if record is None or not adds_up(record):
                    left_out += 1
                elif not self._is_stranger(record["id"]):
                    whole.add(record)
        except (UsageError, OSError) as error:
            self._notice(f"the summary is of this run alone: {error}")
            return None
        if left_out:
            what = counted(left_out, "row")
            self._notice(f"{what} of {str(out)!r} cannot be added up, and the summary leaves out as many")
        return whole

    def _is_stranger(self, id: str) -> bool:  # noqa: A002
        return self.book is not None and self.book.is_stranger(id)

    def _write(self, path: Path, summary: dict[str, object]) -> None:
        """Write it, or say that it is lost: how the run ended is said all the same."""
        try:
            path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            self.unwritten = True
            self._notice(f"cannot write the summary to {str(path)!r}: {error.strerror}")

    def _notice(self, text: str) -> None:
        from rise_cli.render.quiet import Quiet

        Quiet(sys.stderr).notice(text)
