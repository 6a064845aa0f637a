"""A file that one process at a time may write: opened or created, and locked for as long as it is open.

The lock goes with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from rise_cli.errors import UsageError


def opened(path: Path, name: str) -> int:
    """Open or create the file at `path`, to read and to append, and lock it; return its descriptor.

    Raises UsageError, which calls it `name`, if it cannot be opened, is no regular file, or another
    process has it.
    """
    while True:
        try:
            # Not blocking, for a pipe without a reader.
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o644)
        except OSError as error:
            raise _unwritable(name, error.strerror or str(error)) from error
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise _unwritable(name, "it is no regular file")
            lock(fd, name)
            if _is_at(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # it was replaced between the two


def lock(fd: int, name: str) -> None:
    """Lock an open file. Raises UsageError if another process has it, or it cannot be locked."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"another process is writing {name!r}; wait for it, or name another file with -o"
        ) from None
    except OSError as error:
        raise _unwritable(name, f"it cannot be locked: {error.strerror}") from error


def _unwritable(name: str, why: str) -> UsageError:
    return UsageError(f"cannot write to {name!r} ({why}); name another file with -o")


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
