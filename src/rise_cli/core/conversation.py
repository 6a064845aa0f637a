"""An earlier run taken up again: with what its reader says about its answer, or with a new question.

A reader who answers back gets the next turn: the winning attempt becomes the last given one of the new
run, with what they said as its verdict. What a person had said before, on the way to that attempt, is
given too, or the new answer could undo it. Given attempts are rejected ones, so the old answer does not
vote.

A new question keeps the conversation: what was asked, answered and said so far comes before it.
"""

from __future__ import annotations

from dataclasses import replace

from rise_cli.core.domain import Attempt, Call, Completion, Done, Message, Place, Trajectory, Verdict
from rise_cli.core.shapes import heard


def answered_back(run: Trajectory, feedback: str) -> tuple[Done, ...]:
    """The given calls of a run that goes on from `run`, which has a winner, with `feedback` about it."""
    spoken_of = [*_said(run), (_winner(run), feedback)]
    founders: dict[str | None, Place] = {}
    given = []
    for turn, (was, said) in enumerate(spoken_of, 1):
        place = founders.setdefault(was.answer, Place(turn, 1))
        candidate = None if was.answer is None else place
        attempt = replace(was, chain=1, turn=turn, candidate=candidate)
        verdict = Verdict(0.0, said, False, "person")
        given.append(Done(Call(1, turn), Completion(attempt.reply), (attempt,), verdict=verdict, given=True))
    return tuple(given)


def conversation(run: Trajectory) -> tuple[Message, ...]:
    """The messages that `run`, which has a winner, leaves behind: earlier ones, the question with its
    material, what a person said on the way, and the winning reply."""
    problem = run.problem
    question = "\n\n".join(text for text in (problem.context, problem.question) if text)
    messages = [*problem.prior, Message("user", question)]
    for attempt, said in _said(run):
        messages += [Message("assistant", attempt.reply), Message("user", said)]
    return (*messages, Message("assistant", _winner(run).reply))


def _winner(run: Trajectory) -> Attempt:
    assert run.end.winner is not None  # noqa: S101 - whoever calls has seen to it
    return run.end.winner


def _said(run: Trajectory) -> list[tuple[Attempt, str]]:
    """The attempts that a person spoke about before the winner was made, with what was said."""
    spoken_of, winner = set(heard(run.done)), _winner(run)
    found = []
    for done in sorted(run.done, key=lambda d: d.call.place):
        on_the_way = done.given or (done.call.chain == winner.chain and done.call.turn < winner.turn)
        if on_the_way and done.attempts and done.verdict and done.call.place in spoken_of:
            found.append((done.attempts[-1], done.verdict.feedback or ""))
    return found
