"""The console that fits a stream: how wide, in colour or not, and whether its cursor may move.

The order of say: `--color`, then `NO_COLOR` and `TERM=dumb`, then `FORCE_COLOR`, then whether the
stream is a terminal. Without colour no styling is sent at all. A cursor moves only on a terminal
that is not dumb.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console

WIDTH = 80
"""Cells a line, where nothing says how wide the stream is."""


def make_console(stream: TextIO, color: str, env: Mapping[str, str]) -> Console:
    """Return a console on `stream`. `color` is `auto`, `always` or `never`.

    `is_interactive` of the result says whether a live region may be shown on it.
    """
    terminal = stream.isatty()
    movable = terminal and not _dumb(env)
    # rich follows the size of a terminal that it can move on, and guesses for all else.
    columns, lines = (None, None) if movable else _size(stream, env)
    return _Console(
        file=stream,
        # The eight colours that every theme of a terminal has made readable.
        color_system="standard" if _in_color(color, env, terminal=terminal) else None,
        no_color=False,
        force_terminal=terminal,
        force_interactive=movable,
        width=columns,
        height=lines,
        markup=False,
        emoji=False,
        highlight=False,
        _environ=env,
    )


def _dumb(env: Mapping[str, str]) -> bool:
    return env.get("TERM", "any").lower() in {"", "dumb", "unknown"}


def _in_color(color: str, env: Mapping[str, str], *, terminal: bool) -> bool:
    if color != "auto":
        return color == "always"
    if env.get("NO_COLOR") or _dumb(env):
        return False
    return terminal or bool(env.get("FORCE_COLOR"))


def _size(stream: TextIO, env: Mapping[str, str]) -> tuple[int, int]:
    """Columns and lines of a stream without a cursor: as told, as it says itself, or 80 by 24."""
    told = env.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told), 24
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, lines = 0, 0
    return columns or WIDTH, lines or 24


class _Console(Console):
    """A console that goes silent when its reader is gone, where rich would end the program."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # What is still buffered must not fail again when the interpreter flushes it at exit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
