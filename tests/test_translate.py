"""Foreign errors become ours: every fault over both wires, every class of both SDKs, and no key in any."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import traceback
from email.utils import formatdate
from typing import Any

import aiohttp
import anthropic
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import (
    Cut,
    Empty,
    Fault,
    Loopback,
    Malformed,
    Reply,
    Reset,
    Seen,
    Stall,
    Status,
    StreamError,
    refused_url,
)
from wires import KEY, WIRES, ask, opened, request

from rise_cli.chat.translate import Endpoint, from_event, redact, retry_after, translated
from rise_cli.errors import ConfigurationError, CredentialsError, ProviderError, RiseError, UsageError

HERE = Endpoint("openai", "http://127.0.0.1:9/v1", "m-1", KEY, 10.0)


async def fail(wire: str, fault: Fault, **options: Any) -> RiseError:
    """The error that this fault becomes."""
    with Loopback([fault]) as server, pytest.raises(RiseError) as caught:
        await ask(wire, server, **options)
    assert len(server.seen) == 1, "an attempt is one request: retries are not the SDK's"
    return caught.value


# Over the wire


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("status", "kind", "retryable", "billed"),
    [
        (400, "rejected", False, False),
        (402, "credit", False, False),
        (408, "timeout", True, False),
        (413, "context", False, False),
        (422, "rejected", False, False),
        (429, "rate_limited", True, False),
        (500, "server", True, True),
        (502, "server", True, True),
        (503, "server", True, False),
        (504, "server", True, True),
        (529, "server", True, False),
    ],
)
async def test_statuses(
    status: int, kind: str, retryable: bool, billed: bool, wire: str, stream: bool
) -> None:
    error = await fail(wire, Status(status, "that went wrong"), stream=stream)
    assert isinstance(error, ProviderError)
    assert (error.kind, error.retryable, error.billed, error.status) == (kind, retryable, billed, status)
    assert "that went wrong" in str(error)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_a_matter_of_credentials(status: int, wire: str, stream: bool) -> None:
    error = await fail(wire, Status(status, "who are you?"), stream=stream)
    assert isinstance(error, CredentialsError)
    assert error.exit_code == 3
    assert f"{wire.upper()}_API_KEY" in str(error)
    assert "who are you?" in str(error)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", WIRES)
async def test_an_unknown_model_names_itself_and_how_to_find_others(wire: str, stream: bool) -> None:
    error = await fail(wire, Status(404, "nope"), stream=stream)
    assert isinstance(error, UsageError)
    assert error.exit_code == 2
    for part in ("'m-1'", "http://127.0.0.1", f"`rise models {wire}`"):
        assert part in str(error)


TOO_LONG = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "the request exceeds the available context size (512 tokens)",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    "Please reduce the length of the messages or completion.",
]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("message", TOO_LONG)
async def test_an_input_that_is_too_long(message: str, wire: str) -> None:
    error = await fail(wire, Status(400, message))
    assert isinstance(error, ProviderError)
    assert (error.kind, error.retryable, error.param) == ("context", False, None)


async def test_a_code_alone_says_that_the_input_is_too_long() -> None:
    error = await fail("openai", Status(400, "no", code="context_length_exceeded"))
    assert isinstance(error, ProviderError)
    assert error.kind == "context"


async def test_an_account_without_credit_is_not_asked_again() -> None:
    refusals = {
        "openai": Status(429, "You exceeded your quota.", code="insufficient_quota"),
        "anthropic": Status(400, "Your credit balance is too low to access the Anthropic API."),
    }
    for wire, refusal in refusals.items():
        error = await fail(wire, refusal)
        assert isinstance(error, ProviderError)
        assert (error.kind, error.retryable) == ("credit", False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e12"}, 1e12),
        ({"retry-after": formatdate(0, usegmt=True)}, 0.0),
    ],
)
async def test_how_long_to_wait(
    headers: dict[str, str], seconds: float | None, wire: str, stream: bool
) -> None:
    error = await fail(wire, Status(429, headers=headers), stream=stream)
    assert isinstance(error, ProviderError)
    assert error.retry_after == seconds


FAULTS: list[tuple[Fault, str]] = [
    (Reset(), "connection"),
    (Reset(politely=True), "connection"),
    (Cut(), "broken"),
    (Cut(after_events=0), "broken"),
    (Cut(politely=True), "broken"),
    (Empty(), "broken"),
    (Malformed(), "broken"),
    (Malformed(b"<html>Sign in</html>", content_type="text/html"), "broken"),
    (Malformed(b"[]", content_type="application/json"), "broken"),
    (Malformed(b'{"choices": ' + b"9" * 5000 + b"}", content_type="application/json"), "broken"),
    (Malformed(b"[" * 100_000, content_type="application/json"), "broken"),
    (Malformed(b"null", content_type="application/json"), "broken"),
    (Malformed(b"{}", content_type="application/json"), "broken"),
    (Malformed(b'{"choices": [], "content": null}', content_type="application/json"), "broken"),
    (Malformed(b'{"choices": "\xff"}', content_type="application/json"), "broken"),
    (Malformed(b'data: {"choices": [{"del\n\n'), "broken"),
    (Malformed(b'data: "text"\n\n'), "broken"),
    (Malformed(b"data: \xff\xfe\n\n"), "broken"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(("fault", "kind"), FAULTS)
async def test_what_breaks_is_tried_again_and_may_be_charged(
    fault: Fault, kind: str, wire: str, stream: bool
) -> None:
    error = await fail(wire, fault, stream=stream)
    assert isinstance(error, ProviderError)
    assert (error.kind, error.retryable, error.billed) == (kind, True, True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", WIRES)
async def test_what_stalls_is_given_up_as_a_whole(wire: str, stream: bool) -> None:
    error = await fail(wire, Stall(), stream=stream, timeout_s=0.2)
    assert isinstance(error, ProviderError)
    assert (error.kind, error.retryable, error.billed) == ("timeout", True, True)
    assert "0.2 s" in str(error)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_server_that_says_nothing_is_given_up(wire: str) -> None:
    with Loopback([Reply("late", delay_s=30)]) as server, pytest.raises(ProviderError) as caught:
        await ask(wire, server, timeout_s=0.2)
    assert (caught.value.kind, caught.value.billed) == ("timeout", True)


@pytest.mark.parametrize("wire", WIRES)
async def test_where_nobody_listens_nothing_is_charged(wire: str) -> None:
    url = refused_url()
    with pytest.raises(ProviderError) as caught:
        await ask(wire, url)
    assert (caught.value.kind, caught.value.retryable, caught.value.billed) == ("connection", True, False)
    assert url in str(caught.value)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "busy"}, "server"),
        ({"type": "rate_limit_error", "message": "slow down"}, "rate_limited"),
        ({"code": 429, "message": "slow down"}, "rate_limited"),
        ({"code": "502", "message": "upstream"}, "server"),
        ({"type": "invalid_request_error", "message": "prompt is too long"}, "context"),
        ({"type": "something_new", "message": "?"}, "server"),
        ({"message": None}, "server"),
    ],
)
async def test_errors_that_come_with_status_200(
    error: dict[str, Any], kind: str, stream: bool, wire: str
) -> None:
    got = await fail(wire, StreamError(error), stream=stream)
    assert isinstance(got, ProviderError)
    assert got.kind == kind
    if stream:
        assert got.billed


async def test_a_key_that_is_refused_in_a_stream_is_refused() -> None:
    assert isinstance(from_event({"type": "authentication_error"}, HERE, (), False), CredentialsError)
    assert isinstance(from_event("gone", HERE, (), True), ProviderError)


# Which parameter


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"error": {"message": "no", "param": "temperature"}}, "temperature"),
        ({"error": {"message": "no", "param": "stream_options.include_usage"}}, "stream_options"),
        ({"error": {"message": "Unsupported parameter: 'top_p' is not supported here."}}, "top_p"),
        ({"error": {"message": "Use 'max_completion_tokens' instead of 'max_tokens'."}}, "max_tokens"),
        ({"error": {"message": "temperature: Extra inputs are not permitted"}}, "temperature"),
        ({"error": {"message": "This model does not support temperature"}}, "temperature"),
        ({"error": {"message": "The model's upstream stream broke"}}, None),
        ({"error": {"message": "`stream` is not supported"}}, "stream"),
        ({"error": {"message": "The model rejects these messages", "param": "messages"}}, None),
        ({"error": {"message": "no", "param": "never_sent"}}, None),
        ({"detail": [{"loc": ["body", "min_p"], "msg": "extra fields not permitted"}]}, "min_p"),
        ([{"error": {"message": "Unknown name 'seed': Cannot find field."}}], "seed"),
        ("seed is not supported", "seed"),
        ({}, None),
    ],
)
async def test_the_rejected_parameter_is_found_among_those_sent(
    body: Any, param: str | None, wire: str
) -> None:
    options = ("temperature", "top_p", "max_tokens", "seed", "stream", "stream_options", "min_p")
    sent: dict[str, object] = {"model": "m", "messages": []} | dict.fromkeys(options, None)
    with Loopback([Status(400, body=body)]) as server, pytest.raises(ProviderError) as caught:
        async with opened(wire, server) as chat:
            await chat.send(request(), sent)
    assert (caught.value.kind, caught.value.param) == ("rejected", param)


def test_effort_goes_by_other_names() -> None:
    said = {"type": "invalid_request_error", "message": "This model does not support the effort parameter."}
    for name in ("output_config", "reasoning_effort"):
        error = from_event(said, HERE, {"model", "messages", name}, False)
        assert isinstance(error, ProviderError)
        assert error.param == name


# Keys


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_a_key_that_is_echoed_goes_no_further(status: int, wire: str) -> None:
    echoed = f"no access for {KEY}, Bearer {KEY} and sk-other-9876543210 at http://me:pass-word@host/"
    error = await fail(wire, Status(status, echoed))
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    assert KEY not in shown
    assert "sk-other" not in shown
    assert "pass-word" not in shown
    assert "no access for ***" in shown


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", [Status(400), Status(401), Reset(), Cut(), Empty(), Malformed()])
async def test_no_foreign_error_stays_in_the_chain(fault: Fault, wire: str) -> None:
    error = await fail(wire, fault)
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand  more", "two lines and more"),
        ("\x1b[31mred\x1b]0;title\x07", "[31mred]0;title"),
        (f"{KEY[:8]}\u200e{KEY[8:]}", "***"),
        ("Incorrect API key provided: sk-abcd*****wxyz.", "Incorrect API key provided: ***"),
        ("gsk_1234567890 xai-1234567890 AIzaSyA1234567890", "*** *** ***"),
        ("authorization: Bearer abc.def", "authorization: Bearer ***"),
        ("https://host/v1?key=12345&x=1", "https://host/v1?key=***&x=1"),
        (
            "http://host/v1?a=1&API_KEY=12345 and ?access_token=67",
            "http://host/v1?a=1&API_KEY=*** and ?access_token=***",
        ),
        ("task-force risk-free", "task-force risk-free"),
    ],
)
def test_redaction(text: str, shown: str) -> None:
    assert redact(text, KEY) == shown


@given(st.text(max_size=400), st.text(max_size=400), st.text("abcXYZ019-_.", min_size=8, max_size=60))
def test_no_surrounding_brings_a_key_back(before: str, after: str, key: str) -> None:
    shown = redact(before + key + after, key)
    assert key not in shown
    assert len(shown) <= 300


MINE = "Abcd1234efgh5678ijkl9012"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key abcd1234****9012 is wrong", "key *** is wrong"),
        ("key Abcd****************9012 is wrong", "key *** is wrong"),
        ("key 'Abcd1234...' is wrong", "key '***...' is wrong"),
        ("key …ijkl9012, again", "key ***, again"),
        ("key Abcd1…9012", "key ***"),
        ("key ABCD 1234 **** 9012", "key *** ***"),
        (MINE.upper(), "***"),
        (f"is {MINE[:9]}\n  {MINE[9:]} wrong", "is *** wrong"),
        ("abcd is no key, 9012 neither", "abcd is no key, 9012 neither"),
        ("wait... 2 * 3 …", "wait... 2 * 3 …"),
    ],
)
def test_a_key_that_is_echoed_in_part_or_otherwise_written(text: str, shown: str) -> None:
    assert redact(text, MINE) == shown


# Waiting


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "99999999999999999999"}, 1e20),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Thu, 99 Jan 1970 00:00:00 GMT"}, None),
        ({"retry-after-ms": "-3", "retry-after": "4"}, 4.0),
        ({"retry-after-ms": "x"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, lambda: 100.0) == seconds


@given(st.text())
def test_no_header_is_too_absurd(value: str) -> None:
    seconds = retry_after({"retry-after": value}, lambda: 0.0)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


# None is missed


def classes_of(root: str) -> list[type[Exception]]:
    """Every exception class that an SDK's loaded modules define.

    `type` is asked, since `isinstance` makes the lazy names among them load all that is behind them.
    """
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == root]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if issubclass(type(value), type) and issubclass(value, Exception)
        if value.__module__.startswith(root)
    }
    return sorted(found, key=lambda value: f"{value.__module__}.{value.__qualname__}")


SDK_ERRORS = [value for sdk in (openai, anthropic) for value in classes_of(sdk.__name__)]
TRANSPORT_ERRORS = [value for library in (httpx2, aiohttp) for value in classes_of(library.__name__)]


def test_the_lists_are_not_empty() -> None:
    assert {openai.RateLimitError, anthropic.OverloadedError, openai.APITimeoutError} <= set(SDK_ERRORS)
    assert {httpx2.ReadError, aiohttp.ServerDisconnectedError} <= set(TRANSPORT_ERRORS)


@pytest.mark.parametrize("error", SDK_ERRORS + TRANSPORT_ERRORS)
def test_no_class_of_an_sdk_or_its_transport_escapes(error: type[Exception]) -> None:
    ours = translated(error.__new__(error), HERE, {"temperature"})
    assert isinstance(ours, RiseError)


@pytest.mark.parametrize("sdk", [openai, anthropic])
@pytest.mark.parametrize("status", [300, *range(400, 432), 451, 499, *range(500, 512), 529, 599])
def test_no_status_escapes(sdk: Any, status: int) -> None:
    response = httpx2.Response(status, request=httpx2.Request("POST", "http://127.0.0.1:9"))
    ours = translated(sdk.APIStatusError("no", response=response, body=None), HERE)
    assert isinstance(ours, RiseError)
    if isinstance(ours, ProviderError) and status in {400, 422}:
        assert not ours.retryable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), "timeout"),
        (json.JSONDecodeError("no", "{", 1), "broken"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), "broken"),
        (ConnectionResetError(), "connection"),
    ],
)
def test_what_leaks_past_the_sdk(error: Exception, kind: str) -> None:
    ours = translated(error, HERE)
    assert isinstance(ours, ProviderError)
    assert ours.kind == kind


@pytest.mark.parametrize(
    "error", [ValueError("bug"), KeyError("bug"), ZeroDivisionError(), RuntimeError("bug")]
)
def test_a_bug_stays_a_bug(error: Exception) -> None:
    assert translated(error, HERE) is None


async def test_a_bug_in_a_listener_is_not_swallowed() -> None:
    def listen(text: str, reasoning: bool) -> None:
        raise ZeroDivisionError(text)

    with Loopback() as server:
        for wire in WIRES:
            with pytest.raises(ZeroDivisionError):
                await ask(wire, server, stream=True, listen=listen)


@pytest.mark.parametrize("wire", WIRES)
async def test_an_address_that_is_none_is_a_matter_of_configuration(wire: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL"):
        await ask(wire, "ftp://127.0.0.1/v1")


@pytest.mark.parametrize("wire", WIRES)
async def test_attempts_side_by_side_do_not_mix(wire: str) -> None:
    def script(seen: Seen) -> Reply | Fault:
        return Reply(seen.text) if seen.index % 2 else Status(500)

    with Loopback(script) as server:
        async with opened(wire, server, stream=True) as chat:
            asked = [chat.complete(request(text=f"number {n}")) for n in range(40)]
            got = await asyncio.gather(*asked, return_exceptions=True)
    replies = [(n, one.reply) for n, one in enumerate(got) if not isinstance(one, BaseException)]
    assert len(replies) == 20
    assert all(reply == f"number {n}" for n, reply in replies)
