"""Are two answers the same? Cheap comparison first; math-verify only where it cannot tell.

math-verify (and sympy) never enter this process: they take seconds to import, and some formulas
never come back. One child process holds them. It starts with the first pair that needs it, serves
all that follow, and is killed when a pair overruns.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from rise_cli.core.canonical import canonical, equal, formula
from rise_cli.core.domain import Kind

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_MOST_REMEMBERED = 4_096
_START_S = 60.0
_PASSED_ON = re.compile("PATH|HOME|LANG|LC_ALL|TMPDIR|TEMP|TMP|SYSTEMROOT|(?:LD|DYLD)_LIBRARY_PATH")
_START = (
    "import json, sys\n"
    "sys.path[:] = json.loads(sys.stdin.readline())\n"
    "from rise_cli.compare.worker import main\n"
    "main()\n"
)


class Comparer:
    """Compares answers. Safe to use from any thread; close it, or use it as a context manager.

    `same` blocks, for up to `limit_s` seconds a pair (and some seconds more when the child has to start).
    Pairs that need the child take turns, so with n threads it may take n times as long:
    call it off the event loop unless `core.canonical.equal` has an opinion. A pair that overruns, or
    that crashes the child, is not the same, and its answers are from then on the same as others only if
    spelling says so (but for one that algebra had been asked about before: it was not to blame).
    `notice` is told, once, if the child cannot be started; formulas are then the same only if they are
    spelt the same. `python` runs the child.
    """

    def __init__(
        self,
        *,
        limit_s: float = 2.0,
        notice: Callable[[str], None] | None = None,
        python: str = sys.executable,
    ) -> None:
        self._limit_s = limit_s
        self._python = python
        self._notice = notice
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._unusable = False
        self._remembered: dict[tuple[str, str, Kind], bool] = {}
        self._answered: dict[str, None] = {}
        self._overran: dict[str, None] = {}

    def same(self, a: str, b: str, kind: Kind) -> bool:
        """Whether two answers mean the same. Reflexive and symmetric, but not always transitive."""
        told = equal(a, b, kind)
        if told is not None:
            return told
        first, second = sorted((canonical(a, kind), canonical(b, kind)))
        key = (first, second, kind)
        with self._lock:
            if key not in self._remembered:
                gold, target = sorted((formula(a, kind), formula(b, kind)))
                _remember(self._remembered, key, self._ask(gold, target))
            return self._remembered[key]

    def close(self) -> None:
        """End the child, if there is one. A later `same` starts another."""
        with self._lock:
            self._discard()

    def __enter__(self) -> Comparer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, gold: str, target: str) -> bool:
        pair = {gold, target}
        if pair & self._overran.keys():
            return False
        try:
            child = self._running()
            reply = child.ask({"gold": gold, "target": target}, self._limit_s) if child else False
        except BaseException:  # an interrupt between question and reply: the next reply would be this one's
            self._discard()
            raise
        if reply is None:
            self._discard()
        for text in pair if reply is not None else pair - self._answered.keys() or pair:
            _remember(self._answered if reply is not None else self._overran, text, None)
        return reply is True

    def _running(self) -> _Child | None:
        if self._child is not None and self._child.alive:
            return self._child
        self._discard()
        if self._unusable:
            return None
        try:
            self._child = _Child(self._python)
            ready = self._child.ask([entry for entry in sys.path if entry], _START_S)
        except OSError:
            ready = None
        if ready != "ready":
            self._discard()
            self._unusable = True
            if self._notice:
                self._notice(
                    "math-verify cannot be started: formulas are the same only if they are spelt the same."
                )
        return self._child

    def _discard(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _remember(kept: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(kept) >= _MOST_REMEMBERED:
        del kept[next(iter(kept))]
    kept[key] = value


class _Child:
    """The child process. It has its own session, so that Ctrl-C reaches us alone, and it ends when its
    stdin does, so that it does not outlive us."""

    def __init__(self, python: str) -> None:
        # Isolated mode: nothing in the current folder can pose as a module.
        self._process = subprocess.Popen(
            [python, "-I", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            encoding="utf-8",
            env={name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)},
        )
        assert self._process.stdin  # noqa: S101 - it is a pipe
        assert self._process.stdout  # noqa: S101 - it is a pipe
        self._to, self._from = self._process.stdin, self._process.stdout
        self.close = weakref.finalize(self, _end, self._process)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, question: object, limit_s: float) -> object:
        """Send a line and return the line that comes back; None if none came in time. The child is then
        dead: a kill is also what ends the wait, as it closes the pipe."""
        watch = threading.Timer(limit_s, self._process.kill)
        watch.daemon = True
        watch.start()
        try:
            self._to.write(json.dumps(question) + "\n")
            self._to.flush()
            line = self._from.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
            watch.join()  # so that a late kill does not hit the next pair
        return json.loads(line) if line.endswith("\n") else None


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was not yet written has no reader left
                pipe.close()
    process.wait()
