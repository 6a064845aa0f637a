"""Bad input and bad days: a clear line, the right exit code, nothing lost, over both wires."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from email.utils import formatdate
from time import time
from typing import Any

import pytest
from loopback import (
    Cut,
    Empty,
    Fault,
    Loopback,
    Malformed,
    Reply,
    Reset,
    Seen,
    Stall,
    Status,
    StreamError,
    refused_url,
)
from running import KEYS, Program, Result, at, wait_until

EIGHT = Reply("Count: 3 and 5.\nAnswer: 8\nConfidence: 50%")
QUESTION = "How many are 3 and 5?"
STREAMS = pytest.mark.parametrize("stream", ["--stream", "--no-stream"])


def ask(rise: Program, wire: str, server: Loopback | str, *more: str, **how: Any) -> Result:
    """Ask over `wire`; a retry waits for nothing unless `more` says otherwise."""
    return rise("ask", QUESTION, *at(wire, server), "--max-wait", "0", *more, env=KEYS, **how)


def one_line(result: Result) -> str:
    """What a failed run says: one line, ours, and nothing on stdout."""
    assert result.out == ""
    assert result.err.startswith("rise: ")
    assert result.err.endswith("\n")
    assert result.err.count("\n") == 1, result.err
    return result.err


# Wrong input: nobody is asked


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        ([""], b"", "the question is empty"),
        (["  \n"], b"", "the question is empty"),
        ([], b"", "the question is empty"),
        (["-"], b" \n", "the question is empty"),
        (["-"], b"caf\xe9?", "not UTF-8 (byte 3 is 0xe9)"),
        (["-"], b"\xff\xfeh\x00i\x00", "not UTF-8"),
        (["-"], b"what\x00?", "NUL byte at position 4"),
        (["x?", "--context", "-"], b"caf\xe9", "the context on stdin is not UTF-8"),
        (["x?", "--turns", "0"], b"", "--turns must be a whole number between 1 and 50, not 0"),
        (["x?", "--turns", "51"], b"", "--turns must be a whole number between 1 and 50, not 51"),
        (["x?", "--threshold", "1.5"], b"", "--threshold must be a number between 0 and 1, not 1.5"),
        (["x?", "--samples", "0"], b"", "--samples must be"),
        (["x?", "--window", "-1"], b"", "--window must be"),
        (["x?", "--vote", "loudest"], b"", "--vote must be one of 'majority'"),
        (["x?", "--max-cost", "-1"], b"", "--max-cost must be"),
        (["x?", "--prompt", "introspec"], b"", "no protocol named 'introspec'; did you mean 'introspect'?"),
        (["x?", "--prompt", "./nowhere"], b"", "no protocol named './nowhere'"),
        (["x?", "--role", "maths"], b"", "no role named 'maths'; did you mean 'math'?"),
        (["x?", "--prompt", "sample", "--turns", "3"], b"", "use --samples 3"),
        (["x?", "--option", "n=3"], b"", "--option cannot set 'n'"),
        (["x?", "--option", "a=\udcff"], b"", "--option must be NAME=VALUE"),
        (["x?", "--check", "'"], b"", "cannot be split into words"),
    ],
)
def test_wrong_input_is_told_before_anybody_is_asked(
    rise: Program, arguments: list[str], stdin: bytes, words: str
) -> None:
    with Loopback() as server:
        result = rise("ask", *arguments, *at("openai", server), env=KEYS, stdin=stdin)
        assert server.connections == 0
    assert words in one_line(result)
    assert result.code == 2


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("opnai:gpt", "unknown provider 'opnai' in 'opnai:gpt'; did you mean 'openai'?"),
        ("gpt-6", "write the model as provider:model instead of 'gpt-6'"),
        ("scripted:", "name a file"),
        ("scripted:nowhere.jsonl", "cannot read the script 'nowhere.jsonl'"),
        ("ollama:", "name a model"),
    ],
)
def test_a_model_that_cannot_be(rise: Program, model: str, words: str) -> None:
    result = rise("ask", QUESTION, "-m", model)
    assert words in one_line(result)
    assert result.code == 2


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://x/v1", "http://", "http://[::1", "http://a b/", "http://x:y/", "http://..",
            "http://127.0.0.1:99999", f"http://{'a' * 300}/"]
)  # fmt: skip
def test_a_base_url_that_is_none(rise: Program, wire: str, url: str) -> None:
    flag = rise("ask", QUESTION, *at(wire, url), env=KEYS)
    variable = rise("ask", QUESTION, "-m", f"{wire}:m", env=KEYS | {f"{wire.upper()}_BASE_URL": url or "x"})
    assert (flag.code, variable.code) == (2, 2)
    assert "--base-url must be an http:// or https:// address" in one_line(flag)
    assert "write the base URL as http://host:port/path" in one_line(variable)


def test_a_folder_that_is_gone(rise: Program) -> None:
    result = rise.run("ask", QUESTION, "-m", "openai:m", shell='mkdir x && cd x && rmdir ../x && "$@"')
    assert "the current folder cannot be read" in one_line(result)
    assert result.code == 3


def test_options_that_are_no_options(rise: Program) -> None:
    result = rise("ask", QUESTION, "--turn", "3")
    assert (result.code, result.out) == (2, "")
    assert "--turns" in result.err


def test_an_argument_that_is_not_utf8(rise: Program) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "rise_cli", "ask", b"caf\xe9?", "-m", "openai:m"],
        env=rise.env | KEYS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert process.returncode == 2
    assert b"the question is not UTF-8 (byte 3 is 0xe9)" in process.stderr


def test_a_missing_key(rise: Program, wire: str) -> None:
    result = rise("ask", QUESTION, "-m", f"{wire}:m-1")
    assert f"no key for {wire}: set {wire.upper()}_API_KEY" in one_line(result)
    assert result.code == 3


@pytest.mark.parametrize("stdin", [None, "x" * 100])
def test_a_key_that_no_header_can_carry(rise: Program, wire: str, stdin: str | None) -> None:
    result = rise(
        "ask", QUESTION, "-m", f"{wire}:m-1", env={f"{wire.upper()}_API_KEY": "sk-ab\ncd"}, stdin=stdin
    )
    assert f"{wire.upper()}_API_KEY" in one_line(result)
    assert result.code == 3


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@STREAMS
def test_a_question_of_ten_megabytes_arrives_whole(rise: Program, wire: str, stream: str) -> None:
    question = "How many are 3 and 5? " + "0123456789abcde\n" * 655_360 + "?"
    with Loopback([EIGHT]) as server:
        result = rise("ask", *at(wire, server), stream, "--turns", "2", env=KEYS, stdin=question)
        assert all(question in seen.text for seen in server.seen)
        assert len(server.seen) == 2
    assert (result.code, result.out, result.err) == (0, "8\n", "")


# What a provider refuses


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, 3, "refused the key (401); check the key in {KEY}"),
        (403, 3, "refused the key (403); check the key in {KEY}"),
        (404, 2, "has no model 'm-1'"),
        (400, 1, "rejected the request (400)"),
        (402, 1, "has no credit left (402)"),
        (413, 1, "the input is too long for 'm-1'"),
        (422, 1, "rejected the request (422)"),
    ],
)
def test_a_refusal_is_final(rise: Program, wire: str, status: int, code: int, words: str) -> None:
    with Loopback([Status(status, "so says the server")]) as server:
        result = ask(rise, wire, server)
        assert len(server.seen) == 1
    line = one_line(result)
    assert words.format(KEY=f"{wire.upper()}_API_KEY") in line
    assert "so says the server" in line
    assert result.code == code


TOO_LONG = {
    "openai": Status(
        400, "This model's maximum context length is 8192 tokens", code="context_length_exceeded"
    ),
    "anthropic": Status(400, "prompt is too long: 210000 tokens > 200000 maximum"),
}


def test_a_question_that_is_too_long_for_the_model(rise: Program, wire: str) -> None:
    with Loopback([TOO_LONG[wire]]) as server:
        result = ask(rise, wire, server)
        assert len(server.seen) == 1
    assert "the input is too long for 'm-1'; shorten the question or --window" in one_line(result)
    assert result.code == 1


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply("I cannot help with that.", finish="refusal"), "refusal"),
        (Reply("", finish="stop"), "empty"),
        (Reply("   \n", finish="stop"), "empty"),
        (Reply("Answer: 8 and so", finish="length"), "length"),
    ],
)
@STREAMS
def test_a_reply_of_no_use_does_not_vote_and_is_not_retried(
    rise: Program, wire: str, stream: str, reply: Reply, words: str
) -> None:
    with Loopback([reply, EIGHT, reply]) as server:
        result = ask(rise, wire, server, stream, "--turns", "3", "--json")
        assert len(server.seen) == 3
    turns = result.record["turns"]
    assert (result.code, result.record["answer"], result.record["votes"][0]["count"]) == (0, "8", 1)
    assert [turn["failure"] for turn in turns] == [words, None, words]
    with Loopback([reply]) as server:
        result = ask(rise, wire, server, stream, "--turns", "2")
    assert f"the reply is of no use ({words})" in one_line(result)
    assert result.code == 1


# What may work later


TROUBLE: dict[str, Fault] = {
    "500": Status(500),
    "502": Status(502, body="<html>Bad Gateway</html>"),
    "503": Status(503),
    "529": Status(529),
    "429": Status(429),
    "408": Status(408),
    "reset": Reset(),
    "closed": Reset(politely=True),
    "cut": Cut(reply=EIGHT),
    "malformed": Malformed(),
    "no JSON": Malformed(b"<html>hello</html>"),
    "another JSON": Malformed(b'["hello"]'),
    "empty": Empty(),
    "error in the stream": StreamError({"type": "overloaded_error", "message": "overloaded"}),
}


@STREAMS
@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_is_retried_and_told(rise: Program, wire: str, stream: str, name: str) -> None:
    with Loopback([TROUBLE[name], EIGHT]) as server:
        result = ask(rise, wire, server, stream, "--turns", "1")
        assert len(server.seen) == 2
    assert (result.code, result.out) == (0, "8\n")
    assert result.err.count("\n") == 1
    assert "; retry 1 of 6 in 0.0 s" in result.err


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_that_does_not_end_is_one_clear_line(rise: Program, wire: str, name: str) -> None:
    with Loopback([TROUBLE[name]]) as server:
        result = ask(rise, wire, server, "--stream", "--max-retries", "1", "-q")
        assert len(server.seen) == 2
    assert "no turn gave a usable answer: after 2 attempts: " in one_line(result)
    assert wire in result.err
    assert result.code == 1


def test_nobody_is_there(rise: Program, wire: str) -> None:
    result = ask(rise, wire, refused_url(), "--max-retries", "1", "-q")
    assert f"nothing answers for {wire} at 'http://127.0.0.1:" in one_line(result)
    assert result.code == 1


@STREAMS
def test_a_stall_is_given_up_and_retried(rise: Program, wire: str, stream: str) -> None:
    with Loopback([Stall(seconds=60), EIGHT]) as server:
        result = ask(rise, wire, server, stream, "--turns", "1", "--timeout", "0.4")
    assert (result.code, result.out) == (0, "8\n")
    assert "no reply in time; retry 1 of 6" in result.err


def test_a_stall_that_does_not_end(rise: Program, wire: str) -> None:
    with Loopback([Stall(seconds=60)]) as server:
        result = ask(rise, wire, server, "--stream", "--timeout", "0.2", "--max-retries", "1", "-q")
        assert len(server.seen) == 2
    assert "gave no complete reply within 0.2 s; try again, or raise --timeout" in one_line(result)
    assert result.code == 1


# Retry-After


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"retry-after": "1"}, "1.0"),
        ({"retry-after-ms": "300"}, "0.3"),
        ({"retry-after-ms": "200", "retry-after": "9"}, "0.2"),
        ({"retry-after": "Fri, 01 Jan 2021 00:00:00 GMT"}, "0.0"),
        ({}, "0.0"),
        ({"retry-after": "soon"}, "0.0"),
        ({"retry-after": "-5"}, "0.0"),
        ({"retry-after": "nan"}, "0.0"),
    ],
)
def test_retry_after_is_what_is_waited(rise: Program, wire: str, headers: dict[str, str], pause: str) -> None:
    with Loopback([Status(429, headers=headers), EIGHT]) as server:
        # No random pause is longer than --max-wait, so that what was asked for is the longest.
        result = ask(rise, wire, server, "--turns", "1", "--max-wait", pause)
    assert (result.code, result.out) == (0, "8\n")
    assert result.err == f"rise: provider says 429; retry 1 of 6 in {pause} s\n"


def test_retry_after_may_be_a_date(rise: Program, wire: str) -> None:
    def script(seen: Seen) -> Reply | Status:
        when = formatdate(time() + 1.5, usegmt=True)
        return EIGHT if seen.index else Status(429, headers={"retry-after": when})

    with Loopback(script) as server:
        result = ask(rise, wire, server, "--turns", "1", "--max-wait", "3")
    assert (result.code, result.out) == (0, "8\n")
    assert "provider says 429; retry 1 of 6 in " in result.err


@pytest.mark.parametrize("value", ["86400", "1e300", "Fri, 31 Dec 2199 23:59:59 GMT"])
def test_an_absurd_retry_after_is_not_sat_out(rise: Program, wire: str, value: str) -> None:
    with Loopback([Status(429, headers={"retry-after": value})]) as server:
        result = ask(rise, wire, server, "--max-wait", "5")
        assert len(server.seen) == 1
    assert "the provider asks to wait " in one_line(result)
    assert "--max-wait is 5" in result.err
    assert len(result.err) < 400
    assert result.code == 1


# Nothing is lost


def test_a_stream_that_ends_as_if_complete_is_no_reply(rise: Program, wire: str) -> None:
    # Its connection may be reused before it is seen to be closed, which takes a further attempt.
    with Loopback([Cut(reply=EIGHT, politely=True), EIGHT]) as server:
        result = ask(rise, wire, server, "--stream", "--turns", "1")
    assert (result.code, result.out) == (0, "8\n")
    assert "the reply could not be read; retry 1 of 6" in result.err


@pytest.mark.parametrize("fault", [Status(500, "down"), Status(400, "odd"), Reset()])
def test_a_provider_that_fails_in_turn_three_leaves_the_vote_so_far(
    rise: Program, wire: str, fault: Fault
) -> None:
    with Loopback([EIGHT, EIGHT, fault]) as server:
        result = ask(rise, wire, server, "--max-retries", "1", "-q", "--turns", "9")
    assert (result.code, result.out) == (1, "8\n")
    assert "the provider failed (" in result.err
    assert "the vote so far is '8' with 2 of 2 votes" in result.err


@pytest.mark.parametrize(("status", "code"), [(401, 3), (404, 2)])
def test_a_key_or_a_model_that_is_gone_in_turn_three_leaves_the_vote_so_far(
    rise: Program, wire: str, status: int, code: int
) -> None:
    with Loopback([EIGHT, EIGHT, Status(status)]) as server:
        result = ask(rise, wire, server, "--turns", "9")
        assert len(server.seen) == 3
    assert result.code == code
    assert "the vote so far is '8' with 2 of 2 votes" in one_line(result)
    with Loopback([EIGHT, EIGHT, Status(status)]) as server:
        record = ask(rise, wire, server, "--turns", "9", "--json").record
    assert (record["answer"], record["stop_reason"], len(record["turns"])) == ("8", "error", 2)


def test_the_deadline_leaves_the_vote_so_far(rise: Program, wire: str) -> None:
    with Loopback([EIGHT, EIGHT, Stall(seconds=60)]) as server:
        result = ask(rise, wire, server, "--deadline", "2", "--turns", "9")
        assert len(server.seen) == 3
    assert (result.code, result.out) == (5, "8\n")
    assert "the deadline ended the run; the vote so far is '8' with 2 of 2 votes" in result.err


def test_the_deadline_in_turn_one(rise: Program, wire: str) -> None:
    with Loopback([Stall(seconds=60)]) as server:
        result = ask(rise, wire, server, "--deadline", "0.3")
    assert "no turn gave an answer before that" in one_line(result)
    assert result.code == 5


# Interrupted


@pytest.mark.parametrize(
    ("wire", "number", "turn", "left"),
    [
        ("openai", signal.SIGINT, 1, "no turn gave an answer before that"),
        ("openai", signal.SIGINT, 2, "the vote so far is '8' with 1 of 1 votes"),
        ("openai", signal.SIGINT, 3, "the vote so far is '8' with 2 of 2 votes"),
        ("anthropic", signal.SIGINT, 2, "the vote so far is '8' with 1 of 1 votes"),
        ("openai", signal.SIGTERM, 2, "the vote so far is '8' with 1 of 1 votes"),
    ],
)
def test_an_interrupt_leaves_the_vote_so_far(
    rise: Program, wire: str, number: signal.Signals, turn: int, left: str
) -> None:
    with Loopback([EIGHT] * (turn - 1) + [Stall(seconds=60)]) as server:
        process = rise.start("ask", QUESTION, *at(wire, server), "--stream", "--turns", "9", env=KEYS)
        wait_until(lambda: len(server.seen) == turn)
        process.send_signal(number)
        result = rise.wait(process, KEYS)
    assert one_line(result) == f"rise: interrupted; {left}\n"
    assert result.code == 130


def test_an_interrupt_with_json_leaves_the_record(rise: Program) -> None:
    with Loopback([EIGHT, Stall(seconds=60)]) as server:
        process = rise.start("ask", QUESTION, *at("openai", server), "--json", env=KEYS)
        wait_until(lambda: len(server.seen) == 2)
        process.send_signal(signal.SIGINT)
        result = rise.wait(process, KEYS)
    assert (result.code, result.record["stop_reason"], result.record["answer"]) == (130, "interrupted", "8")


def test_an_interrupt_while_a_retry_waits(rise: Program) -> None:
    with Loopback([EIGHT, Status(429, headers={"retry-after": "60"})]) as server:
        process = rise.start("ask", QUESTION, *at("openai", server), "-q", env=KEYS)
        wait_until(lambda: len(server.seen) == 2)
        process.send_signal(signal.SIGINT)
        result = rise.wait(process, KEYS)
    assert one_line(result) == "rise: interrupted; the vote so far is '8' with 1 of 1 votes\n"
    assert result.code == 130


_STUBBORN = """
import os, pathlib, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("pid").write_text(str(os.getpid()))
time.sleep(60)
"""


def test_an_interrupt_ends_the_check_too_and_counts_its_answer(rise: Program) -> None:
    (rise.folder / "stubborn.py").write_text(_STUBBORN, encoding="utf-8")
    pid = rise.folder / "pid"
    with Loopback([EIGHT]) as server:
        check = f"{sys.executable} stubborn.py"
        process = rise.start("ask", QUESTION, *at("openai", server), "--check", check, env=KEYS)
        wait_until(lambda: pid.exists() and bool(pid.read_text()))
        process.send_signal(signal.SIGINT)
        result = rise.wait(process, KEYS)
    assert "the vote so far is '8' with 1 of 1 votes" in one_line(result)
    assert result.code == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_second_interrupt_ends_at_once(rise: Program) -> None:
    with Loopback([EIGHT, Stall(seconds=60)]) as server:
        process = rise.start("ask", QUESTION, *at("openai", server), "--stream", env=KEYS)
        wait_until(lambda: len(server.seen) == 2)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        result = rise.wait(process, KEYS)
    assert result.code in {130, -signal.SIGINT}


# stdout and stderr that go nowhere


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that answers 8, without an SDK to load."""
    file = tmp_path_factory.mktemp("replies") / "replies.jsonl"
    file.write_text('"Answer: 8\\nConfidence: 99%"\n' * 5, encoding="utf-8")
    return f"scripted:{file}"


