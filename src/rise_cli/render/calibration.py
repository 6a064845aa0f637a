"""What `rise calibrate` found, as plain text: the figures, the curve before and after, the suggestions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rise_cli.render.amounts import counted

_CELLS = 30  # of a bar from 0 to 100%
_NAMES = {"threshold": "threshold", "vote_temperature": "weighted vote", "turns": "turns"}
_FIGURES = (("brier", "Brier score"), ("log_loss", "log loss"), ("ece", "ECE"), ("auroc", "AUROC"))


def sheet(report: Mapping[str, Any], *, plain: bool = False) -> str:
    """Return the lines. `plain` draws in ASCII alone."""
    return "".join(f"{line}\n" for line in _lines(report, "#" if plain else "█"))


def _lines(report: Mapping[str, Any], bar: str) -> Iterator[str]:
    size = f"{counted(report['turns'], 'turn')} of {counted(report['problems'], 'problem')}"
    yield f"{report['model']}, {report['protocol']}: {size}"
    yield f"{report['method']}, written to {report['file']}"
    yield ""
    yield f"{'on problems not fitted to':<26}{'as stated':>12}{'calibrated':>12}"
    for name, title in _FIGURES:
        before, after = (report["metrics"][which][name] for which in ("stated", "calibrated"))
        yield f"{title:<26}{_figure(before):>12}{_figure(after):>12}"
    for which, title in (("stated", "as stated"), ("calibrated", "calibrated")):
        yield ""
        yield f"{title}: how sure (|), and how many are right ({bar})"
        yield from _curve(report["curve"][which], bar)
    yield ""
    yield "what these runs speak for, by replay"
    for one in report["suggestions"]:
        yield from _suggestion(one)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _curve(bins: Sequence[Mapping[str, Any]], bar: str) -> Iterator[str]:
    for one in bins:
        sure, right = one["confidence"], one["right"]
        if sure is None:
            continue
        cells = list((bar * round(right["value"] * _CELLS)).ljust(_CELLS))
        cells[min(round(sure * _CELLS), _CELLS - 1)] = "|"
        interval = f"{100 * right['low']:.0f} to {100 * right['high']:.0f}"
        yield (
            f"  {_percent(sure):>6}  {''.join(cells)}  {_percent(right['value']):>6} right ({interval}), "
            f"{counted(right['n'], 'turn')}"
        )


def _suggestion(one: Mapping[str, Any]) -> Iterator[str]:
    name = _NAMES[one["name"]]
    if one["value"] is None:
        yield f"  {name}: none, {one['reason']}"
        return
    yield f"  {name} {one['value']:g}: {one['reason']}"
    if one["sure"] is not None:
        sure = one["sure"]
        yield (
            f"    {sure['n']:,} runs stop so, {_percent(sure['value'])} of them right "
            f"({100 * sure['low']:.0f} to {100 * sure['high']:.0f})"
        )
    before, after, both = one["before"], one["after"], one["comparison"]
    yield (
        f"    right {_percent(before['right']['value'])} -> {_percent(after['right']['value'])} "
        f"({100 * both['low']:+.1f} to {100 * both['high']:+.1f} points, p {both['p']:.2g})"
    )
    parts = [_moved(name, before[name], after[name]) for name in ("turns", "requests", "tokens")]
    yield f"    {', '.join(parts)}"
    yield f"    {one['options']}"


def _moved(name: str, before: int | None, after: int | None) -> str:
    if before is None or after is None:
        return f"{name} not known"
    by = f" ({100 * (after - before) / before:+.0f}%)" if before and after != before else ""
    return f"{name} {before:,} -> {after:,}{by}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
