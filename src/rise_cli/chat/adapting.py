"""Parameters that a model rejects are dropped or renamed once, said aloud, and remembered.

Which model takes which parameter changes by the month and differs between compatible servers, so no
table is kept: the provider's own refusal is the source. What limits the output is never dropped, only
renamed, since a budget relies on it. A model that takes no system message gets its text before the first
message of the user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol, cast

from rise_cli.chat import Notice, Request
from rise_cli.chat.translate import Endpoint
from rise_cli.core.domain import Completion
from rise_cli.errors import ProviderError

Changes = dict[str, str | None]
"""What to do with a parameter: its other name, None to leave it out, its own name to leave it alone."""

Memory = dict[tuple[str, str], Changes]
"""The changes that each model at each base URL has asked for."""

_PROCESS: Memory = {}

_SYSTEM = "system message"
"""Stands for it among the changes; no parameter is called so."""

# What chat templates (Gemma, early Mistral) and servers around them say.
_NO_SYSTEM = re.compile(
    r"(?:system|developer) (?:role|message|prompt|instruction)s?\b"
    r".{0,40}?\b(?:not |un)(?:supported|enabled|allowed)"
    r"|(?:not support|unsupported)\b.{0,40}?\bsystem (?:role|message|prompt|instruction)"
    r"|only user and assistant roles",
    re.IGNORECASE | re.DOTALL,
)


class Adapter(Protocol):
    """A chat whose body can be changed before it is sent.

    `limit_names` are the names that its wire has for the output limit; `omitted` is what was asked
    for and has no name there.
    """

    @property
    def limit_names(self) -> tuple[str, ...]: ...

    @property
    def omitted(self) -> tuple[str, ...]: ...

    @property
    def endpoint(self) -> Endpoint: ...

    def body(self, request: Request) -> dict[str, object]: ...

    async def send(self, request: Request, body: Mapping[str, object]) -> Completion: ...

    async def aclose(self) -> None: ...


class Adapting:
    """A `Chat` around an adapter. What was learned is kept in `memory`: by default, the process's."""

    def __init__(self, adapter: Adapter, notice: Notice, memory: Memory | None = None) -> None:
        self._adapter = adapter
        self._notice = notice
        endpoint = adapter.endpoint
        kept = _PROCESS if memory is None else memory
        self._changes = kept.setdefault((endpoint.base_url, endpoint.model), {})
        self._unsaid = list(adapter.omitted)

    async def complete(self, request: Request) -> Completion:
        """As `Chat.complete`, with a further attempt for each parameter that is rejected."""
        while self._unsaid:
            self._notice(f"{self._adapter.endpoint.provider} has no {self._unsaid.pop()!r}: leaving it out")
        body = self._adapter.body(request)
        renamed: dict[str, tuple[str, ProviderError]] = {}
        while True:
            sent = changed(body, self._changes)
            try:
                return await self._adapter.send(request, sent)
            except ProviderError as error:
                if _NO_SYSTEM.search(str(error)) and has_system(sent):
                    self._fold_system()
                    continue
                if error.kind != "rejected" or error.param is None or error.param not in sent:
                    raise
                failure, param = error, error.param
            if param in renamed:  # neither name will do: what was wrong is the value, or both
                old, first = renamed[param]
                self._changes[old] = old
                raise first
            other = self._learn(param)
            if other == param:
                raise failure
            if other is not None:
                renamed[other] = (param, failure)

    async def aclose(self) -> None:
        await self._adapter.aclose()

    def _fold_system(self) -> None:
        if _SYSTEM not in self._changes:  # else a call beside this one was told first
            self._changes[_SYSTEM] = None
            who = self._adapter.endpoint.model
            self._notice(f"{who!r} takes no system message: putting its text before the question")

    def _learn(self, param: str) -> str | None:
        """Decide what to do with a rejected parameter: the name to try instead, itself if nothing can
        be done, None if it is left out."""
        if param in self._changes:  # a call beside this one was told first
            return self._changes[param]
        who = self._adapter.endpoint.model
        names = self._adapter.limit_names
        if param in names:
            other = next((name for name in names if name != param), param)
            if other == param or self._changes.get(other) == param:
                return param
            self._notice(f"{who!r} does not take {param!r}: sending it as {other!r}")
            self._changes[param] = other
            return other
        self._notice(f"{who!r} does not take {param!r}: leaving it out")
        self._changes[param] = None
        return None


def changed(body: Mapping[str, object], changes: Mapping[str, str | None]) -> dict[str, object]:
    """`body` with parameters renamed or left out. What belongs to streaming goes with it, and a system
    message that is not taken into the first message of the user."""
    sent: dict[str, object] = {}
    for name, value in body.items():
        kept = changes.get(name, name)
        if kept is not None:
            sent[kept] = value
    if "stream" not in sent:
        sent.pop("stream_options", None)
    if _SYSTEM in changes and has_system(sent):
        sent["messages"] = folded(cast(list[dict[str, Any]], sent["messages"]))
    return sent


def has_system(body: Mapping[str, object]) -> bool:
    """Whether the messages begin with a system message."""
    messages = body.get("messages")
    return isinstance(messages, list) and bool(messages) and messages[0].get("role") == "system"


def folded(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`messages` with the text of the first one, a system message, before that of the next."""
    system, first, *rest = messages
    return [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *rest]
