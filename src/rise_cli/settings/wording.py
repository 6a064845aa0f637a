"""Names and values from outside, put into one line of a message."""

from __future__ import annotations

from pathlib import Path

from rise_cli.settings.redaction import redacted

_LONGEST = 60


def path_text(path: Path) -> str:
    """Return the path as it is written, or quoted with escapes where that could not be shown."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def short(value: object) -> str:
    """Return a literal of the value, at most about 60 characters, whatever it is."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST else f"{value[:_LONGEST]!r}..."
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 64:
        return "so large a number"  # Python refuses to print one of thousands of digits
    if isinstance(value, dict):
        return "a table"  # it may be nested beyond what can be printed
    if isinstance(value, list | tuple):
        return "a list"
    return str(value)


def shown(value: object) -> str:
    """Return `short` of the value with whatever looks like a key struck out."""
    return short(redacted(value) if isinstance(value, str) else value)
