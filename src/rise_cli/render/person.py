"""A person at the terminal as a judge: each attempt is put before them, and what they type is the verdict.

    Enter      goes on: nothing is said about the attempt
    a          accepts it: it is the answer
    q, Ctrl-D  stops here, with the vote so far
    a text     is feedback for the next turn, and the attempt does not vote; it ends with an empty line,
               so that a text of several lines can be pasted (of one line, a terminal takes 4 KiB)

The terminal is the controlling one, so that stdin and stdout stay free for pipes. None of its settings is
ever changed: lines are edited by the terminal itself, and however the program ends there is nothing to
restore.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import select
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TextIO

from rich.text import Text

from rise_cli.core.controls import printable
from rise_cli.core.domain import Attempt, Problem, Verdict
from rise_cli.errors import UsageError
from rise_cli.render.page import Page
from rise_cli.render.plain import PlainTranscript

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

GO_ON = Verdict(None, None, False, "person")
"""Nothing was said. It is a verdict all the same: somebody judges, so that nothing is decided yet."""

ACCEPT = Verdict(1.0, None, True, "person")
STOP = Verdict(None, None, False, "person", enough=True)

_LOOK_S = 0.03  # how often the terminal is looked at: sooner than anybody notices

# What a terminal sends for an arrow, Home, F1 and the like (ECMA-48 5.4; xterm's SS3), or before a paste.
_KEY = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[A-Za-z])")

_HINTS = ("Enter: go on", "a: accept", "q: stop", "or feedback, ended by an empty line")


class Terminal:
    """The controlling terminal. `screen` writes on it; what cannot be written is lost without harm."""

    def __init__(self) -> None:
        """Open it. Raises UsageError where there is none."""
        try:
            self._fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(
                f"--interactive asks a person at the terminal, and there is none ({error.strerror}); "
                "leave it out, or use --check"
            ) from None
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        raw = io.BufferedWriter(_Screen(self._fd, "w", closefd=False))
        self.screen: TextIO = io.TextIOWrapper(raw, encoding, errors="backslashreplace", line_buffering=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.screen.flush()
        os.close(self._fd)

    def forget(self) -> None:
        """Drop what was typed before anybody asked: it cannot be meant for what is asked now."""
        with suppress(termios.error):
            termios.tcflush(self._fd, termios.TCIFLUSH)

    async def line(self) -> str | None:
        """Return the next line that is typed, without its newline; None at the end of the input, which
        is Ctrl-D on an empty line, or the loss of the terminal. May be cancelled at any time."""
        typed = b""
        while not typed.endswith(b"\n"):
            # Looked at, not waited for: the event loops of some systems cannot watch a terminal.
            while not select.select([self._fd], [], [], 0)[0]:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
            try:
                piece = os.read(self._fd, 4096)
            except OSError:
                piece = b""
            if not piece:
                break
            typed += piece
        return _text(typed) if typed else None


def _text(typed: bytes) -> str:
    """A line as it was meant: keys that type no character, such as arrows, are no feedback."""
    return printable(_KEY.sub("", typed.decode("utf-8", "replace"))).rstrip("\n")


class Person:
    """A `Judge` who is shown each attempt in `transcript` and answers at `terminal`.

    Attempts of several chains are put before them one after the other, as they come. Once they have
    accepted one or want no more, nothing else is asked.
    """

    def __init__(self, transcript: PlainTranscript, terminal: Terminal) -> None:
        self._transcript = transcript
        self._terminal = terminal
        self._asked = asyncio.Lock()
        self._through = False

    async def respond(self, problem: Problem, attempt: Attempt) -> Verdict:
        """Return what the person says about the attempt."""
        async with self._asked:
            if self._through:
                return GO_ON
            with self._transcript.asking(attempt) as page:
                verdict = await self._ask(page)
            self._through = verdict.accepted or verdict.enough
            return verdict

    async def _ask(self, page: Page) -> Verdict:
        page.show(page.flow([Text(hint, style="dim") for hint in _HINTS], ""))
        self._terminal.forget()
        try:
            first = await self._read("> ")
            command = None if first is None else first.strip().lower()
            match command:
                case "":
                    return GO_ON
                case "a" | "accept":
                    return ACCEPT
                case None | "q" | "quit":
                    return STOP
            lines = [first or ""]
            while (line := await self._read("  ")) is not None and line.strip():
                lines.append(line)
        except asyncio.CancelledError:
            self._write("\n")
            raise
        return Verdict(0.0, "\n".join(lines).strip(), False, "person")

    async def _read(self, prompt: str) -> str | None:
        self._write(prompt)
        line = await self._terminal.line()
        if line is None:
            self._write("\n")
        return line

    def _write(self, text: str) -> None:
        self._terminal.screen.write(text)
        self._terminal.screen.flush()


class _Screen(io.FileIO):
    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except OSError:
            return memoryview(content).nbytes
