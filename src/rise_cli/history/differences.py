"""In which settings two runs differ, in the words of the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Every setting of `ours` that `theirs` had otherwise, as its flag with both values."""
    return [
        f"{_option(name)} {json.dumps(was, ensure_ascii=False)} (now {json.dumps(value, ensure_ascii=False)})"
        for name, value in ours.items()
        if (was := _had(theirs, name, value)) != value
    ]


def _had(theirs: Mapping[str, Any], name: str, ours: object) -> object:
    """What a row was made with. Rows of the first versions have only the kind that was settled on, which
    for `auto` may be any."""
    if name == "kind_asked" and name not in theirs:
        return ours if ours in {"auto", None} else theirs.get("kind")
    return theirs.get(name)


def _option(setting: str) -> str:
    """The flag that sets it. A protocol is chosen with `--prompt`."""
    flags = {"protocol": "--prompt", "kind_asked": "--kind"}
    return flags.get(setting, f"--{setting.replace('_', '-')}")
