"""Problems named `hf:`, through `datasets` itself, from local copies in the form of each data set."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Reply
from running import KEYS, Program, at

from rise_cli.errors import UsageError
from rise_cli.problems import BadRow, Fields, Problems, Row, count, hub, rows
from rise_cli.problems.content import Fault
from rise_cli.problems.presets import PRESETS, preset_for


@pytest.fixture(scope="module", autouse=True)
def offline() -> None:
    """Nobody is asked over the network, whatever is named, and nothing is kept at home: `datasets` looks at
    these when it is first imported."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HOME"] = str(Path(tempfile.gettempdir()) / "rise-tests" / "hf")
    importlib.import_module("datasets")


GSM8K = {"question": "How many are 2 plus 2?", "answer": "2 plus 2 is <<2+2=4>>4.\n#### 4"}
MATH = {
    "problem": "What is $\\frac14+\\frac14$?",
    "level": "Level 2",
    "type": "Algebra",
    "solution": "It is $\\frac24$, so $\\boxed{\\frac{1}{2}}$.",
}
MMLU = {
    "question": "Which is a prime?",
    "subject": "number_theory",
    "choices": ["91", "87", "97", "51"],
    "answer": 2,
}


def folder(place: Path, **splits: list[dict[str, Any]]) -> str:
    """A data set of such splits, and its name."""
    place.mkdir(parents=True, exist_ok=True)
    for split, records in splits.items():
        lines = "".join(f"{json.dumps(record)}\n" for record in records)
        (place / f"{split}.jsonl").write_text(lines)
    return f"hf:{place}"


def read(name: str, fields: Fields | None = None) -> list[Row]:
    found = list(rows(name, fields))
    assert not any(isinstance(row, BadRow) for row in found)
    return [row for row in found if isinstance(row, Row)]


# Presets


def test_gsm8k(tmp_path: Path) -> None:
    name = folder(tmp_path / "gsm8k", train=[GSM8K] * 3, test=[GSM8K, {**GSM8K, "question": "And 3 plus 1?"}])
    found = read(name)
    assert [(row.question, row.reference) for row in found] == [
        ("How many are 2 plus 2?", "4"),
        ("And 3 plus 1?", "4"),
    ]
    assert count(name) == 2
    # The same problem from a file has the same id, so that a run goes on from either.
    (tmp_path / "file.jsonl").write_text(json.dumps(GSM8K) + "\n")
    assert read(str(tmp_path / "file.jsonl"))[0].id == found[0].id


def test_math_and_mmlu(tmp_path: Path) -> None:
    (row,) = read(folder(tmp_path / "math", test=[MATH]))
    assert (row.question, row.reference) == (MATH["problem"], "\\frac{1}{2}")
    assert row.extra == {"level": "Level 2", "type": "Algebra"}
    (row,) = read(folder(tmp_path / "mmlu", test=[MMLU]))
    assert row.question == "Which is a prime?\n\nA) 91\nB) 87\nC) 97\nD) 51"
    assert (row.reference, row.extra) == ("C", {"subject": "number_theory"})


def preset(record: dict[str, Any]) -> Any:
    found = preset_for(frozenset(record))
    return None if found is None else found.read(record)


@pytest.mark.parametrize(
    ("answer", "letter"), [(0, "A"), (3, "D"), ("b", "B"), ("1", "B"), (4, None), (-1, None), ("E", None)]
)
def test_an_answer_is_an_index_or_a_letter_of_the_choices(answer: object, letter: str | None) -> None:
    found = preset({**MMLU, "answer": answer})
    assert isinstance(found, Fault) if letter is None else found["answer"] == letter


def test_what_does_not_fit_a_preset() -> None:
    assert [preset.name for preset in PRESETS] == ["gsm8k", "math", "mmlu"]
    assert isinstance(preset({**MMLU, "choices": "91 or 97"}), Fault)
    assert "answer" not in preset({**MATH, "solution": "It is obvious."})
    # MATH-500 states the answer beside the solution: it is read like any file.
    assert preset({**MATH, "answer": "1/2"}) is None
    assert preset({"text": "Hello"}) is None


