"""The Anthropic adapter against a real server: exact bodies, and every way in which a reply may come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from loopback import Loopback, Malformed, Reply, Tokens
from wires import KEY, ask, opened, request

from rise_cli.chat import Sampling
from rise_cli.chat.anthropic import AnthropicChat
from rise_cli.core.domain import Message, Usage


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


CACHED = {"cache_control": {"type": "ephemeral"}}
ASKED = {"model": "m-1", "max_tokens": 8192, "messages": [{"role": "user", "content": [said("6 times 7?")]}]}
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ASKED),
        ({"stream": True}, ASKED | {"stream": True}),
        ({"sampling": Sampling(max_tokens=5)}, ASKED | {"max_tokens": 5}),
        (
            {
                "sampling": Sampling(
                    temperature=0.0, top_p=0.9, seed=3, reasoning_effort="low", extra={"top_k": 5}
                )
            },
            ASKED | {"temperature": 0.0, "top_p": 0.9, "output_config": {"effort": "low"}, "top_k": 5},
        ),
    ],
)
async def test_the_body_holds_what_was_asked_for_and_nothing_else(
    options: dict[str, Any], expected: dict[str, Any]
) -> None:
    with Loopback() as server:
        await ask("anthropic", server, **options)
    assert [seen.body for seen in server.seen] == [expected]
    assert server.seen[0].path == "/v1/messages"
    assert KEY in str(server.seen[0].headers)


async def test_the_requests_limit_goes_before_the_settings() -> None:
    async with opened("anthropic", NOWHERE, sampling=Sampling(max_tokens=5)) as chat:
        assert chat.body(request(max_tokens=3))["max_tokens"] == 3


async def test_the_fixed_prefix_is_marked_for_the_cache() -> None:
    messages = (Message("system", "Be brief."), Message("user", "Q", fixed=True), Message("assistant", "A"))
    async with opened("anthropic", NOWHERE) as chat:
        body = chat.body(request(*messages, Message("user", "Again?")))
        other = chat.body(request(Message("system", "Be brief.", fixed=True), Message("user", "Q")))
    assert body["system"] == [said("Be brief.")]
    assert body["messages"] == [
        {"role": "user", "content": [said("Q") | CACHED]},
        {"role": "assistant", "content": [said("A")]},
        {"role": "user", "content": [said("Again?")]},
    ]
    assert other["system"] == [said("Be brief.") | CACHED]


async def test_neighbours_of_one_role_become_one_turn_and_blank_ones_none() -> None:
    messages = (Message("user", "Q", fixed=True), Message("assistant", " \n"), Message("user", "Again?"))
    async with opened("anthropic", NOWHERE) as chat:
        body = chat.body(request(*messages))
    assert body["messages"] == [{"role": "user", "content": [said("Q") | CACHED, said("Again?")]}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("reply", "text", "finish", "reasoning"),
    [
        (Reply("It is 42."), "It is 42.", "stop", None),
        (Reply("It is 42.", reasoning="6 * 7"), "It is 42.", "stop", "6 * 7"),
        (Reply("<think>6 * 7</think>It is 42."), "It is 42.", "stop", "6 * 7"),
        (Reply("cut", finish="length"), "cut", "length", None),
        (Reply("cut", finish="model_context_window_exceeded"), "cut", "length", None),
        (Reply("half", finish="pause_turn"), "half", "length", None),
        (Reply("done", finish="stop_sequence"), "done", "stop", None),
        (Reply("", finish="refusal"), "", "refusal", None),
        (Reply(""), "", "empty", None),
        (Reply("", reasoning="hm"), "", "empty", "hm"),
        (Reply("四十二 🌍\u2028x"), "四十二 🌍\u2028x", "stop", None),
    ],
)
async def test_replies(reply: Reply, text: str, finish: str, reasoning: str | None, stream: bool) -> None:
    with Loopback([reply]) as server:
        got = await ask("anthropic", server, stream=stream)
    assert (got.reply, got.finish_reason, got.reasoning) == (text, finish, reasoning)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("tokens", "usage"),
    [
        (Tokens(100, 40, cached=64, written=16, reasoning=30), Usage(100, 40, 64, 16, 30)),
        (None, None),
    ],
)
async def test_input_tokens_include_the_cached_ones(
    tokens: Tokens | None, usage: Usage | None, stream: bool
) -> None:
    with Loopback([Reply("42", usage=tokens)]) as server:
        assert (await ask("anthropic", server, stream=stream)).usage == usage


async def test_the_text_is_heard_as_it_comes() -> None:
    heard: list[tuple[str, bool]] = []
    with Loopback([Reply("abcdef", reasoning="xyz", chunk=2)]) as server:
        await ask("anthropic", server, stream=True, listen=lambda text, hidden: heard.append((text, hidden)))
    assert heard == [("xy", True), ("z", True), ("ab", False), ("cd", False), ("ef", False)]


@pytest.mark.parametrize(
    "document",
    [
        {"content": [{"text": "42"}]},
        {"content": [{"type": "text", "text": "42"}], "stop_reason": None, "usage": None},
        {"content": [{"type": "redacted_thinking", "data": "x"}, None, {"text": None}, {"text": "42"}]},
    ],
)
async def test_any_field_may_be_missing(document: dict[str, Any]) -> None:
    with Loopback([Malformed(json.dumps(document).encode())]) as server:
        got = await ask("anthropic", server)
    assert (got.reply, got.finish_reason, got.usage) == ("42", "stop", None)


@pytest.mark.parametrize("stream", [False, True])
async def test_calls_share_a_connection(stream: bool) -> None:
    with Loopback() as server:
        async with opened("anthropic", server, stream=stream) as chat:
            for _ in range(3):
                await chat.complete(request())
    assert server.connections == 1


async def test_the_models_are_listed_page_by_page() -> None:
    with Loopback(models=[f"m-{n}" for n in range(5)], page=2) as server:
        async with opened("anthropic", server) as chat:
            assert await chat.models() == [f"m-{n}" for n in range(5)]


def test_the_key_is_in_no_representation() -> None:
    assert KEY not in repr(AnthropicChat(base_url=NOWHERE, model="m", key=KEY))
