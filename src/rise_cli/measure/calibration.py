"""How often is a model right that says it is 90% sure? Fitted, and tested on problems not fitted to.

Two ways from stated confidence to the chance of being right, of which neither ever turns the order round:

isotonic   the rising step function that is nearest (Zadrozny & Elkan 2002); with enough turns it follows
           any shape
platt      a logistic curve of the logit of the confidence (Platt 1999); two numbers, for few turns

Turns of one problem stand or fall together, so folds are cut between problems, never within one. The way
with the smaller Brier score over the folds is taken, or `identity`, what the model says itself, where
neither is better than that. A chance is never fitted as 0 or 1: by the rule of succession, n turns that
were all right leave one in n + 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, fsum, log, log1p
from typing import Any

from rise_cli.core.calibration import Breakpoints, calibrated
from rise_cli.errors import ConfigurationError, UsageError
from rise_cli.measure.confidence import Pair, auroc, ece_of, in_bins
from rise_cli.measure.rollouts import Rollout

FEWEST_PROBLEMS = 50
FEWEST_EACH = 20
"""Problems with a right turn, and with a wrong one, that state a confidence."""

_FOLDS = 5
_MOST_SURE = 0.999  # the logit of 1 has no end
_CURVE = 40  # pieces of a line that stand for a logistic curve: off by less than 0.002


@dataclass(frozen=True, slots=True)
class Stated:
    """A turn that states a confidence and is known to be right or wrong."""

    problem: str
    confidence: float
    right: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """How well confidences go with being right; `auroc` is None where all are right, or none."""

    brier: float
    log_loss: float
    ece: float
    auroc: float | None


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found. `before` is of the confidences as stated, `after` of the chances that a fit to the
    other folds gives them, `tried` the same of every way; `chances` are those of `after`, turn by turn."""

    method: str
    breakpoints: Breakpoints
    before: Figures
    after: Figures
    tried: dict[str, Figures]
    chances: tuple[float, ...]
    problems: int
    turns: int


def stated(rollouts: Sequence[Rollout]) -> list[Stated]:
    """What there is to fit to, in the order of the rollouts."""
    return [
        Stated(one.id, turn.attempt.confidence, turn.right)
        for one in rollouts
        for turn in one.turns
        if turn.attempt.answer is not None and turn.attempt.confidence is not None and turn.right is not None
    ]


def lacking(turns: Sequence[Stated]) -> str | None:
    """What there is too little of to fit anything, in words, or None. Problems count, and not turns, since
    those of one problem say much the same."""
    problems = {turn.problem for turn in turns}
    right = {turn.problem for turn in turns if turn.right}
    wrong = {turn.problem for turn in turns if not turn.right}
    wants = [
        (FEWEST_PROBLEMS, len(problems), "problems with a stated confidence and a known result"),
        (FEWEST_EACH, len(right), "of them with a right turn"),
        (FEWEST_EACH, len(wrong), "of them with a wrong turn"),
    ]
    short = [
        f"at least {least} {what}, and there are {have:,}" for least, have, what in wants if have < least
    ]
    return "; ".join(short) or None


def fit(turns: Sequence[Stated]) -> Fit:
    """Fit the turns. Raises UsageError where there are too few, and ConfigurationError where scikit-learn
    is missing."""
    if (short := lacking(turns)) is not None:
        raise UsageError(f"too little to calibrate: it takes {short}")
    pairs = [(turn.confidence, turn.right) for turn in turns]
    folds = _folds(turns)
    ways: dict[str, Callable[[Sequence[Pair]], Breakpoints]] = {"isotonic": _isotonic, "platt": _platt}
    chances = {"identity": tuple(confidence for confidence, _ in pairs)}
    chances |= {name: _held_out(pairs, folds, way) for name, way in ways.items()}
    tried = {name: figures(found, [right for _, right in pairs]) for name, found in chances.items()}
    # Of equals the first: what the model says itself.
    best = min(tried, key=lambda name: round(tried[name].brier, 9))
    return Fit(
        method=best,
        breakpoints=((0.0, 0.0), (1.0, 1.0)) if best == "identity" else ways[best](pairs),
        before=tried["identity"],
        after=tried[best],
        tried=tried,
        chances=chances[best],
        problems=len({turn.problem for turn in turns}),
        turns=len(turns),
    )


