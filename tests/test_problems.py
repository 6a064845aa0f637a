"""Files of problems: what is read from each format, and what is said about each thing that is wrong."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_cli.errors import UsageError
from rise_cli.problems import FORMATS, BadRow, Fields, Row, count, groups, rows
from rise_cli.problems.ids import Ids

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes bytes or text to a file of the given name, and returns its path."""

    def to_file(content: bytes | str, name: str = "problems.jsonl") -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return to_file


def read(path: str, fields: Fields | None = None, **more: Any) -> list[Row]:
    """All items, none of them bad; the count agrees."""
    items = list(rows(path, fields, **more))
    assert [item for item in items if isinstance(item, BadRow)] == []
    assert count(path, fields, format=more.get("format")) == len(items)
    return [item for item in items if isinstance(item, Row)]


def only(path: str, fields: Fields | None = None, **more: Any) -> Row | BadRow:
    [item] = rows(path, fields, **more)
    return item


def one(record: dict[str, object], write: Write, fields: Fields | None = None) -> Row:
    item = only(write(json.dumps(record)), fields)
    assert isinstance(item, Row), item
    return item


# Formats


PROBLEMS = [
    ("a", "What is 1+1?", "2"),
    ("b", 'Say "hi", then\nstop; now.', "hi"),
    ("c", "¿Qué es 日本?", "país"),
]


def table(delimiter: str, header: tuple[str, ...] = ("id", "question", "answer")) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([header, *PROBLEMS])
    return text.getvalue()


def jsonl() -> str:
    return "".join(json.dumps({"id": i, "question": q, "answer": a}) + "\n" for i, q, a in PROBLEMS)


LINES = {"jsonl": [1, 2, 3], "table": [2, 3, 5]}  # the header is line 1, and "b" runs over two


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("p.jsonl", jsonl(), "jsonl"),
        ("p.ndjson", jsonl(), "jsonl"),
        ("P.JSONL", jsonl(), "jsonl"),
        ("p.txt", jsonl(), "jsonl"),
        ("p", jsonl(), "jsonl"),
        ("p.csv", table(","), "table"),
        ("p.csv", table(";"), "table"),
        ("p.tsv", table("\t"), "table"),
        ("p.tab", table("\t"), "table"),
        ("p", table(","), "table"),
        ("p", table("\t"), "table"),
        ("p.csv", table(",", (" ID", "Question ", "ANSWER")), "table"),
    ],
)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("gzipped", [False, True])
def test_every_format_gives_the_same_problems(
    name: str, content: str, lines: str, bom: bytes, gzipped: bool, write: Write
) -> None:
    raw = bom + content.encode()
    path = write(gzip.compress(raw), f"{name}.gz") if gzipped else write(raw, name)
    found = read(path)
    assert [(row.id, row.question, row.reference) for row in found] == PROBLEMS
    assert [row.index for row in found] == [0, 1, 2]
    assert [row.line for row in found] == LINES[lines]
    assert all(row.context is None and row.extra == {} for row in found)


def test_gzip_is_known_by_its_bytes_and_not_by_its_name(write: Write) -> None:
    assert len(read(write(gzip.compress(jsonl().encode()), "p.jsonl"))) == 3
    assert len(read(write(jsonl(), "p.jsonl.gz"))) == 3
    halves = [gzip.compress(line.encode()) for line in jsonl().splitlines(keepends=True)]
    assert len(read(write(b"".join(halves), "members.gz"))) == 3


def test_plain_text_is_a_question_a_line(write: Write) -> None:
    path = write("What is 1+1?\r\n\r\n   \n  Why, say, not?  \n[A] or [B]?\nlast", "p.txt")
    found = read(path)
    assert [(row.line, row.question) for row in found] == [
        (1, "What is 1+1?"),
        (4, "Why, say, not?"),
        (5, "[A] or [B]?"),
        (6, "last"),
    ]
    assert len({row.id for row in found}) == 4


