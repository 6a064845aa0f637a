"""A provider's key: from the environment, or from a command in the user's own configuration.

Never from a command line and never from a file. No message about a key shows any of it, and none
about a command shows any of its output.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping

from rise_cli.errors import CredentialsError
from rise_cli.settings.wording import short


def find_key(
    variables: tuple[str, ...],
    provider: str,
    env: Mapping[str, str],
    key_cmds: Mapping[str, str],
    *,
    timeout_s: float = 10.0,
) -> str | None:
    """Return the provider's key, or None where nobody says one.

    The first of `variables` that is set and not blank counts; then the first line that the
    provider's `key_cmd` prints. Space around a key is dropped.
    Raises `CredentialsError` for a key that no header could carry, and for a command that cannot be
    run, fails, prints nothing or takes longer than `timeout_s` seconds.
    """
    for variable in variables:
        key = env.get(variable, "").strip()
        if key:
            return _usable(key, variable, "export it again")
    if provider not in key_cmds:
        return None
    name = f"the key_cmd of {short(provider)}"
    return _usable(_printed_by(key_cmds[provider], name, env, timeout_s), name, "correct the command")


def _usable(key: str, source: str, advice: str) -> str:
    if not all("!" <= character <= "~" for character in key):
        raise CredentialsError(
            f"{source} gives a key with a space, a line break or another character that no key has; {advice}"
        )
    return key


def _printed_by(command: str, name: str, env: Mapping[str, str], timeout_s: float) -> str:
    try:
        # Its stdin is empty, since ours may hold the question. Its stderr could hold the key.
        process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError, IndexError) as error:
        why = getattr(error, "strerror", None) or "it is not a command"
        raise CredentialsError(f"{name} cannot be run: {why}; correct it in your configuration") from None
    with process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise CredentialsError(
                f"{name} took longer than {timeout_s:g} s; correct it, or export the key instead"
            ) from None
        finally:
            # The group may outlive its leader, and hold the pipe that closing `process` reads to the end.
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        raise CredentialsError(
            f"{name} failed with exit status {process.returncode}; run it by hand to see why"
        )
    # Latin-1 takes every byte; what is no key is refused by the caller.
    key = output.decode("latin-1").lstrip("\r\n").partition("\n")[0].strip()
    if not key:
        raise CredentialsError(f"{name} printed nothing; run it by hand to see why")
    return key
