"""Names, options, help and exit codes. A command's body is one lazy import and one call.

`main` is the program: it runs the command line and turns every error that is ours into one line on
stderr and its exit code (see `rise_cli.errors`). Anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable


def main() -> None:
    """Run `rise` on `sys.argv` and exit."""
    from rise_cli.cli.streams import secure

    secure()
    code = _outcome(_run)
    unwritten = _outcome(sys.stdout.flush)
    sys.exit(code or unwritten)


def _run() -> None:
    from rise_cli.cli.app import app

    app(prog_name="rise")


def _outcome(act: Callable[[], None]) -> int:
    """Return the exit code that `act` comes to, having said what went wrong."""
    from rise_cli.errors import RiseError

    try:
        act()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except RiseError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _say(message: str) -> None:
    from rise_cli.core.controls import printable

    if message:
        sys.stderr.write(f"rise: {printable(message)}\n")
        sys.stderr.flush()
