"""Everything that can go wrong on purpose, each with the exit code it ends the program with.

    RiseError                 1
     |- UsageError            2   the command line or the input is wrong
     |- ConfigurationError    3   a setting, a key or a program to run is missing or unusable
     |   `- CredentialsError  3   no key, or one that the provider refused (401, 403)
     |- ProviderError         1   one call failed; becomes that call's `Failure`
     |- NoAnswer              1   the run is over and no turn gave a usable answer
     |- ProblemsFailed        4   a batch is over, and some of its problems failed
     |- BudgetExhausted       5   the next call does not fit into what may still be spent
     |- DeadlinePassed        5   the time for the question is over
     |- NoMajority            6   `--strict`, and no answer has more than half of the votes
     |- Interrupted         130   Ctrl-C, or a polite kill
     |- ReaderGone            0   who read stdout has left, with as much of the result as was wanted
     `- RowsUnread          141   the same, of a batch that writes its rows there

A message is one sentence that says what to do, with the offending value in it (`!r`). Anything that
is not a `RiseError` is a bug and shows its traceback.
"""

from __future__ import annotations

from typing import ClassVar


class RiseError(Exception):
    """The root of the tree. `str(error)` is what a person reads after `rise: `."""

    exit_code: ClassVar[int] = 1


class UsageError(RiseError):
    """The command line or the input is wrong. Mostly nothing was sent to anybody yet; but a bad line with
    `--fail-fast`, a damaged end of stdin and a model that the provider does not have show later."""

    exit_code = 2


class ConfigurationError(RiseError):
    """A setting, a key or a program that the run needs is missing or unusable."""

    exit_code = 3


class CredentialsError(ConfigurationError):
    """There is no key, or the provider refused it."""


class ProviderError(RiseError):
    """One call failed at the provider or on the way.

    `kind` is the field's word for it, one of: `rate_limited`, `server`, `connection`, `timeout`,
    `broken` (a body or a stream that cannot be read), `context` (the input is too long), `rejected`
    (any other 4xx), `credit` (the account has none left).
    `status` is the HTTP status where there was one. `retry_after` is in seconds, as the provider asked.
    `param` names the request parameter that a 400 rejected, where it can be told.
    `billed` says whether the provider may charge for the attempt although its reply was lost, and
    `lost_attempts` how many such attempts the call made.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        status: int | None = None,
        retry_after: float | None = None,
        param: str | None = None,
        billed: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.retry_after = retry_after
        self.param = param
        self.billed = billed
        self.lost_attempts = int(billed)

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later. Never true for 400, 401, 403, 404 and 422."""
        return self.kind in {"rate_limited", "server", "connection", "timeout", "broken"}


class NoAnswer(RiseError):
    """The run is over and no turn gave a usable answer."""


class ProblemsFailed(RiseError):
    """A batch is finished and some of its problems failed, or it gave up on a provider that is down."""

    exit_code = 4


class BudgetExhausted(RiseError):
    """The next call does not fit into what may still be spent."""

    exit_code = 5


class DeadlinePassed(RiseError):
    """The time for the question is over."""

    exit_code = 5


class NoMajority(RiseError):
    """`--strict` was asked for and no answer has more than half of the votes."""

    exit_code = 6


class ReaderGone(RiseError):
    """Whoever read stdout has left (`| head -1`). There is nobody to tell, and nothing went wrong."""

    exit_code = 0


class RowsUnread(RiseError):
    """Whoever read the rows of a batch has left before the last one: what is not read is lost. The code is
    what a shell gives a program that ends like this (128 and the number of SIGPIPE)."""

    exit_code = 141


class Interrupted(RiseError):
    """A person or a supervisor asked the program to stop."""

    exit_code = 130
