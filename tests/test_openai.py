"""The OpenAI adapter against a real server: exact bodies, and every way in which a reply may come."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from loopback import Loopback, Malformed, Reply, Tokens
from wires import KEY, WIRES, ask, opened, request

from rise_cli.chat import CallKey, Request, Sampling
from rise_cli.chat.openai import OpenAIChat
from rise_cli.core.domain import Message, Purpose, Usage
from rise_cli.errors import ProviderError, UsageError

ASKED = {"model": "m-1", "messages": [{"role": "user", "content": "6 times 7?"}]}
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
ALL = Sampling(
    temperature=0.0,
    top_p=0.9,
    max_tokens=77,
    seed=0,
    reasoning_effort="low",
    extra={"logit_bias": {}, "min_p": 0.1},
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ASKED),
        ({"stream": True}, ASKED | STREAMED),
        ({"default_max_tokens": 64}, ASKED | {"max_tokens": 64}),
        ({"default_max_tokens": 64, "sampling": Sampling(max_tokens=5)}, ASKED | {"max_tokens": 5}),
        (
            {"sampling": ALL},
            ASKED
            | {"max_tokens": 77, "temperature": 0.0, "top_p": 0.9, "seed": 0, "reasoning_effort": "low"}
            | {"logit_bias": {}, "min_p": 0.1},
        ),
    ],
)
async def test_the_body_holds_what_was_asked_for_and_nothing_else(
    options: dict[str, Any], expected: dict[str, Any]
) -> None:
    with Loopback() as server:
        await ask("openai", server, **options)
    assert [seen.body for seen in server.seen] == [expected]
    assert server.seen[0].path == "/v1/chat/completions"
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


async def test_the_requests_limit_goes_before_the_settings() -> None:
    async with opened("openai", "http://127.0.0.1:9/v1", sampling=Sampling(max_tokens=5)) as chat:
        assert chat.body(request(max_tokens=3))["max_tokens"] == 3


async def test_every_call_has_a_seed_of_its_own_and_the_same_in_every_run() -> None:
    calls = [(chain, turn) for chain in range(1, 21) for turn in range(1, 6)]

    async def seeds(seed: int) -> list[Any]:
        async with opened("openai", "http://127.0.0.1:9/v1", sampling=Sampling(seed=seed)) as chat:
            keys = [CallKey("p", chain, turn, Purpose.ATTEMPT) for chain, turn in calls]
            return [chat.body(Request(key, (Message("user", "Q"),)))["seed"] for key in keys]

    drawn = await seeds(7)
    assert drawn[:2] == [7, int.from_bytes(sha256(b"7/2/1").digest()[:4], "big") & 0x7FFFFFFF]
    assert len(set(drawn)) == len(calls)
    assert drawn == await seeds(7)
    assert not set(drawn) & set(await seeds(8))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://api.groq.com/openai/v1", "max_tokens"),
        ("https://api.openai.com.example/v1", "max_tokens"),
    ],
)
async def test_openai_itself_has_another_name_for_the_output_limit(url: str, name: str) -> None:
    async with opened("openai", url) as chat:
        assert chat.body(request(max_tokens=3)) == ASKED | {name: 3}


async def test_every_message_goes_out_in_order_with_its_role() -> None:
    messages = (Message("system", "Be brief.", fixed=True), Message("user", "Q"), Message("assistant", "A"))
    async with opened("openai", "http://127.0.0.1:9/v1") as chat:
        body = chat.body(request(*messages, Message("user", "Again?")))
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "A"},
        {"role": "user", "content": "Again?"},
    ]


@pytest.mark.parametrize("name", ["stream", "max_tokens", "n", "messages"])
def test_an_option_cannot_take_the_programs_own_parameters(name: str) -> None:
    with pytest.raises(UsageError, match=repr(name)):
        OpenAIChat(base_url="http://127.0.0.1:9/v1", model="m", sampling=Sampling(extra={name: 1}))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("reply", "text", "finish", "reasoning"),
    [
        (Reply("It is 42."), "It is 42.", "stop", None),
        (Reply("It is 42.", reasoning="6 * 7"), "It is 42.", "stop", "6 * 7"),
        (Reply("<think>\n6 * 7\n</think>\n\nIt is 42."), "It is 42.", "stop", "6 * 7"),
        (Reply("<think>never ends", finish="length"), "", "length", "never ends"),
        (Reply("a <think>b</think>"), "a <think>b</think>", "stop", None),
        (Reply("cut", finish="length"), "cut", "length", None),
        (Reply("", finish="length"), "", "length", None),
        (Reply("", finish="filtered"), "", "filtered", None),
        (Reply("I will not.", finish="refusal"), "I will not.", "refusal", None),
        (Reply(""), "", "empty", None),
        (Reply(" \n"), " \n", "empty", None),
        (Reply("", reasoning="hm"), "", "empty", "hm"),
        (Reply("done", finish="tool_calls"), "done", "stop", None),
        (Reply("四十二 🌍\u2028x"), "四十二 🌍\u2028x", "stop", None),
    ],
)
async def test_replies(reply: Reply, text: str, finish: str, reasoning: str | None, stream: bool) -> None:
    with Loopback([reply]) as server:
        got = await ask("openai", server, stream=stream)
    assert (got.reply, got.finish_reason, got.reasoning) == (text, finish, reasoning)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("tokens", "usage"),
    [
        (Tokens(100, 40, cached=64, reasoning=30), Usage(100, 40, 64, 0, 30)),
        (Tokens(0, 0), Usage(0, 0)),
        (None, None),
    ],
)
async def test_usage_is_the_providers_or_unknown(
    tokens: Tokens | None, usage: Usage | None, stream: bool
) -> None:
    with Loopback([Reply("42", usage=tokens)]) as server:
        assert (await ask("openai", server, stream=stream)).usage == usage


async def test_the_text_is_heard_as_it_comes() -> None:
    heard: list[tuple[str, bool]] = []
    with Loopback([Reply("abcdef", reasoning="xyz", chunk=2)]) as server:
        await ask("openai", server, stream=True, listen=lambda text, hidden: heard.append((text, hidden)))
    assert heard == [("xy", True), ("z", True), ("ab", False), ("cd", False), ("ef", False)]


CHOICE = {"message": {"content": "42"}}


@pytest.mark.parametrize(
    ("document", "text", "usage"),
    [
        ({"choices": [CHOICE]}, "42", None),
        ({"choices": [CHOICE], "usage": None, "error": None}, "42", None),
        ({"choices": [CHOICE], "usage": {"prompt_tokens": 3}}, "42", None),
        ({"choices": [CHOICE], "usage": {"completion_tokens": 3}}, "42", Usage(0, 3)),
        ({"choices": [CHOICE], "usage": {"prompt_tokens": "x", "completion_tokens": -3}}, "42", Usage(0, 0)),
        (
            {"choices": [CHOICE], "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 20}},
            "42",
            Usage(5, 15),
        ),
        (
            {
                "choices": [CHOICE],
                "usage": {"prompt_tokens": 5, "completion_tokens": 3, "prompt_cache_hit_tokens": 4},
            },
            "42",
            Usage(5, 3, 4),
        ),
        ({"choices": [{"message": None, "finish_reason": None}]}, "", None),
        ({"choices": [{}]}, "", None),
        ({"choices": [{"message": {"content": [{"type": "text", "text": "4"}, {"text": "2"}]}}]}, "42", None),
    ],
)
async def test_any_field_may_be_missing(document: dict[str, Any], text: str, usage: Usage | None) -> None:
    with Loopback([Malformed(json.dumps(document).encode())]) as server:
        got = await ask("openai", server)
    assert (got.reply, got.usage) == (text, usage)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_reasoning_has_two_names(field: str) -> None:
    document = {"choices": [{"message": {"content": "42", field: "6 * 7"}}]}
    with Loopback([Malformed(json.dumps(document).encode())]) as server:
        assert (await ask("openai", server)).reasoning == "6 * 7"


async def test_reasoning_may_be_a_part_of_the_content() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "6 * 7"}]}
    document = {"choices": [{"message": {"content": [thought, {"type": "text", "text": "42"}]}}]}
    with Loopback([Malformed(json.dumps(document).encode())]) as server:
        got = await ask("openai", server)
    assert (got.reply, got.reasoning) == ("42", "6 * 7")


DELTA = b'data: {"choices": [{"delta": {"content": "42"}}]}\n\n'


@pytest.mark.parametrize(
    "stream",
    [
        DELTA + b"data: [DONE]\n\n",
        DELTA + b'data: {"choices": [{"delta": null, "finish_reason": "stop"}]}\n\n',
        b": a comment\n\n" + DELTA.replace(b"\n", b"\r\n") + b"data: [DONE]\r\n\r\n",
        DELTA + b'data: {"choices": []}\n\ndata: {}\n\ndata: [DONE]\n\n',
    ],
)
async def test_streams_that_say_little_are_complete(stream: bytes) -> None:
    with Loopback([Malformed(stream)]) as server:
        assert (await ask("openai", server, stream=True)).reply == "42"


async def test_a_server_that_does_not_stream_is_read_whole() -> None:
    heard: list[str] = []
    document = json.dumps({"choices": [CHOICE]}).encode()
    with Loopback([Malformed(document, content_type="application/json")]) as server:
        got = await ask("openai", server, stream=True, listen=lambda text, _: heard.append(text))
    assert (got.reply, heard) == ("42", ["42"])


async def test_a_reply_that_the_provider_gave_up_is_a_failure() -> None:
    document = {"choices": [{"message": {"content": "4"}, "finish_reason": "error"}]}
    script = [Malformed(json.dumps(document).encode())]
    with Loopback(script) as server, pytest.raises(ProviderError) as caught:
        await ask("openai", server)
    assert (caught.value.kind, caught.value.billed) == ("server", True)


@pytest.mark.parametrize("stream", [False, True])
async def test_calls_share_a_connection(stream: bool) -> None:
    with Loopback() as server:
        async with opened("openai", server, stream=stream) as chat:
            for _ in range(3):
                await chat.complete(request())
    assert server.connections == 1


async def test_latency_is_read_from_the_clock() -> None:
    ticks = iter([10.0, 12.5])
    with Loopback() as server:
        got = await ask("openai", server, clock=lambda: next(ticks))
    assert got.latency_s == 2.5


@pytest.mark.parametrize("wire", WIRES)
async def test_without_a_key_no_authorization_is_sent(wire: str) -> None:
    with Loopback() as server:
        await ask(wire, server, key=None)
    assert not {"authorization", "x-api-key"} & server.seen[0].headers.keys()


async def test_what_is_meant_for_openai_goes_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: secret\nAuthorization: Bearer theirs")
    with Loopback() as server:
        await ask("openai", server, provider="groq")
        await ask("openai", server, provider="openai")
    theirs, ours = (seen.headers for seen in server.seen)
    assert theirs["authorization"] == f"Bearer {KEY}"
    assert not {"openai-organization", "openai-project", "x-gateway"} & theirs.keys()
    assert ours["openai-organization"] == "org-1"
    assert ours["x-gateway"] == "secret"


async def test_a_server_on_this_machine_is_not_looked_for_behind_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Loopback([Reply("42")]) as server:
        assert (await ask("openai", server)).reply == "42"


async def test_the_models_are_listed_in_the_servers_order() -> None:
    with Loopback(models=["b", "a"]) as server:
        async with opened("openai", server) as chat:
            assert await chat.models() == ["b", "a"]


def test_the_key_is_in_no_representation() -> None:
    assert KEY not in repr(OpenAIChat(base_url="http://127.0.0.1:9/v1", model="m", key=KEY))
