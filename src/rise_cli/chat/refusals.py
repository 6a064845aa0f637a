"""Are refusals a sign of load, or do they come whatever the load?

Some providers refuse a share of all calls by chance, or since others use up what is there. To send less
is no help against that, and a limit that is lowered at each of them ends at nothing. So what is usual is
learned, and only more than that is a sign. What is usual is learned from `Doubt`s: a limit was lowered
and the share of refusals stayed.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice

FEW = 2
"""Refusals among recent calls that are a sign where none are usual."""

TELLING = 8
"""The limit below which one place more or less changes the share of refusals as much as chance does."""

_SHORT, _LONG = 20, 60  # recent calls that are looked at: where refusals are rare, and where they are not
_RARE = 0.01
_DEVIATIONS = 3.0  # of a count of refusals from what is usual: chance alone goes that far once in 700 times
_SAMPLE = 40  # calls after a limit was lowered
_STORM = 0.5  # of all calls: what no limit that fits meets
_FADES = 0.999  # with every call: what was found out once is found out again now and then
_BINDS = 0.9  # of the limit: with fewer in flight, something else holds calls back
_SAME = 0.5  # of the share before: what is left of it where lowering the limit was no help


class Usual:
    """Counts recent calls, and says when more of them were refused than is usual."""

    def __init__(self) -> None:
        self._recent: deque[bool] = deque(maxlen=_LONG)  # the newest first
        self._accepted = 0.0
        self._mean = 0.0

    @property
    def share(self) -> float:
        """Of recent calls that were refused, but for the few that drew attention to it."""
        return max(0, sum(self._recent) - FEW) / max(1, len(self._recent))

    def note(self, refused: bool) -> None:
        """A call was refused, or not."""
        self._recent.appendleft(refused)
        self._mean += (refused - self._mean) / _LONG
        self._accepted *= _FADES

    def exceeded(self, few: int) -> bool:
        """Whether recent refusals are so many more than usual that they are a sign."""
        usual = min(self._accepted, self._mean)
        calls = _SHORT if usual < _RARE else _LONG
        refused = sum(islice(self._recent, calls))
        spread = math.sqrt(calls * usual * (1 - usual))
        return refused >= calls * usual + _DEVIATIONS * spread + few

    def forget(self) -> None:
        """The limit is another one: what was before says nothing any more."""
        self._recent.clear()

    def accept(self, share: float) -> None:
        """So many are usual, until there are fewer."""
        self._accepted = self._mean = share


class Verdict(Enum):
    """What a doubt came to."""

    HELPED = auto()
    NO_HELP = auto()
    STORM = auto()


@dataclass
class Doubt:
    """Whether it was load that `share` of the calls were refused at this limit, which was lowered since.

    `calm` is to be restored with `limit` where it was not. `deep` says that the limit was lowered so far
    that the share of refusals tells.
    """

    limit: float
    calm: float | None
    share: float
    deep: bool = False
    sent: int = 0
    """Calls since the limit was lowered. Those that are under way count, since refusals are quick, and
    would be most of what one sees at first."""
    refused: int = 0
    served: int = 0
    in_flight: int = 0
    """Summed over all that are not under way any more."""

    def deepen(self) -> None:
        """The limit is lowered once more: count again."""
        self.deep, self.sent, self.refused, self.served, self.in_flight = True, 0, 0, 0, 0

    @property
    def left(self) -> float:
        """The share of refusals since."""
        return self.refused / max(1, self.sent)

    def note(self, refused: bool, in_flight: int, limit: int) -> Verdict | None:
        """A call that was sent since came to this. Return what is certain now."""
        self.refused += refused
        self.served += not refused
        self.in_flight += in_flight
        ended = self.refused + self.served
        if self.deep and self.left > _STORM and self.sent > max(_SHORT, 1.5 * limit):
            return Verdict.STORM
        if ended < _SAMPLE or self.served < _SAMPLE / 2:
            return None
        if not self.deep:
            return Verdict.HELPED
        if self.in_flight < _BINDS * limit * ended:
            return Verdict.STORM
        same = self.refused > 1 and self.left >= _SAME * self.share
        return Verdict.NO_HELP if same else Verdict.HELPED
