"""What both wire formats share: one HTTP exchange, read leniently, bounded in time.

An adapter says how a body is built and hands over a `Reader` for what comes back; `attempt` sends,
feeds the reader and translates whatever goes wrong. Answers are read as plain JSON: the SDKs' typed
models cost more than the rest of a call together, and trip over what compatible servers leave out.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Protocol, TypedDict, cast

import httpx2

from rise_cli.chat import CallKey, Sampling
from rise_cli.chat.hearing import Heard
from rise_cli.chat.providers import is_loopback
from rise_cli.chat.translate import Endpoint, from_event, translated
from rise_cli.core.domain import Completion
from rise_cli.errors import ProviderError, UsageError

Body = Mapping[str, object]

# Set by the program itself: a second hand on them would break the stream, the budget or the question.
_RESERVED = frozenset(
    {"model", "messages", "system", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n"}
)


class Reader(Protocol):
    """Makes a `Heard` of one answer. `finished`: the provider said that it is complete;
    `ended`: nothing that matters is to come."""

    heard: Heard
    finished: bool
    ended: bool

    def whole(self, document: dict[str, Any]) -> None:
        """Read an answer that came in one piece. `ProviderError` "broken" if it is none."""

    def event(self, event: dict[str, Any]) -> None:
        """Read the next event of a stream."""


Post = Callable[[Body], Awaitable[httpx2.Response]]


async def attempt(
    post: Post, body: Body, reader: Reader, endpoint: Endpoint, clock: Callable[[], float]
) -> Completion:
    """Send `body` once and return what the reader made of the answer.

    Raises this program's own errors, never with a foreign one in their chain: that one holds the
    request, and the request holds the key.
    """
    began = clock()
    try:
        async with asyncio.timeout(endpoint.timeout_s):
            await _exchange(post, body, reader, endpoint)
    except Exception as error:
        failure = translated(error, endpoint, body)
        if failure is None:
            raise
    else:
        return reader.heard.completion(clock() - began)
    raise failure


async def fetch(get: Callable[[str | None], Awaitable[httpx2.Response]], endpoint: Endpoint) -> list[str]:
    """The names in a list of models, which may come in pages. Raises as `attempt` does."""
    names: list[str] = []
    after: str | None = None
    try:
        async with asyncio.timeout(endpoint.timeout_s):
            while True:
                document = _loads((await get(after)).content, endpoint)
                page = mapping(document)
                rows = document if isinstance(document, list) else page.get("data")
                names += [str(row["id"]) for row in rows or [] if mapping(row).get("id")]
                if not page.get("has_more") or page.get("last_id") in {None, after}:
                    return names
                after = str(page["last_id"])
    except Exception as error:
        failure = translated(error, endpoint)
        if failure is None:
            raise
    raise failure


async def _exchange(post: Post, body: Body, reader: Reader, endpoint: Endpoint) -> None:
    response = await post(body)
    try:
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            await _stream(response, body, reader, endpoint)
        else:
            document = _document(await response.aread(), endpoint)
            _check(document, endpoint, body, False)
            reader.whole(document)
    finally:
        await response.aclose()


async def _stream(response: httpx2.Response, body: Body, reader: Reader, endpoint: Endpoint) -> None:
    started = False
    source = httpx2.EventSource(response, max_event_size=None).__aiter__()
    async with aclosing(cast("AsyncGenerator[httpx2.ServerSentEvent]", source)) as events:
        async for event in events:
            if event.data.startswith("[DONE]"):
                reader.finished = reader.ended = True
            elif event.data:
                document = _document(event.data, endpoint)
                _check(document, endpoint, body, started)
                reader.event(document)
                started = True
            if reader.ended:
                await _drain(events)
                return
    if not reader.finished:
        raise ProviderError(
            f"the stream from {endpoint.provider} ended before the reply did; try again",
            kind="broken",
            billed=True,
        )


async def _drain(events: AsyncGenerator[httpx2.ServerSentEvent]) -> None:
    """Read to the end of the body, so that the connection can serve the next call. What goes wrong
    now cannot hurt the reply, and a server that keeps the stream open is not waited for."""
    with suppress(httpx2.HTTPError, TimeoutError):
        async with asyncio.timeout(0.1):
            async for _ in events:
                pass


def _document(text: str | bytes, endpoint: Endpoint) -> dict[str, Any]:
    document = _loads(text, endpoint)
    if isinstance(document, dict):
        return document
    raise _unreadable(endpoint)


def _loads(text: str | bytes, endpoint: Endpoint) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, a number too long, too many brackets
        pass
    raise _unreadable(endpoint)


def _unreadable(endpoint: Endpoint) -> ProviderError:
    return ProviderError(
        f"{endpoint.provider} sent what is no reply; try again, or check the base URL",
        kind="broken",
        billed=True,
    )


def _check(document: dict[str, Any], endpoint: Endpoint, body: Body, started: bool) -> None:
    """Some errors come with status 200, or when a stream has begun."""
    if document.get("error"):
        raise from_event(document["error"], endpoint, body, started)


def mapping(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def first(value: object) -> dict[str, Any] | None:
    """The first element of a list of objects, if there is one."""
    return value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def count(value: object) -> int:
    """A token count; whatever is none counts as 0."""
    return int(value) if isinstance(value, int | float) and 0 <= value < 1e15 else 0


def check_options(sampling: Sampling) -> None:
    """`UsageError` if an `--option` names what the program sets itself."""
    for name in sampling.extra:
        if name in _RESERVED:
            raise UsageError(f"--option cannot set {name!r}: rise sets it itself")


def check_logprobs(completion: Completion, sampling: Sampling, endpoint: Endpoint) -> None:
    """`UsageError` if the probabilities that were asked for did not come with the reply."""
    wanted = sampling.logprobs
    if wanted is None or completion.finish_reason != "stop":
        return
    if completion.logprob is None or (wanted > 0 and completion.entropy is None):
        raise no_logprobs(f"{endpoint.provider}:{endpoint.model}")


def no_logprobs(model: str) -> UsageError:
    """What to say where a model does not tell its tokens' probabilities."""
    return UsageError(
        f"{model!r} does not tell the probabilities of its tokens, which --vote entropy and --confidence "
        "logprob need; choose another vote and confidence, or another model"
    )


