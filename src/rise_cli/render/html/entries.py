"""A row as the page's list has it, short, and as its transcript is shown, whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from rise_cli.core.domain import Place
from rise_cli.measure.rollouts import Rollout

MOST_SEARCHED = 600
"""Characters of a question that the list holds; the rest is in the transcript alone."""
_MOST_OF_ANSWER = 200
_MOST_OF_ID = 200
_MOST_OF_EXTRA = 2000

FLAGS = ("right", "wrong", "fixed", "broken", "unresolved", "unknown", "failed")
"""What a problem can be, by the bits of `Entry.flags`, lowest first."""

_TURN = (
    "chain", "turn", "given", "reply", "reasoning", "answer", "confidence", "critique", "feedback", "reward",
    "verdict", "failure", "finish_reason", "latency_s", "usage", "cost_usd",
)  # fmt: skip
_RECORD = (
    "id", "question", "context", "reference", "answer", "stop_reason", "failure", "confidence", "oracle",
    "cost_usd", "error", "usage", "model",
)  # fmt: skip


class Entry(NamedTuple):
    """What the list shows of a row and searches in. `chunk` and `at` say where its transcript is.
    `tokens` are input and output together."""

    file: int
    id: str
    flags: int
    question: str
    answer: str | None
    turns: int
    tokens: int | None
    confidence: float | None
    chunk: int
    at: int


def flags(rollout: Rollout, *, leads: bool) -> int:
    """What is true of a problem, as bits in the order of `FLAGS`.

    fixed and broken compare the first turn of the first chain with the voted answer. Unresolved: it has an
    answer, and none that more than half of the votes are for (`leads`). Unknown: nobody can tell whether
    the answer is right.
    """
    first = rollout.turns[0].right if rollout.turns else None
    failed = rollout.answer is None
    told = (
        rollout.right is True,
        rollout.right is False,
        first is False and rollout.right is True,
        first is True and rollout.right is False,
        not failed and not leads,
        rollout.right is None and not failed,
        failed,
    )
    return sum(1 << bit for bit, holds in enumerate(told) if holds)


def entry(record: Mapping[str, Any], rollout: Rollout, file: int, place: tuple[int, int]) -> Entry:
    """What the list has of a row, whose transcript is at `place`."""
    leads = leads_votes(record.get("votes"), accepted=record.get("stop_reason") == "accepted")
    counts = (rollout.input_tokens, rollout.output_tokens)
    return Entry(
        file=file,
        id=rollout.id[:_MOST_OF_ID],
        flags=flags(rollout, leads=leads),
        question=str(record.get("question") or "")[:MOST_SEARCHED],
        answer=None if rollout.answer is None else rollout.answer[:_MOST_OF_ANSWER],
        turns=len(rollout.turns),
        tokens=None if None in counts else sum(count or 0 for count in counts),
        confidence=rollout.confidence,
        chunk=place[0],
        at=place[1],
    )


def leads_votes(votes: object, *, accepted: bool) -> bool:
    """Whether the first of the votes has more than half of them, or the answer needs none."""
    if accepted:
        return True
    first = votes[0] if isinstance(votes, list) and votes else None
    share = first.get("share") if isinstance(first, dict) else None
    return isinstance(share, int | float) and share > 0.5


def transcript(record: Mapping[str, Any], rollout: Rollout) -> dict[str, Any]:
    """What the page shows of a row that is opened: the record's own members, those that it shows.

    `right` of a turn is what is measured of it, so that a reply in which nothing could be read is wrong
    here too.
    """
    right = {turn.place: turn.right for turn in rollout.turns}
    shown: dict[str, Any] = {name: record.get(name) for name in _RECORD}
    shown["right"] = rollout.right
    shown["prior"] = [message for message in _dicts(record.get("prior")) if "text" in message]
    shown["votes"] = _dicts(record.get("votes"))
    shown["extra"] = {name: _text(value) for name, value in rollout.extra.items()}
    shown["turns"] = [
        {name: turn[name] for name in _TURN if turn.get(name) is not None}
        | {"right": right.get(Place(turn["turn"], turn["chain"]))}
        for turn in record["turns"]
    ]
    return shown


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    """A field of the input that is not ours, short enough for a line or two."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_OF_EXTRA else f"{text[:_MOST_OF_EXTRA]}…"
