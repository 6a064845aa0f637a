"""What each shape asks for, what a call sees, and that a run goes on from anywhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollouts import QUESTION, others, play, rollout

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
    Shape,
    StopReason,
    Vote,
)
from rise_cli.core.loop import conclude, next_step

EVERY = Policy(turns=3, early_stop=False)
REFINE = replace(EVERY, shape=Shape.REFINE)
AGGREGATE = replace(EVERY, shape=Shape.AGGREGATE, samples=4, draw=2)
SINGLE = replace(EVERY, shape=Shape.SINGLE, turns=8)


def names(calls: list[Call]) -> str:
    """`1.2a` is the attempt of chain 1 in turn 2; c, r, s: critique, rating, selection."""
    letters = {p: p.value[0] for p in Purpose}
    return " ".join(f"{c.chain}.{c.turn}{letters[c.purpose]}" for c in calls)


def several(chains: int, turns: int) -> tuple[Done, ...]:
    letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return rollout(*(" ".join(next(letters) for _ in range(turns)) for _ in range(chains)))


# refine


def test_refine_asks_for_a_critique_and_then_the_attempt_and_chains_keep_step() -> None:
    policy = replace(REFINE, samples=2)
    done: tuple[Done, ...] = ()
    waves = []
    while isinstance(step := next_step(policy, QUESTION, done), Ask):
        waves.append(names(list(step.calls)))
        answers = {d.call.place: d for d in several(2, 3)}
        done += tuple(
            replace(answers[c.place], call=c) if c.purpose is Purpose.ATTEMPT else others(c)
            for c in step.calls
        )
    assert waves == ["1.1a 2.1a", "1.2c 2.2c", "1.2a 2.2a", "1.3c 2.3c", "1.3a 2.3a"]


def test_a_refined_attempt_names_its_critique_and_both_see_the_same() -> None:
    asked, _, _ = play(REFINE, rollout("A B C"))
    by_turn = {(c.turn, c.purpose): c for c in asked}
    for turn in (2, 3):
        critique, attempt = by_turn[turn, Purpose.CRITIQUE], by_turn[turn, Purpose.ATTEMPT]
        assert critique.sees == attempt.sees == (Place(turn - 1, 1),)
        assert attempt.critique == critique.place == Place(turn, 1)
        assert critique.critique is None


@pytest.mark.parametrize(
    "result",
    [Failure("server", "…"), Failure("timeout", "…"), Completion("", "empty"), Completion("I", "length")],
)
def test_without_a_usable_critique_the_attempt_is_made_all_the_same(result: Completion | Failure) -> None:
    asked, _, end = play(REFINE, rollout("A B C"), beside=lambda call: Done(call, result))
    assert names(asked) == "1.1a 1.2c 1.2a 1.3c 1.3a"
    assert all(call.critique is None for call in asked)
    assert end.reason is StopReason.TURNS


@pytest.mark.parametrize("kind", ["budget", "deadline", "unrecorded"])
def test_a_critique_that_was_cut_off_ends_the_run_with_the_attempt(kind: str) -> None:
    asked, _, end = play(REFINE, rollout("A B C"), beside=lambda call: Done(call, Failure(kind, "…")))
    assert names(asked) == "1.1a 1.2c 1.2a"
    assert (end.reason, end.answer) == (StopReason(kind), "A")


def test_nothing_to_critique_is_answered_anew() -> None:
    asked, _, _ = play(replace(REFINE, samples=2), rollout("!server A B", "W X Y"))
    assert names(asked) == "1.1a 2.1a 2.2c 1.2a 2.2a 1.3c 2.3c 1.3a 2.3a"


# aggregate


def test_aggregate_draws_from_all_chains_of_the_last_turn() -> None:
    asked, _, end = play(AGGREGATE, several(4, 3))
    assert names(asked) == " ".join(f"{chain}.{turn}a" for turn in (1, 2, 3) for chain in (1, 2, 3, 4))
    for call in asked:
        assert len(set(call.sees)) == len(call.sees) == (0 if call.turn == 1 else 2)
        assert {place.turn for place in call.sees} <= {call.turn - 1}
        assert {place.chain for place in call.sees} <= {1, 2, 3, 4}
    assert sum(t.count for t in end.votes) == 12


def test_chains_turns_problems_and_seeds_draw_differently_and_a_repetition_the_same() -> None:
    policy = replace(AGGREGATE, samples=16, draw=4)
    recorded = rollout(*(["A B C"] * 16))

    def draws(policy: Policy, problem: Problem = QUESTION) -> list[tuple[Place, ...]]:
        return [c.sees for c in play(policy, recorded, problem=problem)[0] if c.turn > 1]

    first = draws(policy)
    assert draws(policy) == first
    assert len({tuple(p.chain for p in sees) for sees in first}) > 28  # of 32
    assert draws(replace(policy, seed=1)) != first
    assert draws(policy, replace(QUESTION, key="q")) != first
    assert draws(policy, replace(QUESTION, question="Another?")) == first
    # Every chain's attempt is drawn by somebody, or hardly any is not.
    assert len({p.chain for sees in first[:16] for p in sees}) > 12


@pytest.mark.parametrize(
    ("chains", "draw", "sees"),
    [
        (["A X", "B Y", "C Z"], 9, {1, 2, 3}),  # fewer than that
        (["A X", "!server Y", "- Z"], 3, {1, 3}),  # not the failed one, but the one without an answer
        (["A X", "!server Y", "!broken Z"], 4, {1}),
    ],
)
def test_what_can_be_drawn(chains: list[str], draw: int, sees: set[int]) -> None:
    asked, _, _ = play(replace(AGGREGATE, turns=2, samples=3, draw=draw), rollout(*chains))
    for call in asked[3:]:
        assert {place.chain for place in call.sees} == sees


@pytest.mark.parametrize("reason", ["length", "refusal", "filtered", "empty"])
def test_replies_that_are_no_answer_are_not_drawn(reason: str) -> None:
    first, *rest = rollout("A X", "B Y")
    assert isinstance(first.result, Completion)
    cut = replace(first, result=replace(first.result, finish_reason=reason))
    asked, _, _ = play(replace(AGGREGATE, turns=2, samples=2), (cut, *rest))
    assert [c.sees for c in asked[2:]] == [(Place(1, 2),)] * 2


def test_the_draw_is_of_the_last_turn_that_brought_any_to_these_chains() -> None:
    """Recorded with three chains, of which the third alone had a reply in turn 2."""
    _, done, _ = play(replace(AGGREGATE, turns=2, samples=3), rollout("A !server", "B !server", "C Z"))
    step = next_step(replace(AGGREGATE, turns=3, samples=2, draw=9), QUESTION, done)
    assert isinstance(step, Finish)  # turn 2 failed as a whole for the two
    assert step.reason is StopReason.ERROR
    alive = (*done, replace(done[-1], call=Call(1, 3)))
    step = next_step(replace(AGGREGATE, turns=4, samples=3, draw=9), QUESTION, alive)
    assert isinstance(step, Ask)
    assert {c.sees for c in step.calls} == {(Place(2, 3),)}


def test_a_drawn_chain_that_is_not_asked_for_is_not_seen() -> None:
    _, done, _ = play(replace(AGGREGATE, turns=1, samples=4), several(4, 1))
    step = next_step(replace(AGGREGATE, turns=2, samples=2, draw=9), QUESTION, done)
    assert isinstance(step, Ask)
    assert {p.chain for c in step.calls for p in c.sees} == {1, 2}


# decide


def test_decide_decides_in_each_chain_by_itself_and_every_turn_votes() -> None:
    policy = replace(EVERY, shape=Shape.DECIDE, samples=2)
    asked, _, end = play(policy, rollout("A B B", "A A B"))
    assert names(asked) == "1.1a 2.1a 1.2a 2.2a 1.3a 2.3a"
    assert {(c.turn, c.chain): c.sees for c in asked if c.sees} == {(3, 1): (Place(1, 1), Place(2, 1))}
    assert [(t.answer, t.count) for t in end.votes] == [("A", 3), ("B", 3)]


def test_decide_keeps_in_sight_what_a_person_said_and_goes_on_from_anywhere() -> None:
    policy = replace(EVERY, shape=Shape.DECIDE, turns=4)
    recorded = rollout("Ap B C C")
    asked, done, end = play(policy, recorded)
    first = Place(1, 1)
    assert [c.sees for c in asked] == [(), (first,), (first,), (first, Place(2, 1), Place(3, 1))]
    for begun in range(len(done)):
        again, _, resumed = play(policy, recorded, done[:begun])
        assert (again, resumed) == (asked[begun:], end)


# single


@pytest.mark.parametrize("samples", [1, 3])
def test_single_asks_every_chain_once(samples: int) -> None:
    asked, _, end = play(replace(SINGLE, samples=samples), rollout(*["A"] * samples))
    assert asked == [Call(chain, 1) for chain in range(1, samples + 1)]
    assert end.reason is StopReason.TURNS


def rounds(*answers: str, chain: int = 1) -> Done:
    """One reply of many rounds, each an answer with its confidence in percent."""
    founded: dict[str, Place] = {}
    attempts = tuple(
        Attempt(
            chain, turn, word, word[0], founded.setdefault(word[0], Place(turn, chain)), int(word[1:]) / 100
        )
        for turn, word in enumerate(answers, 1)
    )
    return Done(Call(chain, 1), Completion(" ".join(answers)), attempts)


def test_every_round_votes() -> None:
    _, _, end = play(SINGLE, (rounds("A90", "B80", "B99"),))
    assert [(t.answer, t.count, t.places) for t in end.votes] == [
        ("B", 2, (Place(2, 1), Place(3, 1))),
        ("A", 1, (Place(1, 1),)),
    ]


@pytest.mark.parametrize(("vote", "answer"), [(Vote.LAST, "C"), (Vote.FIRST, "A"), (Vote.MAJORITY, "B")])
def test_rounds_under_every_rule(vote: Vote, answer: str) -> None:
    _, _, end = play(replace(SINGLE, vote=vote), (rounds("A90", "B80", "B99", "C10"),))
    assert end.answer == answer


# Ratings


def rated_as(ratings: dict[tuple[int, int], float | None]):  # type: ignore[no-untyped-def]
    def beside(call: Call) -> Done:
        return Done(call, Completion("…"), rating=ratings.get((call.chain, call.turn)))

    return beside


RATED = replace(EVERY, rates=True)


def test_every_answer_is_rated_after_its_turn_and_nothing_else_is() -> None:
    asked, _, _ = play(replace(RATED, samples=2), rollout("A - C", "!server X Y"))
    assert names(asked) == "1.1a 2.1a 1.1r 1.2a 2.2a 2.2r 1.3a 2.3a 1.3r 2.3r"
    for call in asked:
        if call.purpose is Purpose.RATE:
            assert call.sees == (call.place,)


def test_refine_is_rated_too_and_the_rounds_of_one_reply() -> None:
    asked, _, _ = play(replace(REFINE, rates=True), rollout("A B C"))
    assert names(asked) == "1.1a 1.1r 1.2c 1.2a 1.2r 1.3c 1.3a 1.3r"
    replies = (rounds("A90", "B80"), rounds("C90", chain=2))
    asked, _, _ = play(replace(SINGLE, rates=True, samples=2), replies)
    assert names(asked) == "1.1a 2.1a 1.1r 1.2r 2.1r"


def test_none_is_rated_once_one_is_accepted() -> None:
    asked, _, end = play(replace(RATED, samples=2), rollout("Ax B+", "W X"))
    assert names(asked) == "1.1a 2.1a 1.1r 2.1r 1.2a 2.2a"
    assert end.reason is StopReason.ACCEPTED


def test_a_later_acceptance_does_not_save_earlier_ratings() -> None:
    """A whole recording and a run of its turns ask for the same."""
    recorded = rollout("A B+")
    step = next_step(RATED, QUESTION, recorded)
    assert step == Ask((Call(1, 1, Purpose.RATE, (Place(1, 1),)),))


def test_an_acceptance_in_a_chain_that_is_left_out_saves_none() -> None:
    step = next_step(RATED, QUESTION, rollout("A", "B+"))
    assert step == Ask((Call(1, 1, Purpose.RATE, (Place(1, 1),)),))


def test_a_rating_takes_the_place_of_what_was_stated() -> None:
    ratings = rated_as({(1, 1): 0.2, (1, 2): 0.7})
    _, _, end = play(RATED, rollout("A99 B98 C97"), beside=ratings)
    assert {t.answer: t.confidence for t in end.votes} == {"A": 0.2, "B": 0.7, "C": None}
    assert end.answer == "A"  # one states none, so the tie goes to the earliest
    _, _, end = play(RATED, rollout("A99 B98 -"), beside=ratings)
    assert end.answer == "B"
    assert end.winner is not None
    assert (end.winner.confidence, end.confidence) == (0.7, 0.7)


def test_ratings_decide_when_the_run_is_sure() -> None:
    policy = replace(RATED, turns=5, early_stop=True, vote=Vote.LAST)
    asked, _, end = play(policy, rollout("A A A A A"), beside=rated_as({(1, t): 0.95 for t in (2, 3)}))
    assert end.reason is StopReason.CONFIDENT
    assert names(asked) == "1.1a 1.1r 1.2a 1.2r 1.3a 1.3r"
    asked, _, end = play(policy, rollout("A99 A99 A99 A99 A99"), beside=rated_as({}))
    assert end.reason is StopReason.TURNS


@pytest.mark.parametrize("kind", ["budget", "deadline", "unrecorded"])
def test_a_rating_that_was_cut_off_ends_the_run(kind: str) -> None:
    asked, _, end = play(RATED, rollout("A99 B C"), beside=lambda call: Done(call, Failure(kind, "…")))
    assert names(asked) == "1.1a 1.1r"
    assert (end.reason, end.answer, end.confidence) == (StopReason(kind), "A", None)


def test_a_rating_of_a_later_round_that_was_cut_off_ends_the_run_too() -> None:
    def cut(call: Call) -> Done:
        return (
            Done(call, Failure("budget", "…")) if call.turn == 2 else Done(call, Completion("…"), rating=0.5)
        )

    _, _, end = play(replace(SINGLE, rates=True), (rounds("A90", "B80", "B99"),), beside=cut)
    assert (end.reason, end.answer) == (StopReason.BUDGET, "B")


def test_a_rating_that_failed_otherwise_leaves_the_attempt_without() -> None:
    _, _, end = play(RATED, rollout("A99 A A"), beside=lambda call: Done(call, Failure("server", "…")))
    assert (end.reason, end.answer, end.confidence) == (StopReason.TURNS, "A", None)


# Resumption

POLICIES = [
    REFINE,
    replace(REFINE, samples=3, window=None),
    replace(REFINE, samples=2, rates=True),
    replace(REFINE, samples=2, early_stop=True, rates=True, patience=1, threshold=0.5),
    AGGREGATE,
    replace(AGGREGATE, rates=True, seed=7),
    replace(AGGREGATE, vote=Vote.CONSISTENT),
    replace(EVERY, samples=4, rates=True, vote=Vote.CONSISTENT),
    replace(EVERY, samples=3, rates=True, vote=Vote.WEIGHTED),
    replace(SINGLE, samples=3, rates=True, vote=Vote.CONSISTENT),
]
RECORDED = [
    several(4, 3),
    rollout("A B A", "B - B", "C A B", "- - -"),
    rollout("Ax B C+", "B A+ B", "- Bx C", "D E F"),
    rollout("!server A B", "B !timeout C", "- - !broken", "A !server A"),
    rollout("A B C", "A !budget C", "A B C", "D E F"),
]


@given(st.sampled_from(POLICIES), st.sampled_from(RECORDED), st.data())
@settings(max_examples=300, deadline=None)
def test_a_run_goes_on_from_any_of_its_finished_calls(
    policy: Policy, recorded: tuple[Done, ...], data: st.DataObject
) -> None:
    """Mid-turn, mid-critique, mid-rating or mid-selection, and in whatever order calls came back."""
    calls, whole, end = play(policy, recorded)
    assert len(set(calls)) == len(calls)
    waves: list[list[Done]] = []
    state: tuple[Done, ...] = ()
    while isinstance(step := next_step(policy, QUESTION, state), Ask):
        waves.append([d for d in whole if d.call in step.calls])
        state += tuple(waves[-1])
    at = data.draw(st.integers(0, len(waves)))
    partial = data.draw(st.lists(st.sampled_from(waves[at]), unique=True)) if at < len(waves) else []
    before = data.draw(st.permutations([d for wave in waves[:at] for d in wave] + partial))
    asked, done, ended = play(policy, recorded, tuple(before))
    assert ended == end
    assert asked == [call for call in calls if call not in {d.call for d in before}]
    assert set(done) == set(whole)


@given(st.sampled_from(POLICIES), st.sampled_from(RECORDED), st.data())
@settings(max_examples=100, deadline=None)
def test_a_run_may_be_cut_short_anywhere(
    policy: Policy, recorded: tuple[Done, ...], data: st.DataObject
) -> None:
    _, whole, _ = play(policy, recorded)
    some = tuple(data.draw(st.lists(st.sampled_from(whole), unique=True)))
    end = conclude(policy, some, StopReason.INTERRUPTED)
    answered = [a for d in some for a in d.attempts if a.answer and not (d.verdict and d.verdict.reward == 0)]
    assert (end.winner is not None) == bool(answered)
    places = Counter(p for t in end.votes for p in t.places)
    assert places == Counter(a.place for a in answered)
