"""`rise config`: the settings that a run here would use, and where each comes from."""

from __future__ import annotations

import json
import os
import sys

from rise_cli.settings import config_paths, describe, resolve, working_folder


def show_config(as_json: bool) -> None:
    """Print every setting with its value and origin. Whatever looks like a key is struck out."""
    rows = describe(resolve({}, env=os.environ, cwd=working_folder()), _keys())
    if as_json:
        shown = {name: {"value": value, "origin": origin} for name, value, origin in rows}
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
        return
    names, values = (max(len(row[i]) for row in rows) for i in (0, 1))
    for name, value, origin in rows:
        sys.stdout.write(f"{name:<{names}}  {value:<{min(values, 40)}}  {origin}\n")


def show_path() -> None:
    """Print the path of the user's own configuration, whether or not it exists."""
    sys.stdout.write(f"{config_paths(working_folder(), os.environ).user}\n")


def _keys() -> frozenset[str]:
    """The keys that the environment holds, so that they can be struck out wherever they stand."""
    from rise_cli.chat.providers import PROVIDERS

    variables = (name for provider in PROVIDERS.values() for name in provider.key_vars)
    return frozenset(filter(None, (os.environ.get(name, "").strip() for name in variables)))
