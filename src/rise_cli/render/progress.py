"""How a batch is getting on: a bar on a terminal, a line every half minute elsewhere, nothing with `-q`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from rise_cli.core.controls import printable
from rise_cli.render.amounts import duration, money, percent
from rise_cli.render.quiet import Quiet, Watcher

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Standing:
    """Where a batch stands. `done` counts the rows of earlier runs too, `fresh` those of this one."""

    done: int
    fresh: int
    total: int | None
    failed: int
    under_way: int
    accuracy: float | None
    cost_usd: float | None
    retries: int
    seconds: float


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


def facts(now: Standing) -> str:
    """`1 failed, 20 under way, 71% right, $0.0312, 3 retries, 4 min 10 s left`; what is nil is left out."""
    parts = [f"{now.failed:,} failed"] if now.failed else []
    parts.append(f"{now.under_way:,} under way")
    if now.accuracy is not None:
        parts.append(f"{percent(now.accuracy)} right")
    if now.cost_usd:
        parts.append(money(now.cost_usd))
    if now.retries:
        parts.append("1 retry" if now.retries == 1 else f"{now.retries:,} retries")
    if now.total is not None and now.fresh:
        left = now.seconds / now.fresh * max(now.total - now.done, 0)
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


class Plain(Quiet):
    """A line at every tick, and notices; nothing at all if `silent`."""

    interval_s = 30.0
    shows_cost = True

    def __init__(self, stream: TextIO, look: Look, *, silent: bool = False) -> None:
        super().__init__(stream, silent=silent)
        self._look = look

    def tick(self) -> None:
        now = self._look()
        of = "" if now.total is None else f" of {now.total:,}"
        self.notice(f"{now.done:,}{of} done, {facts(now)}")


class Bar(Quiet):
    """A bar that stays at the bottom of the terminal, and is gone when the run is over."""

    interval_s = 0.25
    shows_cost = True

    def __init__(self, console: Console, look: Look) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        super().__init__(console.file)  # type: ignore[arg-type]
        self._look = look
        self._console = console
        self._progress = Progress(
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[facts]}", markup=False),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, facts="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def tick(self) -> None:
        now = self._look()
        with contextlib.suppress(OSError, ValueError):  # a terminal that is gone is no reason to stop
            shown: dict[str, Any] = {"facts": facts(now)}
            self._progress.update(self._task, completed=now.done, total=now.total, **shown)
            self._progress.refresh()

    def notice(self, text: str) -> None:
        from rich.text import Text

        with contextlib.suppress(OSError, ValueError):
            self._console.print(Text(f"rise: {' '.join(printable(text).split())}"), soft_wrap=True)
