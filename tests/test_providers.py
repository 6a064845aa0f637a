"""Names become providers, addresses and keys; and one SDK is loaded, not two."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from loopback import Loopback, Reply, Status
from wires import KEY, request

from rise_cli.chat import Sampling, connect, list_models
from rise_cli.chat.providers import (
    PROVIDERS,
    find_base_url,
    parse_model,
    require_key,
)
from rise_cli.errors import CredentialsError, UsageError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's keys, nobody's servers."""
    for provider in PROVIDERS.values():
        for name in (*provider.key_vars, provider.url_var):
            if name:
                monkeypatch.delenv(name, raising=False)


def silent(_: str) -> None:
    """A notice that nobody reads."""


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("openai:gpt-6-luna", "openai", "gpt-6-luna"),
        ("OpenAI:GPT", "openai", "GPT"),
        ("ollama:qwen3:0.6b", "ollama", "qwen3:0.6b"),
        ("openrouter:meta/llama:free", "openrouter", "meta/llama:free"),
        ("local:", "local", ""),
        ("local:/a/b:c.gguf", "local", "/a/b:c.gguf"),
        ("scripted:replies.json", "scripted", "replies.json"),
        ("anthropic:", "anthropic", PROVIDERS["anthropic"].default_model),
    ],
)
def test_names_are_split_at_the_first_colon(name: str, provider: str, model: str) -> None:
    row, rest = parse_model(name)
    assert (row.name, rest) == (provider, model)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("opnai:gpt", "'openai'"),
        ("antropic:x", "'anthropic'"),
        ("nowhere:x", "mistral"),
        ("gpt-4o", "provider:model"),
        ("", "provider:model"),
        ("ollama:", "'ollama:…'"),
        ("scripted:", "a file"),
    ],
)
def test_a_wrong_name_says_what_would_be_right(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_model(name)
    assert hint in str(caught.value)
    assert repr(name) in str(caught.value)


def test_every_priced_default_model_has_a_price() -> None:
    from genai_prices.data import providers

    listed = {provider.id: provider for provider in providers}
    for provider in PROVIDERS.values():
        if provider.prices_id and provider.default_model:
            assert listed[provider.prices_id].find_model(provider.default_model), provider.name


@pytest.mark.parametrize(
    ("name", "given", "environ", "url"),
    [
        ("openai", None, {}, "https://api.openai.com/v1"),
        ("openai", None, {"OPENAI_BASE_URL": "https://proxy.example/v1/"}, "https://proxy.example/v1"),
        ("openai", None, {"OPENAI_BASE_URL": " "}, "https://api.openai.com/v1"),
        ("openai", "http://here:1/v1", {"OPENAI_BASE_URL": "https://there/v1"}, "http://here:1/v1"),
        ("groq", None, {"OPENAI_BASE_URL": "https://proxy.example/v1"}, "https://api.groq.com/openai/v1"),
        ("anthropic", None, {"ANTHROPIC_BASE_URL": "http://here:1"}, "http://here:1"),
        ("anthropic", "http://here:1/v1/", {}, "http://here:1"),
        ("ollama", None, {}, "http://127.0.0.1:11434/v1"),
        ("ollama", None, {"OLLAMA_HOST": "0.0.0.0"}, "http://127.0.0.1:11434/v1"),
        ("ollama", None, {"OLLAMA_HOST": ":99"}, "http://127.0.0.1:99/v1"),
        ("ollama", None, {"OLLAMA_HOST": "box"}, "http://box:11434/v1"),
        ("ollama", None, {"OLLAMA_HOST": "box:99"}, "http://box:99/v1"),
        ("ollama", None, {"OLLAMA_HOST": "https://box"}, "https://box:443/v1"),
        ("ollama", None, {"OLLAMA_HOST": "http://box:99/"}, "http://box:99/v1"),
        ("ollama", None, {"OLLAMA_HOST": "[::1]:99"}, "http://[::1]:99/v1"),
        ("ollama", None, {"OLLAMA_HOST": "[::]"}, "http://127.0.0.1:11434/v1"),
        ("ollama", "http://box:1/v1", {"OLLAMA_HOST": "other"}, "http://box:1/v1"),
    ],
)
def test_addresses(name: str, given: str | None, environ: dict[str, str], url: str) -> None:
    assert find_base_url(PROVIDERS[name], given, environ) == url


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x/v1", "http://", "/v1", "x"])
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(UsageError, match="base URL"):
        find_base_url(PROVIDERS["openai"], url)


@pytest.mark.parametrize(
    ("given", "environ", "url"),
    [
        (None, {}, "http://mine/v1"),
        (None, {"OPENAI_BASE_URL": "http://env/v1"}, "http://env/v1"),
        ("http://flag/v1", {"OPENAI_BASE_URL": "http://env/v1"}, "http://flag/v1"),
        ("http://flag/v1", {}, "http://flag/v1"),
    ],
)
def test_what_is_configured_comes_after_the_environment(
    given: str | None, environ: dict[str, str], url: str
) -> None:
    assert find_base_url(PROVIDERS["openai"], given, environ, "http://mine/v1/") == url


@pytest.mark.parametrize("name", [name for name, row in PROVIDERS.items() if row.needs_key])
def test_a_missing_key_names_what_to_set_and_the_way_without(name: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        connect(f"{name}:m", notice=silent)
    assert caught.value.exit_code == 3
    assert "local:" in str(caught.value)
    for variable in PROVIDERS[name].key_vars:
        assert variable in str(caught.value)


def test_a_server_of_ones_own_may_do_without_a_key() -> None:
    assert require_key(PROVIDERS["openai"], None, "http://127.0.0.1:8080/v1") is None
    assert require_key(PROVIDERS["vllm"], None, "http://127.0.0.1:8000/v1") is None


@pytest.mark.parametrize("key", ["sk-two words", "sk-line\nbreak", "sk-schlüssel"])
def test_a_key_that_cannot_be_sent_is_not_shown(key: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        require_key(PROVIDERS["openai"], key, "https://api.openai.com/v1")
    assert key not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, row in PROVIDERS.items() if row.remote])
async def test_every_provider_connects(name: str) -> None:
    row = PROVIDERS[name]
    with Loopback([Reply("42")], models=["m-1"]) as server:
        url = server.anthropic_url if row.wire == "anthropic" else server.openai_url
        chat = connect(f"{name}:m", key=KEY, base_url=url, sampling=Sampling(temperature=0.5), notice=silent)
        got = await chat.complete(request())
        await chat.aclose()
        await chat.aclose()
        assert await list_models(row, KEY, url) == ["m-1"]
    assert got.reply == "42"
    assert KEY in server.seen[0].headers["authorization"]
    assert server.seen[0].body["temperature"] == 0.5


async def test_the_sdks_own_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback([Reply("42")]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.anthropic_url)
        for name in ("openai:m", "anthropic:m"):
            chat = connect(name, key=KEY, notice=silent)
            assert (await chat.complete(request())).reply == "42"
            await chat.aclose()


async def test_listing_models_fails_as_a_call_does() -> None:
    with pytest.raises(UsageError, match="local"):
        await list_models(PROVIDERS["local"])
    with Loopback() as server, pytest.raises(UsageError, match="list of models"):
        await list_models(PROVIDERS["openai"], KEY, server.openai_url + "/nowhere")


async def test_a_seed_that_cannot_be_sent_is_said_once() -> None:
    told: list[str] = []
    with Loopback() as server:
        chat = connect(
            "anthropic:m",
            key=KEY,
            base_url=server.anthropic_url,
            sampling=Sampling(seed=1),
            notice=told.append,
        )
        await chat.complete(request())
        await chat.complete(request())
        await chat.aclose()
    assert len(told) == 1
    assert "seed" in told[0]


RUN = """
import asyncio, sys
from rise_cli.chat import CallKey, Request, connect
from rise_cli.core.domain import Message, Purpose

async def run():
    chat = connect(sys.argv[1], key="sk-test-123456", base_url=sys.argv[2], stream=True, notice=print)
    key = CallKey("p", 1, 1, Purpose.ATTEMPT)
    print((await chat.complete(Request(key, (Message("user", "Q"),)))).reply)
    await chat.aclose()

assert not {"openai", "anthropic", "httpx2", "aiohttp"} & set(sys.modules)
asyncio.run(run())
print(sys.argv[3] in sys.modules, "openai.resources.chat" in sys.modules, "math_verify" in sys.modules)
"""


@pytest.mark.parametrize(("wire", "other"), [("openai", "anthropic"), ("anthropic", "openai")])
def test_one_sdk_is_loaded_and_not_the_other(wire: str, other: str) -> None:
    with Loopback([Reply("42")]) as server:
        url = server.anthropic_url if wire == "anthropic" else server.openai_url
        arguments = [sys.executable, "-W", "error", "-c", RUN, f"{wire}:m", url, other]
        run = subprocess.run(
            arguments, capture_output=True, text=True, timeout=60, env=dict(os.environ), check=False
        )
    assert (run.stdout, run.stderr) == ("42\nFalse False False\n", "")


async def test_a_refused_key_does_not_hide_behind_adapting() -> None:
    with Loopback([Status(401)]) as server:
        chat = connect("openai:m", key=KEY, base_url=server.openai_url, notice=silent)
        with pytest.raises(CredentialsError):
            await chat.complete(request())
        await chat.aclose()
