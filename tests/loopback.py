"""A real HTTP server on 127.0.0.1 that speaks both wire formats and misbehaves on request.

It answers `POST /v1/chat/completions` and `POST /v1/messages`, whole and streamed, and `GET /v1/models`
in both formats, with keep-alive, from an event loop in a thread of its own:

    with Loopback([Status(429), Reply("42")]) as server:
        ...                                 # server.openai_url, server.anthropic_url
    server.seen[0].body, server.billed.output

The script is a list (its last entry repeats) or a callable `(seen) -> Reply | Fault`. The server is
written on raw sockets, so that it can also reset, cut and stall.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from loopback_formats import (
    Reply,
    Seen,
    Status,
    Tokens,
    complaint_document,
    event_bytes,
    models_document,
    models_page,
    reply_document,
    reply_events,
)

__all__ = [
    "Billed",
    "Cut",
    "Empty",
    "Fault",
    "Loopback",
    "Malformed",
    "Reply",
    "Reset",
    "Script",
    "Seen",
    "Stall",
    "Status",
    "StreamError",
    "Tokens",
    "refused_url",
]


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset (or, `politely`, closed) before any answer; `reply` was billed all the same."""

    politely: bool = False
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection closes after so many events of a stream, or in the middle of a whole body.

    `politely` ends a stream as if it were complete. The reply counts as billed.
    """

    after_events: int = 2
    reply: Reply = field(default_factory=lambda: Reply("a reply that is cut off"))
    politely: bool = False


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing more comes for `seconds` after so many events, or in the middle of a body; then it closes."""

    after_events: int = 2
    seconds: float = 30.0
    reply: Reply = field(default_factory=lambda: Reply("a reply that stalls"))


@dataclass(frozen=True, slots=True)
class StreamError:
    """An error event in the middle of a stream; without streaming, status 200 around an error body."""

    error: dict[str, Any]
    after_events: int = 2
    reply: Reply = field(default_factory=lambda: Reply("a reply that goes wrong"))


@dataclass(frozen=True, slots=True)
class Malformed:
    """Status 200 and these bytes, sent with the content type that the client expects."""

    body: bytes = b'{"choices": [{"mess'
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Empty:
    """Status 200 and no body at all."""


Fault = Status | Reset | Cut | Stall | StreamError | Malformed | Empty
Script = Callable[[Seen], "Reply | Fault"] | Sequence["Reply | Fault"]


_HELLO = Reply("hello")


@dataclass(slots=True)
class Billed:
    """Tokens that the server generated, those of replies that never arrived included."""

    requests: int = 0
    input: int = 0
    output: int = 0

    def add(self, tokens: Tokens) -> None:
        self.requests += 1
        self.input += tokens.input
        self.output += tokens.output


class Loopback:
    """The server; a context manager. `seen` and `billed` may be read at any time."""

    def __init__(
        self, script: Script = (_HELLO,), models: Sequence[str] = ("m-1", "m-2"), page: int = 100
    ) -> None:
        self._script = script
        self.models = list(models)
        self.page = page
        self.seen: list[Seen] = []
        self.billed = Billed()
        self.connections = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._open: set[_Connection] = set()
        self._closed = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loopback", daemon=True)

    @property
    def openai_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Loopback:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def plan(self, seen: Seen) -> Reply | Fault:
        """What the script says about this request."""
        if callable(self._script):
            return self._script(seen)
        return self._script[min(seen.index, len(self._script) - 1)]

    def connected(self, connection: _Connection) -> None:
        self.connections += 1
        self._open.add(connection)

    def disconnected(self, connection: _Connection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._closed.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=2048)
        server = self._loop.run_until_complete(serving)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            self._loop.run_until_complete(self._close())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _close(self) -> None:
        tasks = [task for connection in self._open if (task := connection.stop())]
        self._closed.clear()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._open:  # each leaves when its transport says that it is closed
            await self._closed.wait()


