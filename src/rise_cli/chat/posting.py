"""Posting through an SDK's client, without putting the same request together anew for every call.

Of the CPU that an SDK's own `post` takes, more than half goes into what is the same in every call:
merging options and headers, joining the URL, copying it all. Here that is done once, from the SDK's
public parts; a call is a copy of it with a body of its own. It is sent by the HTTP client that the SDK
was handed, so connections, proxies and redirects are what the SDK's would be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from typing import Protocol

import httpx2

_encoded = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Client(Protocol):
    """What both SDKs' clients have. A header that is no text is one to leave out."""

    @property
    def base_url(self) -> httpx2.URL: ...
    @property
    def auth_headers(self) -> Mapping[str, object]: ...
    @property
    def default_headers(self) -> Mapping[str, object]: ...


class Refused(Exception):
    """An answer with a status other than 2xx, as `translated` reads it."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response.status_code)
        self.status_code = response.status_code
        self.response = response
        self.body: object = response.text.strip()
        with suppress(ValueError, RecursionError):
            self.body = json.loads(response.text)


class Posting:
    """Posts JSON to `path`, which is joined to the client's base URL, with `headers` over the client's.

    `http` is what `client` sends with. To be used within one event loop.
    """

    def __init__(
        self, client: Client, http: httpx2.AsyncClient, path: str, headers: Mapping[str, object]
    ) -> None:
        self._client = client
        self._http = http
        self._path = path
        self._headers = headers
        self._patterns: dict[bool, httpx2.Request] = {}

    async def post(self, body: Mapping[str, object], *, closing: bool = False) -> httpx2.Response:
        """Send `body` and return the answer: of a stream, as soon as its head is there.

        `closing` asks the server to close the connection afterwards. Raises `Refused`, and what the
        HTTP client raises.
        """
        pattern = self._patterns.get(closing) or self._pattern(closing)
        request = httpx2.Request(
            "POST",
            pattern.url,
            headers=pattern.headers,
            content=_encoded(body).encode(),
            extensions=pattern.extensions,
        )
        response = await self._http.send(request, stream=bool(body.get("stream")))
        if not response.is_success:
            await response.aread()
            raise Refused(response)
        return response

    def _pattern(self, closing: bool) -> httpx2.Request:
        """The request without a body. Made within the event loop, which the SDKs name in a header."""
        headers = httpx2.Headers()
        client, more = self._client, {"Connection": "close"} if closing else {}
        merged = (client.auth_headers, client.default_headers, self._headers, more)
        for name, value in chain.from_iterable(part.items() for part in merged):
            if isinstance(value, str):
                headers[name] = value
            else:
                headers.pop(name, None)
        url = client.base_url.copy_with(raw_path=client.base_url.raw_path + self._path.lstrip("/").encode())
        pattern = self._http.build_request("POST", url, headers=headers)
        del pattern.headers["content-length"]
        self._patterns[closing] = pattern
        return pattern
