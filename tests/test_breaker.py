"""When a provider counts as down, and what a batch does then: it ends soon, and nothing is lost."""

from __future__ import annotations

import json
import sqlite3

import pytest
from loopback import Loopback, Reply, Seen, Status, refused_url
from rollouts import QUESTION, rollout
from running import KEYS, Program, at
from test_batch import adding, batch, rows, sums, turns_of, write

from rise_cli.core.domain import Finish, Policy, StopReason, Trajectory
from rise_cli.run.breaker import AT_LEAST, Breaker, Held, outage

# The decision


def replay(steps: str, under_way: int) -> tuple[str, str]:
    """Play `F` (a problem failed) and `A` (somebody was answered); what became of each failure, by its
    number: `w` written, `h` held back. It ends with the step that opens the breaker, with `!`."""
    breaker, answered = Breaker(), 0
    fate: list[str] = []
    for step in steps:
        if step == "A":
            answered += 1
            continue
        for held in breaker.freed(answered):
            held.write()
        number = len(fate)
        fate.append("h")
        if breaker.opens(Held("no", lambda n=number: fate.__setitem__(n, "w")), under_way):  # type: ignore[misc]
            return "".join(fate), "!"
    return "".join(fate), ""


@pytest.mark.parametrize(
    ("steps", "under_way", "fate", "end"),
    [
        ("", 0, "", ""),
        ("F", 0, "h", ""),
        ("F" * 19, 0, "h" * 19, ""),
        ("F" * 20, 0, "h" * 20, "!"),
        ("F" * 20, 20, "h" * 20, "!"),
        ("F" * 99, 20, "h" * 20, "!"),
        ("A" + "F" * 20, 20, "h" * 20, "!"),
        ("F" * 19 + "A" + "F" * 20, 20, "w" * 19 + "h" * 20, "!"),
        ("FAFAF", 1, "wwh", ""),
        ("FAAAFF", 1, "whh", ""),
        ("FA", 1, "h", ""),  # who comes next finds out
        ("F" * 400, 500, "h" * 400, ""),
        ("F" * 499 + "AF", 500, "w" * 499 + "h", ""),
        ("F" * 500, 500, "h" * 500, "!"),
    ],
)
def test_failures_in_a_row_open_it_and_an_answer_frees_them(
    steps: str, under_way: int, fate: str, end: str
) -> None:
    assert replay(steps, under_way) == (fate, end)


@pytest.mark.parametrize(
    ("chains", "reason", "why"),
    [
        (["!server"], StopReason.ERROR, "it failed"),
        (["A !connection", "A !timeout"], StopReason.ERROR, "it failed"),
        (["!rate_limited", "!credit", "!broken"], StopReason.ERROR, "it failed"),
        (["!rejected"], StopReason.ERROR, None),
        (["!server", "!context"], StopReason.ERROR, None),
        (["!server", "-"], StopReason.TURNS, None),
        (["!budget"], StopReason.BUDGET, None),
        (["A A"], StopReason.TURNS, None),
        ([], StopReason.ERROR, None),
    ],
)
def test_what_counts_as_an_outage(chains: list[str], reason: StopReason, why: str | None) -> None:
    trajectory = Trajectory(QUESTION, Policy(), rollout(*chains), Finish(reason, None, ()))
    assert outage(trajectory) == why


# A batch


TWO = ("--turns", "2", "--no-early-stop", "--max-retries", "0")


@pytest.mark.parametrize("order", [(), ("--ordered",)])
def test_a_provider_that_goes_down_ends_the_run_and_the_same_command_goes_on(
    rise: Program, wire: str, order: tuple[str, ...]
) -> None:
    write(rise, sums(120))
    more = (*TWO, *order, "--concurrency", "8")
    down = [False]

    def plan(seen: Seen) -> Reply | Status:
        down[0] = down[0] or len(server.seen) > 100
        return Status(503, "closed") if down[0] and up[0] == 0 else adding(seen)

    up = [0]
    with Loopback(plan) as server:
        result = batch(rise, wire, server, *more)
        assert result.code == 4
        assert "the provider is down (" in result.err
        assert "failed (503); try again later: closed" in result.err
        done = rows(rise)
        assert f"with {len(done)} of 120 problems done; run the same command again to go on" in result.err
        assert {row["status"] for row in done} == {"ok"}
        assert len(server.seen) <= 101 + AT_LEAST + 2 * 8
        answered, up[0] = server.billed.requests, 1
        assert batch(rise, wire, server, *more).code == 0
        # Not one of the calls that had been answered was made again.
        assert server.billed.requests == 240
    assert answered < 240
    assert sorted(row["id"] for row in rows(rise)) == sorted(f"p{n}" for n in range(120))
    assert turns_of(rows(rise)) == 240
    assert {row["status"] for row in rows(rise)} == {"ok"}


