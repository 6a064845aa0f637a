"""`scripted:FILE`: replies from a file, for tests, demonstrations and trying out options.

The file is JSON Lines. A line is a JSON string, the reply of turn 1, 2, 3… of every chain, or an
object that says more:

    {"reply": "…", "chain": 2, "turn": 1, "purpose": "attempt", "reasoning": "…", "finish_reason": "stop",
     "usage": {"input_tokens": 9, "output_tokens": 5}, "delay_s": 0.5, "chunk": 8,
     "logprob": -0.1, "entropy": 0.4}

Only `reply` must be there. A line without `turn` is the next turn of its chain and purpose, counted
among the lines that name the same. Of the lines that fit a call, the one that names the most counts,
its chain before its purpose. The problem plays no part.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

from rise_cli.chat import CallKey, Request
from rise_cli.core.domain import Completion, Purpose, Usage
from rise_cli.errors import ProviderError, UsageError

_FINISH_REASONS = ("stop", "length", "refusal", "filtered", "empty")
_CHUNK = 16
_Place = tuple[int | None, int, Purpose | None]


@dataclass(frozen=True, slots=True)
class _Line:
    """One reply: after `delay_s`, which a stream spreads over its pieces of `chunk` characters."""

    completion: Completion
    delay_s: float
    chunk: int


class Scripted:
    """A `Chat` that answers from a file, read when it is made. `stream` False ignores `listen`.

    `UsageError` if the file cannot be read or a line is wrong. A call that the file has no reply for
    is a `ProviderError` ("rejected").
    """

    def __init__(
        self, path: str, *, stream: bool = True, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._path = path
        self._stream = stream
        self._sleep = sleep
        self._lines = _read(path)

    async def complete(self, request: Request) -> Completion:
        line = self._find(request.key)
        if request.listen is None or not self._stream:
            await self._sleep(line.delay_s)
            return line.completion
        reply, reasoning = line.completion.reply, line.completion.reasoning or ""
        pieces = [(piece, True) for piece in _cut(reasoning, line.chunk)]
        pieces += [(piece, False) for piece in _cut(reply, line.chunk)]
        for text, is_reasoning in pieces:
            await self._sleep(line.delay_s / len(pieces))
            request.listen(text, is_reasoning)
        return line.completion

    async def aclose(self) -> None:
        """Nothing to release."""

    def _find(self, key: CallKey) -> _Line:
        chain, turn, purpose = key.chain, key.turn, key.purpose
        for place in [(chain, turn, purpose), (chain, turn, None), (None, turn, purpose), (None, turn, None)]:
            if place in self._lines:
                return self._lines[place]
        raise ProviderError(
            f"{self._path!r} has no reply for turn {turn} of chain {chain} ({purpose}); add a line",
            kind="rejected",
        )


def _read(path: str) -> dict[_Place, _Line]:
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"cannot read the script {path!r}: {reason}") from None
    lines: dict[_Place, _Line] = {}
    counts: dict[tuple[int | None, Purpose | None], int] = {}
    for number, source in enumerate(text.split("\n"), start=1):
        if not source.strip():
            continue
        try:
            place, line = _parse(json.loads(source), counts)
            if place in lines:
                raise ValueError("there is a reply for this call already")
        except ValueError as error:
            raise UsageError(f"line {number} of the script {path!r} is wrong: {error}") from None
        lines[place] = line
    if not lines:
        raise UsageError(
            f"the script {path!r} is empty; write one JSON string a line, the reply of each turn"
        )
    return lines


def _parse(value: object, counts: dict[tuple[int | None, Purpose | None], int]) -> tuple[_Place, _Line]:
    """Raises `ValueError` with what is wrong."""
    known = {"reply", "chain", "turn", "purpose", "reasoning", "finish_reason", "usage", "delay_s", "chunk"}
    known |= {"logprob", "entropy"}
    entry: dict[str, Any] = {"reply": value} if isinstance(value, str) else _mapping(value, known, "the line")
    chain = _positive(entry, "chain")
    purpose = _purpose(entry.get("purpose"))
    turn = _positive(entry, "turn")
    if turn is None:
        turn = counts[chain, purpose] = counts.get((chain, purpose), 0) + 1
    delay = entry.get("delay_s", 0)
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay < 1e6:
        raise ValueError(f"'delay_s' must be seconds, not {delay!r}")
    return (chain, turn, purpose), _Line(
        _completion(entry, delay), delay, _positive(entry, "chunk") or _CHUNK
    )


def _completion(entry: dict[str, Any], delay_s: float) -> Completion:
    reply, reasoning = entry.get("reply"), entry.get("reasoning")
    if not isinstance(reply, str):
        raise ValueError("it has no 'reply' that is a string")
    if not isinstance(reasoning, str | None):
        raise ValueError(f"'reasoning' must be a string, not {reasoning!r}")
    finish = entry.get("finish_reason", "stop" if reply.strip() else "empty")
    if finish not in _FINISH_REASONS:
        raise ValueError(f"'finish_reason' must be one of {', '.join(_FINISH_REASONS)}, not {finish!r}")
    return Completion(
        reply,
        finish,
        reasoning,
        _usage(entry.get("usage")),
        latency_s=float(delay_s),
        logprob=_number(entry, "logprob"),
        entropy=_number(entry, "entropy"),
    )


def _number(entry: dict[str, Any], name: str) -> float | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{name!r} must be a number, not {value!r}")
    return float(value)


def _usage(value: object) -> Usage | None:
    if value is None:
        return None
    entry = _mapping(value, {field.name for field in fields(Usage)}, "'usage'")
    if not {"input_tokens", "output_tokens"} <= entry.keys():
        raise ValueError("'usage' must have 'input_tokens' and 'output_tokens'")
    for name, count in entry.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"{name!r} must be a number of tokens, not {count!r}")
    return Usage(**entry)


def _purpose(value: object) -> Purpose | None:
    try:
        return None if value is None else Purpose(str(value))
    except ValueError:
        raise ValueError(f"'purpose' must be one of {', '.join(Purpose)}, not {value!r}") from None


def _positive(entry: dict[str, Any], name: str) -> int | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name!r} must be a whole number from 1, not {value!r}")
    return value


def _mapping(value: object, known: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a JSON {'string or ' * (what == 'the line')}object")
    for name in value:
        if name not in known:
            raise ValueError(f"{name!r} is not one of {', '.join(sorted(known))}")
    return value


def _cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
