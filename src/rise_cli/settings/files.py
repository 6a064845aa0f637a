"""Settings files: where they are, how they are read, and what a stranger's may say.

The *user's own* file may hold every setting and, for each provider, an address and a command that
prints its key:

    turns = 3
    model = "openai:gpt-5-mini"

    [providers.openai]
    key_cmd = "pass show openai"
    base_url = "https://gateway.example/v1"

A *project's* `rise.toml` comes with a folder that somebody else may have written, so it may only set
`METHOD`: how a question is worked on. It cannot run anything (a check, `key_cmd`), nor choose who is
sent the question and paid for it (`model`, `base_url`, `option`, which could name another model, and
`price`), nor change how the user's machine, account and terminal are treated. It cannot name a file to
be read either: a prompt and a role are names there, never paths, and a calibration is not set there at
all. A limit on spending can only be made tighter.

Nobody's file may hold a key. Whatever is wrong with a file is a `ConfigurationError` of one line,
and a file that is no plain text of reasonable size is not parsed at all.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from rise_cli.core.address import is_address
from rise_cli.core.controls import printable
from rise_cli.errors import ConfigurationError
from rise_cli.settings.options import Settings
from rise_cli.settings.redaction import names_a_key
from rise_cli.settings.wording import path_text, short, shown

PROJECT_FILE = "rise.toml"

METHOD = frozenset({
    "turns", "samples", "prompt", "role", "window", "draw", "language", "kind", "vote",
    "vote_temperature", "tie", "threshold", "patience", "early_stop", "confidence", "strict", "seed",
    "temperature", "top_p", "max_tokens", "reasoning_effort", "max_cost", "max_tokens_total", "timeout",
    "deadline",
})  # fmt: skip
"""The settings that a project's file may make."""

# No person writes more. The parser's time grows with the square of a line (dotted keys), so a file
# made to keep it busy is turned away by its shape.
_LONGEST_FILE = 64 * 1024
_LONGEST_LINE = 4 * 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Provider:
    """What the user's file says about one provider."""

    key_cmd: str | None = field(default=None, repr=False)
    base_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one file sets: raw values by the name of the setting, not validated yet."""

    path: Path
    values: Mapping[str, object] = field(repr=False)
    providers: Mapping[str, Provider] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConfigPaths:
    """Where settings files are looked for. `user` need not exist; `project` is None if there is none."""

    user: Path
    project: Path | None


def working_folder() -> Path:
    """Return the current folder. Raises `ConfigurationError` where it was deleted meanwhile."""
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigurationError(
            f"the current folder cannot be read ({error.strerror}); change into another"
        ) from None


def config_paths(cwd: Path, env: Mapping[str, str]) -> ConfigPaths:
    """Return the user's file (`RISE_CONFIG`, or `config.toml` in the platform's folder for settings)
    and the project's. Reads nothing."""
    user = user_config_path(env)
    project = find_project_file(cwd, env)
    if project is not None and _same(user, project):
        project = None
    return ConfigPaths(user, project)


def user_config_path(env: Mapping[str, str]) -> Path:
    if env.get("RISE_CONFIG"):
        return Path(env["RISE_CONFIG"])
    import platformdirs

    return Path(platformdirs.user_config_dir("rise", appauthor=False)) / "config.toml"


def log_path(env: Mapping[str, str]) -> Path:
    """Return where runs are kept: `RISE_LOG_FILE`, or `log.db` in the platform's folder for data."""
    if env.get("RISE_LOG_FILE"):
        return Path(env["RISE_LOG_FILE"])
    import platformdirs

    return Path(platformdirs.user_data_dir("rise", appauthor=False)) / "log.db"


def find_project_file(cwd: Path, env: Mapping[str, str]) -> Path | None:
    """Return the nearest `rise.toml` in `cwd` or above, but not above the home folder."""
    home = Path(env["HOME"]) if env.get("HOME") else None
    for folder in (cwd, *cwd.parents):
        file = folder / PROJECT_FILE
        if os.path.lexists(file):
            return file
        if folder == home:
            return None
    return None


