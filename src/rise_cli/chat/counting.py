"""What one run takes from a provider, counted where it is sent: attempts, tokens, money.

The rows of a results file say what problems cost; this says what a run spent, also on calls whose
problem was cut off and on attempts that were lost. It stands closest to the provider, around `Priced`
alone, so that a call that is answered from a journal, waits for its place or is kept back by the budget
is not counted, and a retried one is counted every time.
"""

from __future__ import annotations

from dataclasses import dataclass

from rise_cli.chat import Chat, Request
from rise_cli.chat.budget import is_unbilled
from rise_cli.core.domain import Completion
from rise_cli.errors import ProviderError


@dataclass
class Spent:
    """What the attempts of a run took so far. Tokens and `known_usd` are sums of what is known.

    `requests` were sent. Of these `refused` met a rate limit, `lost` brought nothing although they may
    be charged for (a stream that broke, a call that was cancelled on its way), `uncounted` brought a
    reply without a count of its tokens, and `unpriced` one without a price.
    """

    requests: int = 0
    refused: int = 0
    lost: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    uncounted: int = 0
    known_usd: float = 0.0
    unpriced: int = 0

    @property
    def cost_usd(self) -> float | None:
        """None if nobody knows what some attempt cost."""
        return None if self.lost or self.unpriced else self.known_usd

    def summary(self) -> dict[str, object]:
        """As JSON: a sum of which one part is unknown is null. Money to a billionth of a dollar."""
        counted, cost = not self.lost and not self.uncounted, self.cost_usd
        return {
            "requests": self.requests,
            "refused_requests": self.refused,
            "lost_requests": self.lost,
            "input_tokens": self.input_tokens if counted else None,
            "cached_input_tokens": self.cached_input_tokens if counted else None,
            "output_tokens": self.output_tokens if counted else None,
            "cost_usd": None if cost is None else round(cost, 9),
            "known_cost_usd": round(self.known_usd, 9),
        }


class Counting:
    """A `Chat` that makes one attempt and adds what it took to `spent`."""

    def __init__(self, chat: Chat, spent: Spent) -> None:
        self._chat = chat
        self._spent = spent

    async def complete(self, request: Request) -> Completion:
        self._spent.requests += 1
        try:
            completion = await self._chat.complete(request)
        except BaseException as error:
            self._missed(error)
            raise
        self._came(completion)
        return completion

    async def aclose(self) -> None:
        await self._chat.aclose()

    def _missed(self, error: BaseException) -> None:
        self._spent.refused += isinstance(error, ProviderError) and error.kind == "rate_limited"
        self._spent.lost += not is_unbilled(error)

    def _came(self, completion: Completion) -> None:
        spent, usage = self._spent, completion.usage
        if usage is None:
            spent.uncounted += 1
        else:
            spent.input_tokens += usage.input_tokens
            spent.cached_input_tokens += usage.cached_input_tokens
            spent.output_tokens += usage.output_tokens
        if completion.cost_usd is None:
            spent.unpriced += 1
        else:
            spent.known_usd += completion.cost_usd
