"""Whether a row holds all that is read of it, in the sort that it is read in: rows come from files, and
files from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from rise_cli.core.domain import Kind
from rise_cli.history.format import RecordedUsage


def is_whole(record: Mapping[str, Any]) -> bool:
    """Whether a replay can read all that it needs of a row."""
    turns, usage, kind = record.get("turns"), record.get("usage"), record["settings"].get("kind", Kind.AUTO)
    return (
        isinstance(turns, list)
        and all(map(_is_turn, turns))
        and isinstance(usage, dict)
        and isinstance(usage.get("requests"), int)
        and isinstance(record.get("model"), str)
        and isinstance(kind, str)
        and kind in set(Kind)
    )


def _is_turn(turn: object) -> bool:
    if not isinstance(turn, dict) or not turn.keys() >= _TURN:
        return False
    usage = turn["usage"]
    return (
        (usage is None or (isinstance(usage, dict) and _is_usage(usage)))
        and isinstance(turn["chain"], int)
        and isinstance(turn["turn"], int)
        and _are(turn, _TEXTS, str)
        and _are(turn, _NUMBERS, (int, float))
    )


def _are(turn: Mapping[str, Any], names: Iterable[str], sort: type | tuple[type, ...]) -> bool:
    """Whether these members are of this sort, None, or not there. A loop, since every turn of every file is
    looked at."""
    for name in names:
        value = turn.get(name)
        if value is not None and not isinstance(value, sort):
            return False
    return True


def _is_usage(usage: Mapping[str, Any]) -> bool:
    return usage.keys() == _USAGE and _are(usage, _USAGE, int) and None not in usage.values()


# What a replay reads of a turn, and not more: rows of later versions may have further members.
_TURN = {"chain", "turn", "reply", "reasoning", "answer", "failure", "finish_reason", "usage"}
_TURN |= {"reward", "verdict", "feedback"}
_TEXTS = ("reply", "reasoning", "answer", "failure", "finish_reason", "verdict", "feedback", "critique")
# Rows of the first versions have no cost.
_NUMBERS = ("reward", "confidence", "cost_usd", "latency_s", "logprob", "entropy")
_USAGE = {field.name for field in fields(RecordedUsage)}
