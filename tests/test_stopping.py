"""Why to stop: every reason and their order, and the proof that `decided` changes no answer.

What is proved by brute force, over every rollout of the sizes in SIZES (up to three answers and
none, up to renaming; stated confidences as listed there), at every whole turn:

lossless   where `decided` holds, all continuations elect the same attempt, under both tie rules.
tight      where it does not hold, some continuation elects another answer, except in one case:
           the lead equals the votes left, so that a rival can draw level but not pass, and the tie
           falls to the leader anyway. Under `Tie.LATEST` with no confidence stated it never does;
           under `Tie.EARLIEST` with no confidence stated, exactly if no runner-up is earlier.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollouts import QUESTION, play, rollout

from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Finish,
    Place,
    Policy,
    Shape,
    StopReason,
    Tie,
    Vote,
)
from rise_cli.core.loop import next_step
from rise_cli.core.stopping import confident, decided, reason_to_stop
from rise_cli.core.voting import elect

NEVER = 51
"""A patience that more than the most turns never reach."""


@pytest.mark.parametrize(
    ("chains", "reason"),
    [
        ([], None),
        (["A"], None),
        (["A B"], None),
        (["A B C D"], None),
        (["A B C D E"], StopReason.TURNS),
        (["- - - - -"], StopReason.TURNS),
        (["!server A !broken B C"], StopReason.TURNS),
        # decided: a lead of more than the turns left.
        (["A A"], None),
        (["A A A"], StopReason.DECIDED),
        (["A B A A"], StopReason.DECIDED),
        (["A B A B A"], StopReason.TURNS),
        (["A A - A"], StopReason.DECIDED),
        # confident: twice in a row, at 0.9 or more.
        (["A90 A90"], StopReason.CONFIDENT),
        (["A90 A80"], None),
        (["A90 B90"], None),
        # accepted goes before everything.
        (["A+"], StopReason.ACCEPTED),
        (["Ax B C D E+"], StopReason.ACCEPTED),
        (["A+", "!budget"], StopReason.ACCEPTED),
        (["A90 A90+"], StopReason.ACCEPTED),
        # A person may want no more, and what they say about the last turn is worth one more.
        (["A Bq"], StopReason.STOPPED),
        (["Ap Aq"], StopReason.STOPPED),
        (["A+", "Aq"], StopReason.ACCEPTED),
        (["A", "Aq", "!budget"], StopReason.STOPPED),
        (["A B C D Ep"], None),
        (["A B C D E", "A B C D Ep"], None),
        (["A B C D Ep Fp"], None),
        (["A B C Dp E?"], StopReason.TURNS),
        (["A B C D Ex"], StopReason.TURNS),
        (["A B C D Ep !budget"], StopReason.BUDGET),
        # budget, deadline and errors end the run in the turn in which they happen.
        (["!budget"], StopReason.BUDGET),
        (["!deadline"], StopReason.DEADLINE),
        (["A", "!budget"], StopReason.BUDGET),
        (["A", "!deadline"], StopReason.DEADLINE),
        (["!deadline", "!budget"], StopReason.BUDGET),
        (["!server", "!budget"], StopReason.BUDGET),
        (["!server", "!deadline"], StopReason.DEADLINE),
        (["A A A A !budget"], StopReason.BUDGET),
        (["A90 A90 -", "A A !budget"], StopReason.BUDGET),
        (["A B !server"], StopReason.ERROR),
        (["!server", "!rate_limited"], StopReason.ERROR),
        (["!context"], StopReason.ERROR),
        # One reply is enough to go on, and an empty one is a reply.
        (["A", "!server"], None),
        (["-", "!server"], None),
        # A failure of an earlier turn is past.
        (["A B", "!server A"], None),
        # Not counted as early: a run that is over anyway.
        (["A A A A A"], StopReason.TURNS),
        (["A90 B B A90 A90"], StopReason.TURNS),
    ],
)
def test_reasons_and_their_order(chains: list[str], reason: StopReason | None) -> None:
    done = rollout(*chains)
    policy = Policy(turns=5, samples=max(len(chains), 1))
    assert reason_to_stop(policy, done) == reason
    assert reason_to_stop(policy, done[::-1]) == reason


@pytest.mark.parametrize("chains", [["A A A"], ["A90 A90"], ["A90 A90", "A90 A90"]])
def test_early_stops_can_be_turned_off(chains: list[str]) -> None:
    policy = Policy(turns=5, samples=len(chains))
    assert reason_to_stop(policy, rollout(*chains)) is not None
    assert reason_to_stop(replace(policy, early_stop=False), rollout(*chains)) is None


@pytest.mark.parametrize(
    ("chains", "reason"),
    [
        (["A+"], StopReason.ACCEPTED),
        (["A !budget"], StopReason.BUDGET),
        (["A !deadline"], StopReason.DEADLINE),
        (["A !server"], StopReason.ERROR),
        (["A A A A A"], StopReason.TURNS),
    ],
)
def test_what_is_no_early_stop_stays(chains: list[str], reason: StopReason) -> None:
    assert reason_to_stop(Policy(turns=5, early_stop=False), rollout(*chains)) == reason


def test_decided_goes_before_confident() -> None:
    done = rollout("A90 A90 A90")
    assert confident(Policy(turns=5), done)
    assert reason_to_stop(Policy(turns=5), done) is StopReason.DECIDED


def test_independent_chains_stop_after_one_turn_whatever_the_policy_says() -> None:
    policy = Policy(shape=Shape.INDEPENDENT, turns=5, samples=2)
    assert reason_to_stop(policy, rollout("A", "B")) is StopReason.TURNS


# confident


@pytest.mark.parametrize(
    ("chains", "one", "two", "three"),
    [
        (["A90"], True, False, False),
        (["A90 A90"], True, True, False),
        (["A90 A90 A90"], True, True, True),
        (["A90 A95 A100"], True, True, True),
        # The threshold itself is enough, and anything below it is not.
        (["A89"], False, False, False),
        (["A90 A89"], False, False, False),
        (["A89 A90"], True, False, False),
        (["A89 A90 A90"], True, True, False),
        # Not stated is not sure.
        (["A90 A"], False, False, False),
        (["A A90 A90"], True, True, False),
        # In a row, and up to now.
        (["A90 B90"], True, False, False),
        (["A90 A90 B90"], True, False, False),
        (["A90 B90 A90"], True, False, False),
        (["B90 A90 A90"], True, True, False),
        (["A90 A90 B50"], False, False, False),
        # A turn without an answer breaks the row, whichever way it came about.
        (["A90 - A90"], True, False, False),
        (["A90 A90 -"], False, False, False),
        (["A90 A90 -90"], False, False, False),
        (["A90 !server A90"], True, False, False),
        (["A90 A90 !server"], False, False, False),
        # A rejected answer never settles anything, also where the last attempt at it was not judged.
        (["A90x"], False, False, False),
        (["A90x A90"], False, False, False),
        (["A90x A90 A90 A90"], False, False, False),
        (["A90x B90 B90"], True, True, False),
        (["A90? A90?"], True, True, False),
        # Several chains: each by itself, and one is enough.
        (["A90 B50", "C50 B90"], True, False, False),
        (["A90 B90", "B90 A90"], True, False, False),
        (["A50 B50", "C90 C90"], True, True, False),
        (["A90 A90x", "A90 A90"], False, False, False),
        (["- -", "!server !server"], False, False, False),
        ([], False, False, False),
    ],
)
def test_confident(chains: list[str], one: bool, two: bool, three: bool) -> None:
    done = rollout(*chains)
    for patience, expected in ((1, one), (2, two), (3, three), (NEVER, False)):
        policy = Policy(turns=9, samples=max(len(chains), 1), patience=patience)
        assert confident(policy, done) is expected, patience
        assert confident(policy, done[::-1]) is expected, patience


@pytest.mark.parametrize(
    ("threshold", "chains", "expected"),
    [
        (0.0, "A0 A0", True),
        (0.0, "A A", False),
        (1.0, "A100 A100", True),
        (1.0, "A99 A100", False),
        # As parsed from "29%", and as written in Python: the same number.
        (0.29, "A29 A29", True),
    ],
)
def test_thresholds(threshold: float, chains: str, expected: bool) -> None:
    assert confident(Policy(threshold=threshold), rollout(chains)) is expected


def test_a_patience_beyond_the_turns_never_fires() -> None:
    recorded = rollout("A100 B100 B100 A100 B100")
    asked, _, end = play(Policy(turns=5, patience=6), recorded)
    assert len(asked) == 5
    assert end.reason is StopReason.TURNS
    _, _, end = play(Policy(turns=5, patience=2), recorded)
    assert end.reason is StopReason.CONFIDENT


# decided


@pytest.mark.parametrize("vote", [Vote.LAST, Vote.FIRST])
def test_only_a_majority_can_be_decided(vote: Vote) -> None:
    assert decided(Policy(turns=5), rollout("A A A"))
    assert not decided(Policy(turns=5, vote=vote), rollout("A A A"))


@pytest.mark.parametrize("chains", ["A? A A", "A A A?", "Ax B B B", "- A A A?"])
def test_nothing_is_decided_where_somebody_judges(chains: str) -> None:
    """An attempt that is accepted later would be the answer, however the votes stand."""
    done = rollout(chains)
    policy = Policy(turns=len(done) + 1)
    assert not decided(policy, done)
    end = next_step(policy, QUESTION, rollout(f"{chains} Z+"))
    assert isinstance(end, Finish)
    assert (end.reason, end.answer) == (StopReason.ACCEPTED, "Z")


@dataclass
class Proof:
    """Walks every rollout of one size and checks `decided` at every whole turn of each.

    `answers` is how many different ones there may be. They are up to renaming: a new answer founds
    the next candidate. `stated` are the confidences that each may come with.
    """

    chains: int
    turns: int
    answers: int
    stated: tuple[float | None, ...]
    decided: int = 0
    open: int = 0
    level: int = 0
    _made: dict[tuple[Place, Place | None, float | None], Done] = field(default_factory=dict)

    @property
    def policies(self) -> tuple[Policy, Policy]:
        policy = Policy(turns=self.turns, samples=self.chains)
        return replace(policy, tie=Tie.EARLIEST), replace(policy, tie=Tie.LATEST)

    def winners(
        self, done: tuple[Done, ...] = (), founded: tuple[Place, ...] = ()
    ) -> list[set[Attempt | None]]:
        """The attempts that continuations of `done` elect, under each tie rule."""
        if len(done) == self.chains * self.turns:
            return [{elect(policy, done)[0]} for policy in self.policies]
        later: list[set[Attempt | None]] = [set(), set()]
        for one, known in self._next(done, founded):
            for winners, more in zip(later, self.winners((*done, one), known), strict=True):
                winners.update(more)
        if done and len(done) % self.chains == 0:
            self._check(done, later)
        return later

    def _next(
        self, done: tuple[Done, ...], founded: tuple[Place, ...]
    ) -> Iterator[tuple[Done, tuple[Place, ...]]]:
        turn, chain = divmod(len(done), self.chains)
        place = Place(turn + 1, chain + 1)
        yield self._done(place, None, None), founded
        for confidence in self.stated:
            for candidate in founded:
                yield self._done(place, candidate, confidence), founded
            if len(founded) < self.answers:
                yield self._done(place, place, confidence), (*founded, place)

    def _done(self, place: Place, candidate: Place | None, confidence: float | None) -> Done:
        key = (place, candidate, confidence)
        if key not in self._made:
            answer = None if candidate is None else str(candidate)
            attempt = Attempt(place.chain, place.turn, "", answer, candidate, confidence)
            self._made[key] = Done(Call(place.chain, place.turn), Completion(""), (attempt,))
        return self._made[key]

    def _check(self, done: tuple[Done, ...], later: list[set[Attempt | None]]) -> None:
        for policy, winners in zip(self.policies, later, strict=True):
            winner, votes = elect(policy, done)
            if decided(policy, done):
                assert winners == {winner}, (policy, done)
                self.decided += 1
                continue
            self.open += 1
            left = self.chains * self.turns - len(done)
            runner_up = votes[1].count if len(votes) > 1 else 0
            answers = {a and a.candidate for a in winners}
            if not votes or votes[0].count - runner_up < left:
                assert len(answers) > 1, (policy, done)
            elif self.stated == (None,):
                self.level += 1
                earlier = any(t.count == runner_up and t.places[0] < votes[0].places[0] for t in votes[1:])
                changes = policy.tie is Tie.LATEST or earlier
                assert (len(answers) > 1) is changes, (policy, done)


SIZES = [
    (1, 6, 3, (None,)),
    (1, 7, 3, (None,)),
    (2, 3, 3, (None,)),
    (2, 4, 2, (None,)),
    (3, 2, 3, (None,)),
    (3, 3, 2, (None,)),
    (1, 5, 3, (None, 0.9)),
    (1, 5, 3, (0.5, 1.0)),
    (1, 5, 3, (None, 0.5, 1.0)),
    (2, 2, 3, (None, 0.5, 1.0)),
    (2, 3, 2, (0.5, 1.0)),
]


@pytest.mark.parametrize(("chains", "turns", "answers", "stated"), SIZES)
def test_decided_is_lossless_and_tight(
    chains: int, turns: int, answers: int, stated: tuple[float | None, ...]
) -> None:
    proof = Proof(chains, turns, answers, stated)
    proof.winners()
    # In a run of two turns the second can always draw level with the first.
    assert (proof.decided > 0) is (turns > 2)
    assert proof.open > 0
    assert proof.level > 0 or stated != (None,)


@st.composite
def tables(draw: st.DrawFn) -> list[str]:
    """Rollouts larger than can be enumerated, one answer in the lead more often than not."""
    chains, turns = draw(st.integers(1, 4)), draw(st.integers(2, 12))
    word = st.builds(
        "{}{}".format, st.sampled_from("AAAABC"), st.sampled_from(["", "50", "90", "100"])
    ) | st.sampled_from(["-", "!server"])
    return [" ".join(draw(word) for _ in range(turns)) for _ in range(chains)]


@given(tables(), st.sampled_from(Tie))
@settings(max_examples=120, deadline=None)
def test_a_run_that_stops_as_decided_gives_the_answer_of_the_whole_run(chains: list[str], tie: Tie) -> None:
    recorded = rollout(*chains)
    turns = len(chains[0].split())
    policy = Policy(turns=turns, samples=len(chains), tie=tie, patience=NEVER)
    _, _, early = play(policy, recorded)
    _, _, whole = play(replace(policy, early_stop=False), recorded)
    if StopReason.ERROR in (early.reason, whole.reason):
        return
    assert early.reason in {StopReason.DECIDED, StopReason.TURNS}
    assert early.winner == whole.winner


def test_decided_saves_calls() -> None:
    """It is no dead letter: of five turns that agree, two are not made."""
    asked, _, end = play(Policy(turns=5), rollout("A A A A A"))
    assert len(asked) == 3
    assert isinstance(end, Finish)
    assert end.reason is StopReason.DECIDED


@pytest.mark.parametrize(
    ("turns", "decides"),
    [
        ("A A A B C D", False),  # leads by two with one to come, but 4 of 7 would be more than half
        ("A A A A B C", True),  # 4 of at most 7
    ],
)
def test_strict_wants_the_majority_settled_too(turns: str, decides: bool) -> None:
    policy = Policy(turns=7, strict=True)
    assert decided(policy, rollout(turns)) is decides
    assert decided(Policy(turns=7), rollout("A A A B C D")) is True