def figures(chances: Sequence[float], right: Sequence[bool]) -> Figures:
    """Measure chances against what came true. The log loss takes none of them as surer than 99.9%."""
    known = list(zip(chances, right, strict=True))
    losses = [_log_loss(chance, was) for chance, was in known]
    return Figures(
        brier=fsum((chance - was) ** 2 for chance, was in known) / len(known),
        log_loss=fsum(losses) / len(known),
        ece=ece_of(in_bins(known)),
        auroc=auroc(known),
    )


def _log_loss(chance: float, right: bool) -> float:
    chance = min(max(chance, 1 - _MOST_SURE), _MOST_SURE)
    return -log(chance) if right else -log1p(-chance)


def _folds(turns: Sequence[Stated]) -> list[tuple[list[int], list[int]]]:
    """Where to fit and where to test, fold by fold: no problem is on both sides."""
    groups = [turn.problem for turn in turns]
    cut = _sklearn("model_selection").GroupKFold(_FOLDS, shuffle=True, random_state=0)
    return [(list(map(int, a)), list(map(int, b))) for a, b in cut.split(groups, groups=groups)]


def _held_out(
    pairs: Sequence[Pair],
    folds: Sequence[tuple[list[int], list[int]]],
    way: Callable[[Sequence[Pair]], Breakpoints],
) -> tuple[float, ...]:
    """The chance of every turn, by a fit to the problems of the other folds."""
    found = [0.0] * len(pairs)
    for inside, outside in folds:
        breakpoints = way([pairs[at] for at in inside])
        for at in outside:
            found[at] = calibrated(pairs[at][0], breakpoints)
    return tuple(found)


def _isotonic(pairs: Sequence[Pair]) -> Breakpoints:
    least = 1 / (len(pairs) + 2)
    model = _sklearn("isotonic").IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip")
    model.fit([confidence for confidence, _ in pairs], [float(right) for _, right in pairs])
    return _rising(list(zip(model.X_thresholds_, model.y_thresholds_, strict=True)))


def _platt(pairs: Sequence[Pair]) -> Breakpoints:
    """A falling curve is none that may be used: what is left of it is the share that is right."""
    rights = [int(right) for _, right in pairs]
    if len(set(rights)) == 1:
        return _flat(rights)
    model = _sklearn("linear_model").LogisticRegression()
    model.fit([[_logit(confidence)] for confidence, _ in pairs], rights)
    slope, intercept = float(model.coef_[0][0]), float(model.intercept_[0])
    if slope <= 0:
        return _flat(rights)
    steps = [step / _CURVE for step in range(_CURVE + 1)]
    return _rising([(x, 1 / (1 + exp(-(slope * _logit(x) + intercept)))) for x in steps])


def _flat(rights: Sequence[int]) -> Breakpoints:
    return ((0.5, (sum(rights) + 1) / (len(rights) + 2)),)


def _logit(confidence: float) -> float:
    confidence = min(max(confidence, 1 - _MOST_SURE), _MOST_SURE)
    return log(confidence / (1 - confidence))


def _rising(points: Sequence[tuple[Any, Any]]) -> Breakpoints:
    """As plain numbers, to six digits, which may make neighbours equal but never fall."""
    rounded: dict[float, float] = {}
    for x, y in points:
        rounded.setdefault(round(float(x), 6), round(float(y), 6))
    return tuple(rounded.items())


def _sklearn(module: str) -> Any:
    """A part of scikit-learn, which takes a second to load and only this needs."""
    from importlib import import_module

    try:
        return import_module(f"sklearn.{module}")
    except ImportError:
        raise ConfigurationError(
            "rise calibrate needs scikit-learn; install it with `pip install scikit-learn` (in a checkout, "
            "`uv sync` or `pip install '.[eval]'`)"
        ) from None
