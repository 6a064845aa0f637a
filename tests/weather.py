"""A bad day at a provider, the same one every time, and a witness of what its clients make of it.

    sky = Weather()
    with Loopback(sky) as server:
        ...
    sky.faults["429"], sky.most_attempts, sky.early

Of all attempts 15% are turned away with 429, 10% fail with 500, 503 or 529, 5% lose their connection
and 2% get a reply that is cut, stalls or cannot be read. What befalls an attempt is drawn from the text
of its request and its number alone, not from the order in which requests come. From the sixth attempt at
a call on nothing befalls it, so that every call can be finished with the usual number of retries.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random

from loopback import Cut, Empty, Fault, Malformed, Reply, Reset, Seen, Stall, Status, StreamError

WORST = 5
"""Attempts at one call that may fail."""

_SLEW_S = 0.005  # the two clocks of a machine may drift so far apart in a second


def counting(seen: Seen) -> Reply:
    """The right answer to how many `a plus b` are, and which turn it is, so that no two calls are alike;
    without confidence, so that every turn is taken."""
    a, b = map(int, re.findall(r"(\d+) plus (\d+)", seen.text)[0])
    takes = [int(take) for take in re.findall(r"Take (\d+)\.", seen.text)]
    return Reply(f"Take {max(takes, default=0) + 1}.\nAnswer: {a + b}")


@dataclass
class Weather:
    """A script for `Loopback` that spoils what `answer` says. Calls are told apart by their texts.

    `stall_s` should be longer than the client's timeout. `most_attempts` is over all calls; `waits` are
    the pauses that were asked for, by the form in which they were; `early` are the attempts that came
    before such a pause was over, each with the seconds that were missing.
    """

    answer: Callable[[Seen], Reply] = counting
    seed: int = 0
    stall_s: float = 60.0
    faults: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    early: list[tuple[str, float]] = field(default_factory=list)
    _attempts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _not_before: dict[str, float] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        return len(self._attempts)

    @property
    def attempts(self) -> int:
        return sum(self._attempts.values())

    @property
    def most_attempts(self) -> int:
        return max(self._attempts.values(), default=0)

    def __call__(self, seen: Seen) -> Reply | Fault:
        call = seen.text
        missing = self._not_before.pop(call, 0.0) - time.time()
        if missing > _SLEW_S:
            self.early.append((call, missing))
        self._attempts[call] += 1
        attempt = self._attempts[call]
        draw = Random(f"{self.seed}/{attempt}/{call}")
        sort = draw.choices(("429", "5xx", "reset", "broken", ""), (15, 10, 5, 2, 68))[0]
        if not sort or attempt > WORST:
            return self.answer(seen)
        name, fault = self._fault(seen, sort, draw)
        self.faults[name] += 1
        return fault

    def _fault(self, seen: Seen, sort: str, draw: Random) -> tuple[str, Fault]:
        if sort == "429":
            return sort, Status(429, "slow down", headers=self._wait(seen.text, draw))
        if sort == "5xx":
            status = draw.choice((500, 503, 529))
            return str(status), Status(status, "not now")
        if sort == "reset":
            return sort, Reset(politely=draw.random() < 0.5)
        reply = self.answer(seen)
        error = {"type": "overloaded_error", "message": "not now"}
        broken: list[Fault] = [
            Cut(reply=reply),
            Cut(reply=reply, politely=True),
            Stall(reply=reply, seconds=self.stall_s),
            Malformed(),
            Malformed(b"<html>Bad Gateway</html>", content_type="text/html"),
            Empty(),
            StreamError(error, reply=reply),
        ]
        fault = draw.choice(broken)
        return type(fault).__name__.lower(), fault

    def _wait(self, call: str, draw: Random) -> dict[str, str]:
        """The header that asks to wait, in one of its forms."""
        now = time.time()
        form = draw.choice(("seconds", "ms", "date", "none"))
        self.waits[form] += 1
        match form:
            case "seconds":
                self._not_before[call] = now + 1
                return {"retry-after": "1"}
            case "ms":
                wait_s = draw.randint(50, 900) / 1000
                self._not_before[call] = now + wait_s
                return {"retry-after-ms": f"{wait_s * 1000:.0f}", "retry-after": "1"}
            case "date":
                self._not_before[call] = float(int(now) + 1)
                return {"retry-after": formatdate(int(now) + 1, usegmt=True)}
        return {}
