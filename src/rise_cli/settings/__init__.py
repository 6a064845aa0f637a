"""What a run shall do, from the first who says it: flag > `RISE_*` > `rise.toml` > user > default.

    resolved = resolve(flags, env=os.environ, cwd=working_folder())
    resolved.settings.turns, resolved.origin["turns"]      # 3, 'environment RISE_TURNS'

Every message names the flag, the variable or the file that is wrong, and the value. Nothing here
shows a key, in a message, a table or a representation.
"""

from __future__ import annotations

from rise_cli.settings.files import ConfigPaths, Provider, config_paths, log_path, working_folder
from rise_cli.settings.keys import find_key
from rise_cli.settings.layers import Resolved, describe, resolve
from rise_cli.settings.options import Settings

__all__ = [
    "ConfigPaths",
    "Provider",
    "Resolved",
    "Settings",
    "config_paths",
    "describe",
    "find_key",
    "log_path",
    "resolve",
    "working_folder",
]
