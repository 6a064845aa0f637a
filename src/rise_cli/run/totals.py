"""What came of a batch in sum, from its rows alone, so that a file says the same whenever it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens")
# Failures of replies that came; all others are of calls that brought none.
_OF_REPLIES = {"no_answer", "no_majority", "length", "refusal", "filtered", "empty"}


@dataclass
class Totals:
    """Sums over rows. A sum of which one part is unknown is None."""

    ok: int = 0
    failed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Failed problems by their `failure`."""
    stops: Counter[str] = field(default_factory=Counter)
    scored: int = 0
    """Problems with a reference whose answer could be compared with it."""
    correct: int = 0
    turns: int = 0
    tokens: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(_TOKENS, 0))
    known_usd: float = 0.0
    """The cost of the problems whose cost is known."""
    unpriced: int = 0
    """Problems whose cost is not known."""

    @property
    def problems(self) -> int:
        return self.ok + self.failed

    @property
    def accuracy(self) -> float | None:
        return self.correct / self.scored if self.scored else None

    @property
    def cached_share(self) -> float | None:
        """Cached input tokens of all input tokens."""
        cached, sent = self.tokens["cached_input_tokens"], self.tokens["input_tokens"]
        return cached / sent if cached is not None and sent else None

    @property
    def cost_usd(self) -> float | None:
        return None if self.unpriced else self.known_usd

    def projected_usd(self, left: int, spent: float) -> float | None:
        """What a run that has spent so much may come to once the problems that are left have a row, too:
        as much for each problem as the mean of those whose cost is known. None where that tells nothing.

        Problems under way are among those that are left, and were paid for in part already: so this is
        not added to what is spent.
        """
        known = self.problems - self.unpriced
        if not known or not self.known_usd:
            return None
        return max(spent, self.known_usd / known * (self.problems + left))

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one row, in the format of `rise.trajectory/1`."""
        usage = record["usage"]
        why = _failure(record)
        if why is None:
            self.ok += 1
        else:
            self.failed += 1
            self.failures[why] += 1
        self.stops[record["stop_reason"]] += 1
        if record["correct"] is not None:
            self.scored += 1
            self.correct += record["correct"]
        self.turns += usage["by_purpose"].get("attempt", 0)
        if why is not None and not replied(record):
            return  # no reply came, so there is nothing that it could have cost
        for name in _TOKENS:
            sum_, part = self.tokens[name], usage[name]
            self.tokens[name] = None if sum_ is None or part is None else sum_ + part
        self._pay(record["cost_usd"])

    def summary(self, seconds: float, solved: int) -> dict[str, object]:
        """As JSON, money to a billionth of a dollar. `solved` problems were solved in the `seconds` of
        this run."""
        cost = self.cost_usd
        return {
            "problems": self.problems,
            "ok": self.ok,
            "failed": self.failed,
            "failures": dict(self.failures.most_common()),
            "scored": self.scored,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "turns": self.turns,
            "stops": dict(self.stops.most_common()),
            **self.tokens,
            "cached_share": self.cached_share,
            "cost_usd": None if cost is None else round(cost, 9),
            "known_cost_usd": round(self.known_usd, 9),
            "unpriced": self.unpriced,
            "seconds": round(seconds, 3),
            "solved_now": solved,
            "problems_per_second": round(solved / seconds, 3) if seconds > 0 else None,
        }

    def _pay(self, usd: float | None) -> None:
        if usd is None:
            self.unpriced += 1
        else:
            self.known_usd += usd


def adds_up(record: Mapping[str, Any]) -> bool:
    """Whether a row that somebody may have changed holds what `Totals.add` reads, in the right types."""
    usage, turns = record.get("usage"), record.get("turns")
    if not isinstance(usage, dict) or not isinstance(turns, list):
        return False
    counts = usage.get("by_purpose")
    return (
        isinstance(counts, dict)
        and isinstance(counts.get("attempt", 0), int)
        and usage.keys() >= {"requests", *_TOKENS}
        and all(isinstance(usage[name], int | None) for name in ("requests", *_TOKENS))
        and record.keys() >= {"correct", "cost_usd"}
        and isinstance(record["correct"], bool | None)
        and isinstance(record["cost_usd"], int | float | None)
        and isinstance(record.get("stop_reason"), str)
        and isinstance(record.get("failure"), str | None)
        and all(isinstance(turn, dict) and _is_told(turn) for turn in turns)
    )


def _is_told(turn: Mapping[str, Any]) -> bool:
    return turn.keys() >= {"reply", "failure"} and isinstance(turn["failure"], str | None)


def _failure(record: Mapping[str, Any]) -> str | None:
    """Why the problem has no answer, None if it has one. Rows of the first versions do not say it."""
    if record["status"] == "ok":
        return None
    said: str | None = record.get("failure")
    if said is not None:
        return said
    if not record["turns"]:  # left out with --slim, or there were none
        return "unknown" if record["usage"]["requests"] else "input"
    failures = [turn["failure"] for turn in record["turns"] if turn["failure"]]
    return failures[-1] if failures else "no_answer"


def replied(record: Mapping[str, Any]) -> bool:
    """Whether a problem got a reply at all. Without turns, what its failure is called or its tokens tell."""
    if record["turns"]:
        return any(turn["reply"] is not None for turn in record["turns"])
    return _failure(record) in _OF_REPLIES or record["usage"]["input_tokens"] is not None
