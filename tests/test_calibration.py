"""What a stated confidence is worth: the map, where it is applied, how it is fitted, and its file."""

from __future__ import annotations

import json
from math import exp
from pathlib import Path

import pytest
from measuring import measured
from rollouts import play, rollout

from rise_cli.core.ballots import weights
from rise_cli.core.calibration import Breakpoints, calibrated
from rise_cli.core.domain import Policy, StopReason, Vote
from rise_cli.core.loop import conclude
from rise_cli.errors import UsageError
from rise_cli.history.calibrations import Calibration, read_calibration, write_calibration
from rise_cli.measure.calibration import (
    Stated,
    _folds,  # that folds respect problems shows in nothing else
    figures,
    fit,
    lacking,
    stated,
)

BENT: Breakpoints = ((0.5, 0.2), (0.9, 0.4), (1.0, 0.9))


# The map


@pytest.mark.parametrize(
    ("confidence", "chance"),
    [
        (0.0, 0.2), (0.5, 0.2),  # before the first, and on it
        (0.7, 0.3), (0.9, 0.4),  # halfway from 0.2 to 0.4, and on a point
        (0.95, 0.65),  # halfway from 0.4 to 0.9
        (1.0, 0.9),
    ],
)  # fmt: skip
def test_the_map_is_linear_between_breakpoints_and_flat_beyond(confidence: float, chance: float) -> None:
    assert calibrated(confidence, BENT) == pytest.approx(chance, abs=1e-12)


def test_without_breakpoints_a_confidence_is_taken_at_its_word_and_one_point_is_a_constant() -> None:
    assert calibrated(0.83, ()) == 0.83
    assert {calibrated(c, ((0.5, 0.61),)) for c in (0.0, 0.5, 1.0)} == {0.61}
    # A flat piece is flat to the last digit, or a threshold on it would let some through and not others.
    assert {calibrated(c / 1000, ((0.0, 0.1), (1.0, 0.1))) for c in range(1001)} == {0.1}


# Where it is applied


def test_it_changes_when_a_run_stops() -> None:
    """90% twice is worth 40%: not sure enough. 100% is worth 90%, which is."""
    recorded = rollout("A90 A90 B100 B100 B100")
    plain = Policy(turns=5, vote=Vote.WEIGHTED)
    _, done, end = play(plain, recorded)
    assert (len(done), end.reason) == (2, StopReason.CONFIDENT)
    _, done, end = play(Policy(turns=5, vote=Vote.WEIGHTED, breakpoints=BENT), recorded)
    assert (len(done), end.reason) == (4, StopReason.CONFIDENT)
    _, done, end = play(Policy(turns=5, vote=Vote.WEIGHTED, breakpoints=BENT, threshold=0.4), recorded)
    assert (len(done), end.reason) == (2, StopReason.CONFIDENT)


def test_it_changes_a_weighted_vote_as_worked_out_by_hand() -> None:
    """A 90%, A 90%, B 100%, T = 0.1. As stated A has 2 exp(9) against exp(10), so B has e / (2 + e) = 58%.
    Calibrated it is 2 exp(4) against exp(9), so B has e^5 / (2 + e^5) = 99%. Where all are worth the same,
    A has two thirds."""
    done = rollout("A90 A90 B100")
    for breakpoints, answer, share in [
        ((), "B", exp(1) / (2 + exp(1))),
        (BENT, "B", exp(5) / (2 + exp(5))),
        (((0.5, 0.5),), "A", 2 / 3),
    ]:
        policy = Policy(vote=Vote.WEIGHTED, vote_temperature=0.1, breakpoints=breakpoints)
        end = conclude(policy, done, StopReason.TURNS)
        assert end.answer == answer
        assert end.votes[0].share == pytest.approx(share)


def test_who_states_none_counts_as_the_mean_of_what_the_others_are_worth() -> None:
    attempts = [d.attempts[0] for d in rollout("A50 B C90")]
    policy = Policy(vote=Vote.WEIGHTED, vote_temperature=0.1, breakpoints=BENT)
    raised = [exp(2), exp(3), exp(4)]  # 0.2, their mean 0.3, and 0.4, over 0.1
    assert weights(policy, attempts) == pytest.approx([one / sum(raised) for one in raised])


