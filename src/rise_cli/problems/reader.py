"""From what a record holds to the problem that it poses: what may be in each field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import count, repeat

from rise_cli.problems.alike import Records, are_alike, is_plain, texts
from rise_cli.problems.content import Content, Fault, short
from rise_cli.problems.fields import Fields, Shape, listed
from rise_cli.problems.ids import Ids
from rise_cli.problems.row import MADE_UP, BadRow, Row

# A line that `rise batch` wrote. Its `answer` is a model's, so the reference is not looked for there.
_TRAJECTORY = "rise.trajectory/"


class Reader:
    """Makes rows of the records of one file. It remembers which ids were used."""

    def __init__(self, fields: Fields) -> None:
        self._names = usual = fields.names()
        reference = usual.reference if fields.reference is not None else ("reference",)
        recorded = usual._replace(reference=reference)
        self._ids = Ids()
        # The records of a file are of a few shapes, so where to look is worked out once for each.
        self._usual = lru_cache(maxsize=16)(lambda present: Shape.of(present, usual))
        self._recorded = lru_cache(maxsize=16)(lambda present: Shape.of(present, recorded))

    def read(self, index: int, line: int, content: Content) -> Row | BadRow:
        """Return the row that `content` makes. Its id is in use from then on, even if it is bad."""
        if not isinstance(content, dict):
            if isinstance(content, Fault):
                return BadRow(index, line, None, content.error)
            content = {self._names.question[0]: content}
        recorded = "schema" in content and _is_trajectory(content["schema"])
        shape: Shape = (self._recorded if recorded else self._usual)(tuple(content))
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
            return _again(index, line, taken.id)
        except _Unfit as unfit:
            return BadRow(index, line, name, str(unfit))
        if name is None:
            name = self._ids.make(question, context)
        extra = _recorded_extra(content) if recorded else _extra(content, shape)
        return Row(index, line, name, question, context, reference, extra)

    def read_all(self, index: int, records: Sequence[tuple[int, Content]]) -> Sequence[Row | BadRow]:
        """Return what `read` returns for each of these records, which are those from `index` on, and the
        lines that they begin at. Where they are all alike, that takes half as long."""
        lines, contents = zip(*records, strict=True)
        if are_alike(contents):
            shape: Shape = self._usual(tuple(contents[0]))
            found = self._read_alike(index, lines, contents, shape) if is_plain(shape) else None
            if found is not None:
                return found
        return [self.read(index + at, line, content) for at, (line, content) in enumerate(records)]

    def _read_alike(
        self, index: int, lines: Sequence[int], records: Records, shape: Shape
    ) -> Sequence[Row | BadRow] | None:
        """None, and no id is in use then, if one of them poses no problem or needs a closer look."""
        questions = texts(records, shape.question[0], numbers=False)
        references = texts(records, shape.reference[0]) if shape.reference else [""] * len(records)
        own = texts(records, shape.id[0]) if shape.id else []
        if questions is None or references is None or own is None or any(map(_is_made_up, own)):
            return None
        names = own or [self._ids.make(question, None) for question in questions]
        finals = [_final(text) or None for text in references]
        extras = [{key: record[key] for key in shape.others} for record in records]
        found = list(map(Row, count(index), lines, names, questions, repeat(None), finals, extras))
        if not own:
            return found
        return [row if self._ids.claim(row.id) else _again(row.index, row.line, row.id) for row in found]

    def _own(self, content: dict[str, object], keys: tuple[str, ...]) -> str | None:
        """Take and return the id that the record gives itself, if any."""
        own = _text(content, keys)[1]
        if own is None:
            return None
        if _is_made_up(own):
            raise _Unfit(f"the id {short(own)} is of a form that is kept for bad lines; give it another one")
        if not self._ids.claim(own):
            raise _Taken(own)
        return own


def _is_trajectory(schema: object) -> bool:
    return isinstance(schema, str) and schema.startswith(_TRAJECTORY)


class _Unfit(Exception):
    """Why a record poses no problem."""


class _Taken(_Unfit):
    """Another record has its id."""

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id)
        self.id = id


def _again(index: int, line: int, id: str) -> BadRow:  # noqa: A002
    return BadRow(
        index, line, id, f"the id {short(id)} is used above; give each problem one of its own", taken=True
    )


def _is_made_up(name: str) -> bool:
    return name.startswith(MADE_UP)


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


def _extra(record: dict[str, object], shape: Shape) -> dict[str, object]:
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
    return (text and _final(text)) or None


def _final(reference: str) -> str:
    """What follows the last `####` of a worked solution, "" for nothing; the text itself where there is no
    `####`, or several lines follow."""
    if "####" not in reference:
        return reference
    answer = reference.rpartition("####")[2].strip()
    return reference if "\n" in answer else answer
