"""The observers that need no rich: for a pipe without `-v`, and for `-q`."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Protocol, Self, TextIO

from rise_cli.core.controls import printable
from rise_cli.run.observe import Observer, Silent


class Watcher(Observer, Protocol):
    """An observer to be entered around the run. On the way out, however the run ended, it leaves
    the terminal as it found it. `shows_cost` says whether what calls cost will be shown."""

    shows_cost: bool

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Quiet(Silent):
    """Shows notices, one line each, or nothing at all if `silent`."""

    shows_cost = False

    def __init__(self, stream: TextIO, *, silent: bool = False) -> None:
        self._stream = stream
        self._silent = silent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def notice(self, text: str) -> None:
        if self._silent:
            return
        # A closed stderr is no reason to lose the answer.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"rise: {' '.join(printable(text).split())}\n")
            self._stream.flush()
