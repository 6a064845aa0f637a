"""Accuracy along what it costs: what a vote would have been right about, had it been held earlier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rise_cli.core.domain import Shape
from rise_cli.measure import equal_cost
from rise_cli.measure.accuracy import Estimate
from rise_cli.measure.rollouts import Rollout


@dataclass(frozen=True, slots=True)
class Spot:
    """A vote of the first so many turns or samples (`name` says which): how often it is right, and what it
    takes for a problem in calls and in tokens, input and output together; None where that is not known."""

    name: str
    right: Estimate
    calls: float
    tokens: float | None


Curve = tuple[Spot, ...]


def curve(rollouts: Sequence[Rollout]) -> Curve:
    """The votes over all chains up to each turn; over the first so many chains where they have one turn.
    Rows without their turns take no part."""
    some = [one for one in rollouts if one.turns]
    shape = _shape(some)
    points = equal_cost.curve(some, shape)
    return tuple(
        Spot(_name(point, points[-1], shape), point.accuracy, point.calls, point.tokens) for point in points
    )


def _name(point: equal_cost.Point, last: equal_cost.Point, shape: Shape) -> str:
    if shape is Shape.INDEPENDENT:
        return f"{point.chains} of {last.chains} samples"
    return f"turn {point.turns}"


def _shape(rollouts: Sequence[Rollout]) -> Shape:
    """As far as it bears on the cost. A row names its protocol, which may be anybody's, and not its shape;
    but its calls tell: fewer than turns, and a reply held several; more, and some were no attempts."""
    calls = sum(one.requests for one in rollouts)
    turns = sum(len(one.turns) for one in rollouts)
    replied = sum(turn.replied for one in rollouts for turn in one.turns)
    if all(one.last <= 1 for one in rollouts):
        return Shape.INDEPENDENT
    if calls < replied:
        return Shape.SINGLE
    asked = any(one.settings.get("confidence") == "asked" for one in rollouts)
    return Shape.REFINE if calls > turns and not asked else Shape.REVISE
