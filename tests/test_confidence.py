"""Reading confidences: every notation, what is out of range, and prose that states none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_cli.core.confidence import WORDS, blank_reports, cut_report, read_confidence, without_report

STATED = [
    ("Confidence: 0.8", 0.8),
    ("Confidence: 80%", 0.8),
    ("Confidence: 80/100", 0.8),
    ("Confidence: 8/10", 0.8),
    ("confidence: high", 0.8),
    ("Confidence: Very High", 0.95),
    ("置信度：80%", 0.8),
    ("置信度：８０％", 0.8),
    ("信心：高", 0.8),
    ("信心：中", 0.5),
    ("信心：低", 0.25),
    ("Confidence: **85%**", 0.85),
    ("**Confidence:** 85%", 0.85),
    ("**Confidence**: 0.85", 0.85),
    ("confidence level: 0.9", 0.9),
    ("I am 90% confident", 0.9),
    ("I'm 90 percent sure.", 0.9),
    ("<confidence>0.8</confidence>", 0.8),
    ("<confidence> 80% </confidence>", 0.8),
    ("Confidence: 85", 0.85),
    ("Confidence: 1", 1.0),
    ("Confidence: 0", 0.0),
    ("Confidence: 100", 1.0),
    ("Confidence: 150%", None),
    ("Confidence: -3", None),
    ("Confidence: 12/10", None),
    ("Confidence: 101", None),
    ("I have confidence that 5 apples", None),
    ("", None),
    ("Confidence: <0-1>", None),
    ("Confidence: 0.0-1.0", None),
    ("Confidence: 80-90%", None),
    ("Confidence: 0 to 1", None),
    ("Confidence (0-1): 0.8", 0.8),
    ("Confidence (0-100): 85", 0.85),
    ("Confidence: 0.5\nConfidence: 0.7", 0.7),
    ("Confidence:\n0.9", 0.9),
    ("### Confidence\n95%", 0.95),
    ("**Confidence**\n80%", 0.8),
    ("## My Confidence\n\n**0.7**", 0.7),
    ("**Confidence**\nhigh", 0.8),
    ("### Confidence\nI am not sure about 95%", None),
    ("### Confidence\n80-90%", None),
    ("Confidence\n5 apples", None),
    ("Confidence: \\(85\\%\\)", 0.85),
    ("Confidence: $85\\%$", 0.85),
    ("置信度：八成", 0.8),
    ("我有九成把握", 0.9),
    ("信心：九成五", 0.95),
    ("置信度：百分之九十", 0.9),
    ("置信度：百分之八十五", 0.85),
    ("置信度：百分之百", 1.0),
    ("置信度：百分之十百", None),
    ("My confidence in this answer is 85%.", 0.85),
    ("with 90% confidence", 0.9),
    ("95% confidence interval", None),
    ("confidence of 0.9", 0.9),
    ('"confidence": 0.9', 0.9),
    ("Confidence: High (90%)", 0.9),
    ("Confidence: 0.95 (high)", 0.95),
    ("Confidence: ~90%", 0.9),
    ("Confidence: .9", 0.9),
    ("Confidence: 0,9", 0.9),
    ("Confidence: 9.5/10", 0.95),
    ("Confidence: 4 out of 5", 0.8),
    ("Confidence: 95.5%", 0.955),
    ("Confidence: 95.5", None),
    ("I'm not 100% sure", None),
    ("self-confidence: 0.9", None),
    ("Confidence: 0.9.", 0.9),
    ("Confidence: 90%, because", 0.9),
    ("Confidence = 0.9", 0.9),
    ("Confidence: 1.0", 1.0),
    ("confidence interval: 0.9", None),
    ("我有90%的把握", 0.9),
    ("Confidence score: 0.9", 0.9),
    ("Confidence: 10/0", None),
    ("Confidence: 85\\%", 0.85),
    ("Confidence: $0.9$", 0.9),
    ("Confidence: medium-high", None),
    ("Confidence: 1e5", None),
    ("| Confidence | 0.9 |", 0.9),
    ("Confidence: 999999999999", None),
    ("Confidence: 0.9 - sure", 0.9),
    ("Confidence: low/medium/high", None),
    ("Confidence: [low|high]", None),
    ("Confidence: 90% (I checked)", 0.9),
    ("confidently: 0.9", None),
    ("信心程度：85％", 0.85),
    ("把握：九成", 0.9),
    ("信心：高/中/低", None),
]


@pytest.mark.parametrize(("reply", "confidence"), STATED)
def test_confidence(reply: str, confidence: float | None) -> None:
    assert read_confidence(reply) == (None if confidence is None else pytest.approx(confidence))


@pytest.mark.parametrize(("word", "value"), WORDS.items())
def test_words_in_both_languages(word: str, value: float) -> None:
    assert read_confidence(f"Answer: 4\nConfidence: {word}") == value
    assert read_confidence(f"信心：{word}。") == value


def test_the_last_one_counts_even_if_it_is_out_of_range() -> None:
    assert read_confidence("Confidence: 60%\nOn reflection:\nConfidence: 70%") == 0.7
    assert read_confidence("Confidence: 60%\nConfidence: 170%") is None


@given(st.text() | st.text("Confidence: 0123456789.,%/-()highlow置信度：\n "))
def test_never_fails_and_stays_in_range(reply: str) -> None:
    for text in (reply, "Confidence: " + reply, reply + "% confident"):
        value = read_confidence(text)
        assert value is None or 0 <= value <= 1


@given(st.integers(0, 100))
def test_a_percentage_reads_the_same_in_every_notation(percent: int) -> None:
    notations = [
        f"{percent}%",
        f"{percent}/100",
        f"{percent} out of 100",
        f"{percent / 100}",
        f"**{percent}％**",
    ]
    assert {read_confidence(f"Confidence: {text}") for text in notations} == {percent / 100}


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Paris.\n\nConfidence: 80%", "Paris."),
        ("Paris.\n**Confidence (0 to 1):** 0.8\n", "Paris."),
        ("Paris\nConfidence: unsure", "Paris"),
        ("Paris\nConfidence:\n90%", "Paris"),
        ("Paris\n\n### My Confidence\n90%", "Paris"),
        ("Paris\nI'm 90% sure.", "Paris"),
        ("Paris (confidence: 80%)", "Paris"),
        ("Paris\n<confidence>0.8</confidence>", "Paris"),
        ("巴黎\n置信度：80%", "巴黎"),
        ("Confidence: 80%\nParis", "Confidence: 80%\nParis"),
        ("Confidence is key to success.", "Confidence is key to success."),
        ("I am 80% sure that it is Paris", "I am 80% sure that it is Paris"),
        ("Confidence: 80%", ""),
    ],
)
def test_the_report_at_the_end_is_no_part_of_an_answer(text: str, rest: str) -> None:
    assert without_report(text) == rest


@pytest.mark.parametrize(
    "tail", [" (confidence: 90%)", ", Confidence: 0.9", " | confidence = 90%", "; I am 90% sure"]
)
def test_a_confidence_on_the_same_line_is_cut_off(tail: str) -> None:
    assert cut_report("Paris" + tail) == "Paris"


def test_blanked_reports_leave_no_number() -> None:
    text = "There are 18.\nConfidence: 95%\nI am 90% confident in it, with 80% confidence, confidence is 0.7."
    text += "\n### Confidence\n95%\n"
    assert not set("950") & set(blank_reports(text))
    assert "18" in blank_reports(text)
