"""A cap that holds: what a call may cost at worst is set aside before it is sent.

`Budgeted` makes one attempt. It reserves the worst case, lets the provider write no more than was
reserved for, and settles to what the provider counted. An attempt that may have been billed although
its reply was lost stays charged at its worst case, so the sum billed never passes the cap.

The bound on input tokens is the number of UTF-8 bytes of all texts, plus a constant for every message
and every request, which covers roles, separators and a chat template's own words. A tokenizer that
works on bytes never makes more tokens than there are bytes. The bound does not cover a provider that
adds text of its own beyond that, a tokenizer that expands text before it counts (some ligatures
under NFKC), or options that ask for more than one reply. A usage above the reservation is recorded as
it is, and said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from rise_cli.chat import Chat, Notice, Request
from rise_cli.chat.prices import Tariff, exact
from rise_cli.core.domain import Completion, Message
from rise_cli.errors import BudgetExhausted, ConfigurationError, ProviderError, UsageError

DEFAULT_OUTPUT = 8192
"""Output tokens that a call is given where nobody asked for another limit."""

_PER_MESSAGE = 16
_PER_REQUEST = 64


@dataclass(frozen=True, slots=True)
class Amount:
    """What a budget counts: US dollars and tokens (input and output together)."""

    usd: Decimal = Decimal(0)
    tokens: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.usd + other.usd, self.tokens + other.tokens)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.usd - other.usd, self.tokens - other.tokens)


Quote = Callable[[int], Amount]
"""The most that a call can cost if it may write so many output tokens. It never falls."""


@dataclass(frozen=True, slots=True, eq=False)
class Hold:
    """A reservation: `worst` is set aside for an attempt of at most `limit` output tokens."""

    limit: int
    worst: Amount


class Purse(Protocol):
    """Where calls reserve before they are made. A cluster can share one; here it is a `Wallet`.

    Every hold ends in exactly one `settle` or `lose`, which do not block and do not fail.
    """

    async def reserve(self, quote: Quote, wanted: int, least: int) -> Hold:
        """Set aside the worst case for `wanted` output tokens, or where that does not fit even after
        all earlier holds are settled, for as many as do fit but at least `least`. First come, first
        served. Raises `BudgetExhausted`."""
        ...

    def settle(self, hold: Hold, actual: Amount) -> None:
        """Charge what the attempt cost instead of what was set aside."""
        ...

    def lose(self, hold: Hold) -> None:
        """Charge all of it: the attempt is lost, and may have been billed."""
        ...


class Wallet:
    """A `Purse` for the calls of one event loop. None means no cap. `spent` is what was taken from it
    before. `lost_attempts` counts those that were charged at their worst case because nobody knows what
    they cost. `waiting` calls want to reserve.

    It can be shut: then nothing is reserved any more, and whoever wants to waits until it is cancelled.
    """

    def __init__(
        self, max_cost_usd: float | None = None, max_tokens: int | None = None, spent: Amount | None = None
    ) -> None:
        self._max_usd = None if max_cost_usd is None else exact(max_cost_usd)
        self._max_tokens = max_tokens
        self._spent = spent or Amount()
        self._open: set[Hold] = set()
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()
        self._shut = False
        self.lost_attempts = self.waiting = 0

    def shut(self) -> None:
        """Reserve nothing any more."""
        self._shut = True

    @property
    def spent(self) -> Amount:
        return self._spent

    @property
    def spent_usd(self) -> float:
        return float(self._spent.usd)

    @property
    def spent_tokens(self) -> int:
        return self._spent.tokens

    @property
    def reserved(self) -> Amount:
        """The sum of the holds that are not settled yet."""
        return sum((hold.worst for hold in self._open), Amount())

    async def reserve(self, quote: Quote, wanted: int, least: int) -> Hold:
        self.waiting += 1
        try:
            # The lock queues callers in order, and only its holder waits for a settlement: a large
            # request cannot be overtaken for ever by small ones.
            async with self._turn:
                return await self._granted(quote, wanted, least)
        finally:
            self.waiting -= 1

    async def _granted(self, quote: Quote, wanted: int, least: int) -> Hold:
        while (limit := self._largest(quote, wanted)) < wanted and self._open:
            self._settled.clear()
            await self._settled.wait()
        if self._shut:
            await asyncio.Event().wait()
        if limit < least:
            raise self._exhausted(quote(least))
        hold = Hold(limit, quote(limit))
        self._open.add(hold)
        return hold

    def settle(self, hold: Hold, actual: Amount) -> None:
        self._open.remove(hold)
        self._spent += actual
        self._settled.set()

    def lose(self, hold: Hold) -> None:
        self.lost_attempts += 1
        self.settle(hold, hold.worst)

    def _largest(self, quote: Quote, wanted: int) -> int:
        """The largest output limit up to `wanted` whose worst case fits now, -1 if none does."""
        committed = self._spent + self.reserved
        if self._fits(committed + quote(wanted)):
            return wanted
        fits, too_much = -1, wanted
        while too_much - fits > 1:
            middle = (fits + too_much) // 2
            if self._fits(committed + quote(middle)):
                fits = middle
            else:
                too_much = middle
        return fits

    def _fits(self, total: Amount) -> bool:
        dear = self._max_usd is not None and total.usd > self._max_usd
        return not dear and (self._max_tokens is None or total.tokens <= self._max_tokens)

    def _exhausted(self, needed: Amount) -> BudgetExhausted:
        if self._max_usd is not None and self._spent.usd + needed.usd > self._max_usd:
            cap, spent, more = (
                f"--max-cost {self._max_usd.normalize():f}",
                f"{self._spent.usd:.6f} USD",
                f"{needed.usd:.6f} USD",
            )
        else:
            cap = f"--max-tokens-total {self._max_tokens}"
            spent, more = f"{self._spent.tokens} tokens", f"{needed.tokens} tokens"
        return BudgetExhausted(
            f"{cap} does not allow another call: {spent} spent, and it could take {more}; raise it to go on"
        )


class Budgeted:
    """A `Chat` that makes one attempt within a purse. It belongs inside `Retrying`, so that every
    attempt is reserved, and inside `Limited`, so that nothing is set aside for calls that queue.

    The output limit sent is the largest that fits, at most `request.max_tokens` or, where the request
    has none, `default_output`; at least `floor` or that limit itself, whichever is smaller. A reply that
    is cut off at a lower limit than was wanted is finished by `budget`, not by `length`. `tariff` None
    counts tokens only.
    """

    def __init__(
        self,
        chat: Chat,
        purse: Purse,
        tariff: Tariff | None,
        *,
        notice: Notice,
        default_output: int = DEFAULT_OUTPUT,
        floor: int = 64,
    ) -> None:
        self._chat = chat
        self._purse = purse
        self._tariff = tariff
        self._notice = notice
        self._default_output = default_output
        self._floor = floor

    async def complete(self, request: Request) -> Completion:
        """As `Chat.complete`. Raises `BudgetExhausted` if not even the smallest useful limit fits."""
        most_input = input_bound(request.messages)
        wanted = self._default_output if request.max_tokens is None else request.max_tokens
        hold = await self._purse.reserve(
            lambda limit: self._worst(most_input, limit), wanted, min(self._floor, wanted)
        )
        try:
            completion = await self._chat.complete(replace(request, max_tokens=hold.limit))
        except BaseException as error:
            if is_unbilled(error):
                self._purse.settle(hold, Amount())
            else:
                self._purse.lose(hold)
            raise
        self._purse.settle(hold, self._actual(hold, completion))
        if completion.finish_reason == "length" and hold.limit < wanted:
            return replace(completion, finish_reason="budget")
        return completion

    async def aclose(self) -> None:
        await self._chat.aclose()

    def _worst(self, input_tokens: int, output_tokens: int) -> Amount:
        usd = self._tariff.worst(input_tokens, output_tokens) if self._tariff else 0.0
        return Amount(exact(usd), input_tokens + output_tokens)

    def _actual(self, hold: Hold, completion: Completion) -> Amount:
        usage = completion.usage
        if usage is None:
            return hold.worst
        usd = self._tariff.cost(usage) if self._tariff else 0.0
        actual = Amount(exact(usd), usage.input_tokens + usage.output_tokens)
        if actual.usd > hold.worst.usd or actual.tokens > hold.worst.tokens:
            self._notice(
                f"a call took {actual.tokens} tokens where at most {hold.worst.tokens} were reserved: "
                "the provider adds input or ignores the output limit, so the budget may be passed"
            )
        return actual


def input_bound(messages: tuple[Message, ...]) -> int:
    """The most input tokens that these messages can be. See the module for what it leaves out."""
    texts = sum(len(message.text.encode(errors="replace")) for message in messages)
    return texts + _PER_MESSAGE * len(messages) + _PER_REQUEST


def is_unbilled(error: BaseException) -> bool:
    """Whether the attempt that ended like this is surely not charged for."""
    if isinstance(error, ProviderError):
        return not error.billed
    return isinstance(error, UsageError | ConfigurationError)  # refused before anything was written
