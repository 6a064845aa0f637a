"""How many calls to keep in flight, found out by trying: `--concurrency auto`.

`Aimd` decides and knows no clock; `Adaptive` is the door at which calls wait. The theory is that of
congestion control, with calls in flight for packets (Jacobson, "Congestion Avoidance and Control",
1988):

    start        one place more for every reply, so twice as many in every round trip, until the first
                 sign of congestion
    refused      a 429, 503 or 529: on with 3/4 of what is known to be admitted. Many refusals of one
                 round trip count once: those of calls sent before the last decrease only sharpen the
                 estimate of what is admitted
    afterwards   the cubic curve of RFC 9438, in round trips rather than seconds: quickly back towards
                 that ceiling, a long stay at it, then a slow look above it
    latency      replies of a language model differ tenfold in length, so single latencies say nothing.
                 Medians of many replies are compared; when one is twice the lowest so far, the limit is
                 halved as a trial. If latency follows, the server was full. If it does not, the replies
                 got longer, and the limit comes back
    nobody       when refusals come round after round without a reply in between, calls are held back
                 for growing pauses, at least for what the provider asks: a smaller limit is no help
                 against an empty allowance

A call that is refused costs the provider nothing and us a pause, so the look above the ceiling is
rare: once in some 35 round trips.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from rise_cli.errors import ProviderError

START = 20
LEAST = 1
MOST = 1000

_KEPT = 0.75  # of the ceiling, after a refusal
_CURVATURE = 0.02  # with it, the way from 3/4 back to a ceiling of 40 takes 8 round trips
_STAY_ROUNDS = 25.0

_FEWEST_SAMPLES = 50  # the median of so many latencies that differ tenfold is within a fifth of the true one
_SLOW = 2.0  # times the lowest median so far
_FOLLOWED = 0.8  # of the latency before the limit was halved: it followed

_ROUNDS_REFUSED = 3  # in a row, before calls are held back
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0
_LONGEST_ASKED_S = 60.0

_OVERLOADED = frozenset({429, 503, 529})

Trace = Callable[[float, int], None]
"""Called with the time, in the clock's seconds, and the limit whenever it changes."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """The limit that is on trial, and the median latency at it: None until it is measured with the
    limit held still. Then the limit is halved, and the latency measured again."""

    limit: float
    latency: float | None


class Aimd:
    """The decision alone: told what became of each call, it says how many may be in flight.

    Times are in seconds on any clock that does not go back. `sent` is when the call was let in,
    `in_flight` how many there are, itself included. `hold_until` is the time before which no call
    shall be sent at all.
    """

    def __init__(self, start: int = START, least: int = LEAST, most: int = MOST) -> None:
        self._least, self._most = least, most
        self._start = min(max(start, least), most)
        self._width = float(self._start)  # the limit before it is rounded down
        self.hold_until = -math.inf
        self._doubling = True
        self._ceiling = self._low = self._width  # the curve leads from `_low` to the ceiling and beyond
        self._firm = True  # whether calls were refused where the ceiling was thought to be
        self._rounds = 0.0  # round trips since the last decrease
        self._round_began = self._decreased_at = -math.inf
        self._peak = self._refused = 0  # of the burst of refusals that the last decrease was for
        self._rounds_refused = 0
        self._usual: float | None = None  # the lowest median latency so far
        self._trial: _Trial | None = None
        self._begin_sample(-math.inf)

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return int(self._width)

    def on_success(self, sent: float, now: float, in_flight: int) -> int:
        """A reply came. Returns the new limit."""
        if sent >= self._round_began:
            self._rounds_refused = 0
        # Where the limit is not what holds calls back, nothing was learned about a higher one.
        if in_flight * 2 > self.limit and self._trial is None:
            self._grow()
        self._sample(sent, now)
        return self.limit

    def on_timeout(self, sent: float, now: float) -> int:
        """No reply came in time: a latency of at least that much. Returns the new limit."""
        self._sample(sent, now)
        return self.limit

    def on_rejected(self, sent: float, now: float, in_flight: int, retry_after: float | None = None) -> int:
        """The provider refused a call for load, and asked for a pause in seconds. Returns the new limit."""
        if sent >= self._decreased_at:
            self._firm = self._doubling or in_flight > self._ceiling
            self._peak, self._refused = in_flight, 0
            self._round_began, self._decreased_at = self._decreased_at, now
            self._rounds_refused += 1
            self._hold(now, retry_after or 0.0)
            self._trial = None
            self._begin_sample(now)
        self._refused += 1
        # A whole burst refused says less about how many are admitted than it seems to.
        ceiling = max(self._peak - self._refused, self._peak / 2) if self._firm else self._peak - 1
        self._fall(min(self._width, _KEPT * max(ceiling, (not self._firm) * self._peak)), ceiling)
        return self.limit

    def _grow(self) -> None:
        if self._doubling:
            self._set(self._width + 1)
            return
        self._rounds += 1 / self._width
        way = math.cbrt((self._ceiling - self._low) / _CURVATURE)
        stay = _STAY_ROUNDS if self._firm else 0.0
        if self._rounds < way:
            curve = self._ceiling - _CURVATURE * (way - self._rounds) ** 3
        else:
            curve = self._ceiling + _CURVATURE * max(0.0, self._rounds - way - stay) ** 3
        self._set(curve if self._firm else max(curve, self._low + self._rounds))

    def _fall(self, to: float, ceiling: float) -> None:
        self._set(to)
        self._low, self._ceiling = self._width, max(ceiling, self._width)
        self._rounds = 0.0
        self._doubling = False

    def _set(self, width: float) -> None:
        self._width = min(max(width, self._least), self._most)

    def _hold(self, now: float, asked_s: float) -> None:
        beyond = self._rounds_refused - _ROUNDS_REFUSED
        if beyond >= 0:
            pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(beyond, 10))
            self.hold_until = now + max(pause, min(asked_s, _LONGEST_ASKED_S))

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
            self._judge(statistics.median(self._latencies), now)
            self._begin_sample(now)

    def _judge(self, latency: float, now: float) -> None:
        trial, usual = self._trial, self._usual
        if usual is None or latency < usual:
            self._usual, self._trial = latency, None
        elif trial is not None and trial.latency is not None:
            self._end_trial(trial, latency, trial.latency)
        elif latency <= _SLOW * usual:
            self._trial = None
        elif trial is None:
            self._trial = _Trial(self._width, None)
        else:
            self._halve(latency, now)

    def _halve(self, latency: float, now: float) -> None:
        # Never below where it started: a latency there is taken for granted, like the first one.
        halved = max(self._width / 2, min(self._start, self._width))
        self._trial = _Trial(self._width, latency)
        self._decreased_at = now
        self._fall(halved, halved)

    def _end_trial(self, trial: _Trial, latency: float, before: float) -> None:
        self._trial = None
        if latency > _FOLLOWED * before:
            self._usual = latency
            self._fall(trial.limit, trial.limit)


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
        least: int = LEAST,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
        trace: Trace | None = None,
    ) -> None:
        self._aimd = Aimd(start, least, most)
        self._clock = clock
        self._trace = trace
        self._shown = self._aimd.limit
        self._sent: dict[asyncio.Task[object] | None, float] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return self._aimd.limit

    async def __aenter__(self) -> Adaptive:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()
            raise
        self._sent[asyncio.current_task()] = self._clock()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._learn(self._sent.pop(asyncio.current_task()), self._clock(), error)
        self._leave()

    def _learn(self, sent: float, now: float, error: BaseException | None) -> None:
        aimd = self._aimd
        if error is None:
            aimd.on_success(sent, now, self.in_flight)
        elif isinstance(error, ProviderError):
            if error.kind == "rate_limited" or error.status in _OVERLOADED:
                aimd.on_rejected(sent, now, self.in_flight, error.retry_after)
            elif error.kind == "timeout":
                aimd.on_timeout(sent, now)
        if self._trace is not None and aimd.limit != self._shown:
            self._shown = aimd.limit
            self._trace(now, self._shown)

    def _leave(self) -> None:
        self.in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        """Let in whoever there is place for; come back when calls are no longer held back."""
        while self._waiting and self.in_flight < self._aimd.limit:
            pause = self._aimd.hold_until - self._clock()
            if pause > 0:
                self._wake_in(pause)
                return
            place = self._waiting.popleft()
            if not place.done():
                # Taken here, not by the call when it wakes: nobody can slip in between.
                self.in_flight += 1
                place.set_result(None)

    def _wake_in(self, pause: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(pause, self._admit)
