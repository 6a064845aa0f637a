"""The OpenAI wire format, over the official SDK: `/chat/completions`, whole or streamed.

Serves OpenAI and every compatible server. Bodies go through `Posting`, untyped, so that no resource
module is imported and no typed model is built.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import httpx2

from rise_cli.chat import Request, Sampling
from rise_cli.chat.hearing import Heard
from rise_cli.chat.posting import Posting
from rise_cli.chat.translate import Endpoint
from rise_cli.chat.wire import (
    Body,
    Headed,
    attempt,
    check_logprobs,
    check_options,
    client_options,
    count,
    fetch,
    first,
    mapping,
    seed_of,
)
from rise_cli.core.domain import Completion, Message, Usage
from rise_cli.errors import ProviderError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_FINISH = {"length": "length", "max_tokens": "length", "content_filter": "filtered", "refusal": "refusal"}


@dataclass(kw_only=True)
class OpenAIChat:
    """A `Chat` at `base_url`, which ends where `/chat/completions` begins.

    `timeout_s` bounds each attempt as a whole. `default_max_tokens` is the output limit where
    neither the request nor `sampling` sets one; None sends none. `clock` is in seconds and measures
    latencies; `headed` is told the headers. It can be connected to from one event loop only.
    """

    limit_names: ClassVar[tuple[str, ...]] = ("max_tokens", "max_completion_tokens")
    omitted: ClassVar[tuple[str, ...]] = ()

    base_url: str
    model: str
    key: str | None = field(default=None, repr=False)
    provider: str = "openai"
    sampling: Sampling = field(default_factory=Sampling)
    timeout_s: float | None = 600.0
    stream: bool = False
    default_max_tokens: int | None = None
    clock: Callable[[], float] = time.perf_counter
    headed: Headed | None = None
    _client: AsyncOpenAI = field(init=False, repr=False)
    _headers: dict[str, Any] = field(init=False, repr=False)
    _posting: Posting = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import openai

        check_options(self.sampling)
        self._headers = _headers(self.provider, self.key)
        http = openai.DefaultAioHttpClient(**client_options(self.base_url, self.headed))
        self._client = openai.AsyncOpenAI(
            api_key=self.key or "none",
            base_url=self.base_url,
            max_retries=0,
            http_client=http,
        )
        self._posting = Posting(self._client, http, "/chat/completions", self._headers)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.provider, self.base_url, self.model, self.key, self.timeout_s)

    def body(self, request: Request) -> dict[str, object]:
        """What would be sent: options only where they were asked for."""
        chosen = self.sampling
        official = (urlsplit(self.base_url).hostname or "").endswith("api.openai.com")
        limit = request.max_tokens if request.max_tokens is not None else chosen.max_tokens
        options: dict[str, object] = {
            self.limit_names[official]: limit if limit is not None else self.default_max_tokens,
            "temperature": chosen.temperature,
            "top_p": chosen.top_p,
            "seed": None if chosen.seed is None else seed_of(chosen.seed, request.key),
            "reasoning_effort": chosen.reasoning_effort,
            "logprobs": None if chosen.logprobs is None else True,
            "top_logprobs": chosen.logprobs or None,
        }
        body: dict[str, object] = {
            "model": self.model,
            "messages": _conversation(request.messages),
        }
        body |= {name: value for name, value in options.items() if value is not None} | chosen.extra
        if self.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    async def send(self, request: Request, body: Body) -> Completion:
        """Make one attempt with exactly this body. Raises as `Chat.complete` does."""
        reader = _Reader(Heard(request.listen), self.endpoint)
        completion = await attempt(self._post, body, reader, self.endpoint, self.clock)
        check_logprobs(completion, self.sampling, self.endpoint)
        return completion

    async def complete(self, request: Request) -> Completion:
        return await self.send(request, self.body(request))

    async def models(self) -> list[str]:
        """The names of the models that the server lists, in its order."""
        return await fetch(self._get, self.endpoint)

    async def aclose(self) -> None:
        await self._client.close()

    async def _post(self, body: Body) -> httpx2.Response:
        # llama.cpp's server offers to keep a connection and closes it after a stream, so the next call
        # on it would break. Without TLS a new connection costs next to nothing.
        closing = bool(body.get("stream")) and self.base_url.startswith("http://")
        return await self._posting.post(body, closing=closing)

    async def _get(self, after: str | None) -> httpx2.Response:
        return await self._client.get("/models", cast_to=httpx2.Response, options={"headers": self._headers})


def _headers(provider: str, key: str | None) -> dict[str, Any]:
    """Headers for every request. What the SDK reads from OpenAI's variables is for OpenAI: the
    organization, the project and custom headers (often a gateway's key) go to nobody else."""
    from openai import Omit

    headers: dict[str, Any] = {"Authorization": f"Bearer {key}" if key else Omit()}
    if provider == "openai":
        return headers
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    custom = [line.partition(":")[0].strip() for line in lines if ":" in line]
    dropped = {name: Omit() for name in ["OpenAI-Organization", "OpenAI-Project", *custom]}
    return dropped | headers


def _conversation(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Neighbours of one role become one message: the chat templates of many models want roles that
    alternate."""
    turns: list[dict[str, str]] = []
    for message in messages:
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += f"\n\n{message.text}"
        else:
            turns.append({"role": message.role, "content": message.text})
    return turns


class _Reader:
    """Reads a chat completion, any field of which may be missing or null."""

    def __init__(self, heard: Heard, endpoint: Endpoint) -> None:
        self.heard = heard
        self.finished = False
        self.ended = False
        self._endpoint = endpoint

    def whole(self, document: dict[str, Any]) -> None:
        choice = first(document.get("choices"))
        if choice is None:
            raise ProviderError(
                f"{self._endpoint.provider} sent an answer without a reply in it; try again",
                kind="broken",
                billed=True,
            )
        self._read(choice, mapping(choice.get("message")))
        self._count(document)

    def event(self, event: dict[str, Any]) -> None:
        choice = first(event.get("choices"))
        if choice is not None:
            self._read(choice, mapping(choice.get("delta")))
            self.finished = self.finished or choice.get("finish_reason") is not None
        self._count(event)

    def _read(self, choice: dict[str, Any], message: dict[str, Any]) -> None:
        if choice.get("finish_reason") == "error":
            raise ProviderError(
                f"{self._endpoint.provider} gave up in the middle of its reply; try again",
                kind="server",
                billed=True,
            )
        for token in mapping(choice.get("logprobs")).get("content") or []:
            self.heard.weigh(token)
        self.heard.reason(message.get("reasoning_content") or message.get("reasoning"))
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            self._part(part)
        if message.get("refusal"):
            self.heard.say(message["refusal"])
            self.heard.finish = "refusal"
        elif choice.get("finish_reason") in _FINISH:
            self.heard.finish = _FINISH[choice["finish_reason"]]

    def _part(self, part: object) -> None:
        """A reply may be a list of parts; reasoning parts hold parts themselves."""
        if isinstance(part, dict):
            for inner in part.get("thinking") or []:
                self.heard.reason(mapping(inner).get("text"))
            self.heard.say(part.get("text"))
        else:
            self.heard.say(part)

    def _count(self, document: dict[str, Any]) -> None:
        usage = document.get("usage")
        if not isinstance(usage, dict) or usage.get("completion_tokens") is None:
            return
        given = mapping(usage.get("prompt_tokens_details"))
        made = mapping(usage.get("completion_tokens_details"))
        read, written = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
        self.heard.usage = Usage(
            input_tokens=read,
            # Some count reasoning in the total alone, and bill it.
            output_tokens=max(written, count(usage.get("total_tokens")) - read),
            cached_input_tokens=count(given.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")),
            cache_write_tokens=count(given.get("cache_write_tokens")),
            reasoning_tokens=count(made.get("reasoning_tokens")),
        )
