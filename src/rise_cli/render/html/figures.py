"""The page's figures: a drawing where there is something to draw, the same as numbers, and a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rise_cli.measure.accuracy import Estimate
from rise_cli.measure.summary import Step, Summary
from rise_cli.render.html import charts
from rise_cli.render.html.charts import Point, Told
from rise_cli.render.html.sections import File, Table, estimate, share, usd

_INTERVALS = "Upright lines are 95% intervals, here and below."


@dataclass(frozen=True, slots=True)
class Key:
    """What a mark of a drawing stands for: its sign, the name of its colour, and what it is."""

    sign: str
    look: str
    label: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A section of the page. `drawing` is an element, empty where there is nothing to draw."""

    name: str
    title: str
    notes: tuple[str, ...]
    drawing: str
    legend: tuple[Key, ...]
    table: Table


def figures(files: Sequence[File]) -> list[Figure]:
    """All of them, in the page's order."""
    return [by_turn(files), by_cost(files), flips(files), confidence(files), stops(files), costs(files)]


def by_turn(files: Sequence[File]) -> Figure:
    """acc@t of each file; of a single one the vote so far beside it."""
    title = "Accuracy by turn"
    named = [(file.name, _points(file.summary, "acc@{}")) for file in files]
    if len(files) == 1:
        votes = _points(files[0].summary, "m1@t{}")
        named = [("each turn alone", named[0][1]), ("the vote of the turns so far", votes)]
    named = [(name, points) for name, points in named if points]
    drawing = ""
    if any(len(points) > 1 for _, points in named):
        told = Told("by-turn", title, _spoken(named))
        drawing = charts.lines(told, [points for _, points in named], "turn", whole=True)
    rows = tuple(row for file in files for row in _turn_rows(file, many=len(files) > 1))
    head = ("Turn", "Alone (95%)", "Vote so far (95%)", "Ever right (oracle)", "Problems")
    partial = any(file.summary.partial for file in files)
    early = (
        "Some chains stopped early: a turn's own accuracy is of those that went on, and ever right "
        "leaves out turns that nobody took."
    )
    notes = ((_INTERVALS,) if drawing else ()) + ((early,) if partial else ())
    return Figure("turns", title, notes, drawing, _legend(named), Table(title, head, rows))


def _points(summary: Summary, pattern: str) -> list[Point]:
    found = []
    for turn in range(1, summary.turns + 1):
        one = summary.figures[pattern.format(turn)].right
        if one.value is not None:
            found.append(Point(turn, one.value, one.low, one.high))
    return found


def _turn_rows(file: File, *, many: bool) -> list[tuple[str, ...]]:
    summary = file.summary
    rows: list[tuple[str, ...]] = []
    for turn in range(1, summary.turns + 1):
        alone, vote = summary.figures[f"acc@{turn}"].right, summary.figures[f"m1@t{turn}"].right
        ever = summary.figures[f"p1@t{turn}"].right.value if turn > 1 else alone.value
        name = f"{file.name}, {turn}" if many else f"{turn}"
        rows.append((name, estimate(alone), estimate(vote), share(ever), f"{alone.n:,}"))
    return rows


def by_cost(files: Sequence[File]) -> Figure:
    """What a vote gets right along the tokens that it takes; along calls where tokens are not known."""
    title = "Accuracy at equal cost"
    counted = all(spot.tokens is not None for file in files for spot in file.curve)
    named = [
        (
            file.name,
            [
                Point(
                    (spot.tokens or 0) if counted else spot.calls,
                    spot.right.value,
                    spot.right.low,
                    spot.right.high,
                )
                for spot in file.curve
                if spot.right.value is not None
            ],
        )
        for file in files
    ]
    named = [(name, points) for name, points in named if points]
    drawing = ""
    if named:
        told = Told("by-cost", title, _spoken(named))
        unit = "tokens for a problem" if counted else "calls for a problem"
        drawing = charts.lines(told, [points for _, points in named], unit, whole=False)
    rows = tuple(
        (
            f"{file.name}, {spot.name}" if len(files) > 1 else spot.name,
            estimate(spot.right),
            "?" if spot.tokens is None else f"{spot.tokens:,.0f}",
            f"{spot.calls:.1f}",
        )
        for file in files
        for spot in file.curve
    )
    note = "The vote after each turn or sample, against what a problem has taken by then: "
    note += "tokens of input and output." if counted else "calls, since not all tokens are known."
    head = ("Vote after", "Right (95%)", "Tokens a problem", "Calls a problem")
    legend = _legend(named) if len(files) > 1 else ()
    return Figure("cost-curve", title, (note,), drawing, legend, Table(title, head, rows))


def flips(files: Sequence[File]) -> Figure:
    """Fixed against broken: from turn to turn of a single file, in all of each of several."""
    title = "Changes of mind"
    if len(files) == 1:
        steps = [(f"{step.t}→{(step.t or 0) + 1}", step) for step in files[0].summary.steps]
        rows = [(f"turn {name}", step) for name, step in steps]
        what = "from turn to turn"
    else:
        steps = [(str(number), file.summary.flips) for number, file in enumerate(files, 1)]
        rows = [(f"{number}: {file.name}", file.summary.flips) for number, file in enumerate(files, 1)]
        what = "file"
    drawing = ""
    legend: tuple[Key, ...] = ()
    if any(step.flips.pairs for _, step in steps):
        fixed = [_of_pairs(step, step.flips.fixed) for _, step in steps]
        broken = [_of_pairs(step, step.flips.broken) for _, step in steps]
        told = Told("flips", title, "; ".join(f"{name}: {_flips_spoken(step)}" for name, step in rows))
        drawing = charts.flips(told, [name for name, _ in steps], fixed, broken, what)
        legend = (Key("■", "good", "fixed: wrong, then right"), Key("▨", "bad", "broken: right, then wrong"))
        if len(files) > 1:
            legend += tuple(Key(f"{number}", "ink", file.name) for number, file in enumerate(files, 1))
    sentences = [(file, file.summary.flips.even.sentence) for file in files if file.summary.flips.flips.pairs]
    notes = tuple(f"{file.name}: {text}" if len(files) > 1 else text for file, text in sentences)
    head = ("Step", "Kept right", "Fixed", "Broken", "Kept wrong")
    table = Table(title, head, tuple((name, *_flip_cells(step)) for name, step in rows))
    return Figure(
        "flips-of-turns", title, notes or ("No chain has two turns to compare.",), drawing, legend, table
    )


