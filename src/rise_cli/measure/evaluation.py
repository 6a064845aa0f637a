"""Several protocols over the same problems: the paper's table, comparisons at equal cost, and verdicts.

The baseline is self-consistency (independent samples) where it is among them, else the first protocol: what
a protocol is worth is what it adds to as many calls that look at nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rise_cli.core.domain import Policy, Shape
from rise_cli.measure.accuracy import Estimate, ever_of, ever_right, over
from rise_cli.measure.equal_cost import (
    CALLS_WITHIN,
    TOKENS_WITHIN,
    Curve,
    Measure,
    Point,
    at_equal,
    calls,
    curve,
    tokens,
)
from rise_cli.measure.majority import any_right
from rise_cli.measure.recommend import Contender, Recommendation, recommend
from rise_cli.measure.rollouts import Rollout
from rise_cli.measure.spending import Spending, spent
from rise_cli.measure.summary import Change, change

EQUAL_CALLS, EQUAL_TOKENS, FIRST_TURN, FULL = "equal calls", "equal tokens", "any cost", "full size"


@dataclass(frozen=True, slots=True)
class Match:
    """Two points side by side; `at` says in which respect they are comparable, if in any. `theirs` is the
    baseline's."""

    at: str
    ours: Point
    theirs: Point
    change: Change


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one protocol. `single`, `parallel`, `sequential` and `oracle` are m1@t1, mK@t1, m1@tT and
    p1@tT; of a protocol with several chains of several turns `sequential` is the majority of all of them,
    and of independent samples `oracle` is whether any of them is right. None: it has no such figure.

    `match` is the headline: against the baseline at equal calls, or of the baseline itself its votes against
    its first reply. `unreadable` is the share of replies without an answer.
    """

    name: str
    shape: Shape
    curve: Curve
    problems: int
    graded: int
    unanswered: int
    unreadable: float | None
    single: Estimate
    parallel: Estimate | None
    sequential: Estimate | None
    oracle: Estimate | None
    spending: Spending
    matches: tuple[Match, ...]

    @property
    def match(self) -> Match | None:
        return self.matches[0] if self.matches else None

    @property
    def full(self) -> Point:
        return self.curve[-1]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All protocols of one model. `turns` are those that were asked for; `missing` names the protocols of
    which there are no rows."""

    model: str
    turns: int
    problems: int
    baseline: str
    outcomes: tuple[Outcome, ...]
    missing: tuple[str, ...]
    recommended: Recommendation | None

    @property
    def as_json(self) -> dict[str, Any]:
        return _as_json(self)


def contender(name: str, shape: Shape, rollouts: Sequence[Rollout], prompt: str | None = None) -> Contender:
    """What came of a protocol. `prompt` is what `--prompt` takes, where that is not its name."""
    return Contender(name, shape, tuple(rollouts), curve(rollouts, shape), prompt or name)


def evaluate(
    contenders: Sequence[Contender], *, model: str, turns: int, problems: int, rules: Policy | None = None
) -> Evaluation:
    """Compare them. There must be one at least that has turns. `rules` are those of `recommend`."""
    there = [one for one in contenders if one.curve]
    baseline = next((one for one in there if one.shape is Shape.INDEPENDENT), there[0])
    return Evaluation(
        model=model,
        turns=turns,
        problems=problems,
        baseline=baseline.name,
        outcomes=tuple(_outcome(one, baseline, turns) for one in there),
        missing=tuple(one.name for one in contenders if not one.curve),
        recommended=recommend(there, problems, rules),
    )


def between(a: Evaluation, b: Evaluation) -> tuple[Match, ...]:
    """What model b is worth against model a: each protocol that both have, at its full size."""
    theirs = {one.name: one for one in a.outcomes}
    return tuple(
        _match(FULL, (f"{b.model} {one.name}", one.full), (a.model, theirs[one.name].full))
        for one in b.outcomes
        if one.name in theirs
    )


def _outcome(one: Contender, baseline: Contender, turns: int) -> Outcome:
    independent = one.shape is Shape.INDEPENDENT
    replies = [turn for rollout in one.rollouts for turn in rollout.turns if turn.replied]
    unreadable = sum(turn.attempt.candidate is None for turn in replies)
    full = one.curve[-1]
    parallel = _sized(one.curve, turns) if independent else None
    return Outcome(
        name=one.name,
        shape=one.shape,
        curve=one.curve,
        problems=len(one.rollouts),
        graded=full.accuracy.n,
        unanswered=sum(not any(turn.replied for turn in rollout.turns) for rollout in one.rollouts),
        unreadable=unreadable / len(replies) if replies else None,
        single=_single(one),
        parallel=None if parallel is None else parallel.accuracy,
        sequential=None if independent else full.accuracy,
        oracle=_oracle(one, turns),
        spending=spent(one.rollouts),
        matches=tuple(_matches(one, baseline, turns)),
    )


