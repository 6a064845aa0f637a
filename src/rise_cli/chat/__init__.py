"""Chat APIs. `connect("provider:model")` gives a `Chat`; only then is that provider's SDK imported.

A `Chat` is one method. Everything around a call (retries, limits, a budget) is a `Chat` around a
`Chat`, put together in `commands/`:

    Retrying(Budgeted(Limited(connect(...))))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from rise_cli.core.domain import Completion, Message, Purpose

Listen = Callable[[str, bool], None]
"""Called with each piece of text as it streams in, and whether it is hidden reasoning."""

Notice = Callable[[str], None]
"""Called with a sentence for the person at the terminal: a retry, a dropped parameter."""


@dataclass(frozen=True, slots=True)
class CallKey:
    """Which call this is, unique within one run of given settings: a journal's key."""

    problem: str
    chain: int
    turn: int
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Request:
    """What a `Chat` is asked for: messages (system first, if any) and the largest output wanted.

    `max_tokens` None leaves the limit to the provider. `listen` asks for the text as it arrives;
    a chat that does not stream ignores it. A retried attempt starts over: `restart` is called
    before text of a new attempt arrives, so that a listener can drop what it has shown.
    """

    key: CallKey
    messages: tuple[Message, ...]
    max_tokens: int | None = None
    listen: Listen | None = None
    restart: Callable[[], None] | None = None


class Chat(Protocol):
    """Anything that can answer a request."""

    async def complete(self, request: Request) -> Completion:
        """Return the reply.

        Raises `ProviderError` if this attempt failed, `CredentialsError` if the key is refused,
        `UsageError` if the model does not exist, `BudgetExhausted` if it may not be made.
        """
        ...

    async def aclose(self) -> None:
        """Release connections, servers and threads. Calling it twice does no harm."""
        ...


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is asked of the model beyond the messages. None: not sent at all.

    `extra` holds `--option k=v` pairs, sent as they are in the request body.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    extra: dict[str, object] = field(default_factory=dict)
