"""Processes of `rise` that begin at once, for tests that need many of them.

Most of the time that a process takes to begin goes into loading the SDK. Here one process loads it, and
every further one is a fork of that: the whole program from its command line on, in a process of its own
that can be killed.

    with Nursery(folder, env) as nursery:
        child = nursery.start("batch", "p.jsonl")
        os.kill(child, signal.SIGKILL)
        nursery.wait() == -signal.SIGKILL
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_LOADED = ("commands.batch", "chat.openai", "chat.retrying", "chat.recording", "render.progress", "settings")


class Nursery:
    """One process at a time, in `folder`, with `env` and with its streams closed to the world."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._mother = subprocess.Popen(
            [sys.executable, __file__],
            cwd=folder,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mother.communicate(timeout=30)

    def start(self, *words: str) -> int:
        """Start `rise` with these words; return the number of its process."""
        assert self._mother.stdin is not None
        self._mother.stdin.write(json.dumps(words) + "\n")
        self._mother.stdin.flush()
        return self._read()

    def wait(self) -> int:
        """Return the exit code of the process; negative for a signal."""
        return self._read()

    def _read(self) -> int:
        assert self._mother.stdout is not None
        return int(self._mother.stdout.readline())


def _bear() -> None:
    from importlib import import_module

    import aiohttp
    import openai.types.chat
    import tenacity.asyncio

    from rise_cli.cli import main

    assert aiohttp
    assert openai
    assert tenacity
    for name in _LOADED:
        import_module(f"rise_cli.{name}")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nowhere, stream)
            sys.argv = ["rise", *json.loads(line)]
            main()
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _bear()
