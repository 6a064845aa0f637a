"""One reply that holds many rounds: what counts as a round, and what belongs to it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_cli.core.rounds import MOST, split_rounds

TEN = "一二三四五六七八九十"
A, B = "Answer: 1\nConfidence: 50%", "Answer: 2\nConfidence: 90%"

HEADINGS = [
    ("## Round 1", "## Round 2"),
    ("### round 1", "### ROUND 2"),
    ("**Round 1**", "**Round 2**"),
    ("**Round 1:**", "**Round 2:**"),
    ("**Round 1 of 5:**", "**Round 2 of 5:**"),
    ("## Round 1/5", "## Round 2/5"),
    ("Round 1", "Round 2"),
    ("Round 1:", "Round 2:"),
    ("Round 1.", "Round 2."),
    ("Round #1", "Round #2"),
    ("[Round 1]", "[Round 2]"),
    ("=== Round 1 ===", "=== Round 2 ==="),
    ("--- Round 1 ---", "--- Round 2 ---"),
    ("> ## Round 1", "> ## Round 2"),
    ("## Round One", "## Round two"),
    ("## Round 1: the first attempt", "## Round 2 - checking Round 1"),
    ("**Round 1: the first attempt**", "**Round 2 (a review)**"),
    ("Turn 1", "Turn 2"),
    ("## 第1轮", "## 第2轮"),
    ("第一轮：", "第二轮："),
    ("**第 1 轮**", "**第 2 轮**"),
    ("### 第１轮", "### 第２轮"),
    ("【第一轮】", "【第二轮】"),
    ("## 第一輪", "## 第二輪"),
    ("## 第1回合", "## 第2回合"),
]


@pytest.mark.parametrize(("first", "second"), HEADINGS, ids=[first for first, _ in HEADINGS])
@pytest.mark.parametrize("newline", ["\n", "\n\n", "\r\n"])
def test_headings(first: str, second: str, newline: str) -> None:
    reply = newline.join(["Let me begin.", first, A, "", second, B])
    assert split_rounds(reply) == [A, B]


@pytest.mark.parametrize(
    ("reply", "rounds"),
    [
        # None: the whole reply is one.
        ("Answer: 1", ["Answer: 1"]),
        ("", [""]),
        ("In round 1 I said 5.\nRound 1 gave 5, which is wrong.", None),
        ("Rounds 1 and 2\nRoundabout\nRound table", None),
        ("## Round 2\nAnswer: 1", None),
        ("## Round 1.5\nAnswer: 1", None),
        ("## Round 11\nAnswer: 1", None),
        ("1. Round 1", None),
        # Text on the line of the heading is the round's.
        ("Round 1: 2 + 2 = 4. Answer: 4\nRound 2: Answer: 4", ["2 + 2 = 4. Answer: 4", "Answer: 4"]),
        ("**Round 1:** 4\n**Round 2:** 5", ["4", "5"]),
        ("- Round 1: 4\n- Round 2: 5", ["4", "5"]),
        ("第一轮：四\n第二轮：五", ["四", "五"]),
        # Prose about a round is no heading, and neither is one that does not continue the count.
        ("## Round 1\nA\nRound 2 will check it.\n## Round 2\nB", ["A\nRound 2 will check it.", "B"]),
        ("## Round 1\nA\n## Round 1\nA again\n## Round 2\nB", ["A\n## Round 1\nA again", "B"]),
        ("## Round 1\nA\n## Round 3\nC\n## Round 2\nB", ["A\n## Round 3\nC", "B"]),
        ("## Round 2\nB\n## Round 1\nA", ["A"]),
        ("**Round 1** was hasty.\n## Round 1\nA", ["A"]),
        ("- Round 1 gave 5\n## Round 1\nA", ["A"]),
        (f"## Round 1\nA\n## Round 2 {'and on ' * 30}\nB", None),
        # Code is no heading.
        ("## Round 1\n```\n## Round 2\n```\nA\n## Round 2\nB", ["```\n## Round 2\n```\nA", "B"]),
        ("## Round 1\n~~~\nRound 2:\n~~~\n## Round 2\nB", ["~~~\nRound 2:\n~~~", "B"]),
        ("## Round 1\n```py\nx = 1\n## Round 2\nB", ["```py\nx = 1", "B"]),  # never closed
        ("```markdown\n## Round 1\nA\n## Round 2\nB\n```", ["A", "B\n```"]),  # all of it fenced
        # What is thought aloud before the reply is none of it.
        ("<think>\n## Round 1\nhm\n## Round 2\nhm</think>\n## Round 1\nA", ["A"]),
        # Empty rounds are rounds.
        ("## Round 1\n## Round 2\nB", ["", "B"]),
        ("## Round 1", [""]),
        # Ten and more.
        ("\n".join(f"## 第{n}轮\n{n}" for n in [*TEN, "十一"]), [*TEN, "十一"]),
    ],
)  # fmt: skip
def test_what_is_a_round(reply: str, rounds: list[str] | None) -> None:
    if rounds is None and reply.startswith("## Round 1\nA"):
        rounds = [reply.removeprefix("## Round 1\n")]
    assert split_rounds(reply) == (rounds or [reply])


@pytest.mark.parametrize(
    "result",
    [
        "## Result\n2",
        "## Result: 2",
        "**Result**\n2",
        "**Result:** 2",
        "Result: 2",
        "### Final answer\n2",
        "**Final Answer:** 1",
        "Final answer: 1",
        "The final answer: 1",
        "## Summary\nRound 1 said 1, round 2 said 2.",
        "## 结果\n2",
        "## 最终答案：1",
        "最终答案：1",
        "**结果**：2",
    ],
)
def test_a_section_that_sums_up_belongs_to_no_round(result: str) -> None:
    assert split_rounds(f"## Round 1\n{A}\n## Round 2\n{B}\n\n{result}") == [A, B]
    chinese = "答案：2\n置信度：90%"
    assert split_rounds(f"## 第1轮\n{chinese}\n## 第2轮\n{chinese}\n\n{result}") == [chinese, chinese]


@pytest.mark.parametrize(
    "last",
    [
        "## Result\nThe sum is 5.\nAnswer: 5\nConfidence: 90%",
        "Confidence: 90%\n**Final answer:** 5",
        "5 it is.\nFinal answer: 5\nConfidence: 90%",
        "Result: 5\nConfidence: 90%",
        "Confidence: 90%\nAnswer: 5\nThe result of all this is clear.",
    ],
)
def test_a_round_keeps_what_it_owes(last: str) -> None:
    """A heading before the round's confidence, or over its only answer, does not end it."""
    assert split_rounds(f"## Round 1\n{A}\n## Round 2\n{last}") == [A, last]


