"""The figures as drawings: matplotlib's, as elements of the page.

Nothing that comes from a file is drawn as text: lines are told apart by colour, dash and marker, and named
in the page. The same figures give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rise_cli.errors import ConfigurationError
from rise_cli.render.html.inlining import inlined

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 400, 270  # a phone shows it at five sixths of this, and 13 units of type stay legible

_INK, _GRID, _GOOD, _BAD, _PAPER = "#101010", "#202020", "#303030", "#404040", "#505050"
_SERIES = ("#a00001", "#a00002", "#a00003", "#a00004", "#a00005", "#a00006")
_COLORS = {
    _INK: "--ink-soft",
    _GRID: "--line",
    _GOOD: "--good-fill",
    _BAD: "--bad-fill",
    _PAPER: "--surface",
    "#000000": "--ink-soft",
    "#ffffff": "--surface",
} | {color: f"--series-{number}" for number, color in enumerate(_SERIES, 1)}
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("-", "--", "-.", ":")

_LOOK = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 13,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "hatch.linewidth": 1.0,
}

SERIES = len(_SERIES)
"""Colours, and markers; further lines have each colour with another marker, and dashes."""

_SIGNS = "●■▲◆▼✚"  # the markers


def sign(number: int) -> str:
    """The marker of a line, as a legend in the page shows it."""
    return _SIGNS[_marker(number)]


def _marker(number: int) -> int:
    return (number + number // SERIES) % SERIES


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a line, with its interval where there is one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a drawing is called in the page, and what it says to somebody who does not see it."""

    name: str
    title: str
    description: str


def lines(told: Told, series: Sequence[Sequence[Point]], x: str, *, whole: bool) -> str:
    """Shares from 0 to 1 along `x`, a line for each of `series`; `whole` where x counts."""
    with _figure(told) as drawing:
        axes = drawing.axes
        for number, points in enumerate(series):
            _line(axes, number, points, shift=_shift(number, len(series)) if whole else 0.0)
        _shares(axes, [v for points in series for p in points for v in (p.y, p.low, p.high) if v is not None])
        axes.set_xlabel(x)
        axes.set_ylabel("right")
        if whole:
            xs = sorted({round(point.x) for points in series for point in points})
            axes.set_xticks(xs if len(xs) <= 12 else [n for n in xs if n == 1 or n % (len(xs) // 8 + 1) == 0])
        else:
            axes.set_xlim(left=0)
            axes.xaxis.set_major_formatter(lambda value, _: _short(value))
            axes.locator_params(axis="x", nbins=6)
        return drawing.svg()


def flips(told: Told, names: Sequence[str], fixed: Sequence[float], broken: Sequence[float], x: str) -> str:
    """Shares of the answers that were mended (above) and spoiled (below), of each of `names`, which are
    ours."""
    with _figure(told) as drawing:
        axes, steps = drawing.axes, range(1, len(fixed) + 1)
        axes.bar(steps, fixed, width=0.55, color=_GOOD)
        axes.bar(steps, [-share for share in broken], width=0.55, color=_BAD, hatch="///", edgecolor=_PAPER)
        axes.axhline(0, color=_INK, linewidth=1)
        most = max([0.02, *fixed, *broken]) * 1.15
        axes.set_ylim(-most, most)
        axes.yaxis.set_major_formatter(lambda value, _: _percent(abs(value)))
        axes.locator_params(axis="y", nbins=6)
        axes.set_xticks(list(steps), names)
        axes.set_xlim(0.4, max(len(fixed), 3) + 0.6)
        axes.grid(axis="x", visible=False)
        axes.set_ylabel("of these answers")
        axes.set_xlabel(x)
        return drawing.svg()


def reliability(told: Told, series: Sequence[Sequence[Point]]) -> str:
    """How often answers of a stated confidence are right, against the diagonal of one who knows."""
    with _figure(told) as drawing:
        axes = drawing.axes
        axes.plot([0, 1], [0, 1], color=_INK, linewidth=1, linestyle=(0, (2, 3)))
        for number, points in enumerate(series):
            _line(axes, number, points)
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks([0, 0.25, 0.5, 0.75, 1])
            axis.set_major_formatter(lambda value, _: _percent(value))
        axes.set_xlabel("stated confidence")
        axes.set_ylabel("right")
        return drawing.svg()


def _line(axes: Axes, number: int, points: Sequence[Point], shift: float = 0.0) -> None:
    color = _SERIES[number % SERIES]
    xs, ys = [point.x + shift for point in points], [point.y for point in points]
    axes.plot(
        xs,
        ys,
        color=color,
        linewidth=2,
        linestyle=_DASHES[number // SERIES % len(_DASHES)],
        marker=_MARKERS[_marker(number)],
        markersize=6,
        markeredgecolor=_PAPER,
    )
    for x, point in zip(xs, points, strict=True):
        if point.low is not None and point.high is not None:
            axes.plot([x, x], [point.low, point.high], color=color, linewidth=1.4, alpha=0.6)


def _shift(number: int, many: int) -> float:
    """Intervals of several lines stand side by side."""
    return 0.05 * (number - (many - 1) / 2) if many <= SERIES else 0.0


def _shares(axes: Axes, values: Sequence[float]) -> None:
    """The part of 0 to 1 that is worth looking at, never less than ten points."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = max(0.02, (0.1 - (high - low)) / 2)
    axes.set_ylim(max(-0.02, low - room), min(1.02, high + room))
    axes.yaxis.set_major_formatter(lambda value, _: _percent(value))
    axes.locator_params(axis="y", nbins=6)


def _percent(share: float) -> str:
    return f"{share * 100:.10g}%"


def _short(value: float) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"


class _figure:  # noqa: N801 - it reads as the function that it stands for
    """A drawing of one size and look. matplotlib's settings are of the process, and are put back."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def __enter__(self) -> _figure:
        matplotlib = library()
        from matplotlib.figure import Figure

        self._settings: Any = matplotlib.rc_context(_LOOK | {"svg.hashsalt": self._told.name})
        self._settings.__enter__()
        self._drawn: Figure = Figure(figsize=(_WIDTH / 72, _HEIGHT / 72), layout="constrained")
        self.axes: Axes = self._drawn.add_subplot()
        return self

    def __exit__(self, *raised: object) -> None:
        self._settings.__exit__(*raised)

    def svg(self) -> str:
        """Return it as an element."""
        text = io.StringIO()
        self._drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None})
        told = self._told
        return inlined(text.getvalue(), told.name, told.title, told.description, _COLORS)


def library() -> Any:
    """Return matplotlib. Raises ConfigurationError, with what to do, where it is not installed."""
    try:
        import matplotlib
    except ImportError as error:
        raise ConfigurationError(
            f"the report's charts are drawn by matplotlib, which cannot be loaded ({error}); "
            "pip install 'rise-cli[eval]'"
        ) from error
    return matplotlib
