"""One value for each setting, from whoever says it first: a flag, `RISE_*`, the project's file, the
user's file, the default; and a note of who it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from rise_cli.errors import ConfigurationError, RiseError, UsageError
from rise_cli.settings.files import (
    ConfigPaths,
    Layer,
    Provider,
    config_paths,
    read_project_file,
    read_user_file,
)
from rise_cli.settings.options import Settings, expectation
from rise_cli.settings.redaction import redacted
from rise_cli.settings.wording import path_text, shown

# A stranger's folder may tighten these, and never loosen what the user has set for all folders.
_CAPS = ("max_cost", "max_tokens_total")


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings of a run. `origin` says for every one where it comes from: `flag`,
    `environment RISE_TURNS`, the path of a file, or `default`. `providers` is from the user's file
    alone. No representation of it shows a key."""

    settings: Settings
    origin: Mapping[str, str]
    providers: Mapping[str, Provider]
    paths: ConfigPaths

    @property
    def key_cmds(self) -> dict[str, str]:
        """By the provider's name, the command that prints its key."""
        return {name: given.key_cmd for name, given in self.providers.items() if given.key_cmd}

    @property
    def base_urls(self) -> dict[str, str]:
        """By the provider's name, the address that the user has set for it."""
        return {name: given.base_url for name, given in self.providers.items() if given.base_url}


def resolve(
    flags: Mapping[str, object], *, env: Mapping[str, str], cwd: Path, user_config: Path | None = None
) -> Resolved:
    """Put the settings together: flag > environment > project > user > default.

    `flags` are by the name of the setting; None or an empty list was not given, and so is an empty
    variable. `cwd` is absolute. `user_config` stands in for the place that `config_paths` finds.
    Raises `UsageError` for a wrong flag or variable and `ConfigurationError` for a wrong file, also
    where something else would have overruled it.
    """
    paths = config_paths(cwd, env)
    if user_config is not None:
        paths = ConfigPaths(user_config, paths.project)
    user = read_user_file(paths.user, env)
    project = read_project_file(paths.project, paths.user) if paths.project else Layer(paths.user, {})
    values: dict[str, object] = {}
    origin = dict.fromkeys(Settings.model_fields, "default")

    def lay(found: Mapping[str, object], origins: Mapping[str, str]) -> None:
        values.update(found)
        origin.update({name: origins[name] for name in found})

    for layer in (user, project):
        found = _from_file(layer)
        if layer is project:
            found = {name: value for name, value in found.items() if not _loosens(name, value, values)}
        lay(found, dict.fromkeys(found, str(layer.path)))
    found = _from_environment(env)
    lay(found, {name: f"environment {_variable(name)}" for name in found})
    found = _from_flags(flags)
    lay(found, dict.fromkeys(found, "flag"))
    return Resolved(Settings.model_validate(values), origin, user.providers, paths)


def describe(resolved: Resolved, keys: frozenset[str] = frozenset()) -> list[tuple[str, str, str]]:
    """Return name, value and origin of every setting, fit to print: no keys, no control characters.

    `keys` are known keys, struck out wherever they stand; what looks like one is struck out anyway.
    """
    rows = [
        (name, _text(value), _line(resolved.origin[name]))
        for name, value in resolved.settings.public(keys).items()
    ]
    for provider, given in sorted(resolved.providers.items()):
        for name in ("key_cmd", "base_url"):
            value = getattr(given, name)
            if value:
                shown = _text(redacted(value, keys))
                rows.append((_line(f"providers.{provider}.{name}"), shown, path_text(resolved.paths.user)))
    return rows


def _from_file(layer: Layer) -> dict[str, object]:
    return _validated(
        layer.values,
        {name: f"{path_text(layer.path)}: {name!r}" for name in layer.values},
        ConfigurationError,
    )


def _from_environment(env: Mapping[str, str]) -> dict[str, object]:
    variables = {name: _variable(name) for name in Settings.model_fields}
    given = {name: env[variable] for name, variable in variables.items() if env.get(variable)}
    return _validated(given, variables, UsageError)


def _from_flags(flags: Mapping[str, object]) -> dict[str, object]:
    unknown = flags.keys() - Settings.model_fields.keys()
    if unknown:
        raise TypeError(f"no such settings: {sorted(unknown)}")
    given = {name: value for name, value in flags.items() if value is not None and value not in ((), [])}
    return _validated(given, {name: _flag(name) for name in given}, UsageError)


def _validated(
    given: Mapping[str, object], called: Mapping[str, str], error: type[RiseError]
) -> dict[str, object]:
    """Return the given settings as their types. `called` is what each is called where it was given."""
    try:
        settings = Settings.model_validate(given)
    except ValidationError as invalid:
        name = str(invalid.errors(include_url=False, include_input=False, include_context=False)[0]["loc"][0])
        raise error(
            f"{called[name]} must be {expectation(name)}, not {_culprit(name, given[name])}"
        ) from None
    return {name: getattr(settings, name) for name in given}


def _culprit(name: str, value: object) -> str:
    """The wrong value, or the wrong one of several `NAME=VALUE` pairs."""
    if name == "option" and isinstance(value, list | tuple):
        wrong = [item for item in value if not (isinstance(item, str) and item.partition("=")[1])]
        value = wrong[0] if wrong else value
    return shown(value)


def _loosens(name: str, value: object, values: Mapping[str, object]) -> bool:
    mine = values.get(name)
    return name in _CAPS and isinstance(mine, int | float) and isinstance(value, int | float) and value > mine


def _variable(name: str) -> str:
    return f"RISE_{name.upper()}"


def _flag(name: str) -> str:
    return "--no-early-stop" if name == "early_stop" else f"--{name.replace('_', '-')}"


def _text(value: object) -> str:
    if value is None:
        return "not set"
    return _line(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _line(text: str) -> str:
    return text if text.isprintable() else repr(text)
