"""Both wires under one name for tests: a chat at a loopback server, and one question to it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

from loopback import Loopback

from rise_cli.chat import CallKey, Listen, Request
from rise_cli.chat.anthropic import AnthropicChat
from rise_cli.chat.openai import OpenAIChat
from rise_cli.core.domain import Completion, Message, Purpose

WIRES = ("openai", "anthropic")
KEY = "sk-test-0123456789abcdef"

AnyChat = OpenAIChat | AnthropicChat


def request(
    *messages: Message, max_tokens: int | None = None, listen: Listen | None = None, text: str = "6 times 7?"
) -> Request:
    """A request for turn 1 of a problem; one user message unless others are given."""
    said = messages or (Message("user", text),)
    return Request(CallKey("p", 1, 1, Purpose.ATTEMPT), said, max_tokens=max_tokens, listen=listen)


def opened(wire: str, at: Loopback | str, **options: Any) -> AbstractAsyncContextManager[AnyChat]:
    """A chat over that wire, closed on the way out."""
    chosen: dict[str, Any] = {"model": "m-1", "key": KEY, "timeout_s": 10.0} | options
    if wire == "openai":
        return aclosing(OpenAIChat(base_url=at if isinstance(at, str) else at.openai_url, **chosen))
    return aclosing(AnthropicChat(base_url=at if isinstance(at, str) else at.anthropic_url, **chosen))


async def ask(wire: str, at: Loopback | str, *, listen: Listen | None = None, **options: Any) -> Completion:
    """One question over that wire."""
    async with opened(wire, at, **options) as chat:
        return await chat.complete(request(listen=listen))
