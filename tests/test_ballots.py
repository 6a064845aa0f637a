"""What a vote counts: the formulas against numbers worked out by hand, and their extremes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollouts import rollout

from rise_cli.core.ballots import softmax, weights
from rise_cli.core.domain import Attempt, Done, Policy, Tie, Vote
from rise_cli.core.stopping import decided
from rise_cli.core.voting import elect, eligible

WEIGHTED, ENTROPY = Policy(vote=Vote.WEIGHTED), Policy(vote=Vote.ENTROPY)


def ballots(words: str) -> list[Attempt]:
    return eligible(rollout(words))


def sure_by_tokens(words: str, *entropies: float | None) -> tuple[Done, ...]:
    return tuple(
        replace(d, attempts=tuple(replace(a, entropy=entropy) for a in d.attempts))
        for d, entropy in zip(rollout(words), entropies, strict=True)
    )


@pytest.mark.parametrize(
    ("values", "temperature", "expected"),
    [
        ([], 1.0, []),
        ([0.3], 1.0, [1.0]),
        ([0.5, 0.5], 0.1, [0.5, 0.5]),
        # e^0.9 = 2.459603, e^0.4 = 1.491825, their sum 3.951428
        ([0.9, 0.4], 1.0, [0.622459, 0.377541]),
        # e^1.8 = 6.049647, e^0.8 = 2.225541, e^0.2 = 1.221403, their sum 9.496591
        ([0.9, 0.4, 0.1], 0.5, [0.637033, 0.234352, 0.128615]),
        # e^-10 = 0.0000453999
        ([1.0, 0.0], 0.1, [0.9999546, 0.0000454]),
        ([1.0, 0.0], 1e-12, [1.0, 0.0]),
        ([1.0, 0.0], 5e-324, [1.0, 0.0]),
        ([1.0, 0.0], 1e12, [0.5, 0.5]),
    ],
)
def test_softmax(values: list[float], temperature: float, expected: list[float]) -> None:
    assert softmax(values, temperature) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(1e-9, 100))
def test_what_holds_for_every_softmax(values: list[float], temperature: float) -> None:
    found = softmax(values, temperature)
    assert math.isclose(math.fsum(found), 1.0)
    assert all(0 <= weight <= 1 for weight in found)
    for (a, x), (b, y) in zip(
        sorted(zip(values, found, strict=True)), sorted(zip(values, found, strict=True))[1:], strict=False
    ):
        assert a == b or x <= y + 1e-15


@pytest.mark.parametrize(
    ("words", "same_as"),
    [
        ("A90 B", "A90 B90"),  # not stating one is no sign of doubt
        ("A90 B50 C", "A90 B50 C70"),
        ("A B C", "A50 B50 C50"),
        ("A0 B", "A0 B0"),
    ],
)
def test_a_missing_confidence_counts_as_the_mean(words: str, same_as: str) -> None:
    assert weights(WEIGHTED, ballots(words)) == pytest.approx(weights(WEIGHTED, ballots(same_as)))


@pytest.mark.parametrize(
    ("words", "temperature", "answer"),
    [
        ("A60 A60 B90", 0.5, "A"),
        ("A60 A60 B90", 0.1, "B"),  # e^3 = 20 against 2
        ("A10 A10 A10 B100", 100, "A"),
        ("A10 A10 A10 B100", 1e-9, "B"),
        ("A99 B100", 1e-9, "B"),
        ("A B B", 0.5, "B"),
    ],
)
def test_the_temperature_is_how_much_confidence_counts(words: str, temperature: float, answer: str) -> None:
    winner, votes = elect(replace(WEIGHTED, vote_temperature=temperature), rollout(words))
    assert winner is not None
    assert winner.answer == votes[0].answer == answer
    assert math.isclose(math.fsum(t.share for t in votes), 1.0)


def test_a_share_is_of_the_weight() -> None:
    _, (a, b) = elect(replace(WEIGHTED, vote_temperature=1.0), rollout("A90 B40"))
    assert (a.answer, a.count, b.count) == ("A", 1, 1)
    assert [a.weight, a.share] == pytest.approx([0.622459] * 2, abs=1e-6)
    assert [b.weight, b.share] == pytest.approx([0.377541] * 2, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "earliest", "latest"),
    [
        # Equal weight and equal confidence: by order of appearance.
        ("A70 B70", "A", "B"),
        ("A B", "A", "B"),
        ("A50 B90 B50 A90", "A", "A"),
        ("A50 B90 A90 B50", "A", "B"),
        # The weight of two low ones equals that of one high one only by chance: nothing is rounded away.
        ("A80 B81", "B", "B"),
    ],
)
def test_ties_of_weights(words: str, earliest: str, latest: str) -> None:
    for tie, answer in ((Tie.EARLIEST, earliest), (Tie.LATEST, latest)):
        winner, _ = elect(replace(WEIGHTED, tie=tie), rollout(words))
        assert winner is not None
        assert winner.answer == answer


def test_rejected_attempts_take_no_share() -> None:
    _, (only,) = elect(WEIGHTED, rollout("A100x B10"))
    assert (only.answer, only.weight, only.share) == ("B", 1.0, 1.0)


@pytest.mark.parametrize(
    ("entropies", "weight", "answer"),
    [
        ((0.5, 0.25, 1.0), {"A": 3.0, "B": 4.0}, "B"),
        ((0.5, 1.0, 0.5), {"A": 4.0, "B": 1.0}, "A"),
        ((0.5, None, 1.0), {"A": 3.0, "B": 1 / 0.75}, "A"),  # the mean of the known ones
        ((None, None, None), {"A": 2.0, "B": 1.0}, "A"),
        ((0.0, 1.0, 1.0), {"A": 1e6 + 1, "B": 1.0}, "A"),  # no doubt at all has a bound
        ((0.0, 0.0, 0.0), {"A": 2e6, "B": 1e6}, "A"),
    ],
)
def test_entropy(entropies: tuple[float | None, ...], weight: dict[str, float], answer: str) -> None:
    winner, votes = elect(ENTROPY, sure_by_tokens("A B A", *entropies))
    assert winner is not None
    assert winner.answer == answer
    assert {t.answer: t.weight for t in votes} == pytest.approx(weight)


@pytest.mark.parametrize("vote", [Vote.MAJORITY, Vote.LAST, Vote.FIRST, Vote.CONSISTENT])
def test_the_other_rules_count_heads(vote: Vote) -> None:
    assert weights(Policy(vote=vote), ballots("A90 B")) is None


@pytest.mark.parametrize("vote", [vote for vote in Vote if vote is not Vote.MAJORITY])
def test_only_a_majority_is_ever_decided(vote: Vote) -> None:
    assert decided(Policy(turns=5), rollout("A A A A"))
    assert not decided(Policy(turns=5, vote=vote), rollout("A A A A"))
