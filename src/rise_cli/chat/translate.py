"""The one place where foreign errors become ours.

`translated` takes whatever an SDK, its HTTP client or a decoder raised. It recognises classes by what
they carry and where they come from, so that neither SDK is imported for the other's sake. Every text
from outside passes `redact`: a key that a provider echoes goes no further.
"""

from __future__ import annotations

import json
import math
import re
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from rise_cli.chat.complaints import Complaint, is_too_long, is_unpaid, read_complaint, status_of
from rise_cli.chat.providers import PROVIDERS
from rise_cli.core.controls import printable
from rise_cli.core.secrets import strike
from rise_cli.errors import ConfigurationError, CredentialsError, ProviderError, RiseError, UsageError

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Whom a call went to: what its error messages name, and the key that they must not."""

    provider: str
    base_url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float | None = None


def translated(
    error: Exception,
    endpoint: Endpoint,
    sent: Collection[str] = (),
    now: Callable[[], float] = time.time,
) -> RiseError | None:
    """Our error for a foreign one; None if it is nobody's error but a bug of ours.

    `sent` are the names in the request body, among which a rejected parameter is looked for. `now`
    is in seconds since the epoch, for a `Retry-After` that is a date.
    """
    if isinstance(error, RiseError):
        return error
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 300:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        billed = status >= 500 and status not in {503, 529}
        body = getattr(error, "body", None)
        return _by_status(read_complaint(status, body, sent, billed, retry_after(headers, now)), endpoint)
    return _by_cause(error, endpoint)


def from_event(error: object, endpoint: Endpoint, sent: Collection[str], started: bool) -> RiseError:
    """Our error for an error object that came with status 200: inside a stream (`started` if some of
    the reply had come), or in place of a reply."""
    status = status_of(error)
    billed = started or (status >= 500 and status not in {503, 529})
    return _by_status(read_complaint(status, error, sent, billed), endpoint)


def redact(text: str, key: str | None) -> str:
    """`text` made safe to show: no terminal controls, no key, on one line, at most 300 characters.

    Masked are the key itself, however it is echoed, and whatever else `strike` takes for a secret.
    """
    struck = strike(printable(text), "***", [key] if key else [])
    text = " ".join(re.sub(r"\*{3,}", "***", struck).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """How many seconds the provider asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as
    a date. A date that is past means 0; what is negative or no number means nothing. No upper limit
    is set here."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now())
    except (ValueError, OverflowError):
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _by_status(said: Complaint, endpoint: Endpoint) -> RiseError:
    who, model, url = endpoint.provider, endpoint.model, endpoint.base_url
    text = f": {said.text}" if said.text else ""
    if said.status in {401, 403}:
        row = PROVIDERS.get(who)
        variables = " or ".join(row.key_vars) if row else ""
        advice = f"check the key in {variables}" if variables else "check the key"
        return CredentialsError(
            redact(f"{who} refused the key ({said.status}); {advice}{text}", endpoint.key)
        )
    if said.status == 404:
        missing = f"has no model {model!r} at {url!r}" if model else f"has no list of models at {url!r}"
        advice = f"; `rise models {who}` lists what it has" if model else "; check the base URL"
        return UsageError(redact(f"{who} {missing}{advice}{text}", endpoint.key))
    kind, sentence = _kind(said, endpoint)
    return ProviderError(
        redact(f"{sentence}{text}", endpoint.key),
        kind=kind,
        status=said.status,
        retry_after=said.retry_after,
        param=said.param if kind == "rejected" else None,
        billed=said.billed,
    )


def _kind(said: Complaint, endpoint: Endpoint) -> tuple[str, str]:
    """The kind of a `ProviderError`, and what to say before the provider's own words."""
    who, status = endpoint.provider, said.status
    if is_unpaid(said):
        return "credit", f"the account at {who} has no credit left ({status}); top it up"
    if status == 429:
        return "rate_limited", f"{who} limits the rate (429); lower --concurrency or wait"
    if status >= 500:
        return "server", f"{who} failed ({status}); try again later"
    if status == 408:
        return "timeout", f"{who} gave up waiting (408); try again"
    if is_too_long(said):
        return "context", f"the input is too long for {endpoint.model!r}; shorten the question or --window"
    return "rejected", f"{who} rejected the request ({status}); change what it names"


# What broke on the way


def _by_cause(error: Exception, endpoint: Endpoint) -> RiseError | None:
    """Classify by the most telling error in the chain: what the SDKs and the transport make of an
    error says less than the error itself, and on occasion something else."""
    chain = list(_chain(error))
    if type(error) is not TimeoutError:
        for classes, kind, billed in _rules():
            if any(isinstance(link, classes) for link in chain):
                return _on_the_way(kind, billed, endpoint)
    if isinstance(error, TimeoutError):
        return _on_the_way("timeout", True, endpoint)
    if type(error).__name__ in {"CredentialsError", "IdentityTokenFileError"}:
        return CredentialsError(redact(f"{endpoint.provider} found no usable key: {error}", endpoint.key))
    if type(error).__module__.partition(".")[0] in _FOREIGN:
        return _on_the_way("broken", True, endpoint)
    return None


_FOREIGN = frozenset(
    {"openai", "anthropic", "httpx2", "httpcore2", "aiohttp", "anyio", "h11", "pydantic_core"}
)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _rules() -> list[tuple[tuple[type[BaseException], ...], str, bool]]:
    """Error classes, the kind they mean, and whether the provider may have done the work; the most
    telling first. Imported here: whoever gets an error has loaded both libraries already."""
    import aiohttp
    import httpx2

    return [
        ((aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError), "certificate", False),
        ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), "address", False),
        ((httpx2.InvalidURL, httpx2.UnsupportedProtocol), "address", False),
        (
            (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError, ConnectionRefusedError),
            "refused",
            False,
        ),
        ((aiohttp.ServerTimeoutError,), "timeout", True),
        ((aiohttp.ClientPayloadError, aiohttp.ClientResponseError, httpx2.DecodingError), "broken", True),
        ((json.JSONDecodeError, UnicodeDecodeError), "broken", True),
        ((aiohttp.ClientError, OSError), "connection", True),
        (
            (httpx2.ConnectTimeout, httpx2.ConnectError, httpx2.PoolTimeout, httpx2.ProxyError),
            "refused",
            False,
        ),
        ((httpx2.TimeoutException,), "timeout", True),
        ((httpx2.NetworkError,), "connection", True),
        ((httpx2.HTTPError, httpx2.StreamError), "broken", True),
    ]


def _on_the_way(kind: str, billed: bool, endpoint: Endpoint) -> RiseError:
    who, url = endpoint.provider, endpoint.base_url
    limit = f" within {endpoint.timeout_s:g} s" if endpoint.timeout_s else ""
    sentences = {
        "certificate": f"the certificate of {url!r} cannot be verified; check the address",
        "address": f"{url!r} is no address to send requests to; check the base URL",
        "refused": f"nothing answers for {who} at {url!r}; check the network, or that the server runs",
        "connection": f"the connection to {who} broke before its reply was complete; try again",
        "timeout": f"{who} gave no complete reply{limit}; try again, or raise --timeout",
        "broken": f"what {who} sent cannot be read as a reply; try again, or check the base URL {url!r}",
    }
    message = redact(sentences[kind], endpoint.key)
    if kind in {"certificate", "address"}:
        return ConfigurationError(message)
    return ProviderError(message, kind="connection" if kind == "refused" else kind, billed=billed)
