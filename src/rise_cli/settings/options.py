"""The options that every command shares, as one frozen value. Their defaults and limits stand here
and nowhere else.

`expectation` puts a field's limits into words, so that a message cannot drift from the check.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo

from rise_cli.core.address import is_address
from rise_cli.core.domain import Kind, Tie, Vote
from rise_cli.settings.redaction import redacted

_LONGEST_S = 1_000_000.0


class Settings(BaseModel):
    """What a run does and how. None means: not asked for, whoever uses it has its own default.

    `samples` None is the protocol's own number of chains, `window` None its own window ("all" sees
    every past attempt), `draw` None its own draw. `vote` None is `consistent` for answers of kind `text`
    and `majority` otherwise. Times are seconds. `max_cost` is USD; `price` is USD per million input and
    output tokens. `option` goes into the request body as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    model: str | None = Field(
        default=None, min_length=1, description="a model name such as 'openai:gpt-5-mini'"
    )
    base_url: str | None = Field(default=None, description="an http:// or https:// address")
    turns: int = Field(default=5, ge=1, le=50)
    samples: int | None = Field(default=None, ge=1, le=100)
    prompt: str = Field(
        default="introspect", min_length=1, description="the name or the folder of a protocol"
    )
    role: str | None = Field(default=None, min_length=1, description="the name of a role")
    draw: int | None = Field(default=None, ge=1, le=100)
    language: str | None = Field(
        default=None, pattern=r"^[a-z]{2}$", description="a language of two letters such as 'en' or 'zh'"
    )
    window: Annotated[int, Field(ge=0)] | Literal["all"] | None = Field(
        default=None, description="a whole number of at least 0, or 'all'"
    )
    kind: Kind = Kind.AUTO
    vote: Vote | None = None
    vote_temperature: float = Field(default=0.5, gt=0, le=100)
    tie: Tie = Tie.EARLIEST
    threshold: float = Field(default=0.9, ge=0, le=1)
    patience: int = Field(default=2, ge=1)
    early_stop: bool = True
    confidence: Literal["stated", "asked", "logprob", "none"] = "stated"
    calibration: str | None = Field(
        default=None, min_length=1, description="the path of a file that rise calibrate has written"
    )
    check: str | None = Field(default=None, min_length=1, description="a command")
    check_timeout: float = Field(default=60.0, gt=0, le=_LONGEST_S)
    max_cost: float | None = Field(default=None, gt=0)
    max_tokens_total: int | None = Field(default=None, ge=1)
    price: tuple[float, float] | None = Field(
        default=None, description="two prices INPUT,OUTPUT in USD per million tokens, such as 0.25,2"
    )
    max_retries: int = Field(default=6, ge=0, le=100)
    max_wait: float = Field(default=120.0, ge=0, le=_LONGEST_S)
    timeout: float = Field(default=300.0, gt=0, le=_LONGEST_S)
    deadline: float | None = Field(default=None, gt=0, le=_LONGEST_S)
    concurrency: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = Field(
        default="auto", description="a whole number between 1 and 1,000, or 'auto'"
    )
    rpm: int | None = Field(default=None, ge=1)
    tpm: int | None = Field(default=None, ge=1)
    stream: bool | None = None
    seed: int | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    reasoning_effort: str | None = Field(
        default=None, min_length=1, description="a word such as 'low' or 'high'"
    )
    option: dict[str, Any] = Field(default_factory=dict, description="NAME=VALUE")
    strict: bool = False
    log: bool = True
    color: Literal["auto", "always", "never"] = "auto"

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_numbers(cls, value: object, info: Any) -> object:
        # Python counts True as 1, and would take `turns = true` for one turn.
        if isinstance(value, bool) and bool not in _types(cls.model_fields[info.field_name]):
            raise ValueError
        return value

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and not is_address(value):
            raise ValueError
        return value

    @field_validator("price", mode="before")
    @classmethod
    def _two_prices(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("price")
    @classmethod
    def _no_negative_price(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and min(value) < 0:
            raise ValueError
        return value

    @field_validator("option", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if isinstance(value, str):
            value = _lines_or_object(value)
        if isinstance(value, list | tuple):
            value = dict(_pair(item) for item in value)
        json.dumps(value, ensure_ascii=False, default=str).encode()  # a lone surrogate cannot be sent
        return value

    def public(self, keys: frozenset[str] = frozenset()) -> dict[str, object]:
        """Return the settings as JSON-like values with whatever looks like a key struck out."""
        shown = redacted(self.model_dump(mode="json"), keys)
        assert isinstance(shown, dict)  # noqa: S101 - a mapping stays one
        return shown

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from self.public().items()


def expectation(name: str) -> str:
    """Say what a field takes: `a whole number between 1 and 50`, `one of 'auto', 'always' or 'never'`."""
    field = Settings.model_fields[name]
    if field.description:
        return field.description
    types = _types(field)
    if bool in types:
        return "true or false"
    words = [word for word in types if isinstance(word, str)]
    for kind in types:
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            words.extend(kind)
    if words:
        *most, last = (repr(str(word)) for word in words)
        return f"one of {', '.join(most)} or {last}"
    return _range("a whole number" if int in types else "a number", field)


def _range(noun: str, field: FieldInfo) -> str:
    limits = {
        side: f"{getattr(mark, side):,.10g}"
        for mark in field.metadata
        for side in ("ge", "gt", "le")
        if getattr(mark, side, None) is not None
    }
    if "ge" in limits and "le" in limits:
        return f"{noun} between {limits['ge']} and {limits['le']}"
    low = f" above {limits['gt']}" if "gt" in limits else f" of at least {limits['ge']}" if limits else ""
    high = f" and at most {limits['le']}" if "le" in limits else ""
    return noun + low + high


def _types(field: FieldInfo) -> tuple[Any, ...]:
    """The types, or the words of a `Literal`, that a field takes, None aside."""
    annotation = field.annotation
    parts = get_args(annotation) or (annotation,)
    flat = [inner for part in parts for inner in (get_args(part) or (part,))]
    return tuple(part for part in flat if part is not NoneType)


def _lines_or_object(text: str) -> object:
    """An environment variable has no list: it holds a JSON object, or one `NAME=VALUE` a line."""
    if text.lstrip().startswith("{"):
        return _json(text)
    return [line for line in text.splitlines() if line.strip()]


def _pair(item: object) -> tuple[str, object]:
    """Split `name=value`. The value is JSON if it reads as JSON, and text otherwise."""
    name, equals, value = item.partition("=") if isinstance(item, str) else ("", "", "")
    name = name.strip()
    if not name or not equals:
        raise ValueError
    try:
        return name, _json(value)
    except ValueError:
        return name, value


def _json(text: str) -> object:
    """Read strict JSON. Raises `ValueError` also for NaN, for infinities and for absurd nesting."""
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number
