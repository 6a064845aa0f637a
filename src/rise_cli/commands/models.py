"""`rise models`: which providers there are, and which models one of them has."""

from __future__ import annotations

import json
import os
import sys

from rise_cli.chat.providers import PROVIDERS, Provider, find_base_url
from rise_cli.core.controls import printable
from rise_cli.settings import Resolved, find_key, resolve, working_folder


def models(provider: str | None, base_url: str | None, as_json: bool) -> None:
    """Print the providers, or the models that one of them (or a server of its kind) offers.

    Raises UsageError for a provider that does not exist, CredentialsError where its key is missing
    or refused, ProviderError where it does not answer.
    """
    resolved = resolve({"base_url": base_url}, env=os.environ, cwd=working_folder())
    if provider is None:
        _providers(resolved, as_json)
        return
    names = _models_of(provider, resolved)
    if as_json:
        sys.stdout.write(json.dumps(names) + "\n")
        return
    for name in names:
        sys.stdout.write(printable(name) + "\n")


def _providers(resolved: Resolved, as_json: bool) -> None:
    rows = [
        {
            "provider": p.name,
            "key": ("set" if source else "missing") if p.needs_key else "not needed",
            "key_source": source,
            "key_variables": list(p.key_vars),
            "base_url": _base_url(p, resolved) or None,
            "default_model": p.default_model or None,
        }
        for p, source in ((p, _key_source(p, resolved)) for p in PROVIDERS.values())
    ]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    for row in rows:
        variables = ", ".join(row["key_variables"]) if isinstance(row["key_variables"], list) else ""
        state = {"set": f"key set ({row['key_source']})", "missing": f"no key; set {variables}"}
        shown = state.get(str(row["key"]), "needs no key")
        sys.stdout.write(f"{row['provider']:<11}  {shown:<45}  {row['default_model'] or ''}".rstrip() + "\n")


def _key_source(provider: Provider, resolved: Resolved) -> str | None:
    """The variable that holds the key, or `key_cmd`; None where no key is set or needed."""
    if not provider.needs_key or not _key_of(provider, resolved):
        return None
    return next((name for name in provider.key_vars if os.environ.get(name, "").strip()), "key_cmd")


def _base_url(provider: Provider, resolved: Resolved, given: str | None = None) -> str:
    return find_base_url(provider, given, os.environ, resolved.base_urls.get(provider.name))


def _key_of(provider: Provider, resolved: Resolved) -> str | None:
    return find_key(provider.key_vars, provider.name, os.environ, resolved.key_cmds)


def _models_of(name: str, resolved: Resolved) -> list[str]:
    import asyncio

    from rise_cli.chat import list_models
    from rise_cli.chat.providers import parse_model

    provider, _ = parse_model(f"{name.rstrip(':')}:any")
    url = _base_url(provider, resolved, resolved.settings.base_url)
    return asyncio.run(list_models(provider, _key_of(provider, resolved), url))
