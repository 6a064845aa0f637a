"""A reply is the same however it was cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_cli.chat.hearing import Heard


def heard(pieces: list[str]) -> tuple[str, str | None, list[tuple[str, bool]]]:
    told: list[tuple[str, bool]] = []
    hearing = Heard(lambda text, hidden: told.append((text, hidden)))
    for piece in pieces:
        hearing.say(piece)
    done = hearing.completion(0.0)
    return done.reply, done.reasoning, told


@pytest.mark.parametrize(
    ("text", "reply", "reasoning"),
    [
        ("", "", None),
        ("plain", "plain", None),
        ("<think>a</think>b", "b", "a"),
        (" \n<think>\na\n</think>\n\nb ", "b ", "a"),
        ("<think></think>b", "b", None),
        ("<think>a</thin", "", "a</thin"),
        ("<think>a</think>b</think>", "b</think>", "a"),
        ("<thinking>a</thinking>", "<thinking>a</thinking>", None),
        ("<thi", "<thi", None),
        ("  ", "  ", None),
        ("b<think>a</think>", "b<think>a</think>", None),
    ],
)
def test_leading_thoughts_are_reasoning(text: str, reply: str, reasoning: str | None) -> None:
    for pieces in ([text], list(text)):
        assert heard(pieces)[:2] == (reply, reasoning)


@given(st.lists(st.text("<think>/ \nab", max_size=9), max_size=9))
def test_the_cuts_do_not_matter(pieces: list[str]) -> None:
    whole = heard(["".join(pieces)])
    cut = heard(pieces)
    assert cut[:2] == whole[:2]
    assert "".join(text for text, hidden in cut[2] if not hidden) == whole[0]
    assert "".join(text for text, hidden in cut[2] if hidden).strip() == (whole[1] or "")


@pytest.mark.parametrize(
    ("pieces", "reply"),
    [(["a\ud83d", "\ude00b"], "a😀b"), (["a\ud83d"], "a\ufffd"), (["\ude00 b"], "\ufffd b")],
)
def test_halves_of_characters_are_put_together_or_replaced(pieces: list[str], reply: str) -> None:
    assert heard(pieces)[0] == reply


@pytest.mark.parametrize("piece", [None, 3, [], {}])
def test_what_is_no_text_is_no_reply(piece: object) -> None:
    hearing = Heard()
    hearing.say(piece)
    hearing.reason(piece)
    done = hearing.completion(1.0)
    assert (done.reply, done.reasoning, done.finish_reason) == ("", None, "empty")
