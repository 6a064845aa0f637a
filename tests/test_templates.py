"""Texts that come again are made once, and are what they would have been made to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jinja2 import Template

from rise_cli.prompts import load, names, templates
from rise_cli.prompts.templates import Folder, fill

FACTS: dict[str, Any] = {
    "question": "How many?",
    "context": None,
    "kind": "auto",
    "choices": ["A", "B"],
    "turns": 3,
    "threshold": 0.9,
    "answer": "18",
    "rejected": False,
    "feedback": None,
    "judge": None,
    "reply": "Answer: 18",
    "critique": None,
}


def template(folder: Path, text: str, **beside: str) -> Template:
    folder.mkdir(exist_ok=True)
    for name, content in {"one": text, **beside}.items():
        (folder / f"{name}.md").write_text(content, encoding="utf-8")
    return Folder(folder, None).template("one.md")


def test_a_text_is_made_once_for_facts_that_decide_it(tmp_path: Path) -> None:
    one = template(tmp_path, "{{ question }} {% if kind == 'choice' %}{{ choices | join }}{% endif %}")
    first = fill(one, FACTS)
    assert first == "How many?"
    assert fill(one, {**FACTS, "answer": "19", "reply": "Answer: 19"}) is first
    assert fill(one, {**FACTS, "question": "How few?"}) == "How few?"
    assert fill(one, {**FACTS, "kind": "choice"}) == "How many? AB"
    assert fill(one, {**FACTS, "kind": "choice", "choices": ["C"]}) == "How many? C"
    assert fill(one, FACTS) is first


def test_every_fact_makes_another_text_where_it_is_used(tmp_path: Path) -> None:
    for name, value in FACTS.items():
        one = template(tmp_path / name, "{{ " + name + " }}.")
        assert fill(one, FACTS) == f"{value}."
        assert fill(one, {**FACTS, name: "other"}) == "other."
        assert fill(one, FACTS) == f"{value}."


@pytest.mark.parametrize(
    "chance",
    [
        "{{ range(99999) | random }}",
        "{{ lipsum(n=3) }}",
        "{{ [range(99999) | list] | map('ran' ~ 'dom') | first }}",
    ],
)
def test_chance_falls_every_time(tmp_path: Path, chance: str) -> None:
    one = template(tmp_path, chance)
    assert len({fill(one, FACTS) for _ in range(5)}) > 1


@pytest.mark.parametrize(
    "text",
    [
        "{% include 'two.md' %}",
        "{% include ['two.md', 'three.md'] %}",
        "{% include 'two' ~ '.md' %}",
        "{% include ('two.md' if not rejected else 'three.md') %}",
        "{% set file = 'two.md' %}{% include file %}",
        "{% extends 'two' ~ '.md' %}",
        "{% import 'macros' ~ '.md' as other with context %}{{ other.say() }}",
        "{% from ('macros.md') import say with context %}{{ say() }}",
    ],
)
def test_what_is_included_may_use_other_facts(tmp_path: Path, text: str) -> None:
    macros = "{% macro say() %}{{ answer }}{% endmacro %}"
    one = template(tmp_path, text, two="{{ answer }}", three="no", macros=macros)
    assert fill(one, FACTS) == "18"
    assert fill(one, {**FACTS, "answer": "19"}) == "19"


@pytest.mark.parametrize("name", names())
def test_shipped_templates_say_what_they_say_when_made_anew(name: str) -> None:
    """Also after the rehearsal, which has filled them with facts of its own."""
    protocol = load(name)
    made = [one for one in vars(protocol).values() if isinstance(one, Template)]
    assert made
    for question, answer in (("How many?", "1"), ("How few?", "2"), ("How many?", "3")):
        facts = {**FACTS, "question": question, "answer": answer, "replies": ["a", answer]}
        facts["attempts"] = [FACTS | {"answer": answer}]
        for one in made:
            assert fill(one, facts) == templates._filled(one, facts)


def test_two_templates_of_one_name_are_two(tmp_path: Path) -> None:
    one, other = template(tmp_path / "a", "one {{ kind }}"), template(tmp_path / "b", "other {{ kind }}")
    assert [fill(one, FACTS), fill(other, FACTS), fill(one, FACTS)] == ["one auto", "other auto", "one auto"]


def test_long_texts_are_not_kept_and_kept_ones_are_few(tmp_path: Path) -> None:
    one = template(tmp_path, "{{ question }}")
    long = "x" * 10_000
    assert fill(one, {**FACTS, "question": long}) == long
    for number in range(2_000):
        assert fill(one, {**FACTS, "question": f"{number}?"}) == f"{number}?"
    assert len(templates._texts) <= templates._MOST_TEXTS
    assert all(len(text) <= templates._LONGEST_TEXT for text in templates._texts.values())