@pytest.mark.parametrize(
    ("first", "form"),
    [
        ('{"question": "q"}', "jsonl"),
        ('{"question": "to', "jsonl"),
        ('"a JSON string"', "jsonl"),
        ("question,answer", "csv"),
        ("id;Prompt", "csv"),
        ("id\tproblem", "tsv"),
        ("question", "text"),
        ("{1, 2} and {3}: which is larger?", "text"),
        ('"To be", said who?', "text"),
        ("Is it a question, or an answer?", "text"),
        ("A\rB, question, or not?", "text"),
        ("42", "text"),
    ],
)
def test_the_first_line_tells_the_format(first: str, form: str, write: Write) -> None:
    path = write(f"\n\n{first}\n", "unnamed")
    assert list(rows(path)) == list(rows(path, format=form))


def test_a_given_format_wins(write: Write) -> None:
    line = '{"question": "What?"}'
    assert read(write(line, "p.jsonl"), format="text")[0].question == line
    assert read(write(line, "p.csv"), format="jsonl")[0].question == "What?"
    with pytest.raises(UsageError, match="'xml' is not known; use one of jsonl, csv, tsv, text"):
        list(rows(write(line), format="xml"))


def test_a_header_is_found_by_the_field_that_was_named(write: Write) -> None:
    found = read(write("q,a\nWhat?,4\n", "unnamed"), Fields(question="q", reference="a"))
    assert (found[0].question, found[0].reference) == ("What?", "4")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("content", ["", "\n", " \r\n\n", "\ufeff", "\ufeff\n\n"])
def test_nothing_is_no_problem(content: str, form: str, write: Write) -> None:
    assert read(write(content), format=form) == []


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=4),
    st.sampled_from([",", ";", "\t"]),
)
@settings(max_examples=60)
def test_what_a_table_holds_comes_back(tmp_path_factory: Any, cells: list[str], delimiter: str) -> None:
    text = io.StringIO(newline="")
    names = [f"c{n}" for n in range(len(cells))]
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(
        [["question", "id", *names], ["Q", "i", *cells]]
    )
    path = tmp_path_factory.getbasetemp() / ("p.tsv" if delimiter == "\t" else "p.csv")
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    [row] = read(str(path))
    assert row.extra == dict(zip(names, cells, strict=True))


# Fields


@pytest.mark.parametrize(
    ("record", "question", "reference", "extra"),
    [
        ({"question": "Q", "answer": "A", "level": 3}, "Q", "A", {"level": 3}),
        ({"problem": "Q", "reference": "A"}, "Q", "A", {}),
        ({"prompt": "Q", "target": "A"}, "Q", "A", {}),
        ({"input": "Q"}, "Q", None, {}),
        ({"Question": "Q", "ANSWER": "A"}, "Q", "A", {}),
        ({"prompt": "P", "question": "Q", "target": 1, "answer": 2}, "Q", "2", {"prompt": "P", "target": 1}),
        ({"question": "Q", "Question": "other"}, "Q", None, {"Question": "other"}),
        ({"question": None, "prompt": "Q", "answer": " ", "target": "A"}, "Q", "A", {}),
        ({"question": "  Q\n", "answer": " A "}, "Q", "A", {}),
        ({"question": "Q", "answer": ""}, "Q", None, {}),
        ({"input": "Q", "x": None, "y": "", "z": {"a": []}}, "Q", None, {"x": None, "y": "", "z": {"a": []}}),
    ],
)  # fmt: skip
def test_usual_fields(
    record: dict[str, object], question: str, reference: str | None, extra: dict[str, object], write: Write
) -> None:
    row = one(record, write)
    assert (row.question, row.reference, row.extra) == (question, reference, extra)


