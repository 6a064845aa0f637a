"""Writes `docs/cli.md` from the program's own help, or with `--check` says whether it is up to date.

uv run python docs/build.py [--check]
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "cli.md"
COMMANDS = (
    "",
    "ask",
    "batch",
    "eval",
    "score",
    "calibrate",
    "report",
    "log",
    "log list",
    "log show",
    "log search",
    "log delete",
    "log path",
    "prompts",
    "prompts list",
    "prompts show",
    "prompts copy",
    "models",
    "config",
    "config show",
    "config path",
    "schema",
)


def page() -> str:
    """The whole page: every command's help as it is printed at 100 columns."""
    parts = ["# The command line\n\nMade from the help by `uv run python docs/build.py`; do not edit.\n"]
    for command in COMMANDS:
        name = f"rise {command}".strip()
        parts.append(f"## `{name}`\n\n```text\n{_help(command.split())}\n```\n")
    return "\n".join(parts)


def _help(words: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rise_cli", *words, "--help"],
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def main() -> None:
    """Write the page, or compare it."""
    made = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != made:
        sys.exit("docs/cli.md is not what the help says; run: uv run python docs/build.py")


if __name__ == "__main__":
    main()
