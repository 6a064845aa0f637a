"""Both wire formats from the server's side: what a request says, and how a reply to it is written."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived. `body` is `{}` for a GET; header names are in lower case."""

    api: Literal["openai", "anthropic"]
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    index: int
    time: float

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def limit(self) -> int | None:
        """The output limit that the request asked for."""
        value = self.body.get("max_tokens", self.body.get("max_completion_tokens"))
        return int(value) if value is not None else None

    @property
    def text(self) -> str:
        """All the text that was sent, system prompt included."""
        parts = [*_texts(self.body.get("system")), *(t for m in self._messages for t in _texts(m))]
        return "\n".join(parts)

    @property
    def _messages(self) -> list[Any]:
        return list(self.body.get("messages") or [])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from _texts(value.get("content", value.get("text")))


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a reply is said to have cost: `input` includes `cached` and `written`, `output` `reasoning`."""

    input: int
    output: int
    cached: int = 0
    written: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply. `finish` is the wire's own word, or one of `stop`, `length`, `refusal`, `filtered` for both.

    `usage` "auto" counts a token for every four bytes begun, None leaves usage out. `fill` says that
    the reply took all of the request's output limit (1,024 where it set none). `chunk` is the number of
    characters of each streamed piece. `cached` is how many of the input tokens came from a cache.
    `probabilities` are those of each token's alternatives, the token itself first: told over OpenAI's
    wire, if they are asked for.
    """

    text: str = ""
    reasoning: str | None = None
    finish: str = "stop"
    usage: Tokens | Literal["auto"] | None = "auto"
    chunk: int = 8
    delay_s: float = 0.0
    cached: int = 0
    fill: bool = False
    probabilities: tuple[tuple[float, ...], ...] = ()

    def tokens(self, seen: Seen) -> Tokens:
        """What this reply costs, whether or not the client is told."""
        if isinstance(self.usage, Tokens):
            return self.usage
        thought = _count(self.reasoning or "")
        output = (seen.limit or 1024) if self.fill else _count(self.text) + thought
        return Tokens(_count(seen.text), output, cached=self.cached, reasoning=min(thought, output))


