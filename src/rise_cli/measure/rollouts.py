"""A row of a results file as what is measured: which of its turns were right, how sure, at what price.

Texts are left behind, so that a hundred thousand problems fit in memory; a reader who wants a transcript
goes back to the file. Rows are read one at a time and never written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_cli.core.domain import Attempt, Kind, Place, Tie, Usage
from rise_cli.history.restore import candidates
from rise_cli.history.rows import damaged, recorded

Grade = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Returns a record with its rewards and `correct` filled in anew; may raise RiseError."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one chain. `attempt` has no reply text; its `candidate` is None where no answer could be
    read. `right` is False for such a reply, as scoring counts it, and None where nobody can tell: no
    reference and no verdict, or no reply came.

    `usage` and `cost_usd` are those of the call; None where they are not known, and for further rounds of a
    reply that holds many.
    """

    attempt: Attempt
    right: bool | None
    replied: bool
    failure: str | None
    usage: Usage | None
    cost_usd: float | None
    latency_s: float | None

    @property
    def place(self) -> Place:
        return self.attempt.place


@dataclass(frozen=True, slots=True)
class Rollout:
    """One problem and what came of it. `turns` are by turn, then by chain; empty for a row written with
    `--slim`. `right` is that of the voted answer, None where nobody can tell. Sums are None where a part
    is not known. `extra`, `settings` and `model` are the row's own."""

    id: str
    turns: tuple[Turn, ...]
    right: bool | None
    answer: str | None
    has_reference: bool
    stop_reason: str
    failure: str | None
    confidence: float | None
    oracle: bool
    tie: Tie
    requests: int
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    model: str
    settings: Mapping[str, Any]
    extra: Mapping[str, Any]

    @property
    def last(self) -> int:
        """The number of the last turn that any chain took; 0 if there is none."""
        return max((turn.attempt.turn for turn in self.turns), default=0)

    @property
    def chains(self) -> tuple[int, ...]:
        """The numbers of the chains, in order."""
        return tuple(sorted({turn.attempt.chain for turn in self.turns}))


def read(path: Path, grade: Grade | None = None) -> Iterator[Rollout]:
    """Yield what each row of a results file is worth, in the file's order.

    `grade` judges a row again before it is read; without one, what the row says holds. Raises UsageError
    where the file cannot be read or a line is no trajectory, with its number.
    """
    rows = Rows(path)
    for record in rows:
        yield rows.rollout(grade(record) if grade else record)


class Rows:
    """The rows of a results file, one at a time, and what each is worth. Settings that rows have alike
    are kept once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._settings: Mapping[str, Any] = {}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Raises UsageError as `read` does."""
        for number, record in enumerate(recorded(self._path), 1):
            if not _is_measurable(record):
                raise damaged(str(self._path), number)
            yield record

    def rollout(self, record: Mapping[str, Any]) -> Rollout:
        """What such a row is worth, however it has been graded since."""
        if record["settings"] != self._settings:
            self._settings = record["settings"]
        return rollout({**record, "settings": self._settings})


def _is_measurable(record: Mapping[str, Any]) -> bool:
    """Whether a row that somebody may have changed holds what is measured of it, in the right types."""
    usage = record["usage"]
    turns: Sequence[Mapping[str, Any]] = record["turns"]
    return (
        record.keys() >= _MEMBERS
        and all(isinstance(record[name], str | None) for name in ("answer", "reference", "context"))
        and all(isinstance(record[name], str) for name in ("question", "stop_reason"))
        and isinstance(record["correct"], bool | None)
        and isinstance(record["extra"], dict)
        and record["settings"].get("tie") in (None, *Tie)
        and isinstance(record["votes"], list)
        and all(map(_is_vote, record["votes"]))
        and all(isinstance(usage.get(name, ""), int | None) and _is_amount(usage[name]) for name in _COUNTS)
        and _is_amount(usage["requests"])
        and _is_share(record["confidence"])
        and _is_amount(record["cost_usd"])
        and all(map(_is_sound, turns))
    )


def _is_sound(turn: Mapping[str, Any]) -> bool:
    """Whether the numbers of a turn are some that there can be: NaN would spread to every sum, and turns are
    counted up to the last one."""
    return (
        0 < turn["turn"] <= _MOST_TURNS
        and turn["chain"] > 0
        and _is_share(turn.get("confidence"))
        and turn["reward"] in {None, 0, 1}
        and _is_amount(turn.get("cost_usd"))
        and _is_amount(turn.get("latency_s"))
        and (turn["usage"] is None or all(map(_is_amount, turn["usage"].values())))
    )


def _is_amount(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and 0 <= value <= _MOST)


def _is_vote(vote: object) -> bool:
    """Whether it names turns by pairs of numbers, which is all that is read of it."""
    turns = vote.get("turns") if isinstance(vote, dict) else None
    return isinstance(turns, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(number, int) for number in pair)
        for pair in turns
    )


def _is_share(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and 0 <= value <= 1)


_MOST_TURNS = 10_000  # of a chain, far more than anybody can ask for
_MOST = 10**15  # of anything
_COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens")
_MEMBERS = {
    "question", "context", "reference", "correct", "extra", "answer", "stop_reason", "confidence", "oracle",
    "votes", "cost_usd",
}  # fmt: skip


def rollout(record: Mapping[str, Any]) -> Rollout:
    """Return what is measured of a record in the format `rise.trajectory/1`."""
    usage, settings = record["usage"], record["settings"]
    kind = Kind(settings.get("kind", Kind.AUTO))
    same = candidates(record, kind)
    made = [turn for turn in record["turns"] if not turn.get("given")]
    told = record["reference"] is not None or any(turn["reward"] is not None for turn in made)
    turns = (_turn(turn, same, told=told) for turn in made)
    return Rollout(
        id=record["id"],
        turns=tuple(sorted(turns, key=lambda turn: turn.place)),
        right=record["correct"],
        answer=record["answer"],
        has_reference=record["reference"] is not None,
        stop_reason=record["stop_reason"],
        failure=record.get("failure"),
        confidence=record["confidence"],
        oracle=record["oracle"],
        tie=Tie(settings.get("tie") or Tie.EARLIEST),
        requests=usage["requests"],
        input_tokens=usage["input_tokens"],
        cached_tokens=usage["cached_input_tokens"],
        output_tokens=usage["output_tokens"],
        cost_usd=record["cost_usd"],
        model=record["model"],
        settings=settings,
        extra=record["extra"],
    )


def _turn(turn: Mapping[str, Any], same: Mapping[Place, Place], *, told: bool) -> Turn:
    """`told`: right and wrong can be told apart in this row."""
    place = Place(turn["turn"], turn["chain"])
    replied = turn["reply"] is not None
    right = None if turn["reward"] is None else turn["reward"] == 1
    if turn["answer"] is None:
        right = False if replied and told else None
    attempt = Attempt(
        chain=place.chain,
        turn=place.turn,
        reply="",
        answer=turn["answer"],
        candidate=same.get(place),
        confidence=turn["confidence"],
        entropy=turn.get("entropy"),
    )
    return Turn(
        attempt=attempt,
        right=right,
        replied=replied,
        failure=turn["failure"],
        usage=None if turn["usage"] is None else Usage(**turn["usage"]),
        cost_usd=turn.get("cost_usd"),
        latency_s=turn.get("latency_s"),
    )


def by_id(rollouts: Iterable[Rollout]) -> dict[str, Rollout]:
    """The rollouts by their ids; of several with one id the first counts."""
    found: dict[str, Rollout] = {}
    for one in rollouts:
        found.setdefault(one.id, one)
    return found
