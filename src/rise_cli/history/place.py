"""The file of a journal: its own, nobody else's to read, and what befalls it put into words."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rise_cli.errors import ConfigurationError, RiseError, UsageError

APPLICATION = 0x52495345
"""What a database of ours has at a fixed place in its header: "RISE" in ASCII."""

FOREIGN = "is a database of another program"

_HEADER, _MODE = 100, 0o600


def create(path: Path) -> bool:
    """See that the file is there, as a file of its own, and return whether it was made now.

    Raises ConfigurationError, also where its header says already that it is somebody else's database: SQLite
    would tidy up around it.
    """
    try:
        # SQLite gives its companions the mode that it finds here. A link could lead anywhere.
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        made, fd = _opened(path, flags)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(0, "it is no regular file")
            if _is_foreign(os.pread(fd, _HEADER, 0), os.fstat(fd).st_size):
                raise unusable(path, FOREIGN)
        finally:
            os.close(fd)
    except OSError as error:
        raise _unopenable(path, error.strerror or str(error)) from error
    return made


def remove(path: Path) -> None:
    """Remove the file and its companions."""
    for name in ("", "-wal", "-shm"):
        Path(f"{path}{name}").unlink(missing_ok=True)


def close_to_others(path: Path) -> None:
    """Let nobody else read the file and its companion."""
    for name in ("", "-wal"):
        one = Path(f"{path}{name}")
        if one.exists() and stat.S_IMODE(one.stat().st_mode) != _MODE:
            one.chmod(_MODE)


def _opened(path: Path, flags: int) -> tuple[bool, int]:
    try:
        return True, os.open(path, flags | os.O_CREAT | os.O_EXCL, _MODE)
    except FileExistsError:
        return False, os.open(path, flags | os.O_CREAT, _MODE)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Our own errors for SQLite's."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def unusable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the journal {str(path)!r} {why}; move it away to go on without it, and the calls of "
        "unfinished problems are made and paid for again"
    )


def _translated(error: sqlite3.Error, path: Path) -> Exception:
    """https://www.sqlite.org/rescode.html"""
    if isinstance(error, sqlite3.ProgrammingError):
        return error  # a bug of ours
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return RiseError(
                f"the journal {str(path)!r} cannot be written ({error}); make room on its disk and "
                "run the same command again: it goes on where it stopped"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return UsageError(
                f"another process is using the journal {str(path)!r}; wait for it, or name another "
                "output with -o"
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return _unopenable(path, str(error))
    return unusable(path, f"is damaged ({error})")


def _unopenable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the journal {str(path)!r} cannot be opened ({why}); name an output with -o in another folder"
    )


def _is_foreign(header: bytes, size: int) -> bool:
    """Whether this begins a database that is none of ours. https://www.sqlite.org/fileformat.html

    One that was never checkpointed is a page long, and has its application nowhere but in its log.
    """
    if len(header) < _HEADER or not header.startswith(b"SQLite format 3\0"):
        return False  # it may be damaged, which SQLite tells
    application = int.from_bytes(header[68:72])
    page = int.from_bytes(header[16:18])  # 1 stands for 65,536
    return application != APPLICATION and (application != 0 or size > (65_536 if page == 1 else page))
