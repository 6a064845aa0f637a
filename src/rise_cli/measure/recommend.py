"""Which protocol, how many turns or samples, which vote and which threshold, for one model and such problems.

Every protocol at every size, under every vote that can be had from recorded turns, is a candidate. Of those
that cannot be told from the most accurate one, the cheapest is recommended: a difference inside its
interval is worth no money. Stops are replayed by the rules of the program itself (`measure.replay`).
A protocol that was not run on all problems is none: another one may have had the harder half of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from rise_cli.core.domain import Policy, Shape, Vote
from rise_cli.core.shapes import looks_back
from rise_cli.core.voting import elect
from rise_cli.measure.accuracy import turns_asked
from rise_cli.measure.equal_cost import Curve, Point
from rise_cli.measure.paired import compare
from rise_cli.measure.replay import as_done, of_measured, play
from rise_cli.measure.rollouts import Rollout

_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Contender:
    """One protocol, and what came of it. `prompt` is what `--prompt` takes: the name, or a folder."""

    name: str
    shape: Shape
    rollouts: tuple[Rollout, ...]
    curve: Curve
    prompt: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to answer: a protocol at one size under one vote. `point.right` is that vote's."""

    contender: Contender
    point: Point
    vote: Vote

    @property
    def name(self) -> str:
        vote = "" if self.vote is Vote.MAJORITY else f", {self.vote} vote"
        return f"{self.contender.name} {self.point.name}{vote}"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`options` are settings by their names. `chosen` is recommended, `best` was right most often; `why` is
    a sentence."""

    options: Mapping[str, object]
    chosen: Candidate
    best: Candidate
    why: str


def recommend(
    contenders: Sequence[Contender], problems: int, rules: Policy | None = None
) -> Recommendation | None:
    """The cheapest of the candidates that cannot be told from the best; None where nothing was graded.

    Only protocols count that were run on all of so many problems. `rules` are those that hold besides what
    is recommended: patience, the temperature of a vote, and what a stated confidence is worth.
    """
    rules = rules or Policy()
    whole = [one for one in contenders if len(one.rollouts) == problems]
    found = [one for one in _candidates(whole, rules) if one.point.accuracy.n]
    if not found:
        return None
    price = _prices(found)
    by_price = sorted(range(len(found)), key=lambda n: (price[n], n))
    best = max(by_price, key=lambda n: found[n].point.accuracy.value or 0.0)
    chosen = next(n for n in by_price if n == best or not _is_worse(found[n], found[best]))
    why = _why(found[chosen], found[best])
    if left_out := [one.name for one in contenders if one not in whole]:
        why += f" Not considered, since they have not answered all problems: {', '.join(left_out)}."
    return Recommendation(_options(found[chosen], rules), found[chosen], found[best], why)


def _candidates(contenders: Sequence[Contender], rules: Policy) -> Iterator[Candidate]:
    for one in contenders:
        for point in one.curve:
            yield Candidate(one, point, Vote.MAJORITY)
            for vote in _votes(one, point):
                right = {
                    rollout.id: _elected(rollout, point, replace(rules, vote=vote))
                    for rollout in one.rollouts
                }
                yield Candidate(one, replace(point, right=right), vote)


def _votes(one: Contender, point: Point) -> Iterator[Vote]:
    """The rules besides the majority that may make a difference."""
    if point.chains * point.turns == 1:
        return
    if looks_back(one.shape):
        yield Vote.LAST
    if any(turn.attempt.confidence is not None for rollout in one.rollouts for turn in rollout.turns):
        yield Vote.WEIGHTED


def _prices(found: Sequence[Candidate]) -> list[float]:
    """By money where all is known and anything costs some, else by tokens, else by calls."""
    money = [one.point.cost_usd for one in found]
    tokens = [one.point.tokens for one in found]
    for prices in (money, tokens):
        known = [price for price in prices if price is not None]
        if len(known) == len(found) and any(known):
            return known
    return [one.point.calls for one in found]


def _is_worse(one: Candidate, than: Candidate) -> bool:
    comparison = compare(one.point.right, than.point.right)
    return comparison.tells and (comparison.difference or 0.0) > 0


def _why(chosen: Candidate, best: Candidate) -> str:
    if chosen is best:
        return f"{best.name} is the most accurate, and nothing that costs less comes within its interval."
    return (
        f"{best.name} was right most often, but {chosen.name} costs less, and the difference is inside its "
        "interval."
    )


def _options(chosen: Candidate, rules: Policy) -> dict[str, object]:
    one, point = chosen.contender, chosen.point
    options: dict[str, object] = {"prompt": one.prompt}
    if one.shape is not Shape.INDEPENDENT:
        # A reply may hold fewer rounds than it was allowed to.
        asked = turns_asked(one.rollouts[0]) if one.shape is Shape.SINGLE else 0
        options["turns"] = max(point.turns, asked)
    if one.shape in {Shape.INDEPENDENT, Shape.AGGREGATE}:
        options["samples"] = point.chains
    options["vote"] = chosen.vote.value
    if looks_back(one.shape) and point.chains == 1 and point.turns > 1:
        options |= _stopping(one, point, replace(rules, vote=chosen.vote))
    return options


def _stopping(one: Contender, point: Point, rules: Policy) -> dict[str, object]:
    """The threshold that saves the most turns and loses no right answer, the highest of several; nothing
    where none saves any and the usual one does no harm; and no stop where each does some."""
    whole = sum(right is True for right in point.right.values())
    never = replace(rules, shape=one.shape, turns=point.turns, samples=1, rates=False, threshold=inf)
    never = replace(never, early_stop=True)
    harmless: dict[float, int] = {}
    for threshold in sorted({*_THRESHOLDS, rules.threshold}):
        right, taken = _counted(one, replace(never, threshold=threshold))
        if right >= whole:
            harmless[threshold] = taken
    if not harmless:
        return {"early_stop": False}
    best = min(harmless, key=lambda threshold: (harmless[threshold], -threshold))
    if harmless[best] == _counted(one, never)[1] and rules.threshold in harmless:
        return {}
    return {"threshold": best}


def _counted(one: Contender, policy: Policy) -> tuple[int, int]:
    """How many problems are right under these rules, and how many turns all of them take."""
    ends = [replayed(rollout, policy) for rollout in one.rollouts]
    return sum(right is True for right, _ in ends), sum(turns for _, turns in ends)


def _elected(rollout: Rollout, point: Point, rules: Policy) -> bool | None:
    """Whether the answer is right that all turns of the point elect."""
    kept = [t for t in rollout.turns if t.place.chain <= point.chains and t.place.turn <= point.turns]
    winner, _ = elect(replace(rules, tie=rollout.tie), map(as_done, kept))
    if winner is not None:
        return next(turn.right for turn in kept if turn.place == winner.place)
    return False if any(turn.right is False for turn in kept) else None


def replayed(rollout: Rollout, policy: Policy) -> tuple[bool | None, int]:
    """Whether the answer is right that the first chain gives under these rules, and the turns it takes; where
    the record ends before the rules do, with the one that was never recorded."""
    policy = replace(policy, tie=rollout.tie)
    end = play(of_measured(rollout, policy), policy)
    return end.right, end.turns
