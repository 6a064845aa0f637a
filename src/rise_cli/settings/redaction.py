"""Settings made fit to show: whatever in them looks like a key is struck out.

No setting is meant to hold a key. But people put them where they should not be (a header in a check
command, a password in a base URL, `--option api_key=...`), and settings are printed and stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rise_cli.core.secrets import strike

HIDDEN = "[hidden]"

_NAMES = r"(?:api[-_]?key|access[-_]?key|auth[-_]?key|token|secret|password)"
_ASSIGNED = re.compile(rf"(--?[\w-]*{_NAMES}\s+|{_NAMES}[\"']?\s*[=:]\s*)([\"']?)[^\s&'\",;]+", re.IGNORECASE)
_SECRET_NAME = re.compile(r"api[-_]?key|(^|[-_])(key|token|secret|password|authorization)$", re.IGNORECASE)


def names_a_key(name: str) -> bool:
    """Whether a setting of this name would hold a key or another secret."""
    return _SECRET_NAME.search(name) is not None


def redacted(value: object, keys: frozenset[str] = frozenset()) -> object:
    """Return a JSON-like value with everything that looks like a key, and `keys`, struck out."""
    if isinstance(value, str):
        return _ASSIGNED.sub(rf"\g<1>\g<2>{HIDDEN}", strike(value, HIDDEN, keys))
    if isinstance(value, Mapping):
        return {name: HIDDEN if names_a_key(str(name)) else redacted(v, keys) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, keys) for item in value]
    return value
