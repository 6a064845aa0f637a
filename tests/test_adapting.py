"""Rejected parameters are dropped or renamed once, said aloud and remembered; limits are never dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from loopback import Loopback, Reply, Seen, Status
from wires import WIRES, opened, request

from rise_cli.chat import Sampling
from rise_cli.chat.adapting import Adapting, Memory, changed
from rise_cli.core.domain import Completion, Message
from rise_cli.errors import ProviderError


def rejecting(*names: str) -> Callable[[Seen], Reply | Status]:
    """A server that rejects a request with any of these parameters, naming the first."""

    def script(seen: Seen) -> Reply | Status:
        wrong = next((name for name in names if name in seen.body), None)
        return Status(400, f"Unsupported parameter: '{wrong}'.", param=wrong) if wrong else Reply("42")

    return script


@dataclass
class Outcome:
    """What came of some calls: the replies or errors, and the notices."""

    got: list[Completion | BaseException]
    told: list[str]


async def run(
    wire: str, server: Loopback, *, times: int = 1, memory: Memory | None = None, **options: Any
) -> Outcome:
    """Make calls side by side through one `Adapting`, with a memory of its own unless one is given."""
    told: list[str] = []
    async with opened(wire, server, **options) as adapter:
        chat = Adapting(adapter, told.append, {} if memory is None else memory)
        calls = [chat.complete(request()) for _ in range(times)]
        return Outcome(await asyncio.gather(*calls, return_exceptions=True), told)


def bodies(server: Loopback) -> list[dict[str, Any]]:
    return [seen.body for seen in server.seen]


OPTIONS = Sampling(temperature=0.5, top_p=0.9, reasoning_effort="low", extra={"min_p": 0.1})


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "names", [("temperature",), ("top_p", "temperature"), ("min_p",), ("temperature", "top_p", "min_p")]
)
async def test_what_is_rejected_is_dropped(names: tuple[str, ...], stream: bool, wire: str) -> None:
    with Loopback(rejecting(*names)) as server:
        outcome = await run(wire, server, sampling=OPTIONS, stream=stream)
    assert isinstance(outcome.got[0], Completion)
    first, *_, last = sent = bodies(server)
    assert len(sent) == len(names) + 1
    assert last == {name: value for name, value in first.items() if name not in names}
    assert len(outcome.told) == len(names)
    for name, told in zip(names, outcome.told, strict=True):
        assert repr(name) in told
        assert "'m-1'" in told


@pytest.mark.parametrize(("wire", "name"), [("openai", "reasoning_effort"), ("anthropic", "output_config")])
async def test_effort_is_dropped_under_the_name_of_its_wire(wire: str, name: str) -> None:
    with Loopback(rejecting(name)) as server:
        outcome = await run(wire, server, sampling=OPTIONS)
    assert isinstance(outcome.got[0], Completion)
    assert [name in body for body in bodies(server)] == [True, False]


async def test_the_output_limit_is_renamed_with_its_value() -> None:
    with Loopback(rejecting("max_tokens")) as server:
        outcome = await run("openai", server, sampling=Sampling(max_tokens=99))
    assert bodies(server)[-1] == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "6 times 7?"}],
        "max_completion_tokens": 99,
    }
    assert len(outcome.told) == 1
    assert "'max_completion_tokens'" in outcome.told[0]


@pytest.mark.parametrize(("wire", "requests"), [("openai", 2), ("anthropic", 1)])
async def test_a_limit_that_is_wrong_by_any_name_stands_and_stays(wire: str, requests: int) -> None:
    def script(seen: Seen) -> Status:
        name = "max_completion_tokens" if "max_completion_tokens" in seen.body else "max_tokens"
        return Status(400, f"'{name}' is too large (by the name of {name})", param=name)

    memory: Memory = {}
    sampling = Sampling(max_tokens=10**6)
    with Loopback(script) as server:
        first = await run(wire, server, memory=memory, sampling=sampling)
        assert len(server.seen) == requests
        second = await run(wire, server, memory=memory, sampling=sampling)
        assert len(server.seen) == requests + 1, "the other name is not tried twice"
    for error in first.got + second.got:
        assert isinstance(error, ProviderError)
        assert "(by the name of max_tokens)" in str(error)
    assert all(seen.limit == 10**6 for seen in server.seen)


async def test_streaming_is_given_up_with_all_that_belongs_to_it() -> None:
    with Loopback(rejecting("stream")) as server:
        outcome = await run("openai", server, stream=True)
    assert isinstance(outcome.got[0], Completion)
    assert outcome.got[0].reply == "42"
    assert not {"stream", "stream_options"} & bodies(server)[-1].keys()


async def test_usage_in_streams_is_given_up_alone() -> None:
    with Loopback(rejecting("stream_options")) as server:
        outcome = await run("openai", server, stream=True)
    assert isinstance(outcome.got[0], Completion)
    assert outcome.got[0].usage is None
    assert bodies(server)[-1]["stream"] is True


@pytest.mark.parametrize("wire", WIRES)
async def test_what_was_learned_is_remembered_for_that_model_alone(wire: str) -> None:
    memory: Memory = {}
    with Loopback(rejecting("temperature")) as server:
        for model, requests, notices in (("m-1", 2, 1), ("m-1", 1, 0), ("m-2", 2, 1)):
            before = len(server.seen)
            outcome = await run(wire, server, memory=memory, sampling=OPTIONS, model=model)
            assert (len(server.seen) - before, len(outcome.told)) == (requests, notices)


@pytest.mark.parametrize("wire", WIRES)
async def test_calls_side_by_side_learn_once(wire: str) -> None:
    with Loopback(rejecting("temperature", "top_p")) as server:
        outcome = await run(wire, server, times=10, sampling=OPTIONS)
    assert all(isinstance(one, Completion) for one in outcome.got)
    assert len(outcome.told) == 2


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        (Status(400, "no", param="messages"), 1),
        (Status(400, "no", param="never_sent"), 1),
        (Status(400, "no"), 1),
        (Status(500, "'temperature'", param="temperature"), 1),
        (Status(429, "'temperature'", param="temperature"), 1),
        (Status(400, "maximum context length; 'temperature'", param="temperature"), 1),
        (Status(400, "still no 'temperature'", param="temperature"), 2),
    ],
)
async def test_other_errors_pass(fault: Status, requests: int) -> None:
    with Loopback([fault]) as server:
        outcome = await run("openai", server, sampling=OPTIONS)
    assert isinstance(outcome.got[0], ProviderError)
    assert len(server.seen) == requests
    assert len(outcome.told) == requests - 1


def test_changes_to_a_body() -> None:
    body = {"model": "m", "max_tokens": 3, "stream": True, "stream_options": {}, "seed": 1}
    assert changed(body, {}) == body
    assert changed(body, {"max_tokens": "limit", "seed": None}) == {
        "model": "m",
        "limit": 3,
        "stream": True,
        "stream_options": {},
    }
    assert changed(body, {"stream": None, "max_tokens": "max_tokens"}) == {
        "model": "m",
        "max_tokens": 3,
        "seed": 1,
    }


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "System role not supported"),
        (400, "Developer instruction is not enabled for models/gemma-3-1b-it"),
        (500, "Jinja Exception: Only user and assistant roles are supported!"),
    ],
)
async def test_a_model_without_system_messages_gets_the_text_before_the_question(
    status: int, said: str
) -> None:
    def script(seen: Seen) -> Reply | Status:
        return Status(status, said) if seen.body["messages"][0]["role"] == "system" else Reply("42")

    asked = replace(request(), messages=(Message("system", "Be brief."), Message("user", "6 x 7?")))
    told: list[str] = []
    with Loopback(script) as server:
        async with opened("openai", server) as adapter:
            chat = Adapting(adapter, told.append, {})
            replies = [(await chat.complete(asked)).reply for _ in range(2)]
    assert replies == ["42", "42"]
    assert [len(body["messages"]) for body in bodies(server)] == [2, 1, 1]
    assert bodies(server)[1]["messages"] == [{"role": "user", "content": "Be brief.\n\n6 x 7?"}]
    assert [text for text in told if "system message" in text] == [
        "'m-1' takes no system message: putting its text before the question"
    ]