def test_named_fields(write: Write) -> None:
    record = {"question": "no", "answer": "Q", "key": 7, "about": " C ", "id": "x", "right": "R"}
    row = one(record, write, Fields(question="answer", reference="right", id="key", context="about"))
    assert (row.question, row.reference, row.id, row.context) == ("Q", "R", "7", "C")
    assert row.extra == {"question": "no", "id": "x"}
    # What is the question by name is not the reference by default.
    row = one({"answer": "Q"}, write, Fields(question="answer"))
    assert (row.question, row.reference) == ("Q", None)
    # Records may lack what is named but the question.
    row = one({"question": "Q", "answer": ["A"]}, write, Fields(reference="right"))
    assert (row.reference, row.extra) == (None, {"answer": ["A"]})


def test_a_string_is_a_question(write: Write) -> None:
    found = read(write('"What?"\n"Why \\u00e9?"\n'), Fields(question="other"))
    assert [(row.question, row.extra) for row in found] == [("What?", {}), ("Why é?", {})]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("18", "18"),
        (18, "18"),
        (-0.5, "-0.5"),
        (10**400, "1" + 400 * "0"),
        ("She sells 9 eggs.\nThat is 9 * 2 = <<9*2=18>>18.\n#### 18", "18"),
        ("#### 1,234 ", "1,234"),
        ("#### 7 or\n#### 8", "8"),
        ("one line #### 5", "5"),
        ("#### A heading\nand a text below", "#### A heading\nand a text below"),
        ("cut off ####", None),
        ("#### ", None),
        ("### 18", "### 18"),
    ],
)
def test_references(value: object, text: str, write: Write) -> None:
    assert one({"question": "Q", "answer": value}, write).reference == text


def test_a_finished_trajectory_is_a_problem_again(write: Write) -> None:
    record: dict[str, object] = {
        "schema": "rise.trajectory/1",
        "id": "p-17",
        "index": 16,
        "question": "Q",
        "context": None,
        "reference": "18",
        "extra": {"level": 3},
        "answer": "19",
        "turns": [],
    }
    row = one(record, write)
    assert (row.id, row.question, row.reference, row.extra) == ("p-17", "Q", "18", {"level": 3})
    assert one({**record, "reference": None, "extra": None}, write).reference is None
    assert one(record, write, Fields(reference="answer")).reference == "19"


# Ids


def test_ids_that_are_missing_are_made_of_the_problem(write: Write) -> None:
    records = [
        {"question": "Q"},
        {"question": " Q ", "answer": "x"},
        {"question": "Q", "context": "C"},
        {"question": "Q", "id": "  "},
        {"question": "other"},
    ]
    names = [row.id for row in read(write("\n".join(map(json.dumps, records))))]
    first = names[0]
    assert names[1] == f"{first}-2"
    assert names[3] == f"{first}-3"
    assert len(set(names)) == 5
    # From another place of another file, in another format, the same.
    assert [row.id for row in read(write("first\nother\nQ\n", "p.txt"))][1:] == [names[4], first]
    # Written down: a resumed run of a later version must find what this one wrote.
    assert first == "p-4ebc8773f41892d0"


def test_made_ids_keep_clear_of_given_ones() -> None:
    ids = Ids()
    first = ids.make("Q", None)
    assert ids.claim(f"{first}-2")
    assert [ids.make("Q", None), ids.make("Q", None)] == [f"{first}-3", f"{first}-4"]
    assert not ids.claim(first)


def test_an_id_is_used_once(write: Write) -> None:
    lines = [
        '{"id": "7", "question": "A"}',
        '{"id": 7, "question": "B"}',
        '{"id": "x"}',
        '{"id": "x", "question": "C"}',
    ]
    found = list(rows(write("\n".join(lines))))
    assert [item.id for item in found] == ["7", "7", "x", "x"]
    assert [isinstance(item, BadRow) for item in found] == [False, True, True, True]
    assert isinstance(found[1], BadRow)
    assert found[1].error == "the id '7' is used above; give each problem one of its own"


