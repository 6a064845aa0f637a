"""`rise prompts`: list, show and copy the words that are sent to models."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from rise_cli.core.controls import printable
from rise_cli.errors import UsageError
from rise_cli.prompts import find, load, load_role, names, read_text, roles


def list_prompts(as_json: bool) -> None:
    """Print the shipped protocols, then the roles, a line each."""
    protocols = [load(name) for name in names()]
    if as_json:
        rows = [{"protocol": p.name, "shape": p.shape.value, "description": p.description} for p in protocols]
        rows += [{"role": name, "description": load_role(name).text} for name in roles()]
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
        return
    width = max(len(name) for name in [*names(), *roles()])
    for protocol in protocols:
        sys.stdout.write(f"{protocol.name:<{width}}  {protocol.description}\n")
    sys.stdout.write("\nRoles (--role):\n")
    for name in roles():
        sys.stdout.write(f"{name:<{width}}  {' '.join(load_role(name).text.split())}\n")


def show_prompt(name: str) -> None:
    """Print the files of a protocol, each under its name."""
    protocol = load(name)
    for path in (protocol.folder / "protocol.toml", *sorted(protocol.folder.glob("*.md"))):
        sys.stdout.write(f"--- {printable(path.name)}\n{printable(read_text(path))}\n")


def copy_prompt(name: str, folder: Path) -> None:
    """Copy a protocol into a new folder. Raises UsageError where the folder already exists."""
    source = find(name)
    try:
        shutil.copytree(source, folder)
    except FileExistsError:
        raise UsageError(f"{str(folder)!r} already exists; name a folder that does not") from None
    except OSError as error:
        raise UsageError(f"cannot copy to {str(folder)!r}: {error.strerror or error}") from None
    path = folder if "/" in str(folder) else f"./{folder}"
    sys.stderr.write(f"rise: change it there and use it with --prompt {path}\n")
