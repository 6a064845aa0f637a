"""`rise prompts`: list, show and copy the words that are sent to models."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from rise_cli.core.controls import printable
from rise_cli.core.domain import Call, Policy, Problem, Shape
from rise_cli.errors import UsageError
from rise_cli.prompts import (
    Protocol,
    find,
    languages,
    load,
    load_role,
    messages,
    names,
    read_text,
    roles,
    shared,
)


@dataclass(frozen=True)
class Rendering:
    """What a system prompt is filled in with; None is what a run would have."""

    turns: int | None = None
    threshold: float | None = None
    language: str | None = None


def list_prompts(as_json: bool) -> None:
    """Print the shipped protocols with the languages that they speak, then the roles, a line each."""
    protocols = [load(name) for name in names()]
    speaks = {p.name: ["en", *languages(p.folder)] for p in protocols}
    if as_json:
        rows: list[dict[str, object]] = [
            {
                "protocol": p.name,
                "shape": p.shape.value,
                "languages": speaks[p.name],
                "description": p.description,
            }
            for p in protocols
        ]
        rows += [{"role": name, "description": load_role(name).text} for name in roles()]
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
        return
    width = max(len(name) for name in [*names(), *roles()])
    for protocol in protocols:
        also = f" [{', '.join(speaks[protocol.name])}]" if len(speaks[protocol.name]) > 1 else ""
        sys.stdout.write(f"{protocol.name:<{width}}  {protocol.description}{also}\n")
    sys.stdout.write("\nRoles (--role):\n")
    for name in roles():
        sys.stdout.write(f"{name:<{width}}  {' '.join(load_role(name).text.split())}\n")


def show_prompt(name: str, shown: Rendering, *, source: bool) -> None:
    """Print the files of a protocol, each under its name; of one that runs all rounds in one reply the
    system message alone, ready to be pasted, unless the `source` is asked for.

    Raises UsageError where something is to be rendered that is not of that sort.
    """
    protocol = load(name, shown.language)
    rendered = protocol.shape is Shape.SINGLE and not source
    if shown != Rendering() and not rendered:
        raise UsageError(
            "--turns, --threshold and --language fill in a system prompt that runs all rounds in one reply, "
            f"such as that of single-call; {'--source' if source else repr(name)} shows files as they are"
        )
    if rendered:
        sys.stdout.write(printable(_system(protocol, shown)) + "\n")
        return
    for path in (protocol.folder / "protocol.toml", *sorted(protocol.folder.glob("*.md"))):
        sys.stdout.write(f"--- {printable(path.name)}\n{printable(read_text(path))}\n")


def _system(protocol: Protocol, shown: Rendering) -> str:
    defaults = Policy()
    policy = Policy(
        shape=protocol.shape,
        turns=defaults.turns if shown.turns is None else shown.turns,
        threshold=defaults.threshold if shown.threshold is None else shown.threshold,
    )
    return messages(protocol, policy, Problem("", ""), Call(1, 1), ())[0].text


def copy_prompt(name: str, folder: Path) -> None:
    """Copy a protocol into a new folder, and the shared words that it uses in its languages.

    Raises UsageError where the folder already exists.
    """
    source = find(name)
    try:
        shutil.copytree(source, folder)
        for file in shared(source):
            shutil.copyfile(file, folder / file.name)
    except FileExistsError:
        raise UsageError(f"{str(folder)!r} already exists; name a folder that does not") from None
    except OSError as error:
        raise UsageError(f"cannot copy to {str(folder)!r}: {error.strerror or error}") from None
    path = folder if "/" in str(folder) else f"./{folder}"
    sys.stderr.write(f"rise: change it there and use it with --prompt {path}\n")
