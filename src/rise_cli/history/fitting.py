"""Whether a record from a file holds what its format says, for those who go on to compute with it.

Members that are missing are no concern here: records of the first versions lack some, and whoever needs
one says so. Members that the format does not know may be of a later version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rise_cli.history.format import Record

_Fault = tuple[str, object]
_Check = Callable[[Any, str], _Fault | None]

# `bool` is an `int` in Python, and neither is the other in JSON.
_PLAIN: dict[object, tuple[type, ...]] = {
    str: (str,),
    bool: (bool,),
    int: (int,),
    float: (int, float),
    dict: (dict,),
}
_COUNTS = {"chain", "turn"}  # from 1


def misfit(record: Mapping[str, Any]) -> _Fault | None:
    """Return where the first value of a wrong kind stands, such as `turns[0].reply`, and the value."""
    return _check(Record)(record, "")


@cache
def _check(kind: Any) -> _Check:
    """What finds the misfit in a value that should be of `kind`, which stands at a given place."""
    if isinstance(kind, type) and is_dataclass(kind):
        return _members({field.name: _check_hint(kind, field.name) for field in fields(kind)})
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {list, tuple}:
        return _each(_check(inner[0]), len(inner) if origin is tuple else None)
    if origin is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        words: set[object] = set(inner or (member.value for member in kind))
        return lambda value, at: None if isinstance(value, str) and value in words else (at, value)
    if origin in {Union, UnionType}:
        (other,) = (one for one in inner if one is not type(None))
        check = _check(other)
        return lambda value, at: None if value is None else check(value, at)
    known = _PLAIN[origin or kind]
    return lambda value, at: None if _is(value, known) else (at, value)


def _check_hint(kind: type, name: str) -> _Check:
    if name in _COUNTS:
        return lambda value, at: None if _is(value, (int,)) and value > 0 else (at, value)
    return _check(get_type_hints(kind)[name])


def _is(value: object, known: tuple[type, ...]) -> bool:
    return isinstance(value, known) and (bool in known or not isinstance(value, bool))


def _members(checks: Mapping[str, _Check]) -> _Check:
    def check(value: Any, at: str) -> _Fault | None:
        if not isinstance(value, dict):
            return at, value
        there = [(name, one) for name, one in checks.items() if name in value]
        faults = (one(value[name], f"{at}.{name}".lstrip(".")) for name, one in there)
        return next((fault for fault in faults if fault), None)

    return check


def _each(one: _Check, length: int | None) -> _Check:
    def check(value: Any, at: str) -> _Fault | None:
        if not isinstance(value, list) or length not in {None, len(value)}:
            return at, value
        faults = (one(inner, f"{at}[{number}]") for number, inner in enumerate(value))
        return next((fault for fault in faults if fault), None)

    return check