def seed_of(seed: int, key: CallKey) -> int:
    """The seed to send with a call: the user's own for the first turn of the first chain, and for every
    other one drawn from it, or chains that ask the same would all be told the same. 31 bits, and the
    same in every run."""
    if key.chain == key.turn == 1:
        return seed
    digest = hashlib.sha256(f"{seed}/{key.turn}/{key.chain}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


Headed = Callable[[Iterable[tuple[str, str]]], None]
"""Called with the headers of every answer, a refusal's too."""


class _ClientOptions(TypedDict, total=False):
    event_hooks: Mapping[str, list[Callable[[httpx2.Response], Awaitable[None]]]]
    limits: httpx2.Limits
    timeout: httpx2.Timeout
    verify: bool
    trust_env: bool
    follow_redirects: bool


def client_options(base_url: str, headed: Headed | None = None) -> _ClientOptions:
    """How to set up an HTTP client for this address. `headed` gets to see the headers.

    Time is limited per attempt, by `attempt`; only connecting has a limit of its own, since an
    address that does not answer at all is told early. As many connections as calls: how many of
    those there may be is decided elsewhere. A server on this machine is not looked for behind a
    proxy, and no certificates are loaded for it.
    """
    options: _ClientOptions = {
        "limits": httpx2.Limits(max_connections=10_000, keepalive_expiry=15),
        "timeout": httpx2.Timeout(None, connect=10),
    }
    if base_url.lower().startswith("http:") and is_loopback(base_url):
        options |= {"verify": False, "trust_env": False, "follow_redirects": False}
    if headed is not None:

        async def hook(response: httpx2.Response) -> None:
            headed(response.headers.multi_items())

        options["event_hooks"] = {"response": [hook]}
    return options
