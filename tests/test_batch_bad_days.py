"""What may befall a batch besides its provider: how it ends must be said, and no reply paid for twice."""

from __future__ import annotations

import gzip
import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Reply, Seen, Status
from running import KEYS, PLAIN_KEY, Program, Result, at, wait_until

from rise_cli.commands.resuming import same_again

OUT = "p.jsonl.rise.jsonl"


def told(seen: Seen) -> Reply:
    return Reply("Answer: 7")


def lines(number: int) -> str:
    return "".join(json.dumps({"id": f"p{n}", "question": f"Question {n}?"}) + "\n" for n in range(number))


def write(rise: Program, number: int) -> None:
    (rise.folder / "p.jsonl").write_text(lines(number))


def batch(rise: Program, server: Loopback, *more: str, **how: Any) -> Result:
    words = ("batch", "p.jsonl", *at("openai", server), "--max-wait", "0", "--turns", "1")
    return rise(*words, *more, env=KEYS, **how)


def rows(rise: Program, name: str = OUT) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (rise.folder / name).read_text().splitlines()]


def save(rise: Program, rows: list[dict[str, Any]], name: str = OUT) -> None:
    (rise.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


# The summary that cannot be written


@pytest.mark.parametrize("name", [".", "nowhere/s.json"])
def test_a_summary_without_a_place_is_refused_before_anybody_is_asked(rise: Program, name: str) -> None:
    write(rise, 1)
    with Loopback(told) as server:
        result = batch(rise, server, "--summary", name)
        assert not server.seen
    assert (result.code, "cannot write the summary to" in result.err) == (2, True)
    assert not (rise.folder / OUT).exists()


@pytest.mark.parametrize(
    ("says", "more", "code", "words"),
    [
        (told, (), 1, "cannot write the summary to '/dev/full'"),
        (lambda seen: Status(400, "no"), (), 4, "3 of 3 problems failed"),
        (told, ("--max-tokens-total", "1"), 5, "the budget ended the run"),
        (lambda seen: Status(401) if seen.index else told(seen), ("--concurrency", "1"), 3, "the key"),
    ],
    ids=["well", "failed", "budget", "key"],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_a_lost_summary_takes_no_other_exit_code(
    rise: Program, says: Any, more: tuple[str, ...], code: int, words: str
) -> None:
    write(rise, 3)
    with Loopback(says) as server:
        result = batch(rise, server, "--summary", "/dev/full", "-q", *more)
    assert (result.code, "cannot write the summary" in result.err) == (code, True)
    assert words in result.err.splitlines()[-1]


def test_a_dry_run_has_no_summary(rise: Program) -> None:
    write(rise, 1)
    result = rise("batch", "p.jsonl", "--dry-run", "--summary", "s.json", *at("openai", "http://x"), env=KEYS)
    assert (result.code, "leave out --summary" in result.err) == (2, True)


# How to go on


def test_files_that_are_named_like_keys_stay_in_the_command(rise: Program) -> None:
    name = "hf_problems_2026.jsonl"
    (rise.folder / name).write_text(lines(4))
    with Loopback(lambda seen: Reply("Answer: 7", delay_s=0.3)) as server:
        secret = ("--option", f"user={PLAIN_KEY}")
        words = ("batch", name, "-o", "sk-results.jsonl", *at("openai", server), "--concurrency", "1")
        env = {"OPENAI_API_KEY": PLAIN_KEY}
        process = rise.start(*words, *secret, env=env)
        wait_until(lambda: len(server.seen) >= 1)
        process.send_signal(signal.SIGINT)
        result = rise.wait(process, env)
    again = shlex.split(result.err.splitlines()[-1].partition("go on with: ")[2])
    assert (result.code, again) == (130, ["rise", *words, "--option", "user=[hidden]"])


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("--option api_key=abc", "--option 'api_key=[hidden]'"),
        ("--option=auth-token=abc", "'--option=auth-token=[hidden]'"),
        ("--option top_k=4", "--option top_k=4"),
        ("--option x=sk-abcdefgh", "--option 'x=[hidden]'"),
        ("--base-url https://me:pass@host/v1", "--base-url 'https://[hidden]@host/v1'"),
        ("-o token-secret_runs/key=1.jsonl", "-o token-secret_runs/key=1.jsonl"),
        (f"-o {PLAIN_KEY}.jsonl", "-o '[hidden].jsonl'"),
        ("--overwrite --max-tokens 40", "--max-tokens 40"),
    ],
)
def test_what_is_shown_of_a_command_line(word: str, shown: str) -> None:
    assert same_again(["batch", *shlex.split(word)], frozenset({PLAIN_KEY})) == f"rise batch {shown}"


