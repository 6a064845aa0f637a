"""Bad days: a provider that fails in every way that it can, and a whole batch that comes through."""

from __future__ import annotations

import json

import pytest
from loopback import Loopback
from running import Program
from test_batch import batch, rows, sums, write
from weather import Weather

PROBLEMS = 500


@pytest.mark.parametrize(("stream", "turns"), [("--stream", 1), ("--no-stream", 2)])
def test_every_problem_of_a_bad_day_is_answered_right(
    rise: Program, wire: str, stream: str, turns: int
) -> None:
    write(rise, sums(PROBLEMS))
    sky = Weather()
    rules = ("--turns", str(turns), "--no-early-stop", "--timeout", "4", "--max-wait", "2", stream)
    more = ("--concurrency", "100", "--summary", "s.json")
    with Loopback(sky) as server:
        result = batch(rise, wire, server, *rules, *more)
    assert result.code == 0, result.err
    found = rows(rise)
    assert sorted(row["id"] for row in found) == sorted(f"p{n}" for n in range(PROBLEMS))
    assert {row["correct"] for row in found} == {True}
    assert sky.most_attempts <= 7
    # On a machine that stands still for seconds a client gives up on what the server has answered, and
    # never hears how long to wait.
    given_up = json.loads((rise.folder / "s.json").read_text())["retries"] - sum(sky.faults.values())
    assert len(sky.early) <= given_up
    # It was a bad day indeed, in every one of its ways.
    assert sky.calls == turns * PROBLEMS
    assert sum(sky.faults.values()) > 0.25 * sky.calls
    expected = {"429", "500", "503", "529", "reset", "cut", "stall", "malformed", "empty", "streamerror"}
    assert set(sky.faults) == expected
    assert set(sky.waits) == {"seconds", "ms", "date", "none"}
