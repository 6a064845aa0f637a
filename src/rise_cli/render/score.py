"""What is measured of results files, as a sheet that fits 40 columns and wider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from rich.text import Text

from rise_cli.measure.accuracy import Estimate
from rise_cli.measure.summary import Change, Figure, Step, Summary
from rise_cli.render.amounts import counted, duration, money, percent, tokens
from rise_cli.render.page import Page

T = TypeVar("T")

_STYLES = {"helps": "green", "hurts": "red", "cannot tell": "yellow"}
_LEAD = 11
_MOST = 8  # lines of one sort; --json has them all
_WIDE = 56  # cells from which on there is room for two more columns


def sheet(summary: Summary, by: str | None, page: Page) -> list[Text]:
    """The lines of one file: the verdict first, the price last."""
    lines = [Text(page.clip(summary.name, page.width), style="bold"), *_head(summary, page)]
    for one in summary.changes if summary.voted.n else ():
        lines += page.flow([Text(one.verdict.sentence, style=_STYLES[one.verdict.word])], "")
    for block in (
        _right(summary, page),
        _flips(summary, page),
        _judged(summary, page),
        _sure(summary, page),
        _groups(summary, by, page),
        list(_rows(summary, page)),
    ):
        lines += [Text(), *block] if block else []
    return lines


def comparisons(changes: Sequence[Change], page: Page) -> list[Text]:
    """The lines about pairs of files."""
    lines = [Text("The same problems, in pairs", style="bold")]
    for one in changes:
        found = one.comparison
        lines += page.flow([Text(page.clip(one.verdict.sentence, 2000), style=_STYLES[one.verdict.word])], "")
        cells = f"both right {found.both:,}", f"only the first {found.only_a:,}"
        more = f"only the second {found.only_b:,}", f"neither {found.neither:,}"
        lines += page.flow([Text(part, style="dim") for part in (*cells, *more)], "  ")
    return lines


def _head(summary: Summary, page: Page) -> list[Text]:
    parts = [counted(summary.problems, "problem")]
    if ungraded := summary.problems - summary.graded:
        parts.append(f"{ungraded:,} that nobody can tell")
    if summary.failed:
        parts.append(f"{summary.failed:,} without an answer")
    parts += [page.clip(", ".join(summary.protocols), 60)]
    if summary.samples > 1:
        parts.append(counted(summary.samples, "chain"))
    parts += [counted(summary.turns, "turn")] if summary.turns else []
    parts += [page.clip(", ".join(summary.models), 60)]
    return page.flow([Text(part, style="dim") for part in parts], "")


def _right(summary: Summary, page: Page) -> list[Text]:
    if not summary.voted.n:
        return page.flow([Text("Of no problem is it known what is right.")], "")
    voted = "voted" + (" (an oracle helped)" if summary.oracle else "")
    lines = [Text(f"{'right':<8}{'':>7}  {'95%':<13}{'of':>8}", style="dim"), _figure(voted, summary.voted)]
    sorts = (
        ("majority of a chain's first turns", "m1@"),
        ("majority of the chains' first turns", "m"),
        ("one turn alone", "acc@"),
        ("any turn right: an oracle's figure", "p1@"),
        ("any chain right: an oracle's figure", "p"),
    )
    left = dict(summary.figures)
    for title, start in sorts:
        some = {name: left.pop(name) for name in list(left) if name.startswith(start)}
        lines += _sort(title, some, page)
    return lines


def _sort(title: str, figures: Mapping[str, Figure], page: Page) -> list[Text]:
    if not figures:
        return []
    if any(one.partial for one in figures.values()):
        title += "; partial: some stopped early"
    shown = _some(list(figures))
    return [
        *page.flow([Text(title, style="dim")], ""),
        *(_figure(name, figures[name].right) for name in shown),
    ]


def _figure(name: str, right: Estimate) -> Text:
    if right.value is None or right.low is None or right.high is None:
        return Text(f"{name:<8}{'-':>7}")
    return Text.assemble(
        f"{name:<8}", (f"{100 * right.value:6.1f}%", "bold"), f"  {_interval(right):<13}{right.n:>8,}"
    )


def _interval(right: Estimate) -> str:
    """In whole percent, or tenths where it is narrow."""
    if right.low is None or right.high is None:
        return ""
    digits = 1 if right.high - right.low < 0.05 else 0
    return f"{100 * right.low:.{digits}f} to {100 * right.high:.{digits}f}"


def _flips(summary: Summary, page: Page) -> list[Text]:
    if not summary.flips.flips.pairs:
        return []
    title = f"{'turn':<8}{'fixed':>7}{'broken':>7}{'right':>9}{'wrong':>8}"
    steps = _some([one for one in summary.steps if one.flips.pairs])
    return [
        Text(f"{'':<22}{'stayed':>9}{'stayed':>8}", style="dim"),
        Text(title, style="dim"),
        *map(_step, [*steps, summary.flips]),
        *page.flow([Text(summary.flips.even.sentence)], ""),
    ]


def _step(step: Step) -> Text:
    name = "all" if step.t is None else f"{step.t} to {step.t + 1}"
    seen = step.flips
    return Text.assemble(
        f"{name:<8}",
        (f"{seen.fixed:>7,}", "green"),
        (f"{seen.broken:>7,}", "red"),
        f"{seen.kept_right:>9,}{seen.kept_wrong:>8,}",
    )


def _judged(summary: Summary, page: Page) -> list[Text]:
    if summary.judged is None:
        return []
    judged, lines = (
        summary.judged,
        [Text(page.clip(f"judged by {summary.judged.model}", page.width), style="bold")],
    )
    same = judged.agreement
    if same.share is not None:
        kappa = "" if same.kappa is None else f", kappa {same.kappa:.2f}"
        said = f"agrees with exact grading on {percent(same.share)} of {counted(same.n, 'answer')}{kappa}"
        lines += page.flow([Text(said)], "")
    if judged.unreadable or judged.lost:
        said = (
            f"{judged.unreadable:,} of {counted(judged.asked, 'judgement')} unreadable, {judged.lost:,} lost"
        )
        lines += page.flow([Text(said)], "")
    if judged.opinions.turns:
        lines.append(
            Text(f"{'turn':<8}{'quality':>7}  {'95%':<12}{'on the question':>16}"[: page.width], style="dim")
        )
    for one in _some(list(judged.opinions.turns)):
        value, low, high = one.quality.value, one.quality.low, one.quality.high
        between = "" if low is None or high is None else f"{low:.1f} to {high:.1f}"
        shown = "-" if value is None else f"{value:.2f}"
        kept = "-" if one.answers.value is None else f"{100 * one.answers.value:.1f}%"
        lines.append(
            Text(f"{one.turn:<8}{shown:>7}  {between:<12}{kept:>8}  {_interval(one.answers)}".rstrip())
        )
    change = judged.opinions.change
    if change.value is not None:
        lines += page.flow([Text(_change_said(change.value, change.low, change.high, judged.opinions.p))], "")
    return lines


def _change_said(value: float, low: float | None, high: float | None, p: float | None) -> str:
    said = f"From the first turn to the last the quality changes by {value:+.2f} points of 10"
    if low is None or high is None or p is None:
        return f"{said}."
    word = "cannot tell" if low <= 0 <= high else "better" if value > 0 else "worse"
    return f"{said} ({low:+.2f} to {high:+.2f}, p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}): {word}."


def _sure(summary: Summary, page: Page) -> list[Text]:
    """Whether stated confidence tells anything."""
    seen = summary.confidence
    if not seen.n:
        return []
    known = (("ECE", seen.ece), ("Brier", seen.brier), ("AUROC", seen.auroc), ("WQD", seen.wqd))
    parts = [Text(f"{name} {value:.3f}") for name, value in known if value is not None]
    parts.append(Text(f"of {counted(seen.n, 'turn')}, {counted(seen.pairs, 'pair')}", style="dim"))
    lines = page.flow(parts, f"{'confidence':<{_LEAD}}")
    lines.append(Text(f"{'at least':<9}{'covers':>7}{'right':>8}  95%", style="dim"))
    for one in _some(list(summary.coverage)):
        right = "-" if one.right.value is None else f"{100 * one.right.value:.1f}%"
        lines.append(
            Text(f"{percent(one.threshold):<9}{100 * one.coverage:6.1f}%{right:>8}  {_interval(one.right)}")
        )
    return lines


def _groups(summary: Summary, by: str | None, page: Page) -> list[Text]:
    if by is None or not summary.groups:
        return []
    wide = page.width >= _WIDE and summary.turns > 1
    cells = page.width - 30 - (18 if wide else 0)
    column = min(max(cells, 6), 24)
    more = f"{'m1@t1':>9}{f'm1@t{summary.turns}':>9}" if wide else ""
    lines = [
        Text(
            f"{page.clip(by, column):<{column}}{'of':>7}{'right':>8}  {'95%':<13}{more}".rstrip(), style="dim"
        )
    ]
    for one in summary.groups:
        name = page.clip("-" if one.value is None else str(one.value), column)
        pad = " " * (column - Text(name).cell_len)
        right = "-" if one.voted.value is None else f"{100 * one.voted.value:.1f}%"
        line = f"{name}{pad}{one.problems:>7,}{right:>8}  {_interval(one.voted):<13}"
        if wide:
            line += "".join(f"{_value(one, name):>9}" for name in ("m1@t1", f"m1@t{summary.turns}"))
        lines.append(Text(line.rstrip()))
    return lines


def _value(summary: Summary, name: str) -> str:
    figure = summary.figures.get(name)
    return "-" if figure is None or figure.right.value is None else f"{100 * figure.right.value:.1f}%"


def _rows(summary: Summary, page: Page) -> Iterator[Text]:
    for name, parts in _facts(summary):
        yield from page.flow([Text(page.clip(part, 200)) for part in parts], f"{name:<{_LEAD}}")


def _facts(summary: Summary) -> Iterator[tuple[str, list[str]]]:
    said, spending = summary.answers, summary.spending
    if said.replies or said.lost:
        parts = [counted(said.replies, "reply", "replies")]
        parts += [] if said.unique_ratio is None else [f"unique answers {said.unique_ratio:.2f} of all"]
        parts.append(f"{said.unreadable:,} unreadable")
        parts += [f"{said.lost:,} lost"] if said.lost else []
        yield "replies", parts
    yield "ended", [f"{name} {n:,}" for name, n in summary.stop_reasons.items()]
    if summary.turns_used:
        taken = sum(turns * n for turns, n in summary.turns_used.items()) / sum(summary.turns_used.values())
        yield (
            "turns",
            [f"{taken:.1f} a problem", *_some([f"{n:,} took {t}" for t, n in summary.turns_used.items()])],
        )
    yield "requests", [f"{spending.requests:,}"]
    if spending.input_tokens is None or spending.output_tokens is None:
        yield "tokens", ["not known"]
    else:
        share = spending.cached_share
        cached = [f"{percent(share)} of the input cached"] if share else []
        yield "tokens", [tokens(spending.input_tokens, 0, spending.output_tokens), *cached]
    yield "cost", list(_cost(summary))
    if spending.latency_median_s is not None and spending.latency_p95_s is not None:
        median, p95 = _seconds(spending.latency_median_s), _seconds(spending.latency_p95_s)
        yield "latency", [f"median {median}", f"95% within {p95}"]


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else duration(seconds)


def _cost(summary: Summary) -> Iterator[str]:
    spending = summary.spending
    if spending.cost_usd is None:
        known = f"over {money(spending.known_usd)}, " if spending.known_usd else ""
        yield f"{known}not known of {counted(spending.unpriced, 'problem')}"
        return
    yield money(spending.cost_usd)
    if spending.per_right_usd:
        yield f"{money(spending.per_right_usd)} a right answer"


def _some(items: Sequence[T]) -> list[T]:
    """All items, or the first ones and the last, the gaps between them growing."""
    if len(items) <= _MOST:
        return list(items)
    steps = [*range(_MOST // 2), len(items) - 1]
    wanted = {round((len(items) - 1) * (share / _MOST) ** 2) for share in range(_MOST + 1)}
    return [items[at] for at in sorted(wanted | set(steps))]
