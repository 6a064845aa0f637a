"""Processes of `rise` that begin at once.

Most of the time that a process takes to begin goes into loading modules, those of an SDK above all. Here
one process loads them, once for all tests of a worker, and every further one is a fork of that: the
whole program from its command line on, in a process and a session of its own, with its own streams,
folder and environment, that can be signalled and killed.

    order = Order(("ask", "2 + 2?"), env, folder)
    with piped(order) as child:
        child.send_signal(signal.SIGINT)
        child.wait() == 130
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import termios
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing.connection import wait
from pathlib import Path
from typing import BinaryIO, Self

RISE = str(Path(sysconfig.get_path("scripts")) / "rise")

_LOADED = ("openai.types.chat", "anthropic", "aiohttp", "tenacity.asyncio", "rich.live", "genai_prices")


@dataclass(frozen=True, slots=True)
class Order:
    """What to run, in which environment and folder; `terminal`: stdin is the terminal that controls it."""

    words: Sequence[str]
    env: dict[str, str]
    folder: str
    terminal: bool = False


class Child:
    """A process of `rise`, with what tests use of a `subprocess.Popen`."""

    def __init__(self, report: int, *ours: BinaryIO | None) -> None:
        self.stdin, self.stdout, self.stderr = ours or (None, None, None)
        self.returncode: int | None = None
        self._report = os.fdopen(report)
        self.pid = int(self._report.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close(self.stdin, self.stdout, self.stderr)
        self.wait()

    def poll(self) -> int | None:
        """Return the exit code once the process has ended; negative for a signal."""
        return self.wait() if self._ends_within(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code."""
        if not self._ends_within(timeout):
            raise subprocess.TimeoutExpired(RISE, timeout or 0)
        if self.returncode is None:
            with self._report:
                self.returncode = int(self._report.readline())
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Close stdin, collect what the process writes until its end, and close that."""
        self._close(self.stdin)
        late = threading.Timer(timeout or 0, self.kill)
        if timeout is not None:
            late.start()
        with ThreadPoolExecutor(2) as readers:
            streams = (self.stdout, self.stderr)
            out, err = readers.map(lambda stream: stream.read() if stream else b"", streams)
        late.cancel()
        self.wait()
        self._close(self.stdout, self.stderr)
        return out, err

    def send_signal(self, number: int) -> None:
        """Send it to the process alone, if that has not ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it may have ended, and its report be on its way
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ends_within(self, timeout: float | None) -> bool:
        return self.returncode is not None or bool(wait([self._report.fileno()], timeout))

    def _close(self, *streams: BinaryIO | None) -> None:
        for stream in streams:
            if stream is not None:
                stream.close()


def piped(order: Order, *, stdin: bool = False) -> Child:
    """Start it with its streams on pipes; without `stdin` that is an empty one."""
    source, feed = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), None)
    (out, theirs_out), (err, theirs_err) = os.pipe(), os.pipe()
    report = _nursery().start(order, source, theirs_out, theirs_err)
    fed = None if feed is None else os.fdopen(feed, "wb")
    return Child(report, fed, os.fdopen(out, "rb"), os.fdopen(err, "rb"))


def shown(order: Order, columns: int) -> tuple[Child, int]:
    """Start it on a terminal of 24 lines that echoes nothing; return the other end of that, too."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    modes = termios.tcgetattr(theirs)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    return Child(_nursery().start(order, theirs, os.dup(theirs), os.dup(theirs))), ours


class _Nursery:
    """The process that has loaded everything. It ends when this one does."""

    def __init__(self) -> None:
        self._one_by_one = threading.Lock()
        self._orders, theirs = socket.socketpair()
        with theirs:
            env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                env=env, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        atexit.register(self._close)

    def start(self, order: Order, *streams: int) -> int:
        """Have a child with these for stdin, stdout and stderr, which are closed here; return where its
        number and its exit code will be told, a line each."""
        told, tells = os.pipe()
        with self._one_by_one:
            socket.send_fds(self._orders, [json.dumps(asdict(order)).encode() + b"\n"], [*streams, tells])
        for number in (*streams, tells):
            os.close(number)
        return told

    def _close(self) -> None:
        self._orders.close()
        self._process.wait()


@cache
def _nursery() -> _Nursery:
    return _Nursery()


# In the process that loads everything


def _bear() -> None:
    """Fork for every order, until no more can come."""
    _load()
    orders = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who watches over a child
    while True:
        order, numbers, _, _ = socket.recv_fds(orders, 65536, 4)
        if not order:
            return
        while not order.endswith(b"\n"):
            order += orders.recv(65536)
        if not os.fork():
            orders.close()
            _watch_over(Order(**json.loads(order)), *numbers)
            return
        for number in numbers:
            os.close(number)


def _watch_over(order: Order, *numbers: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if not child:
        _become(order, *numbers)
        return
    *streams, tells = numbers
    os.write(tells, f"{child}\n".encode())
    for number in (*streams, *range(3)):
        os.close(number)
    _, status = os.waitpid(child, 0)
    os.write(tells, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(order: Order, *numbers: int) -> None:
    """Run the program as if this process had just begun."""
    from rise_cli.cli import main

    os.setsid()
    for stream, number in enumerate(numbers[:3]):
        os.dup2(number, stream)
    for number in numbers:
        os.close(number)
    if order.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.env)
    sys.argv = [RISE, *order.words]
    main()


def _load() -> None:
    import rise_cli

    for name in _LOADED:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(rise_cli.__path__, "rise_cli."):
        importlib.import_module(module.name)
    gc.freeze()  # so that a child copies less


if __name__ == "__main__":
    _bear()
