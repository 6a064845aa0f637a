"""Hand-made states: what a rollout looks like to the core, written as a table.

    rollout("A90 B50x -", "A   !server A")     two chains of three turns

Each text is a chain, each word a turn: an answer (one capital letter; `-` is a reply that states
none), the stated confidence in percent, and a verdict (`+` accepted, `x` rejected, `?` nobody could
tell, `p` a person said something, `q` one wants no more). `!kind` is a failed call. Equal letters are
the same answer, founded where it stands first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from rise_cli.core.domain import (
    Ask,
    Attempt,
    Call,
    Completion,
    Done,
    Failure,
    Finish,
    Place,
    Policy,
    Problem,
    Purpose,
    Verdict,
)
from rise_cli.core.loop import next_step

QUESTION = Problem("p", "What is it?")

_WORD = re.compile(r"([A-Z]|-)(\d+)?([+x?pq])?")
_VERDICTS = {
    "+": Verdict(1.0, None, True, "check"),
    "x": Verdict(0.0, "no", False, "check"),
    "?": Verdict(None, None, False, "person"),
    "p": Verdict(0.0, "shorter", False, "person"),
    "q": Verdict(None, None, False, "person", enough=True),
}


def rollout(*chains: str) -> tuple[Done, ...]:
    """The finished calls of such a table, by turn and then by chain."""
    words = {
        Place(turn, chain): word
        for chain, line in enumerate(chains, 1)
        for turn, word in enumerate(line.split(), 1)
    }
    founded: dict[str, Place] = {}
    return tuple(_done(place, words[place], founded) for place in sorted(words))


def _done(place: Place, word: str, founded: dict[str, Place]) -> Done:
    call = Call(place.chain, place.turn)
    if word.startswith("!"):
        return Done(call, Failure(word[1:], "it failed"))
    match = _WORD.fullmatch(word)
    assert match, word
    letter, percent, verdict = match.groups()
    answer = None if letter == "-" else letter
    attempt = Attempt(
        chain=place.chain,
        turn=place.turn,
        reply=f"{answer} in turn {place.turn} of chain {place.chain}",
        answer=answer,
        candidate=None if answer is None else founded.setdefault(answer, place),
        confidence=None if percent is None else int(percent) / 100,
    )
    return Done(call, Completion(attempt.reply), (attempt,), verdict=_VERDICTS.get(verdict))


def others(call: Call) -> Done:
    """What a call that is no attempt brings, unless a test says otherwise."""
    match call.purpose:
        case Purpose.RATE:
            return Done(call, Completion("Confidence: 50%"), rating=0.5)
        case Purpose.SELECT:
            return Done(call, Completion("Response 1"), selected=0)
    return Done(call, Completion(f"critique in turn {call.turn} of chain {call.chain}"))


def play(
    policy: Policy,
    recorded: tuple[Done, ...],
    done: tuple[Done, ...] = (),
    problem: Problem = QUESTION,
    step: Callable[[Policy, Problem, tuple[Done, ...]], Ask | Finish] = next_step,
    beside: Callable[[Call], Done] = others,
) -> tuple[list[Call], tuple[Done, ...], Finish]:
    """Drive the core to its end from `done`, each attempt answered by the recorded one of its place and
    other calls by `beside`.

    Returns the calls in the order in which they were asked for, the final state, and the end.
    """
    answers = {d.call.place: d for d in recorded}
    asked: list[Call] = []
    while isinstance(now := step(policy, problem, done), Ask):
        assert now.calls, "asking for nothing would never end"
        asked += now.calls
        done += tuple(
            replace(answers[call.place], call=call) if call.purpose is Purpose.ATTEMPT else beside(call)
            for call in now.calls
        )
    return asked, done, now
