"""Posting through an SDK's client: the request is the SDK's own, put together once."""

from __future__ import annotations

import gc
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from loopback import Loopback, Reply, Status

from rise_cli.chat.posting import Posting, Refused
from rise_cli.run.garbage import settled

BODY = {"model": "m", "messages": [{"role": "user", "content": "naïve? 你好"}]}
# Of the SDK's own retries and timeouts, which are not used.
TELEMETRY = {"x-stainless-retry-count", "x-stainless-read-timeout", "x-stainless-timeout"}


def _client(wire: str, server: Loopback) -> tuple[Any, httpx2.AsyncClient, str]:
    if wire == "openai":
        http = openai.DefaultAioHttpClient()
        client: Any = openai.AsyncOpenAI(
            api_key="k", base_url=server.openai_url, http_client=http, organization="o", max_retries=0
        )
        return client, http, "/chat/completions"
    http = anthropic.DefaultAioHttpClient()
    client = anthropic.AsyncAnthropic(
        api_key="k", base_url=server.anthropic_url, http_client=http, max_retries=0
    )
    return client, http, "/v1/messages"


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_a_request_is_what_the_sdk_sends(wire: str) -> None:
    with Loopback() as server:
        client, http, path = _client(wire, server)
        posting = Posting(client, http, path, {"X-Own": "1"})
        async with client:
            await client.post(path, cast_to=httpx2.Response, body=BODY, options={"headers": {"X-Own": "1"}})
            for _ in range(2):  # the second is a copy of what the first has put together
                await posting.post(BODY)
        theirs, *ours = server.seen
    expected = {name: value for name, value in theirs.headers.items() if name not in TELEMETRY}
    assert expected.keys() >= {"x-own", "user-agent", "accept-encoding", "content-length"}
    for seen in ours:
        assert (seen.path, seen.body, seen.headers) == (theirs.path, theirs.body, expected)


async def test_a_header_that_is_no_text_is_left_out() -> None:
    with Loopback() as server:
        client, http, path = _client("openai", server)
        dropped = {"authorization": openai.Omit(), "OpenAI-Organization": openai.Omit()}
        async with client:
            await Posting(client, http, path, dropped).post(BODY)
        (seen,) = server.seen
    assert not {"authorization", "openai-organization"} & seen.headers.keys()


async def test_closing_asks_for_it_and_does_not_stay() -> None:
    with Loopback() as server:
        client, http, path = _client("openai", server)
        posting = Posting(client, http, path, {})
        async with client:
            for closing in (False, True, False):
                await posting.post(BODY, closing=closing)
        asked = [seen.headers.get("connection") for seen in server.seen]
    assert asked == ["keep-alive", "close", "keep-alive"]


async def test_an_error_status_is_raised_with_its_body() -> None:
    with Loopback([Status(400, "no thanks"), Reply("yes")]) as server:
        client, http, path = _client("openai", server)
        posting = Posting(client, http, path, {})
        async with client:
            with pytest.raises(Refused) as refused:
                await posting.post({**BODY, "stream": True})
            assert (await posting.post(BODY)).is_success
    assert refused.value.status_code == 400
    assert isinstance(refused.value.body, dict)
    assert "no thanks" in str(refused.value.body)


def test_the_search_for_garbage_is_as_before_afterwards() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with settled():
        assert gc.get_threshold() != before
        assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
