"""Which answer wins: tables for every rule of the vote, and what must hold for any rollout."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollouts import rollout

from rise_cli.core.domain import Done, Finish, Place, Policy, StopReason, Tie, Vote
from rise_cli.core.voting import accepted, elect, eligible, polled, tally

MAJORITY, LAST, FIRST = Vote.MAJORITY, Vote.LAST, Vote.FIRST


def winner_of(done: tuple[Done, ...], vote: Vote = MAJORITY, tie: Tie = Tie.EARLIEST) -> str | None:
    """The winning answer and where the attempt stands for it, as in "A 1.2" (chain 1, turn 2)."""
    winner, _ = elect(Policy(vote=vote, tie=tie), done)
    return None if winner is None else f"{winner.answer} {winner.chain}.{winner.turn}"


@pytest.mark.parametrize(
    ("chains", "majority", "last", "first"),
    [
        (["A"], "A 1.1", "A 1.1", "A 1.1"),
        (["A B B"], "B 1.2", "B 1.3", "A 1.1"),
        (["A B B A A"], "A 1.1", "A 1.5", "A 1.1"),
        (["A B C"], "A 1.1", "C 1.3", "A 1.1"),
        (["- B -"], "B 1.2", "B 1.2", "B 1.2"),
        (["!server A -"], "A 1.2", "A 1.2", "A 1.2"),
        (["- -"], None, None, None),
        (["!server !broken"], None, None, None),
        ([], None, None, None),
        # Over several chains, the last and the first attempt of each chain are polled.
        (["A B", "A C", "B C"], "A 1.1", "C 2.2", "A 1.1"),
        (["A B", "C B", "C A"], "A 1.1", "B 1.2", "C 2.1"),
        (["B A -", "B A A", "A - -"], "A 3.1", "A 3.1", "B 1.1"),
        (["A -", "- A"], "A 1.1", "A 1.1", "A 1.1"),
        # The attempt that stands for the answer is the earliest by turn, then by chain.
        (["B A", "A B", "A -"], "A 2.1", "A 3.1", "A 2.1"),
    ],
)
def test_which_attempts_are_polled(
    chains: list[str], majority: str | None, last: str | None, first: str | None
) -> None:
    done = rollout(*chains)
    assert winner_of(done, MAJORITY) == majority
    assert winner_of(done, LAST) == last
    assert winner_of(done, FIRST) == first


@pytest.mark.parametrize(
    ("chains", "earliest", "latest"),
    [
        # Votes before anything else.
        (["A10 A10 B100"], "A 1.1", "A 1.1"),
        # No confidence anywhere: by order of appearance.
        (["A B"], "A 1.1", "B 1.2"),
        (["A B C"], "A 1.1", "C 1.3"),
        (["A B B A"], "A 1.1", "A 1.1"),
        (["A B A B"], "A 1.1", "B 1.2"),
        # `latest` is the answer given last, not the one that was new last.
        (["A B C B C A"], "A 1.1", "A 1.1"),
        # Confidence decides where every attempt of the tied answers states one.
        (["A50 B60"], "B 1.2", "B 1.2"),
        (["A60 B50"], "A 1.1", "A 1.1"),
        (["A50 A90 B60 B70"], "A 1.1", "A 1.1"),
        (["A50 A70 B60 B70"], "B 1.3", "B 1.3"),
        (["A0 B1"], "B 1.2", "B 1.2"),
        # One attempt among the tied that states none, and it decides nothing.
        (["A50 B"], "A 1.1", "B 1.2"),
        (["A B99"], "A 1.1", "B 1.2"),
        (["A90 A B10 B10"], "A 1.1", "B 1.3"),
        (["A10 B99 C"], "A 1.1", "C 1.3"),
        # An attempt outside the tie that states none is none of its business.
        (["A50 A50 B60 B60 C"], "B 1.3", "B 1.3"),
        (["C A50 A50 B60 B60"], "B 1.4", "B 1.4"),
        # Equal sums: by order again. 0.1 + 0.2 and 0.15 + 0.15 differ in binary, and shall not.
        (["A70 B70"], "A 1.1", "B 1.2"),
        (["A15 A15 B10 B20"], "A 1.1", "B 1.3"),
        (["A10 A20 B15 B15"], "A 1.1", "B 1.3"),
        # Places are ordered by turn, then by chain.
        (["A -", "B -"], "A 1.1", "B 2.1"),
        (["- A", "B -"], "B 2.1", "A 1.2"),
    ],
)
def test_ties(chains: list[str], earliest: str, latest: str) -> None:
    done = rollout(*chains)
    assert winner_of(done, tie=Tie.EARLIEST) == earliest
    assert winner_of(done, tie=Tie.LATEST) == latest


@pytest.mark.parametrize(
    ("chains", "winner", "polled_"),
    [
        # Rejected attempts do not vote.
        (["Ax B"], "B 1.2", {"B": 1}),
        (["Ax Ax B"], "B 1.3", {"B": 1}),
        (["Ax Bx"], None, {}),
        (["A Ax B B"], "B 1.3", {"B": 2, "A": 1}),
        # It is the attempt that was rejected. Where nobody could tell, it votes.
        (["Ax A? B?"], "A 1.2", {"A": 1, "B": 1}),
        # An accepted attempt is the answer, whatever the others say.
        (["A A A B+"], "B 1.4", {"A": 3, "B": 1}),
        (["Ax Bx C+"], "C 1.3", {"C": 1}),
        (["A90 B10+"], "B 1.2", {"A": 1, "B": 1}),
        # Of several accepted ones the earliest.
        (["B -", "A+ -", "C+ -"], "A 2.1", {"B": 1, "A": 1, "C": 1}),
        (["- A+", "B+ A"], "B 2.1", {"A": 2, "B": 1}),
        # The accepted attempt itself stands for the answer, not an earlier equal one.
        (["A? A+"], "A 1.2", {"A": 2}),
    ],
)
def test_verdicts(chains: list[str], winner: str | None, polled_: dict[str, int]) -> None:
    done = rollout(*chains)
    assert winner_of(done) == winner
    assert {t.answer: t.count for t in elect(Policy(), done)[1]} == polled_


@pytest.mark.parametrize(("vote", "polled_"), [(LAST, {"A": 1}), (FIRST, {"A": 1})])
def test_an_accepted_attempt_wins_under_every_vote(vote: Vote, polled_: dict[str, int]) -> None:
    winner, votes = elect(Policy(vote=vote), rollout("A B+ A"))
    assert winner is not None
    assert winner.answer == "B"
    assert {t.answer: t.count for t in votes} == polled_


def test_a_rejected_last_attempt_leaves_its_chain_the_one_before() -> None:
    assert winner_of(rollout("A Bx"), LAST) == "A 1.1"
    assert winner_of(rollout("Bx A"), FIRST) == "A 1.2"


def test_a_tally_says_who_polled_what() -> None:
    _, (a, b) = elect(Policy(), rollout("A90 B", "B60 A70", "A -"))
    assert a == type(a)(
        candidate=Place(1, 1),
        answer="A",
        count=3,
        weight=3.0,
        share=0.6,
        places=(Place(1, 1), Place(1, 3), Place(2, 2)),
        confidence=0.8,
    )
    assert (b.answer, b.count, b.share, b.places) == ("B", 2, 0.4, (Place(1, 2), Place(2, 1)))
    assert b.confidence == 0.6


@pytest.mark.parametrize(
    ("chains", "confidence"),
    [
        (["A90 A70 B10"], 0.8),
        (["A90 A A"], 0.9),  # of those that were stated
        (["A A"], None),
        (["A0 A0"], 0.0),  # stated as nothing is not the same as not stated
        (["- -"], None),
    ],
)
def test_confidence_is_the_mean_of_the_stated_ones(chains: list[str], confidence: float | None) -> None:
    winner, votes = elect(Policy(), rollout(*chains))
    assert Finish(StopReason.TURNS, winner, votes).confidence == pytest.approx(confidence)


def test_a_vote_of_many_different_answers_is_counted_at_once() -> None:
    """10,000 candidates: a count that compared each with each would not come back."""
    (first, *_) = rollout("A")
    attempt = first.attempts[0]
    many = [
        type(attempt)(1, turn, "", str(turn), Place(turn, 1), 0.5 if turn % 2 else None)
        for turn in range(1, 10_001)
    ]
    votes = tally(many, Tie.LATEST)
    assert len(votes) == 10_000
    assert votes[0].answer == "10000"


words = st.one_of(
    st.sampled_from(["-", "!server"]),
    st.builds(
        "{}{}{}".format,
        st.sampled_from("ABCD"),
        st.sampled_from(["", "", "0", "10", "15", "20", "90", "100"]),
        st.sampled_from(["", "", "", "x", "?"]),
    ),
)


@st.composite
def rollouts(draw: st.DrawFn) -> tuple[Done, ...]:
    chains, turns = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    return rollout(*(" ".join(draw(words) for _ in range(turns)) for _ in range(chains)))


@given(rollouts(), st.sampled_from(Vote), st.sampled_from(Tie), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_of_the_finished_calls_changes_nothing(
    done: tuple[Done, ...], vote: Vote, tie: Tie, rng: random.Random
) -> None:
    policy = Policy(vote=vote, tie=tie)
    shuffled = list(done)
    rng.shuffle(shuffled)
    assert elect(policy, shuffled) == elect(policy, done)


@given(rollouts(), st.sampled_from(Vote), st.sampled_from(Tie))
@settings(max_examples=150, deadline=None)
def test_what_holds_for_every_vote(done: tuple[Done, ...], vote: Vote, tie: Tie) -> None:
    winner, votes = elect(Policy(vote=vote, tie=tie), done)
    ballots = polled(vote, eligible(done))
    counts = [t.count for t in votes]
    # Everybody eligible is polled once, and the winner first.
    assert sorted(place for t in votes for place in t.places) == [a.place for a in ballots]
    assert [round(t.weight, 9) for t in votes] == sorted((round(t.weight, 9) for t in votes), reverse=True)
    assert all(t.count == len(t.places) > 0 and t.weight > 0 for t in votes)
    if vote is not Vote.WEIGHTED:
        assert counts == sorted(counts, reverse=True) == [t.weight for t in votes]
    assert not votes or math.isclose(math.fsum(t.share for t in votes), 1.0)
    assert (winner is None) == (not votes)
    assert accepted(done) is None
    if winner is not None:
        assert (winner.candidate, winner.place) == (votes[0].candidate, votes[0].places[0])
        assert not any(d.verdict and d.verdict.reward == 0 for d in done if winner in d.attempts)
    if vote in {Vote.LAST, Vote.FIRST}:
        assert len(ballots) == len({a.chain for a in ballots})