def test_it_decides_between_equals_and_what_is_shown_stays_as_stated() -> None:
    """A 50% + 100% states less than B 90% + 90%; it is worth 0.2 + 0.9, more than 0.4 + 0.4."""
    done = rollout("A50 A100 B90 B90")
    assert conclude(Policy(), done, StopReason.TURNS).answer == "B"
    end = conclude(Policy(breakpoints=BENT), done, StopReason.TURNS)
    assert (end.answer, end.confidence) == ("A", 0.75)
    assert end.winner is not None
    assert end.winner.confidence == 0.5


# The fit


def overconfident(problems: int) -> list[Stated]:
    """Says 90% and is right half of the time, and 60% and is right one time in five."""
    sure = [Stated(f"s{n}", 0.9, n % 2 == 0) for n in range(problems) for _ in range(2)]
    return sure + [Stated(f"u{n}", 0.6, n % 5 == 0) for n in range(problems)]


def test_a_rigged_overconfident_model_is_seen_through() -> None:
    found = fit(overconfident(100))
    assert calibrated(0.9, found.breakpoints) == pytest.approx(0.5, abs=0.02)
    assert calibrated(0.6, found.breakpoints) == pytest.approx(0.2, abs=0.02)
    assert (found.problems, found.turns) == (200, 300)
    # 200 turns at 0.9: half of (0.1^2 + 0.9^2); 100 at 0.6: 0.2 * 0.4^2 + 0.8 * 0.6^2.
    assert found.before.brier == pytest.approx((200 * 0.41 + 100 * 0.32) / 300)
    # |0.9 - 0.5| of two thirds, |0.6 - 0.2| of one.
    assert found.before.ece == pytest.approx(0.4)
    assert found.after.ece < 0.05
    assert found.after.brier == pytest.approx((200 * 0.25 + 100 * 0.16) / 300, abs=0.01)
    assert found.tried.keys() == {"identity", "isotonic", "platt"}
    assert found.after == min(found.tried.values(), key=lambda one: one.brier)


def test_isotonic_alone_follows_a_step_and_its_points_rise() -> None:
    """70% to 90% are all right one time in four, 95% is right four times out of five: no logistic curve."""
    levels = [(0.7, 4), (0.8, 4), (0.9, 4)]
    turns = [Stated(f"p{n}-{c}", c, n % every == 0) for n in range(80) for c, every in levels]
    turns += [Stated(f"p{n}-1", 0.95, n % 5 != 0) for n in range(80)]
    found = fit(turns)
    assert found.method == "isotonic"
    assert [y for _, y in found.breakpoints] == sorted(y for _, y in found.breakpoints)
    assert calibrated(0.8, found.breakpoints) == pytest.approx(0.25, abs=0.01)
    assert calibrated(0.95, found.breakpoints) == pytest.approx(0.8, abs=0.01)


def test_who_is_calibrated_is_left_alone_or_nearly_so_and_no_order_is_turned_round() -> None:
    honest = [
        Stated(f"p{tens}-{n}", tens / 10, (n * 7) % 10 < tens) for tens in (2, 4, 6, 8) for n in range(40)
    ]
    found = fit(honest)
    assert all(abs(calibrated(c / 10, found.breakpoints) - c / 10) < 0.05 for c in (2, 4, 6, 8))
    # Surer where wrong: what is left is the share that is right.
    contrary = [Stated(f"p{n}", 0.5 if n % 2 else 0.9, bool(n % 2)) for n in range(100)]
    points = fit(contrary).breakpoints
    assert {round(calibrated(c, points), 2) for c in (0.5, 0.7, 0.9)} == {0.5}


def test_folds_are_cut_between_problems_whatever_the_order_of_their_turns() -> None:
    turns = [Stated(f"p{n % 60}", 0.9, bool(n % 2)) for n in range(240)]
    folds = _folds(turns)
    assert sorted(at for _, outside in folds for at in outside) == list(range(240))
    for inside, outside in folds:
        assert {turns[at].problem for at in inside}.isdisjoint(turns[at].problem for at in outside)


def test_a_model_that_only_repeats_itself_is_not_fooled_by_its_own_turns() -> None:
    """Every problem's turns state a confidence of their own, so a fit that had seen a problem would know
    its answers by heart. Cut between problems it learns nothing, and knows no more than the share that is
    right."""
    turns = [Stated(f"p{n}", 0.5 + n / 400, n % 2 == 0) for n in range(200) for _ in range(5)]
    found = fit(turns)
    assert found.after.brier > 0.24


