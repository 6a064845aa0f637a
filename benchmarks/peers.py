"""The bare loops that `throughput.py` holds `rise batch` against, each a process of its own.

    python benchmarks/peers.py PEER URL PROBLEMS --turns 3 --in-flight 100

aiohttp      posts bodies that are encoded beforehand: what this machine can do at all
openai       `asyncio.gather` over `AsyncOpenAI` with its aiohttp transport, as its documentation has it
anthropic    the same over `AsyncAnthropic`
adapter-openai, adapter-anthropic
             rise's own adapters and nothing else of rise: what is above them is rise's own CPU. They run
             as within rise, on its event loop and with the search for garbage put off

Each makes the calls that `rise batch` makes, with the same messages, one turn of a problem after the
other, and throws the answers away. The messages of all turns are put together before the first call,
from the answer that the server is known to give, so a peer pays for its calls alone. It prints the
CPU seconds that they took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from model_server import REPLY

from rise_cli.core.choices import fix_kind
from rise_cli.core.domain import Attempt, Call, Completion, Done, Kind, Message, Place, Policy, Problem
from rise_cli.prompts import load, messages
from rise_cli.run.garbage import settled
from rise_cli.run.loop import run_in_loop

Ask = Callable[[Any], Awaitable[object]]
"""Make one call with what `prepare` made of its messages."""


def conversations(problems: Path, turns: int) -> list[list[tuple[Message, ...]]]:
    """The messages of every turn of every problem, as `rise batch` sends them."""
    protocol = load("introspect")
    place = Place(1, 1)
    done = Done(Call(1, 1), Completion(REPLY), (Attempt(1, 1, REPLY, "18", place, 0.8),))
    found = []
    for line in problems.read_text(encoding="utf-8").splitlines():
        question = json.loads(line)["question"]
        kind, choices = fix_kind(Kind.AUTO, question)
        problem = Problem("p", question, kind=kind, choices=choices)
        first = messages(protocol, Policy(turns=turns), problem, Call(1, 1), ())
        later = messages(protocol, Policy(turns=turns), problem, Call(1, 2, sees=(place,)), (done,))
        found.append([first, *[later] * (turns - 1)])
    return found


def plain(conversation: Sequence[Message]) -> list[dict[str, Any]]:
    return [{"role": message.role, "content": message.text} for message in conversation]


async def _aiohttp(url: str, talks: list[list[tuple[Message, ...]]], in_flight: int) -> None:
    import aiohttp

    headers = {"Content-Type": "application/json", "Authorization": "Bearer k"}
    bodies = [[json.dumps({"model": "m", "messages": plain(t)}).encode() for t in talk] for talk in talks]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(body: bytes) -> None:
            async with session.post(f"{url}/v1/chat/completions", data=body) as response:
                json.loads(await response.read())

        await _all(ask, bodies, in_flight)


async def _openai(url: str, talks: list[list[tuple[Message, ...]]], in_flight: int) -> None:
    import openai

    http = openai.DefaultAioHttpClient()
    async with openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", http_client=http) as client:
        made = [[plain(talk) for talk in turns] for turns in talks]
        await _all(lambda m: client.chat.completions.create(model="m", messages=m), made, in_flight)


async def _anthropic(url: str, talks: list[list[tuple[Message, ...]]], in_flight: int) -> None:
    import anthropic

    http = anthropic.DefaultAioHttpClient()
    async with anthropic.AsyncAnthropic(api_key="k", base_url=url, http_client=http) as client:
        made = [[plain(talk) for talk in turns] for turns in talks]
        create = client.messages.create
        await _all(lambda m: create(model="m", max_tokens=8192, messages=m), made, in_flight)


async def _adapter(wire: str, url: str, talks: list[list[tuple[Message, ...]]], in_flight: int) -> None:
    from rise_cli.chat import CallKey, Request, connect
    from rise_cli.core.domain import Purpose

    key = CallKey("p", 1, 1, Purpose.ATTEMPT)
    made = [[Request(key, talk) for talk in turns] for turns in talks]
    base = f"{url}/v1" if wire == "openai" else url
    chat = connect(f"{wire}:m", key="k", base_url=base, notice=print)
    with settled():
        await _all(chat.complete, made, in_flight)
    await chat.aclose()


async def _all(ask: Ask, talks: Sequence[Sequence[object]], in_flight: int) -> None:
    places = asyncio.Semaphore(in_flight)

    async def one(turns: Sequence[object]) -> None:
        for turn in turns:
            async with places:
                await ask(turn)

    before = time.process_time()
    await asyncio.gather(*(one(turns) for turns in talks))
    print(time.process_time() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer")
    parser.add_argument("url")
    parser.add_argument("problems", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=100)
    given = parser.parse_args()
    talks = conversations(given.problems, given.turns)
    match given.peer:
        case "aiohttp":
            asyncio.run(_aiohttp(given.url, talks, given.in_flight))
        case "openai":
            asyncio.run(_openai(given.url, talks, given.in_flight))
        case "anthropic":
            asyncio.run(_anthropic(given.url, talks, given.in_flight))
        case adapter:
            wire = adapter.removeprefix("adapter-")
            run_in_loop(_adapter(wire, given.url, talks, given.in_flight))


if __name__ == "__main__":
    main()