def test_calls_in_flight_are_given_up_when_the_provider_is_down(rise: Program) -> None:
    write(rise, sums(60))

    def plan(seen: Seen) -> Reply | Status:
        slow = any(f" {n} plus" in seen.text for n in range(3))
        return adding(seen, delay_s=600.0) if slow else Status(500)

    with Loopback(plan) as server:
        result = batch(rise, "openai", server, "--max-retries", "0", "--concurrency", "10")
        assert (result.code, "with 0 of 60" in result.err) == (4, True)
        assert len(server.seen) <= AT_LEAST + 2 * 10
    assert [path.name for path in rise.folder.iterdir()] == ["p.jsonl"]  # nothing was kept


def test_a_short_outage_is_survived_by_all_and_costs_those_in_it_a_failed_row(rise: Program) -> None:
    write(rise, sums(300))
    out = range(80, 180)

    def plan(seen: Seen) -> Reply | Status:
        return Status(503) if seen.index in out else adding(seen, delay_s=0.1)

    with Loopback(plan) as server:
        more = ("--turns", "1", "--max-retries", "0", "--concurrency", "150")
        result = batch(rise, "openai", server, *more)
        assert (result.code, "100 of 300 problems failed" in result.err) == (4, True), result.err
    assert sum(row["status"] == "failed" for row in rows(rise)) == 100


def test_a_few_problems_that_all_fail_are_rows_that_say_why(rise: Program) -> None:
    write(rise, sums(AT_LEAST - 1))
    words = ("batch", "p.jsonl", *at("openai", f"{refused_url()}/v1"), "--max-retries", "0")
    result = rise(*words, env=KEYS)
    assert (result.code, "19 of 19 problems failed; --retry-failed" in result.err) == (4, True)
    kept = rows(rise)
    assert all("nothing answers for openai" in row["error"] for row in kept)
    write(rise, sums(AT_LEAST))
    result = rise(*words, "--overwrite", env=KEYS)
    assert (result.code, "with 0 of 20 problems done; run the same command again to go on" in result.err) == (
        4,
        True,
    )
    assert rows(rise) == kept


def test_an_account_without_credit_is_no_row_for_each_problem(rise: Program, wire: str) -> None:
    write(rise, sums(500))
    with Loopback([Status(402, "pay")]) as server:
        result = batch(rise, wire, server, "--concurrency", "20")
        assert len(server.seen) <= AT_LEAST + 2 * 20
    assert (result.code, "has no credit left (402); top it up" in result.err) == (4, True)


def test_a_replay_of_an_outage_asks_nobody_and_has_a_row_for_each(rise: Program) -> None:
    write(rise, sums(15))
    more = ("--turns", "1", "--max-retries", "0")
    with Loopback([Status(500)]) as server:
        assert batch(rise, "openai", server, *more).code == 4
    found = rows(rise)
    write(rise, [{**one, "id": f"{one['id']}-{n}"} for n in range(2) for one in sums(15)])
    lines = [json.dumps({**row, "id": f"{row['id']}-{n}"}) for n in range(2) for row in found]
    write(rise, lines, "was.jsonl")
    result = rise("batch", "p.jsonl", "--replay", "was.jsonl")
    assert (result.code, "30 of 30 problems failed" in result.err) == (4, True), result.err
    assert len(rows(rise, "p.jsonl.replay.jsonl")) == 30


def test_stdout_gets_no_row_that_the_next_run_would_give_again(rise: Program) -> None:
    write(rise, sums(30))
    with Loopback([Status(500)]) as server:
        result = batch(rise, "openai", server, "-o", "-", "--max-retries", "0")
    assert (result.code, result.out) == (4, "")
    assert "name a file with -o to be able to go on" in result.err


def test_a_budget_that_cuts_a_reply_off_keeps_the_problem_for_a_higher_one(rise: Program, wire: str) -> None:
    write(rise, sums(8))
    more = ("--turns", "2", "--no-early-stop", "--concurrency", "3", "--max-tokens", "600")

    def needing(seen: Seen) -> Reply:
        """A reply that takes 500 tokens, and is cut off where it may take fewer."""
        words = " so it is" * 500
        if seen.limit and seen.limit < 500:
            return Reply(words[: 4 * seen.limit], finish="length", fill=False)
        return Reply(f"{words[:1900]}\n{adding(seen).text}")

    with Loopback(needing) as server:
        cap = 5200
        first = batch(rise, wire, server, *more, "--max-tokens-total", str(cap))
        cut = [seen for seen in server.seen if (seen.limit or 0) < 600]
        assert cut, "the cap must come to its end within a call"
        assert (first.code, server.billed.input + server.billed.output <= cap) == (5, True)
        assert {row["status"] for row in rows(rise)} == {"ok"}
        with sqlite3.connect(rise.folder / "p.jsonl.rise.jsonl.journal") as journal:
            kept = [json.loads(text) for (text,) in journal.execute("SELECT completion FROM calls")]
        journal.close()
        assert {one["finish_reason"] for one in kept} <= {"stop"}
        assert batch(rise, wire, server, *more, "--max-tokens-total", "999999").code == 0
        assert len(server.seen) == 16 + len(cut)
    assert {row["correct"] for row in rows(rise)} == {True}
    assert {t["finish_reason"] for row in rows(rise) for t in row["turns"]} == {"stop"}
