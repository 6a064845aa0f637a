"""The transcript on a terminal: finished turns stand above, the calls in flight stream below them, side
by side where there is room. A finished call that waits for the others of its turn stays among them.

The region shows only the end of what streams in, so that a reply of any length costs the same, and
it never grows taller than the screen, where a terminal could not take it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from rise_cli.core.controls import printable
from rise_cli.core.domain import Attempt, Call, Done, Trajectory
from rise_cli.render import blocks
from rise_cli.render.page import Page
from rise_cli.render.plain import PlainTranscript

TAIL = 4000
"""Characters kept of a reply that streams in: more than fits on a screen."""

LINES = 12
"""Lines shown of one call at most."""

REFRESHES = 8
"""A second: as fast as anybody reads."""


@dataclass(slots=True)
class _Flight:
    """A call that was sent and has not come back."""

    call: Call
    since: float
    text: str = field(default="")
    reasoning: bool = False

    def hear(self, text: str, reasoning: bool) -> None:
        if reasoning != self.reasoning:
            self.text, self.reasoning = "", reasoning
        self.text = (self.text + printable(text[-TAIL:]))[-TAIL:]


class LiveTranscript(PlainTranscript):
    """A `PlainTranscript` with a live region. Needs a console that is interactive.

    It moves the cursor only between `__enter__` and `ended` or `__exit__`, whichever comes first, and not
    while a person is asked. It leaves the cursor visible and the region empty, also on Ctrl-C.
    """

    _live: Live | None = None
    _landed = True

    def __enter__(self) -> Self:
        self._flights: dict[Call, _Flight] = {}
        self._drawn: dict[tuple[Call, int], list[Text]] = {}
        self._landed = False
        self._take_off()
        return self

    def _take_off(self) -> None:
        self._live = Live(
            get_renderable=self._region,
            console=self._page.console,
            refresh_per_second=REFRESHES,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._live.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._land()
        super().__exit__(kind, error, trace)

    @contextmanager
    def asking(self, attempt: Attempt) -> Iterator[Page]:
        for call in [call for call in self._flights if call.place == attempt.place]:
            del self._flights[call]
        self._stop()
        try:
            with super().asking(attempt) as page:
                yield page
        finally:
            if not self._landed:
                self._take_off()

    def asked(self, call: Call) -> None:
        super().asked(call)
        if not self._landed:
            self._flights[call] = _Flight(call, self._clock())

    def heard(self, call: Call, text: str, reasoning: bool) -> None:
        if not self._landed and call in self._flights:
            self._flights[call].hear(text, reasoning)

    def restarted(self, call: Call) -> None:
        if not self._landed and call in self._flights:
            self._flights[call].text = ""

    def finished(self, done: Done) -> None:
        if not self._landed:
            self._flights.pop(done.call, None)
        super().finished(done)

    def ended(self, trajectory: Trajectory) -> None:
        self._land()
        super().ended(trajectory)

    def _draw(self, done: list[Done]) -> None:
        if self._live:
            self._drawn.clear()
            # Else the region as last drawn would stand under the turn until the next refresh.
            self._live.refresh()
        super()._draw(done)

    def _land(self) -> None:
        if not self._landed:
            self._landed = True
            self._flights.clear()
            self._stop()

    def _stop(self) -> None:
        if self._live:
            live, self._live = self._live, None
            live.stop()

    def _region(self) -> RenderableType:
        """The calls in flight. Called by the refreshing thread, so it works on copies."""
        calls: list[_Flight | Done] = [*self._flights.values(), *self._waiting]
        if not calls:
            return Group()
        calls.sort(key=lambda one: one.call.place)
        # One blank line above each, one line for what does not fit, and one that stays free below.
        rows = max(self._page.console.height - 2, 3)
        many = self._page.abreast(len(calls))
        shown = calls[: max(rows // 3, 1) * many]
        each = min(LINES, max(rows // -(-len(shown) // many) - 2, 1))
        lines: list[Text] = []
        for row in self._page.beside(shown, lambda one, page: self._cell(one, each, page)):
            lines += [Text(), *row]
        if len(calls) > len(shown):
            lines.append(Text(f"  and {len(calls) - len(shown)} more in flight", style="dim"))
        return Text("\n", no_wrap=True, overflow="crop").join(lines)

    def _cell(self, one: _Flight | Done, rows: int, page: Page) -> list[Text]:
        """The end of a call, under its heading."""
        if isinstance(one, Done):
            # Drawn once: what stands still may be long, and is shown eight times a second.
            drawn = self._drawn.setdefault((one.call, page.width), [])
            drawn += () if drawn else self._block(one, page)
            return [drawn[0], *drawn[1:][-rows:]]
        dot = f" {page.signs.dot} "
        head = blocks.heading(one.call, self._view)
        head.append(f"{dot}{self._clock() - one.since:.0f} s", style="dim")
        if one.reasoning:
            head.append(f"{dot}reasoning", style="dim italic")
        body = page.quoted(one.text, "dim" if one.reasoning else "")[-rows:] if one.text else []
        return [head, *body]
