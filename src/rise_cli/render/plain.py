"""The transcript as lines, one block after the other: for pipes, logs and terminals that cannot
move their cursor. The live transcript prints the same blocks and adds a region under them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from rise_cli.core.controls import printable
from rise_cli.core.domain import Attempt, Call, Done, Place, Policy, Purpose, Trajectory
from rise_cli.core.shapes import whole
from rise_cli.render import asides, blocks
from rise_cli.render.ending import ending, spent
from rise_cli.render.page import Page


class PlainTranscript:
    """Prints each call when it is finished, in the order in which they finish.

    Calls that stand side by side (a turn of all chains, where the page is wide enough) and ratings wait
    for each other; `settle` ends the waiting. `clock` gives seconds; only its differences are used.
    `full` shows whole what is folded otherwise.
    """

    shows_cost = True

    def __init__(
        self,
        console: Console,
        *,
        model: str,
        policy: Policy,
        clock: Callable[[], float] = time.monotonic,
        full: bool = False,
    ) -> None:
        self._page = Page(console)
        self._model = model
        self._policy = policy
        self._clock = clock
        self._view = blocks.View(self._page, policy, full)
        self._began: float | None = None
        self._past: list[Attempt] = []
        self._unrated = 0
        self._waiting: list[Done] = []
        self._put: set[Place] = set()
        self._held: list[list[Text]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()

    @contextmanager
    def asking(self, attempt: Attempt) -> Iterator[Page]:
        """Put `attempt` before a person. Within this the screen is theirs: what comes up in the meantime is
        printed afterwards. Not to be entered twice at a time."""
        self.settle()
        self._page.show([Text(), *blocks.question(attempt, self._past, self._view)])
        self._put.add(attempt.place)
        self._held = []
        try:
            yield self._page
        finally:
            held, self._held = self._held, None
            for lines in held:
                self._page.show(lines)

    def asked(self, call: Call) -> None:
        self._part_from(call)
        self._open()

    def heard(self, call: Call, text: str, reasoning: bool) -> None: ...

    def restarted(self, call: Call) -> None: ...

    def finished(self, done: Done) -> None:
        if done.given:  # nobody was asked for it
            self._open()
        self._part_from(done.call)
        self._waiting.append(done)
        if done.given or len(self._waiting) >= self._awaited(done.call):
            self.settle()

    def notice(self, text: str) -> None:
        line = Text(" ".join(printable(text).split()), style="yellow")
        self._show(self._page.flow([line], "rise: "))

    def ended(self, trajectory: Trajectory) -> None:
        self.settle()
        seconds = self._clock() - self._began if self._began is not None else 0.0
        # The blank line after it sets off what follows on stdout.
        self._show([Text(), *ending(trajectory, spent(trajectory, seconds), self._page), Text()])

    def settle(self) -> None:
        """Show what is finished and waits for others."""
        waiting, self._waiting = sorted(self._waiting, key=lambda done: done.call.place), []
        if waiting:
            self._draw(waiting)

    def _draw(self, done: list[Done]) -> None:
        """Print calls that belong together, and remember what later ones are compared with."""
        if done[0].call.purpose is Purpose.RATE:
            self._unrated = 0
            self._show(asides.ratings(done, self._view))
            return
        if self._put & {one.call.place for one in done} and len(done[0].attempts) == 1:
            self._show(blocks.judged(done[0], self._past, self._view))
        else:
            for row in self._page.beside(done, self._block):
                self._show([Text(), *row])
        for one in done:
            self._past += one.attempts if whole(one) else ()
            self._unrated += sum(attempt.answer is not None for attempt in one.attempts)

    def _block(self, done: Done, page: Page) -> list[Text]:
        view = self._view.on(page)
        if done.call.purpose is Purpose.ATTEMPT:
            return blocks.turns(done, self._past, view)
        return asides.aside(done, view)

    def _awaited(self, call: Call) -> int:
        """How many calls are shown together with this one, itself included."""
        if call.purpose is Purpose.RATE:
            return self._unrated
        if self._put:  # a person sees them one after the other
            return 1
        together = call.purpose is not Purpose.SELECT and self._page.abreast(self._policy.samples) > 1
        return self._policy.samples if together else 1

    def _part_from(self, call: Call) -> None:
        """Show what waits, unless it waits for this call."""
        if self._waiting and _group(self._waiting[0].call) != _group(call):
            self.settle()

    def _open(self) -> None:
        if self._began is None:
            self._began = self._clock()
            self._show(blocks.opening(self._model, self._policy, self._page))

    def _show(self, lines: list[Text]) -> None:
        if self._held is None:
            self._page.show(lines)
        else:
            self._held.append(lines)


def _group(call: Call) -> tuple[Purpose, int]:
    """Calls of equal groups may be shown together. The ratings of one reply's rounds are one group."""
    return call.purpose, 0 if call.purpose is Purpose.RATE else call.turn
