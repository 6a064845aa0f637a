"""One line of JSON. What it holds can be written as JSON again, and is not nested without end."""

from __future__ import annotations

import json
import math
from typing import NoReturn

from rise_cli.problems.content import Content, Fault, Raw, not_utf8, nul, short

# What is kept is copied and written again by code that recurses.
_DEEPEST = 64


def parse_json(raw: Raw) -> Content:
    """Return the object or the string that the line holds, or what is wrong with it."""
    if not isinstance(raw, bytes):
        return raw
    try:
        text = raw.decode().strip(" \t\r\n")
        value, end = _DECODER.raw_decode(text)
        if end != len(text):
            raise json.JSONDecodeError("Extra data", text, end)
        # In most lines there is no other opening bracket; counting takes longer.
        if (text.rfind("{") > 0 or "[" in text) and _may_be_deep(text) and _is_deep(value):
            raise RecursionError
    except UnicodeDecodeError as error:
        return not_utf8(error)
    except json.JSONDecodeError as error:
        return _not_json(text, error)
    except RecursionError:
        return Fault(f"this is nested more than {_DEEPEST} deep; leave out or flatten the field that is")
    except ValueError as error:
        return Fault(f"this is not JSON that can be kept: {_plain(error)}")
    return value if isinstance(value, dict | str) else Fault(_not_an_object(value))


def _plain(error: ValueError) -> str:
    if "digits" in str(error):  # Python's own limit, so that numbers do not keep it busy
        return "a number has thousands of digits; write it as text"
    return str(error)


def _not_json(text: str, error: json.JSONDecodeError) -> Fault:
    if "\0" in text:
        return nul(text.index("\0"))
    near = short(text[error.pos : error.pos + 20].strip())
    where = f"at character {error.pos + 1}, {near}" if text[error.pos :].strip() else "at the end"
    return Fault(
        f"this is not JSON ({error.msg} {where}); write one whole object a line, "
        'such as {"question": "..."}'
    )


def _not_an_object(value: object) -> str:
    if isinstance(value, list):
        return (
            f"this is a JSON array of {len(value)}, not an object; write one object a line, "
            "for example with jq -c '.[]'"
        )
    return f'this is {short(value)}, not an object; write one, such as {{"question": "..."}}'


def _may_be_deep(text: str) -> bool:
    return text.count("{") + text.count("[") > _DEEPEST


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is too large; write it as text")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number; write null, or text")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)
