"""The rows of a long results file, looked through by a second process while this one reads the input.

The other process gets the file and nothing else: no lock, no keys. Where it cannot be started, or ends
before its time, the rows are looked through here.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rise_cli.errors import UsageError
from rise_cli.history.done import Piece, pieces
from rise_cli.history.rows import scan

WORTH_IT = 32 << 20
"""Bytes of rows from which on a process is started for them: that takes as long as these do."""

_BUFFER = 1 << 20
_START = (
    "import json, sys\n"
    "sys.path[:] = json.loads(sys.argv[1])\n"
    "from rise_cli.history.aside import main\n"
    "main()\n"
)


class Aside:
    """The other process, at work from the start. To be closed; for one thread."""

    def __init__(self, path: Path, name: str, upto: int, *, retry_failed: bool) -> None:
        """Start to look through the file at `path`, as `pieces` does."""
        self._path, self._name, self._upto, self._retry_failed = path, name, upto, retry_failed
        places = [entry for entry in sys.path if entry]  # not the current folder: anything may be in there
        given = [json.dumps(places), name, str(upto), str(int(retry_failed))]
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError), path.open("rb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START, *given],
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches us alone
                env={},
            )

    @property
    def pid(self) -> int | None:
        """Of the process; None if it could not be started."""
        return None if self._process is None else self._process.pid

    def pieces(self) -> Iterator[Piece]:
        """Yield and raise as `pieces` does. To be called once."""
        count = 0
        for got in self._received():
            if isinstance(got, str):
                raise UsageError(got)
            if got is None:
                return
            yield got
            count += 1
        with self._path.open("rb", buffering=_BUFFER) as file:
            again = pieces(scan(file, self._name, self._upto), retry_failed=self._retry_failed)
            yield from islice(again, count, None)

    def close(self) -> None:
        """End the process. Calling it twice does no harm."""
        if self._process is not None:
            with self._process:
                self._process.kill()

    def _received(self) -> Iterator[Piece | str | None]:
        """What the process writes, until it ends."""
        if self._process is None:
            return
        assert self._process.stdout  # noqa: S101 - it is a pipe
        with contextlib.suppress(EOFError, pickle.UnpicklingError):
            while True:
                yield pickle.load(self._process.stdout)  # noqa: S301 - of our own process, as `multiprocessing`


def main() -> None:
    """Be the other process: write each piece to stdout, and in the end None, or what is wrong."""
    _, _, name, upto, retry_failed = sys.argv
    last = None
    with open(0, "rb", buffering=_BUFFER) as file:
        try:
            for piece in pieces(scan(file, name, int(upto)), retry_failed=retry_failed == "1"):
                pickle.dump(piece, sys.stdout.buffer)
                sys.stdout.buffer.flush()
        except UsageError as error:
            last = str(error)
    pickle.dump(last, sys.stdout.buffer)
    sys.stdout.buffer.flush()
