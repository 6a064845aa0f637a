"""Chat APIs. `connect("provider:model")` gives a `Chat`; only then is that provider's SDK imported.

A `Chat` is one method. Everything around a call (retries, limits, a budget) is a `Chat` around a
`Chat`, put together in `commands/`:

    Retrying(Limited(Budgeted(Counting(Priced(connect(...))))))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rise_cli.core.domain import Completion, Message, Purpose
from rise_cli.errors import UsageError

if TYPE_CHECKING:
    from rise_cli.chat.anthropic import AnthropicChat
    from rise_cli.chat.openai import OpenAIChat
    from rise_cli.chat.providers import Provider
    from rise_cli.chat.wire import Headed

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

    `logprobs` asks for the probabilities of the reply's tokens, and of so many alternatives to each;
    a reply without them is then of no use to anybody. `extra` holds `--option k=v` pairs, sent as they are
    in the request body.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    logprobs: int | None = None
    extra: dict[str, object] = field(default_factory=dict)


def connect(  # noqa: PLR0913 — the one place where a name, its options and the terminal meet
    model: str,
    *,
    key: str | None = None,
    base_url: str | None = None,
    sampling: Sampling | None = None,
    timeout_s: float = 600.0,
    stream: bool = False,
    notice: Notice,
    slots: int = 1,
    context_tokens: int | None = None,
    headed: Headed | None = None,
) -> Chat:
    """A chat with `provider:model`. `key` is not looked for elsewhere; `base_url` goes before the
    provider's own variable.

    `timeout_s` bounds one attempt. `slots` and `context_tokens` size the embedded engine: calls in
    flight, and the longest conversation. `headed` is told the headers of every answer from a network.
    Raises `UsageError` for an unknown provider or an unusable base URL, `CredentialsError` where a needed
    key is missing. Nothing is sent yet.
    """
    from rise_cli.chat.providers import find_base_url, parse_model, require_key

    provider, name = parse_model(model)
    sampling = sampling or Sampling()
    if provider.name == "scripted":
        from rise_cli.chat.scripted import Scripted

        return Scripted(name, stream=stream)
    if provider.name == "local":
        from rise_cli.chat.local import connect_local

        return connect_local(
            name,
            slots=slots,
            context_tokens=context_tokens,
            sampling=sampling,
            timeout_s=timeout_s,
            stream=stream,
            notice=notice,
        )
    from rise_cli.chat.adapting import Adapting

    url = find_base_url(provider, base_url)
    adapter = _adapter(provider)(
        provider=provider.name,
        base_url=url,
        key=require_key(provider, key, url),
        model=name,
        sampling=sampling,
        timeout_s=timeout_s,
        stream=stream,
        headed=headed,
    )
    return Adapting(adapter, notice)


async def list_models(provider: Provider, key: str | None = None, base_url: str | None = None) -> list[str]:
    """The names of the models that a provider offers, as it says itself, in its order.

    Raises as `Chat.complete` does, and `UsageError` for a provider that is not asked over a network.
    """
    from rise_cli.chat.providers import find_base_url, require_key

    if not provider.remote:
        raise UsageError(
            f"{provider.name!r} has no list of models: it runs the file that is named after the colon"
        )
    url = find_base_url(provider, base_url)
    key = require_key(provider, key, url)
    chat = _adapter(provider)(provider=provider.name, base_url=url, key=key, model="")
    try:
        return await chat.models()
    finally:
        await chat.aclose()


def _adapter(provider: Provider) -> type[OpenAIChat] | type[AnthropicChat]:
    """The adapter of the provider's wire. This imports that SDK, and not the other."""
    if provider.wire == "anthropic":
        from rise_cli.chat.anthropic import AnthropicChat

        return AnthropicChat
    from rise_cli.chat.openai import OpenAIChat

    return OpenAIChat
