"""The journal: every finished call of a run, on disk before it is used.

`kill -9` at any moment loses nothing that `put` or `keep` returned for: a commit is in the kernel's hands
then. A commit costs as much as ten calls that it holds, so those that finish together share one.
A power cut may lose the last commits (the file is forced to disk about once in every 30 MB, not with
every call), and those calls are made again; what is older stays, and the file stays readable.

The file is SQLite in WAL mode, read and written by one process at a time, mode 0600 as are its
companions. Rows are only ever added at its end, and those of finished problems are dropped in bulk,
so a commit touches a page or two and the file stays as small as what is in flight. The keys are held
in memory, which is why there is no index.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from rise_cli.core.domain import Completion
from rise_cli.history import place, replies

JournalKey = tuple[str, str, int, int, str]
"""Digest of the settings, key of the problem, chain, turn, purpose."""

VERSION = 2
"""Of the table and of the JSON in it. Raise it with any change to either."""

_CHECKPOINT_PAGES = 8000  # of 4 KiB: rarer means fewer waits for the disk, and a longer companion
_DROP_AT = 1024  # rows that are dropped together

_TABLE = """
    CREATE TABLE calls (
        row INTEGER PRIMARY KEY, settings TEXT NOT NULL, problem BLOB NOT NULL, chain INTEGER NOT NULL,
        turn INTEGER NOT NULL, purpose TEXT NOT NULL, completion TEXT NOT NULL
    )"""
_INSERT = "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?)"
_BEGUN = ("", b"", 0, 0, "restart", "")  # no call's: those have the purposes of `core.domain`

_Values = tuple[str, bytes, int, int, str, str]
"""Of one row, in the order of `_INSERT`, but for its number."""


class _Kept(NamedTuple):
    """A reply on its way to the disk, and who waits until it is there."""

    key: JournalKey
    values: _Values
    committed: asyncio.Future[None]


class Journal:
    """The finished calls of one output file. For one thread."""

    def __init__(self, path: Path) -> None:
        """Open the journal at `path`, or begin one.

        Raises `ConfigurationError` if the file is damaged, from another version, or no journal at all;
        it is left as it is. Raises `UsageError` if another process has it open.
        """
        self._path = path
        # Problem -> the rest of the key -> its row.
        self._rows: dict[str, dict[tuple[str, int, int, str], int]] = {}
        self._last = 0  # the row that was added last
        self._dropped: list[int] = []
        self._kept: list[_Kept] = []  # and not committed yet
        self._begun: int | None = None  # the row that says that a run has started over
        self._stale = False
        made = place.create(path)
        with place.explained(self._path):
            # Autocommit: every statement is on its own, and `BEGIN` is said where it is not.
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            with place.explained(self._path):
                self._prepare()
                place.close_to_others(path)  # only now: one that is somebody else's is left as it is
                self._load()
        except BaseException:
            self._db.close()
            if made:  # and nothing was kept in it
                place.remove(path)
            raise

    def __len__(self) -> int:
        """How many calls it holds."""
        return sum(map(len, self._rows.values())) + len(self._kept)

    def get(self, key: JournalKey) -> Completion | None:
        """Return the reply that was kept under `key`, if there is one."""
        if self._stale:
            return None
        settings, problem, chain, turn, purpose = key
        row = self._rows.get(problem, {}).get((settings, chain, turn, purpose))
        if row is None:
            return None
        with place.explained(self._path):
            found = self._db.execute("SELECT completion FROM calls WHERE row = ?", (row,)).fetchone()
        try:
            return replies.read(found[0])
        except (LookupError, TypeError, ValueError) as error:
            raise place.unusable(self._path, f"is damaged (a call of problem {problem!r})") from error

    def put(self, key: JournalKey, completion: Completion) -> None:
        """Keep a reply, in place of an earlier one under the same key. It is durable on return.

        Raises RiseError, and keeps everything that it had, if the disk is full.
        """
        self._commit()
        (row,) = self._insert([_values(key, completion)])
        self._note(key, row)

    async def keep(self, key: JournalKey, completion: Completion) -> None:
        """As `put`, in one commit with all that is kept in the same turn of the event loop.

        It is taken in before anything is awaited: a cancellation takes the caller away, not the reply.
        """
        loop = asyncio.get_running_loop()
        kept = _Kept(key, _values(key, completion), loop.create_future())
        if not self._kept:
            loop.call_soon(self._commit)
        self._kept.append(kept)
        await kept.committed

    def begin(self) -> None:
        """There is a row now: a run that started over is a run like any other, and goes on as one."""
        if self._stale:
            self._insert([])
        begun, self._begun = self._begun, None
        if begun is not None:
            self._dropped.append(begun)
            self._drop()

    def forget(self, problem: str) -> None:
        """Drop the calls of `problem`, whatever their settings: its row is safely written.

        The file learns of it later, together with others: after a crash they may be there again.
        """
        calls = self._rows.pop(problem, None)
        if calls is not None:
            self._dropped += calls.values()
            if len(self._dropped) >= _DROP_AT:
                self._drop()

    def restart(self) -> None:
        """Start over (`--overwrite`): what it holds answers nobody, and goes with the first call that is
        kept or the first row.

        Where the run before this one did the same and came to no row, this one goes on where that one
        stopped.
        """
        self._stale = self._begun is None

    def close(self, complete: bool) -> None:
        """Close the files, and remove them if the run is complete. Calling it twice does no harm."""
        try:
            self._commit()
            if not complete and self._dropped:
                self._drop()
        finally:
            self._db.close()
            if complete:
                place.remove(self._path)

    def _prepare(self) -> None:
        ask = self._db.execute
        # One process for good: no shared memory, and a second one is refused. Before the first read.
        ask("PRAGMA locking_mode = EXCLUSIVE")
        ((application,),) = ask("PRAGMA application_id")
        ((version,),) = ask("PRAGMA user_version")
        ((tables,),) = ask("SELECT count(*) FROM sqlite_master")
        fresh = (application, version, tables) == (0, 0, 0)
        if not fresh and application != place.APPLICATION:
            raise place.unusable(self._path, place.FOREIGN)
        if not fresh and version != VERSION:
            raise place.unusable(
                self._path, f"is of version {version}, and this program reads version {VERSION}"
            )
        ask("PRAGMA journal_mode = WAL")
        ask("PRAGMA synchronous = NORMAL")
        ask(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if fresh:
            ask("BEGIN IMMEDIATE")
            ask(f"PRAGMA application_id = {place.APPLICATION}")
            ask(f"PRAGMA user_version = {VERSION}")
            ask(_TABLE)
            ask("COMMIT")

    def _load(self) -> None:
        known = self._db.execute(
            "SELECT row, settings, problem, chain, turn, purpose FROM calls ORDER BY row"
        )
        for row, settings, problem, chain, turn, purpose in known:
            self._last = row
            if purpose == _BEGUN[4]:
                self._begun = row
                continue
            rows = self._rows.setdefault(problem.decode(errors="surrogatepass"), {})
            rows[settings, chain, turn, purpose] = row

    def _insert(self, calls: Sequence[_Values]) -> range:
        """Write calls, all or none; return their rows. Those of a run that starts over replace what is
        there."""
        first, stale = self._last + 1, self._stale
        rows = [_BEGUN, *calls] if stale else calls
        with place.explained(self._path), self._transaction():
            if stale:
                self._db.execute("DELETE FROM calls")
            self._db.executemany(_INSERT, [(row, *values) for row, values in enumerate(rows, first)])
        self._last += len(rows)
        if stale:
            self._rows.clear()
            self._dropped.clear()
            self._begun, self._stale = first, False
        return range(first + stale, first + len(rows))

    def _note(self, key: JournalKey, row: int) -> None:
        settings, problem, chain, turn, purpose = key
        rows = self._rows.setdefault(problem, {})
        if (earlier := rows.get((settings, chain, turn, purpose))) is not None:
            self._dropped.append(earlier)
        rows[settings, chain, turn, purpose] = row

    def _commit(self) -> None:
        """Write what is kept, and tell those who wait for that, if only that it failed."""
        kept, self._kept = self._kept, []
        if not kept:
            return
        try:
            rows = self._insert([one.values for one in kept])
        except Exception as error:
            for one in kept:
                if not one.committed.done():
                    one.committed.set_exception(error)
            return
        for one, row in zip(kept, rows, strict=True):
            self._note(one.key, row)
            if not one.committed.done():
                one.committed.set_result(None)

    def _drop(self) -> None:
        self._commit()
        with place.explained(self._path), self._transaction():
            self._db.executemany("DELETE FROM calls WHERE row = ?", ((row,) for row in self._dropped))
        self._dropped.clear()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def settings_digest(settings: Mapping[str, object]) -> str:
    """Return a digest of settings that are JSON already, whatever their order."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _values(key: JournalKey, completion: Completion) -> _Values:
    settings, problem, chain, turn, purpose = key
    # An id may hold anything that JSON can, lone surrogates included.
    blob = problem.encode(errors="surrogatepass")
    return settings, blob, chain, turn, purpose, replies.written(completion)
