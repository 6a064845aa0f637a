"""The file of the memory: opened, locked, waited for, and its errors put into words."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from rise_cli.errors import ConfigurationError, RiseError
from rise_cli.history import tables

_EACH_S = 0.25  # of waiting within SQLite, before the whole change is tried again

T = TypeVar("T")


class Database:
    """An SQLite file that many processes write, begun if it is not there. For one thread.

    All raise what `Memory` says. Whoever finds it locked tries again for about `wait_s` seconds.
    """

    def __init__(self, path: Path, wait_s: float) -> None:
        self._path, self._wait_s = path, wait_s
        self._create()
        self._db = self._patiently(self._open)

    def close(self) -> None:
        self._db.close()

    def ask(self, statement: str, *values: object) -> list[Any]:
        """Return the rows of a query."""
        return self._patiently(lambda: self._db.execute(statement, values).fetchall())

    def change(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `act` does, all of it or nothing; it may be called again. Done when this returns."""

        def whole() -> T:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                result = act(self._db)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            return result

        return self._patiently(whole)

    def shrink(self) -> None:
        """Give back the room of what was deleted, and leave nothing of it in the file or beside it."""
        # Another reader may be at work, or the disk be full: then the room is used again later.
        with suppress(sqlite3.OperationalError):
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"the log {str(self._path)!r} {why}; move it away to begin a new one")

    def _create(self) -> None:
        """See that the file is there and that nobody else may read it."""
        path = self._path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                # SQLite gives its companions the mode that it finds here.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            # Not opened again: closing it would let go of the locks that this process has on it.
            if not stat.S_ISREG(path.stat().st_mode):
                raise OSError(0, "it is no regular file")
        except (OSError, ValueError) as error:
            raise self._unopenable(getattr(error, "strerror", None) or str(error)) from error

    def _open(self) -> sqlite3.Connection:
        # Autocommit: every statement is on its own, and `BEGIN` is said where it is not.
        db = sqlite3.connect(self._path, isolation_level=None, timeout=_EACH_S)
        try:
            tables.prepare(db, self.unusable)
            self._close_to_others()
        except BaseException:
            db.close()
            raise
        return db

    def _close_to_others(self) -> None:
        """Only now: a file that turned out to be somebody else's is left as it is."""
        for name in ("", "-wal", "-shm"):
            path = Path(f"{self._path}{name}")
            if path.exists() and stat.S_IMODE(path.stat().st_mode) != 0o600:
                path.chmod(0o600)

    def _patiently(self, act: Callable[[], T]) -> T:
        """Return what `act` does, tried again while the file is locked, or where a new id was taken."""
        end = time.monotonic() + self._wait_s
        while True:
            try:
                return act()
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0)
                locked = code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
                again = locked or code == sqlite3.SQLITE_CONSTRAINT_UNIQUE
                if not again or time.monotonic() >= end:
                    raise self._translated(error) from error
            time.sleep(random.uniform(0.002, 0.02))  # noqa: S311 - so that two do not meet again

    def _translated(self, error: sqlite3.Error) -> Exception:
        """Our own error for SQLite's. https://www.sqlite.org/rescode.html"""
        if isinstance(error, sqlite3.ProgrammingError):
            return error  # a bug of ours
        name = str(self._path)
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return RiseError(f"the log {name!r} is locked by another process; end that one")
            case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
                return RiseError(f"the log {name!r} cannot be written ({error}); make room on its disk")
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return self._unopenable(str(error))
        return self.unusable(f"is damaged ({error})")

    def _unopenable(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"the log {str(self._path)!r} cannot be opened ({why}); name another file with RISE_LOG_FILE, or "
            "use --no-log"
        )
