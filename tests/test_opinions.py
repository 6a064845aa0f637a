"""What a judge said, how it is read, and what is made of it."""

from __future__ import annotations

import pytest

from rise_cli.core.judgement import Opinion, read_answers, read_quality, read_verdict
from rise_cli.measure.opinions import agreement, opinions


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("Verdict: right", True),
        ("Both are 12.\n**Verdict:** Wrong.", False),
        ("verdict - correct", True),
        ("Verdict: the given answer is incorrect", False),
        ("Verdict: not right", False),
        ("Verdict: wrong. On second thought:\nVerdict: right", True),
        ("Right.", True),
        ("<think>Verdict: right?</think>wrong", False),
        ("Verdict: right or wrong", None),
        ("That is the right question.", None),
        ("Verdict: 7", None),
        ("", None),
    ],
)
def test_verdicts_are_read(reply: str, verdict: bool | None) -> None:
    assert read_verdict(reply) is verdict


@pytest.mark.parametrize(
    ("reply", "quality", "answers"),
    [
        ("Clear, but short.\nQuality: 7\nAnswers the question: yes", 7.0, True),
        ("**Quality:** 8/10\n**Answers the question:** No.", 8.0, False),
        ("Quality is 6.5\nanswers the question - yes", 6.5, True),
        ("Quality: 3\nQuality: 4\nAnswers the question: no\nAnswers the question: yes", 4.0, True),
        ("Quality: 0\nAnswers the question: yes", None, True),
        ("Quality: 11\nAnswers the question: maybe", None, None),
        ("Quality: 100", None, None),
        (
            "Quality: a whole number from 1 (of no use) to 10 (could not be better)\n"
            "Answers the question: yes or no",
            None,
            None,
        ),
        ("It answers the question.", None, None),
    ],
)
def test_scores_are_read(reply: str, quality: float | None, answers: bool | None) -> None:
    assert (read_quality(reply), read_answers(reply)) == (quality, answers)


def test_agreement() -> None:
    # Of 20 answers both say right of 10 and wrong of 5; exact comparison alone of 2, the judge alone of 3.
    # Agreement 15/20. By chance: 12/20 * 13/20 + 8/20 * 7/20 = 0.39 + 0.14 = 0.53.
    seen = agreement({(True, True): 10, (False, False): 5, (True, False): 2, (False, True): 3})
    assert (seen.n, seen.share, seen.exact_only, seen.judge_only) == (20, 0.75, 2, 3)
    assert seen.kappa == pytest.approx((0.75 - 0.53) / 0.47)
    assert agreement({(True, True): 4}).kappa is None
    assert agreement({}).share is None


def test_quality_by_turn() -> None:
    def said(*scores: tuple[float | None, bool | None], chain: int = 1) -> list[Opinion]:
        return [Opinion(chain, turn, *score) for turn, score in enumerate(scores, 1)]

    judged = [
        said((6, True), (8, True)),
        said((5, True), (6, False)),
        # Two chains count as one problem: 4 and 6 in turn 1, 9 and one that cannot be read in turn 2.
        said((4, True), (9, True)) + said((6, False), (None, None), chain=2),
        said((7, True)),
        [],
    ]
    seen = opinions(judged)
    # Turn 1: 6, 5, (4 + 6) / 2, 7; on the question 1, 1, 1/2, 1. Turn 2: 8, 6, 9; 1, 0, 1.
    assert [(one.turn, one.quality.n) for one in seen.turns] == [(1, 4), (2, 3)]
    assert [one.quality.value for one in seen.turns] == pytest.approx([5.75, 23 / 3])
    assert [one.answers.value for one in seen.turns] == pytest.approx([0.875, 2 / 3])
    # From turn 1 to turn 2: +2, +1, +4. Mean 7/3, deviation sqrt(7/3) = 1.5275; with t(0.975, 2) = 4.3027
    # the interval is 7/3 -+ 4.3027 * 1.5275 / sqrt(3) = 7/3 -+ 3.7946.
    assert seen.change.n == 3
    assert seen.change.value == pytest.approx(7 / 3)
    assert seen.change.low == pytest.approx(7 / 3 - 3.7946, abs=1e-3)
    assert seen.change.high == pytest.approx(7 / 3 + 3.7946, abs=1e-3)
    # t = 2.3333 / 0.8819 = 2.6458 with two degrees of freedom.
    assert seen.p == pytest.approx(0.118, abs=1e-3)
    assert opinions([]).change.value is None
