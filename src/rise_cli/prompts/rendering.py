"""The exact messages of every call."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rise_cli.core.domain import Attempt, Call, Completion, Done, Message, Place, Policy, Problem, Purpose
from rise_cli.prompts.protocol import Protocol
from rise_cli.prompts.templates import fill


def messages(
    protocol: Protocol,
    policy: Policy,
    problem: Problem,
    call: Call,
    done: tuple[Done, ...],
    role: str | None = None,
) -> tuple[Message, ...]:
    """Return the exact messages of `call`, system first.

    The last message that no turn changes is marked `fixed`. Each seen attempt follows as the
    assistant's own words (or as `attempt.md` has them), and after each what is said about it. A call that
    aggregates or decides has the question and all of them in one message, since some models want the
    speakers to alternate. A rating sees the question and the answer alone, a selection the question and
    the replies; the conversation that the question continues belongs to it.
    """
    if call.purpose is Purpose.ATTEMPT and not call.sees:
        return _first(protocol, problem, policy.turns, policy.threshold, role)
    facts = _facts(problem, policy.turns, policy.threshold)
    seen = _Seen(call, done)
    if call.purpose is Purpose.RATE:
        (attempt,) = seen.attempts
        return (*problem.prior, Message("user", fill(protocol.rate, {**facts, "answer": attempt.answer})))
    if call.purpose is Purpose.SELECT:
        replies = [attempt.reply for attempt in seen.attempts]
        return (*problem.prior, Message("user", fill(protocol.select, {**facts, "replies": replies})))
    *opening, question = _first(protocol, problem, policy.turns, policy.threshold, role)
    if (together := protocol.aggregate or protocol.decide) is not None:
        shown = {**facts, "attempts": [seen.facts(place) for place in call.sees]}
        return (*opening, Message("user", fill(together, shown)))
    said = [*opening, question]
    for place in call.sees:
        asks_critique = call.purpose is Purpose.CRITIQUE and place == call.sees[-1]
        template = protocol.critique if asks_critique else protocol.revise
        known = {**facts, **seen.facts(place)}
        reply = seen.reply(place) if protocol.attempt is None else fill(protocol.attempt, known)
        said.append(Message("assistant", reply))
        said.append(Message("user", fill(template, known)))
    return tuple(said)


# Every turn of a problem begins alike; so many problems are usually under way.
@lru_cache(maxsize=256)
def _first(
    protocol: Protocol, problem: Problem, turns: int, threshold: float, role: str | None
) -> tuple[Message, ...]:
    """The messages that no turn changes, the question last."""
    facts = _facts(problem, turns, threshold)
    system = "\n\n".join(t for t in (role, fill(protocol.system, facts)) if t)
    head = [Message("system", system)] if system else []
    head += [Message(speaker, fill(template, facts)) for speaker, template in protocol.opening]
    return (*head, *problem.prior, Message("user", fill(protocol.question, facts), fixed=True))


def _facts(problem: Problem, turns: int, threshold: float) -> dict[str, Any]:
    return {
        "question": problem.question,
        "context": problem.context,
        "kind": problem.kind.value,
        "choices": list(problem.choices),
        "turns": turns,
        "threshold": threshold,
    }


class _Seen:
    """What a call sees of the finished ones."""

    def __init__(self, call: Call, done: tuple[Done, ...]) -> None:
        self._call = call
        self._attempts: dict[Place, Attempt] = {}
        self._done: dict[Place, Done] = {}  # several purposes share a place
        self._critiques: dict[Place, str] = {}
        for one in done:
            for attempt in one.attempts:  # a reply of many rounds has many
                self._attempts[attempt.place] = attempt
            if one.call.purpose is Purpose.ATTEMPT:
                self._done[one.call.place] = one
            elif one.call.purpose is Purpose.CRITIQUE and isinstance(one.result, Completion):
                self._critiques[one.call.place] = one.result.reply

    @property
    def attempts(self) -> list[Attempt]:
        return [self._attempts[place] for place in self._call.sees]

    def reply(self, place: Place) -> str:
        result = self._done[place].result
        return result.reply if isinstance(result, Completion) else ""

    def facts(self, place: Place) -> dict[str, Any]:
        """What is known of an attempt. Only a verdict may say that it was wrong."""
        attempt, verdict = self._attempts.get(place), self._done[place].verdict
        return {
            "reply": self.reply(place),
            "answer": attempt.answer if attempt else None,
            "rejected": verdict is not None and verdict.reward == 0,
            "feedback": verdict.feedback if verdict else None,
            "judge": verdict.source if verdict else None,
            "critique": self._critique(place),
        }

    def _critique(self, place: Place) -> str | None:
        """The critique of the attempt at `place` that what follows it worked from, if any."""
        after = self._call.sees[self._call.sees.index(place) + 1 :]
        follower = self._done[after[0]].call if after else self._call
        return self._critiques[follower.critique] if follower.critique else None
