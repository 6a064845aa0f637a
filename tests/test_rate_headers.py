"""Rate-limit headers as providers send them, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_cli.chat.rate_headers import Said, read

NOW = 1_795_471_200.0  # 2026-11-23T22:00:00Z

OPENAI = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-limit-tokens": "200000",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-requests": "120ms",
    "x-ratelimit-reset-tokens": "6m0s",
    "x-request-id": "req_1",
}

ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2026-11-23T22:00:01Z",
    "anthropic-ratelimit-tokens-limit": "40000",
    "anthropic-ratelimit-tokens-remaining": "39000",
    "anthropic-ratelimit-tokens-reset": "2026-11-23T22:00:02.5+00:00",
    "anthropic-ratelimit-input-tokens-limit": "30000",
    "anthropic-ratelimit-output-tokens-remaining": "8000",
    "anthropic-ratelimit-output-tokens-reset": "2026-11-23T21:59:00Z",
    "anthropic-organization-id": "org_1",
}


@pytest.mark.parametrize("change", [str.lower, str.title])
def test_openai(change: type[str]) -> None:
    assert read([(change(name), value) for name, value in OPENAI.items()], NOW) == {
        "requests": Said(500, 499, 0.12),
        "tokens": Said(200_000, 0, 360.0),
    }


def test_anthropic() -> None:
    assert read(ANTHROPIC.items(), NOW) == {
        "requests": Said(50, 0, 1.0),
        "tokens": Said(40_000, 39_000, 2.5),
        "input-tokens": Said(limit=30_000),
        "output-tokens": Said(remaining=8000, reset_s=0.0),  # a time that is past
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("7.66s", 7.66),
        ("120ms", 0.12),
        ("1s500ms", 1.5),
        ("1d", 86400.0),
        ("0s", 0.0),
        ("30", 30.0),
        (" 2s ", 2.0),
        ("", None),
        ("-1s", None),
        ("soon", None),
        ("1 s", None),
        ("s", None),
        ("1s2m", None),
        ("nan", None),
        ("2026-11-23T22:15:00", None),  # of no zone
        ("9" * 400 + "s", None),
    ],
)
def test_resets(text: str, seconds: float | None) -> None:
    said = read([("x-ratelimit-reset-tokens", text)], NOW)["tokens"]
    assert said.reset_s == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5", "1e9", "many", "٣", "9" * 30])
def test_a_limit_that_is_none(text: str) -> None:
    assert read([("x-ratelimit-limit-requests", text)], NOW)["requests"].limit is None


@pytest.mark.parametrize(
    "name",
    ["x-ratelimit-limit", "x-ratelimit-limit-images", "ratelimit-limit", "x-ratelimit-limit-tokens-day"],
)
def test_names_of_others_say_nothing(name: str) -> None:
    assert read([(name, "5")], NOW) == {}


@given(st.sampled_from([*OPENAI, *ANTHROPIC]), st.text())
def test_whatever_is_sent_can_be_read(name: str, value: str) -> None:
    for said in read([(name, value)], NOW).values():
        assert said.limit is None or said.limit >= 1
        assert said.remaining is None or said.remaining >= 0
        assert said.reset_s is None or 0 <= said.reset_s < float("inf")
