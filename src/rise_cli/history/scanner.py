"""The rows of a long results file, looked through by a second process while this one reads the input.

The other process gets the file and nothing else: no lock, no keys. Where it cannot be started, or ends
before its time, the rows are looked through here.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice, takewhile
from pathlib import Path
from typing import IO

from rise_cli.errors import UsageError
from rise_cli.history.done import Piece, pieces
from rise_cli.history.rows import scan

WORTH_IT = 32 << 20
"""Bytes of rows from which on a process is started for them: that takes as long as these do."""

_BUFFER = 1 << 20
_START = (
    "import json, sys\n"
    "sys.path[:] = json.loads(sys.argv[1])\n"
    "from rise_cli.history.scanner import main\n"
    "main()\n"
)
_PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # an interpreter may need them to start


class ScannerClosed(Exception):
    """Nobody wants to know any more."""


class Scanner:
    """The other process, at work from the start. To be closed.

    `close` may be called while another thread waits in `pieces`, which then raises `ScannerClosed`.
    """

    def __init__(self, path: Path, name: str, upto: int, *, retry_failed: bool) -> None:
        """Start to look through the file at `path`, which messages call `name`, up to byte `upto`."""
        self._path, self._name, self._upto, self._retry_failed = path, name, upto, retry_failed
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._pipe: IO[bytes] = io.BytesIO()
        with contextlib.suppress(OSError):
            # A pipe of its own: whatever a module may print when it is loaded goes to stdout.
            read, write = os.pipe()
            self._pipe = os.fdopen(read, "rb")
            try:
                self._process = self._started(write)
            finally:
                os.close(write)

    @property
    def pid(self) -> int | None:
        """Of the process; None if it could not be started."""
        return None if self._process is None else self._process.pid

    def pieces(self) -> Iterator[Piece]:
        """Yield what the rows come to, as `done.pieces` does. To be called once.

        Raises UsageError as `rows.scan` does, once the rows before the bad one are yielded.
        """
        count = lines = 0
        for got in self._received():
            if isinstance(got, Piece):
                count += 1
                lines += got.lines
                yield got
            elif isinstance(got, str):
                raise UsageError(got)
            elif got == lines:
                return
        with self._path.open("rb", buffering=_BUFFER) as file:
            rows = takewhile(lambda _: not self._closed, scan(file, self._name, self._upto))
            again = pieces(rows, retry_failed=self._retry_failed)
            yield from islice(again, count, None)
        if self._closed:
            raise ScannerClosed  # this is no end of the rows

    def close(self) -> None:
        """End the process. Calling it twice does no harm."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._pipe.close()  # only now: who waits in it has it until the process is gone

    def _started(self, write: int) -> subprocess.Popen[bytes] | None:
        if not sys.executable:
            return None
        places = [entry for entry in sys.path if entry]  # not the current folder: anything may be in there
        given = [json.dumps(places), self._name, str(self._upto), str(int(self._retry_failed))]
        given += [str(write), str(os.getpid())]
        with self._path.open("rb") as file:
            return subprocess.Popen(
                [sys.executable, "-I", "-c", _START, *given],
                stdin=file,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(write,),
                start_new_session=True,  # Ctrl-C reaches us alone
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            )

    def _received(self) -> Iterator[object]:
        """What the process writes, until it ends or writes what nobody can read."""
        while True:
            try:
                # Our own process, as for `multiprocessing`; what ends in the middle may raise anything.
                got = pickle.load(self._pipe)  # noqa: S301
            except Exception:
                return
            yield got


def main() -> None:
    """Be the other process: write each piece into the pipe, and in the end the number of lines, or what is
    wrong with one."""
    name, upto, retry_failed, pipe, parent = sys.argv[2:]
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    lines = 0
    with os.fdopen(int(pipe), "wb") as out, os.fdopen(0, "rb", buffering=_BUFFER) as file:
        last: object
        try:
            for piece in pieces(scan(file, name, int(upto)), retry_failed=retry_failed == "1"):
                lines += piece.lines
                pickle.dump(piece, out)
                out.flush()
            last = lines
        except UsageError as error:
            last = str(error)
        pickle.dump(last, out)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
