"""Bad days: a provider that fails in every way that it can, and a whole batch that comes through."""

from __future__ import annotations

import json
from random import Random

import pytest
from loopback import Cut, Fault, Loopback, Reply, Reset, Seen, Stall, Status, Tokens
from running import Program
from test_batch import batch, rows, sums, write
from weather import Weather, counting


@pytest.mark.parametrize(("problems", "stream", "turns"), [(500, "--stream", 1), (250, "--no-stream", 2)])
def test_every_problem_of_a_bad_day_is_answered_right(
    rise: Program, wire: str, problems: int, stream: str, turns: int
) -> None:
    write(rise, sums(problems))
    sky = Weather()
    rules = ("--turns", str(turns), "--no-early-stop", "--timeout", "4", "--max-wait", "2", stream)
    more = ("--concurrency", "100", "--summary", "s.json")
    with Loopback(sky) as server:
        result = batch(rise, wire, server, *rules, *more)
    assert result.code == 0, result.err
    found = rows(rise)
    assert sorted(row["id"] for row in found) == sorted(f"p{n}" for n in range(problems))
    assert {row["correct"] for row in found} == {True}
    assert sky.most_attempts <= 7
    # On a machine that stands still for seconds a client gives up on what the server has answered, and
    # never hears how long to wait.
    given_up = json.loads((rise.folder / "s.json").read_text())["retries"] - sum(sky.faults.values())
    assert len(sky.early) <= given_up
    # It was a bad day indeed, in every one of its ways.
    assert sky.calls == turns * problems
    assert sum(sky.faults.values()) > 0.25 * sky.calls
    expected = {"429", "500", "503", "529", "reset", "cut", "stall", "malformed", "empty", "streamerror"}
    assert set(sky.faults) == expected
    assert set(sky.waits) == {"seconds", "ms", "date", "none"}


@pytest.mark.parametrize(
    ("wire", "cap"),
    [
        ("openai", ("--max-cost", "0.3", "--price", "1,2")),
        ("anthropic", ("--max-tokens-total", "200000")),
    ],
)
def test_a_cap_holds_over_500_calls_in_flight_and_those_that_are_lost(
    rise: Program, wire: str, cap: tuple[str, ...]
) -> None:
    write(rise, sums(900))
    draw, most = Random(3), 0

    def filling(seen: Seen) -> Reply | Fault:
        """All of the output limit is billed, also for one reply in six that never arrives."""
        nonlocal most
        most = max(most, len(server.seen) - server.billed.requests)
        full = Tokens(len(seen.text.encode()), seen.limit or 4096)
        # The first ones wait for each other, so that they are in flight together.
        reply = Reply(counting(seen).text, usage=full, delay_s=1.5 if seen.index < 450 else 0.02)
        lost = (Reset(reply=reply), Reset(politely=True, reply=reply), Cut(reply=reply))
        return draw.choice(lost) if draw.random() < 1 / 6 else reply

    def spent() -> float:
        if cap[0] == "--max-tokens-total":
            return server.billed.input + server.billed.output
        return (server.billed.input + 2 * server.billed.output) / 1e6

    more = ("--turns", "2", "--no-early-stop", "--concurrency", "500", "--max-tokens", "90")
    with Loopback(filling) as server:
        result = batch(rise, wire, server, *more, *cap)
        assert (result.code, "the budget ended the run" in result.err) == (5, True), result.err
        assert 0.5 * float(cap[1]) < spent() <= float(cap[1])
        assert all(seen.limit is not None and seen.limit <= 90 for seen in server.seen)
    assert most >= 350, "the calls must be in flight together"
    assert {row["status"] for row in rows(rise)} <= {"ok"}


def test_a_deadline_ends_calls_in_flight_in_line_and_between_attempts(rise: Program, wire: str) -> None:
    write(rise, sums(12))
    late = [True]

    def plan(seen: Seen) -> Reply | Fault:
        number = int(seen.text.partition(" plus")[0].split()[-1])
        if number % 3 == 0 or not late[0]:
            return counting(seen)
        return Stall(seconds=60.0) if number % 3 == 1 else Status(429, headers={"retry-after": "60"})

    more = ("--turns", "1", "--concurrency", "8")
    with Loopback(plan) as server:
        result = batch(rise, wire, server, *more, "--max-wait", "90", "--deadline", "2")
        assert (result.code, "the deadline ended the run" in result.err) == (5, True), result.err
        found, first = rows(rise), len(server.seen)
        assert {row["status"] for row in found} == {"ok"}
        assert {int(row["id"][1:]) % 3 for row in found} == {0}
        late[0] = False
        assert batch(rise, wire, server, *more).code == 0
        assert len(server.seen) - first == 12 - len(found)
    assert sorted(row["id"] for row in rows(rise)) == sorted(f"p{n}" for n in range(12))
