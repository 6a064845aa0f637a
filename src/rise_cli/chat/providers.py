"""Who serves models: names, addresses, key variables and default models, in one table.

Looking something up here imports no SDK and calls nobody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import urlsplit

from rise_cli.core.address import is_address
from rise_cli.errors import CredentialsError, UsageError


@dataclass(frozen=True, slots=True)
class Provider:
    """One row of the table.

    `wire` is `openai`, `anthropic`, or `own` for what is not reached over a network. `base_url` is
    what its SDK expects (Anthropic's without `/v1`). `url_var` may override it. The first of
    `key_vars` that is set holds the key. `prices_id` is the provider's name in genai-prices.
    """

    name: str
    wire: str
    base_url: str = ""
    key_vars: tuple[str, ...] = ()
    url_var: str | None = None
    default_model: str | None = None
    needs_key: bool = True
    prices_id: str | None = None

    @property
    def remote(self) -> bool:
        """Whether it is reached through a wire format: neither embedded nor a script."""
        return self.wire != "own"


_TABLE = (
    Provider(
        "openai",
        "openai",
        "https://api.openai.com/v1",
        ("OPENAI_API_KEY",),
        url_var="OPENAI_BASE_URL",
        default_model="gpt-6-luna",
        prices_id="openai",
    ),
    Provider(
        "anthropic",
        "anthropic",
        "https://api.anthropic.com",
        ("ANTHROPIC_API_KEY",),
        url_var="ANTHROPIC_BASE_URL",
        default_model="claude-haiku-5-5",
        prices_id="anthropic",
    ),
    Provider(
        "openrouter",
        "openai",
        "https://openrouter.ai/api/v1",
        ("OPENROUTER_API_KEY",),
        default_model="openai/gpt-6-luna",
        prices_id="openrouter",
    ),
    Provider(
        "deepseek",
        "openai",
        "https://api.deepseek.com/v1",
        ("DEEPSEEK_API_KEY",),
        default_model="deepseek-flash",
        prices_id="deepseek",
    ),
    Provider(
        "groq",
        "openai",
        "https://api.groq.com/openai/v1",
        ("GROQ_API_KEY",),
        default_model="openai/gpt-oss-120b",
        prices_id="groq",
    ),
    Provider(
        "together",
        "openai",
        "https://api.together.xyz/v1",
        ("TOGETHER_API_KEY",),
        default_model="openai/gpt-oss-120b",
        prices_id="together",
    ),
    Provider(
        "mistral",
        "openai",
        "https://api.mistral.ai/v1",
        ("MISTRAL_API_KEY",),
        default_model="mistral-small-latest",
        prices_id="mistral",
    ),
    Provider(
        "gemini",
        "openai",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        default_model="gemini-3.5-flash-lite",
        prices_id="google",
    ),
    Provider(
        "xai",
        "openai",
        "https://api.x.ai/v1",
        ("XAI_API_KEY",),
        default_model="grok-4.3",
        prices_id="x-ai",
    ),
    Provider(
        "ollama",
        "openai",
        "http://127.0.0.1:11434/v1",
        ("OLLAMA_API_KEY",),
        url_var="OLLAMA_HOST",
        needs_key=False,
    ),
    Provider("lmstudio", "openai", "http://127.0.0.1:1234/v1", ("LM_API_TOKEN",), needs_key=False),
    Provider("vllm", "openai", "http://127.0.0.1:8000/v1", ("VLLM_API_KEY",), needs_key=False),
    Provider("local", "own", needs_key=False, default_model=""),
    Provider("scripted", "own", needs_key=False),
)
PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in _TABLE}


def parse_model(name: str) -> tuple[Provider, str]:
    """Split `provider:model` at the first colon; an empty model is the provider's default one.

    `UsageError` for an unknown provider, and where no model is named and there is no default.
    """
    head, colon, model = name.strip().partition(":")
    provider = PROVIDERS.get(head.lower())
    if provider is None:
        raise UsageError(_unknown(name, head, bool(colon)))
    if model:
        return provider, model
    if provider.default_model is None:
        wanted = "a file" if provider.name == "scripted" else "a model"
        raise UsageError(f"name {wanted} after the colon: '{provider.name}:…' instead of {name!r}")
    return provider, provider.default_model


def _unknown(name: str, head: str, colon: bool) -> str:
    known = ", ".join(PROVIDERS)
    if not colon:
        return f"write the model as provider:model instead of {name!r}; the providers are {known}"
    close = get_close_matches(head.lower(), PROVIDERS, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown provider {head!r} in {name!r}; {meant}The providers are {known}"


def find_base_url(
    provider: Provider,
    given: str | None = None,
    environ: Mapping[str, str] = os.environ,
    configured: str | None = None,
) -> str:
    """Where to send requests: what was given, else the provider's own variable, else what the user
    has configured for it, else its default.

    `UsageError` where that is not an http or https address, or names a user.
    """
    url = given or (environ.get(provider.url_var, "").strip() if provider.url_var else "")
    if url and provider.name == "ollama" and not given:
        url = _ollama(url)
    url = url or configured or ""
    if not url:
        return provider.base_url
    if not is_address(url):
        raise UsageError(
            f"write the base URL as http://host:port/path or https://…, not as {url.rpartition('@')[2]!r}"
        )
    parts = urlsplit(url)
    if parts.username is not None:
        raise UsageError(
            f"take the user and password out of the base URL at {parts.hostname!r}: they are not sent; "
            "a key is, from the environment"
        )
    url = url.rstrip("/")
    return url.removesuffix("/v1") if provider.wire == "anthropic" else url


def _ollama(host: str) -> str:
    """OLLAMA_HOST as a base URL. It may lack the scheme, the host or the port, and may name the
    address that the server listens on, which no client can reach."""
    scheme, given, rest = host.rpartition("://")
    rest, _, path = rest.partition("/")
    name, colon, port = rest.rpartition(":") if not rest.endswith("]") else (rest, "", "")
    if not colon:
        name, port = rest, {"http": "80", "https": "443"}.get(scheme, "11434")
    name = "127.0.0.1" if name in {"", "0.0.0.0", "[::]"} else name  # noqa: S104 — compared, not bound
    return f"{scheme if given else 'http'}://{name}:{port}/{path.strip('/') or 'v1'}"


def is_loopback(base_url: str) -> bool:
    """Whether the address is this machine's own."""
    return urlsplit(base_url).hostname in {"127.0.0.1", "localhost", "::1"}


def require_key(provider: Provider, key: str | None, base_url: str) -> str | None:
    """The key to send, as it was given; None where there is none and none is needed.

    A server of one's own may need none, so only a provider's own address demands one.
    `CredentialsError` names the variables to set; it never holds the key.
    """
    found = (key or "").strip() or None
    if found and not (found.isascii() and found.isprintable() and " " not in found):
        raise CredentialsError(f"the key for {provider.name} holds characters that no key has; set it again")
    if found or not provider.needs_key or base_url != provider.base_url:
        return found
    variables = " or ".join(provider.key_vars)
    raise CredentialsError(
        f"no key for {provider.name}: set {variables}, or use the embedded model with --model local:"
    )
