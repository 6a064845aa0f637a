"""The journal: every finished call of a run, on disk before it is used.

`kill -9` at any moment loses nothing that `put` returned for: a commit is in the kernel's hands then.
A power cut may lose the last commits (the file is forced to disk about once in every 30 MB, not with
every call), and those calls are made again; what is older stays, and the file stays readable.

The file is SQLite in WAL mode, read and written by one process at a time, mode 0600 as are its
companions. Rows are only ever added at its end, and those of finished problems are dropped in bulk,
so a commit touches a page or two and the file stays as small as what is in flight. The keys are held
in memory, which is why there is no index.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from rise_cli.core.domain import Completion, Usage
from rise_cli.errors import ConfigurationError, RiseError, UsageError

JournalKey = tuple[str, str, int, int, str]
"""Digest of the settings, key of the problem, chain, turn, purpose."""

VERSION = 2
"""Of the table and of the JSON in it. Raise it with any change to either."""

_APPLICATION = 0x52495345  # "RISE" in ASCII, at a fixed place in the file's header
_FOREIGN = "is a database of another program"
_HEADER, _MODE = 100, 0o600
_CHECKPOINT_PAGES = 8000  # of 4 KiB: rarer means fewer waits for the disk, and a longer companion
_DROP_AT = 1024  # rows that are dropped together

_TABLE = """
    CREATE TABLE calls (
        row INTEGER PRIMARY KEY, settings TEXT NOT NULL, problem BLOB NOT NULL, chain INTEGER NOT NULL,
        turn INTEGER NOT NULL, purpose TEXT NOT NULL, completion TEXT NOT NULL
    )"""
_INSERT = "INSERT INTO calls (settings, problem, chain, turn, purpose, completion) VALUES (?, ?, ?, ?, ?, ?)"
_BEGUN: JournalKey = ("", "", 0, 0, "restart")  # no call's: those have the purposes of `core.domain`

_encode = json.JSONEncoder(separators=(",", ":")).encode


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
        self._dropped: list[int] = []
        self._begun: int | None = None  # the row that says that a run has started over
        self._stale = False
        if _create(path):
            raise self._unusable(_FOREIGN)
        with self._explained():
            # Autocommit: every statement is on its own, and `BEGIN` is said where it is not.
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            with self._explained():
                self._prepare()
                self._close_to_others()
                self._load()
        except BaseException:
            self._db.close()
            raise

    def __len__(self) -> int:
        """How many calls it holds."""
        return sum(map(len, self._rows.values()))

    def get(self, key: JournalKey) -> Completion | None:
        """Return the reply that was kept under `key`, if there is one."""
        if self._stale:
            return None
        settings, problem, chain, turn, purpose = key
        row = self._rows.get(problem, {}).get((settings, chain, turn, purpose))
        if row is None:
            return None
        with self._explained():
            found = self._db.execute("SELECT completion FROM calls WHERE row = ?", (row,)).fetchone()
        try:
            return _read(json.loads(found[0]))
        except (LookupError, TypeError, ValueError) as error:
            raise self._unusable(f"is damaged (a call of problem {problem!r})") from error

    def put(self, key: JournalKey, completion: Completion) -> None:
        """Keep a reply, in place of an earlier one under the same key. It is durable on return.

        Raises RiseError, and keeps everything that it had, if the disk is full.
        """
        settings, problem, chain, turn, purpose = key
        if self._stale:
            self.clear()
            self._begun = self._insert(_BEGUN, "")
            self._stale = False
        row = self._insert(key, _encode(_written(completion)))
        rows = self._rows.setdefault(problem, {})
        if (earlier := rows.get((settings, chain, turn, purpose))) is not None:
            self._dropped.append(earlier)
        rows[settings, chain, turn, purpose] = row

    def forget(self, problem: str) -> None:
        """Drop the calls of `problem`, whatever their settings: its row is safely written.

        The file learns of it later, together with others: after a crash they may be there again.
        """
        self._dropped += self._rows.pop(problem, {}).values()
        begun, self._begun = self._begun, None
        if begun is not None:
            self._dropped.append(begun)
        if begun is not None or len(self._dropped) >= _DROP_AT:
            self._drop()

    def restart(self) -> None:
        """Start over (`--overwrite`): what it holds answers nobody, and goes with the first `put`.

        Where the run before this one did the same and came to no `forget`, hence to no row, this one
        goes on where that one stopped.
        """
        self._stale = self._begun is None

    def clear(self) -> None:
        """Drop all calls."""
        for problem in list(self._rows):
            self.forget(problem)
        self._drop()

    def close(self, complete: bool) -> None:
        """Close the files, and remove them if the run is complete. Calling it twice does no harm."""
        try:
            if not complete and self._dropped:
                self._drop()
        finally:
            self._db.close()
            if complete:
                for name in ("", "-wal", "-shm"):
                    Path(f"{self._path}{name}").unlink(missing_ok=True)

    def _prepare(self) -> None:
        ask = self._db.execute
        # One process for good: no shared memory, and a second one is refused. Before the first read.
        ask("PRAGMA locking_mode = EXCLUSIVE")
        ((application,),) = ask("PRAGMA application_id")
        ((version,),) = ask("PRAGMA user_version")
        ((tables,),) = ask("SELECT count(*) FROM sqlite_master")
        fresh = (application, version, tables) == (0, 0, 0)
        if not fresh and application != _APPLICATION:
            raise self._unusable(_FOREIGN)
        if not fresh and version != VERSION:
            raise self._unusable(f"is of version {version}, and this program reads version {VERSION}")
        ask("PRAGMA journal_mode = WAL")
        ask("PRAGMA synchronous = NORMAL")
        ask(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if fresh:
            ask("BEGIN IMMEDIATE")
            ask(f"PRAGMA application_id = {_APPLICATION}")
            ask(f"PRAGMA user_version = {VERSION}")
            ask(_TABLE)
            ask("COMMIT")

    def _close_to_others(self) -> None:
        """Only now: a file that turned out to be somebody else's is left as it is."""
        for name in ("", "-wal"):
            path = Path(f"{self._path}{name}")
            if path.exists() and stat.S_IMODE(path.stat().st_mode) != _MODE:
                path.chmod(_MODE)

    def _load(self) -> None:
        known = self._db.execute(
            "SELECT row, settings, problem, chain, turn, purpose FROM calls ORDER BY row"
        )
        for row, settings, problem, chain, turn, purpose in known:
            if purpose == _BEGUN[-1]:
                self._begun = row
                continue
            rows = self._rows.setdefault(problem.decode(errors="surrogatepass"), {})
            rows[settings, chain, turn, purpose] = row

    def _insert(self, key: JournalKey, completion: str) -> int:
        settings, problem, chain, turn, purpose = key
        try:
            row = self._db.execute(
                _INSERT, (settings, _blob(problem), chain, turn, purpose, completion)
            ).lastrowid
        except sqlite3.Error as error:
            raise self._translated(error) from error
        assert row is not None  # noqa: S101 - an insert has one
        return row

    def _drop(self) -> None:
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("DELETE FROM calls WHERE row = ?", ((row,) for row in self._dropped))
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        self._dropped.clear()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: sqlite3.Error) -> Exception:
        """Our own error for SQLite's. https://www.sqlite.org/rescode.html"""
        if isinstance(error, sqlite3.ProgrammingError):
            return error  # a bug of ours
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:
            case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
                return RiseError(
                    f"the journal {str(self._path)!r} cannot be written ({error}); make room on its disk and "
                    "run the same command again: it goes on where it stopped"
                )
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return UsageError(
                    f"another process is using the journal {str(self._path)!r}; wait for it, or name another "
                    "output with -o"
                )
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return _unopenable(self._path, str(error))
        return self._unusable(f"is damaged ({error})")

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"the journal {str(self._path)!r} {why}; move it away to go on without it, and the calls of "
            "unfinished problems are made and paid for again"
        )