def test_many_ids_take_little_room() -> None:
    ids = Ids()
    tracemalloc.start()
    try:
        assert all(ids.claim(f"problem-{n}") for n in range(200_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
    assert not any(ids.claim(f"problem-{n}") for n in range(0, 200_000, 97))


# Bad rows


GOOD = b'{"question": "fine"}'

DEEP = b'{"question": "Q", "x": ' + b"[" * 80 + b"]" * 80 + b"}"

BAD_LINES = [
    (b"{", "this is not JSON (Expecting property name enclosed in double quotes at the end); write one"),
    (b'{"question": "Q"', "this is not JSON (Expecting ',' delimiter at the end); write one whole object"),
    (b"{'question': 1}", "enclosed in double quotes at character 2, \"'question': 1}\"); write one"),
    (b'{"question": "Q"} {"question": "R"}', "this is not JSON (Extra data at character 18,"),
    (b"What is 1+1?", "this is not JSON (Expecting value at character 1, 'What is 1+1?')"),
    (b'{"question": "a\tb"}', "Invalid control character"),
    (b'[{"question": "Q"}]', "this is a JSON array of 1, not an object; write one object a line, for"),
    (b"12", 'this is 12, not an object; write one, such as {"question": "..."}'),
    (b"null", "this is null, not an object"),
    (b"true", "this is true, not an object"),
    (b'"  "', "the question is empty ('question' is '  ')"),
    (b"{}", "this is an empty object; write one such as"),
    (b'{"q": "Q", "a": 1}', "name the field that holds it with --question-field: 'q', 'a'"),
    (b'{"question": ""}', "the question is empty ('question' is ''); write one there"),
    (b'{"question": null}', "the question is empty ('question' is null); write one there"),
    (b'{"question": 5}', "'question' is 5; write the question there as text, or name the field"),
    (b'{"question": false}', "'question' is false; write the question there as text"),
    (b'{"question": {"text": "Q"}}', "'question' is an object; write the question there as text"),
    (b'{"prompt": [{"role": "user", "content": "Q"}]}', "'prompt' is a list of chat messages; write"),
    (b'{"question": "Q", "answer": ["A", "B"]}', "'answer' is a list; write it as text or a number"),
    (b'{"question": "Q", "answer": true}', "'answer' is true; write it as text or a number"),
    (b'{"question": "Q", "context": {}}', "'context' is an object; write it as text or a number"),
    (b'{"question": "Q", "id": [1]}', "'id' is a list; write it as text or a number"),
    (b'{"question": "caf\xe9"}', "this is not UTF-8 (byte 18 is 0xe9); convert the file, for example with"),
    (b'{"question": "a\0b"}', "there is a NUL at character 16; take it out, or convert the file if it"),
    (b"\0\0\0\0", "there is a NUL at character 1"),
    (rb'{"question": "a\u0000b"}', "'question' holds a NUL at character 2; take it out"),
    (rb'{"question": "Q", "id": "\ud83d"}', r"'id' holds half a character, '\ud83d' at character 1"),
    (b'{"question": "Q", "x": NaN}', "NaN is no JSON number; write null, or text"),
    (b'{"question": "Q", "x": [-Infinity]}', "-Infinity is no JSON number"),
    (b'{"question": "Q", "x": 1e999}', "the number 1e999 is too large; write it as text"),
    (b'{"question": "Q", "x": 1' + b"0" * 5000 + b"}", "a number has thousands of digits; write it as text"),
    (DEEP, "this is nested more than 64 deep; leave out or flatten the field that is"),
    (b"[" * 100_000, "this is nested more than 64 deep"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), BAD_LINES, ids=[message[:40] for _, message in BAD_LINES])
def test_bad_lines(line: bytes, message: str, write: Write) -> None:
    path = write(GOOD + b"\n\n" + line + b"\r\n" + GOOD)
    before, bad, after = rows(path)
    assert isinstance(bad, BadRow)
    assert (bad.index, bad.line, bad.id) == (1, 3, None)
    assert message in bad.error
    assert len(bad.error) < 300
    assert bad.error.isprintable()
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert (after.index, after.line) == (2, 4)
    assert count(path) == 3


def test_bad_rows_bear_their_id(write: Write) -> None:
    bad = only(write('{"id": 12, "question": 5}'))
    assert isinstance(bad, BadRow)
    assert bad.id == "12"


def test_what_is_not_ours_may_hold_anything_that_json_can(write: Write) -> None:
    [row] = read(write(r'{"question": "Q", "x": "\ud800\u0000", "y": ' + "[" * 60 + "]" * 60 + "}"))
    assert row.extra["x"] == "\ud800\0"


BAD_RECORDS = [
    (b'b,"Q" more,2', 'a double quote stands inside a quoted cell; double it there: ""'),
    (b"b,Q", "this record has 2 cells and the header 3, from 'b' on; put cells that hold a separator"),
    (b"b,Q, and more,2", "this record has 4 cells and the header 3"),
    (b"b,caf\xe9,2", "this is not UTF-8 (byte 6 is 0xe9)"),
    (b"b,a\0b,2", "there is a NUL at character 4"),
    (b"b,Q\rR,2", "this record is not CSV (new-line character seen in unquoted field"),
    (b"b,,2", "the question is empty ('question' is '')"),
    (b"a,Q,2", "the id 'a' is used above"),
]


@pytest.mark.parametrize(("record", "message"), BAD_RECORDS)
def test_bad_records(record: bytes, message: str, write: Write) -> None:
    path = write(b'id,question,answer\na,"Q\nQ",1\n \n,,\n' + record + b"\nc,Q,3\n", "p.csv")
    before, bad, after = rows(path)
    assert isinstance(bad, BadRow)
    assert message in bad.error
    assert (before.line, bad.line, after.line) == (2, 6, 7)
    assert (before.id, after.id) == ("a", "c")
    assert isinstance(after, Row)
    assert count(path) == 3


def test_an_open_quote_is_one_bad_record(write: Write) -> None:
    good, bad = rows(write('id,question\na,Q\nb,"Q\nc,Q\nd,Q\n', "p.csv"))
    assert good.id == "a"
    assert isinstance(bad, BadRow)
    assert bad.line == 3
    assert "opened here and not closed until the end of the file" in bad.error


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        ("id,question,id\n1,Q,2\n", Fields(), "has 'id' twice; rename one of them"),
        ('id,"question\n1,Q\n', Fields(), "in line 1, is of no use: a double quote is opened here"),
        ("id,question\n1,Q\n", Fields(reference="r"), "'r' for --reference-field; name one of 'id'"),
        ("id,question\n1,Q\n", Fields(id="key"), "no column 'key' for --id-field"),
    ],
)  # fmt: skip
def test_bad_headers(content: str, fields: Fields, message: str, write: Write) -> None:
    path = write(content, "p.csv")
    for reading in (lambda: list(rows(path, fields)), lambda: count(path, fields)):
        with pytest.raises(UsageError) as raised:
            reading()
        assert message in str(raised.value)


