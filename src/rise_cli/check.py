"""A check: a program of the user's that says whether an answer is right.

It is the environment of the MDP. Its exit status is the reward, and its output is the feedback that
the next turn sees. What it is promised:

- it is started directly, without a shell, in a session of its own and in the current folder;
- the answer, as UTF-8 with a newline after it, is its stdin; stdin is a file, so a check that never
  reads it harms nothing, and an attempt without an answer is an empty one;
- `RISE_TURN` and `RISE_CHAIN` count from 1; `RISE_QUESTION_FILE`, `RISE_ANSWER_FILE` and
  `RISE_REPLY_FILE` are files of this run alone (0600 in a 0700 folder), gone when it is over;
- its environment holds no API keys: see `without_keys`. That keeps keys from being passed on by
  accident; it is no sandbox, the check runs with all rights of the user;
- stdout and stderr are read together and to the end, and the first 4 KiB are kept;
- when its time is over, or the run is cancelled, its whole process group is killed. When it ends by
  itself, whatever it left behind is killed only if that still holds its output open.

Windows is not supported: there are no process groups to kill.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import re
import shlex
import shutil
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from rise_cli.core.controls import printable
from rise_cli.core.domain import Attempt, Problem, Verdict
from rise_cli.errors import ConfigurationError, UsageError

OUTPUT_LIMIT = 4096
"""Bytes of output that become feedback."""

# How long a finished check's output may stay open. Whatever it wrote itself is in the pipe already;
# only a process that it left in the background can hold the other end.
_GRACE_S = 0.5

# A shorter "key" (such as the `x` that local servers are given) is a word like any other.
_SHORTEST_KEY = 6

_KEY_NAME = re.compile(
    r"API_?KEY|API_?TOKEN|(ACCESS|SECRET|AUTH|PRIVATE)_?KEY|(^|_)SECRETS?(_|$)|(^|_)(KEYS?|TOKEN)(_?\d+)?$"
)

# Escape sequences go as a whole. `printable` alone would leave their tails ("[31m") in the feedback.
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")


class Judge(Protocol):
    """Whoever can say whether an attempt is right: a check command, or a person."""

    async def respond(self, problem: Problem, attempt: Attempt) -> Verdict:
        """Return the verdict on the attempt. Raises `ConfigurationError` if nobody can be asked."""
        ...


def without_keys(
    environ: Mapping[str, str], key_variables: frozenset[str], keys: frozenset[str]
) -> dict[str, str]:
    """Return the environment for a check: `environ` without anything that looks like an API key.

    Left out are `key_variables`; every variable whose name says key, token or secret, in any case
    (`*_API_KEY`, `*_TOKEN`, `*_ACCESS_KEY_ID`, `*_CLIENT_SECRET`, `*_KEY_2`; not `MAX_TOKENS`,
    `TOKENIZERS_PARALLELISM`, `PGPASSWORD` or `SSH_AUTH_SOCK`); and every variable whose value holds
    one of `keys`. `RISE_CHECK` goes too, so that a check may itself call `rise` without an end.
    """

    def kept(name: str, value: str) -> bool:
        if name in key_variables or name == "RISE_CHECK" or _KEY_NAME.search(name.upper()):
            return False
        return not any(key in value for key in keys)

    return {name: value for name, value in environ.items() if kept(name, value)}


@dataclass(frozen=True, slots=True)
class Check:
    """A check command, ready to run: a `Judge` whose verdicts have the source `check`.

    `environment` is what the program gets, `keys` what is struck from its output; neither is ever
    shown in a representation.
    """

    argv: tuple[str, ...]
    timeout_s: float
    environment: Mapping[str, str] = field(repr=False)
    keys: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def parse(
        cls,
        command: str,
        timeout_s: float,
        *,
        environ: Mapping[str, str],
        key_variables: frozenset[str] = frozenset(),
        keys: frozenset[str] = frozenset(),
    ) -> Check:
        """Split `command` as a shell would and make sure that its program exists.

        `environ` is the environment of the whole program; `key_variables` names the variables in it
        that hold provider keys, and `keys` are further keys, from wherever they came.
        Raises `UsageError` where the command cannot be split or is empty, and `ConfigurationError`
        where the program cannot be found or may not be run.
        """
        try:
            argv = tuple(shlex.split(command))
        except ValueError as error:
            raise UsageError(
                f"the check {command!r} cannot be split into words ({error}); balance its quotation marks"
            ) from None
        if not argv or not argv[0] or "\0" in command:
            raise UsageError(f"the check {command!r} is not a command; give a program and its arguments")
        _require_program(argv[0], environ.get("PATH"))
        known = keys | {environ.get(name, "").strip() for name in key_variables}
        known = frozenset(key for key in known if len(key) >= _SHORTEST_KEY)
        return cls(argv, timeout_s, without_keys(environ, key_variables, known), known)

    async def respond(self, problem: Problem, attempt: Attempt) -> Verdict:
        """Run the check on one attempt.

        Exit status 0 accepts it. Anything else rejects it, with the output as feedback (or a
        sentence, where there is none). Raises `ConfigurationError` if the program cannot be started.
        """
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(
                    tempfile.TemporaryDirectory(prefix="rise-check-", ignore_cleanup_errors=True)
                )
                files = _write_files(Path(folder), problem, attempt)
                stdin = stack.enter_context(_reading(files["RISE_ANSWER_FILE"]))
            except OSError as error:
                why = error.strerror or error
                raise ConfigurationError(
                    f"the files for the check cannot be written ({why}); set TMPDIR to a folder with room"
                ) from None
            where = {"RISE_TURN": str(attempt.turn), "RISE_CHAIN": str(attempt.chain)}
            watch = await self._run({**self.environment, **where, **files}, stdin)
        return self._verdict(watch)

    async def _run(self, environment: Mapping[str, str], stdin: IO[bytes]) -> _Watch:
        """Run the program to its end, or to the end of its time; nothing of it is left afterwards."""
        watch = _Watch()
        transport = await self._start(watch, environment, stdin)
        try:
            try:
                async with asyncio.timeout(self.timeout_s):
                    await watch.exited.wait()
            except TimeoutError:
                watch.late = True
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_GRACE_S):
                        await watch.closed.wait()
                watch.status = transport.get_returncode()
        finally:
            if not (watch.exited.is_set() and watch.closed.is_set()):
                _kill_group(transport.get_pid())
            await watch.exited.wait()
            transport.close()
        return watch

    async def _start(
        self, watch: _Watch, environment: Mapping[str, str], stdin: IO[bytes]
    ) -> asyncio.SubprocessTransport:
        starting = asyncio.ensure_future(
            asyncio.get_running_loop().subprocess_exec(
                lambda: watch,
                *self.argv,
                stdin=stdin,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        )
        try:
            transport, _ = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The program may run already: a cancelled start would kill it but not its children.
            with contextlib.suppress(OSError, ValueError):
                transport, _ = await starting
                _kill_group(transport.get_pid())
                await watch.exited.wait()
                transport.close()
            raise
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigurationError(
                f"the check {shlex.join(self.argv)!r} cannot be started: {why}; make its program runnable"
            ) from None
        return transport

    def _verdict(self, watch: _Watch) -> Verdict:
        if watch.status == 0:
            return Verdict(1.0, None, True, "check")
        output = _feedback(bytes(watch.output), watch.total > OUTPUT_LIMIT, self.keys)
        if watch.late:
            said = f"The check took longer than {self.timeout_s:g} s on this answer and was stopped."
        elif watch.status is not None and watch.status < 0:
            said = f"The check was ended by {_signal_name(-watch.status)} on this answer."
        elif output:
            return Verdict(0.0, output, False, "check")
        else:
            said = f"The check rejected this answer (exit status {watch.status})."
        return Verdict(0.0, f"{said}\n{output}" if output else said, False, "check")


class _Watch(asyncio.SubprocessProtocol):
    """What is heard of a running program. The end of the program and the end of its output are two
    events, since a process that it leaves behind can hold its output open."""

    def __init__(self) -> None:
        self.output = bytearray()
        self.total = 0
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self.status: int | None = None
        self.late = False

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.output += data[: OUTPUT_LIMIT - len(self.output)]
        self.total += len(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.closed.set()

    def process_exited(self) -> None:
        self.exited.set()


def _require_program(program: str, path: str | None) -> None:
    if shutil.which(program, path=path) is not None:
        return
    if os.sep in program and Path(program).exists():
        raise ConfigurationError(
            f"the check program {program!r} may not be executed; allow it (chmod +x) or name its interpreter"
        )
    raise ConfigurationError(
        f"there is no check program {program!r}; a check is run without a shell, so give a path or a name "
        "on PATH, and write sh -c '...' for pipes, variables and ~"
    )


def _reading(file: str) -> IO[bytes]:
    return Path(file).open("rb")


def _write_files(folder: Path, problem: Problem, attempt: Attempt) -> dict[str, str]:
    """Write what the check may read, and return the variables that name the files."""
    texts = {
        "question": problem.question,
        "answer": "" if attempt.answer is None else attempt.answer + "\n",
        "reply": attempt.reply,
    }
    files = {}
    for name, text in texts.items():
        file = folder / f"{name}.txt"
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            # A lone surrogate has no encoding; it arrives as a question mark.
            stream.write(text.encode("utf-8", "replace"))
        files[f"RISE_{name.upper()}_FILE"] = str(file)
    return files


def _kill_group(leader: int) -> None:
    # On macOS a group of nothing but zombies answers with PermissionError.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _feedback(output: bytes, cut: bool, keys: frozenset[str]) -> str:
    """Return the output as text that is safe to show, to send and to store."""
    # A character that the limit cuts in two is left out; bytes that are wrong in themselves show.
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(output, final=not cut)
    text = printable(_ESCAPE.sub("", text))
    for key in sorted(keys, key=len, reverse=True):
        text = text.replace(key, "[key]")
        if cut:
            text = _without_start_of(key, text)
    return text.strip()


def _without_start_of(key: str, text: str) -> str:
    """Drop the first part of a key that the limit has cut off at the end of the text."""
    for length in range(len(key) - 1, _SHORTEST_KEY - 1, -1):
        if text.endswith(key[:length]):
            return text[:-length]
    return text
