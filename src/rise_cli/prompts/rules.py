"""`protocol.toml`: the rules of a protocol, checked."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from rise_cli.core.domain import Shape
from rise_cli.errors import UsageError
from rise_cli.prompts.folder import read_text

_KEYS = {"shape", "description", "window", "samples", "draw", "opening"}


def read_rules(path: Path) -> dict[str, Any]:
    """Return the rules in `path`. Raises UsageError, with the file and the key, where one is wrong."""
    try:
        rules = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{str(path)!r} is not valid TOML: {error}") from None
    if strange := set(rules) - _KEYS:
        raise UsageError(f"{str(path)!r} has the unknown key {sorted(strange)[0]!r}; known: {sorted(_KEYS)}")
    for key in ("shape", "description"):
        if not isinstance(rules.get(key), str):
            raise UsageError(f"{str(path)!r} must set {key!r} to a text, not {rules.get(key)!r}")
    if rules["shape"] not in set(Shape):
        raise UsageError(
            f"{str(path)!r}: shape must be one of {[s.value for s in Shape]}, not {rules['shape']!r}"
        )
    rules["shape"] = Shape(rules["shape"])
    window, opening = rules.get("window", 1), rules.get("opening", [])
    if window != "all" and not (type(window) is int and window >= 0):
        raise UsageError(f'{str(path)!r}: window must be 0 or more, or "all", not {window!r}')
    for key in ("samples", "draw"):
        if not (type(rules.get(key, 1)) is int and rules.get(key, 1) >= 1):
            raise UsageError(f"{str(path)!r}: {key} must be 1 or more, not {rules[key]!r}")
    if not (isinstance(opening, list) and all(isinstance(f, str) for f in opening)):
        raise UsageError(f"{str(path)!r}: opening must be a list of file names, not {opening!r}")
    return rules
