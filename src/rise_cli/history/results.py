"""The results file of a batch: one row for each problem, exactly once, whatever happens in between.

A row is in the kernel's hands, whole, before `append` returns, so `kill -9` leaves at most one torn
line at the end, and the next run repairs it. A power cut may take the rows of the last seconds; their
problems are then solved again.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rise_cli.errors import RiseError, UsageError
from rise_cli.history import locked
from rise_cli.history.aside import WORTH_IT, Aside
from rise_cli.history.differences import differences
from rise_cli.history.done import Done, Piece, pieces
from rise_cli.history.ids import Ids, as_bytes, checksum
from rise_cli.history.lines import Lines, write_all
from rise_cli.history.rows import HEAD_START, Row, damaged, is_row, numbered, scan, was_slim

_BLOCK = 1 << 20


class Results:
    """The file, for the time of one run. `resume` or `restart` must come before the first `append`.

    `id in results` says whether a problem has had its row since an earlier run; `ok` and `failed` count
    the rows of all runs, `earlier` those of earlier ones. In a long file these are learned while one asks
    for problems, and known once there was one without a row. With `ordered`, rows are written in the order
    of their `index`, which counts from 0; a file that was begun without, or from an input in another
    order, is put in order by `finish`. `slim` leaves the turns out. For one thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        ordered: bool = False,
        slim: bool = False,
        afresh: str = "start over with --overwrite",
    ) -> None:
        """Open or create the file and lock it. The lock goes with the process, however that ends. `afresh`
        is what a person is told to do about rows that do not fit.

        Raises UsageError if it cannot be opened, is no regular file, or another process has it.
        """
        self._name = str(path)
        self._path = Path(os.path.realpath(path))
        self.ordered = ordered
        self._slim = slim
        self._afresh = afresh
        self._lines = Lines(self._append, ordered=ordered, slim=slim)
        self._done = Done(iter(()))
        self._aside: Aside | None = None
        self._places = Ids()  # in the input, of the rows that were there: it may have another order now
        self._grown_from = 0
        self.ok = self.failed = self.earlier = 0
        self._made = not os.path.lexists(self._path)
        self._fd = locked.opened(self._path, self._name)
        self._size = os.fstat(self._fd).st_size
        self.stale = False
        """Whether the rows in the file are those that `restart` found."""

    def __contains__(self, id: str) -> bool:  # noqa: A002 - it is one
        return self._done.get(id) is not None

    def answers(self, id: str, question: str) -> bool:  # noqa: A002
        """Whether the problem `id` has had its row since an earlier run. Raises UsageError where that row
        answers another question: the input was edited."""
        asked = self._done.get(id)
        if asked is None:
            return False
        if asked != checksum(as_bytes(question)):
            raise UsageError(
                f"the problem {id!r} has a row in {self._name!r} that answers another question; name another "
                f"output with -o, or {self._afresh}"
            )
        return True

    @property
    def pending(self) -> int:
        """How many rows are held back for an earlier one."""
        return self._lines.pending

    def restart(self) -> None:
        """Start over (`--overwrite`). The rows that are there count no more, but stay until there is a new
        one: a run that cannot begin takes nothing away."""
        self.stale = self._size > 0

    def resume(
        self, settings: Mapping[str, object], *, notice: Callable[[str], None], retry_failed: bool = False
    ) -> None:
        """Find what is done, and repair a last line that was torn.

        `settings` are those that the rows must have been made with; what else a row holds does not
        matter. With `retry_failed`, failed rows are taken out, and their problems are not done. Raises
        UsageError, and takes nothing away, if a line is no row, or the settings or `slim` differ: of a
        long file not here, but where more of it is asked for than is known.
        """
        if self.stale:
            return
        tail = self._tail()
        if tail and is_row(tail):
            self._append(b"\n")
            tail = b""
        whole = self._size - len(tail)
        if whole < WORTH_IT:
            found = pieces(self._rows(whole), retry_failed=retry_failed)
        else:
            self._aside = Aside(self._path, self._name, whole, retry_failed=retry_failed)
            found = self._aside.pieces()
        self._done = Done(self._learned(found, json.loads(json.dumps(settings)), tail, notice))
        if self._aside is None:
            self.learn()

    def _learned(
        self,
        found: Iterable[Piece],
        expected: Mapping[str, object],
        tail: bytes,
        notice: Callable[[str], None],
    ) -> Iterator[Piece]:
        """Yield what is found, then put the file in shape."""
        kept: list[list[int]] = []  # where each part of the file begins and ends
        lines = 0
        for piece in found:
            for made_with in piece.settings:
                self._compare(made_with, expected)
            lines += piece.lines
            self.failed += piece.failed
            self.ok += piece.taken - piece.failed
            for start, end in piece.kept:
                if kept and kept[-1][1] == start:
                    kept[-1][1] = end
                else:
                    kept.append([start, end])
            yield piece
        if kept:
            self._compare_turns()
        if tail:
            self._cut_off(tail, lines + 1, notice)
        spans = [(start, end - start) for start, end in kept]
        if sum(length for _, length in spans) < self._size:
            self._rewrite(_parts(self._fd, spans))
        self._grown_from = self._size
        self.earlier = self.ok + self.failed

    def learn(self) -> None:
        """Learn now what is not known yet of the rows that were there. Raises as `resume` does."""
        self._done.complete()

    def append(self, record: Mapping[str, Any]) -> list[str]:
        """Take a finished row. Return the ids of the rows that are in the file now and were not before:
        where the order of the input is kept, those may be none, or several.

        Raises RiseError, and leaves the file as it was, if it cannot be written.
        """
        self.learn()
        written = self._lines.append(record)
        self._count(failed=record["status"] == "failed")
        return written

    def skip(self, index: int, id: str) -> list[str]:  # noqa: A002
        """Do not wait for the row of `index`, it is in the file already. Returns as `append` does."""
        if not self.ordered:
            return []
        self._places.add(as_bytes(id), index)
        return self._lines.skip(index)

    def finish(self) -> None:
        """The run is complete: see that the order is kept where it was asked for, also over several runs."""
        self.learn()
        self._empty_if_stale()
        if not self.ordered or not self.earlier:
            return
        moved, before = False, -1
        for row in self._rows(self._size):
            index = self._index(row)
            moved = moved or index < before or index not in {row.position, -1}
            before = index
        if moved:
            places = sorted((self._index(row), row.start, row.length) for row in self._rows(self._size))
            self._rewrite(numbered(os.pread(self._fd, size, at), index) for index, at, size in places)

    def _index(self, row: Row) -> int:
        """Where the row stands in the input now; -1 for one that is not in it."""
        if row.start >= self._grown_from and row.position is not None:
            return row.position
        place = self._places.get(row.id)
        return -1 if place is None else place

    def withdraw(self) -> None:
        """Remove the file if this run has created it and it is empty. To be called before `close`."""
        if self._made and not self._size:
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file and its lock. Rows that are still held back are dropped. Calling it twice
        does no harm."""
        self._lines.close()
        if self._aside is not None:
            self._aside.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _rows(self, upto: int) -> Iterator[Row]:
        with os.fdopen(os.dup(self._fd), "rb", buffering=_BLOCK) as file:
            file.seek(0)
            yield from scan(file, self._name, upto)

    def _count(self, *, failed: bool) -> None:
        if failed:
            self.failed += 1
        else:
            self.ok += 1

    def _compare(self, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
        if differing := differences(theirs, ours):
            raise UsageError(
                f"{self._name!r} was made with {', '.join(differing)}; repeat those, name another file with "
                f"-o, or {self._afresh}"
            )

    def _compare_turns(self) -> None:
        was = was_slim(self._path)
        if was is not None and was != self._slim:
            theirs, advice = ("with", "repeat it") if was else ("without", "leave it out")
            raise UsageError(
                f"{self._name!r} was made {theirs} --slim; {advice}, name another file with -o, or "
                f"{self._afresh}"
            )

    def _tail(self) -> bytes:
        """What stands after the last newline."""
        end = self._size
        while end > 0:
            start = max(0, end - _BLOCK)
            at = os.pread(self._fd, end - start, start).rfind(b"\n")
            if at >= 0:
                return os.pread(self._fd, self._size - start - at - 1, start + at + 1)
            end = start
        return os.pread(self._fd, self._size, 0)

    def _cut_off(self, tail: bytes, number: int, notice: Callable[[str], None]) -> None:
        """Take a torn line off the end, if it is one of ours. A power cut can leave zeros instead."""
        torn = tail.startswith(HEAD_START) or HEAD_START.startswith(tail) or not tail.strip(b"\0")
        if not torn:
            raise damaged(self._name, number)
        self._size -= len(tail)
        os.ftruncate(self._fd, self._size)
        notice(f"line {number} of {self._name!r} was torn when it was written; it is removed and made again")

    def _append(self, line: bytes) -> None:
        try:
            # What the new row is made of is in the journal, should the program end between the two.
            self._empty_if_stale()
            write_all(self._fd, line)
        except OSError as error:
            with contextlib.suppress(OSError):  # then the next run repairs it
                os.ftruncate(self._fd, self._size)
            raise self._full(error) from error
        self._size += len(line)

    def _empty_if_stale(self) -> None:
        if self.stale:
            os.ftruncate(self._fd, 0)
            self._size, self.stale = 0, False

    def _full(self, error: OSError) -> RiseError:
        return RiseError(
            f"{self._name!r} cannot be written ({error.strerror}); make room on its disk and run the same "
            "command again: it goes on where it stopped"
        )

    def _rewrite(self, parts: Iterable[bytes]) -> None:
        """Replace the file, in one step, by these parts. The lock goes on without a gap."""
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            try:
                with os.fdopen(fd, "wb", buffering=_BLOCK, closefd=False) as file:
                    file.writelines(parts)
                os.fchmod(fd, stat.S_IMODE(os.fstat(self._fd).st_mode))
                os.fsync(fd)
                locked.lock(fd, self._name)
                beside.replace(self._path)
            except BaseException:
                os.close(fd)
                beside.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._full(error) from error
        os.close(self._fd)
        self._fd, self._size = fd, os.fstat(fd).st_size


def _parts(fd: int, spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    for start, length in spans:
        for at in range(start, start + length, _BLOCK):
            yield os.pread(fd, min(_BLOCK, start + length - at), at)
