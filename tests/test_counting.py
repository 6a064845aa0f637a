"""What a run spent is counted where it is sent: every attempt, whatever becomes of it."""

from __future__ import annotations

import asyncio

import pytest

from rise_cli.chat import CallKey, Request
from rise_cli.chat.counting import Counting, Spent
from rise_cli.core.domain import Completion, Message, Purpose, Usage
from rise_cli.errors import CredentialsError, ProviderError

REQUEST = Request(CallKey("p", 1, 1, Purpose.ATTEMPT), (Message("user", "1+1?"),))
PAID = Completion("2", usage=Usage(10, 5, 4), cost_usd=0.25)
NOTHING = {
    "requests": 0, "refused_requests": 0, "lost_requests": 0, "input_tokens": 0, "cached_input_tokens": 0,
    "output_tokens": 0, "cost_usd": 0.0, "known_cost_usd": 0.0,
}  # fmt: skip
ONE = {
    **NOTHING, "requests": 1, "input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 5,
    "cost_usd": 0.25, "known_cost_usd": 0.25,
}  # fmt: skip
UNCOUNTED = {"input_tokens": None, "cached_input_tokens": None, "output_tokens": None}


class Outcomes:
    """A chat with these outcomes in turn. `None` never comes."""

    def __init__(self, outcomes: list[Completion | Exception | None]) -> None:
        self.outcomes = list(outcomes)
        self.closed = False

    async def complete(self, request: Request) -> Completion:
        await asyncio.sleep(0)
        outcome = self.outcomes.pop(0)
        if outcome is None:
            await asyncio.Event().wait()
        if isinstance(outcome, Exception):
            raise outcome
        assert outcome is not None
        return outcome

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("second", "more"),
    [
        (PAID, {"input_tokens": 20, "cached_input_tokens": 8, "output_tokens": 10, "cost_usd": 0.5,
                "known_cost_usd": 0.5}),
        (Completion("2"), {**UNCOUNTED, "cost_usd": None}),
        (Completion("2", usage=Usage(1, 1)), {"input_tokens": 11, "output_tokens": 6, "cost_usd": None}),
        (ProviderError("busy", kind="rate_limited", status=429), {"refused_requests": 1}),
        (ProviderError("oops", kind="server", status=500), {}),
        (ProviderError("cut", kind="broken", billed=True),
         {**UNCOUNTED, "lost_requests": 1, "cost_usd": None}),
        (CredentialsError("no"), {}),
        (None, {**UNCOUNTED, "lost_requests": 1, "cost_usd": None}),
    ],
    ids=["paid", "no usage", "no price", "refused", "failed", "lost", "wrong key", "cancelled"],
)  # fmt: skip
async def test_every_attempt_counts(second: Completion | Exception | None, more: dict[str, object]) -> None:
    spent, inner = Spent(), Outcomes([PAID, second])
    chat = Counting(inner, spent)
    assert spent.summary() == NOTHING
    assert await chat.complete(REQUEST) is PAID
    assert spent.summary() == ONE
    try:
        async with asyncio.timeout(0.01):
            assert await chat.complete(REQUEST) is second
    except (ProviderError, CredentialsError, TimeoutError):
        assert not isinstance(second, Completion)
    assert spent.summary() == {**ONE, "requests": 2, **more}
    await chat.aclose()
    assert inner.closed
