"""Hand-made rollouts as they are measured: a table of words (see `rollouts`), and which letter is right.

measured("p", "B", "A90 B80", "B -")      two chains of two turns; B is right, and A is not
measured("p", None, "A")                  nobody can tell
"""

from __future__ import annotations

from typing import Any

from rollouts import rollout

from rise_cli.core.domain import Attempt, Completion, Done, Failure, Tie, Usage
from rise_cli.measure.majority import majority, voted_right
from rise_cli.measure.rollouts import Rollout, Turn

USAGE = Usage(input_tokens=100, output_tokens=20, cached_input_tokens=50)


def measured(id: str, right: str | None, *chains: str, **given: Any) -> Rollout:  # noqa: A002 - it is one
    """A rollout whose answer is the majority of all turns. `given` are members of it."""
    turns = tuple(_turn(done, right) for done in rollout(*chains))
    winner = majority(turns)
    calls = [turn.usage for turn in turns if turn.usage]
    members: dict[str, Any] = {
        "id": id,
        "turns": turns,
        "right": voted_right(turns),
        "answer": winner.attempt.answer if winner else None,
        "has_reference": right is not None,
        "stop_reason": "turns",
        "failure": None if winner else "no_answer",
        "confidence": winner.attempt.confidence if winner else None,
        "oracle": False,
        "tie": Tie.EARLIEST,
        "requests": len(turns),
        "input_tokens": 100 * len(calls),
        "cached_tokens": 50 * len(calls),
        "output_tokens": 20 * len(calls),
        "cost_usd": 0.001 * len(calls),
        "model": "scripted:t",
        "settings": {"protocol": "introspect", "turns": max((t.place.turn for t in turns), default=0)},
        "extra": {},
    }
    return Rollout(**(members | given))


def _turn(done: Done, right: str | None) -> Turn:
    if isinstance(done.result, Failure):
        return Turn(_nothing(done), None, False, done.result.kind, None, None, None)
    attempt = done.attempts[0]
    assert isinstance(done.result, Completion)
    known = None if right is None else attempt.answer == right
    return Turn(attempt, known, True, None, USAGE, 0.001, 1.0)


def _nothing(done: Done) -> Attempt:
    return Attempt(done.call.chain, done.call.turn, "", None, None, None)