@pytest.mark.parametrize(("name", "first"), [("p.jsonl", '{"q": "Q"}'), ("p.csv", "q,a\nQ,A")])
def test_a_question_field_that_no_row_has(name: str, first: str, write: Write) -> None:
    bad = only(write(first, name), Fields(question="ask"))
    assert isinstance(bad, BadRow)
    assert "name the field that holds it with --question-field: 'q'" in bad.error


def test_many_fields_are_not_all_listed(write: Write) -> None:
    bad = only(write(json.dumps({f"field {n}": n for n in range(50)})))
    assert isinstance(bad, BadRow)
    assert bad.error.endswith("'field 11' and 38 more")


@pytest.mark.parametrize("name", ["p.jsonl", "p.txt", "p.csv"])
def test_a_line_that_is_too_long(name: str, write: Write) -> None:
    start = "question\n" if name == "p.csv" else ""
    long = json.dumps("x" * 3_000_000)
    path = write(f'{start}"one"\n{long}\n"two"\n', name)
    found = list(rows(path, longest=1000))
    bad = found[1]
    assert isinstance(bad, BadRow)
    assert "more than 1000 bytes" in bad.error
    assert [item.line for item in found] == [line + bool(start) for line in (1, 2, 3)]
    assert [isinstance(item, Row) for item in found] == [True, False, True]
    assert all(isinstance(item, Row) for item in rows(path))