# Rows that somebody has changed


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


@pytest.mark.parametrize(
    "change",
    [
        lambda row: without(row, "stop_reason"),
        lambda row: without(row, "correct"),
        lambda row: without(row, "turns"),
        lambda row: row | {"usage": without(row["usage"], "by_purpose")},
        lambda row: row | {"usage": row["usage"] | {"input_tokens": "9"}},
        lambda row: row | {"stop_reason": ["turns"]},
        lambda row: row | {"cost_usd": "free"},
        lambda row: row | {"turns": [7]},
        lambda row: row | {"status": "failed", "failure": None, "turns": [{"reply": "x"}]},
    ],
)
def test_a_finished_run_does_not_fail_over_the_rows_of_another(rise: Program, change: Any) -> None:
    write(rise, 2)
    with Loopback(told) as server:
        assert batch(rise, server).code == 0
        one, other = rows(rise)
        save(rise, [change(one), other])
        write(rise, 3)
        result = batch(rise, server, "--summary", "s.json")
        assert len(server.seen) == 3
    assert result.code in {0, 4}
    assert "1 row of 'p.jsonl.rise.jsonl' cannot be added up" in result.err
    assert json.loads((rise.folder / "s.json").read_text())["problems"] == 2


def of_turn(**changed: Any) -> Any:
    return lambda row: row | {"turns": [row["turns"][0] | changed]}