def settings_digest(settings: Mapping[str, object]) -> str:
    """Return a digest of settings that are JSON already, whatever their order."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _create(path: Path) -> bool:
    """See that the file is there, as a file of its own. Return whether its header says already that it is
    somebody else's: SQLite would tidy up around it."""
    try:
        # SQLite gives its companions the mode that it finds here. A link could lead anywhere.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        fd = os.open(path, flags, _MODE)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(0, "it is no regular file")
            return _is_foreign(os.pread(fd, _HEADER, 0), os.fstat(fd).st_size)
        finally:
            os.close(fd)
    except OSError as error:
        raise _unopenable(path, error.strerror or str(error)) from error


def _is_foreign(header: bytes, size: int) -> bool:
    """Whether this begins a database that is none of ours. https://www.sqlite.org/fileformat.html

    One that was never checkpointed is a page long, and has its application nowhere but in its log.
    """
    if len(header) < _HEADER or not header.startswith(b"SQLite format 3\0"):
        return False  # it may be damaged, which SQLite tells
    application = int.from_bytes(header[68:72])
    page = int.from_bytes(header[16:18])  # 1 stands for 65,536
    return application != _APPLICATION and (application != 0 or size > (65_536 if page == 1 else page))


def _unopenable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the journal {str(path)!r} cannot be opened ({why}); name an output with -o in another folder"
    )


def _blob(problem: str) -> bytes:
    # An id may hold anything that JSON can, lone surrogates included.
    return problem.encode(errors="surrogatepass")


def _written(completion: Completion) -> dict[str, object]:
    usage = completion.usage
    return {
        "reply": completion.reply,
        "finish_reason": completion.finish_reason,
        "reasoning": completion.reasoning,
        "usage": usage
        and {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
        },
        "cost_usd": completion.cost_usd,
        "latency_s": completion.latency_s,
        "logprob": completion.logprob,
        "entropy": completion.entropy,
    }


def _read(written: dict[str, object]) -> Completion:
    usage = written.pop("usage")
    return Completion(**written, usage=usage and Usage(**usage))  # type: ignore[arg-type]