def test_there_is_a_most() -> None:
    reply = "\n".join(f"## Round {n}\n{n}" for n in range(1, MOST + 11))
    rounds = split_rounds(reply)
    assert rounds == [str(n) for n in range(1, MOST + 1)]


@pytest.mark.parametrize(
    ("most", "rounds"),
    [(1, ["1"]), (2, ["1", B]), (3, ["1", B, "3"]), (4, ["1", B, "3"]), (50, ["1", B, "3"])],
)
def test_rounds_beyond_those_that_were_asked_for_are_left_out(most: int, rounds: list[str]) -> None:
    english = f"## Round 1\n1\n## Round 2\n{B}\n## Result\n2\n## Round 3\n3"
    chinese = f"第一轮\n1\n第二轮\n{B}\n结果\n2\n第三轮\n3"
    for reply in (english, chinese):
        split = split_rounds(reply, most)
        # A section that sums up ends the last round that counts, and no other.
        assert [text.partition("## Result")[0].partition("结果")[0].strip() for text in split] == rounds
        assert (split[-1] == B) == (most == 2)


MARKS = [
    "## Round 1",
    "## Round 2",
    "Round 3:",
    "第二轮",
    "**Round 1**",
    "Result:",
    "Confidence: 9%",
    "Answer: 4",
]
ODD = ["```", "<think>", "</think>", "\n", "\r\n", " ", "x", "\ud800", "İ", "\x00", "十"]
PIECES = st.sampled_from([*MARKS, *ODD])


@given(st.lists(PIECES | st.text(max_size=6), max_size=30).map("".join))
@settings(max_examples=400, deadline=None)
def test_every_reply_is_split_and_nothing_is_made_up(reply: str) -> None:
    rounds = split_rounds(reply)
    assert 1 <= len(rounds) <= MOST
    at = 0
    for text in rounds:
        at = reply.index(text, at) + len(text)


@given(st.lists(st.text("abc \n", max_size=20), min_size=1, max_size=MOST))
@settings(max_examples=100, deadline=None)
def test_rounds_that_are_written_as_asked_come_back(texts: list[str]) -> None:
    english = "\n\n".join(f"## Round {n}\n{text}" for n, text in enumerate(texts, 1))
    chinese = "\n\n".join(f"## 第{n}轮\n{text}" for n, text in enumerate(texts, 1))
    assert split_rounds(english) == split_rounds(chinese) == [text.strip() for text in texts]


HOSTILE = [
    "## Round 1\n", "Round 1 ", "Round 1\n", "#", "* ", "Result:\n", "## Result\n", "```\n", "第", "第一轮\n",
    "<think>", "</think>", "Confidence: 9%\nResult:\n", " ", "Round ", "=" * 13, "\u3000", "最终",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear(piece: str) -> None:
    """Quadratic, this would not come back."""
    assert split_rounds(piece * (1_000_000 // len(piece)))