@pytest.mark.parametrize(
    ("problems", "wrong", "said"),
    [
        (49, 24, "at least 50 problems with a stated confidence and a known result, and there are 49"),
        (60, 19, "at least 20 of them with a wrong turn, and there are 19"),
        (60, 41, "at least 20 of them with a right turn, and there are 19"),
        (60, 20, None),
    ],
)
def test_too_little_is_refused_and_problems_count_not_turns(
    problems: int, wrong: int, said: str | None
) -> None:
    turns = [Stated(f"p{n}", 0.9, n >= wrong) for n in range(problems) for _ in range(9)]
    assert lacking(turns) == said
    if said:
        with pytest.raises(UsageError, match=f"too little to calibrate: it takes {said}"):
            fit(turns)


def test_what_is_fitted_to() -> None:
    """Not: no confidence, no answer, nobody can tell, no reply."""
    rollouts = [
        measured("p", "A", "A90 B80 - A", "!server"),
        measured("q", None, "A90"),
    ]
    assert stated(rollouts) == [Stated("p", 0.9, True), Stated("p", 0.8, False)]


def test_figures_by_hand() -> None:
    """0.8 right, 0.6 wrong: Brier (0.04 + 0.36) / 2, ECE (0.2 + 0.6) / 2, log loss -(ln 0.8 + ln 0.4) / 2."""
    found = figures([0.8, 0.6], [True, False])
    assert found.brier == pytest.approx(0.2)
    assert found.ece == pytest.approx(0.4)
    assert found.log_loss == pytest.approx(0.569717, abs=1e-6)
    assert found.auroc == 1.0
    assert figures([1.0], [False]).log_loss == pytest.approx(6.907755)  # no surer than 99.9%


# The file


FILE = Calibration(
    "isotonic", BENT, "openai:m-1", "introspect", "stated", 60, 180, {"stated": {"brier": 0.3}}
)


def test_a_file_comes_back_and_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    write_calibration(path, FILE, overwrite=False)
    assert read_calibration(path) == FILE
    with pytest.raises(
        UsageError, match=r"c\.json' already exists; name another with -o, or give --overwrite"
    ):
        write_calibration(path, FILE, overwrite=False)
    other = Calibration("platt", ((0.5, 0.5),), "m", "p", "asked", 1, 2, {})
    write_calibration(path, other, overwrite=True)
    assert read_calibration(path) == other
    assert other.digest != FILE.digest
    assert [file.name for file in tmp_path.iterdir()] == ["c.json"]


def test_only_the_breakpoints_make_the_digest() -> None:
    assert Calibration("x", BENT, "m", "p", "asked", 1, 2, {}).digest == FILE.digest


SOUND: dict[str, object] = {
    "schema": "rise.calibration/1",
    "method": "isotonic",
    "breakpoints": [[0, 0.1], [1, 0.9]],
    "model": "m",
    "protocol": "p",
    "confidence": "stated",
    "problems": 60,
    "turns": 90,
    "metrics": {},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": None}, 'lacks "schema": "rise.calibration/1"'),
        ({"schema": "rise.calibration/2"}, "has the schema 'rise.calibration/2', and this version"),
        ({"breakpoints": []}, "is damaged: it has no 'breakpoints'"),
        ({"breakpoints": [[0, 0.5], [0.5]]}, "breakpoint 2 is not a pair of numbers from 0 to 1"),
        ({"breakpoints": [[0, True]]}, "breakpoint 1 is not a pair"),
        ({"breakpoints": [[0, 1.5]]}, "breakpoint 1 is not a pair"),
        ({"breakpoints": [[0, float("nan")]]}, "breakpoint 1 is not a pair"),
        ({"breakpoints": [[0.5, 0.1], [0.5, 0.2]]}, "breakpoint 2 is not above the one before it"),
        ({"breakpoints": [[0, 0.5], [1, 0.4]]}, "breakpoint 2 falls: a surer answer cannot be worth less"),
        ({"model": 3}, "'model' is no text"),
        ({"turns": -1}, "'turns' is no number of them"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(SOUND | change))
    with pytest.raises(UsageError) as caught:
        read_calibration(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "secret of the house", "[" * 100_000])
def test_what_is_no_calibration_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"is not JSON|lacks") as caught:
        read_calibration(path)
    assert "secret" not in str(caught.value)
    for wrong, why in (
        (tmp_path, "directory"),
        (tmp_path / "none", "No such file"),
        (Path("/dev/zero"), "plain"),
    ):
        with pytest.raises(UsageError, match=why):
            read_calibration(wrong)
