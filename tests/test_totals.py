"""Sums over rows: what is known of them, and what it tells about those to come."""

from __future__ import annotations

from typing import Any

import pytest

from rise_cli.core.domain import Attempt, Finish, Place, StopReason, Tally
from rise_cli.run.totals import Totals


def row(cost: float | None, *, failure: str | None = None, tokens: int | None = 10) -> dict[str, Any]:
    """A row without its turns, as --slim writes it."""
    usage = dict.fromkeys(("input_tokens", "cached_input_tokens", "output_tokens"), tokens)
    return {
        "status": "failed" if failure else "ok", "failure": failure, "stop_reason": "turns", "correct": None,
        "turns": [], "usage": {**usage, "requests": 2, "by_purpose": {"attempt": 2}}, "cost_usd": cost,
    }  # fmt: skip


def totals(*rows: dict[str, Any]) -> Totals:
    made = Totals()
    for one in rows:
        made.add(one)
    return made


@pytest.mark.parametrize(
    ("rows", "cost", "known", "tokens"),
    [
        ([row(0.5), row(0.25)], 0.75, 0.75, 20),
        ([row(0.5), row(None)], None, 0.5, 20),
        ([row(0.5), row(None, tokens=None)], None, 0.5, None),
        ([row(0.5), row(None, failure="server", tokens=None)], 0.5, 0.5, 10),
        ([row(0.5), row(0.25, failure="server")], 0.75, 0.75, 20),
        ([row(0.5), row(None, failure="no_answer", tokens=None)], None, 0.5, None),
        ([row(0.5), row(None, failure="input", tokens=None)], 0.5, 0.5, 10),
    ],
    ids=["known", "no price", "no usage", "no reply came", "a reply came", "a useless reply", "bad line"],
)
def test_a_sum_is_unknown_only_if_a_reply_is(
    rows: list[dict[str, Any]], cost: float | None, known: float, tokens: int | None
) -> None:
    summary = totals(*rows).summary(1.0, len(rows))
    assert (summary["cost_usd"], summary["known_cost_usd"], summary["input_tokens"]) == (cost, known, tokens)


@pytest.mark.parametrize(
    ("rows", "spent", "projected"),
    [
        ([], 0.1, None),
        ([row(None)], 0.1, None),
        ([row(0.0)], 0.0, None),
        ([row(0.5), row(1.5)], 2.5, 10.0),
        ([row(0.5), row(None)], 2.5, 5.0),
        ([row(0.5), row(1.5)], 12.0, 12.0),
        ([row(1.0), row(None, failure="server", tokens=None)], 1.0, 5.0),
    ],
    ids=["no row", "no price", "free", "known", "one unknown", "more is spent", "one that cost nothing"],
)
def test_what_ten_problems_may_cost_in_all(
    rows: list[dict[str, Any]], spent: float, projected: float | None
) -> None:
    assert totals(*rows).projected_usd(10 - len(rows), spent) == projected


def _end(reason: StopReason, *counts: int) -> Finish:
    places = [Place(turn, 1) for turn in range(1, len(counts) + 1)]
    votes = tuple(
        Tally(place, "A", count, float(count), count / sum(counts), (place,), None)
        for place, count in zip(places, counts, strict=True)
    )
    return Finish(reason, Attempt(1, 1, "A", "A", Place(1, 1), None) if votes else None, votes)


@pytest.mark.parametrize(
    ("end", "has"),
    [
        (_end(StopReason.TURNS, 3, 2), True),
        (_end(StopReason.TURNS, 2, 2), False),
        (_end(StopReason.TURNS, 2, 1, 1), False),
        (_end(StopReason.ACCEPTED, 1, 1), True),
        (_end(StopReason.ERROR), False),
    ],
)
def test_a_majority_is_more_than_half(end: Finish, has: bool) -> None:
    assert end.has_majority == has
