"""Names, options, help and exit codes. A command's body is one lazy import and one call.

`main` is the program: it runs the command line and turns every error that is ours into one line on
stderr and its exit code (see `rise_cli.errors`). Anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run `rise` on `sys.argv` and exit."""
    from rise_cli.cli.app import app
    from rise_cli.errors import RiseError

    try:
        app(prog_name="rise")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except RiseError as error:
        code = error.exit_code
        _say(str(error))
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 0
    _leave(code)


def _say(message: str) -> None:
    from rise_cli.core.controls import printable

    if not message:
        return
    try:
        print(f"rise: {printable(message)}", file=sys.stderr)  # noqa: T201
    except (OSError, UnicodeError):
        # Nobody is listening, or nobody could read it; the exit code still tells.
        return


def _leave(code: int) -> None:
    """Flush and exit. A reader that has gone away is no error, a full disk is."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _say(f"cannot write the result to stdout: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or 1
    except ValueError:
        # stdout was closed before we started (`>&-`).
        pass
    sys.exit(code)
