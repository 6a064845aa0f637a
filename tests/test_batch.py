"""`rise batch` from a file of problems to its rows: what is sent, what is kept, and how it goes on."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from loopback import Loopback, Reply, Seen, Status, Tokens
from running import KEYS, Program, Result, at, wait_until


def adding(seen: Seen, *, delay_s: float = 0.0) -> Reply:
    """The right answer to `sums`, said without confidence, so that every turn is taken."""
    a, b = map(int, re.findall(r"(\d+) plus (\d+)", seen.text)[0])
    return Reply(f"Answer: {a + b}", delay_s=delay_s)


def sums(number: int) -> list[dict[str, Any]]:
    return [
        {"id": f"p{n}", "question": f"How many are {n} plus 1?", "answer": str(n + 1), "level": n}
        for n in range(number)
    ]


def write(rise: Program, problems: list[dict[str, Any]] | list[str], name: str = "p.jsonl") -> Path:
    path = rise.folder / name
    lines = [one if isinstance(one, str) else json.dumps(one) for one in problems]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def batch(rise: Program, wire: str, server: Loopback, *more: str, **how: Any) -> Result:
    return rise("batch", "p.jsonl", *at(wire, server), "--max-wait", "0", *more, env=KEYS, **how)


def rows(rise: Program, name: str = "p.jsonl.rise.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (rise.folder / name).read_text().splitlines()]


def turns_of(found: list[dict[str, Any]]) -> int:
    return sum(len(row["turns"]) for row in found)


# In and out


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_every_problem_gets_its_row(rise: Program, wire: str, stream: str) -> None:
    write(rise, sums(6))
    more = ("--turns", "2", "--no-early-stop", "--price", "1,2", "--summary", "s.json")
    with Loopback(adding) as server:
        result = batch(rise, wire, server, *more, stream)
        assert [seen.streams for seen in server.seen] == [stream == "--stream"] * 12
        billed = server.billed
    found = sorted(rows(rise), key=lambda row: row["index"])
    assert (result.code, result.out) == (0, "")
    validator = jsonschema.Draft202012Validator(rise("schema").record)
    for row in found:
        validator.validate(row)
    assert [row["id"] for row in found] == [f"p{n}" for n in range(6)]
    assert [(row["answer"], row["correct"], row["extra"]) for row in found] == [
        (str(n + 1), True, {"level": n}) for n in range(6)
    ]
    assert {(t["reward"], t["verdict"]) for row in found for t in row["turns"]} == {(1.0, "reference")}
    assert {(row["model"], row["oracle"], row["settings"]["turns"]) for row in found} == {
        (f"{wire}:m-1", False, 2)
    }
    summary = json.loads((rise.folder / "s.json").read_text())
    assert (summary["problems"], summary["ok"], summary["accuracy"], summary["turns"]) == (6, 6, 1.0, 12)
    assert (summary["input_tokens"], summary["output_tokens"]) == (billed.input, billed.output)
    assert summary["cost_usd"] == pytest.approx((billed.input + 2 * billed.output) / 1e6)
    assert re.search(r"^accuracy +100% \(6 of 6 right\)$", result.err, re.M)
    assert sorted(p.name for p in rise.folder.iterdir()) == ["p.jsonl", "p.jsonl.rise.jsonl", "s.json"]


def test_the_reference_is_sent_to_nobody(rise: Program) -> None:
    write(rise, [{"question": "How many are 1 plus 1?", "answer": "98765"}])
    with Loopback(adding) as server:
        assert batch(rise, "openai", server).code == 0
        assert server.seen
        assert not any("98765" in json.dumps(seen.body) for seen in server.seen)
    (row,) = rows(rise)
    assert (row["reference"], row["correct"], row["turns"][0]["reward"]) == ("98765", False, 0.0)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_slow_problem_holds_nobody_up(rise: Program, ordered: bool) -> None:
    write(rise, sums(8))

    def first_is_slow(seen: Seen) -> Reply:
        return adding(seen, delay_s=0.4 if " 0 plus" in seen.text else 0.0)

    with Loopback(first_is_slow) as server:
        more = ("--ordered",) if ordered else ()
        batch(rise, "openai", server, "--turns", "1", "--concurrency", "2", *more)
    order = [row["index"] for row in rows(rise)]
    assert sorted(order) == list(range(8))
    assert order == list(range(8)) if ordered else order[-1] == 0


def test_stdout_takes_rows_without_a_journal(rise: Program) -> None:
    write(rise, sums(3))
    with Loopback(adding) as server:
        result = batch(rise, "openai", server, "-o", "-", "--ordered", "--slim", "--turns", "1")
    found = [json.loads(line) for line in result.out.splitlines()]
    assert [(row["answer"], row["turns"]) for row in found] == [("1", []), ("2", []), ("3", [])]
    assert "without a journal" in result.err
    assert [p.name for p in rise.folder.iterdir()] == ["p.jsonl"]


def test_quiet_says_nothing(rise: Program) -> None:
    write(rise, sums(2))
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, "-q").err == ""


def test_a_terminal_gets_a_bar_and_then_the_summary(rise: Program) -> None:
    write(rise, sums(6))
    with Loopback(lambda seen: adding(seen, delay_s=0.4)) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "1", "--concurrency", "2")
        terminal = rise.terminal(*words, columns=100, env=KEYS)
        terminal.until("/6")
        terminal.until("2 in flight")
        result = terminal.end()
    assert result.code == 0
    assert "accuracy  100% (6 of 6 right)" in result.out
    assert result.out.count("\x1b[?25l") == result.out.count("\x1b[?25h")


def test_problems_come_from_stdin_and_other_fields(rise: Program) -> None:
    text = json.dumps({"text": "How many are 2 plus 2?", "gold": "so it is #### 4", "key": 7})
    fields = ("--question-field", "text", "--reference-field", "gold", "--id-field", "key")
    with Loopback(adding) as server:
        to = at("openai", server)
        result = rise("batch", "-", "-o", "out.jsonl", *to, *fields, "--turns", "1", env=KEYS, stdin=text)
        unnamed = rise("batch", "-", *to, env=KEYS, stdin=text)
    (row,) = rows(rise, "out.jsonl")
    assert (result.code, row["id"], row["reference"], row["correct"]) == (0, "7", "4", True)
    assert (unnamed.code, "name it with -o" in unnamed.err) == (2, True)


def test_a_pipe_that_waits_holds_nobody_up_and_can_be_interrupted(rise: Program) -> None:
    with Loopback(adding) as server:
        words = ("batch", "-", "-o", "out.jsonl", *at("openai", server), "--turns", "1")
        process = rise.start(*words, env=KEYS, stdin=True)
        assert process.stdin is not None
        process.stdin.write((json.dumps(sums(1)[0]) + "\n").encode())
        process.stdin.flush()
        out = rise.folder / "out.jsonl"
        wait_until(lambda: out.exists() and out.read_text().endswith("\n"))
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None)
        result = rise.wait(process, KEYS)
    assert (result.code, "Fatal" in result.err) == (130, False), result.err
    assert [row["id"] for row in rows(rise, "out.jsonl")] == ["p0"]


# Bad lines and failed problems


def test_a_bad_line_is_told_and_becomes_a_failed_row(rise: Program) -> None:
    problems = [json.dumps(one) for one in sums(2)]
    write(rise, [problems[0], "not json", '{"id": "p0", "question": "Again?"}', '{"id": "x"}', problems[1]])
    with Loopback(adding) as server:
        result = batch(rise, "openai", server, "--turns", "1", "--ordered", "--summary", "s.json")
        calls = len(server.seen)
        again = batch(rise, "openai", server, "--turns", "1", "--ordered")
        assert (again.code, len(server.seen)) == (4, calls)
    found = rows(rise)
    assert [row["id"] for row in found] == ["p0", "!line-2", "!line-3", "x", "p1"]
    assert [row["index"] for row in found] == [0, 1, 2, 3, 4]
    assert [row["status"] for row in found] == ["ok", "failed", "failed", "failed", "ok"]
    assert result.code == 4
    for row, line in zip(found[1:4], (2, 3, 4), strict=True):
        assert row["error"].startswith(f"line {line}: ")
        assert row["error"] in result.err
    assert json.loads((rise.folder / "s.json").read_text())["failures"] == {"input": 3}


def test_fail_fast_stops_at_a_bad_line(rise: Program) -> None:
    write(rise, ["not json", *map(json.dumps, sums(1))])
    with Loopback(adding) as server:
        result = batch(rise, "openai", server, "--fail-fast")
        assert not server.seen
    assert (result.code, "line 1: this is not JSON" in result.err) == (2, True)


def test_failed_problems_are_tried_again_when_asked(rise: Program, wire: str) -> None:
    write(rise, sums(4))
    unwell = [True]

    def refusing(seen: Seen) -> Reply | Status:
        return Status(400, "no thanks") if unwell[0] and " 2 plus" in seen.text else adding(seen)

    with Loopback(refusing) as server:
        result = batch(rise, wire, server, "--turns", "1")
        assert (result.code, "1 of 4 problems failed" in result.err) == (4, True)
        failed = [row for row in rows(rise) if row["status"] == "failed"]
        assert [(row["id"], row["correct"]) for row in failed] == [("p2", None)]
        assert "no thanks" in failed[0]["error"]
        unwell[0] = False
        assert batch(rise, wire, server, "--turns", "1").code == 4
        assert len(server.seen) == 4
        assert batch(rise, wire, server, "--turns", "1", "--retry-failed").code == 0
        assert len(server.seen) == 5
    assert sorted(row["id"] for row in rows(rise)) == ["p0", "p1", "p2", "p3"]


# Going on


def test_calls_of_an_interrupted_run_are_not_made_again(rise: Program, wire: str) -> None:
    write(rise, sums(10))
    more = ("--turns", "3", "--no-early-stop", "--concurrency", "2")

    refused: list[int] = []

    def plan(seen: Seen) -> Reply | Status:
        # The second turn of a problem, so that its first one is in the journal.
        if (
            not refused
            and " 5 plus" in seen.text
            and "assistant" in {m["role"] for m in seen.body["messages"]}
        ):
            refused.append(seen.index)
            return Status(401)
        return adding(seen)

    with Loopback(plan) as server:
        assert batch(rise, wire, server, *more).code == 3
        # What the other problem under way sent while the refusal was on its way.
        assert len(server.seen) <= refused[0] + 4
        assert 0 < len(rows(rise)) < 10
        journal = rise.folder / "p.jsonl.rise.jsonl.journal"
        assert journal.stat().st_mode & 0o777 == 0o600
        assert batch(rise, wire, server, *more).code == 0
        answered = len(server.seen) - 1
        # The one beside the refusal may have been answered, too, and was cancelled.
        assert 30 <= answered <= 31
    found = rows(rise)
    assert sorted(row["id"] for row in found) == sorted(f"p{n}" for n in range(10))
    assert turns_of(found) == 30
    assert not list(rise.folder.glob("*.journal*"))


def reviewing(seen: Seen) -> Reply:
    if "Proposed answer" in seen.text:
        return Reply("Confidence: 60%", delay_s=0.02)
    asked = seen.body["messages"][-1]["content"]
    return (
        Reply("Check the carry.", delay_s=0.02)
        if "Review the answer" in asked
        else adding(seen, delay_s=0.02)
    )


@pytest.mark.parametrize(
    ("more", "calls"),
    [
        (("--prompt", "refine", "--confidence", "asked", "--turns", "2"), 5),
        (("--prompt", "aggregate", "--samples", "2", "--draw", "1", "--turns", "2"), 4),
    ],
)
def test_a_kill_in_a_critique_a_rating_or_a_draw_repeats_no_call(
    rise: Program, more: tuple[str, ...], calls: int
) -> None:
    write(rise, sums(8))
    with Loopback(reviewing) as server:
        words = ("batch", "p.jsonl", *at("openai", server), *more, "--no-early-stop", "-q")
        words = (*words, "--concurrency", "2")
        for until in (7, 16):
            process = rise.start(*words, env=KEYS)
            wait_until(lambda p=process, n=until: len(server.seen) >= n or p.poll() is not None)  # type: ignore[misc]
            assert process.poll() is None
            process.kill()
            process.communicate()
        assert rise(*words, env=KEYS).code == 0
        sent = len(server.seen)
    found = rows(rise)
    assert len(found) == 8
    assert {sum(row["usage"]["by_purpose"].values()) for row in found} == {calls}
    assert sent - 8 * calls <= 2 * 2  # what was in flight
    if "refine" in more:
        assert {row["turns"][1]["critique"] for row in found} == {"Check the carry."}
        assert {turn["confidence"] for row in found for turn in row["turns"]} == {0.6}


def test_ctrl_c_finishes_the_calls_in_flight_and_tells_how_to_go_on(rise: Program) -> None:
    write(rise, sums(12))
    with Loopback(lambda seen: adding(seen, delay_s=0.2)) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "2", "--no-early-stop")
        process = rise.start(*words, "--overwrite", "--concurrency", "4", env=KEYS)
        wait_until(lambda: len(server.seen) >= 6)
        process.send_signal(signal.SIGINT)
        result = rise.wait(process, KEYS)
        assert (result.code, len(server.seen) < 24) == (130, True)
        told = result.err.splitlines()[-1].partition("go on with: ")[2]
        again = shlex.split(told)
        assert again == ["rise", *words, "--concurrency", "4"]
        assert rise(*again[1:], env=KEYS).code == 0
        assert len(server.seen) == 24
    assert turns_of(rows(rise)) == 24


def test_a_second_ctrl_c_ends_at_once(rise: Program) -> None:
    write(rise, sums(2))
    with Loopback(lambda seen: adding(seen, delay_s=30.0)) as server:
        process = rise.start("batch", "p.jsonl", *at("openai", server), env=KEYS)
        wait_until(lambda: len(server.seen) >= 2)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        for line in process.stderr:
            if b"stopping: 2 calls in flight may finish for 10 s" in line:
                break
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None)
        assert rise.wait(process, KEYS).code == 130


def test_a_reader_of_stdout_that_is_stuck_holds_up_no_call_and_no_ctrl_c(rise: Program) -> None:
    write(rise, sums(60))
    long = Reply("x" * 100_000 + "\nAnswer: 3")  # each more than a pipe holds
    with Loopback(lambda seen: long) as server:
        words = ("batch", "p.jsonl", "-o", "-", *at("openai", server), "--turns", "2", "--no-early-stop")
        process = rise.start(*words, "--concurrency", "4", env=KEYS)
        wait_until(lambda: len(server.seen) >= 12)  # of three rows at least, and one fills the pipe
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert any(b"Ctrl-C again ends now" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None)
        assert rise.wait(process, KEYS).code == 130
        assert len(server.seen) < 60


def test_a_reader_of_stdout_who_leaves_ends_the_run_and_is_told_of(rise: Program) -> None:
    write(rise, sums(400))
    with Loopback(adding) as server:
        words = ("batch", "p.jsonl", "-o", "-", *at("openai", server), *("--turns", "1"))
        process = rise.start(*words, "--concurrency", "2", env=KEYS)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["answer"]
        process.stdout.close()
        wait_until(lambda: process.poll() is not None)
        assert process.stderr is not None
        told = process.stderr.read().decode()
        process.stderr.close()
        assert len(server.seen) < 400
    assert process.returncode == 141
    assert re.search(
        r"rise: who read stdout has left: the run ended with \d+ of 400 problems done$", told.strip()
    )


def test_a_closed_stdout_is_refused_before_anybody_is_asked(rise: Program) -> None:
    write(rise, sums(1))
    with Loopback(adding) as server:
        words = ("batch", "p.jsonl", "-o", "-", *at("openai", server))
        result = rise.wait(rise.start(*words, env=KEYS, shell='"$@" >&-'))
        assert (result.code, server.seen) == (2, [])
    assert "stdout is closed, and all rows would be lost" in result.err


def test_a_second_ctrl_c_gives_the_terminal_back(rise: Program) -> None:
    write(rise, sums(2))
    with Loopback(lambda seen: adding(seen, delay_s=30.0)) as server:
        terminal = rise.terminal("batch", "p.jsonl", *at("openai", server), columns=200, env=KEYS)
        terminal.until("2 of 20 in flight")
        terminal.press("c")
        terminal.until("stopping: 2 calls in flight may finish for 10 s; Ctrl-C again ends now; go on with:")
        terminal.press("c")
        result = terminal.end()
    assert result.code == 130
    assert result.out.rindex("\x1b[?25h") > result.out.rindex("\x1b[?25l")


def test_other_settings_are_refused(rise: Program) -> None:
    write(rise, sums(2))
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, "--turns", "2").code == 0
        before = len(server.seen)
        result = batch(rise, "openai", server, "--turns", "3")
        assert (result.code, "--turns 2 (now 3)" in result.err) == (2, True)
        harmless = (
            "--concurrency",
            "3",
            "--timeout",
            "9",
            "--max-retries",
            "1",
            "--max-tokens-total",
            "9999",
        )
        assert batch(rise, "openai", server, "--turns", "2", *harmless).code == 0
        assert len(server.seen) == before
        assert batch(rise, "openai", server, "--turns", "3", "--overwrite").code == 0
    assert {row["settings"]["turns"] for row in rows(rise)} == {3}


def test_an_edited_protocol_is_another_setting(rise: Program) -> None:
    write(rise, sums(1))
    rise("prompts", "copy", "introspect", "mine")
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, "--prompt", "./mine").code == 0
        template = next((rise.folder / "mine").glob("question*"))
        template.write_text(template.read_text() + "\nPlease.")
        result = batch(rise, "openai", server, "--prompt", "./mine")
    assert (result.code, '--prompt "mine@' in result.err) == (2, True)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["-o", "p.jsonl"], "is what is read"),
        (["-o", "-", "--overwrite"], "no earlier rows on stdout"),
        (["--overwrite", "--retry-failed"], "exclude each other"),
        (["-q", "-v"], "exclude each other"),
        (["-o", "nowhere/out.jsonl"], "cannot write to"),
        (["-o", "x" * 300], "cannot write to"),
        (["--summary", "x" * 300], "cannot write the summary to"),
        (["--summary", "-"], "takes the name of a file, not '-'"),
        (["--replay", "nowhere.jsonl"], "cannot read 'nowhere.jsonl'"),
        (["--replay", "p.jsonl"], "is not a rise.trajectory/1 row"),
    ],
)
def test_wrong_usage_is_told_before_anybody_is_asked(rise: Program, more: list[str], words: str) -> None:
    write(rise, sums(1))
    with Loopback(adding) as server:
        result = batch(rise, "openai", server, *more)
        assert server.connections == 0
    assert result.code == 2
    assert words in result.err


# Spending


def test_a_wrong_key_stops_at_the_first_answer(rise: Program, wire: str) -> None:
    write(rise, sums(200))
    # Those that are under way by then have the same key: nothing was paid for, and nothing is added up.
    with Loopback(lambda seen: adding(seen, delay_s=9.0) if seen.index else Status(401)) as server:
        result = batch(rise, wire, server, "--concurrency", "5")
        assert len(server.seen) <= 5
    assert (result.code, "refused the key" in result.err) == (3, True)
    assert not re.search("^(problems|tokens|this run) ", result.err, re.M)
    assert [path.name for path in rise.folder.iterdir()] == ["p.jsonl"]


def test_a_budget_holds_over_all_calls_and_a_higher_one_goes_on(rise: Program, wire: str) -> None:
    write(rise, sums(30))
    more = ("--turns", "1", "--concurrency", "30", "--max-tokens", "200", "--kind", "number")

    def filling(seen: Seen) -> Reply:
        return Reply(adding(seen).text, usage=Tokens(40, seen.limit or 1024))

    with Loopback(filling) as server:
        result = batch(rise, wire, server, *more, "--max-tokens-total", "5000")
        assert (result.code, "the budget ended the run" in result.err) == (5, True)
        assert 0 < server.billed.input + server.billed.output <= 5000
        first = len(server.seen)
        assert {row["status"] for row in rows(rise)} == {"ok"}
        assert batch(rise, wire, server, *more, "--max-tokens-total", "500000").code == 0
        assert first < len(server.seen) == 30
    assert len(rows(rise)) == 30


# Replay


def test_replay_votes_again_with_no_network_and_no_key(rise: Program) -> None:
    write(rise, sums(2))
    said = {1: ("5", 95), 2: ("5", 50), 3: ("7", 95), 4: ("7", 95)}

    def wavering(seen: Seen) -> Reply:
        turn = next(counts[" 0 plus" in seen.text])
        answer, sure = said[turn]
        return Reply(f"Answer: {answer}\nConfidence: {sure}%")

    counts = {True: iter(range(1, 9)), False: iter(range(1, 9))}
    with Loopback(wavering) as server:
        assert batch(rise, "openai", server, "--turns", "4", "--no-early-stop").code == 0

    def answers(*rules: str) -> set[tuple[str, str, int]]:
        result = rise("batch", "p.jsonl", "--replay", "p.jsonl.rise.jsonl", "--overwrite", *rules)
        assert result.code == 0, result.err
        found = rows(rise, "p.jsonl.replay.jsonl")
        assert {row["model"] for row in found} == {"openai:m-1"}
        return {(row["answer"], row["stop_reason"], len(row["turns"])) for row in found}

    assert answers() == {("7", "turns", 4)}
    assert answers("--vote", "first") == {("5", "turns", 4)}
    assert answers("--early-stop", "--patience", "1") == {("5", "confident", 1)}
    assert answers("--turns", "6") == {("7", "unrecorded", 5)}


def replayed(rise: Program, *rules: str) -> Result:
    return rise("batch", "p.jsonl", "--replay", "p.jsonl.rise.jsonl", "--overwrite", *rules)


def test_critiques_ratings_and_rounds_are_replayed(rise: Program) -> None:
    write(rise, sums(2))
    rounds = "## Round 1\nAnswer: 5\nConfidence: 50%\n\n## Round 2\nAnswer: 6\nConfidence: 90%"
    for server_says, more in (
        (reviewing, ("--prompt", "refine", "--confidence", "asked", "--turns", "2", "--no-early-stop")),
        (lambda seen: Reply(rounds), ("--prompt", "single-call", "--vote", "last")),
    ):
        with Loopback(server_says) as server:
            assert batch(rise, "openai", server, *more, "--overwrite").code == 0
        was = {row["id"]: row for row in rows(rise)}
        assert replayed(rise).code == 0
        for row in rows(rise, "p.jsonl.replay.jsonl"):
            of_old = was[row["id"]]
            assert (row["answer"], row["stop_reason"]) == (of_old["answer"], of_old["stop_reason"])
            for now, then in zip(row["turns"], of_old["turns"], strict=True):
                for name in ("chain", "turn", "answer", "critique", "reply"):
                    assert now[name] == then[name]
                assert now["confidence"] == pytest.approx(then["confidence"])
    result = replayed(rise, "--vote", "first")
    assert (result.code, {row["answer"] for row in rows(rise, "p.jsonl.replay.jsonl")}) == (0, {"5"})


def test_a_replay_gives_no_reply_to_another_question_and_passes_over_a_torn_row(rise: Program) -> None:
    write(rise, [*sums(2), {**sums(3)[2], "context": "A page."}, *sums(5)[3:]])
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, "--turns", "1", "--ordered").code == 0
    path = rise.folder / "p.jsonl.rise.jsonl"
    path.write_bytes(path.read_bytes()[:-50])
    write(rise, [sums(1)[0], {**sums(2)[1], "question": "How many are 7 plus 1?"}, *sums(5)[2:]])
    result = replayed(rise, "--ordered")
    assert (result.code, "line 5 of 'p.jsonl.rise.jsonl' was torn" in result.err) == (4, True)
    found = [
        (row["answer"], row["stop_reason"], row["failure"]) for row in rows(rise, "p.jsonl.replay.jsonl")
    ]
    never = (None, "unrecorded", "unrecorded")
    assert found == [("1", "turns", None), never, never, ("4", "turns", None), never]


def test_a_replay_refuses_what_no_record_can_answer(rise: Program) -> None:
    write(rise, sums(2))
    counted = iter(range(100))

    def picking(seen: Seen) -> Reply:
        return (
            Reply("Response 1") if "Select the response" in seen.text else Reply(f"Answer: {next(counted)}")
        )

    with Loopback(picking) as server:
        result = batch(rise, "openai", server, "--vote", "consistent", "--turns", "2")
    assert result.code == 0, result.err
    assert {row["usage"]["by_purpose"]["select"] for row in rows(rise)} == {1}
    for rules, words in (
        ((), "--vote consistent asks the model; name another"),
        (("--vote", "consistent"), "--vote consistent asks the model; name another"),
        (("--kind", "text", "--vote", "entropy"), "--vote entropy needs the entropies"),
        (("--vote", "majority", "--confidence", "asked"), "recorded with --confidence stated"),
        (("--vote", "majority", "--prompt", "refine"), "--prompt refine needs critiques"),
    ):
        refused = replayed(rise, *rules)
        assert (refused.code, refused.out) == (2, "")
        assert words in refused.err
    assert not (rise.folder / "p.jsonl.replay.jsonl").exists()
    assert replayed(rise, "--vote", "majority").code == 0
