"""Which fields of a record hold the parts of a problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from rise_cli.problems.content import short


class Names(NamedTuple):
    """The fields in which each part of a problem is looked for, in order of precedence."""

    question: tuple[str, ...]
    reference: tuple[str, ...]
    id: tuple[str, ...]
    context: tuple[str, ...]


_USUAL = Names(
    ("question", "problem", "prompt", "input"), ("answer", "reference", "target"), ("id",), ("context",)
)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields that a person named; None for the usual names, in any case of letters.

    A field that is named here for one part is not taken for another one by default.
    """

    question: str | None = None
    reference: str | None = None
    id: str | None = None
    context: str | None = None

    def names(self) -> Names:
        given = (self.question, self.reference, self.id, self.context)
        return Names(
            *(
                (name,) if name is not None else tuple(n for n in usual if n not in given)
                for name, usual in zip(given, _USUAL, strict=True)
            )
        )


def named(present: Sequence[str], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `present` that are `wanted`, in the order of the latter; where a name is not
    there as it is written, in another case of letters."""
    folded = {name.casefold(): name for name in reversed(present)}
    found = (name if name in present else folded.get(name.casefold()) for name in wanted)
    return tuple(name for name in found if name is not None)


def listed(names: Sequence[str]) -> str:
    shown = ", ".join(short(name) for name in names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown


class Shape(NamedTuple):
    """Where to look in records of the same fields: for each part of a problem in these, by
    precedence; `ours` are all of them, `others` the fields that are none of them. `choice` says that
    there are two for some part."""

    question: tuple[str, ...]
    reference: tuple[str, ...]
    id: tuple[str, ...]
    context: tuple[str, ...]
    ours: tuple[str, ...]
    others: tuple[str, ...]
    choice: bool

    @classmethod
    def of(cls, present: tuple[str, ...], names: Names) -> Shape:
        parts = Names(*(named(present, wanted) for wanted in names))
        ours = tuple(dict.fromkeys(chain(*parts)))
        others = tuple(key for key in present if key not in ours)
        return cls(*parts, ours, others, choice=any(len(keys) > 1 for keys in parts))