class _Connection(asyncio.Protocol):
    """One client connection: parses requests one after another and answers each before the next."""

    def __init__(self, server: Loopback) -> None:
        self._server = server
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task:
            self._task.cancel()
        self._server.disconnected(self)

    def stop(self) -> asyncio.Task[None] | None:
        self._transport.abort()
        if self._task:
            self._task.cancel()
        return self._task

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._task is None and (parsed := self._parse()):
            self._answer(*parsed)

    def _parse(self) -> tuple[str, str, dict[str, str], bytes] | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        size = end + 4 + int(headers.get("content-length", 0))
        if len(self._buffer) < size:
            return None
        body = bytes(self._buffer[end + 4 : size])
        del self._buffer[:size]
        method, path, _ = first.split(" ", 2)
        return method, path, headers, body

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        if method == "GET":
            self._list_models(path, "anthropic-version" in headers)
            return
        api: Literal["openai", "anthropic"] = "anthropic" if path.endswith("/messages") else "openai"
        seen = Seen(api, path, headers, json.loads(body), len(self._server.seen), time.monotonic())
        self._server.seen.append(seen)
        plan = self._server.plan(seen)
        if isinstance(plan, Reply) and not plan.delay_s:
            self._reply(seen, plan)
        elif isinstance(plan, Reply | Stall):
            self._later(self._slowly(seen, plan))
        else:
            self._fail(seen, plan)

    def _list_models(self, path: str, anthropic: bool) -> None:
        names = self._server.models
        if path.partition("?")[0] != "/v1/models":
            self._whole(404, {"error": {"message": "no such path"}})
            return
        if not anthropic:
            self._whole(200, models_document(names))
            return
        after = re.search(r"after_id=([^&]+)", path)
        start = names.index(after[1]) + 1 if after else 0
        self._whole(200, models_page(names[start:], self._server.page))

    def _later(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(coroutine)

    async def _slowly(self, seen: Seen, plan: Reply | Stall) -> None:
        if isinstance(plan, Stall):
            self._server.billed.add(plan.reply.tokens(seen))
            self._begin(seen, plan.reply, plan.after_events)
            await asyncio.sleep(plan.seconds)
            self._transport.abort()
            return
        await asyncio.sleep(plan.delay_s)
        self._reply(seen, plan)
        self._task = None
        self.data_received(b"")

    def _reply(self, seen: Seen, reply: Reply) -> None:
        self._server.billed.add(reply.tokens(seen))
        if seen.streams:
            self._stream(b"".join(map(_chunked, reply_events(seen, reply))) + b"0\r\n\r\n")
        else:
            self._whole(200, reply_document(seen, reply))

    def _begin(self, seen: Seen, reply: Reply, after_events: int) -> None:
        """The first events of a stream, or half of a body."""
        if seen.streams:
            self._stream(b"".join(map(_chunked, reply_events(seen, reply)[:after_events])))
        else:
            body = json.dumps(reply_document(seen, reply)).encode()
            self._transport.write(_head(200, "application/json", len(body)) + body[: len(body) // 2])

    def _fail(self, seen: Seen, fault: Fault | Reply) -> None:
        match fault:
            case Status():
                self._whole(fault.status, complaint_document(seen, fault), fault.headers)
            case Reset():
                if fault.reply is not None:
                    self._server.billed.add(fault.reply.tokens(seen))
                if not fault.politely:
                    linger = struct.pack("ii", 1, 0)
                    self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._transport.abort()
            case Cut():
                self._server.billed.add(fault.reply.tokens(seen))
                self._begin(seen, fault.reply, fault.after_events)
                if fault.politely:
                    self._transport.write(b"0\r\n\r\n")
                self._transport.close()
            case StreamError():
                self._server.billed.add(fault.reply.tokens(seen))
                self._go_wrong(seen, fault)
            case Malformed():
                expected = "text/event-stream" if seen.streams else "application/json"
                self._whole(200, fault.body, content_type=fault.content_type or expected)
            case Empty():
                self._whole(200, b"")

    def _go_wrong(self, seen: Seen, fault: StreamError) -> None:
        shape = {"type": "error", "error": fault.error} if seen.api == "anthropic" else {"error": fault.error}
        if not seen.streams:
            self._whole(200, shape)
            return
        self._begin(seen, fault.reply, fault.after_events)
        self._transport.write(_chunked(event_bytes(seen.api, "error", shape)) + b"0\r\n\r\n")

    def _socket(self) -> socket.socket:
        # A TransportSocket has no type of its own that lets options be set with bytes.
        held: socket.socket = self._transport.get_extra_info("socket")
        return held

    def _stream(self, chunks: bytes) -> None:
        self._transport.write(_head(200, "text/event-stream", None) + chunks)

    def _whole(
        self,
        status: int,
        document: dict[str, Any] | list[Any] | bytes | str,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> None:
        if isinstance(document, str):
            body = document.encode()
        else:
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self._transport.write(_head(status, content_type, len(body), headers) + body)


def _head(
    status: int, content_type: str, length: int | None, headers: Mapping[str, str] | None = None
) -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"HTTP/1.1 {status} Loopback\r\ncontent-type: {content_type}\r\n{size}\r\n{more}\r\n".encode()


def _chunked(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


def refused_url() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return f"http://127.0.0.1:{held.getsockname()[1]}"
