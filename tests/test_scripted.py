"""Replies from a file: which line answers which call, and what a wrong file is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rise_cli.chat import CallKey, Request
from rise_cli.chat.scripted import Scripted
from rise_cli.core.domain import Completion, Message, Purpose, Usage
from rise_cli.errors import ProviderError, UsageError


def script(folder: Path, *lines: object) -> str:
    path = folder / "script.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return str(path)


def request(turn: int, chain: int = 1, purpose: Purpose = Purpose.ATTEMPT) -> Request:
    return Request(CallKey("any", chain, turn, purpose), (Message("user", "hi"),))


PLACES = [
    "first",
    "second",
    {"reply": "chain 2, first", "chain": 2},
    {"reply": "chain 2, second", "chain": 2},
    {"reply": "a critique", "purpose": "critique", "turn": 2},
    {"reply": "chain 3's critique", "chain": 3, "purpose": "critique", "turn": 2},
    {"reply": "fifth", "turn": 5},
    "third",
]


@pytest.mark.parametrize(
    ("chain", "turn", "purpose", "reply"),
    [
        (1, 1, Purpose.ATTEMPT, "first"),
        (9, 2, Purpose.ATTEMPT, "second"),
        (1, 3, Purpose.ATTEMPT, "third"),
        (1, 5, Purpose.ATTEMPT, "fifth"),
        (2, 1, Purpose.ATTEMPT, "chain 2, first"),
        (2, 2, Purpose.ATTEMPT, "chain 2, second"),
        (2, 3, Purpose.ATTEMPT, "third"),
        (1, 2, Purpose.CRITIQUE, "a critique"),
        (2, 2, Purpose.CRITIQUE, "chain 2, second"),  # the chain counts before the purpose
        (3, 2, Purpose.CRITIQUE, "chain 3's critique"),
        (1, 1, Purpose.RATE, "first"),
    ],
)
async def test_which_line_answers(
    tmp_path: Path, chain: int, turn: int, purpose: Purpose, reply: str
) -> None:
    chat = Scripted(script(tmp_path, *PLACES))
    assert await chat.complete(request(turn, chain, purpose)) == Completion(reply)


async def test_a_turn_without_a_line(tmp_path: Path) -> None:
    chat = Scripted(script(tmp_path, "first"))
    with pytest.raises(
        ProviderError, match=r"no reply for turn 2 of chain 3 \(attempt\); add a line"
    ) as caught:
        await chat.complete(request(2, 3))
    assert caught.value.kind == "rejected"
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("line", "completion"),
    [
        ("", Completion("", "empty")),
        ({"reply": " \n"}, Completion(" \n", "empty")),
        ({"reply": "I will not", "finish_reason": "refusal"}, Completion("I will not", "refusal")),
        ({"reply": "42", "reasoning": "6 * 7"}, Completion("42", reasoning="6 * 7")),
        ({"reply": "42", "delay_s": 1.5}, Completion("42", latency_s=1.5)),
        ("\ud800\x1b[31m", Completion("\ud800\x1b[31m")),
        (
            {"reply": "42", "usage": {"input_tokens": 9, "output_tokens": 5, "reasoning_tokens": 2}},
            Completion("42", usage=Usage(9, 5, reasoning_tokens=2)),
        ),
    ],
)
async def test_what_a_line_can_say(tmp_path: Path, line: object, completion: Completion) -> None:
    async def no_pause(seconds: float) -> None: ...

    assert await Scripted(script(tmp_path, line), sleep=no_pause).complete(request(1)) == completion


@pytest.mark.parametrize("stream", [True, False])
async def test_streaming(tmp_path: Path, stream: bool) -> None:
    heard: list[tuple[str, bool]] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    line = {"reply": "forty-two", "reasoning": "6 * 7", "chunk": 4, "delay_s": 2.5}
    chat = Scripted(script(tmp_path, line), stream=stream, sleep=sleep)
    listening = Request(request(1).key, (), listen=lambda text, reasoning: heard.append((text, reasoning)))
    assert (await chat.complete(listening)).reply == "forty-two"
    if stream:
        assert heard == [("6 * ", True), ("7", True), ("fort", False), ("y-tw", False), ("o", False)]
        assert slept == [0.5] * 5
    else:
        assert (heard, slept) == ([], [2.5])
    await chat.aclose()
    await chat.aclose()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; write one JSON string a line"),
        ("\n \n", "is empty"),
        ('"ok"\n\nhello', "line 3 of the script .* is wrong: Expecting value"),
        ('"ok"\n7', "line 2 .* the line must be a JSON string or object"),
        ("{}", "line 1 .* no 'reply' that is a string"),
        ('{"reply": 7}', "no 'reply' that is a string"),
        ('{"reply": "a", "trun": 1}', "'trun' is not one of chain, chunk, delay_s"),
        ('{"reply": "a", "turn": 0}', "'turn' must be a whole number from 1, not 0"),
        ('{"reply": "a", "chain": true}', "'chain' must be a whole number from 1, not True"),
        ('{"reply": "a", "chunk": "x"}', "'chunk' must be a whole number from 1, not 'x'"),
        ('{"reply": "a", "purpose": "fun"}', "'purpose' must be one of attempt, critique, .* not 'fun'"),
        ('{"reply": "a", "finish_reason": "tired"}', "'finish_reason' must be one of stop, .* not 'tired'"),
        ('{"reply": "a", "reasoning": 1}', "'reasoning' must be a string, not 1"),
        ('{"reply": "a", "delay_s": -1}', "'delay_s' must be seconds, not -1"),
        ('{"reply": "a", "delay_s": NaN}', "'delay_s' must be seconds, not nan"),
        ('{"reply": "a", "usage": []}', "'usage' must be a JSON object"),
        ('{"reply": "a", "usage": {"input_tokens": 1}}', "must have 'input_tokens' and 'output_tokens'"),
        ('{"reply": "a", "usage": {"input_tokens": 1, "output_tokens": 1.5}}', "must be a number of tokens"),
        ('"a"\n{"reply": "b", "turn": 1}', "line 2 .* a reply for this call already"),
    ],
)
def test_a_wrong_script(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        Scripted(str(path))
    assert repr(str(path)) in str(caught.value)


def test_a_script_that_cannot_be_read(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b'"caf\xe9"')
    for path, reason in [
        (tmp_path / "none.jsonl", "No such file"),
        (tmp_path, "Is a directory"),
        (bad, "not UTF-8"),
    ]:
        with pytest.raises(UsageError, match=reason):
            Scripted(str(path))


async def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_bytes(b'\xef\xbb\xbf"one"\r\n"two"\r\n')
    assert (await Scripted(str(path)).complete(request(2))).reply == "two"
