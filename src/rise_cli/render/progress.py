"""How a batch is getting on: a bar on a terminal, a line every half minute elsewhere, nothing with `-q`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from rise_cli.core.controls import printable
from rise_cli.render.amounts import counted, duration, money, percent
from rise_cli.render.quiet import Quiet, Watcher

if TYPE_CHECKING:
    from rich.console import Console

BAR_S, PLAIN_S = 0.25, 30.0
"""Seconds from one look to the next: of the bar, and of the lines."""

_BETWEEN = " · "


@dataclass(frozen=True)
class Standing:
    """Where a batch stands. `done` of `total` counts the rows of earlier runs too, all else is of this run.
    `part` is what it is called where it is one of several.

    `total` is None where nobody knows it. `in_flight` calls are being answered, of at most `limit` where
    that moves by itself; `waiting` says that problems are under way and no call is, since a limit or a
    provider holds them all back. `turns` is the mean of the problems that are done, `tokens_per_s`
    counts what the model wrote. `cost_usd` is spent, and `cost_known` says whether that is all of it;
    `projected_usd` is what the whole run may come to. `refused` calls met a rate limit, and `throttled` ones
    are held back now so as to meet none. `left_s` is the time to go, in seconds.
    """

    done: int = 0
    total: int | None = None
    failed: int = 0
    in_flight: int = 0
    limit: int | None = None
    waiting: bool = False
    accuracy: float | None = None
    turns: float | None = None
    tokens_per_s: float = 0.0
    cost_usd: float = 0.0
    cost_known: bool = True
    projected_usd: float | None = None
    retries: int = 0
    refused: int = 0
    throttled: int = 0
    left_s: float | None = None
    part: str = ""


Look = Callable[[], Standing]


class Meter(Watcher, Protocol):
    """A watcher of a batch: `tick` is to be called every `interval_s` seconds."""

    interval_s: float

    def tick(self) -> None: ...


def meter(stream: TextIO, *, quiet: bool, color: str, env: Mapping[str, str], look: Look) -> Meter:
    """Return the meter for `stream` (stderr), to be entered around the run. `look` says how it stands."""
    if quiet or not stream.isatty():
        return Plain(stream, look, silent=quiet)
    from rise_cli.render.console import make_console

    console = make_console(stream, color, env)
    return Bar(console, look) if console.is_interactive else Plain(stream, look)


def facts(now: Standing, room: int | None = None) -> str:
    """`3 failed · 71% right · $0.0312 of about $1.90 · 20 in flight · …`; what is nil is left out.

    What matters least is left out too, until all of it fits into `room` cells.
    """
    parts = [part for part in _parts(now) if part[1]]
    while room is not None and parts and len(_joined(parts)) > room:
        parts.remove(max(parts))
    return _joined(parts)


def progress(now: Standing) -> str:
    """`1,234/2,000`, as wide at the start of a batch as at its end; `1,234` of who knows how many. A part
    comes after its name."""
    part = f"{now.part} " if now.part else ""
    if now.total is None:
        return f"{part}{now.done:,}"
    total = f"{now.total:,}"
    return f"{part}{now.done:>{len(total)},}/{total}"


def _parts(now: Standing) -> list[tuple[int, str]]:
    """Each fact in the order of the line, after its rank: 0 is left out last."""
    return [
        (1, f"{now.failed:,} failed" if now.failed else ""),
        (3, f"{percent(now.accuracy)} right" if now.accuracy is not None else ""),
        (2, _cost(now)),
        (4, _in_flight(now)),
        (8, f"{now.turns:.1f} turns each" if now.turns else ""),
        (9, f"{now.tokens_per_s:,.0f} tokens/s" if now.tokens_per_s >= 1 else ""),
        (7, counted(now.retries, "retry", "retries") if now.retries else ""),
        (6, f"{now.refused:,} refused" if now.refused else ""),
        (5, f"{now.throttled:,} throttled" if now.throttled else ""),
        (0, f"{_coarse(now.left_s)} left" if now.left_s and now.left_s >= 0.5 else ""),
    ]


def _joined(parts: Sequence[tuple[int, str]]) -> str:
    return _BETWEEN.join(text for _, text in parts)


def _in_flight(now: Standing) -> str:
    if now.waiting:
        return "waiting"
    if not now.in_flight and now.limit is None:
        return ""
    most = "" if now.limit is None else f" of {now.limit:,}"
    return f"{now.in_flight:,}{most} in flight"


def _coarse(seconds: float) -> str:
    """`12 s`, `3 min 04 s`: an estimate has no tenths."""
    return f"{round(seconds)} s" if seconds < 59.5 else duration(max(seconds, 60.0))


def _cost(now: Standing) -> str:
    if not now.cost_usd:
        return ""
    spent = money(now.cost_usd) if now.cost_known else f"over {money(now.cost_usd)}"
    return spent if now.projected_usd is None else f"{spent} of about {money(now.projected_usd)}"


class Plain(Quiet):
    """A line at every tick, and notices; nothing at all if `silent`."""

    shows_cost = True

    def __init__(
        self, stream: TextIO, look: Look, *, silent: bool = False, interval_s: float = PLAIN_S
    ) -> None:
        super().__init__(stream, silent=silent)
        self._look = look
        self.interval_s = interval_s

    def tick(self) -> None:
        now = self._look()
        self.notice(_BETWEEN.join(text for text in (f"{progress(now).strip()} done", facts(now)) if text))


class Bar(Quiet):
    """A bar that stays at the bottom of the terminal, in one line, and is gone when the run is over."""

    shows_cost = True

    def __init__(self, console: Console, look: Look, *, interval_s: float = BAR_S) -> None:
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        super().__init__(console.file)  # type: ignore[arg-type]
        self._look = look
        self._console = console
        self.interval_s = interval_s
        self._bar = BarColumn()
        # A terminal may become narrower between two looks.
        self._progress = Progress(
            TextColumn("{task.fields[done]}", markup=False, table_column=Column(no_wrap=True)),
            self._bar,
            TextColumn(
                "{task.fields[facts]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
            ),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, done="", facts="")

    def __enter__(self) -> Self:
        self._look_again()
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def tick(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that is gone is no reason to stop
            self._look_again()
            self._progress.refresh()

    def _look_again(self) -> None:
        now, columns = self._look(), self._console.width
        done = progress(now)
        self._bar.bar_width = 20 if columns >= 100 else 8 if columns >= 60 else 6
        # One cell stays free at the end, where some terminals would break the line.
        room = columns - len(done) - self._bar.bar_width - 3
        shown: dict[str, Any] = {"done": done, "facts": facts(now, room)}
        self._progress.update(self._task, completed=now.done, total=now.total, **shown)

    def notice(self, text: str) -> None:
        from rich.text import Text

        with contextlib.suppress(OSError, ValueError):
            self._console.print(Text(f"rise: {' '.join(printable(text).split())}"), soft_wrap=True)
