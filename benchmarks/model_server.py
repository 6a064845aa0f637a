"""A model that takes its time and no CPU: the server that the benchmarks measure against.

    python benchmarks/model_server.py [--latency 0.05]

Answers every `POST` after `--latency` seconds with the same reply, in OpenAI's format or, at
`/v1/messages`, in Anthropic's; whole, never streamed. It shares the machine with what is measured, so
a request is found by its length and never parsed, and the answers are ready made. Its address is the
first line of its stdout. `GET /stats` gives what it has seen since it was asked last:

    {"calls": 6000, "first": 91.7, "seconds": 8.1, "most_in_flight": 100}

`first` is when the first request was there, by the clock that all processes share
(`time.perf_counter` on Linux); `seconds` are from then to the last answer. It ends with its stdin.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Callable

REPLY = """Ed had 42 marbles and gave 6 of them to each of his 4 friends, so he gave away 6 * 4 = 24 marbles.
That leaves 42 - 24 = 18 marbles. To check: 18 marbles that are left and 24 that were given away make 42,
which is what he had at first, so nothing was lost on the way and nothing was counted twice.

Answer: 18
Confidence: 80%"""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_OPENAI = {
    "id": "chatcmpl-benchmark",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": REPLY, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 110,
        "total_tokens": 230,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    },
    "service_tier": "default",
    "system_fingerprint": None,
}
_ANTHROPIC = {
    "id": "msg_benchmark",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": REPLY}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 120,
        "output_tokens": 110,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    },
}


def _response(document: object) -> bytes:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Stats:
    """What was seen since the last `take`."""

    def __init__(self) -> None:
        self.calls = self.in_flight = self.most_in_flight = 0
        self.first = self.last = 0.0

    def came(self) -> None:
        if not self.calls:
            self.first = time.perf_counter()
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def went(self) -> None:
        self.in_flight -= 1
        self.last = time.perf_counter()

    def take(self) -> dict[str, object]:
        seen: dict[str, object] = {
            "calls": self.calls,
            "first": self.first,
            "seconds": self.last - self.first,
            "most_in_flight": self.most_in_flight,
        }
        self.__init__()  # type: ignore[misc]
        return seen


class Connection(asyncio.Protocol):
    """One client's connection. A request begins when the one before it is answered."""

    def __init__(self, answer: Callable[[bytes], tuple[bytes, float]], stats: Stats) -> None:
        self._answer = answer
        self._stats = stats
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        if received.startswith(b"GET"):
            self._received = b""
            self._transport.write(_response(self._stats.take()))
            return
        length = _LENGTH.search(received, 0, end)
        if len(received) < end + 4 + (int(length[1]) if length else 0):
            return
        self._received = b""
        self._stats.came()
        answer, delay = self._answer(received)
        asyncio.get_running_loop().call_later(delay, self._send, answer)

    def _send(self, answer: bytes) -> None:
        self._transport.write(answer)
        self._stats.went()


async def _serve(latency_s: float) -> None:
    openai, anthropic = _response(_OPENAI), _response(_ANTHROPIC)
    stats = Stats()

    def answer(request: bytes) -> tuple[bytes, float]:
        return (anthropic if request.startswith(b"POST /v1/messages") else openai), latency_s

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answer, stats), "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.05)
    asyncio.run(_serve(parser.parse_args().latency))


if __name__ == "__main__":
    main()
