"""Protocols at equal cost: what each would have answered had it stopped after its first turns, or chains.

A protocol that makes more calls is not better for being right more often; it must be so for the same calls,
or the same tokens. So each is cut short at every turn (independent samples: at every chain), with the
majority of what came until then, and two are compared where they cost the same. Nothing is asked again:
the first turns of a trajectory are what a shorter run would have made.

Calls and tokens are means over problems. The tokens of an attempt are recorded with it; those of a critique
or a rating only in the problem's sum, so each of these counts as much as another one of its problem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from rise_cli.core.domain import Shape
from rise_cli.measure.accuracy import Estimate, share
from rise_cli.measure.majority import voted_right
from rise_cli.measure.rollouts import Rollout, Turn

_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Point:
    """The majority of the first `turns` turns of the first `chains` chains, by the ids of the problems:
    right, wrong, or None where nobody can tell. `calls`, `tokens` (input and output) and `cost_usd` are what
    that takes for a problem in the mean; None where a part of it is not known."""

    chains: int
    turns: int
    calls: float
    tokens: float | None
    cost_usd: float | None
    right: Mapping[str, bool | None] = field(repr=False)

    @property
    def name(self) -> str:
        """As the paper calls it."""
        return f"m{self.chains}@t{self.turns}"

    @property
    def accuracy(self) -> Estimate:
        known = [value for value in self.right.values() if value is not None]
        return share(sum(known), len(known))


Curve = tuple[Point, ...]
"""The points of one protocol, the cheapest first; empty where there are no turns."""

Measure = Callable[[Point], float | None]
"""What is to be equal."""

CALLS_WITHIN, TOKENS_WITHIN = 1.05, 1.25
"""How far apart two points may be and count as equal. Calls are whole numbers but for those that failed;
turns are as long as they are, so that tokens meet nowhere exactly."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one problem took: None is not known."""

    calls: float
    tokens: float | None
    cost_usd: float | None


def calls(point: Point) -> float:
    return point.calls


def tokens(point: Point) -> float | None:
    return point.tokens


def curve(rollouts: Sequence[Rollout], shape: Shape) -> Curve:
    """Cut the rollouts of one protocol at each turn, or chain. One whose turns are all in one reply cannot be
    cut: it has one point."""
    chains = max((chain for one in rollouts for chain in one.chains), default=0)
    last = max((one.last for one in rollouts), default=0)
    if not chains:
        return ()
    match shape:
        case Shape.INDEPENDENT:
            cuts = [(k, 1) for k in range(1, chains + 1)]
        case Shape.SINGLE:
            cuts = [(chains, last)]
        case _:
            cuts = [(chains, k) for k in range(1, last + 1)]
    return tuple(_point(rollouts, shape, *cut) for cut in cuts)


def at_equal(ours: Curve, theirs: Curve, of: Measure, within: float) -> tuple[Point, Point] | None:
    """The dearest two points of which none takes more than `within` times as much as the other, the closest
    of several. None where no two come so close, or nobody knows what they take.

    Of two such points, each is the largest of its curve that does not exceed the other one, or that one is.
    """
    if any(of(point) is None for point in (*ours, *theirs)):
        return None
    found: list[tuple[float, float, Point, Point]] = []
    for mine in ours:
        for other in theirs:
            low, high = sorted((of(mine) or 0.0, of(other) or 0.0))
            if low > 0 and high <= low * within + _SLACK:
                found.append((low, -high / low, mine, other))
    return max(found, key=lambda pair: pair[:2])[2:] if found else None


def _point(rollouts: Sequence[Rollout], shape: Shape, chains: int, turns: int) -> Point:
    right: dict[str, bool | None] = {}
    taken: list[Taken] = []
    for one in rollouts:
        kept = [t for t in one.turns if t.place.chain <= chains and t.place.turn <= turns]
        right[one.id] = voted_right(kept, one.tie)
        if one.turns and any(turn.replied for turn in one.turns):  # what brought nothing costs nothing
            taken.append(_taken(one, kept, shape))
    return Point(
        chains=chains,
        turns=turns,
        calls=_mean([one.calls for one in taken]) or 0.0,
        tokens=_mean([one.tokens for one in taken]),
        cost_usd=_mean([one.cost_usd for one in taken]),
        right=right,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known and len(known) == len(values) else None


def _taken(one: Rollout, kept: Sequence[Turn], shape: Shape) -> Taken:
    """What the turns that are kept took, with their part of the calls that are no attempts."""
    sent, received = one.input_tokens, one.output_tokens
    total = None if sent is None or received is None else float(sent + received)
    if len(kept) == len(one.turns):
        return Taken(one.requests, total, one.cost_usd)
    besides = [fsum(_besides(turn, one, shape) for turn in turns) for turns in (kept, one.turns)]
    part = besides[0] / besides[1] if besides[1] else 0.0
    return Taken(
        len(kept) + part * max(one.requests - len(one.turns), 0),
        _shared(total, _tokens(one.turns), _tokens(kept), part),
        _shared(one.cost_usd, _costs(one.turns), _costs(kept), part),
    )


def _besides(turn: Turn, one: Rollout, shape: Shape) -> int:
    """How many calls besides its attempt a turn has: a critique from turn 2 on, a rating."""
    looked_at = shape is Shape.REFINE and turn.place.turn > 1
    return looked_at + (one.settings.get("confidence") == "asked")


def _shared(total: float | None, made: float, held: float, part: float) -> float | None:
    """What is kept of attempts, and as large a part of the rest of the total."""
    return None if total is None else held + part * max(total - made, 0.0)


def _tokens(turns: Sequence[Turn]) -> float:
    return fsum(turn.usage.input_tokens + turn.usage.output_tokens for turn in turns if turn.usage)


def _costs(turns: Sequence[Turn]) -> float:
    return fsum(turn.cost_usd for turn in turns if turn.cost_usd is not None)
