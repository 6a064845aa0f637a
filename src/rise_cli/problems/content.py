"""What a record holds once it is text, or why it is not, and values put into one line of a message."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What keeps a record from being read, as a sentence that says what to do."""

    error: str


Content = dict[str, object] | str | Fault
"""A record by field, a bare question, or what is wrong."""

Raw = bytes | dict[str, object] | Fault
"""A record as it was cut out: parsed only where cutting does that."""

_LONGEST = 60


def decoded(raw: bytes) -> str | Fault:
    """Return the text of `raw`, which must be UTF-8 without a NUL."""
    if b"\0" in raw:
        return nul(raw.index(b"\0"))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        return not_utf8(error)


def nul(position: int) -> Fault:
    return Fault(
        f"there is a NUL at character {position + 1}; take it out, or convert the file if it is UTF-16"
    )


def not_utf8(error: UnicodeDecodeError) -> Fault:
    return Fault(
        f"this is not UTF-8 (byte {error.start + 1} is {error.object[error.start]:#04x}); convert the file, "
        "for example with iconv -f LATIN1 -t UTF-8"
    )


def short(value: object) -> str:
    """Return the value, or what it is, in about 60 characters at most, controls escaped."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST else f"{value[:_LONGEST]!r}..."
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
