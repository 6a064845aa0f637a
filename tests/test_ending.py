"""The ending that the prompts ask for is read at a glance, and as the whole reply would have been read."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rise_cli.core import confidence, extract
from rise_cli.core.domain import Kind
from rise_cli.core.ending import ended_answer, ending

BEFORE = st.lists(
    st.sampled_from(
        [
            "Answer: 7", "The answer is 12.", "answer:", "**Answer:** 3", "答案：5", "#### 9", "\\boxed{4}",
            "\\fbox{2}", "<answer>6</answer>", "<answer>", "<think>", "</think>", "Confidence: 20%",
            "### Confidence", "I am 90% sure", "confidence:", "with 70% confidence", "八成把握", "A: 1",
            "```", "x = 3", "\n", " ", "*", "，", "\u3000", "not ",
        ]
    )
    | st.text(max_size=12),
    max_size=6,
).map("\n".join)  # fmt: skip
ANSWER = st.from_regex(r"[0-9]{1,15}|[A-Z]|[0-9]{16}|[a-z]{1,4}|-[0-9]|A\)|", fullmatch=True)
SURE = st.integers(0, 130).map(str) | st.sampled_from(["80.5", "007", "8 ", "", "٣"])
AFTER = st.sampled_from(["", "\n", " ", "\n\n", "  \n ", ".", "\nok", "\x0b", "\u2028"])
REPLIES = st.builds(
    lambda before, gap, answer, between, sure, after: (
        f"{before}{gap}Answer: {answer}{between}Confidence: {sure}%{after}"
    ),
    BEFORE,
    st.sampled_from(["\n", "", " ", "\n\n", "**", "> "]),
    ANSWER,
    st.sampled_from(["\n", "\n\n", " ", "\r\n"]),
    SURE,
    AFTER,
)
CHOICES = st.sampled_from([(), ("A", "B", "C", "D"), tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), ("X", "I")])


@given(REPLIES, st.sampled_from(list(Kind)), CHOICES)
@example("Answer: 18\nConfidence: 80%", Kind.AUTO, ())
@example("confidence: Answer: 18\nConfidence: 80%", Kind.AUTO, ())
@example("Thus A.\nAnswer: I\nConfidence: 100%\n", Kind.CHOICE, ("A", "I"))
def test_a_glance_sees_what_a_search_finds(reply: str, kind: Kind, choices: tuple[str, ...]) -> None:
    at_once = ended_answer(reply, kind, choices)
    if at_once is not None:
        assert at_once == extract._found(reply, kind, choices)
    ended = ending(reply)
    if ended is not None:
        assert ended.confidence == confidence._found(reply)


@pytest.mark.parametrize("end", ["", "\n", "  "])
@pytest.mark.parametrize("start", ["", "So 18 are left.\n\n"])
def test_what_was_asked_for_is_seen(start: str, end: str) -> None:
    reply = f"{start}Answer: 18\nConfidence: 80%{end}"
    assert ending(reply) == ("18", 0.8)
    for kind in (Kind.AUTO, Kind.NUMBER, Kind.MATH):
        assert ended_answer(reply, kind, ()) == "18"
    assert ended_answer(f"{start}Answer: C\nConfidence: 80%{end}", Kind.CHOICE, ("A", "C")) == "C"


@pytest.mark.parametrize(
    "reply",
    [
        "Answer: 18",
        "Confidence: 80%",
        "Answer: 18\nConfidence: 101%",
        "Answer: 18\nConfidence: 80%\nOr so.",
        "My Answer: 18\nConfidence: 80%",
        "Answer: 18 \nConfidence: 80%",
        "Answer: 1234567890123456\nConfidence: 80%",
    ],
)
def test_anything_else_is_left_to_the_search(reply: str) -> None:
    assert ending(reply) is None


@pytest.mark.parametrize("tag", ["<answer>4</answer>", "\\boxed{4}", "<think>hm</think>"])
def test_what_goes_before_an_answer_line_is_looked_for(tag: str) -> None:
    reply = f"{tag}\nAnswer: 18\nConfidence: 80%"
    assert ended_answer(reply, Kind.AUTO, ()) is None
