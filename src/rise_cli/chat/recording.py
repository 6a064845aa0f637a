"""Calls that were finished once are not made again: from a journal, or from recorded trajectories.

`Recording` stands outermost, around `Retrying`, so that what it keeps is what the run gets to see and
a call that it answers takes no place, no budget and no attempt. `Replay` stands alone: it answers
from recorded trajectories and from nothing else, so it needs no network and no key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Protocol

from rise_cli.chat import CallKey, Chat, Request
from rise_cli.core.domain import Attempt, Completion, Message, Problem, Purpose, Usage, Verdict
from rise_cli.errors import ProviderError

JournalKey = tuple[str, str, int, int, str]
"""Digest of the settings, key of the problem, chain, turn, purpose."""

Turns = Callable[[str], Sequence[Mapping[str, Any]] | None]
"""The recorded turns of a problem, given its id, as `rise.trajectory/1` has them. None: no such problem."""

# Limits of the run that was recorded: the call was not made, or not waited for.
_NEVER_MADE = {"budget", "deadline", "interrupted", "unrecorded"}


class Journal(Protocol):
    """Where finished calls are kept."""

    def get(self, key: JournalKey) -> Completion | None:
        """Return the reply that was kept under `key`, if there is one."""
        ...

    async def keep(self, key: JournalKey, completion: Completion) -> None:
        """Keep a reply, even if the caller is cancelled meanwhile. When this returns, it outlives the
        process, however that ends."""
        ...


class Recording:
    """A `Chat` around a `Chat` that keeps every reply in a journal before anyone uses it, and answers
    from there where it can.

    `settings` is a digest of whatever changes what is sent or how. The wording of the question goes
    into the key with it: all messages up to the last `fixed` one, or all where none is. So a problem or a
    protocol that was edited between two runs is asked again, instead of getting the reply to another
    question, and another answer is rated again; feedback of a check, which may differ from run to run,
    does not count where the question stands by itself. Failures are not kept, nor is a reply that the
    budget cut off: under a higher one the call is made again.

    `recalled` counts the calls that were answered from the journal.
    """

    def __init__(self, chat: Chat, journal: Journal, settings: str) -> None:
        self._chat = chat
        self._journal = journal
        self._settings = settings
        self.recalled = 0

    async def complete(self, request: Request) -> Completion:
        """As `Chat.complete`. What `Journal` raises goes through: a reply that cannot be kept may not
        be used."""
        call = request.key
        asked = _digest(self._settings, request.messages)
        key = (asked, call.problem, call.chain, call.turn, call.purpose.value)
        if (known := self._journal.get(key)) is not None:
            self.recalled += 1
            return known
        completion = await self._chat.complete(request)
        # Nothing may be awaited between the reply and this: a cancellation would lose what was paid for.
        if completion.finish_reason != "budget":
            await self._journal.keep(key, completion)
        return completion

    async def aclose(self) -> None:
        await self._chat.aclose()


class Replay:
    """A `Chat` that answers from recorded trajectories only.

    The messages of a request are not looked at: the same replies may be voted on, stopped and read
    under other rules. A recorded failure fails again, with the same kind. What was paid for the reply
    is in its cost where the record has it by the turn; nothing is paid now.

    `rounds`: a chain's turns are the rounds of one reply, which is put together again. `confidence` is
    where the recorded ones come from: with `asked` they answer ratings. A selection is never
    answered: what was picked stands in no record.
    """

    def __init__(self, turns: Turns, *, rounds: bool = False, confidence: str = "stated") -> None:
        self._turns = turns
        self._rounds = rounds
        self._confidence = confidence

    async def complete(self, request: Request) -> Completion:
        """Return the recorded reply. Raises `ProviderError`, of kind `unrecorded` for a call that was
        never made."""
        key, turns = request.key, self._turns(request.key.problem) or ()
        turn = _find(turns, key)
        match key.purpose:
            case Purpose.ATTEMPT:
                return self._attempt(turn, key, turns)
            case Purpose.CRITIQUE if turn is not None:
                return _said(turn.get("critique"))
            case Purpose.RATE if turn is not None and self._confidence == "asked":
                sure = turn.get("confidence")
                return _said(None if sure is None else f"Confidence: {sure:.18f}")
        raise _unrecorded(key)

    def _attempt(
        self, turn: Mapping[str, Any] | None, key: CallKey, turns: Sequence[Mapping[str, Any]]
    ) -> Completion:
        if turn is None:
            raise _unrecorded(key)
        if turn["reply"] is not None and turn["finish_reason"] != "budget":
            completion = _completion(turn)
            if self._rounds:
                completion = replace(completion, reply=_whole_reply(turns, key.chain))
            return completion
        why = turn["failure"] or "unrecorded"
        if why in _NEVER_MADE:
            raise ProviderError(f"{_name(key)} was cut off by the {why}", kind="unrecorded")
        raise ProviderError(f"{_name(key)} failed when it was recorded ({why})", kind=why)

    async def aclose(self) -> None:
        """There is nothing to release."""


class ReplayedVerdicts:
    """Says again what a check or a person said in a recorded run: the judge that belongs to a `Replay`.

    An answer that is read differently now was never judged: nobody can tell, so its reward is None.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    async def respond(self, problem: Problem, attempt: Attempt) -> Verdict:
        """Return the recorded verdict on this attempt."""
        key = CallKey(problem.key, attempt.chain, attempt.turn, Purpose.ATTEMPT)
        turn = _find(self._turns(problem.key), key)
        source = turn and turn["verdict"]
        if turn is None or source not in {"check", "person"} or turn["answer"] != attempt.answer:
            return Verdict(reward=None, feedback=None, accepted=False, source="check")
        return Verdict(turn["reward"], turn["feedback"], accepted=turn["reward"] == 1, source=source)


