"""What came of a batch in sum, from its rows alone, so that a file says the same whenever it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens")


@dataclass
class Totals:
    """Sums over rows. A sum of which one part is unknown is None."""

    ok: int = 0
    failed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Failed problems by kind: what a call's failure is called, `input` for bad lines, `no_answer` where
    there were replies and none could be used."""
    stops: Counter[str] = field(default_factory=Counter)
    scored: int = 0
    """Problems with a reference whose answer could be compared with it."""
    correct: int = 0
    turns: int = 0
    tokens: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(_TOKENS, 0))
    cost_usd: float | None = 0.0

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

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one row, in the format of `rise.trajectory/1`."""
        usage = record["usage"]
        if record["status"] == "ok":
            self.ok += 1
        else:
            self.failed += 1
            self.failures[_why(record)] += 1
        self.stops[record["stop_reason"]] += 1
        if record["correct"] is not None:
            self.scored += 1
            self.correct += record["correct"]
        self.turns += usage["by_purpose"].get("attempt", 0)
        if record["status"] == "failed" and not any(turn["reply"] is not None for turn in record["turns"]):
            return  # no reply came, so there is nothing that it could have cost
        for name in _TOKENS:
            sum_, part = self.tokens[name], usage[name]
            self.tokens[name] = None if sum_ is None or part is None else sum_ + part
        paid = record["cost_usd"]
        self.cost_usd = None if self.cost_usd is None or paid is None else self.cost_usd + paid

    def summary(self, seconds: float, solved: int) -> dict[str, object]:
        """As JSON. `solved` problems were solved in the `seconds` of this run."""
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
            "cost_usd": self.cost_usd,
            "seconds": round(seconds, 3),
            "solved_now": solved,
            "problems_per_second": round(solved / seconds, 3) if seconds > 0 else None,
        }


def _why(record: Mapping[str, Any]) -> str:
    if not record["turns"]:  # left out with --slim, or there were none
        return "unknown" if record["usage"]["requests"] else "input"
    failures = [turn["failure"] for turn in record["turns"] if turn["failure"]]
    return failures[-1] if failures else "no_answer"
