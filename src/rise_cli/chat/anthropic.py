"""The Anthropic wire format, over the official SDK: `/v1/messages`, whole or streamed.

The prefix that does not change between turns is marked for the provider's cache. Bodies go through
`Posting`, untyped, so that no typed model is built.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import httpx2

from rise_cli.chat import Request, Sampling
from rise_cli.chat.hearing import Heard
from rise_cli.chat.posting import Posting
from rise_cli.chat.translate import Endpoint
from rise_cli.chat.wire import Body, Headed, attempt, check_options, client_options, count, fetch, mapping
from rise_cli.core.domain import Completion, Message, Usage
from rise_cli.errors import ProviderError

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

# A paused turn is one that the provider did not finish: like a cut one it does not vote.
_FINISH = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "refusal",
}


@dataclass(kw_only=True)
class AnthropicChat:
    """A `Chat` at `base_url`, which ends where `/v1/messages` begins.

    `timeout_s`, `clock` and the rest are as in `OpenAIChat`; a limit must always be sent here, and
    there is no seed to send.
    """

    limit_names: ClassVar[tuple[str, ...]] = ("max_tokens",)

    base_url: str
    model: str
    key: str | None = field(default=None, repr=False)
    provider: str = "anthropic"
    sampling: Sampling = field(default_factory=Sampling)
    timeout_s: float | None = 600.0
    stream: bool = False
    default_max_tokens: int = 8192
    clock: Callable[[], float] = time.perf_counter
    headed: Headed | None = None
    _client: AsyncAnthropic = field(init=False, repr=False)
    _headers: dict[str, Any] = field(init=False, repr=False)
    _posting: Posting = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import anthropic

        check_options(self.sampling)
        self._headers = {} if self.key else {"Authorization": anthropic.omit}
        http = anthropic.DefaultAioHttpClient(**client_options(self.base_url, self.headed))
        self._client = anthropic.AsyncAnthropic(
            api_key=self.key or "none",
            base_url=self.base_url,
            max_retries=0,
            http_client=http,
        )
        self._posting = Posting(self._client, http, "/v1/messages", self._headers)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.provider, self.base_url, self.model, self.key, self.timeout_s)

    @property
    def omitted(self) -> tuple[str, ...]:
        """What was asked for and cannot be sent over this wire."""
        return ("seed",) if self.sampling.seed is not None else ()

    def body(self, request: Request) -> dict[str, object]:
        """What would be sent: options only where they were asked for, but for `max_tokens`."""
        chosen = self.sampling
        limit = request.max_tokens if request.max_tokens is not None else chosen.max_tokens
        system = [_block(message) for message in request.messages if message.role == "system"]
        options: dict[str, object] = {
            "system": system or None,
            "temperature": chosen.temperature,
            "top_p": chosen.top_p,
            "output_config": {"effort": chosen.reasoning_effort} if chosen.reasoning_effort else None,
            "stream": self.stream or None,
        }
        body: dict[str, object] = {
            "model": self.model,
            "max_tokens": limit if limit is not None else self.default_max_tokens,
            "messages": _conversation(message for message in request.messages if message.role != "system"),
        }
        return body | {name: value for name, value in options.items() if value is not None} | chosen.extra

    async def send(self, request: Request, body: Body) -> Completion:
        """Make one attempt with exactly this body. Raises as `Chat.complete` does."""
        reader = _Reader(Heard(request.listen), self.endpoint)
        return await attempt(self._post, body, reader, self.endpoint, self.clock)

    async def complete(self, request: Request) -> Completion:
        return await self.send(request, self.body(request))

    async def models(self) -> list[str]:
        """The names of the models that the server lists, in its order."""
        return await fetch(self._get, self.endpoint)

    async def aclose(self) -> None:
        await self._client.close()

    async def _post(self, body: Body) -> httpx2.Response:
        return await self._posting.post(body)

    async def _get(self, after: str | None) -> httpx2.Response:
        params: dict[str, object] = {"limit": 1000} | ({"after_id": after} if after else {})
        options: Any = {"headers": self._headers, "params": params}
        return await self._client.get("/v1/models", cast_to=httpx2.Response, options=options)


def _block(message: Message) -> dict[str, object]:
    block: dict[str, object] = {"type": "text", "text": message.text}
    return block | ({"cache_control": {"type": "ephemeral"}} if message.fixed else {})


def _conversation(messages: Iterable[Message]) -> list[dict[str, object]]:
    """Messages as turns that alternate, each a list of blocks. Blank ones, which the provider
    refuses, are left out; neighbours of one role become one turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if not message.text.strip():
            continue
        if not turns or turns[-1]["role"] != message.role:
            turns.append({"role": message.role, "content": []})
        turns[-1]["content"].append(_block(message))
    return turns


class _Reader:
    """Reads a message, any field of which may be missing or null."""

    def __init__(self, heard: Heard, endpoint: Endpoint) -> None:
        self.heard = heard
        self.finished = False
        self.ended = False
        self._endpoint = endpoint
        self._usage: dict[str, Any] = {}

    def whole(self, document: dict[str, Any]) -> None:
        blocks = document.get("content")
        if not isinstance(blocks, list):
            raise ProviderError(
                f"{self._endpoint.provider} sent an answer without a reply in it; try again",
                kind="broken",
                billed=True,
            )
        for block in map(mapping, blocks):
            self._read(block)
        self._end(document)

    def event(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "message_start":
                self._count(mapping(event.get("message")))
            case "content_block_start":
                self._read(mapping(event.get("content_block")))
            case "content_block_delta":
                self._read(mapping(event.get("delta")))
            case "message_delta":
                self._end({**event, **mapping(event.get("delta"))})
            case "message_stop":
                self.finished = self.ended = True

    def _read(self, block: dict[str, Any]) -> None:
        """A whole block, or what a delta adds to one; both name their text the same."""
        self.heard.reason(block.get("thinking"))
        self.heard.say(block.get("text"))

    def _end(self, document: dict[str, Any]) -> None:
        reason = document.get("stop_reason")
        self.finished = self.finished or reason is not None
        self.heard.finish = _FINISH.get(str(reason), self.heard.finish)
        self._count(document)

    def _count(self, document: dict[str, Any]) -> None:
        """Counts are cumulative: later ones replace earlier ones."""
        given = mapping(document.get("usage"))
        self._usage |= {name: value for name, value in given.items() if value is not None}
        usage = self._usage
        if "input_tokens" not in usage and "output_tokens" not in usage:
            return
        cached, written = (
            count(usage.get("cache_read_input_tokens")),
            count(usage.get("cache_creation_input_tokens")),
        )
        self.heard.usage = Usage(
            input_tokens=count(usage.get("input_tokens")) + cached + written,
            output_tokens=count(usage.get("output_tokens")),
            cached_input_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
        )
