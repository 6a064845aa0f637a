"""How many calls to keep in flight, found out by trying: `--concurrency auto`.

`Aimd` decides and knows no clock; `Adaptive` is the door at which calls wait. The theory is that of
congestion control, with calls in flight for packets (Jacobson, "Congestion Avoidance and Control",
1988):

    start        one place more for every reply, so twice as many in every round trip, until the first
                 sign of congestion
    refused      a 429, 503 or 529, and not alone: on with 0.85 of what was in flight. One among many
                 replies is the provider's chance, since above its limit one follows the other. Many of
                 one round trip count once: calls that were sent before the last decrease say nothing
                 about it
    by chance    where a share of the calls is refused at any limit, to lower it is no help. Refused again
                 soon after a decrease, the limit falls to 0.6 of what it was and is held still for some
                 40 calls. If about as many of them are refused, that share is usual from then on, and the
                 limit comes back: see `chat.refusals`
    afterwards   one place more in every round trip (below 40 a fortieth more), and twice that step
                 after every 8 without a refusal: slow around a limit that is known, quick where it
                 was lifted
    latency      replies of a language model differ tenfold in length, so single latencies say nothing.
                 Medians of many replies are compared. When one is twice the lowest so far, the limit is
                 halved as a trial (or more, where the latency is beyond four times). If fewer calls
                 bring nearly as many replies, the server was full; if not, the replies got longer, and
                 the limit comes back
    nobody       when refusals come round after round and no call that was sent since gets a reply,
                 one call at a time is sent, after growing pauses, at least what the provider asks: a
                 smaller limit is no help against an empty allowance
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from rise_cli.chat.limits import refuses
from rise_cli.chat.refusals import FEW, TELLING, Carried, Doubt, Usual, Verdict
from rise_cli.errors import ProviderError

START = 20
MOST = 1000

_KEPT = 0.85  # of the calls in flight, after a refusal
_DEEP, _DEEP_HELPED = 0.6, 0.85  # of the limit, where it is tried whether less helps; and where that helped
_FULL_STEP = 40  # the limit from which on the step is one place; below, it is as much less
_DOUBLING_ROUNDS = 8  # round trips, after which the step doubles

_FEWEST_SAMPLES = 50  # the median of so many latencies that differ tenfold is within a fifth of the true one
_SLOW = 2.0  # times the lowest median so far
_WORTH = 0.85  # of the replies that the whole limit brings: with so many, less of it is enough

_ROUNDS_REFUSED = 3  # in a row, before calls are held back
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0
_LONGEST_ASKED_S = 60.0

Trace = Callable[[float, int], None]
"""Called with the time, in the clock's seconds, and the limit whenever it changes."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """A limit that seems too high, and the median latency at it: None until it is measured with the
    limit held still. Then the limit is lowered, and the latency measured again."""

    limit: float
    latency: float | None = None


class Aimd:
    """The decision alone: told what became of each call, it says how many may be in flight.

    Times are in seconds on any clock that does not go back. `sent` is when the call was let in,
    `in_flight` how many there are, itself included. `hold_until` is the time before which no call
    shall be sent at all.
    """

    def __init__(self, start: int = START, most: int = MOST) -> None:
        self._most = most
        self._start = min(start, most)
        self._width = float(self._start)  # the limit before it is rounded down
        self.hold_until = -math.inf
        self._calm: float | None = None  # round trips since the last decrease; None before the first
        self._decreased_at = -math.inf
        self._rounds_refused = 0  # and nobody served who was sent since the first of them
        self._usual_refusals = Usual()
        self._carried = Carried()
        self._doubt: Doubt | None = None
        self._refused_since = -math.inf
        self._unrefused = self._width  # the limit before
        self._pause_s = 0.0  # before each call
        self._usual: float | None = None  # the lowest median latency so far
        self._trial: _Trial | None = None
        self._begin_sample(-math.inf)

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return int(self._width)

    def on_sent(self, now: float) -> None:
        """A call was let in."""
        if self._doubt is not None:
            self._doubt.sent += 1
        if self._pause_s:
            self.hold_until = now + self._pause_s

    def on_success(self, sent: float, now: float, in_flight: int) -> None:
        """A reply came."""
        self._carried.note(False, now - sent, in_flight / self.limit)
        self._count(sent, refused=False)
        if self._rounds_refused and sent >= self._refused_since:
            self._rounds_refused, self._pause_s, self.hold_until = 0, 0.0, -math.inf
        # Where the limit is not what holds calls back, nothing was learned about a higher one.
        still = self._trial is not None or (self._doubt is not None and self._doubt.deep)
        if in_flight * 2 > self.limit and not still:
            self._grow()
        self._sample(sent, now)

    def on_timeout(self, sent: float, now: float) -> None:
        """No reply came in time: a latency of at least that much."""
        self._sample(sent, now)

    def on_refused(self, sent: float, now: float, in_flight: int, retry_after: float | None = None) -> None:
        """The provider refused a call for load, and asked for a pause in seconds."""
        self._carried.note(True, now - sent, in_flight / self.limit)
        if sent < self._decreased_at:
            return
        storm = self._count(sent, refused=True) is Verdict.STORM
        few = FEW + (self._width >= _FULL_STEP)
        usual = not self._usual_refusals.exceeded(few, overfull=self._carried.overfull)
        if self._rounds_refused < _ROUNDS_REFUSED and ((usual and not storm) or self._finds_out()):
            return
        if not self._rounds_refused:
            self._refused_since, self._unrefused = now, self._width
        self._rounds_refused += 1
        if self._rounds_refused >= _ROUNDS_REFUSED:
            self._hold(now, retry_after or 0.0)
        # While nobody is served, refusals say less and less about how many would be.
        kept = max(_KEPT * min(self._width, in_flight), self._unrefused / 2)
        self._doubtful(min(kept, self._width), now)

    def _finds_out(self) -> bool:
        """Whether what was learned from the last refusals is still to show."""
        doubt = self._doubt
        early = self._carried.share is None  # refusals come before the first replies
        return doubt is not None and (doubt.deep or (early and not doubt.hopeless))

    def _doubtful(self, to: float, now: float) -> None:
        """Lower the limit, for the time being. What is refused after that tells whether it was too high."""
        doubt = self._doubt
        if self._rounds_refused >= _ROUNDS_REFUSED or self._width < TELLING or self._carried.overfull:
            self._doubt = None
        elif doubt is None:
            self._doubt = Doubt(self._width, self._calm, self._usual_refusals.share)
        elif self._carried.share is not None:
            doubt.deepen()
            to = min(to, _DEEP * self._width)
        self._decrease(to, now)
        self._trial = None
        self._begin_sample(now)

    def _count(self, sent: float, *, refused: bool) -> Verdict | None:
        """Count what became of a call, and draw the conclusion where a doubt about the limit is over."""
        if sent < self._decreased_at:
            return None
        self._usual_refusals.note(refused)
        doubt = self._doubt
        if doubt is None or (verdict := doubt.note(refused, self.limit)) is None:
            return None
        self._doubt = None
        if verdict is Verdict.NO_HELP:
            self._usual_refusals.accept(doubt.left)
            self._set(doubt.limit)
            self._calm = doubt.calm
        elif verdict is Verdict.HELPED:
            self._usual_refusals.lessen(doubt.left)
            if doubt.deep:
                self._set(self._width * _DEEP_HELPED / _DEEP)
        return verdict

    def _grow(self) -> None:
        if self._calm is None:
            self._set(self._width + 1)
        else:
            self._calm += 1 / self._width
            step = min(1.0, self._width / _FULL_STEP) * 2 ** (self._calm / _DOUBLING_ROUNDS)
            self._set(self._width + step / self._width)

    def _decrease(self, to: float, now: float) -> None:
        self._set(to)
        self._usual_refusals.forget()
        self._calm, self._decreased_at = 0.0, now

    def _set(self, width: float) -> None:
        self._width = min(max(width, 1.0), self._most)

    def _hold(self, now: float, asked_s: float) -> None:
        pause = _FIRST_PAUSE_S * 2.0 ** min(self._rounds_refused - _ROUNDS_REFUSED, 10)
        self._pause_s = max(min(_LONGEST_PAUSE_S, pause), min(asked_s, _LONGEST_ASKED_S))
        self.hold_until = now + self._pause_s

    # Latency

    def _begin_sample(self, now: float) -> None:
        self._sampling_since = now
        self._latencies: list[float] = []
        # Two round trips: the first of them is made of the shortest replies.
        self._enough = max(_FEWEST_SAMPLES, 2 * self.limit)

    def _sample(self, sent: float, now: float) -> None:
        if sent < self._sampling_since:
            return
        self._latencies.append(now - sent)
        if len(self._latencies) >= self._enough:
            self._judge(sorted(self._latencies)[len(self._latencies) // 2], now)
            self._begin_sample(now)

    def _judge(self, latency: float, now: float) -> None:
        trial, usual = self._trial, self._usual
        if trial is not None and trial.latency is not None:
            self._end_trial(trial.limit, trial.latency, latency)
        elif usual is None or latency <= _SLOW * usual:
            self._trial = None
            self._usual = latency if usual is None else min(latency, usual)
        elif trial is None:
            self._trial = _Trial(self._width)
        elif self._width > self._start:  # a latency at the start is taken for granted, like the first one
            self._trial = _Trial(self._width, latency)
            share = min(0.5, _SLOW * usual / latency)
            self._decrease(max(share * self._width, self._start), now)
        else:
            self._trial, self._usual = None, latency

    def _end_trial(self, limit: float, before: float, after: float) -> None:
        """Keep the lower limit, or go back. Replies a second are calls in flight by latency
        (Little's law), here compared as shares of what the whole limit brought."""
        self._trial = None
        if (self._width / after) / (limit / before) < _WORTH:
            self._usual = after
            self._set(limit)


class Adaptive:
    """The `Limits` of `--concurrency auto`: calls wait, first come, first served, until there is place.

    It learns from how each call leaves it: a reply, a refusal for load or a timeout; anything else
    says nothing. `clock` is in seconds and does not go back. `in_flight` and `limit` may be read at any
    time. One task holds one place at most.
    """

    def __init__(
        self,
        *,
        start: int = START,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
        trace: Trace | None = None,
    ) -> None:
        self._aimd = Aimd(start, most)
        self._clock = clock
        self._trace = trace
        self._sent: dict[asyncio.Task[object] | None, float] = {}
        self._turn, self._news = asyncio.Lock(), asyncio.Event()
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return self._aimd.limit

    async def __aenter__(self) -> None:
        async with self._turn:  # in the order in which they came: only the first waits for news
            while (pause := self._closed_for()) is not None:
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause if pause < math.inf else None):
                        await self._news.wait()
            self.in_flight += 1
            now = self._sent[asyncio.current_task()] = self._clock()
            self._aimd.on_sent(now)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        before = self.limit
        self._learn(self._sent.pop(asyncio.current_task()), self._clock(), error)
        self.in_flight -= 1
        self._news.set()
        if self._trace is not None and self.limit != before:
            self._trace(self._clock(), self.limit)

    def _closed_for(self) -> float | None:
        """None if a call may go now, else the seconds until it is worth looking again."""
        if self.in_flight >= self.limit:
            return math.inf
        pause = self._aimd.hold_until - self._clock()
        return pause if pause > 0 else None

    def _learn(self, sent: float, now: float, error: BaseException | None) -> None:
        if error is None:
            self._aimd.on_success(sent, now, self.in_flight)
        elif refuses(error):
            self._aimd.on_refused(sent, now, self.in_flight, error.retry_after)
        elif isinstance(error, ProviderError) and error.kind == "timeout":
            self._aimd.on_timeout(sent, now)
