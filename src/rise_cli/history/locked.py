"""A file of lines that one process at a time may write.

The lock goes with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from rise_cli.errors import RiseError, UsageError
from rise_cli.history.lines import write_all

_BLOCK = 1 << 20


class LockedFile:
    """An open file, locked until it is closed. `name` is what messages call it, `path` where it really is,
    `size` its bytes, and `made` says that it was not there before.

    What cannot be written raises RiseError, and the file is then as it was.
    """

    def __init__(self, path: Path) -> None:
        """Open or create it. Raises UsageError if that fails, it is no regular file, or another process
        has it."""
        self.name = str(path)
        self.path = Path(os.path.realpath(path))
        self.made = not os.path.lexists(self.path)
        self._fd = self._opened()
        with contextlib.suppress(OSError):
            self._beside.unlink(missing_ok=True)  # of a process that ended in the middle of `replace`
        self.size = os.fstat(self._fd).st_size

    def read(self) -> BinaryIO:
        """Open it for reading, from its start, beside what else is done with it."""
        return self.path.open("rb", buffering=_BLOCK)

    def part(self, start: int, length: int) -> bytes:
        return os.pread(self._fd, length, start)

    def parts(self, spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """Yield what stands between these starts and ends, in blocks."""
        for start, end in spans:
            for at in range(start, end, _BLOCK):
                yield self.part(at, min(_BLOCK, end - at))

    def tail(self) -> bytes:
        """What stands after the last newline."""
        end = self.size
        while end > 0:
            start = max(0, end - _BLOCK)
            at = self.part(start, end - start).rfind(b"\n")
            if at >= 0:
                return self.part(start + at + 1, self.size - start - at - 1)
            end = start
        return self.part(0, self.size)

    def append(self, text: bytes) -> None:
        try:
            write_all(self._fd, text)
        except OSError as error:
            with contextlib.suppress(OSError):  # then the next run repairs it
                os.ftruncate(self._fd, self.size)
            raise self._full(error) from error
        self.size += len(text)

    def cut(self, size: int) -> None:
        """Take away what stands from byte `size` on."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise self._full(error) from error
        self.size = size

    def probe(self, size: int) -> None:
        """Raises as `append` does where there is no room for so many bytes beside it; leaves nothing."""
        try:
            with tempfile.TemporaryFile(dir=self.path.parent, buffering=0) as file:
                write_all(file.fileno(), bytes(size))
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:  # anything else shows when it matters
                raise self._full(error) from error

    def replace(self, parts: Iterable[bytes]) -> None:
        """Replace the file, in one step, by these parts. The lock goes on without a gap."""
        beside = self._beside
        try:
            fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            try:
                with os.fdopen(fd, "wb", buffering=_BLOCK, closefd=False) as file:
                    file.writelines(parts)
                os.fchmod(fd, stat.S_IMODE(os.fstat(self._fd).st_mode))
                os.fsync(fd)
                self._lock(fd)
                beside.replace(self.path)
            except BaseException:
                os.close(fd)
                beside.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._full(error) from error
        os.close(self._fd)
        self._fd, self.size = fd, os.fstat(fd).st_size

    def withdraw(self) -> None:
        """Remove the file if it is empty and was not there before. To be called before `close`."""
        if self.made and not self.size:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file and its lock. Calling it twice does no harm."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def _beside(self) -> Path:
        """The new file, until it takes the place of the old one."""
        return self.path.with_name(f".{self.path.name}.new")

    def _opened(self) -> int:
        while True:
            try:
                # Not blocking, for a pipe without a reader.
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o644)
            except OSError as error:
                raise self._unwritable(error.strerror or str(error)) from error
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise self._unwritable("it is no regular file")
                self._lock(fd)
                if self._is_at(fd):
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # it was replaced between the two

    def _lock(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another process is writing {self.name!r}; wait for it, or name another file with -o"
            ) from None
        except OSError as error:
            raise self._unwritable(f"it cannot be locked: {error.strerror}") from error

    def _is_at(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self.path.stat())
        except FileNotFoundError:
            return False

    def _unwritable(self, why: str) -> UsageError:
        return UsageError(f"cannot write to {self.name!r} ({why}); name another file with -o")

    def _full(self, error: OSError) -> RiseError:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        do = "make room on its disk" if full else "see that it and its folder can be written"
        return RiseError(
            f"{self.name!r} cannot be written ({error.strerror}); {do} and run the same command again: it "
            "goes on where it stopped"
        )
