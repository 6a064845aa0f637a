"""From what a record holds to the problem that it poses: which field is what, and what may be in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from rise_cli.problems.content import Content, Fault, short
from rise_cli.problems.ids import Ids

# A line that `rise batch` wrote. Its `answer` is a model's, so the reference is not looked for there.
_TRAJECTORY = "rise.trajectory/"

_MADE_UP = "!line-"
"""What the ids of lines begin with that have none of their own; no problem may have such a one."""


@dataclass(slots=True)  # not frozen: making one would take three times as long, for every row
class Row:
    """A problem of the file. It is not to be changed.

    `index` counts the file's items, bad ones too, from 0; `line` is the first line of the record,
    from 1. `id` is unique in the file. `question` and `context` are trimmed and not empty. `reference`
    is the known right answer, of worked solutions as in GSM8K what follows `####`. `extra` is what
    the record holds besides, as JSON values. All texts can be encoded and hold no NUL.
    """

    index: int
    line: int
    id: str
    question: str
    context: str | None
    reference: str | None
    extra: dict[str, object]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line or record that poses no problem. `error` says what to do about it, in one sentence
    without the line's number. `id` is its own if it could be read; `taken` says that an item before it
    has that id."""

    index: int
    line: int
    id: str | None
    error: str
    taken: bool = False

    @property
    def name(self) -> str:
        """The id of its row, unique in the file: its own, if it has one that no item before it has."""
        return f"{_MADE_UP}{self.line}" if self.id is None or self.taken else self.id


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


class Reader:
    """Makes rows of the records of one file. It remembers which ids were used."""

    def __init__(self, fields: Fields) -> None:
        self._names = usual = fields.names()
        reference = usual.reference if fields.reference is not None else ("reference",)
        recorded = usual._replace(reference=reference)
        self._ids = Ids()
        # The records of a file are of a few shapes, so where to look is worked out once for each.
        self._usual = lru_cache(maxsize=16)(lambda present: _Shape.of(present, usual))
        self._recorded = lru_cache(maxsize=16)(lambda present: _Shape.of(present, recorded))

    def read(self, index: int, line: int, content: Content) -> Row | BadRow:
        """Return the row that `content` makes. Its id is in use from then on, even if it is bad."""
        if not isinstance(content, dict):
            if isinstance(content, Fault):
                return BadRow(index, line, None, content.error)
            content = {self._names.question[0]: content}
        recorded = "schema" in content and _is_trajectory(content["schema"])
        shape: _Shape = (self._recorded if recorded else self._usual)(tuple(content))
        name = context = reference = None
        try:
            # Most files lack two of the four, and every line counts.
            if shape.id:
                name = self._own(content, shape.id)
            question = _text(content, shape.question, _refused)[1]
            if question is None:
                raise _Unfit(_unasked(content, shape.question))
            if shape.context:
                context = _text(content, shape.context)[1]
            if shape.reference:
                reference = _reference(content, shape.reference)
        except _Taken as taken:
            return BadRow(index, line, taken.id, str(taken), taken=True)
        except _Unfit as unfit:
            return BadRow(index, line, name, str(unfit))
        if name is None:
            name = self._ids.make(question, context)
        extra = _recorded_extra(content) if recorded else _extra(content, shape)
        return Row(index, line, name, question, context, reference, extra)

    def _own(self, content: dict[str, object], keys: tuple[str, ...]) -> str | None:
        """Take and return the id that the record gives itself, if any."""
        own = _text(content, keys)[1]
        if own is None:
            return None
        if own.startswith(_MADE_UP):
            raise _Unfit(f"the id {short(own)} is of a form that is kept for bad lines; give it another one")
        if not self._ids.claim(own):
            raise _Taken(own)
        return own


class _Shape(NamedTuple):
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
    def of(cls, present: tuple[str, ...], names: Names) -> _Shape:
        parts = Names(*(named(present, wanted) for wanted in names))
        ours = tuple(dict.fromkeys(chain(*parts)))
        others = tuple(key for key in present if key not in ours)
        return cls(*parts, ours, others, choice=any(len(keys) > 1 for keys in parts))


def _is_trajectory(schema: object) -> bool:
    return isinstance(schema, str) and schema.startswith(_TRAJECTORY)


class _Unfit(Exception):
    """Why a record poses no problem."""


class _Taken(_Unfit):
    """Another record has its id."""

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(f"the id {short(id)} is used above; give each problem one of its own")
        self.id = id


def _as_text(key: str, value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise _Unfit(f"{short(key)} is {short(value)}; write it as text or a number")


def _refused(key: str, value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "content" in value[0]:
        raise _Unfit(f"{short(key)} is a list of chat messages; write the question there as text")
    raise _Unfit(
        f"{short(key)} is {short(value)}; write the question there as text, "
        "or name the field that holds it with --question-field"
    )


def _text(
    record: dict[str, object], keys: tuple[str, ...], other: Callable[[str, object], str] = _as_text
) -> tuple[str | None, str | None]:
    """The first field that is neither null nor blank, and its text, trimmed; `other` makes text of
    what is none."""
    for key in keys:
        value = record[key]
        if isinstance(value, str):
            text = value.strip()
            if text:
                if "\0" in text or not text.isascii():
                    _verify(key, text)
                return key, text
        elif value is not None:
            return key, other(key, value)
    return None, None


def _verify(key: str, text: str) -> None:
    """Refuse what no provider could be sent."""
    if "\0" in text:
        raise _Unfit(f"{short(key)} holds a NUL at character {text.index(chr(0)) + 1}; take it out")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Unfit(
            f"{short(key)} holds half a character, {text[error.start]!r} at character {error.start + 1}; "
            "write the whole of it"
        ) from None


def _extra(record: dict[str, object], shape: _Shape) -> dict[str, object]:
    """The fields that are no part of the problem, in their order; a blank one of ours says nothing."""
    if not shape.choice:
        return {key: record[key] for key in shape.others}
    parts = (shape.question, shape.reference, shape.id, shape.context)
    taken = [_text(record, keys, lambda key, value: "")[0] for keys in parts]
    spare = [key for key in shape.ours if key not in taken and not _is_blank(record[key])]
    return {key: value for key, value in record.items() if key in spare or key in shape.others}


def _recorded_extra(record: dict[str, object]) -> dict[str, object]:
    extra = record.get("extra")
    return extra if isinstance(extra, dict) else {}


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _unasked(record: dict[str, object], blank: tuple[str, ...]) -> str:
    if blank:
        return f"the question is empty ({short(blank[0])} is {short(record[blank[0]])}); write one there"
    if not record:
        return 'this is an empty object; write one such as {"question": "..."}'
    return (
        f"there is no question; name the field that holds it with --question-field: {listed(tuple(record))}"
    )


def _reference(record: dict[str, object], keys: tuple[str, ...]) -> str | None:
    text = _text(record, keys)[1]
    return _final(text) if text is not None and "####" in text else text


def _final(reference: str) -> str:
    """What follows the last `####` of a worked solution, if that is one line; else the text itself."""
    _, mark, answer = reference.rpartition("####")
    answer = answer.strip()
    return answer if mark and answer and "\n" not in answer else reference
