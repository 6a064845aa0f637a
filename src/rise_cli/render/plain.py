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
from rise_cli.render import blocks
from rise_cli.render.ending import ending, spent
from rise_cli.render.page import Page


class PlainTranscript:
    """Prints each turn when it is finished, in the order in which they finish.

    `clock` gives seconds; only its differences are used.
    """

    shows_cost = True

    def __init__(
        self, console: Console, *, model: str, policy: Policy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._page = Page(console)
        self._model = model
        self._policy = policy
        self._clock = clock
        self._began: float | None = None
        self._answered: list[Attempt] = []
        self._put: set[Place] = set()
        self._held: list[list[Text]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    @contextmanager
    def asking(self, attempt: Attempt) -> Iterator[Page]:
        """Put `attempt` before a person. Within this the screen is theirs: what comes up in the meantime is
        printed afterwards. Not to be entered twice at a time."""
        self._page.show([Text(), *blocks.question(attempt, self._policy, self._page)])
        self._put.add(attempt.place)
        self._held = []
        try:
            yield self._page
        finally:
            held, self._held = self._held, None
            for lines in held:
                self._page.show(lines)

    def asked(self, call: Call) -> None:
        self._open()

    def heard(self, call: Call, text: str, reasoning: bool) -> None: ...

    def restarted(self, call: Call) -> None: ...

    def finished(self, done: Done) -> None:
        self._open()
        before = max(
            (one for one in self._answered if one.chain == done.call.chain and one.turn < done.call.turn),
            key=lambda one: one.turn,
            default=None,
        )
        if done.call.purpose is Purpose.ATTEMPT and self._put & {one.place for one in done.attempts}:
            self._show(blocks.judged(done, before, self._policy, self._page))
        else:
            self._show([Text(), *blocks.turn(done, before, self._policy, self._page)])
        self._answered += [one for one in done.attempts if one.answer is not None]

    def notice(self, text: str) -> None:
        line = Text(" ".join(printable(text).split()), style="yellow")
        self._show(self._page.flow([line], "rise: "))

    def ended(self, trajectory: Trajectory) -> None:
        seconds = self._clock() - self._began if self._began is not None else 0.0
        # The blank line after it sets off what follows on stdout.
        self._show([Text(), *ending(trajectory, spent(trajectory, seconds), self._page), Text()])

    def _open(self) -> None:
        if self._began is None:
            self._began = self._clock()
            self._show(blocks.opening(self._model, self._policy, self._page))

    def _show(self, lines: list[Text]) -> None:
        if self._held is None:
            self._page.show(lines)
        else:
            self._held.append(lines)
