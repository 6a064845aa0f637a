"""What the input says now is right, for rows that were held against something else: in little memory, since
it may be so for all rows of a long file."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from typing import IO

from rise_cli.errors import RiseError
from rise_cli.history.ids import Ids


class Outdated:
    """A map from ids to references, None for none. The texts are in a nameless file. To be closed."""

    def __init__(self) -> None:
        self._starts = Ids()
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return len(self._starts)

    def __contains__(self, id: bytes) -> bool:  # noqa: A002
        return self._starts.get(id) is not None

    def add(self, id: bytes, reference: str | None) -> None:  # noqa: A002
        """Raises RiseError where there is no room for it."""
        with _room():
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
            self._starts.add(id, self._file.tell())
            self._file.write(json.dumps(reference).encode() + b"\n")

    def reference(self, id: bytes) -> str | None:  # noqa: A002
        """The reference of an id that is there; nothing may be added any more. Raises as `add` does."""
        start = self._starts.get(id)
        if start is None or self._file is None:
            raise KeyError(id)
        with _room():
            self._file.seek(start)
            found: str | None = json.loads(self._file.readline())
        return found

    def clear(self) -> None:
        self.close()
        self._starts = Ids()

    def close(self) -> None:
        """Let go of the file. Calling it twice does no harm."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # of what is not written yet, and nobody wants
                file.close()


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RiseError(
            f"no room for references that have changed ({error.strerror}); make some in the folder for "
            "temporary files, or name another one with TMPDIR"
        ) from error