def test_a_record_of_many_lines_is_bounded_too(write: Write) -> None:
    path = write('question\n"open\n' + "x\n" * 5000, "p.csv")
    found = list(rows(path, longest=1000))
    assert isinstance(found[0], BadRow)
    assert "more than 1000 bytes" in found[0].error
    assert len(found) > 1


def test_a_line_may_be_as_long_as_the_limit(write: Write) -> None:
    path = write("x" * 100 + "\n" + "y" * 100, "p.txt")
    assert all(isinstance(item, Row) for item in rows(path, longest=100))
    assert all(isinstance(item, BadRow) for item in rows(path, longest=99))


JSON_LIKE = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([line for line, _ in BAD_LINES if len(line) < 100]),
    st.builds(
        lambda record: json.dumps(record).encode(),
        st.dictionaries(
            st.sampled_from(["id", "question", "prompt", "answer", "context", "x", "schema", "extra"]),
            st.one_of(
                st.none(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.text(), max_size=2),
                st.sampled_from(["a", "b", "rise.trajectory/1"]), st.just({"k": 1}),
            ),
        ),
    ),
)  # fmt: skip


@given(st.lists(JSON_LIKE, max_size=12), st.sampled_from(FORMATS))
@settings(max_examples=150, deadline=None)
def test_every_line_gives_one_item(tmp_path_factory: Any, pieces: list[bytes], form: str) -> None:
    lines = [piece.replace(b"\n", b"") for piece in pieces]
    lines[:1] = [b"id,question\tprompt"] if form in ("csv", "tsv") else []
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(b" " + b"\n".join(lines))
    try:
        items = list(rows(str(path), format=form))
    except UsageError:
        assert form in ("csv", "tsv")  # a header of no use
        return
    assert [item.index for item in items] == list(range(len(items)))
    if form in ("jsonl", "text"):
        assert [item.line for item in items] == [n for n, line in enumerate(lines, 1) if line.strip()]
    good = [item for item in items if isinstance(item, Row)]
    assert len({row.id for row in good}) == len(good)
    for row in good:
        "".join(filter(None, (row.id, row.question, row.context, row.reference))).encode()
        json.dumps(row.extra, allow_nan=False)
    assert list(rows(str(path), format=form)) == items
    assert count(str(path), format=form) == len(items)