def _of_pairs(step: Step, flips: int) -> float:
    return flips / step.flips.pairs if step.flips.pairs else 0.0


def _flip_cells(step: Step) -> tuple[str, ...]:
    one = step.flips
    return tuple(f"{count:,}" for count in (one.kept_right, one.fixed, one.broken, one.kept_wrong))


def _flips_spoken(step: Step) -> str:
    return f"{step.flips.fixed:,} fixed and {step.flips.broken:,} broken of {step.flips.pairs:,}"


def confidence(files: Sequence[File]) -> Figure:
    """Reliability: how often a turn that says so much is right."""
    title = "Stated confidence"
    named = []
    for file in files:
        bins = [
            one
            for one in file.summary.reliability
            if one.confidence is not None and one.right.value is not None
        ]
        points = [_point(one.confidence or 0.0, one.right) for one in bins]
        if points:
            named.append((file.name, points))
    drawing = ""
    notes = ("No turn with a known outcome states a confidence.",)
    if named:
        drawing = charts.reliability(
            Told("reliability", title, _spoken(named)), [points for _, points in named]
        )
        notes = ("On the dotted line, answers are right as often as they say. Below it, they are too sure.",)
    head = ("File", "Off by (ECE)", "Brier", "AUROC", "Within a question (WQD)", "Turns")
    rows = tuple(_confidence_row(file) for file in files)
    legend = _legend(named) if len(files) > 1 else ()
    return Figure("confidence", title, notes, drawing, legend, Table(title, head, rows))


def _point(x: float, one: Estimate) -> Point:
    return Point(x, one.value or 0.0, one.low, one.high)


def _confidence_row(file: File) -> tuple[str, ...]:
    one = file.summary.confidence
    figures = (one.ece, one.brier, one.auroc, one.wqd)
    return (file.name, *("?" if figure is None else f"{figure:.3f}" for figure in figures), f"{one.n:,}")


def stops(files: Sequence[File]) -> Figure:
    """Why runs ended, and after how many turns."""
    title = "Why runs ended"
    reasons = sorted(
        {reason for file in files for reason in file.summary.stop_reasons},
        key=lambda reason: -sum(file.summary.stop_reasons.get(reason, 0) for file in files),
    )
    used = sorted({turns for file in files for turns in file.summary.turns_used})
    rows = [
        (reason, *(f"{file.summary.stop_reasons.get(reason, 0):,}" for file in files)) for reason in reasons
    ]
    rows += [
        (
            f"after {turns} turn{'' if turns == 1 else 's'}",
            *(f"{file.summary.turns_used.get(turns, 0):,}" for file in files),
        )
        for turns in used
    ]
    head = ("Reason", *(file.name if len(files) > 1 else "Problems" for file in files))
    return Figure("stops", title, (), "", (), Table(title, head, tuple(rows)))


def costs(files: Sequence[File]) -> Figure:
    """What it took, in all."""
    title = "What it took"
    columns = [_spent(file) for file in files]
    names = tuple(columns[0])
    rows = tuple((name, *(column[name] for column in columns)) for name in names)
    head = ("Figure", *(file.name if len(files) > 1 else "Total" for file in files))
    return Figure("costs", title, (), "", (), Table(title, head, rows))


def _spent(file: File) -> dict[str, str]:
    one, answers = file.summary.spending, file.summary.answers
    return {
        "Cost": usd(one.cost_usd),
        "Cost of a right answer": usd(one.per_right_usd),
        "Requests": f"{one.requests:,}",
        "Input tokens": _count(one.input_tokens),
        "Of these cached": share(one.cached_share),
        "Output tokens": _count(one.output_tokens),
        "Median call": _seconds(one.latency_median_s),
        "95% of calls within": _seconds(one.latency_p95_s),
        "Replies without an answer": f"{answers.unreadable:,} of {answers.replies:,}",
        "Calls without a reply": f"{answers.lost:,}",
        "Different answers": share(answers.unique_ratio),
    }


def _count(tokens: int | None) -> str:
    return "not known" if tokens is None else f"{tokens:,}"


def _seconds(seconds: float | None) -> str:
    return "not known" if seconds is None else f"{seconds:.2f} s"


def _legend(named: Sequence[tuple[str, Sequence[Point]]]) -> tuple[Key, ...]:
    return tuple(
        Key(charts.sign(number), str(number % charts.SERIES + 1), name)
        for number, (name, _) in enumerate(named)
    )


def _spoken(named: Sequence[tuple[str, Sequence[Point]]]) -> str:
    """The ends of each line, for somebody who does not see it."""
    ends = [f"{name}: from {share(points[0].y)} to {share(points[-1].y)}" for name, points in named if points]
    return "; ".join(ends)
