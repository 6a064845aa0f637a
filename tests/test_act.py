"""What becomes of replies of many rounds, and of calls that are no attempts: read, judged, cut off, kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from test_solve import (
    CHAINED,
    FORMULA,
    PROBLEM,
    REJECTED,
    Hand,
    Judging,
    Rig,
    Spelling,
    candidates,
    for_ever,
    hand,
    settle,
    stopped,
    vote,
)

from rise_cli.core.domain import (
    Completion,
    Failure,
    Kind,
    Place,
    Policy,
    Purpose,
    Shape,
    StopReason,
    Verdict,
    Vote,
)
from rise_cli.errors import BudgetExhausted, CredentialsError, ProviderError

CRITIQUE, RATE, SELECT = Purpose.CRITIQUE, Purpose.RATE, Purpose.SELECT
SINGLE = Policy(shape=Shape.SINGLE, turns=8)
REFINE = Policy(shape=Shape.REFINE, turns=3, early_stop=False)


def rounds(*answers: str) -> Completion:
    """One reply with these answers, a round each; `-` is a round without one."""
    texts = ["Hm." if a == "-" else f"Answer: {a}\nConfidence: {60 + n}%" for n, a in enumerate(answers)]
    return Completion("\n\n".join(f"## Round {n}\n{text}" for n, text in enumerate(texts, 1)))


def said(text: str) -> Completion:
    return Completion(text)


# Replies of many rounds


async def test_every_round_is_an_attempt_with_its_own_answer_and_confidence() -> None:
    rig = Rig(hand([rounds("A", "-", "B", "A")]), rounds=9)
    trajectory = await rig.run(SINGLE)
    (done,) = trajectory.done
    assert [(a.turn, a.answer, a.confidence) for a in done.attempts] == [
        (1, "A", 0.6),
        (2, None, None),
        (3, "B", 0.62),
        (4, "A", 0.63),
    ]
    assert candidates(trajectory.done) == {"1.1": "1.1", "1.2": None, "1.3": "1.3", "1.4": "1.1"}
    assert (trajectory.end.answer, trajectory.end.votes[0].count) == ("A", 2)
    assert rig.chat.asked == [(1, 1)]


async def test_rounds_of_several_chains_vote_together() -> None:
    rig = Rig(hand([rounds("A", "B")], [rounds("B", "B", "C")], [rounds("C")]), rounds=9)
    trajectory = await rig.run(replace(SINGLE, samples=3))
    assert candidates(trajectory.done) == {
        "1.1": "1.1",
        "1.2": "1.2",
        "2.1": "1.2",
        "2.2": "1.2",
        "2.3": "2.3",
        "3.1": "2.3",
    }
    assert [(t.answer, t.count) for t in trajectory.end.votes] == [("B", 3), ("C", 2), ("A", 1)]


async def test_formulas_are_compared_across_the_rounds() -> None:
    """x+1 = x+2 = x+3, but not x+1 = x+3: a round joins the earliest candidate that it equals."""
    rig = Rig(hand([rounds("x+1", "x+3", "x+2")]), CHAINED, rounds=9)
    trajectory = await rig.run(SINGLE, FORMULA)
    assert candidates(trajectory.done) == {"1.1": "1.1", "1.2": "1.2", "1.3": "1.1"}


async def test_rounds_read_after_an_interruption_are_the_same() -> None:
    whole = await Rig(hand([rounds("x+1", "x+3")], [rounds("x+2")]), CHAINED, rounds=9).run(
        replace(SINGLE, samples=2), FORMULA
    )
    again = Rig(hand([], [rounds("x+2")]), CHAINED, rounds=9)
    resumed = await again.run(replace(SINGLE, samples=2), FORMULA, whole.done[:1])
    assert resumed == whole
    assert again.chat.asked == [(2, 1)]


@pytest.mark.parametrize("reason", ["length", "refusal", "filtered"])
async def test_rounds_of_a_reply_that_did_not_end_by_itself_do_not_vote(reason: str) -> None:
    cut = replace(rounds("A", "B"), finish_reason=reason)
    trajectory = await Rig(hand([cut]), rounds=9).run(SINGLE)
    (attempt,) = trajectory.done[0].attempts
    assert (attempt.answer, attempt.confidence, attempt.reply) == (None, None, cut.reply)


async def test_the_last_round_is_judged() -> None:
    judge = Judging({"B": Verdict(1.0, None, True, "check")})
    trajectory = await Rig(hand([rounds("A", "A", "B")]), judge=judge, rounds=9).run(SINGLE)
    assert judge.asked == [1]
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.ACCEPTED, "B")
    assert trajectory.end.winner is not None
    assert trajectory.end.winner.turn == 3


@pytest.mark.parametrize(
    ("said", "answer"), [(("A", "A", "B"), "A"), (("A", "B", "B"), "A"), (("B", "B"), None)]
)
async def test_a_rejection_is_of_the_answer_of_the_last_round(
    said: tuple[str, ...], answer: str | None
) -> None:
    judge = Judging({"B": REJECTED})
    trajectory = await Rig(hand([rounds(*said)]), judge=judge, rounds=9).run(SINGLE)
    assert trajectory.end.answer == answer
    assert trajectory.done[0].verdict == REJECTED


async def test_rounds_are_kept_when_the_run_is_stopped_while_they_wait_to_be_read() -> None:
    policy = replace(SINGLE, samples=2)
    rig = Rig(hand([for_ever], [rounds("A", "B", "B")]), rounds=9)
    run = asyncio.ensure_future(rig.run(policy))
    await settle()
    assert rig.sunk == []
    await stopped(run)
    assert candidates(rig.sunk) == {"2.1": "2.1", "2.2": "2.2", "2.3": "2.2"}
    assert vote(rig, policy).end.answer == "B"


# Calls that are no attempts


async def test_ratings_are_read_and_take_the_place_of_what_was_stated() -> None:
    beside = {(RATE, 1, 1): said("Confidence: 30%"), (RATE, 1, 2): said("80%? Confidence: high")}
    chat = hand([Completion("Answer: A\nConfidence: 99%"), "B"], beside=beside)
    trajectory = await Rig(chat, confidence="asked").run(Policy(turns=2, rates=True))
    assert [d.rating for d in trajectory.done] == [None, 0.3, None, 0.8]
    assert [a.confidence for d in trajectory.done for a in d.attempts] == [0.3, 0.8]
    assert trajectory.end.answer == "B"


@pytest.mark.parametrize(
    "answer",
    [
        said("I cannot tell."),
        Completion("Confidence: 90%", "length"),
        Completion("", "empty"),
        ProviderError("down", kind="server"),
    ],
)
async def test_a_rating_that_is_none(answer: Completion | Exception) -> None:
    rig = Rig(hand(["A"], beside={(RATE, 1, 1): answer}), confidence="asked")
    trajectory = await rig.run(Policy(turns=1, rates=True))
    assert trajectory.done[1].rating is None
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.TURNS, "A")
    assert trajectory.end.confidence is None


async def test_a_rating_that_the_budget_does_not_allow_ends_the_run() -> None:
    rig = Rig(
        hand(["A", "B"], beside={(RATE, 1, 1): BudgetExhausted("3 cents are left")}), confidence="asked"
    )
    trajectory = await rig.run(Policy(turns=2, rates=True))
    assert trajectory.done[1].result == Failure("budget", "3 cents are left")
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.BUDGET, "A")


async def test_selections_are_read() -> None:
    beside = {(SELECT, 1, 1): said("The most consistent response is Response 3")}
    rig = Rig(hand(["A", "B", "C"], beside=beside))
    trajectory = await rig.run(Policy(turns=3, vote=Vote.CONSISTENT))
    assert trajectory.done[-1].selected == 2
    assert trajectory.end.answer == "C"
    assert rig.observer.heard_of[-2:] == ["asked 1.1", "finished 1.1"]
    assert rig.sunk[-1] == trajectory.done[-1]


@pytest.mark.parametrize(
    "answer", [said("None."), Completion("Response 3", "length"), ProviderError("down", kind="server")]
)
async def test_a_selection_that_is_none_leaves_the_earliest(answer: Completion | Exception) -> None:
    rig = Rig(hand(["A", "B", "C"], beside={(SELECT, 1, 1): answer}))
    trajectory = await rig.run(Policy(turns=3, vote=Vote.CONSISTENT))
    assert trajectory.done[-1].selected is None
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.TURNS, "A")


async def test_critiques_are_kept_as_they_are() -> None:
    beside = {(CRITIQUE, 1, turn): said(f"Answer: Z, says critique {turn}") for turn in (2, 3)}
    trajectory = await Rig(hand(["A", "B", "B"], beside=beside)).run(REFINE)
    assert [d.call.purpose for d in trajectory.done] == [
        Purpose.ATTEMPT,
        CRITIQUE,
        Purpose.ATTEMPT,
        CRITIQUE,
        Purpose.ATTEMPT,
    ]
    assert candidates(trajectory.done) == {"1.1": "1.1", "1.2": "1.2", "1.3": "1.2"}
    assert all(not d.attempts and d.rating is None for d in trajectory.done if d.call.purpose is CRITIQUE)
    assert trajectory.done[2].call.critique == Place(2, 1)


# Interrupted in the middle of one

CASES = [
    # The policy, what is said beside, the calls that are finished then, and the vote over them.
    (REFINE, {(CRITIQUE, 1, 2): for_ever}, ["attempt 1.1"], "A"),
    (
        REFINE,
        {(CRITIQUE, 1, 2): said("Hm."), (CRITIQUE, 1, 3): for_ever},
        ["attempt 1.1", "critique 1.2", "attempt 1.2"],
        "A",
    ),
    (replace(REFINE, shape=Shape.REVISE, rates=True), {(RATE, 1, 1): for_ever}, ["attempt 1.1"], "A"),
    (
        Policy(turns=3, vote=Vote.CONSISTENT, early_stop=False),
        {(SELECT, 1, 1): for_ever},
        ["attempt 1.1", "attempt 1.2", "attempt 1.3"],
        "B",
    ),
]


@pytest.mark.parametrize(("policy", "beside", "finished", "answer"), CASES)
async def test_an_interruption_keeps_what_was_finished(policy, beside, finished, answer) -> None:  # type: ignore[no-untyped-def]
    rig = Rig(hand(["A", "B", "B"], beside=beside, cleaning=2))
    run = asyncio.ensure_future(rig.run(policy))
    await settle()
    await stopped(run)
    assert [f"{d.call.purpose} {d.call.chain}.{d.call.turn}" for d in rig.sunk] == finished
    assert len(rig.chat.cleaned) == 1
    trajectory = vote(rig, policy)
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.INTERRUPTED, answer)


async def test_a_rating_beside_one_that_never_ends_is_kept() -> None:
    policy = Policy(turns=1, samples=2, rates=True)
    beside = {(RATE, 1, 1): for_ever, (RATE, 2, 1): said("Confidence: 20%")}
    rig = Rig(hand([Completion("Answer: A\nConfidence: 99%")], ["B"], beside=beside), confidence="asked")
    run = asyncio.ensure_future(rig.run(policy))
    await settle()
    await stopped(run)
    assert [d.rating for d in rig.sunk if d.call.purpose is RATE] == [0.2]
    votes = vote(rig, policy).end.votes
    assert {t.answer: t.confidence for t in votes} == {"A": None, "B": 0.2}


async def test_an_error_of_the_whole_run_in_a_rating_keeps_the_others() -> None:
    beside = {(RATE, 1, 1): CredentialsError("refused"), (RATE, 2, 1): for_ever}
    rig = Rig(hand(["A"], ["B"], beside=beside, cleaning=3), confidence="asked")
    with pytest.raises(CredentialsError):
        await rig.run(Policy(turns=1, samples=2, rates=True))
    assert candidates(rig.sunk) == {"1.1": "1.1", "2.1": "2.1"}
    assert rig.chat.cleaned == [(2, 1)]


async def test_a_deadline_in_a_selection_ends_the_run_with_the_count() -> None:
    rig = Rig(hand(["A", "B", "B"], beside={(SELECT, 1, 1): for_ever}))
    rig.deadline = asyncio.get_running_loop().time() + 0.3
    trajectory = await rig.run(Policy(turns=3, vote=Vote.CONSISTENT))
    assert (trajectory.end.reason, trajectory.end.answer) == (StopReason.DEADLINE, "B")


# Resumed in the middle of one


@pytest.mark.parametrize(
    "policy",
    [
        replace(REFINE, rates=True, samples=2),
        Policy(turns=2, samples=2, rates=True, vote=Vote.CONSISTENT, early_stop=False),
    ],
)
async def test_a_run_goes_on_from_what_is_done(policy: Policy) -> None:
    def chat() -> Hand:
        places = [(chain, turn) for chain in (1, 2) for turn in (1, 2, 3)]
        beside = {(RATE, *place): said("Confidence: 50%") for place in places}
        beside |= {(CRITIQUE, *place): said("Hm.") for place in places}
        beside |= {(SELECT, 1, 1): said("Response 4")}
        return hand(["A", "B", "A"], ["B", "C", "D"], beside=beside)

    whole = await Rig(chat(), confidence="asked").run(policy)
    for length in range(len(whole.done) + 1):
        again = Rig(chat(), Spelling(), confidence="asked")
        resumed = await again.run(policy, done=whole.done[:length])
        assert resumed == whole
        assert len(again.chat.asked) == len(whole.done) - length


async def test_open_answers_are_compared_as_they_stand() -> None:
    problem = replace(PROBLEM, kind=Kind.TEXT)
    replies = [said("Rain falls.\nConfidence: 80%"), said("  rain falls\nConfidence: 60%"), said("Snow.")]
    beside = {(SELECT, 1, 1): said("Response 3")}
    trajectory = await Rig(hand(replies, beside=beside)).run(Policy(turns=3, vote=Vote.CONSISTENT), problem)
    assert candidates(trajectory.done) == {"1.1": "1.1", "1.2": "1.1", "1.3": "1.3"}
    assert trajectory.end.answer == "Snow."
