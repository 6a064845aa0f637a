"""Runs `rise` as a person or a script would, in a place where nothing is set.

    rise = Program(tmp_path)
    result = rise("ask", "2 + 2?", *at("openai", server), env=KEYS)
    result.code, result.out, result.err

A call runs the whole program in this process, with its own arguments, streams, folder and
environment: loading an SDK takes a second, and only once. `start` and `terminal` run a process of its
own, for signals and terminals: a fork of one that has loaded everything (see `nursery`), or, where a
shell starts it, a fresh one. Whatever runs, no key may be on stdout or stderr, and no traceback.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect
from loopback import Loopback
from nursery import RISE, Child, Order, piped, shown
from pexpect.fdpexpect import fdspawn
from wires import KEY

from rise_cli.cli import main

PLAIN_KEY = "Tq7wXz83kLm2Vb90"
"""A key without any of the prefixes by which keys can be told."""

KEYS = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left: its exit code, and what it wrote as bytes and as text."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        return self.stdout.decode()

    @property
    def err(self) -> str:
        return self.stderr.decode()

    @property
    def record(self) -> dict[str, Any]:
        """stdout as a JSON object."""
        parsed = json.loads(self.stdout)
        assert isinstance(parsed, dict)
        return parsed


Process = subprocess.Popen[bytes] | Child


class Program:
    """`rise` with an empty home and folder below `place`, and no environment beyond what it needs."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "work"
        self.home = place / "home"
        self.folder.mkdir()
        self.home.mkdir()
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    def __call__(
        self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes | str | None = None
    ) -> Result:
        """Run in this process. `stdin` None is an empty one."""
        given = stdin.encode() if isinstance(stdin, str) else stdin or b""
        environment = self.env | dict(env or {})
        with _stream() as source, _stream() as out, _stream(errors="backslashreplace") as err:
            source.buffer.write(given)
            source.seek(0)
            with _streams(source, out, err), _environment(environment), contextlib.chdir(self.folder):
                code = _exit_code(args)
            result = Result(code, _content(out), _content(err))
        return checked(result, environment)

    def start(
        self, *args: str, env: Mapping[str, str] | None = None, shell: str | None = None, stdin: bool = False
    ) -> Process:
        """Start a process of its own; without `stdin` that is an empty one.

        `shell` is a script in which `"$@"` stands for the command line, for redirections and limits.
        """
        environment = self.env | dict(env or {})
        if shell is None:
            return piped(Order(args, environment, str(self.folder)), stdin=stdin)
        return subprocess.Popen(
            ["sh", "-c", shell, "sh", RISE, *args],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *args: str, env: Mapping[str, str] | None = None, **options: Any) -> Result:
        """Run a process of its own to its end."""
        return self.wait(self.start(*args, env=env, **options), env)

    def wait(self, process: Process, env: Mapping[str, str] | None = None) -> Result:
        """Collect what a started process leaves."""
        with process:
            try:
                out, err = process.communicate(timeout=30)
            finally:
                process.kill()
        return checked(Result(process.wait(), out or b"", err or b""), self.env | dict(env or {}))

    def terminal(
        self, *args: str, columns: int = 80, env: Mapping[str, str] | None = None, shell: str | None = None
    ) -> Terminal:
        """Start on a terminal of 24 lines. `shell` as in `start`."""
        environment = self.env | {"TERM": "xterm-256color"} | dict(env or {})
        if shell is None:
            child, screen = shown(Order(args, environment, str(self.folder), terminal=True), columns)
            return Terminal(fdspawn(screen, timeout=30), environment, child)
        spawned = pexpect.spawn(
            "sh",
            ["-c", shell, "sh", RISE, *args],
            env=environment,
            cwd=str(self.folder),
            dimensions=(24, columns),
            timeout=30,
            echo=False,
        )
        return Terminal(spawned, environment)


class Terminal:
    """A program on a terminal. `press` and `enter` are what a person does; `end` waits for the end."""

    def __init__(self, screen: Any, environment: Mapping[str, str], child: Child | None = None) -> None:
        self._screen = screen
        self._environment = environment
        self._child = child
        self._shown = b""

    def until(self, text: str) -> None:
        """Wait until the program has shown this text."""
        self._screen.expect_exact(text.encode())
        self._shown += self._screen.before + self._screen.after

    def idle(self, seconds: float) -> str:
        """Wait this long and return what was shown in the meantime."""
        time.sleep(seconds)
        with contextlib.suppress(pexpect.TIMEOUT):
            shown = self._screen.read_nonblocking(size=65536, timeout=0)
            self._shown += shown
            return str(shown.decode())
        return ""

    def write(self, text: str) -> None:
        """Type this text."""
        self._screen.send(text)

    def press(self, key: str) -> None:
        """Press a control key, such as `c` for Ctrl-C."""
        self._screen.send(chr(ord(key) & 0x1F))

    def enter(self, *lines: str) -> None:
        """Type each line and press Enter."""
        for line in lines:
            self._screen.sendline(line)

    def end(self) -> Result:
        """Wait for the end; all that was shown is the result's `stdout`."""
        self._screen.expect(pexpect.EOF)
        self._shown += self._screen.before
        self._screen.close()
        return checked(Result(self._code(), self._shown.replace(b"\r\n", b"\n"), b""), self._environment)

    def _code(self) -> int:
        if self._child is not None:
            return self._child.wait(30)
        code, number = self._screen.exitstatus, self._screen.signalstatus
        return int(-number if code is None else code)


def at(wire: str, server: Loopback | str, model: str = "m-1") -> tuple[str, ...]:
    """The options that send a question to this server over this wire."""
    if isinstance(server, str):
        url = server
    else:
        url = server.openai_url if wire == "openai" else server.anthropic_url
    return ("-m", f"{wire}:{model}", "--base-url", url)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for something that happens in another process or thread."""
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 30 s")


def checked(result: Result, environment: Mapping[str, str]) -> Result:
    """The result, unless something is on its streams that never may be."""
    for name, value in environment.items():
        if name.endswith("_API_KEY") and value.strip():
            assert value.strip().encode() not in result.stdout + result.stderr, f"{name} was shown"
    assert b"Traceback" not in result.stdout + result.stderr, result.err
    return result


def _exit_code(args: tuple[str, ...]) -> int:
    before = sys.argv
    sys.argv = ["rise", *args]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else -1
    finally:
        sys.argv = before
    raise AssertionError("main returned instead of exiting")


def _stream(errors: str = "strict") -> io.TextIOWrapper:
    return io.TextIOWrapper(tempfile.TemporaryFile(), encoding="utf-8", errors=errors)


@contextlib.contextmanager
def _streams(*three: io.TextIOWrapper) -> Iterator[None]:
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = three
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _content(stream: io.TextIOWrapper) -> bytes:
    stream.seek(0)
    return bytes(stream.buffer.read())
