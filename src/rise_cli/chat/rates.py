"""No more requests and tokens a minute than are allowed: `--rpm`, `--tpm`, and what headers say.

A minute's allowance is spread over the minute. Requests under `--rpm N` go out evenly, 60/N seconds
apart. Of tokens, and of what only the provider has told, a tenth of a minute's worth may go at once. What
the user gave is a ceiling: headers lower it, and never raise it. Where a header says that nothing is
left, everybody waits until there is again.

A call's tokens are estimated before it is made, from its messages and the replies so far, and set right
when the provider has counted them: the difference goes to the account of the calls to come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from rise_cli.chat import Request
from rise_cli.chat.rate_headers import UNITS, Said, read
from rise_cli.core.domain import Usage

Share = Mapping[str, float]
"""What a call takes of each unit, as estimated."""

_BURST = 0.1  # of a minute's allowance

_TOKENS_A_BYTE = 0.25  # of English text, until a provider has counted
_FIRST_OUTPUT = 512.0  # tokens, until there was a reply
_NEWEST = 0.1  # the weight of the newest reply in what is typical


class Allowance:
    """So many of one unit a minute. `ceiling` is the user's; `even` allows no burst at all.

    `take` is for one caller at a time, within one event loop.
    """

    def __init__(self, ceiling: int | None = None, *, even: bool = False) -> None:
        self._ceiling, self._even = ceiling, even
        self._per_minute: int | None = None
        self._owed = 0.0  # what earlier calls used beyond what they took; below 0, what they left over
        self._held_until = 0.0
        if ceiling is not None:
            self._allow(ceiling)

    @property
    def unbounded(self) -> bool:
        """Whether nobody has said anything about it."""
        return self._per_minute is None and not self._held_until

    async def take(self, amount: float) -> None:
        """Wait until `amount` may be used, and use it."""
        loop = asyncio.get_running_loop()
        while (pause := self._held_until - loop.time()) > 0:  # noqa: ASYNC110 - it may move meanwhile
            await asyncio.sleep(pause)
        if self._per_minute is None:
            return
        due, self._owed = max(0.0, amount + self._owed), min(0.0, amount + self._owed)
        while due > 0:  # what is more than the bucket holds goes through it in parts
            part = min(due, self._bucket.max_rate)
            await self._bucket.acquire(part)
            due -= part

    def correct(self, by: float) -> None:
        """A call used this much more than it took, or less."""
        if self._per_minute is not None:
            self._owed += by

    def hear(self, said: Said, longest_hold_s: float) -> None:
        """Go by what the provider says. A reset that is further away than `longest_hold_s` is not waited
        for: its refusals will tell."""
        if said.remaining == 0 and said.reset_s is not None and said.reset_s <= longest_hold_s:
            until = asyncio.get_running_loop().time() + said.reset_s
            self._held_until = max(self._held_until, until)
        if said.limit is not None:
            allowed = said.limit if self._ceiling is None else min(said.limit, self._ceiling)
            if allowed != self._per_minute:
                self._allow(allowed)

    def _allow(self, per_minute: int) -> None:
        from aiolimiter import AsyncLimiter

        size = 1.0 if self._even else max(1.0, per_minute * _BURST)
        self._per_minute = per_minute
        self._bucket = AsyncLimiter(size, 60 * size / per_minute)


class Rates:
    """The allowances of one model: for requests and tokens, and for input and output tokens where the
    provider counts them apart.

    `longest_hold_s` is the longest time to wait because a header says that nothing is left. `clock` is
    in seconds since the epoch, for headers that name a time.
    """

    def __init__(
        self,
        rpm: int | None = None,
        tpm: int | None = None,
        *,
        longest_hold_s: float = 120.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._allowances = {unit: Allowance() for unit in UNITS}
        self._allowances["requests"] = Allowance(rpm, even=rpm is not None)
        self._allowances["tokens"] = Allowance(tpm)
        self._longest_hold_s = longest_hold_s
        self._clock = clock
        self._tokens_a_byte = _TOKENS_A_BYTE
        self._output = _FIRST_OUTPUT
        self._counted = self._are_bounded()

    def hear(self, headers: Iterable[tuple[str, str]]) -> None:
        """Learn from the headers of an answer."""
        if told := read(headers, self._clock()):
            for unit, said in told.items():
                self._allowances[unit].hear(said, self._longest_hold_s)
            self._counted = self._are_bounded()

    async def take(self, request: Request) -> Share | None:
        """Wait until the call may be made. What it takes is to be settled when it is over; None as long
        as nobody has named a limit."""
        if not self._counted:
            return None
        sent = sum(len(message.text.encode(errors="replace")) for message in request.messages)
        output = self._output if request.max_tokens is None else min(self._output, request.max_tokens)
        share = _amounts(sent * self._tokens_a_byte, output) | {"bytes": sent}
        for unit, allowance in self._allowances.items():
            await allowance.take(share[unit])
        return share

    def settle(self, share: Share | None, usage: Usage | None) -> None:
        """Set right what a call took. No usage: nobody knows, so the estimate stands."""
        if usage is None or share is None:
            return
        if usage.output_tokens:
            self._output += _NEWEST * (usage.output_tokens - self._output)
        if usage.input_tokens and share["bytes"]:
            self._tokens_a_byte += _NEWEST * (usage.input_tokens / share["bytes"] - self._tokens_a_byte)
        used = _amounts(usage.input_tokens, usage.output_tokens)
        # Where input is counted apart, what is read from the provider's cache is not counted.
        used["input-tokens"] -= usage.cached_input_tokens
        for unit, allowance in self._allowances.items():
            allowance.correct(used[unit] - share[unit])

    def _are_bounded(self) -> bool:
        return not all(allowance.unbounded for allowance in self._allowances.values())


def _amounts(input_tokens: float, output_tokens: float) -> dict[str, float]:
    return {
        "requests": 1.0,
        "tokens": input_tokens + output_tokens,
        "input-tokens": input_tokens,
        "output-tokens": output_tokens,
    }
