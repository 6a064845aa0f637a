"""Everything that a protocol may have to say, said once before any call: a broken template costs none."""

from __future__ import annotations

from collections.abc import Iterator

from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Kind,
    Place,
    Policy,
    Problem,
    Purpose,
    Shape,
    Verdict,
)
from rise_cli.prompts.protocol import Protocol
from rise_cli.prompts.rendering import messages

_PLACE = Place(1, 1)
_ANSWERED = (Attempt(1, 1, "a reply", "an answer", _PLACE, 0.5),)
_VERDICTS = (
    None,
    Verdict(0.0, "feedback", False, "check"),
    Verdict(0.0, None, False, "check"),
    Verdict(0.0, "feedback", False, "person"),
)


def rehearse(protocol: Protocol) -> None:
    """Render every template with and without each fact. Raises UsageError for one that is broken."""
    policy = Policy(shape=protocol.shape)
    for kind in Kind:
        for context, choices in (("material", ("A", "B")), (None, ())):
            problem = Problem("rehearsal", "a question", context, kind=kind, choices=choices)
            for call, done in _calls(protocol.shape):
                messages(protocol, policy, problem, call, done)


def _calls(shape: Shape) -> Iterator[tuple[Call, tuple[Done, ...]]]:
    yield Call(1, 1), ()
    for attempts, verdict in [*((_ANSWERED, v) for v in _VERDICTS), ((), None)]:
        done = Done(Call(1, 1), Completion("a reply"), attempts, verdict=verdict)
        if attempts:
            yield Call(1, 1, Purpose.RATE, (_PLACE,)), (done,)
            yield Call(1, 1, Purpose.SELECT, (_PLACE, _PLACE)), (done,)
        if shape in {Shape.REVISE, Shape.AGGREGATE, Shape.DECIDE, Shape.REFINE}:
            yield Call(1, 2, sees=(_PLACE,)), (done,)
        if shape in {Shape.AGGREGATE, Shape.DECIDE}:
            yield Call(1, 2, sees=(_PLACE, _PLACE)), (done,)
        if shape is Shape.REFINE:
            asked = Call(1, 2, Purpose.CRITIQUE, (_PLACE,))
            yield asked, (done,)
            yield Call(1, 2, sees=(_PLACE,), critique=Place(2, 1)), (done, Done(asked, Completion("a flaw")))