# Files as a whole


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("question".encode("utf-16"), "is UTF-16 text; convert it with iconv"),
        (b"PK\x03\x04rest", "is a zip archive or a spreadsheet"),
        (b"PAR1rest", "is a Parquet file"),
        (b"\x28\xb5\x2f\xfdrest", "is packed with zstd"),
        (b"\xfd7zXZ\0rest", "is packed with xz"),
    ],
)
def test_files_of_another_kind(content: bytes, message: str, write: Write) -> None:
    path = write(content)
    with pytest.raises(UsageError, match=message):
        list(rows(path))
    with pytest.raises(UsageError, match=message):
        count(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = str(tmp_path / "no\nsuch.jsonl")
    for path, message in ((missing, "No such file"), (str(tmp_path), "Is a directory")):
        for reading in (lambda path=path: list(rows(path)), lambda path=path: count(path)):
            with pytest.raises(UsageError, match=message) as raised:
                reading()
            assert "\n" not in str(raised.value)
            assert repr(path) in str(raised.value)


def damaged(how: str) -> bytes:
    lines = [json.dumps({"id": n, "question": os.urandom(40).hex()}).encode() for n in range(5000)]
    packed = gzip.compress(b"\n".join(lines))
    half = len(packed) // 2
    return {
        "cut": packed[:half],
        "garbled": packed[:half] + bytes(100) + packed[half + 100 :],
        "wrong sum": packed[:-8] + bytes(8),
        "no header": packed[:4],
        "garbage after": packed + b"garbage",
    }[how]


@pytest.mark.parametrize("how", ["cut", "garbled", "wrong sum", "no header", "garbage after"])
def test_a_damaged_gzip_file(how: str, write: Write) -> None:
    path = write(damaged(how), "p.jsonl.gz")
    before: list[Row | BadRow] = []
    with pytest.raises(UsageError, match="is damaged after line") as raised:
        before.extend(rows(path))
    assert how == "garbled" or f"after line {len(before)} " in str(raised.value)
    with pytest.raises(UsageError, match="is damaged after line"):
        count(path)


# Stdin and pipes


READ_STDIN = (
    "import sys; from rise_cli.problems import rows, count; assert count('-') is None\n"
    "for row in rows('-'): print(row.line, getattr(row, 'question', 'bad'), flush=True)"
)


@pytest.mark.parametrize(
    "content",
    [jsonl().encode(), table("\t").encode(), gzip.compress(jsonl().encode()), b"hi", b""],
    ids=["jsonl", "tsv", "gzip", "short", "nothing"],
)
def test_stdin(content: bytes, write: Write) -> None:
    done = subprocess.run([sys.executable, "-c", READ_STDIN], input=content, capture_output=True, check=True)
    expected = "".join(f"{row.line} {row.question}\n" for row in read(write(content, "unnamed")))
    assert done.stdout.decode() == expected
    assert done.stderr == b""


def test_stdin_is_read_as_it_arrives() -> None:
    command = [sys.executable, "-c", READ_STDIN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        for line in (1, 2):
            process.stdin.write(b'{"question": "Q"}\n')
            process.stdin.flush()
            assert process.stdout.readline() == f"{line} Q\n".encode()
        process.stdin.close()
    assert process.returncode == 0


def test_closed_stdin() -> None:
    script = "import sys; sys.stdin = None\nfrom rise_cli.problems import rows; list(rows('-'))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "UsageError: stdin is closed" in done.stderr


def test_a_pipe_is_read_once_and_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert count(str(path)) is None
    writer = threading.Thread(target=path.write_text, args=(jsonl(),))
    writer.start()
    assert len(list(rows(str(path)))) == 3
    writer.join()


# Size


def test_reading_holds_next_to_nothing(write: Write) -> None:
    question = "x" * 500
    lines = (f'{{"id": "{n}", "question": "{question}"}}\n' for n in range(20_000))
    path = write("".join(lines))
    tracemalloc.start()
    try:
        assert sum(1 for _ in rows(path)) == 20_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The file is 11 MB; the table of ids doubles at 16,384 to 0.5 MB, of which half is copied.
    assert peak < 1_500_000


@pytest.mark.parametrize(
    ("name", "line"),
    [("p.csv", '"Q{n}","{long}"\n'), ("p.jsonl", '{{"question": "Q{n}", "note": "{long}"}}\n')],
)
def test_long_lines_are_not_read_together(write: Write, name: str, line: str) -> None:
    long = "x" * 1_000_000
    head = "question,note\n" if name == "p.csv" else ""
    path = write(head + "".join(line.format(n=n, long=long) for n in range(40)), name)
    tracemalloc.start()
    try:
        assert [len(group) for group in groups(path)] == [1] * 40
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
