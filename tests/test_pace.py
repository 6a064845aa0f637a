"""How fast a batch goes: lately where that tells, and never counting what was there before it began."""

from __future__ import annotations

import pytest

from rise_cli.run.pace import Pace


def test_nothing_is_known_before_a_problem_is_solved() -> None:
    pace = Pace(100.0)
    assert (pace.left_s(10), pace.tokens_per_s) == (None, 0.0)
    pace.note(101.0, 0, 50)
    assert (pace.left_s(10), pace.tokens_per_s) == (None, 50.0)


def test_a_few_problems_are_measured_from_the_beginning() -> None:
    pace = Pace(100.0)
    pace.note(104.0, 2, 40)
    assert pace.left_s(10) == 20.0


def test_between_two_problems_it_counts_down_and_then_bides_its_time() -> None:
    pace = Pace(0.0)
    for second in range(1, 11):
        pace.note(second * 10.0, second, 0)
    assert pace.left_s(4) == 40.0
    left = []
    for second in range(1, 31):
        pace.note(100.0 + second, 10, 0)
        left.append(pace.left_s(4))
    assert left[:9] == [40.0 - second for second in range(1, 10)]
    assert left[9] == pytest.approx(30.0)
    assert left[29] == pytest.approx(130 / 11 * 3)
    assert pace.left_s(0) == 0.0


@pytest.mark.parametrize("step", [0.25, 30.0])
def test_the_last_minute_counts(step: float) -> None:
    pace, at, done = Pace(0.0), 0.0, 0.0
    while at < 600:
        at += step
        done += step * (1 if at <= 300 else 10)
        pace.note(at, int(done), int(done) * 7)
    assert pace.left_s(1000) == pytest.approx(100, rel=0.05)
    assert pace.tokens_per_s == pytest.approx(70, rel=0.05)


def test_a_minute_with_hardly_a_problem_tells_nothing() -> None:
    pace = Pace(0.0)
    for second in range(1, 200):
        pace.note(float(second), min(second, 100), 0)
    assert pace.left_s(10) == pytest.approx(199 / 101 * 9)


def test_a_long_run_is_not_kept_whole() -> None:
    pace = Pace(0.0)
    for tick in range(100_000):
        pace.note(tick / 4, tick, tick)
    assert len(pace._marks) < 250
