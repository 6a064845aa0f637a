"""Many problems side by side, on one event loop: when to start one, and when to stop.

What one problem takes, from its first call to its row, is `work`; this knows nothing of it. A problem
that fails is a row like any other, unless the provider is down: see `run.breaker` and `run.silence`.
What raises out of `work` (a key that was refused, a full disk, a bug) ends the run at once, since it
would befall all others too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

from rise_cli.chat.door import Door
from rise_cli.core.domain import StopReason
from rise_cli.errors import ProviderError
from rise_cli.problems import Row
from rise_cli.run.breaker import OUTAGES, Breaker, Held
from rise_cli.run.silence import Silence

GRACE_S = 10.0
"""How long calls in flight may take to finish once a person has asked to stop."""


_FEW = 5
"""So few problems that are the last ones run to their ends: they may be such as no server can bear, and as
rows that say so they are over."""


class End(StrEnum):
    """Why a batch is over."""

    COMPLETE = "complete"
    BUDGET = "budget"
    DEADLINE = "deadline"
    INTERRUPTED = "interrupted"
    DOWN = "down"


_CUTS = {StopReason.BUDGET: End.BUDGET, StopReason.DEADLINE: End.DEADLINE}


class Worked(NamedTuple):
    """Why a problem ended, and what writes its row where that is still to be decided."""

    reason: StopReason
    held: Held | None = None


Work = Callable[[Row], Awaitable[Worked]]
"""Solve a problem and write its row, or leave that to the driver. One that the budget or the deadline
cut off has no row, so that a later run goes on with it."""


class Driver:
    """Runs the problems of one batch. For one run, within a running loop.

    A new problem starts whenever fewer than `width()` are under way. `door` stands before every
    attempt at a call. `deadline` is in seconds on the loop's clock. `silence` None bears any.
    """

    def __init__(
        self,
        work: Work,
        *,
        width: Callable[[], int],
        door: Door,
        deadline: float | None = None,
        grace_s: float = GRACE_S,
        silence: Silence | None = None,
    ) -> None:
        self._work = work
        self._width = width
        self._door = door
        self._deadline = deadline
        self._grace_s = grace_s
        self._under_way: set[asyncio.Task[None]] = set()
        self._place, self._news = asyncio.Event(), asyncio.Event()
        self._breaker = Breaker()
        self._silence = silence
        self._unanswered = ""
        self._all_begun = False
        door.heard = self._heard
        self._end: End | None = None
        self._fatal: Exception | None = None

    @property
    def under_way(self) -> int:
        """How many problems are being solved now."""
        return len(self._under_way)

    @property
    def last_outage(self) -> str:
        """What the last call said that failed while nobody was answered; "" if none is."""
        return self._breaker.held[-1].why if self._breaker.held else self._unanswered

    def interrupt(self) -> None:
        """Start nothing new; the calls in flight may finish for `grace_s` seconds."""
        self._door.shut()
        self._halt(End.INTERRUPTED)

    def look_again(self) -> None:
        """`width()` may have grown."""
        self._place.set()

    async def run(self, rows: AsyncIterator[Row]) -> End:
        """Solve the problems to the end, or until the run is stopped. Raises what ended it early.

        What reading `rows` raises is raised once the problems under way are solved: they are good.
        """
        launcher = asyncio.ensure_future(self._launch(rows))
        launcher.add_done_callback(lambda _: self._tell())
        timer = self._alarm()
        try:
            while not self._over(launcher):
                self._news.clear()
                await self._news.wait()
                if self._end is not None:
                    launcher.cancel()
            if self._end is End.INTERRUPTED:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._door.empty(), self._grace_s)
        finally:
            if timer is not None:
                timer.cancel()
            await _cancelled([launcher, *self._under_way])
        if self._fatal is not None:
            raise self._fatal
        if not launcher.cancelled():
            launcher.result()
        if self._end is None:
            for held in self._breaker.held:
                held.write()
        return self._end or End.COMPLETE

    def _over(self, launcher: asyncio.Future[None]) -> bool:
        if self._fatal is not None or self._end in {End.INTERRUPTED, End.DOWN}:
            return True
        return launcher.done() and not self._under_way

    async def _launch(self, rows: AsyncIterator[Row]) -> None:
        async for row in rows:
            while not self._stopped and len(self._under_way) >= self._width():
                self._place.clear()
                await self._place.wait()
            if self._stopped:
                return
            task = asyncio.ensure_future(self._one(row))
            self._under_way.add(task)
            task.add_done_callback(self._landed)
        self._all_begun = True

    async def _one(self, row: Row) -> None:
        try:
            worked = await self._work(row)
            self._settle(worked)
        except Exception as error:
            self._fatal = self._fatal or error
            self._door.shut()  # before this task is done: others may be about to send their next call

    def _settle(self, worked: Worked) -> None:
        """Draw from a problem that has ended what it says about the others."""
        for held in self._breaker.freed(self._door.answered):
            held.write()
        others = len(self._under_way) - 1
        if worked.held is not None and self._breaker.opens(worked.held, others):
            self._halt(End.DOWN)
        if worked.reason in _CUTS:
            self._halt(_CUTS[worked.reason])

    def _heard(self, error: BaseException | None) -> None:
        """Draw from an attempt at a call that has ended what it says about the others."""
        if self._silence is None or (error is not None and not isinstance(error, ProviderError)):
            return
        if error is None or error.kind not in OUTAGES:
            self._silence.broken()
            return
        lasts = self._silence.lasts(asyncio.get_running_loop().time(), self._door.sent)
        if lasts and not (self._all_begun and len(self._under_way) < _FEW):
            self._unanswered = " ".join(str(error).split())
            self._halt(End.DOWN)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._tell()

    def _alarm(self) -> asyncio.TimerHandle | None:
        if self._deadline is None:
            return None
        return asyncio.get_running_loop().call_at(self._deadline, self._halt, End.DEADLINE)

    @property
    def _stopped(self) -> bool:
        return self._end is not None or self._fatal is not None

    def _halt(self, end: End) -> None:
        # A person who asks to stop overrules a budget that is only being used up.
        if self._end is None or end is End.INTERRUPTED:
            self._end = end
        self._tell()

    def _tell(self) -> None:
        self._place.set()
        self._news.set()


async def _cancelled(tasks: list[asyncio.Future[None]]) -> None:
    """Cancel what is not done, once, and wait until it has unwound."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