def _digest(settings: str, messages: tuple[Message, ...]) -> str:
    for last in range(len(messages), 0, -1):
        if messages[last - 1].fixed:
            return _digest_of(settings, messages[:last])
    return _digest_of(settings, messages)


# All turns of a problem share what no turn changes; so many problems are usually under way.
@lru_cache(maxsize=256)
def _digest_of(settings: str, messages: tuple[Message, ...]) -> str:
    parts = [settings.encode()]
    for message in messages:
        text = message.text.encode(errors="surrogatepass")
        parts.append(b"\0%s %d\0" % (message.role.encode(), len(text)))
        parts.append(text)
    return blake2b(b"".join(parts), digest_size=16).hexdigest()


def _find(turns: Sequence[Mapping[str, Any]] | None, key: CallKey) -> Mapping[str, Any] | None:
    return next((t for t in turns or () if (t["chain"], t["turn"]) == (key.chain, key.turn)), None)


def _whole_reply(turns: Sequence[Mapping[str, Any]], chain: int) -> str:
    """A reply of many rounds, such that it is split into the same ones."""
    rounds = [t["reply"] for t in sorted(turns, key=lambda t: t["turn"]) if t["chain"] == chain]
    if len(rounds) == 1:
        return str(rounds[0])
    return "\n\n".join(f"## Round {number}\n{text}" for number, text in enumerate(rounds, 1))


def _said(text: str | None) -> Completion:
    """What was said, or an empty reply where that was of no use."""
    return Completion(text) if text else Completion("", "empty")


def _unrecorded(key: CallKey) -> ProviderError:
    what = "" if key.purpose is Purpose.ATTEMPT else f"the call to {key.purpose} at "
    return ProviderError(f"{what}{_name(key)} was never made in the recorded run", kind="unrecorded")


def _completion(turn: Mapping[str, Any]) -> Completion:
    usage = turn.get("usage")
    return Completion(
        reply=turn["reply"],
        finish_reason=turn.get("finish_reason") or "stop",
        reasoning=turn.get("reasoning"),
        usage=None if usage is None else Usage(**usage),
        cost_usd=turn.get("cost_usd"),
        latency_s=turn.get("latency_s") or 0.0,
        logprob=turn.get("logprob"),
        entropy=turn.get("entropy"),
    )


def _name(key: CallKey) -> str:
    return f"turn {key.turn} of chain {key.chain} of problem {key.problem!r}"
