"""What a provider says is wrong with a request: its error bodies, read whatever their shape."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a provider said was wrong: an HTTP status, its words, and the fields it gave."""

    status: int
    text: str
    code: str
    param: str | None
    billed: bool
    retry_after: float | None = None


def read_complaint(
    status: int, body: object, sent: Collection[str], billed: bool, wait: float | None = None
) -> Complaint:
    """Read an error body: an object with or without `error` around it, a list of one, or plain text."""
    if isinstance(body, list) and body:
        body = body[0]
    inner: Any = body
    if isinstance(body, dict):
        inner = body.get("error") or body
    said = inner if isinstance(inner, dict) else {"message": inner}
    text = next((said[name] for name in ("message", "detail", "error") if said.get(name)), "")
    text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, default=str)
    code = " ".join(str(said[name]) for name in ("code", "type") if said.get(name))
    param = _parameter(said.get("param"), said.get("detail"), text, sent)
    return Complaint(status, text, code, param, billed, wait)


_TYPES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def status_of(error: object) -> int:
    """The HTTP status that an error object stands for; 500 where it names none that is known."""
    if not isinstance(error, dict):
        return 500
    for name in ("code", "status", "type"):
        value = error.get(name)
        if isinstance(value, int) and 400 <= value < 600:
            return value
        if isinstance(value, str) and value in _TYPES:
            return _TYPES[value]
        if isinstance(value, str) and re.fullmatch("[45][0-9]{2}", value):
            return int(value)
    return 500


# Never in question: without them there is no request.
_ALWAYS = frozenset({"model", "messages", "system"})
# Words of plain English too: as such they name a parameter only in quotation marks.
_ORDINARY = frozenset({"stream", "stop", "user", "tools", "metadata", "store"})
# What the providers call the parts of a parameter.
_ALIASES = {"effort": ("output_config", "reasoning_effort"), "reasoning": ("reasoning_effort",)}


def _parameter(param: object, detail: object, text: str, sent: Collection[str]) -> str | None:
    """Which of the parameters that were sent the provider complains about: the one that it gives as
    a field, else the first that stands in quotation marks or before a colon, else the first in the text."""
    names = [name for name in sent if name not in _ALWAYS]
    candidates: list[str] = [param] if isinstance(param, str) else []
    if isinstance(detail, list):
        places = (item.get("loc") for item in detail if isinstance(item, dict))
        candidates += [str(step) for place in places if isinstance(place, list) for step in place]
    candidates += re.findall(r"""[`'"‘“]([A-Za-z_][\w.\[\]]*)[`'"’”]""", text)
    candidates += re.findall(r"^([a-z_][\w.]*):", text)
    candidates += [word for word in re.findall(r"[a-z_]{3,}", text) if word not in _ORDINARY]
    for candidate in candidates:
        head = re.split(r"[.\[]", candidate)[0]
        for name in (candidate, head, *_ALIASES.get(head, ())):
            if name in names:
                return name
    return None


_TOO_LONG = re.compile(
    r"context.?length|maximum context|context.?window|context.?size|context limit|exceed_context"
    r"|(?:prompt|input|request|message)s? (?:is|are|was) too (?:long|large)|too many (?:input )?tokens"
    r"|reduce the length|string_above_max_length|request_too_large|maximum prompt length",
    re.IGNORECASE,
)


def is_unpaid(said: Complaint) -> bool:
    """Whether the complaint is that the account has no credit left."""
    # Anthropic says it with status 400 and no code of its own.
    low = said.status == 400 and "credit balance is too low" in said.text.lower()
    return said.status == 402 or "insufficient_quota" in said.code or low


def is_too_long(said: Complaint) -> bool:
    """Whether the complaint is that the input does not fit into the model's context."""
    if said.status in {400, 422}:
        return _TOO_LONG.search(f"{said.code} {said.text}") is not None
    return said.status == 413
