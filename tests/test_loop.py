"""The method itself: what is asked, in which order, and what each call sees."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, combinations, permutations

import pytest
from rollouts import QUESTION, play, rollout

from rise_cli.core.domain import (
    Ask,
    Call,
    Completion,
    Done,
    Finish,
    Place,
    Policy,
    Purpose,
    Shape,
    StopReason,
    Tie,
    Vote,
)
from rise_cli.core.loop import conclude, next_step

EVERY_TURN = Policy(early_stop=False)


def seen(calls: list[Call]) -> dict[str, str]:
    """What each call sees, as `{"chain.turn": "turns of its own chain"}`."""
    for call in calls:
        assert all(place.chain == call.chain for place in call.sees)
    return {f"{c.chain}.{c.turn}": " ".join(str(place.turn) for place in c.sees) for c in calls}


def several(*, chains: int, turns: int) -> tuple[Done, ...]:
    """A rollout in which no two attempts agree, so that nothing stops it early."""
    letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return rollout(*(" ".join(next(letters) for _ in range(turns)) for _ in range(chains)))


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (0, {"1.1": "", "1.2": "", "1.3": "", "1.4": ""}),
        (1, {"1.1": "", "1.2": "1", "1.3": "2", "1.4": "3"}),
        (2, {"1.1": "", "1.2": "1", "1.3": "1 2", "1.4": "2 3"}),
        (3, {"1.1": "", "1.2": "1", "1.3": "1 2", "1.4": "1 2 3"}),
        (99, {"1.1": "", "1.2": "1", "1.3": "1 2", "1.4": "1 2 3"}),
        (None, {"1.1": "", "1.2": "1", "1.3": "1 2", "1.4": "1 2 3"}),
    ],
)
def test_windows(window: int | None, expected: dict[str, str]) -> None:
    asked, _, _ = play(Policy(turns=4, window=window), rollout("A B C D"))
    assert seen(asked) == expected


@pytest.mark.parametrize(
    ("words", "window", "expected"),
    [
        ("Ap B C D", 1, {"1.2": "1", "1.3": "1 2", "1.4": "1 3"}),
        ("Ap Bp C D", 1, {"1.2": "1", "1.3": "1 2", "1.4": "1 2 3"}),
        ("Ap B C D", 0, {"1.2": "1", "1.3": "1", "1.4": "1"}),
        # A check speaks about one attempt, and a person who only went on said nothing.
        ("Ax B C D", 1, {"1.2": "1", "1.3": "2", "1.4": "3"}),
        ("A? B C D", 1, {"1.2": "1", "1.3": "2", "1.4": "3"}),
    ],
)
def test_what_a_person_said_stays_in_sight(words: str, window: int, expected: dict[str, str]) -> None:
    asked, _, _ = play(Policy(turns=4, window=window, early_stop=False), rollout(words))
    assert seen(asked) == {"1.1": "", **expected}


def test_what_a_person_said_is_drawn_for_every_chain() -> None:
    policy = Policy(shape=Shape.AGGREGATE, turns=3, samples=3, draw=1)
    asked, _, _ = play(policy, rollout("Ap D G", "B E H", "C F I"))
    for call in asked:
        if call.turn > 1:
            assert Place(1, 1) in call.sees
            assert sum(p.turn == call.turn - 1 for p in call.sees) >= 1


def test_feedback_on_the_last_turn_of_one_chain_gives_every_chain_another() -> None:
    asked, _, end = play(Policy(turns=1, samples=2), rollout("Ap C", "B D"))
    assert [(c.chain, c.turn) for c in asked] == [(1, 1), (2, 1), (1, 2), (2, 2)]
    assert end.reason is StopReason.TURNS
    independent = Policy(shape=Shape.INDEPENDENT, samples=2)
    asked, _, end = play(independent, rollout("Ap C", "B D"))
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("words", "window", "expected"),
    [
        # A failed call is not shown; the last attempt that came back is.
        ("A !server B C", 1, {"1.2": "1", "1.3": "1", "1.4": "3"}),
        ("A !server B C", 2, {"1.2": "1", "1.3": "1", "1.4": "1 3"}),
        ("A !server B C", None, {"1.2": "1", "1.3": "1", "1.4": "1 3"}),
        ("!server A B C", 2, {"1.2": "", "1.3": "2", "1.4": "2 3"}),
        # A whole reply is shown even if no answer was found in it, and so is a rejected one.
        ("A - B C", 1, {"1.2": "1", "1.3": "2", "1.4": "3"}),
        ("Ax Bx Cx D", 2, {"1.2": "1", "1.3": "1 2", "1.4": "2 3"}),
    ],
)
def test_failed_calls_are_not_shown(words: str, window: int | None, expected: dict[str, str]) -> None:
    policy = Policy(turns=4, samples=2, window=window)
    # The second chain keeps the run going where the first one's call fails.
    asked, _, _ = play(policy, rollout(words, "W X Y Z"))
    sees = {place: turns for place, turns in seen(asked).items() if place in expected}
    assert sees == expected


@pytest.mark.parametrize("finish_reason", ["length", "refusal", "filtered", "empty"])
def test_replies_that_are_no_answer_are_not_shown(finish_reason: str) -> None:
    first, second, third = rollout("A B C")
    assert isinstance(second.result, Completion)
    cut_off = replace(second, result=replace(second.result, finish_reason=finish_reason))
    asked, _, _ = play(Policy(turns=3), (first, cut_off, third))
    assert seen(asked) == {"1.1": "", "1.2": "1", "1.3": "1"}


def test_chains_move_in_lockstep_and_see_only_themselves() -> None:
    policy = Policy(turns=3, samples=3)
    recorded = several(chains=3, turns=3)
    done: tuple[Done, ...] = ()
    for turn in (1, 2, 3):
        step = next_step(policy, QUESTION, done)
        assert isinstance(step, Ask)
        assert [(c.turn, c.chain) for c in step.calls] == [(turn, 1), (turn, 2), (turn, 3)]
        assert all(c.purpose is Purpose.ATTEMPT for c in step.calls)
        assert [c.sees for c in step.calls] == [
            () if turn == 1 else (Place(turn - 1, chain),) for chain in (1, 2, 3)
        ]
        done += tuple(d for d in recorded if d.call.turn == turn)
    assert isinstance(next_step(policy, QUESTION, done), Finish)


@pytest.mark.parametrize("samples", [1, 2, 5, 40])
@pytest.mark.parametrize("turns", [1, 5])
def test_independent_chains_answer_once_and_see_nothing(samples: int, turns: int) -> None:
    policy = Policy(shape=Shape.INDEPENDENT, turns=turns, samples=samples, window=None)
    asked, _, end = play(policy, rollout(*(["A"] * samples)))
    assert asked == [Call(chain, 1) for chain in range(1, samples + 1)]
    assert end.reason is StopReason.TURNS
    assert end.votes[0].count == samples


@pytest.mark.parametrize("turns", [1, 2, 50])
def test_turns(turns: int) -> None:
    recorded = rollout(" ".join("ABCDE"[turn % 5] for turn in range(turns)))
    asked, done, end = play(replace(EVERY_TURN, turns=turns, window=None), recorded)
    assert [c.turn for c in asked] == list(range(1, turns + 1))
    assert len(asked[-1].sees) == turns - 1
    assert end.reason is StopReason.TURNS
    assert sum(t.count for t in end.votes) == len(done) == turns


def test_fifty_turns_of_many_chains_are_no_work() -> None:
    recorded = rollout(*(" ".join("ABCDE"[(turn + n) % 5] for turn in range(50)) for n in range(8)))
    asked, _, _ = play(replace(EVERY_TURN, turns=50, samples=8), recorded)
    assert len(asked) == 400


POLICIES = [
    Policy(turns=3),
    Policy(turns=3, samples=3, window=2),
    Policy(turns=3, samples=3, window=None, early_stop=False),
    Policy(turns=3, samples=2, window=0, vote=Vote.LAST, tie=Tie.LATEST),
    Policy(turns=3, samples=2, patience=1),
    Policy(shape=Shape.INDEPENDENT, turns=1, samples=3),
]

RECORDED = [
    rollout("A B A", "B - B", "C A B"),
    rollout("A90 A90 A90", "A A A", "A A A"),
    rollout("Ax B C+", "B A+ B", "- Bx C"),
    rollout("!server A B", "B !timeout C", "- - !broken"),
    rollout("A B C", "A !budget C", "A B C"),
    rollout("!server A B", "!server A B", "!server A B"),
]


@pytest.mark.parametrize("recorded", RECORDED)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_step_is_a_pure_function_of_the_state(policy: Policy, recorded: tuple[Done, ...]) -> None:
    _, done, _ = play(policy, recorded)
    for length in range(len(done) + 1):
        state = done[:length]
        before = copy.deepcopy((policy, QUESTION, state))
        first = next_step(policy, QUESTION, state)
        assert next_step(*copy.deepcopy((policy, QUESTION, state))) == first
        assert (policy, QUESTION, state) == before
        # A state is a set of calls: the order in which they came back is no part of it.
        assert next_step(policy, QUESTION, state[::-1]) == first
        # What is asked is the same whatever the problem says; it holds no reference to look at.
        assert next_step(policy, replace(QUESTION, question="Another?"), state) == first


def beginnings(done: tuple[Done, ...]) -> Iterator[tuple[Done, ...]]:
    """Every state that an interruption may leave: whole turns, and any part of the next, in any order."""
    for turn in sorted({d.call.turn for d in done}):
        whole = tuple(d for d in done if d.call.turn < turn)
        current = [d for d in done if d.call.turn == turn]
        parts = chain.from_iterable(combinations(current, n) for n in range(len(current)))
        for part in chain.from_iterable(permutations(part) for part in parts):
            yield (*whole, *part)
    yield done


@pytest.mark.parametrize("recorded", RECORDED)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_resumed_anywhere_makes_the_calls_that_are_missing(
    policy: Policy, recorded: tuple[Done, ...]
) -> None:
    calls, whole, end = play(policy, recorded)
    for state in beginnings(whole):
        there = {d.call for d in state}
        asked, done, ended = play(policy, recorded, state)
        assert asked == [call for call in calls if call not in there]
        assert ended == end
        assert sorted(done, key=lambda d: d.call.place) == list(whole)


def test_a_call_that_is_missing_in_the_middle_is_asked_as_it_would_have_been() -> None:
    """A journal from which a failed call was dropped: the turn after it is no part of what is seen."""
    first, _, third = rollout("A B C")
    step = next_step(Policy(turns=3, window=None), QUESTION, (first, third))
    assert step == Ask((Call(1, 2, sees=(Place(1, 1),)),))


def test_half_a_turn_is_neither_voted_on_nor_a_reason_to_stop() -> None:
    """Chain 1 settles it, but chain 2 is asked first: a resumed run ends as an uninterrupted one."""
    policy = Policy(turns=5, samples=2, patience=1)
    step = next_step(policy, QUESTION, rollout("A+", "B")[:1])
    assert step == Ask((Call(2, 1),))


# replay


def test_a_recorded_run_can_be_voted_on_again() -> None:
    _, done, end = play(EVERY_TURN, rollout("A B A B C"))
    assert end.answer == "A"
    for policy, answer in (
        (replace(EVERY_TURN, vote=Vote.LAST), "C"),
        (replace(EVERY_TURN, vote=Vote.FIRST), "A"),
        (replace(EVERY_TURN, tie=Tie.LATEST), "B"),
    ):
        again = next_step(policy, QUESTION, done)
        assert isinstance(again, Finish)
        assert (again.reason, again.answer) == (StopReason.TURNS, answer)


@pytest.mark.parametrize(
    ("policy", "reason", "turns", "answer"),
    [
        # The whole of it, and what it would have come to under other rules.
        (Policy(turns=7, early_stop=False), StopReason.TURNS, 7, "B"),
        (Policy(turns=1), StopReason.TURNS, 1, "A"),
        (Policy(turns=2, early_stop=False), StopReason.TURNS, 2, "A"),
        (Policy(turns=7), StopReason.CONFIDENT, 3, "A"),
        (Policy(turns=7, patience=1), StopReason.CONFIDENT, 2, "A"),
        (Policy(turns=7, threshold=0.99), StopReason.TURNS, 7, "B"),
        (Policy(turns=3, threshold=0.99), StopReason.DECIDED, 2, "A"),
        (Policy(turns=7, vote=Vote.LAST, threshold=0.99), StopReason.TURNS, 7, "B"),
        (Policy(turns=4, vote=Vote.FIRST, early_stop=False), StopReason.TURNS, 4, "A"),
    ],
)
def test_a_recorded_run_replays_under_another_policy(
    policy: Policy, reason: StopReason, turns: int, answer: str
) -> None:
    """All at once or turn by turn, a policy ends a recorded run where it would have ended it then."""
    recorded = rollout("A A90 A90 B B B B")
    at_once = next_step(policy, QUESTION, recorded)
    asked, _, step_by_step = play(policy, recorded)
    assert at_once == step_by_step
    assert isinstance(at_once, Finish)
    assert (at_once.reason, len(asked), at_once.answer) == (reason, turns, answer)


def test_fewer_chains_than_were_recorded_vote_alone() -> None:
    recorded = rollout("A A", "B B", "B B")
    end = next_step(replace(EVERY_TURN, turns=2), QUESTION, recorded)
    assert isinstance(end, Finish)
    assert [(t.answer, t.count) for t in end.votes] == [("A", 2)]


def test_more_chains_than_were_recorded_are_asked_from_their_first_turn() -> None:
    recorded = rollout("A B", "B C", "C D")
    asked, _, _ = play(replace(EVERY_TURN, turns=2, samples=3), recorded, rollout("A B", "B C"))
    assert [(c.chain, c.turn) for c in asked] == [(3, 1), (3, 2)]


def test_more_turns_than_were_recorded_go_on_from_there() -> None:
    recorded = rollout("A B C D")
    asked, _, end = play(replace(EVERY_TURN, turns=4), recorded, rollout("A B"))
    assert [(c.turn, c.sees) for c in asked] == [(3, (Place(2, 1),)), (4, (Place(3, 1),))]
    assert sum(t.count for t in end.votes) == 4


@pytest.mark.parametrize(
    ("chains", "answer", "votes"),
    [([], None, 0), (["A", "-"], "A", 1), (["A B", "B !server"], "B", 3), (["!server"], None, 0)],
)
def test_a_run_that_is_cut_short_is_voted_on_as_it_is(
    chains: list[str], answer: str | None, votes: int
) -> None:
    end = conclude(Policy(samples=9), rollout(*chains), StopReason.INTERRUPTED)
    assert (end.reason, end.answer) == (StopReason.INTERRUPTED, answer)
    assert sum(t.count for t in end.votes) == votes
