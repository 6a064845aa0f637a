"""Are refusals a sign of load, or do they come whatever the load?

Some providers refuse a share of all calls by chance, or since others use up what is there. To send less
is no help against that, and a limit that is lowered at each refusal ends at nothing. So it is learned how
many are usual, and only more than that are a sign. A `Doubt` tells: a limit was lowered, and the share of
refusals stayed the same. That is tried only where nearly the whole limit is `Carried`. More than a third
are never usual.
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
_FEWEST, _CLEARLY = 10, 0.5  # of them, and of them the share that needs no more
_STORM = 0.35  # of all calls: more are never taken for chance
_FADES = 0.999  # with every call: what was found out once is found out again now and then
_LESS = 0.6
_CARRIED = 0.85  # of the limit
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

    def exceeded(self, few: int, *, overfull: bool = False) -> bool:
        """Whether recent refusals are so many more than usual that they are a sign. Where calls are known
        to take places for nothing, none are usual."""
        usual = 0.0 if overfull else min(self._accepted, self._mean)
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

    def lessen(self, share: float) -> None:
        """A lower limit has met no more than these: what is usual cannot be much more."""
        if share < _LESS * self._accepted:
            self.accept(share)


class Carried:
    """How much of the limit is carried: the share of the places that are taken by calls that get a reply.

    A server that admits fewer than the limit leaves the other places to calls that it refuses, or to
    nobody while those wait to be made again. Where refusals come by chance nearly all is carried, since
    they are quick.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[bool, float, float]] = deque(maxlen=_LONG)

    def note(self, refused: bool, seconds: float, taken: float) -> None:
        """A call was refused, or not, after so many seconds, when this share of the places was taken."""
        self._recent.append((refused, seconds, min(1.0, taken)))

    @property
    def share(self) -> float | None:
        """None as long as too few replies came to tell."""
        served = [seconds for refused, seconds, _ in self._recent if not refused]
        if len(served) < _FEWEST:
            return None
        whole = sum(seconds for _, seconds, _ in self._recent) or 1.0
        return sum(served) / whole * sum(taken for *_, taken in self._recent) / len(self._recent)

    @property
    def overfull(self) -> bool:
        """Whether the limit is clearly more than what is carried."""
        return (share := self.share) is not None and share < _CARRIED


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

    def deepen(self) -> None:
        """The limit is lowered once more: count again."""
        self.deep, self.sent, self.refused, self.served = True, 0, 0, 0

    @property
    def left(self) -> float:
        """The share of refusals since."""
        return self.refused / max(1, self.sent)

    @property
    def hopeless(self) -> bool:
        """Whether most of the calls were refused."""
        return self.left > _CLEARLY

    def note(self, refused: bool, limit: int) -> Verdict | None:
        """A call that was sent since came to this. Return what is certain now."""
        self.refused += refused
        self.served += not refused
        ended = self.refused + self.served
        if self.deep and self.hopeless and self.sent >= max(_FEWEST, limit):
            return Verdict.STORM
        if ended < _SAMPLE or self.served < _SAMPLE / 2:
            return None
        if not self.deep:
            return Verdict.HELPED
        if self.left > _STORM:
            return Verdict.STORM
        same = self.refused > 1 and self.left >= _SAME * self.share
        return Verdict.NO_HELP if same else Verdict.HELPED