@pytest.mark.parametrize(
    "change",
    [
        lambda row: without(row, "model"),
        lambda row: row | {"model": 7},
        lambda row: row | {"settings": row["settings"] | {"kind": "odd"}},
        lambda row: row | {"settings": row["settings"] | {"kind": ["auto"]}},
        lambda row: row | {"settings": row["settings"] | {"turns": ["many"]}},
        of_turn(finish_reason=1),
        of_turn(reasoning=1),
        of_turn(verdict=[]),
        of_turn(latency_s="x"),
        of_turn(logprob="x"),
        of_turn(confidence="x"),
        of_turn(critique=1),
        of_turn(chain="1"),
        lambda row: of_turn(usage=dict.fromkeys(row["turns"][0]["usage"], "1"))(row),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_replay_refuses_a_row_that_it_cannot_read(rise: Program, change: Any, place: int) -> None:
    write(rise, 2)
    with Loopback(told) as server:
        assert batch(rise, server, "--confidence", "asked").code == 0
    found = sorted(rows(rise), key=lambda row: row["index"])
    found[place] = change(found[place])
    save(rise, found)
    result = rise("batch", "p.jsonl", "--replay", OUT)
    # The settings of the first row alone are those of the replay.
    ignored = place == 1 and found[1]["settings"]["turns"] == ["many"]
    assert result.code == (0 if ignored else 2), result.err


# What is told of rows that are not there


def first_never_comes(seen: Seen) -> Reply:
    return Reply("Answer: 7", delay_s=30.0 if "Question 0" in seen.text else 0.0)


def test_the_summary_counts_the_rows_of_the_file_and_no_row_that_waits(rise: Program) -> None:
    write(rise, 6)
    slow = [True]
    with Loopback(lambda seen: first_never_comes(seen) if slow[0] else told(seen)) as server:
        result = batch(
            rise, server, "--ordered", "--deadline", "2", "--concurrency", "6", "--summary", "s.json"
        )
        assert (result.code, len(server.seen)) == (5, 6)
        first = json.loads((rise.folder / "s.json").read_text())
        assert (first["problems"], first["ok"], first["spent_now"]["requests"]) == (0, 0, 6)
        assert "with 0 of 6 problems done" in result.err
        slow[0] = False
        assert batch(rise, server, "--ordered", "--summary", "s.json").code == 0
        assert len(server.seen) == 7
    second = json.loads((rise.folder / "s.json").read_text())
    assert (second["problems"], second["ok"], second["recalled"]) == (6, 6, 5)
    assert [row["index"] for row in rows(rise)] == list(range(6))


def test_what_nobody_knows_is_not_said_to_be_nothing(rise: Program) -> None:
    write(rise, 6)
    with Loopback(first_never_comes) as server:
        result = batch(rise, server, "--ordered", "--deadline", "2", "--concurrency", "6")
    assert "\ncost      not known" in result.err
    assert "\nended" not in result.err


@pytest.mark.parametrize("ordered", [(), ("--ordered",)])
def test_what_was_paid_is_told_also_where_nobody_counted(rise: Program, ordered: tuple[str, ...]) -> None:
    write(rise, 6)
    with Loopback(lambda seen: Status(401) if seen.index == 2 else Reply("Answer: 7", usage=None)) as server:
        result = batch(rise, server, "--concurrency", "1", "--summary", "s.json", *ordered)
    assert result.code == 3
    found = json.loads((rise.folder / "s.json").read_text())
    assert (found["problems"], found["spent_now"]["requests"], found["cost_usd"]) == (2, 3, None)


# A damaged input


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_a_damaged_file_is_found_before_anybody_is_asked(rise: Program, quiet: tuple[str, ...]) -> None:
    packed = gzip.compress(lines(2000).encode())
    (rise.folder / "p.jsonl").write_bytes(packed[: len(packed) // 2])
    with Loopback(told) as server:
        result = batch(rise, server, *quiet)
        assert not server.seen
    assert (result.code, "is damaged after line" in result.err) == (2, True)


def test_what_is_under_way_when_stdin_turns_out_damaged_is_finished(rise: Program) -> None:
    packed = gzip.compress(lines(4).encode(), 0)
    with Loopback(lambda seen: Reply("Answer: 7", delay_s=0.3)) as server:
        words = ("batch", "-", "-o", "out.jsonl", *at("openai", server), "--turns", "2", "--no-early-stop")
        result = rise(*words, "--concurrency", "8", env=KEYS, stdin=packed[:-8])
        assert len(server.seen) == 8
        assert (result.code, "stdin is damaged after line 4" in result.err) == (2, True)
        assert "the run ended with 4 problems done" in result.err
        assert len(rows(rise, "out.jsonl")) == 4
        again = rise(*words, env=KEYS, stdin=gzip.compress(lines(5).encode()))
        assert (again.code, len(server.seen)) == (0, 10)


def test_an_error_that_comes_late_says_how_many_are_done_and_keeps_their_calls(rise: Program) -> None:
    write(rise, 4)
    with Loopback(lambda seen: Status(404, "no") if seen.index == 5 else told(seen)) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "2", "--no-early-stop")
        result = rise(*words, "--concurrency", "1", env=KEYS)
        assert (result.code, "with 2 of 4 problems done, which are kept" in result.err) == (2, True)
        assert rise(*words, env=KEYS).code == 0
        assert len(server.seen) == 6 + 3  # the first turn of the third problem is not asked for again
    assert len(rows(rise)) == 4


# --slim


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        ((), ("--slim",), "was made without --slim; leave it out"),
        (("--slim",), (), "was made with --slim; repeat it"),
    ],
)
def test_a_file_is_slim_or_is_not(
    rise: Program, first: tuple[str, ...], then: tuple[str, ...], words: str
) -> None:
    (rise.folder / "p.jsonl").write_text("no problem\n" + lines(1))
    with Loopback(told) as server:
        assert batch(rise, server, "--ordered", *first).code == 4
        (rise.folder / "p.jsonl").write_text("no problem\n" + lines(2))
        before = (rise.folder / OUT).read_bytes()
        result = batch(rise, server, *then)
        assert (result.code, words in result.err, len(server.seen)) == (2, True, 1)
        assert (rise.folder / OUT).read_bytes() == before
        assert batch(rise, server, *first).code == 4
        assert batch(rise, server, *then, "--overwrite").code == 4


def test_a_replay_that_cannot_begin_leaves_no_file(rise: Program) -> None:
    write(rise, 2)
    with Loopback(told) as server:
        assert batch(rise, server, "--slim").code == 0
    result = rise("batch", "p.jsonl", "--replay", OUT)
    assert (result.code, "was written with --slim" in result.err) == (2, True)
    assert sorted(path.name for path in rise.folder.iterdir()) == ["p.jsonl", OUT]


def test_an_output_that_was_there_stays(rise: Program) -> None:
    write(rise, 2)
    (rise.folder / "out.jsonl").touch()
    with Loopback([Status(401)]) as server:
        assert batch(rise, server, "-o", "out.jsonl").code == 3
    assert (rise.folder / "out.jsonl").exists()
