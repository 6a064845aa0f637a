"""The exact messages of every call."""

from __future__ import annotations

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
    assistant's own words, and after each what is said about it; a call that aggregates sees them all
    in one message. A rating sees the question and the answer alone, a selection the question and the
    replies; the conversation that the question continues belongs to it.
    """
    facts = {
        "question": problem.question,
        "context": problem.context,
        "kind": problem.kind.value,
        "choices": list(problem.choices),
        "turns": policy.turns,
        "threshold": policy.threshold,
    }
    seen = _Seen(call, done)
    if call.purpose is Purpose.RATE:
        (attempt,) = seen.attempts
        return (*problem.prior, Message("user", fill(protocol.rate, {**facts, "answer": attempt.answer})))
    if call.purpose is Purpose.SELECT:
        replies = [attempt.reply for attempt in seen.attempts]
        return (*problem.prior, Message("user", fill(protocol.select, {**facts, "replies": replies})))
    system = "\n\n".join(t for t in (role, fill(protocol.system, facts)) if t)
    head = [Message("system", system)] if system else []
    head += [Message(speaker, fill(template, facts)) for speaker, template in protocol.opening]
    head += problem.prior
    head.append(Message("user", fill(protocol.question, facts), fixed=True))
    if protocol.aggregate is not None and call.sees:
        shown = {**facts, "attempts": [seen.facts(place) for place in call.sees]}
        return (*head, Message("user", fill(protocol.aggregate, shown)))
    for place in call.sees:
        asks_critique = call.purpose is Purpose.CRITIQUE and place == call.sees[-1]
        template = protocol.critique if asks_critique else protocol.revise
        head.append(Message("assistant", seen.reply(place)))
        head.append(Message("user", fill(template, {**facts, **seen.facts(place)})))
    return tuple(head)


class _Seen:
    """What a call sees of the finished ones."""

    def __init__(self, call: Call, done: tuple[Done, ...]) -> None:
        self._call = call
        self._attempts = {a.place: a for d in done for a in d.attempts}
        # Several purposes share a place, and a reply of many rounds has many.
        self._done = {d.call.place: d for d in done if d.call.purpose is Purpose.ATTEMPT}
        self._critiques = {
            d.call.sees[-1]: d.result.reply
            for d in done
            if d.call.purpose is Purpose.CRITIQUE
            and d.call.chain == call.chain
            and isinstance(d.result, Completion)
            and d.result.finish_reason == "stop"
        }

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
            "critique": self._critiques.get(place),
        }