def _count(text: str) -> int:
    return -(-len(text.encode()) // 4)


@dataclass(frozen=True, slots=True)
class Status:
    """An error status. `body` None is the API's own error format around `message`, `code` and `param`."""

    status: int
    message: str = "no"
    body: dict[str, Any] | list[Any] | str | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    param: str | None = None


def event_bytes(api: str, name: str, shape: dict[str, Any]) -> bytes:
    prefix = f"event: {name}\n" if api == "anthropic" else ""
    return f"{prefix}data: {json.dumps(shape)}\n\n".encode()


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def models_document(names: list[str]) -> dict[str, Any]:
    """OpenAI's list of models."""
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


def models_page(names: list[str], size: int) -> dict[str, Any]:
    """Anthropic's list of models: the first `size`, and whether there are more."""
    page = names[:size]
    rows = [{"type": "model", "id": name, "display_name": name} for name in page]
    return {"data": rows, "has_more": len(names) > size, "last_id": page[-1] if page else None}


def complaint_document(seen: Seen, fault: Status) -> dict[str, Any] | list[Any] | str | bytes:
    if fault.body is not None:
        return fault.body
    if seen.api == "openai":
        kind = "invalid_request_error" if fault.status < 500 else "server_error"
        said = {"message": fault.message, "type": kind, "param": fault.param, "code": fault.code}
        return {"error": said}
    kinds = {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        429: "rate_limit_error",
    }
    kind = kinds.get(fault.status, "invalid_request_error" if fault.status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": fault.message}}


def reply_document(seen: Seen, reply: Reply) -> dict[str, Any]:
    return _openai_document(seen, reply) if seen.api == "openai" else _anthropic_document(seen, reply)


def reply_events(seen: Seen, reply: Reply) -> list[bytes]:
    return _openai_events(seen, reply) if seen.api == "openai" else _anthropic_events(seen, reply)


# The wire of OpenAI


def _openai_usage(seen: Seen, reply: Reply) -> dict[str, Any]:
    tokens = reply.tokens(seen)
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }


def _openai_finish(reply: Reply) -> str:
    if reply.fill:
        return "length"
    return {"filtered": "content_filter", "refusal": "stop"}.get(reply.finish, reply.finish)


def _openai_logprobs(seen: Seen, reply: Reply) -> list[dict[str, Any]]:
    shown = seen.body.get("top_logprobs") or 0
    return [
        {
            "token": "t",
            "logprob": math.log(token[0]),
            "top_logprobs": [{"token": "t", "logprob": math.log(p)} for p in token[:shown]],
        }
        for token in reply.probabilities
    ]


def _openai_document(seen: Seen, reply: Reply) -> dict[str, Any]:
    refuses = reply.finish == "refusal"
    message: dict[str, Any] = {"role": "assistant", "content": None if refuses else reply.text}
    if refuses:
        message["refusal"] = reply.text
    if reply.reasoning is not None:
        message["reasoning_content"] = reply.reasoning
    document: dict[str, Any] = {
        "id": f"chatcmpl-{seen.index}",
        "object": "chat.completion",
        "created": 0,
        "model": seen.body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": _openai_finish(reply)}],
    }
    if seen.body.get("logprobs"):
        document["choices"][0]["logprobs"] = {"content": _openai_logprobs(seen, reply)}
    if reply.usage is not None:
        document["usage"] = _openai_usage(seen, reply)
    return document


def _openai_events(seen: Seen, reply: Reply) -> list[bytes]:
    frame = {
        "id": f"chatcmpl-{seen.index}",
        "object": "chat.completion.chunk",
        "model": seen.body.get("model"),
    }

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return event_bytes("openai", "", {**frame, "choices": [choice]})

    said = "refusal" if reply.finish == "refusal" else "content"
    events = [event({"role": "assistant", "content": ""})]
    events += [event({"reasoning_content": piece}) for piece in _pieces(reply.reasoning or "", reply.chunk)]
    events += [event({said: piece}) for piece in _pieces(reply.text, reply.chunk)]
    if seen.body.get("logprobs"):
        for token in _openai_logprobs(seen, reply):
            choice = {"index": 0, "delta": {}, "logprobs": {"content": [token]}, "finish_reason": None}
            events.append(event_bytes("openai", "", {**frame, "choices": [choice]}))
    events.append(event({}, _openai_finish(reply)))
    asked = (seen.body.get("stream_options") or {}).get("include_usage")
    if asked and reply.usage is not None:
        events.append(
            event_bytes("openai", "", {**frame, "choices": [], "usage": _openai_usage(seen, reply)})
        )
    return [*events, DONE]


# The wire of Anthropic


def _anthropic_usage(seen: Seen, reply: Reply) -> dict[str, Any]:
    tokens = reply.tokens(seen)
    return {
        "input_tokens": tokens.input - tokens.cached - tokens.written,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation_input_tokens": tokens.written,
        "output_tokens": tokens.output,
        "output_tokens_details": {"thinking_tokens": tokens.reasoning},
    }


def _anthropic_finish(reply: Reply) -> str:
    if reply.fill:
        return "max_tokens"
    return {"stop": "end_turn", "length": "max_tokens", "filtered": "refusal"}.get(reply.finish, reply.finish)


def _anthropic_document(seen: Seen, reply: Reply) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = []
    if reply.reasoning is not None:
        blocks.append({"type": "thinking", "thinking": reply.reasoning, "signature": "s"})
    if reply.text:
        blocks.append({"type": "text", "text": reply.text})
    document = {
        "id": f"msg_{seen.index}",
        "type": "message",
        "role": "assistant",
        "model": seen.body.get("model"),
        "content": blocks,
        "stop_reason": _anthropic_finish(reply),
        "stop_sequence": None,
    }
    if reply.usage is not None:
        document["usage"] = _anthropic_usage(seen, reply)
    return document


def _anthropic_events(seen: Seen, reply: Reply) -> list[bytes]:
    message = {**_anthropic_document(seen, reply), "content": [], "stop_reason": None}
    ended: dict[str, Any] = {"delta": {"stop_reason": _anthropic_finish(reply), "stop_sequence": None}}
    if reply.usage is not None:
        usage = _anthropic_usage(seen, reply)
        message["usage"] = {**usage, "output_tokens": 1}
        ended["usage"] = {"output_tokens": usage["output_tokens"]}
        ended["usage"]["output_tokens_details"] = usage["output_tokens_details"]
    events: list[tuple[str, dict[str, Any]]] = [("message_start", {"message": message}), ("ping", {})]
    blocks = [("thinking", reply.reasoning), ("text", reply.text)]
    for index, (kind, text) in enumerate((kind, text) for kind, text in blocks if text):
        events.append(("content_block_start", {"index": index, "content_block": {"type": kind, kind: ""}}))
        deltas = [{"type": f"{kind}_delta", kind: piece} for piece in _pieces(text, reply.chunk)]
        events += [("content_block_delta", {"index": index, "delta": delta}) for delta in deltas]
        events.append(("content_block_stop", {"index": index}))
    events += [("message_delta", ended), ("message_stop", {})]
    return [event_bytes("anthropic", name, {"type": name, **shape}) for name, shape in events]
