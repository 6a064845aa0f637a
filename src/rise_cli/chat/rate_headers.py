"""What providers say about their rate limits in the headers of every answer, refusals among them.

OpenAI and compatible servers (durations such as `6m0s`, `1.5s` or `120ms`):

    x-ratelimit-limit-requests: 500        x-ratelimit-remaining-tokens: 0
    x-ratelimit-reset-tokens: 6m0s         and so on, for requests and tokens

Anthropic (times of RFC 3339), for requests, tokens, input-tokens and output-tokens:

    anthropic-ratelimit-requests-limit: 50
    anthropic-ratelimit-input-tokens-remaining: 0
    anthropic-ratelimit-input-tokens-reset: 2026-11-23T22:15:00Z

Whatever is unknown or malformed counts as not said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

UNITS = ("requests", "tokens", "input-tokens", "output-tokens")

_NAME = re.compile(
    r"x-ratelimit-(?P<what>limit|remaining|reset)-(?P<unit>requests|tokens)"
    r"|anthropic-ratelimit-(?P<unit2>requests|tokens|input-tokens|output-tokens)"
    r"-(?P<what2>limit|remaining|reset)"
)
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_SECONDS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Said:
    """About one unit: how many a minute (at least 1), how many are left, and in how many seconds all of
    them are back. None: not said."""

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None


def read(headers: Iterable[tuple[str, str]], now: float) -> dict[str, Said]:
    """What the headers say, by unit; empty if nothing. `now` is in seconds since the epoch.

    Names are in any case. Limits are taken as being a minute's, which they are wherever it matters: of
    a limit for a day, a minute's worth is never more.
    """
    found: dict[str, Said] = {}
    for name, value in headers:
        if "ratelimit" not in (name := name.lower()) or not (match := _NAME.fullmatch(name)):
            continue
        unit, what = match["unit"] or match["unit2"], match["what"] or match["what2"]
        said = found.get(unit, Said())
        match what:
            case "limit":
                found[unit] = replace(said, limit=_number(value) or None)
            case "remaining":
                found[unit] = replace(said, remaining=_number(value))
            case "reset":
                found[unit] = replace(said, reset_s=_until(value, now))
    return found


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _until(text: str, now: float) -> float | None:
    """Seconds from now: a duration, bare seconds, or a time that is to come."""
    text = text.strip()
    if (number := _number(text)) is not None:
        return float(number)
    if text.isascii() and len(text) <= 40 and (match := _DURATION.fullmatch(text)) and any(match.groups()):
        return sum(float(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)
    try:
        moment = datetime.fromisoformat(text)
        return max(0.0, moment.timestamp() - now) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
