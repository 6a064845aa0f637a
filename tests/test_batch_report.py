"""What is told of a batch in the end: of the file as a whole, and of what this run took for it."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import pytest
from loopback import Cut, Fault, Loopback, Reply, Seen, Status
from running import KEYS, Program, Result, at, wait_until

PRICE = ("--price", "1000,1000")  # a tenth of a cent a token


def told(seen: Seen) -> Reply:
    return Reply("Answer: 7")


def write(rise: Program, number: int) -> None:
    lines = (json.dumps({"id": f"p{n}", "question": f"Question {n}?", "answer": "7"}) for n in range(number))
    (rise.folder / "p.jsonl").write_text("".join(f"{line}\n" for line in lines))


def batch(rise: Program, server: Loopback, *more: str) -> Result:
    words = ("batch", "p.jsonl", *at("openai", server), "--max-wait", "0", "--summary", "s.json", *PRICE)
    return rise(*words, *more, env=KEYS)


def summary(rise: Program) -> dict[str, Any]:
    read = json.loads((rise.folder / "s.json").read_text())
    assert isinstance(read, dict)
    return read


def rows(rise: Program, name: str = "p.jsonl.rise.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (rise.folder / name).read_text().splitlines()]


def spent(server: Loopback, **more: Any) -> dict[str, Any]:
    """What `spent_now` must say after all that the server was asked."""
    billed = server.billed
    usd = pytest.approx((billed.input + billed.output) / 1000)
    return {
        "requests": len(server.seen), "refused_requests": 0, "lost_requests": 0,
        "input_tokens": billed.input, "cached_input_tokens": 0, "output_tokens": billed.output,
        "cost_usd": usd, "known_cost_usd": usd, **more,
    }  # fmt: skip


def test_a_run_from_beginning_to_end_spent_what_its_rows_say(rise: Program) -> None:
    write(rise, 4)
    with Loopback(told) as server:
        result = batch(rise, server, "--turns", "2")
        found = summary(rise)
        assert found["spent_now"] == spent(server)
    assert (found["cost_usd"], found["recalled"]) == (found["spent_now"]["cost_usd"], 0)
    assert "this run" not in result.err


def test_calls_of_problems_that_a_budget_cut_off_count(rise: Program) -> None:
    write(rise, 6)
    more = ("--turns", "4", "--no-early-stop", "--concurrency", "6", "--max-tokens", "40")
    with Loopback(told) as server:
        assert batch(rise, server, *more, "--max-tokens-total", "1200").code == 5
        first = summary(rise)
        assert first["spent_now"] == spent(server)
        assert 0 <= first["input_tokens"] < server.billed.input
        before = len(server.seen), server.billed.input, server.billed.output
        result = batch(rise, server, *more)
        assert result.code == 0
        second = summary(rise)
        billed = server.billed
        assert second["spent_now"]["requests"] == len(server.seen) - before[0]
        assert second["spent_now"]["input_tokens"] == billed.input - before[1]
        assert (second["input_tokens"], second["output_tokens"]) == (billed.input, billed.output)
    assert second["recalled"] == 24 - first["turns"] - second["spent_now"]["requests"] > 0
    told_now = re.search(r"^this run +(.*)$", result.err, re.M)
    assert told_now is not None
    assert f"{second['spent_now']['requests']} requests" in told_now[1]
    assert "from the journal" in told_now[1]


def test_calls_that_ctrl_c_lets_finish_count_and_those_that_wait_do_not(rise: Program) -> None:
    write(rise, 3)
    with Loopback(lambda seen: Reply("Answer: 7", delay_s=0.3)) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "3", "--summary", "s.json", *PRICE)
        process = rise.start(*words, "--concurrency", "2", env=KEYS)
        wait_until(lambda: len(server.seen) >= 2)
        process.send_signal(signal.SIGINT)
        assert rise.wait(process, KEYS).code == 130
        assert summary(rise)["spent_now"] == spent(server)
        assert rows(rise) == []
        paid = len(server.seen)
        assert rise(*words, "--strict", env=KEYS).code == 0  # another rule, and no other request
    assert summary(rise)["recalled"] == paid > 0


def test_a_run_that_ends_for_all_says_what_it_spent(rise: Program) -> None:
    write(rise, 9)
    with Loopback(lambda seen: Status(401) if seen.index == 5 else told(seen)) as server:
        result = batch(rise, server, "--turns", "1", "--concurrency", "1")
        assert summary(rise)["spent_now"] == spent(server)
    assert (result.code, summary(rise)["problems"]) == (3, 5)
    assert "refused the key" in result.err.splitlines()[-1]


def test_a_run_that_ends_before_it_began_has_no_summary(rise: Program) -> None:
    write(rise, 9)
    with Loopback([Status(401)]) as server:
        result = batch(rise, server, "--concurrency", "1")
    assert (result.code, len(result.err.splitlines())) == (3, 1)
    assert not (rise.folder / "s.json").exists()


UNKNOWN = {"input_tokens": None, "cached_input_tokens": None, "output_tokens": None, "cost_usd": None}


@pytest.mark.parametrize(
    ("fault", "more", "words"),
    [
        (Status(429), {"refused_requests": 1}, None),
        (Status(500), {"lost_requests": 1, **UNKNOWN}, "1 lost that may be charged for, over $"),
        (Cut(), {"lost_requests": 1, **UNKNOWN}, "1 lost that may be charged for, over $"),
    ],
    ids=["refused", "failed", "lost"],
)
def test_attempts_that_came_to_nothing(
    rise: Program, fault: Fault, more: dict[str, Any], words: str | None
) -> None:
    write(rise, 2)
    with Loopback(lambda seen: fault if seen.index == 0 else Reply("Answer: 7")) as server:
        result = batch(rise, server, "--turns", "1", "--concurrency", "1")
        billed = server.billed.requests - isinstance(fault, Cut)
    found = summary(rise)
    assert (found["retries"], found["spent_now"]["requests"], billed) == (1, 3, 2)
    assert {name: found["spent_now"][name] for name in more} == more
    each = rows(rise)[1]["cost_usd"]
    assert found["spent_now"]["known_cost_usd"] == pytest.approx(2 * each)
    assert found["known_cost_usd"] == pytest.approx(each if words else 2 * each)
    assert ("this run" in result.err) == bool(words)
    assert words is None or words in result.err
    assert ("that of 1 problem is not known" in result.err) == bool(words)


def test_slim_rows_lose_nothing_of_the_summary(rise: Program) -> None:
    write(rise, 5)
    said: dict[int, Reply | Status] = {0: Status(400, "no"), 1: Reply("…", finish="length"), 2: Reply("")}

    def failing(seen: Seen) -> Reply | Status:
        return said.get(int(re.findall(r"Question (\d)", seen.text)[0]), told(seen))

    with Loopback(failing) as server:
        assert batch(rise, server, "--turns", "1", "--slim").code == 4
        fresh = summary(rise)
        assert batch(rise, server, "--turns", "1", "--slim").code == 4
        assert len(server.seen) == 5
    again = summary(rise)
    assert fresh["failures"] == {"rejected": 1, "length": 1, "empty": 1}
    of_the_run = {"seconds", "solved_now", "problems_per_second", "spent_now"}
    assert {k: v for k, v in again.items() if k not in of_the_run} == {
        k: v for k, v in fresh.items() if k not in of_the_run
    }
    assert fresh["input_tokens"] == fresh["spent_now"]["input_tokens"]


def test_rows_of_the_first_versions_still_count(rise: Program) -> None:
    write(rise, 2)
    with Loopback(lambda seen: Status(400, "no") if "Question 1" in seen.text else told(seen)) as server:
        assert batch(rise, server, "--turns", "1").code == 4
        old = rows(rise)
        for row in old:
            del row["failure"]
            for turn in row["turns"]:
                del turn["cost_usd"]
        text = "".join(json.dumps(row) + "\n" for row in old)
        (rise.folder / "p.jsonl.rise.jsonl").write_text(text)
        assert batch(rise, server, "--turns", "1").code == 4
        assert len(server.seen) == 2
    assert summary(rise)["failures"] == {"rejected": 1}
    assert rise("batch", "p.jsonl", "--replay", "p.jsonl.rise.jsonl").code == 4


def test_a_replay_keeps_what_was_paid_and_spends_nothing(rise: Program) -> None:
    write(rise, 2)
    with Loopback(told) as server:
        assert batch(rise, server, "--turns", "2").code == 0
        paid = summary(rise)["cost_usd"]
    words = ("batch", "p.jsonl", "--replay", "p.jsonl.rise.jsonl", "--summary", "s.json")
    result = rise(*words)
    found = summary(rise)
    assert (found["cost_usd"], found["spent_now"]["requests"]) == (pytest.approx(paid), 0)
    assert found["spent_now"]["cost_usd"] == 0
    assert "this run  0 requests" in result.err


# --dry-run


def test_a_dry_run_adds_up_what_each_problem_may_take(rise: Program) -> None:
    write(rise, 3)
    with (rise.folder / "p.jsonl").open("a") as file:
        file.write("not json\n")
    method = ("-m", "openai:m-1", "--turns", "4", "--samples", "2", *PRICE, "--dry-run")
    each = [rise("ask", f"Question {n}?", *method, "--json").record for n in range(3)]
    sums = {name: sum(one[name] for one in each) for name in each[0] if "at_" in name}
    calls, tokens = (
        f"{sums[f'{what}_at_least']:,} to {sums[f'{what}_at_most']:,}" for what in ("calls", "input_tokens")
    )
    result = rise("batch", "p.jsonl", *method, "--max-cost", "0.5")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "openai:m-1 · 3 problems, 1 line without one",
        f"{calls} calls, {tokens} input tokens",
        f"${sums['cost_usd_at_least']:,.6f} to ${sums['cost_usd_at_most']:,.6f}, if no reply is longer than "
        "8,192 tokens and nothing is retried",
        "--max-cost ends the run before it passes $0.5",
    ]
    assert [p.name for p in rise.folder.iterdir()] == ["p.jsonl"]


def test_what_a_batch_takes_is_within_the_bounds(rise: Program) -> None:
    write(rise, 4)
    with Loopback(told) as server:
        bounds = rise("batch", "p.jsonl", *at("openai", server), *PRICE, "--dry-run").out
        assert server.connections == 0
        assert batch(rise, server).code == 0
        taken = len(server.seen), server.billed.input
        usd = (server.billed.input + server.billed.output) / 1000
    pairs = re.findall(r"\$?([\d,.]+) to \$?([\d,.]+)", bounds)
    for (low, high), actual in zip(pairs, (*taken, usd), strict=True):
        assert float(low.replace(",", "")) <= actual <= float(high.replace(",", ""))


def test_a_dry_run_of_an_unknown_price_or_a_replay_says_so(rise: Program) -> None:
    write(rise, 1)
    unknown = rise("batch", "p.jsonl", "--dry-run", "-m", "openai:no-such-model")
    assert (unknown.code, "price not known" in unknown.out) == (0, True)
    replay = rise("batch", "p.jsonl", "--dry-run", "--replay", "x.jsonl")
    assert (replay.code, "leave out --dry-run" in replay.err) == (2, True)


# --strict


def wavering(seen: Seen) -> Reply:
    """7 and 8 in turn for problem 0, 7 alone for the others."""
    unsure = "Question 0" in seen.text and seen.index % 2
    return Reply("Answer: 8" if unsure else "Answer: 7")


def test_strict_fails_a_problem_without_a_majority(rise: Program) -> None:
    write(rise, 2)
    more = ("--turns", "2", "--concurrency", "1", "--ordered")
    with Loopback(wavering) as server:
        result = batch(rise, server, *more, "--strict")
        calls = len(server.seen)
        assert (result.code, summary(rise)["failures"]) == (4, {"no_majority": 1})
        other = batch(rise, server, *more)
        assert (other.code, "--strict true (now false)" in other.err) == (2, True)
        assert len(server.seen) == calls
    first, second = rows(rise)
    assert (first["status"], first["answer"], first["failure"]) == ("failed", None, "no_majority")
    assert (first["confidence"], first["correct"]) == (None, False)
    assert [vote["count"] for vote in first["votes"]] == [1, 1]
    assert first["error"] == "no answer has more than half of the votes"
    assert (second["status"], second["answer"], second["failure"]) == ("ok", "7", None)


@pytest.mark.parametrize(
    ("recorded", "rule", "answers"),
    [
        ("--no-strict", (), ["7", "7"]),
        ("--no-strict", ("--strict",), [None, "7"]),
        ("--strict", (), [None, "7"]),
        ("--strict", ("--no-strict",), ["7", "7"]),
    ],
)
def test_a_replay_decides_again_what_is_strict(
    rise: Program, recorded: str, rule: tuple[str, ...], answers: list[str | None]
) -> None:
    write(rise, 2)
    with Loopback(wavering) as server:
        batch(rise, server, "--turns", "2", "--concurrency", "1", "--ordered", recorded)
    rise("batch", "p.jsonl", "--replay", "p.jsonl.rise.jsonl", "--ordered", "-q", *rule)
    assert [row["answer"] for row in rows(rise, "p.jsonl.replay.jsonl")] == answers
