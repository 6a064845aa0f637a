"""Records that are read together give what each of them gives by itself, whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_cli.problems import BadRow, Fields, Row
from rise_cli.problems.alike import are_alike, is_plain, texts
from rise_cli.problems.content import Content, Fault
from rise_cli.problems.fields import Shape
from rise_cli.problems.reader import Reader

# What a field may hold: mostly texts, as files do, few enough that ids and questions come again.
_PLAIN = st.sampled_from(["a", " b\n", "What is 1 + 1?", "größer", "18 #### 18", "####", "x ####\ny"])
_ODD = st.sampled_from(
    [None, "", "  ", "\0", "\ud800", "!line-3", 3, 2.5, True, ["a"], {"b": 1}, [{"content": "a"}]]
)
_VALUE = st.one_of(_PLAIN, _PLAIN, _PLAIN, _PLAIN, _ODD)
_KEYS = ("question", "problem", "Question", "answer", "reference", "id", "context", "level", "extra")
_FIELDS = (Fields(), Fields(reference="level"), Fields(question="answer", id="problem"))


@st.composite
def _records(draw: st.DrawFn) -> list[Content]:
    """Some records, most of the same fields; some are plain questions, faults or rows of ours."""
    usual = draw(st.lists(st.sampled_from(_KEYS), max_size=4, unique=True))
    one: st.SearchStrategy[Any] = st.fixed_dictionaries(dict.fromkeys(usual, _VALUE))
    schema = st.sampled_from(["rise.trajectory/1", "other", 3])
    recorded = st.fixed_dictionaries({"schema": schema, **dict.fromkeys(usual, _VALUE)})
    others = st.dictionaries(st.sampled_from(_KEYS), _VALUE, max_size=4)
    rare = st.one_of(others, recorded, _PLAIN, st.just(Fault("this is not JSON")))
    odd = draw(st.booleans())
    found: list[Content] = draw(
        st.lists(st.one_of(one, one, one, rare) if odd else one, min_size=1, max_size=8)
    )
    return found


@given(st.lists(_records(), max_size=4), st.sampled_from(_FIELDS))
def test_together_they_are_what_they_are_one_by_one(groups: list[list[Content]], fields: Fields) -> None:
    together, alone = Reader(fields), Reader(fields)
    index = 0
    for group in groups:
        records = [(10 * (index + at), content) for at, content in enumerate(group)]
        found = list(together.read_all(index, records))
        assert found == [alone.read(index + at, line, content) for at, (line, content) in enumerate(records)]
        index += len(group)


@pytest.mark.parametrize(
    "keys", [("question",), ("question", "answer"), ("id", "problem", "level", "target")]
)
def test_usual_records_are_read_together(keys: tuple[str, ...]) -> None:
    contents: list[Content] = [{key: f"{key} {number}" for key in keys} for number in range(20)]
    assert are_alike(contents)
    assert is_plain(Shape.of(keys, Fields().names()))
    assert all(texts(contents, key, numbers=False) for key in keys)
    reader = Reader(Fields())
    found = reader.read_all(0, list(enumerate(contents, 1)))
    assert [type(row) for row in found] == [Row] * 20
    again = reader.read_all(20, list(enumerate(contents, 21)))
    assert [type(row) for row in again] == [BadRow if "id" in keys else Row] * 20