def read_user_file(path: Path, env: Mapping[str, str]) -> Layer:
    """Read the user's own settings. A file that is not there sets nothing, unless `RISE_CONFIG`
    names it."""
    named = bool(env.get("RISE_CONFIG")) and str(path) == env["RISE_CONFIG"]
    if str(path) == os.devnull or (not named and not os.path.lexists(path)):
        return Layer(path, {})
    values = _parse(path)
    providers = values.pop("providers", {})
    for name in values:
        _known(path, name, (*Settings.model_fields, "providers"))
    return Layer(path, values, _providers(path, providers))


def read_project_file(path: Path, user: Path) -> Layer:
    """Read a project's settings: `METHOD` alone. `user` is where the others belong."""
    values = _parse(path)
    for name, value in values.items():
        if name not in ("providers", "key_cmd"):
            _known(path, name, tuple(Settings.model_fields))
        if name not in METHOD:
            raise ConfigurationError(
                f"{path_text(path)} sets {name!r}, which a folder's settings may not, since folders come "
                f"from strangers; remove it there and set it in {path_text(user)} or on the command line"
            )
        if name in {"prompt", "role"} and not (isinstance(value, str) and _NAME.fullmatch(value)):
            raise ConfigurationError(
                f"{path_text(path)}: {name!r} in a folder's settings must be a name (letters, digits, - "
                f"and _), not {short(value)}"
            )
    return Layer(path, values)


def _parse(path: Path) -> dict[str, object]:
    text = _read(path)
    if any(len(line) > _LONGEST_LINE for line in text.split("\n")):
        _refuse(path, f"has a line of more than {_LONGEST_LINE} characters; break it up")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        _refuse(path, f"is not TOML: {printable(str(error)).replace(chr(10), ' ')}; correct it")
    except (RecursionError, ValueError):  # absurd nesting; a number of thousands of digits, a 31st of June
        _refuse(path, "is not TOML that can be read (nested too deeply, or an impossible value); correct it")


def _read(path: Path) -> str:
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                _refuse(path, "is not a plain file; replace or remove it")
            content = file.read(_LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "the path is not valid"
        _refuse(path, f"cannot be read: {why}; correct or remove it")
    if len(content) > _LONGEST_FILE:
        _refuse(path, f"is larger than {_LONGEST_FILE // 1024} KiB; settings are a few lines")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(path, f"is not UTF-8 text (at byte {error.start}); save it as UTF-8")


def _at_once(path: str, flags: int) -> int:
    # A named pipe would otherwise keep the program waiting for a writer.
    return os.open(path, flags | os.O_NONBLOCK)


def _refuse(path: Path, why: str) -> NoReturn:
    raise ConfigurationError(f"the settings file {path_text(path)} {why}") from None


def _known(path: Path, name: str, names: tuple[str, ...], table: str = "") -> None:
    """Refuse a key of the file that is no setting, without ever showing its value."""
    if name in names:
        return
    where = f" in [{table}]" if table else ""
    if names_a_key(name):
        raise ConfigurationError(
            f"{path_text(path)}: {short(name)}{where} would keep a key in a file; remove it, and export the "
            "provider's variable (such as OPENAI_API_KEY) or set key_cmd in your own configuration"
        )
    if name == "key_cmd":
        raise ConfigurationError(
            f"{path_text(path)}: 'key_cmd' belongs to a provider; put it under [providers.NAME]"
        )
    close = difflib.get_close_matches(name.replace("-", "_"), names, n=1)
    advice = f"did you mean {close[0]!r}?" if close else "`rise config show` lists all of them"
    raise ConfigurationError(f"{path_text(path)}: there is no setting {short(name)}{where}; {advice}")


def _providers(path: Path, tables: object) -> dict[str, Provider]:
    if not isinstance(tables, dict):
        _refuse(path, "needs a table for each of its providers, such as [providers.openai]")
    found = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            _known(path, name, (), "providers")
        for key, value in table.items():
            _known(path, key, ("key_cmd", "base_url"), f"providers.{short(name)[1:-1]}")
            _provider_value(path, name, key, value)
        found[name] = Provider(**table)
    return found


def _provider_value(path: Path, provider: str, key: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        wanted = "text that is not empty"
    elif key == "base_url" and not is_address(value):
        wanted = "an http:// or https:// address"
    else:
        return
    raise ConfigurationError(
        f"{path_text(path)}: {key!r} of the provider {short(provider)} must be {wanted}, not {shown(value)}"
    )


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
