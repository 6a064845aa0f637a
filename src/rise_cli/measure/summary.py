"""Everything that is measured of one results file, and the same as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rise_cli.measure import accuracy
from rise_cli.measure.accuracy import Estimate, is_partial, majority_of, majority_upto
from rise_cli.measure.confidence import Bin, Confidence, Coverage, coverage, measure, reliability
from rise_cli.measure.flips import BreakEven, Flips, between, break_even, total
from rise_cli.measure.opinions import Judged
from rise_cli.measure.paired import Comparison, compare
from rise_cli.measure.rollouts import Rollout
from rise_cli.measure.spending import Spending, spent
from rise_cli.measure.verdict import Verdict, judge


@dataclass(frozen=True, slots=True)
class Figure:
    """One accuracy. `oracle`: only an oracle could have picked these answers. `partial`: some chains
    stopped early, so that turns are missing from it."""

    right: Estimate
    oracle: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What became of the answers of turn `t` in the next one; of all turns where `t` is None."""

    t: int | None
    flips: Flips
    even: BreakEven


@dataclass(frozen=True, slots=True)
class Change:
    """Two ways of answering the same problems, `b` against the baseline `a`, by their names."""

    a: str
    b: str
    comparison: Comparison
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Answers:
    """What was said. `unique_ratio` is the number of different answers to a problem, over the number of
    answers, of all problems together: 1 where every turn says something new. `unreadable` are replies
    without an answer, `lost` the calls that brought no reply."""

    replies: int
    unreadable: int
    lost: int
    unique_ratio: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What is measured of a file, or of the part of it that has one `value` of a field (`by`).

    `graded` of the `problems` have a known outcome; `failed` have no answer; `slim` were written without
    their turns, and count only in what needs none. `voted` is the accuracy of the runs' own answers, found
    with the help of an oracle where `oracle` says so. `turns` and `samples` are the most that any has.
    `figures` are by their names: m1@t1, acc@1, p1@t3 and so on.
    """

    name: str
    problems: int
    graded: int
    failed: int
    slim: int
    models: tuple[str, ...]
    protocols: tuple[str, ...]
    turns: int
    samples: int
    oracle: bool
    partial: bool
    voted: Estimate
    figures: Mapping[str, Figure]
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    flips: Step
    answers: Answers
    stop_reasons: Mapping[str, int]
    turns_used: Mapping[int, int]
    spending: Spending
    confidence: Confidence
    reliability: tuple[Bin, ...]
    coverage: tuple[Coverage, ...]
    judged: Judged | None = None
    value: Any = None
    groups: tuple[Summary, ...] = field(default=())

    @property
    def as_json(self) -> dict[str, Any]:
        """As a plain object, as `rise score --json` prints it."""
        return _as_json(self)


def summarize(rollouts: Sequence[Rollout], name: str, by: str | None = None, value: Any = None) -> Summary:
    """Measure these rollouts; `by` names a field of `extra`, for each value of which a part is measured."""
    turns = max((one.last for one in rollouts), default=0)
    samples = max((len(one.chains) for one in rollouts), default=0)
    partial = is_partial(rollouts)
    return Summary(
        name=name,
        problems=len(rollouts),
        graded=sum(one.right is not None for one in rollouts),
        failed=sum(one.answer is None for one in rollouts),
        slim=sum(not one.turns and one.requests > 0 for one in rollouts),
        models=tuple(sorted({one.model for one in rollouts})),
        protocols=tuple(sorted({str(one.settings.get("protocol", "?")) for one in rollouts})),
        turns=turns,
        samples=samples,
        oracle=any(one.oracle for one in rollouts),
        partial=partial,
        voted=accuracy.voted(rollouts),
        figures=figures(rollouts, turns, samples, partial=partial),
        changes=tuple(_changes(rollouts, turns, samples)),
        steps=tuple(_step(t, between(rollouts, t)) for t in range(1, turns)),
        flips=_step(None, total(rollouts)),
        answers=_answers(rollouts),
        stop_reasons=dict(Counter(one.stop_reason for one in rollouts).most_common()),
        turns_used=dict(sorted(Counter(one.last for one in rollouts if one.turns).items())),
        spending=spent(rollouts),
        confidence=measure(rollouts),
        reliability=tuple(reliability(rollouts)),
        coverage=tuple(coverage(rollouts)),
        value=value,
        groups=() if by is None else tuple(_groups(rollouts, name, by)),
    )


def figures(rollouts: Sequence[Rollout], turns: int, samples: int, *, partial: bool) -> dict[str, Figure]:
    """All accuracies by their names. Votes over chains are there from two chains on."""
    found: dict[str, Figure] = {}
    for t in range(1, turns + 1):
        found[f"m1@t{t}"] = Figure(accuracy.vote_upto(rollouts, t))
    for k in range(2, samples + 1):
        found[f"m{k}@t1"] = Figure(accuracy.vote_of(rollouts, k))
    for t in range(1, turns + 1):
        found[f"acc@{t}"] = Figure(accuracy.at_turn(rollouts, t), partial=partial and t > 1)
    for t in range(2, turns + 1):
        found[f"p1@t{t}"] = Figure(accuracy.ever_right(rollouts, t), oracle=True, partial=partial)
    for k in range(2, samples + 1):
        found[f"p{k}@t1"] = Figure(accuracy.ever_of(rollouts, k), oracle=True)
    return found


def outcomes(
    rollouts: Iterable[Rollout], of: Callable[[Rollout], bool | None] = lambda one: one.right
) -> dict[str, bool | None]:
    """Whether each problem is right, by its id, by default with the answer that the run gave; of several
    with one id the first counts."""
    found: dict[str, bool | None] = {}
    for one in rollouts:
        found.setdefault(one.id, of(one))
    return found


def change(
    a: tuple[str, Mapping[str, bool | None]], b: tuple[str, Mapping[str, bool | None]], seed: int = 0
) -> Change:
    """Compare two named sets of outcomes, `a` being the baseline."""
    compared = compare(a[1], b[1], seed)
    return Change(a[0], b[0], compared, judge(compared, b[0], a[0]))


def _changes(rollouts: Sequence[Rollout], turns: int, samples: int) -> Iterable[Change]:
    """What the further turns of the first chain, and what the further chains, have changed."""
    chain = " of the first chain" if samples > 1 else ""
    first = (f"m1@t1{chain}", outcomes(rollouts, lambda one: majority_upto(one, 1)))
    if turns > 1:
        yield change(
            first, (f"m1@t{turns}{chain}", outcomes(rollouts, lambda one: majority_upto(one, turns)))
        )
    if samples > 1:
        yield change(first, (f"m{samples}@t1", outcomes(rollouts, lambda one: majority_of(one, samples))))


def _step(t: int | None, flips: Flips) -> Step:
    return Step(t, flips, break_even(flips))


def _answers(rollouts: Iterable[Rollout]) -> Answers:
    replies = unreadable = lost = different = 0
    for one in rollouts:
        came = [turn.attempt.candidate for turn in one.turns if turn.replied]
        replies += len(came)
        unreadable += came.count(None)
        lost += len(one.turns) - len(came)
        different += len(set(came) - {None})
    answered = replies - unreadable
    return Answers(replies, unreadable, lost, different / answered if answered else None)


def _groups(rollouts: Iterable[Rollout], name: str, by: str) -> Iterable[Summary]:
    """The parts by the values of a field: numbers in order, then texts, then whatever else."""
    parts: dict[str, tuple[Any, list[Rollout]]] = {}
    for one in rollouts:
        value = one.extra.get(by)
        parts.setdefault(repr(value), (value, []))[1].append(one)
    for value, part in sorted(parts.values(), key=lambda part: _order(part[0])):
        yield summarize(part, name, value=value)


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return 0, float(value), ""
    return (1, 0.0, value) if isinstance(value, str) else (2, 0.0, repr(value))


def _as_json(summary: Summary) -> dict[str, Any]:
    given = asdict(summary)
    spending = {**given["spending"], "cached_share": summary.spending.cached_share}
    for name in ("cost_usd", "known_usd", "per_right_usd"):
        spending[name] = None if spending[name] is None else round(spending[name], 9)
    given["spending"] = spending
    given["figures"] = {
        name: {**asdict(one.right), "oracle": one.oracle, "partial": one.partial}
        for name, one in summary.figures.items()
    }
    given["turns_used"] = {str(turns): n for turns, n in summary.turns_used.items()}
    del given["value"]  # of a part, which says it below
    given["groups"] = [{**_as_json(one), "value": one.value} for one in summary.groups]
    return given
