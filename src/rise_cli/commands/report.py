"""What is told of a batch: how it stands while it runs, and what came of it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rise_cli.commands.wish import STDIO, Wish
from rise_cli.errors import RiseError
from rise_cli.history.rows import recorded
from rise_cli.run.batch import Driver
from rise_cli.run.book import Book
from rise_cli.run.totals import Totals

if TYPE_CHECKING:
    from rise_cli.render.progress import Standing


class Report:
    """Keeps the numbers of one run together. `total` problems are in the file, None where nobody knows.

    `book` and `driver` are to be set as soon as there are any.
    """

    def __init__(self, wish: Wish, total: int | None) -> None:
        self._wish = wish
        self._began = time.monotonic()
        self.total = total
        self.retries = 0
        self.book: Book | None = None
        self.driver: Driver | None = None

    def look(self) -> Standing:
        """How it stands now."""
        from rise_cli.render.progress import Standing

        book, driver = self.book, self.driver
        totals = book.totals if book else Totals()
        return Standing(
            done=totals.problems + (book.earlier if book else 0),
            fresh=totals.problems,
            total=self.total,
            failed=totals.failed,
            under_way=driver.under_way if driver else 0,
            accuracy=totals.accuracy,
            cost_usd=totals.cost_usd,
            retries=self.retries,
            seconds=time.monotonic() - self._began,
        )

    def tell(self) -> None:
        """Show the summary of the whole file, and write it where that is wished for."""
        from rise_cli.render.summary import table

        if self._wish.quiet and self._wish.summary is None:
            return
        summary = self._summary()
        if not self._wish.quiet:
            sys.stderr.write(table(summary))
            sys.stderr.flush()
        if self._wish.summary is not None:
            _write(self._wish.summary, summary)

    def _summary(self) -> dict[str, object]:
        """Of all rows: those of earlier runs are read again."""
        assert self.book is not None  # noqa: S101 - the run is over
        whole = totals = self.book.totals
        seconds = time.monotonic() - self._began
        if self.book.earlier and self._wish.out != STDIO:
            whole = Totals()
            for record in recorded(Path(str(self._wish.out))):
                whole.add(record)
        return {**whole.summary(seconds, totals.problems), "retries": self.retries}


def _write(path: Path, summary: dict[str, object]) -> None:
    try:
        path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise RiseError(f"cannot write the summary to {str(path)!r}: {error.strerror}") from None
