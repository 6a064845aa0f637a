"""The model picks the reply that the others agree with: rounds, groups, and what it says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollouts import play, rollout

from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Failure,
    Place,
    Policy,
    Purpose,
    StopReason,
    Vote,
)
from rise_cli.core.selecting import most_selections, next_selection, read_selection, selected
from rise_cli.core.voting import elect

CONSISTENT = Policy(vote=Vote.CONSISTENT, early_stop=False)


def attempts(number: int, characters: int = 10, same: bool = False) -> list[Attempt]:
    return [
        Attempt(1, n, "x" * characters, str(n), Place(1 if same else n, 1), None)
        for n in range(1, number + 1)
    ]


def pick(among: list[Attempt], *picks: int | None) -> tuple[list[list[int]], Attempt | None]:
    """How many replies each call of each round sees, and the winner; `picks` by round, else the first."""
    done: tuple[Done, ...] = ()
    sizes: list[list[int]] = []
    while calls := next_selection(among, done)[0]:
        assert [c.place for c in calls] == sorted(c.place for c in calls)
        assert all(c.purpose is Purpose.SELECT and c.turn == calls[0].turn for c in calls)
        choice = picks[len(sizes)] if len(sizes) < len(picks) else 0
        sizes.append([len(c.sees) for c in calls])
        done += tuple(Done(c, Completion("…"), selected=choice) for c in calls)
    return sizes, selected(among, done)


@pytest.mark.parametrize(
    ("number", "characters", "sizes"),
    [
        (0, 10, []),
        (1, 10, []),
        (2, 10, [[2]]),
        (10, 10, [[10]]),
        (11, 10, [[6, 5], [2]]),  # about the same number, so that none is through at once
        (21, 10, [[7, 7, 7], [3]]),
        (100, 10, [[10] * 10, [10]]),
        (101, 10, [[10] * 10, [6, 5], [2]]),
        (4, 20_000, [[2, 2], [2]]),
        (3, 13_333, [[3]]),
        (3, 13_334, [[2], [2]]),
        (5, 1_000_000, [[2, 2], [2], [2]]),  # two always may be seen
    ],
)  # fmt: skip
def test_rounds(number: int, characters: int, sizes: list[list[int]]) -> None:
    among = attempts(number, characters)
    assert pick(among) == (sizes, among[0] if among else None)


def test_the_picks_are_followed_through_the_rounds() -> None:
    among = attempts(11)
    assert pick(among, 1, 1) == ([[6, 5], [2]], among[7])
    assert pick(among, 4, 0) == ([[6, 5], [2]], among[4])


@pytest.mark.parametrize("choice", [None, 10, 99, -1])
def test_a_pick_that_is_none_falls_back_to_the_earliest(choice: int | None) -> None:
    among = attempts(3)
    assert pick(among, choice)[1] == among[0]


def test_replies_with_one_answer_need_no_pick() -> None:
    assert pick(attempts(30, same=True))[0] == []
    mixed = [*attempts(10, same=True), Attempt(1, 11, "x", "other", Place(11, 1), None)]
    # Six alike, then four alike and another; two alike are left, unless that other was picked.
    assert pick(mixed)[0] == [[5]]
    assert pick(mixed, 4, 1) == ([[5], [2]], mixed[-1])


def test_a_failed_selection_falls_back_and_a_cut_one_stops() -> None:
    among = attempts(12)
    calls, _ = next_selection(among, ())
    failed = tuple(Done(c, Failure("server", "…")) for c in calls)
    (final,), cut = next_selection(among, failed)
    assert (final.sees, cut) == ((Place(1, 1), Place(7, 1)), None)
    for kind in ("budget", "deadline", "unrecorded"):
        one_cut = (Done(calls[0], Failure(kind, "…")), Done(calls[1], Completion("…"), selected=1))
        more, cut = next_selection(among, one_cut)
        assert (more, cut) == ((), StopReason(kind))
        assert selected(among, one_cut) is None


def test_half_a_round_is_completed_first() -> None:
    among = attempts(12)
    calls, _ = next_selection(among, ())
    assert next_selection(among, (Done(calls[1], Completion("…"), selected=0),))[0] == calls[:1]


# In a run


def selecting(choice: int | None):  # type: ignore[no-untyped-def]
    return lambda call: Done(call, Completion("…"), selected=choice)


def test_the_winner_is_the_one_that_was_picked_and_the_counts_are_reported() -> None:
    asked, _, end = play(Policy(turns=4, vote=Vote.CONSISTENT), rollout("A A B C"), beside=selecting(2))
    assert asked[-1] == Call(1, 1, Purpose.SELECT, tuple(Place(turn, 1) for turn in (1, 2, 3, 4)))
    assert (end.reason, end.answer) == (StopReason.TURNS, "B")
    assert [(t.answer, t.count) for t in end.votes] == [("A", 2), ("B", 1), ("C", 1)]


@pytest.mark.parametrize(
    ("chains", "selections", "reason"),
    [
        (["A B C"], 1, StopReason.TURNS),
        (["A95 A95 C"], 0, StopReason.CONFIDENT),  # one answer only
        (["B A95 A95 C"], 1, StopReason.CONFIDENT),
        (["A - -"], 0, StopReason.TURNS),
        (["- - -"], 0, StopReason.TURNS),
        (["A Bx C"], 1, StopReason.TURNS),
        (["A B+"], 0, StopReason.ACCEPTED),
        (["A B !budget"], 0, StopReason.BUDGET),
        (["A B !deadline"], 0, StopReason.DEADLINE),
        (["A B !server"], 0, StopReason.ERROR),
    ],
)
def test_when_there_is_a_selection(chains: list[str], selections: int, reason: StopReason) -> None:
    policy = Policy(turns=len(chains[0].split()), vote=Vote.CONSISTENT)
    asked, _, end = play(policy, rollout(*chains), beside=selecting(1))
    assert sum(c.purpose is Purpose.SELECT for c in asked) == selections
    assert end.reason is reason
    rejected = [c.sees for c in asked if c.purpose is Purpose.SELECT and "Bx" in chains[0]]
    assert rejected in ([], [(Place(1, 1), Place(3, 1))])


@pytest.mark.parametrize("kind", ["budget", "deadline", "unrecorded"])
def test_a_selection_that_was_cut_off_leaves_the_count(kind: str) -> None:
    _, _, end = play(
        Policy(turns=3, vote=Vote.CONSISTENT), rollout("A B B"), beside=lambda c: Done(c, Failure(kind, "…"))
    )
    assert (end.reason, end.answer) == (StopReason(kind), "B")


def test_a_selection_under_way_does_not_count() -> None:
    _, done, _ = play(Policy(turns=3, vote=Vote.CONSISTENT), rollout("A B B"), beside=selecting(0))
    assert elect(CONSISTENT, done)[0].answer == "A"  # type: ignore[union-attr]
    assert elect(CONSISTENT, done[:-1])[0].answer == "B"  # type: ignore[union-attr]


@given(st.integers(0, 60), st.integers(1, 60_000), st.data())
@settings(max_examples=100, deadline=None)
def test_it_ends_within_the_calls_that_are_foretold(
    number: int, characters: int, data: st.DataObject
) -> None:
    sizes = data.draw(st.lists(st.integers(0, characters), min_size=number, max_size=number))
    among = [Attempt(1, n, "x" * size, str(n), Place(n, 1), None) for n, size in enumerate(sizes, 1)]
    picks = data.draw(st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=8))
    rounds, winner = pick(among, *picks)
    assert (winner is None) == (not among)
    assert sum(map(len, rounds)) <= sum(most_selections(number, characters))
    for seen in rounds:
        assert all(2 <= n <= 10 for n in seen)


# What it says

REPLIES = [
    ("The most consistent response is Response 2", 1),
    ("The most consistent response is Response (2)", 1),
    ("The most consistent response is **Response 2**.", 1),
    ("the MOST  consistent response is 3", 2),
    ("**The most consistent response is Response 1**", 0),
    ("Most consistent: Response 3", 2),
    ("Responses 1 and 3 agree on 42. The most consistent response is Response 3", 2),
    ("The most consistent response is Response 1. Wait, the most consistent response is Response 2.", 1),
    ("Response 2", 1),
    ("Response #2", 1),
    ("Response 2 is the one that 3 of 5 agree with", 1),
    ("2", 1),
    ("  **2**\n", 1),
    ("I choose Response 3 because it agrees with 1 and 2.", 2),
    ("My choice: 3", 2),
    ("Selected: [2]", 1),
    ("I would select response 2.", 1),
    ("Response 1 says 17%, response 1 is best", 0),
    ("最一致的回答是 回答 2", 1),
    ("最一致的回答是 回答（2）", 1),
    ("最一致的回答是：回答２。", 1),
    ("我选择回答 3，因为它和 1、2 一致。", 2),
    ("选 2", 1),
    ("回答 3", 2),
    ("第2个", 1),
    ("选第 2 个", 1),
    ("<think>Response 1? Response 3?</think>\nResponse 2", 1),
    # Some are turned down
    ("not 1 but 2", 1),
    ("Not Response 1 but Response 2.", 1),
    ("2, not 1", 1),
    ("2 not 1", 1),
    ("Response 2 (not Response 1)", 1),
    ("neither 1 nor 3, so 2", 1),
    ("Neither Response 1 nor Response 3. Response 2", 1),
    ("I would reject 1; 2 is best", 1),
    ("I reject 1 and choose 2.", 1),
    ("I wouldn't pick 1. I pick 3.", 2),
    ("I would not choose Response 1; Response 2 is the most consistent", 1),
    ("Response 2 rather than Response 1", 1),
    ("Response 3 is better than Response 1", 2),
    ("Response 1 is not the most consistent. Response 2 is.", 1),
    ("Response 1 is wrong, so I choose 2", 1),
    ("Response 2, because Response 1 isn't right", 1),
    ("The most consistent response is Response 2 because it does not contradict 1 or 3", 1),
    ("I first thought not 1, but the most consistent response is Response 1", 0),
    ("I am not sure, but the best is 2.", 1),
    ("I rule out 1, 3 and 4. Response 2", 1),
    ("Option no. 2", 1),
    ("不是 1，而是 2", 1),
    ("不选回答 1，选回答 2", 1),
    ("选 2，不选 1", 1),
    ("选 2 而不是 1", 1),
    ("最一致的不是回答 1，而是回答 2。", 1),
    ("排除 1 和 3，选 2", 1),
    ("回答 1 不对，所以选 3", 2),
    ("与其选1不如2", 1),
    ("回答 2 非常好", 1),
    ("回答 2 不错", 1),
    ("I would not choose Response 1", None),
    ("I do not choose 1.", None),
    ("I don't think that Response 1 is the best", None),
    ("The most consistent response is not Response 1", None),
    ("I reject 1, 3", None),
    ("Reject 1, 2 is best", None),
    ("Rejected:\n\n1", None),
    ("Response 1 is the worst.", None),
    ("Response 1 disagrees with the others.", None),
    ("The least consistent response is Response 1", None),
    ("Not only Response 1 but also Response 2", None),
    ("不选 1", None),
    ("我不认为回答 1 最好", None),
    # None of them, or not clear which
    ("", None),
    ("None of them.", None),
    ("Response 1 and Response 2 agree.", None),
    ("Response 9", None),
    ("Response 0", None),
    ("The most consistent response is Response 99", None),
    ("1 or 2", None),
    ("20% sure", None),
    ("2.5", None),
    ("Response 12345678901234567890", None),
    ("The most consistent response is Response (number)", None),
]


@pytest.mark.parametrize(("reply", "position"), REPLIES)
def test_reading_a_selection(reply: str, position: int | None) -> None:
    assert read_selection(reply, 5) == position


@given(st.text() | st.text("Response 123 选择 is最(", max_size=40), st.integers(0, 12))
@settings(max_examples=300, deadline=None)
def test_whatever_it_says_is_read(reply: str, count: int) -> None:
    position = read_selection(reply, count)
    assert position is None or 0 <= position < count


HOSTILE = [
    "most ",
    "most consistent ",
    "选择",
    "choice ",
    "Response ",
    "Response 1",
    "1",
    " ",
    "(",
    "第",
    "(1",
    "*",
    "not ",
    "not 1, ",
    "n't be ",
    "neither 1 nor ",
    "1 is not ",
    "1 and ",
    "不",
    "选1不",
    "reject Response 1",
    ":\n",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear(piece: str) -> None:
    """Quadratic, this would not come back."""
    read_selection(piece * (100_000 // len(piece)), 3)