@pytest.mark.parametrize(
    ("shell", "out", "err", "code"),
    [
        ('"$@" >&-', "", "", 0),
        ('"$@" 2>&-', "8\n", "", 0),
        ('"$@" >&- 2>&-', "", "", 0),
        ('"$@" <&-', "8\n", "", 0),
        ('("$@"; echo $? >&2) | head -c 0', "", "0\n", 0),
        ('("$@" -v 3>&1 1>&2 2>&3; echo $? >&2) | head -c 0', "", "8\n0\n", 0),
        ('"$@" -v 2>/dev/full', "8\n", "", 0),
        ('"$@" >/dev/full', "", "rise: cannot write the result to stdout: No space left on device\n", 1),
        (
            '"$@" --json >/dev/full',
            "",
            "rise: cannot write the result to stdout: No space left on device\n",
            1,
        ),
        ('PYTHONIOENCODING=ascii "$@" --full', "Answer: 8\nConfidence: 99%\n", "", 0),
    ],
)
def test_streams_that_lead_nowhere(
    rise: Program, replies: str, shell: str, out: str, err: str, code: int
) -> None:
    result = rise.run("ask", QUESTION, "-m", replies, shell=shell)
    assert (result.out, result.err, result.code) == (out, err, code)


def test_no_connection_takes_the_place_of_a_closed_stdout(rise: Program) -> None:
    with Loopback([EIGHT]) as server:
        to = at("openai", server)
        result = rise.run("ask", QUESTION, *to, "--turns", "2", env=KEYS, shell='"$@" >&- <&-')
        assert len(server.seen) == 2
    assert (result.code, result.out, result.err) == (0, "", "")


def test_a_closed_stdin_is_no_question(rise: Program, replies: str) -> None:
    result = rise.run("ask", "-m", replies, shell='"$@" <&-')
    assert "stdin is closed" in one_line(result)
    assert result.code == 2