def test_fields_that_are_named_count_and_no_preset(tmp_path: Path) -> None:
    name = folder(tmp_path / "math", test=[MATH])
    (row,) = read(name, Fields(question="problem", reference="level"))
    assert (row.reference, row.extra["solution"]) == ("Level 2", MATH["solution"])


# Which part


def test_the_split_is_test_or_the_only_one_or_the_one_that_is_named(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", train=[GSM8K])
    assert count(one) == 1
    two = folder(tmp_path / "two", train=[GSM8K] * 2, validation=[GSM8K] * 3)
    assert count(f"{two}::validation") == 3
    for name in (two, f"{two}::dev"):
        with pytest.raises(UsageError, match="name one of train, validation") as told:
            count(name)
        assert len(str(told.value).splitlines()) == 1


def test_a_file_is_a_data_set_too(tmp_path: Path) -> None:
    folder(tmp_path, some=[GSM8K])
    assert count(f"hf:{tmp_path}/some.jsonl") == 1
    (tmp_path / "some.xml").write_text("<x/>")
    with pytest.raises(UsageError, match=r"none of \.jsonl"):
        count(f"hf:{tmp_path}/some.xml")


@pytest.mark.parametrize("name", ["hf:", "hf::main", "hf:a:b:c:d"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(UsageError, match="write hf:NAME"):
        count(name)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("hf:openai/gsm8k", "gsm8k"),
        ("hf:openai/gsm8k:main", "gsm8k-main"),
        ("hf:cais/mmlu::test", "mmlu-test"),
        ("hf:./mine/", "mine"),
        ("hf:./p.jsonl", "p"),
        ("hf:..", "problems"),
    ],
)
def test_files_are_called_after_the_data_set(name: str, stem: str) -> None:
    assert hub.stem(name) == stem


# What goes wrong


@pytest.mark.parametrize("name", ["hf:nobody/has-this", "hf:./not-there", "hf:no such name"])
def test_what_cannot_be_loaded_is_one_line(rise: Program, name: str) -> None:
    result = rise("eval", name, "-m", "local:", "--dry-run")
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert name.removeprefix("hf:") in result.err


def test_a_damaged_file_and_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "test.jsonl").write_text('{"question"\n')
    good = folder(tmp_path / "good", test=[GSM8K])
    for name, said in ((f"hf:{tmp_path}/bad", "JSON"), (f"{good}:other", "'other' not found")):
        with pytest.raises(UsageError, match=said) as told:
            count(name)
        assert len(str(told.value).splitlines()) == 1


def test_without_the_package_the_way_to_it_is_told(rise: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    result = rise("batch", "hf:openai/gsm8k", "-m", "local:", "--dry-run")
    assert result.code == 3
    assert "pip install 'rise-cli[eval]'" in result.err


# From the command line


def test_batch_and_eval_take_them(rise: Program) -> None:
    name = folder(rise.folder / "sums", test=[GSM8K, {**GSM8K, "question": "And 3 plus 1?"}])
    relative = f"hf:./{Path(name).name}"
    with Loopback([Reply("Answer: 4")]) as server:
        more = (*at("openai", server), "--turns", "2")
        result = rise("batch", relative, *more, env=KEYS)
        assert (result.code, len((rise.folder / "sums.rise.jsonl").read_text().splitlines())) == (0, 2)
        compared = rise("eval", relative, *more, "--compare", "sample", "--json", env=KEYS)
    assert (compared.code, compared.record["problems"]) == (0, relative)
    assert compared.record["models"][0]["protocols"][0]["parallel"]["value"] == 1.0
    assert [p.name for p in (rise.folder / "sums.eval").iterdir()] == ["sample.jsonl"]


def test_problems_that_are_held_are_all_there_is(tmp_path: Path) -> None:
    name = folder(tmp_path / "p", test=[GSM8K])
    all_ = Problems(name)
    held = Problems(name, held=())
    assert (all_.count(), held.count(), list(held.rows())) == (1, 0, [])
    assert all_.at_hand
    assert held.at_hand
    assert not Problems("-").at_hand
