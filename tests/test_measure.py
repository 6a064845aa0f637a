"""Figures from trajectories, against what comes out by hand.

The table of six problems, A being right in all of them, and a seventh that nobody can tell:

          turn 1  turn 2  turn 3      majority of 1, 2 and 3 turns
    p1    A 90    A 90    A 90        A  A  A
    p2    B 60    A 70    A 80        B  A (a tie; surer)  A
    p3    A 80    B 70    B 90        A  A (a tie; surer)  B
    p4    B 50    B 60    A 70        B  B  B
    p5    A 70    B 60    A 90        A  A (a tie; surer)  A
    p6    -       B 80    C 80        -  B  B (a tie, as sure; earlier)
    right 3       2       4           3  4  3
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measuring import measured

from rise_cli.measure import accuracy, confidence, flips, paired, spending
from rise_cli.measure.accuracy import Estimate
from rise_cli.measure.flips import BreakEven, Flips
from rise_cli.measure.rollouts import Rollout
from rise_cli.measure.summary import outcomes, summarize
from rise_cli.measure.verdict import judge

TABLE = [
    measured("p1", "A", "A90 A90 A90", extra={"level": 1}),
    measured("p2", "A", "B60 A70 A80", extra={"level": 1}),
    measured("p3", "A", "A80 B70 B90", extra={"level": 2}),
    measured("p4", "A", "B50 B60 A70", extra={"level": 2}),
    measured("p5", "A", "A70 B60 A90", extra={"level": 10}),
    measured("p6", "A", "-   B80 C80", extra={}),
    measured("p7", None, "A50 A60 B70", extra={"level": "easy"}),
]

CHAINS = [
    # Three chains of two turns. Turn 1: A B A; turn 2: A A -. A is right.
    measured("c1", "A", "A A", "B A", "A -"),
    # Turn 1: B A and a call that failed; turn 2: B A A.
    measured("c2", "A", "B B", "A A", "!server A"),
]


def rounded(estimate: Estimate) -> tuple[float | None, ...]:
    """Value, interval and n, to four digits."""
    whole = (estimate.value, estimate.low, estimate.high)
    return (*(None if x is None else round(x, 4) for x in whole), estimate.n)


def test_intervals_are_wilsons() -> None:
    # z = 1.95996, z^2 = 3.84146. For 3 of 6: the centre is 1/2, and half the width is
    # z * sqrt(1/4/6 + z^2/4/36) / (1 + z^2/6) = 1.95996 * sqrt(0.041667 + 0.026677) / 1.640243 = 0.3124.
    assert rounded(accuracy.share(3, 6)) == (0.5, 0.1876, 0.8124, 6)
    # For 0 of 10 the upper end is z^2 / (10 + z^2) = 3.84146 / 13.84146.
    assert rounded(accuracy.share(0, 10)) == (0.0, 0.0, 0.2775, 10)
    assert accuracy.share(0, 0) == Estimate(None, None, None, 0)
    # 1.5 of 6: the lower end of 1 of 6, the upper end of 2 of 6.
    assert rounded(accuracy.mean(1.5, 6)) == (
        0.25,
        rounded(accuracy.share(1, 6))[1],
        rounded(accuracy.share(2, 6))[2],
        6,
    )
    assert accuracy.mean(sum([0.1] * 10), 1).high == 1.0


@pytest.mark.parametrize(
    ("of", "right"),
    [
        (accuracy.at_turn, (3, 2, 4)),
        (accuracy.vote_upto, (3, 4, 3)),
        # Any turn up to then: p1 p3 p5; p2, too; p4, too.
        (accuracy.ever_right, (3, 4, 5)),
    ],
    ids=["acc@t", "m1@t", "p1@t"],
)
def test_accuracy_by_turn(
    of: Callable[[Sequence[Rollout], int], Estimate], right: tuple[int, int, int]
) -> None:
    assert [of(TABLE, t) for t in (1, 2, 3)] == [accuracy.share(n, 6) for n in right]
    assert of([TABLE[6]], 1).n == 0


def test_chains_count_as_one_problem() -> None:
    # Turn 1: 2 of 3 right in c1, 1 of 2 in c2 (a failed call is nobody's answer): (2/3 + 1/2) / 2.
    assert accuracy.at_turn(CHAINS, 1).value == pytest.approx(7 / 12)
    # Turn 2: A A and an unreadable reply, which is wrong; B A A.
    assert accuracy.at_turn(CHAINS, 2).value == pytest.approx(2 / 3)
    assert accuracy.at_turn(CHAINS, 2).n == 2
    # Majorities of two turns, chain by chain. c1: A; a tie, the earlier B; A of one answer. c2: B; A; A.
    assert accuracy.vote_upto(CHAINS, 2).value == pytest.approx(2 / 3)
    # Majorities over first turns. Of one: A right, B wrong. Of two: both ties, the first chain's. Of three:
    # A against B; B and A, still a tie.
    assert [accuracy.vote_of(CHAINS, k).value for k in (1, 2, 3)] == [0.5, 0.5, 0.5]
    assert accuracy.vote_of(CHAINS, 4).n == 0
    assert [accuracy.ever_of(CHAINS, k).value for k in (1, 2)] == [0.5, 1.0]
    # Any of two turns: all chains of c1, and two of c2.
    assert accuracy.ever_right(CHAINS, 2).value == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize(
    ("chains", "reason", "asked", "early"),
    [
        (("A A A",), "turns", 3, False),
        (("A A",), "decided", 3, True),
        (("A A A",), "accepted", 3, False),
        (("A A A", "A A"), "error", 3, True),
        (("A",), "unrecorded", 3, False),
        ((), "decided", 3, False),
    ],
)
def test_runs_that_stopped_early_are_partial(
    chains: tuple[str, ...], reason: str, asked: int, early: bool
) -> None:
    one = measured("p", "A", *chains, stop_reason=reason, settings={"turns": asked})
    assert accuracy.is_partial([TABLE[0], one]) is early


def test_flips() -> None:
    # p1 stays right, p2 is fixed, p3 and p5 are broken, p4 and p6 stay wrong (an unreadable reply is).
    assert flips.between(TABLE, 1) == Flips(kept_right=1, kept_wrong=2, fixed=1, broken=2, gained=1, lost=2)
    # p1 and p2 stay right, p4 and p5 are fixed, p3 and p6 stay wrong.
    assert flips.between(TABLE, 2) == Flips(kept_right=2, kept_wrong=2, fixed=2, broken=0, gained=2)
    # p5 is fixed and broken.
    assert flips.total(TABLE) == Flips(kept_right=3, kept_wrong=4, fixed=3, broken=2, gained=2, lost=1)
    # c1: kept, fixed, broken. c2: kept wrong, kept, and one of which the first is not known.
    assert flips.total(CHAINS) == Flips(kept_right=2, kept_wrong=1, fixed=1, broken=1)


@pytest.mark.parametrize(
    ("seen", "a", "c", "d", "helps", "said"),
    [
        # c/d = (3/7) / (2/5) = 1.07 over 5/7: five flips, three one way, are a coin's.
        (
            Flips(3, 4, 3, 2, 3, 2),
            5 / 12,
            3 / 7,
            2 / 5,
            None,
            "c/d is 1.1, and it breaks even at a/(1-a) = 0.71",
        ),
        # 20 fixed of 50, 2 broken of 50. The sign test of 20 in 22: p < 0.001.
        (Flips(48, 30, 20, 2, 20, 2), 0.5, 0.4, 0.04, True, "mends more than it breaks"),
        # 5 fixed of 10, 20 broken of 90: c/d = 2.25, yet a/(1-a) = 9.
        (Flips(70, 5, 5, 20, 5, 20), 0.9, 0.5, 20 / 90, False, "breaks more than it mends"),
        # The same flips, all of them by two problems that go to and fro: nothing is known of others.
        (Flips(70, 5, 5, 20, 0, 2), 0.9, 0.5, 20 / 90, None, "0 problems gained and 2 lost: too few"),
        # Six to none is the fewest that tell: 2 * 0.5^6 = 0.03.
        (
            Flips(4, 0, 6, 0, 6, 0),
            0.4,
            1.0,
            0.0,
            True,
            "fixed 6 of 6 wrong answers and broke 0 of 4 right ones",
        ),
        (Flips(4, 0, 5, 0, 5, 0), 4 / 9, 1.0, 0.0, None, "too few"),
        (Flips(5, 0, 0, 0), 1.0, None, 0.0, None, "changed nothing"),
        (Flips(0, 5, 0, 0), 0.0, 0.0, None, None, "changed nothing"),
        (
            Flips(0, 3, 7, 0, 7, 0),
            0.0,
            0.7,
            None,
            True,
            "fixed 7 of 10 wrong answers and broke 0 of 0 right ones",
        ),
        (Flips(), None, None, None, None, "no two consecutive turns"),
    ],
)
def test_the_break_even(
    seen: Flips, a: float | None, c: float | None, d: float | None, helps: bool | None, said: str
) -> None:
    even: BreakEven = flips.break_even(seen)
    assert (even.a, even.c, even.d, even.helps) == (a, c, d, helps)
    assert said in even.sentence


def test_pairs() -> None:
    # p1 and p5 right in both, p3 only after one turn, p2 only after three, p4 and p6 in neither.
    one, three = ({p.id: accuracy.majority_upto(p, t) for p in TABLE} for t in (1, 3))
    seen = paired.compare(one, three)
    assert (seen.n, seen.both, seen.only_a, seen.only_b, seen.neither) == (6, 2, 1, 1, 2)
    assert (seen.difference, seen.p, seen.tells) == (0.0, 1.0, False)
    assert paired.compare(one, {"p1": False, "x": True}).only_a == 1
    nothing = paired.compare({"p7": None}, {"p7": True})
    assert (nothing.n, nothing.difference, nothing.p, nothing.tells) == (0, None, None, False)


def test_mcnemar_and_the_bootstrap() -> None:
    # 9 of 10 discordant pairs for b: p = 2 * (1 + 10) / 2^10 = 0.0215.
    seen = paired.from_cells(50, 1, 9, 40)
    assert seen.p == pytest.approx(22 / 1024)
    # The difference of 0.08 has the variance (0.1 - 0.08^2) / 100: 1.96 standard errors are 0.0600, which
    # a bootstrap over 100 problems comes to within a problem.
    assert (seen.difference, seen.tells) == (0.08, True)
    assert seen.low == pytest.approx(0.02, abs=0.011)
    assert seen.high == pytest.approx(0.14, abs=0.011)
    assert seen == paired.from_cells(50, 1, 9, 40)


def test_the_bootstrap_is_that_of_drawing_problems() -> None:
    from scipy.stats import bootstrap

    values = [0] * 170 + [-1] * 10 + [1] * 20
    seen = paired.from_cells(100, 10, 20, 70)
    drawn = bootstrap((values,), lambda x, axis: x.mean(axis=axis), method="percentile", rng=1)
    assert seen.low == pytest.approx(drawn.confidence_interval.low, abs=0.006)
    assert seen.high == pytest.approx(drawn.confidence_interval.high, abs=0.006)


@pytest.mark.parametrize(
    ("cells", "n"),
    [
        # psi = 0.1, delta = 0.02: (1.95996 * 0.316228 + 0.84162 * sqrt(0.1 - 0.0004))^2 / 0.0004
        # = (0.619794 + 0.265609)^2 / 0.0004 = 1959.8
        ((60, 4, 6, 30), 1960),
        # psi = 0.5, delta = 0.5: (1.38590 + 0.84162 * 0.5)^2 / 0.25 = 13.05
        ((5, 0, 5, 0), 14),
        # psi = delta = 1: 3.84 problems, but below six the exact test never tells.
        ((0, 0, 3, 0), 6),
        ((5, 2, 2, 1), None),
        ((0, 0, 0, 0), None),
    ],
)
def test_how_many_problems_it_takes(cells: tuple[int, int, int, int], n: int | None) -> None:
    assert paired.needed(paired.from_cells(*cells)) == n


@pytest.mark.parametrize(
    ("cells", "word", "said", "needed"),
    [
        ((50, 1, 9, 40), "helps", "m1@t5 helps: +8.0 points against m1@t1 on 100 problems (", None),
        ((50, 9, 1, 40), "hurts", "m1@t5 hurts: -8.0 points", None),
        ((60, 4, 6, 30), "cannot tell", "takes about 2,000 problems", 1960),
        # Five to none: one more would have told.
        ((0, 0, 5, 0), "cannot tell", "takes about 6 problems", 6),
        ((50, 5, 5, 40), "cannot tell", "As many were mended as were broken", None),
        ((50, 0, 0, 50), "cannot tell", "right on the same of 100 problems", None),
        ((0, 0, 0, 0), "cannot tell", "no problem has both", None),
    ],
    ids=["helps", "hurts", "too few", "one short", "none", "the same", "nothing"],
)
def test_verdicts(cells: tuple[int, int, int, int], word: str, said: str, needed: int | None) -> None:
    verdict = judge(paired.from_cells(*cells), "m1@t5", "m1@t1")
    assert (verdict.word, verdict.needed) == (word, needed)
    assert said in verdict.sentence


def test_confidence() -> None:
    """17 turns state one: right 90 x4, 80 x2, 70 x3; wrong 50, 60 x3, 70, 80 x2, 90."""
    seen = confidence.measure(TABLE)
    assert (seen.n, seen.pairs) == (17, 8)
    # Right: 4 * 0.01 + 2 * 0.04 + 3 * 0.09 = 0.39. Wrong: 0.25 + 3 * 0.36 + 0.49 + 2 * 0.64 + 0.81 = 3.91.
    assert seen.brier == pytest.approx(4.30 / 17)
    # Each level has a bin of its own. 50: 1 * 0.5. 60: 3 * 0.6. 70: 4 * |0.7 - 3/4|. 80: 4 * |0.8 - 1/2|.
    # 90: 5 * |0.9 - 4/5|. Together 0.5 + 1.8 + 0.2 + 1.2 + 0.5.
    assert seen.ece == pytest.approx(4.2 / 17)
    # Of 9 * 8 pairs: a right 90 beats 7 and ties 1 (x4), a right 80 beats 5 and ties 2 (x2), a right 70
    # beats 4 and ties 1 (x3): 30 + 12 + 13.5.
    assert seen.auroc == pytest.approx(55.5 / 72)
    # Within p2: 70 and 80 over 60. p3: 80 over 70, under 90. p4: 70 over 50 and 60. p5: 70 and 90 over 60.
    assert seen.wqd == pytest.approx(7 / 8)


def test_confidence_of_which_nothing_is_known() -> None:
    seen = confidence.measure([TABLE[6], measured("p", "A", "A B")])
    assert seen == confidence.Confidence(None, None, None, None, 0, 0)
    assert confidence.measure([measured("p", "A", "A90 A80")]).auroc is None


def test_bins_hold_their_upper_end() -> None:
    bins = confidence.reliability([measured("p", "A", "A0 A20 B21 A100")], bins=5)
    assert [one.right.n for one in bins] == [2, 1, 0, 0, 1]
    assert (bins[0].confidence, bins[0].right.value) == (0.1, 1.0)
    assert (bins[1].low, bins[1].high, bins[2].confidence) == (0.2, 0.4, None)


def test_accuracy_against_coverage() -> None:
    # Answers: p1 90 right; p6 80 wrong; p2 70, p5 70 right, p3 70 wrong; p4 50 wrong.
    seen = [(one.threshold, one.coverage, one.right) for one in confidence.coverage(TABLE)]
    assert seen == [
        (0.9, 1 / 6, accuracy.share(1, 1)),
        (0.8, 2 / 6, accuracy.share(1, 2)),
        (0.7, 5 / 6, accuracy.share(3, 5)),
        (0.5, 6 / 6, accuracy.share(3, 6)),
    ]


def test_spending() -> None:
    seen = spending.spent(TABLE)
    assert (seen.requests, seen.input_tokens, seen.cached_tokens, seen.output_tokens) == (21, 2100, 1050, 420)
    assert (seen.cached_share, seen.latency_median_s, seen.latency_p95_s) == (0.5, 1.0, 1.0)
    # Three answers are right: p1, p2, p5.
    assert seen.per_right_usd == pytest.approx(0.021 / 3)
    assert seen.per_right_tokens == pytest.approx(2520 / 3)


def test_a_sum_is_unknown_only_if_a_reply_is() -> None:
    nothing = measured("p", "A", "!server", cost_usd=None, input_tokens=None)
    assert spending.spent([*TABLE, nothing]).cost_usd == pytest.approx(0.021)
    refused = measured("p", "A", requests=0, input_tokens=None, output_tokens=None, cost_usd=None)
    seen = spending.spent([*TABLE, refused])  # a line that poses no problem: nobody was asked
    assert seen.input_tokens == 2100
    assert seen.cost_usd == pytest.approx(0.021)
    unpriced = measured("p", "A", "A", cost_usd=None)
    seen = spending.spent([*TABLE, unpriced])
    assert (seen.cost_usd, seen.unpriced, seen.per_right_usd) == (None, 1, None)
    assert seen.known_usd == pytest.approx(0.021)


@pytest.mark.parametrize(
    ("fixed", "broken", "alike", "word"),
    [(20, 4, 36, "helps"), (4, 20, 36, "hurts"), (12, 12, 36, "cannot tell"), (3, 1, 4, "cannot tell")],
    ids=["helps", "hurts", "none", "too few"],
)
def test_the_verdict_on_rigged_runs(fixed: int, broken: int, alike: int, word: str) -> None:
    """Runs of which the last two of three turns carry the vote, one way or the other."""
    chains = ["B A A"] * fixed + ["A B B"] * broken + ["A A A", "B B B"] * (alike // 2)
    seen = summarize([measured(str(at), "A", chain) for at, chain in enumerate(chains)], "rigged")
    (change,) = seen.changes
    assert (change.comparison.only_b, change.comparison.only_a) == (fixed, broken)
    assert change.verdict.word == word
    assert seen.steps[0].even.helps is {"helps": True, "hurts": False, "cannot tell": None}[word]
    # Nobody changes his mind again: c = fixed of all that were wrong.
    assert seen.steps[0].even.c == fixed / (fixed + alike // 2)
    assert seen.steps[1].flips == Flips(kept_right=fixed + alike // 2, kept_wrong=broken + alike // 2)


def test_a_summary() -> None:
    seen = summarize(TABLE, "t.jsonl", by="level")
    assert (seen.problems, seen.graded, seen.turns, seen.samples, seen.partial) == (7, 6, 3, 1, False)
    assert list(seen.figures) == [
        "m1@t1", "m1@t2", "m1@t3", "acc@1", "acc@2", "acc@3", "p1@t2", "p1@t3",
    ]  # fmt: skip
    assert [name for name, figure in seen.figures.items() if figure.oracle] == ["p1@t2", "p1@t3"]
    # p1 says one thing in three answers, p6 two in two, the others two in three: 1 + 2 + 5 * 2 of 20.
    assert seen.answers.unique_ratio == pytest.approx(13 / 20)
    assert (seen.answers.replies, seen.answers.unreadable, seen.answers.lost) == (21, 1, 0)
    assert [(one.value, one.problems) for one in seen.groups] == [
        (1, 2), (2, 2), (10, 1), ("easy", 1), (None, 1),
    ]  # fmt: skip
    assert (seen.changes[0].b, seen.changes[0].verdict.word) == ("m1@t3", "cannot tell")
    given = seen.as_json
    assert given["figures"]["m1@t1"]["value"] == 0.5
    assert given["groups"][2]["value"] == 10


def test_rows_without_turns_give_what_they_can() -> None:
    seen = summarize([measured("s", None, answer="A", requests=3)], "s.jsonl")
    assert (seen.slim, seen.failed, seen.figures, seen.turns_used) == (1, 0, {}, {})


def test_nothing_at_all() -> None:
    seen = summarize([], "empty.jsonl")
    assert (seen.problems, seen.voted.n, seen.changes, seen.flips.flips) == (0, 0, (), Flips())


WORD = st.sampled_from(["A", "B", "A90", "B40", "C70", "-", "!server"])
CHAIN = st.lists(WORD, min_size=1, max_size=4).map(" ".join)
PROBLEM = st.tuples(st.sampled_from(["A", "B", None]), st.lists(CHAIN, min_size=1, max_size=3))


@given(st.lists(PROBLEM, min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_what_always_holds(problems: list[tuple[str | None, list[str]]]) -> None:
    made = [measured(str(at), right, *chains) for at, (right, chains) in enumerate(problems)]
    last = max(one.last for one in made)
    # One turn's majority is its answer.
    assert accuracy.vote_upto(made, 1) == accuracy.at_turn(made, 1)
    # Flips are counted between all turns, or turn by turn.
    parts = [flips.between(made, t) for t in range(1, last)]
    assert flips.total(made).pairs == sum(part.pairs for part in parts)
    # An oracle never does worse than the vote.
    for t in range(1, last + 1):
        best, vote = accuracy.ever_right(made, t), accuracy.vote_upto(made, t)
        assert best.n == vote.n
        assert (best.value or 0) >= (vote.value or 0)
    # The order of the problems and the names of the wrong answers say nothing.
    swapped = [
        measured(one.id, {"A": "B", "B": "A", None: None}[right], *[_swapped(chain) for chain in chains])
        for one, (right, chains) in zip(made, problems, strict=True)
    ]
    for t in range(1, last + 1):
        assert accuracy.at_turn(made, t) == accuracy.at_turn(swapped[::-1], t)
        assert accuracy.vote_upto(made, t) == accuracy.vote_upto(swapped[::-1], t)
    assert flips.total(made) == flips.total(swapped[::-1])
    assert confidence.measure(made).wqd == confidence.measure(swapped).wqd
    assert outcomes(made) == outcomes(swapped)


def _swapped(chain: str) -> str:
    return chain.translate(str.maketrans("AB", "BA"))
