"""Attempts that failed and may succeed later are made again, with growing random pauses.

`Retrying` is the only place that retries: the SDKs' own retries are off. What a provider asks for in
`Retry-After` is never undercut; if it asks for more than the caller is willing to wait, the call
fails at once and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from rise_cli.chat import Chat, Listen, Notice, Request
from rise_cli.core.domain import Completion
from rise_cli.errors import ProviderError

if TYPE_CHECKING:
    from tenacity import RetryCallState

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0

_WORDS = {
    "connection": "the connection failed",
    "timeout": "no reply in time",
    "broken": "the reply could not be read",
}


class Retrying:
    """A `Chat` that makes up to `max_retries` further attempts where `ProviderError.retryable`.

    The pause before retry n is drawn evenly from 0 to min(30, 0.5 * 2^(n-1)) seconds ("full jitter",
    from Brooker, "Exponential Backoff And Jitter", 2015), and no shorter than `Retry-After`.
    Every retry is told to `notice`; `request.restart` is called first if text was already shown.
    """

    def __init__(
        self,
        chat: Chat,
        *,
        notice: Notice,
        max_retries: int = 6,
        max_wait_s: float = 120.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        self._chat = chat
        self._notice = notice
        self._max_retries = max_retries
        self._max_wait_s = max_wait_s
        self._sleep = sleep
        self._random = random or Random()  # noqa: S311 — jitter, not a secret

    async def complete(self, request: Request) -> Completion:
        """As `Chat.complete`. The error of the last attempt stands, and says how many were made."""
        attempt = _Attempt(self._chat, request)
        # Nearly every call succeeds at once, and what stands ready to retry costs more than the journal.
        try:
            return await attempt.make()
        except ProviderError as error:
            attempt.failure = error

        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        def retryable(error: BaseException) -> bool:
            return isinstance(error, ProviderError) and error.retryable and not self._asks_too_much(error)

        def before_sleep(state: RetryCallState) -> None:
            attempt.forget()
            pause = state.next_action.sleep if state.next_action else 0.0
            self._say(_failure(state), state.attempt_number, pause)

        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=stop_after_attempt(self._max_retries + 1),
            wait=self._pause,
            retry=retry_if_exception(retryable),
            before_sleep=before_sleep,
            reraise=True,
        )
        try:
            return await retrying(attempt.again)
        except ProviderError as error:
            final = self._final(error, attempt.count)
            final.lost_attempts = attempt.lost
            if final is error:
                raise
            raise final from error

    async def aclose(self) -> None:
        await self._chat.aclose()

    def _pause(self, state: RetryCallState) -> float:
        longest = min(_LONGEST_PAUSE_S, self._max_wait_s, _FIRST_PAUSE_S * 2.0 ** (state.attempt_number - 1))
        return max(self._random.uniform(0.0, longest), _failure(state).retry_after or 0.0)

    def _asks_too_much(self, error: ProviderError) -> bool:
        # Negated, so that a NaN counts as too much instead of slipping through.
        return error.retry_after is not None and not error.retry_after <= self._max_wait_s

    def _say(self, error: ProviderError, retry: int, pause_s: float) -> None:
        said = (
            f"provider says {error.status}" if error.status else _WORDS.get(error.kind, f"{error.kind} error")
        )
        self._notice(f"{said}; retry {retry} of {self._max_retries} in {pause_s:.1f} s")

    def _final(self, error: ProviderError, attempts: int) -> ProviderError:
        if not error.retryable:
            return error
        if self._asks_too_much(error):
            asked = (
                f"the provider asks to wait {error.retry_after:.6g} s, and --max-wait is {self._max_wait_s:g}"
            )
            return _reworded(error, f"{asked}; raise it or try again later ({error})")
        if attempts == 1:
            return error
        return _reworded(error, f"after {attempts} attempts: {error}")


class _Attempt:
    """Makes the attempts of one call; remembers whether the last one showed any text, and how many were
    lost that the provider may charge for."""

    def __init__(self, chat: Chat, request: Request) -> None:
        self._chat = chat
        self._request = request
        self._shown = False
        self.failure: ProviderError | None = None
        """What came of the first attempt, until `again` has told."""
        self.count = self.lost = 0

    async def again(self) -> Completion:
        """Raise the failure of the first attempt, once; then make further ones."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return await self.make()

    async def make(self) -> Completion:
        self.count += 1
        request = self._request
        if (listen := request.listen) is not None:
            request = Request(
                request.key, request.messages, request.max_tokens, self._noting(listen), request.restart
            )
        try:
            completion = await self._chat.complete(request)
        except ProviderError as error:
            self.lost += error.billed
            raise
        return replace(completion, lost_attempts=self.lost) if self.lost else completion

    def forget(self) -> None:
        """Take back what was shown of a lost attempt."""
        if self._shown and self._request.restart is not None:
            self._request.restart()
        self._shown = False

    def _noting(self, listen: Listen) -> Listen:
        def heard(text: str, reasoning: bool) -> None:
            self._shown = True
            listen(text, reasoning)

        return heard


def _failure(state: RetryCallState) -> ProviderError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, ProviderError):
        raise TypeError(f"only a ProviderError is retried, not {error!r}")
    return error


def _reworded(error: ProviderError, message: str) -> ProviderError:
    return ProviderError(
        message,
        kind=error.kind,
        status=error.status,
        retry_after=error.retry_after,
        param=error.param,
        billed=error.billed,
    )