def _sized(points: Curve, size: int) -> Point:
    """The point of so many chains, or the largest there is."""
    return points[min(size, len(points)) - 1]


def _first(one: Contender) -> dict[str, bool | None]:
    """Whether the first turn of the first chain is right, by the problem's id."""
    found = {}
    for rollout in one.rollouts:
        firsts = [turn for turn in rollout.turns if turn.place == (1, 1)]
        found[rollout.id] = firsts[0].right if firsts else None
    return found


def _single(one: Contender) -> Estimate:
    first = _first(one)
    return over(one.rollouts, lambda rollout: first[rollout.id])


def _oracle(one: Contender, turns: int) -> Estimate:
    if one.shape is Shape.INDEPENDENT:
        return ever_of(one.rollouts, min(turns, len(one.curve)))
    if one.curve[-1].chains > 1:
        return over(one.rollouts, lambda rollout: any_right(rollout.turns))
    return ever_right(one.rollouts, one.curve[-1].turns)


def _matches(one: Contender, baseline: Contender, turns: int) -> list[Match]:
    found: list[Match] = []
    if one is not baseline:
        respects: tuple[tuple[str, Measure, float], ...] = (
            (EQUAL_CALLS, calls, CALLS_WITHIN),
            (EQUAL_TOKENS, tokens, TOKENS_WITHIN),
        )
        for at, of, within in respects:
            if (points := at_equal(one.curve, baseline.curve, of, within)) is not None:
                ours, theirs = points
                found.append(_match(at, (one.name, ours), (baseline.name, theirs)))
    first, last = one.curve[0], one.curve[-1]
    if one.shape is Shape.INDEPENDENT:
        last = _sized(one.curve, turns)
    if last is not first and first.chains == 1:
        found.append(_match(FIRST_TURN, (one.name, last), ("its own", first)))
    return found


def _match(at: str, ours: tuple[str, Point], theirs: tuple[str, Point]) -> Match:
    a, b = f"{theirs[0]} {theirs[1].name}", f"{ours[0]} {ours[1].name}"
    return Match(at, ours[1], theirs[1], change((a, theirs[1].right), (b, ours[1].right)))


def _as_json(evaluation: Evaluation) -> dict[str, Any]:
    advice = evaluation.recommended
    return {
        "model": evaluation.model,
        "problems": evaluation.problems,
        "baseline": evaluation.baseline,
        "protocols": [_outcome_json(one) for one in evaluation.outcomes],
        "missing": list(evaluation.missing),
        "recommended": None
        if advice is None
        else {
            "options": dict(advice.options),
            "what": advice.chosen.name,
            "best": advice.best.name,
            "why": advice.why,
        },
    }


def _outcome_json(one: Outcome) -> dict[str, Any]:
    figures: Mapping[str, Estimate | None] = {
        "m1@t1": one.single,
        "parallel": one.parallel,
        "sequential": one.sequential,
        "oracle": one.oracle,
    }
    return {
        "protocol": one.name,
        "problems": one.problems,
        "graded": one.graded,
        "unanswered": one.unanswered,
        "unreadable": one.unreadable,
        **{name: None if figure is None else asdict(figure) for name, figure in figures.items()},
        "points": [_point_json(point) for point in one.curve],
        "spending": _rounded(asdict(one.spending)),
        "comparisons": [match_json(match) for match in one.matches],
    }


def _point_json(point: Point) -> dict[str, Any]:
    taken = {"calls": point.calls, "tokens": point.tokens, "cost_usd": point.cost_usd}
    return {"name": point.name, **_rounded(taken), "accuracy": asdict(point.accuracy)}


def match_json(match: Match) -> dict[str, Any]:
    """One comparison: which points of whom, at equal what, the difference and the verdict."""
    return {
        "at": match.at,
        "what": match.change.b,
        "baseline": match.change.a,
        "calls": [match.ours.calls, match.theirs.calls],
        "tokens": [match.ours.tokens, match.theirs.tokens],
        **asdict(match.change.comparison),
        "verdict": asdict(match.change.verdict),
    }


def _rounded(taken: Mapping[str, Any]) -> dict[str, Any]:
    """Money to a billionth of a dollar."""
    return {
        name: round(value, 9) if isinstance(value, float) and name.endswith("usd") else value
        for name, value in taken.items()
    }
