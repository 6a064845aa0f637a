"""`rise ask` from the command line to the wire and back: what is sent, what stdout and stderr hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from loopback import Cut, Loopback, Reply, Seen, Status, Tokens
from running import KEYS, Program, Result, at, wait_until
from test_prompts import FORM

SEVEN = Reply("Count: 3 and 4.\nAnswer: 7\nConfidence: 60%")
EIGHT = Reply("Count again: 3 and 5.\nAnswer: 8\nConfidence: 70%")
SURE = Reply("Still 8.\nAnswer: 8\nConfidence: 95%")
QUESTION = "How many are 3 and 5?"


def ask(rise: Program, wire: str, server: Loopback, *more: str, **how: Any) -> Result:
    return rise("ask", QUESTION, *at(wire, server), *more, env=KEYS | how.pop("env", {}), **how)


# What the streams hold


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_stdout_is_the_answer_alone_and_a_pipe_hears_nothing_else(
    rise: Program, wire: str, stream: str
) -> None:
    with Loopback([SEVEN, EIGHT, SURE]) as server:
        result = ask(rise, wire, server, "--turns", "3", stream)
        assert [seen.streams for seen in server.seen] == [stream == "--stream"] * 3
    assert (result.code, result.out, result.err) == (0, "8\n", "")


def test_a_pipe_does_not_stream_unless_asked(rise: Program, wire: str) -> None:
    with Loopback([SURE]) as server:
        ask(rise, wire, server)
        assert not any(seen.streams for seen in server.seen)


def test_verbose_shows_the_transcript_in_a_pipe(rise: Program, wire: str) -> None:
    with Loopback([SEVEN, EIGHT, SURE]) as server:
        result = ask(rise, wire, server, "--turns", "3", "-v", "--price", "1,2")
    assert result.out == "8\n"
    assert "\x1b" not in result.err
    turns = re.findall(r"^→ (\S+) · (\d+%) sure · (first answer|changed from \S+|kept)", result.err, re.M)
    assert turns == [("7", "60%", "first answer"), ("8", "70%", "changed from 7"), ("8", "95%", "kept")]
    assert "  Count again: 3 and 5." in result.err
    assert re.search(r"^  8 +█+ +2 +67%", result.err, re.M)
    assert "All 3 turns were taken." in result.err
    assert re.search(r"\$0\.0\d+", result.err)


def test_quiet_silences_all_but_errors(rise: Program, wire: str) -> None:
    flaky: list[Status | Reply] = [Status(503), SURE]
    with Loopback(flaky) as server:
        assert "retry 1 of" in ask(rise, wire, server, "--max-wait", "0").err
    with Loopback(flaky) as server:
        assert ask(rise, wire, server, "--max-wait", "0", "-q").err == ""
    with Loopback([Status(401)]) as server:
        assert "refused the key" in ask(rise, wire, server, "-q").err


def test_full_prints_the_winning_reply(rise: Program, wire: str) -> None:
    with Loopback([SEVEN, EIGHT, SURE]) as server:
        result = ask(rise, wire, server, "--turns", "3", "--full")
    assert result.out == "Count again: 3 and 5.\nAnswer: 8\nConfidence: 70%\n"


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return Program(tmp_path_factory.mktemp("schema"))("schema").record


@pytest.mark.parametrize("extra", [(), ("--samples", "2"), ("--prompt", "sample", "--vote", "first")])
def test_json_is_what_the_schema_says(
    rise: Program, wire: str, extra: tuple[str, ...], schema: dict[str, Any]
) -> None:
    with Loopback([SEVEN, EIGHT, SURE]) as server:
        result = ask(rise, wire, server, "--json", "--price", "1,2", "--context", "-", *extra, stdin="Notes.")
        calls = len(server.seen)
        billed = server.billed
    record = result.record
    jsonschema.Draft202012Validator(schema).validate(record)
    assert result.out.count("\n") == 1
    assert (record["status"], record["question"], record["context"]) == ("ok", QUESTION, "Notes.")
    assert len(record["turns"]) == calls
    usage = record["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (billed.input, billed.output)
    assert record["cost_usd"] == pytest.approx((billed.input + 2 * billed.output) / 1e6)
    assert record["model"] == f"{wire}:m-1"


def test_json_of_a_run_that_failed(rise: Program, wire: str, schema: dict[str, Any]) -> None:
    with Loopback([Status(400, "no thanks")]) as server:
        result = ask(rise, wire, server, "--json")
    jsonschema.Draft202012Validator(schema).validate(result.record)
    assert (result.code, result.record["status"], result.record["answer"]) == (1, "failed", None)
    assert "no thanks" in result.record["error"]


def test_json_keeps_reasoning_apart(rise: Program, wire: str) -> None:
    with Loopback([Reply("Answer: 8\nConfidence: 99%", reasoning="Answer: 7? No.")]) as server:
        record = ask(rise, wire, server, "--json", "--turns", "1").record
    assert (record["answer"], record["turns"][0]["reasoning"]) == ("8", "Answer: 7? No.")


@pytest.mark.parametrize(("turns", "code", "out"), [("2", 6, ""), ("3", 0, "8\n")])
def test_strict_wants_more_than_half(rise: Program, wire: str, turns: str, code: int, out: str) -> None:
    with Loopback([SEVEN, EIGHT, SURE]) as server:
        result = ask(rise, wire, server, "--strict", "--turns", turns)
    assert (result.code, result.out) == (code, out)
    assert ("more than half" in result.err) == (code == 6)


def test_verbose_and_quiet_exclude_each_other(rise: Program) -> None:
    result = rise("ask", "2?", "-v", "-q")
    assert (result.code, result.out) == (2, "")


# What is sent


def test_a_turn_sees_the_question_and_the_attempt_before_it(rise: Program) -> None:
    with Loopback([SEVEN, EIGHT, SURE]) as server:
        ask(rise, "openai", server, "--turns", "3")
        sent = [seen.body["messages"] for seen in server.seen]
    assert [[m["role"] for m in messages] for messages in sent] == [
        ["system", "user"],
        ["system", "user", "assistant", "user"],
        ["system", "user", "assistant", "user"],
    ]
    assert [messages[2]["content"] for messages in sent[1:]] == [SEVEN.text, EIGHT.text]
    assert [messages[1]["content"] for messages in sent] == [QUESTION] * 3
    assert {messages[0]["content"] for messages in sent} == {FORM["answer"]}
    assert "incorrect" not in json.dumps(sent)


def test_the_prefix_keeps_its_bytes_and_is_marked_for_the_cache(rise: Program, wire: str) -> None:
    with Loopback([SEVEN, EIGHT, SURE]) as server:
        ask(rise, wire, server, "--turns", "3", "--role", "math", "--context", "-", stdin="Notes.")
        bodies = [seen.body for seen in server.seen]
    fixed = 2 if wire == "openai" else 1
    prefixes = {json.dumps([body.get("system"), body["messages"][:fixed]]) for body in bodies}
    assert len(prefixes) == 1
    marked = [re.findall('"cache_control": {"type": "ephemeral"}', json.dumps(body)) for body in bodies]
    assert [len(marks) for marks in marked] == ([0, 0, 0] if wire == "openai" else [1, 1, 1])
    if wire == "anthropic":
        assert all("cache_control" in body["messages"][0]["content"][-1] for body in bodies)


@pytest.mark.parametrize(
    ("window", "shown"),
    [("0", [0, 0, 0, 0]), ("1", [0, 1, 1, 1]), ("2", [0, 1, 2, 2]), ("all", [0, 1, 2, 3])],
)
def test_window_is_how_many_attempts_a_turn_sees(
    rise: Program, wire: str, window: str, shown: list[int]
) -> None:
    with Loopback([SEVEN, EIGHT]) as server:
        ask(rise, wire, server, "--turns", "4", "--window", window, "--no-early-stop")
        roles = [[m["role"] for m in seen.body["messages"]] for seen in server.seen]
    assert [turn.count("assistant") for turn in roles] == shown
    before = ["system"] if wire == "openai" else []  # the other has a field of its own for it
    assert all(turn[: len(before) + 1] == [*before, "user"] and turn[-1] == "user" for turn in roles)


def test_chains_see_their_own_attempts_alone(rise: Program, wire: str) -> None:
    def script(seen: Seen) -> Reply:
        return Reply(f"Answer: {seen.index + 1}\nConfidence: 50%")

    with Loopback(script) as server:
        record = ask(rise, wire, server, "--samples", "3", "--turns", "2", "--json", "--no-early-stop").record
        second = {re.search(r"Answer: [123]\b", seen.text)[0] for seen in server.seen[3:]}  # type: ignore[index]
    assert [(turn["turn"], turn["chain"]) for turn in record["turns"]] == [
        (turn, chain) for turn in (1, 2) for chain in (1, 2, 3)
    ]
    assert second == {"Answer: 1", "Answer: 2", "Answer: 3"}


def test_sample_asks_every_chain_once_with_the_same_words(rise: Program, wire: str) -> None:
    with Loopback([SEVEN, EIGHT, SURE, SURE]) as server:
        result = ask(rise, wire, server, "--prompt", "sample", "--samples", "4")
        bodies = {json.dumps(seen.body) for seen in server.seen}
        assert len(server.seen) == 4
    assert (result.out, len(bodies)) == ("8\n", 1)


def test_paper_says_what_the_official_code_says(rise: Program, wire: str) -> None:
    with Loopback([SEVEN, SEVEN]) as server:
        ask(rise, wire, server, "--prompt", "paper", "--turns", "2")
        first, second = (seen.body["messages"] for seen in server.seen)
    assert [m["role"] for m in first] == ["user", "assistant", "user"]
    assert [m["role"] for m in second] == ["user", "assistant", "user", "assistant", "user"]
    assert second[:3] == first
    assert "The answer is incorrect. Please try again." in json.dumps(second[-1])


def test_options_go_out_only_if_asked_for(rise: Program, wire: str) -> None:
    asked = ("--temperature", "0.5", "--top-p", "0.9", "--max-tokens", "99", "--option", 'stop=["X"]')
    with Loopback([SURE]) as server:
        ask(rise, wire, server, "--turns", "1")
        ask(rise, wire, server, "--turns", "1", *asked)
        plain, full = (seen.body for seen in server.seen)
    sent = {"model", "messages"} | ({"system"} if wire == "anthropic" else set())
    assert set(plain) == sent | ({"max_tokens"} if wire == "anthropic" else set())
    assert {name: full[name] for name in set(full) - sent} == {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 99,
        "stop": ["X"],
    }


@pytest.mark.parametrize(
    ("wire", "option", "value", "words", "left"),
    [
        ("openai", "--temperature", "0.3", "Unsupported value: 'temperature' does not support 0.3", None),
        ("anthropic", "--temperature", "0.3", "temperature: this model does not take it", None),
        (
            "openai",
            "--max-tokens",
            "50",
            "'max_tokens' is not supported; use 'max_completion_tokens'",
            "max_completion_tokens",
        ),
    ],
)
def test_a_rejected_parameter_is_dropped_or_renamed_once(
    rise: Program, wire: str, option: str, value: str, words: str, left: str | None
) -> None:
    name = option.strip("-").replace("-", "_")

    def script(seen: Seen) -> Reply | Status:
        return Status(400, words) if name in seen.body else SEVEN

    with Loopback(script) as server:
        result = rise(
            "ask", QUESTION, *at(wire, server), option, value, "--turns", "3", "--no-early-stop", env=KEYS
        )
        bodies = [seen.body for seen in server.seen]
    assert (result.code, result.out) == (0, "7\n")
    assert [name in body for body in bodies] == [True, False, False, False]
    assert result.err.count("does not take") == 1
    assert len(result.err.splitlines()) == 1
    if left:
        assert [body.get(left) for body in bodies] == [None, 50, 50, 50]


# Where the question comes from


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_the_question_may_be_piped(rise: Program, wire: str, arguments: tuple[str, ...]) -> None:
    with Loopback([SURE]) as server:
        result = rise(
            "ask", *arguments, *at(wire, server), "--json", env=KEYS, stdin=" 3 und 5, größer?\r\n\n"
        )
        assert "3 und 5, größer?" in server.seen[0].text
    assert (result.code, result.record["question"]) == (0, "3 und 5, größer?")


def test_a_held_open_stdin_is_not_waited_for(rise: Program, wire: str) -> None:
    with Loopback([SURE]) as server:
        process = rise.start("ask", QUESTION, *at(wire, server), env=KEYS, stdin=True)
        wait_until(lambda: process.poll() is not None)
        result = rise.wait(process, KEYS)
    assert (result.code, result.out, result.err) == (0, "8\n", "")


def test_context_from_a_file_or_from_stdin(rise: Program, wire: str) -> None:
    (rise.folder / "notes.md").write_text("The notes.", encoding="utf-8")
    with Loopback([SURE]) as server:
        ask(rise, wire, server, "--context", "notes.md", "--turns", "1")
        ask(rise, wire, server, "--context", "-", "--turns", "1", stdin="The notes.")
        one, other = (seen.text for seen in server.seen)
    assert one == other
    assert "The notes." in one


@pytest.mark.parametrize("name", ["missing.md", ".", "", "/dev/zero", "a\0b"])
def test_a_context_that_cannot_be_read(rise: Program, name: str) -> None:
    result = rise("ask", QUESTION, "--context", name, "-m", "openai:m")
    assert (result.code, result.out) == (2, "")
    assert repr(name) in result.err


def test_stdin_is_not_both_question_and_context(rise: Program) -> None:
    assert rise("ask", "-", "--context", "-", "-m", "openai:m", stdin="x").code == 2


# Nobody is called


def test_dry_run_calls_nobody_and_needs_no_key(rise: Program, wire: str) -> None:
    with Loopback() as server:
        result = rise("ask", QUESTION, *at(wire, server), "--dry-run", "--price", "1,2", "--turns", "4")
        shown = rise(
            "ask", QUESTION, *at(wire, server), "--dry-run", "--price", "1,2", "--turns", "4", "--json"
        ).record
        assert (server.seen, server.connections) == ([], 0)
    assert (result.code, result.err) == (0, "")
    assert QUESTION in result.out
    assert "2 to 4 calls" in result.out
    assert re.search(r"\$0\.\d+ to \$0\.\d+", result.out)
    assert (shown["calls_at_least"], shown["calls_at_most"]) == (2, 4)
    assert [m["role"] for m in shown["messages"]] == ["system", "user"]
    assert all(m["content"] in result.out for m in shown["messages"])
    assert 0 < shown["cost_usd_at_least"] < shown["cost_usd_at_most"]


def test_dry_run_of_an_unknown_price_says_so(rise: Program, wire: str) -> None:
    result = rise("ask", QUESTION, "-m", f"{wire}:no-such-model", "--dry-run")
    assert result.code == 0
    assert "price not known" in result.out


# A check


_CHECK = """
import json, os, sys
answer = sys.stdin.read().strip()
json.dump(dict(os.environ), open(f"seen-{os.environ['RISE_TURN']}.json", "w"))
if answer != "8":
    print(f"{answer} is one too few")
    sys.exit(1)
"""


def test_a_check_rejects_and_then_accepts(rise: Program, wire: str) -> None:
    (rise.folder / "verify.py").write_text(_CHECK, encoding="utf-8")
    with Loopback([SEVEN, EIGHT]) as server:
        result = ask(rise, wire, server, "--check", f"{sys.executable} verify.py", "--json")
        told = [seen.text for seen in server.seen]
    record = result.record
    assert (result.code, record["answer"], record["stop_reason"], record["oracle"]) == (
        0,
        "8",
        "accepted",
        True,
    )
    assert [(t["reward"], t["feedback"]) for t in record["turns"]] == [(0.0, "7 is one too few"), (1.0, None)]
    assert ["7 is one too few" in text for text in told] == [False, True]
    assert [vote["answer"] for vote in record["votes"]] == ["8"]
    seen = json.loads((rise.folder / "seen-1.json").read_text(encoding="utf-8"))
    assert not [name for name, value in seen.items() if value in KEYS.values() or name.endswith("_KEY")]


def test_a_check_in_a_pipe_gives_the_accepted_answer(rise: Program, wire: str) -> None:
    (rise.folder / "verify.py").write_text(_CHECK, encoding="utf-8")
    with Loopback([SEVEN, EIGHT]) as server:
        result = ask(rise, wire, server, "--check", f"{sys.executable} verify.py", "-v")
    assert (result.code, result.out) == (0, "8\n")
    assert "rejected by the check" in result.err
    assert "accepted by the check" in result.err


def test_what_a_check_always_rejects_is_no_answer(rise: Program, wire: str) -> None:
    with Loopback([SEVEN]) as server:
        result = ask(rise, wire, server, "--check", "false", "--turns", "2")
    assert (result.code, result.out) == (1, "")
    assert "the check rejected the answer" in result.err


def test_a_check_that_cannot_start_is_configuration(rise: Program, wire: str) -> None:
    (rise.folder / "verify").write_text("#!/no/such/interpreter\n", encoding="utf-8")
    (rise.folder / "verify").chmod(0o755)
    with Loopback([SEVEN]) as server:
        missing = ask(rise, wire, server, "--check", "no-such-program --x")
        assert len(server.seen) == 0
        broken = ask(rise, wire, server, "--check", "./verify")
    assert (missing.code, missing.out, broken.code, broken.out) == (3, "", 3, "")
    assert "no-such-program" in missing.err
    assert "./verify" in broken.err


# Budgets


def _all_of_it(seen: Seen) -> Reply:
    """A finished reply that took the whole output limit."""
    limit = seen.limit or 4096
    return Reply("Answer: 8\nConfidence: 50%", usage=Tokens(len(seen.text.encode()), limit))


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_max_cost_holds_against_a_server_that_always_fills_the_limit(
    rise: Program, wire: str, stream: str
) -> None:
    def script(seen: Seen) -> Reply | Cut:
        return Cut(reply=_all_of_it(seen)) if seen.index % 3 == 1 else _all_of_it(seen)

    caps = ("--max-cost", "0.02", "--price", "1,10", "--max-tokens", "400", "--max-wait", "0")
    with Loopback(script) as server:
        result = ask(rise, wire, server, stream, *caps, "--turns", "50", "--no-early-stop", "--json")
        billed = (server.billed.input + 10 * server.billed.output) / 1e6
        limits = [seen.limit for seen in server.seen]
    assert (result.code, result.record["answer"], result.record["stop_reason"]) == (5, "8", "budget")
    assert 0.01 < billed <= 0.02
    assert all(limit is not None and limit <= 400 for limit in limits)


def test_max_cost_prints_the_vote_so_far(rise: Program, wire: str) -> None:
    with Loopback(_all_of_it) as server:
        result = ask(rise, wire, server, "--max-cost", "0.01", "--price", "1,2", "--max-tokens", "1500",
                     "--turns", "9", "--no-early-stop")  # fmt: skip
        assert 1 < len(server.seen) < 9
    assert (result.code, result.out) == (5, "8\n")
    assert "--max-cost 0.01" in result.err


def test_max_tokens_total_holds(rise: Program, wire: str) -> None:
    with Loopback(_all_of_it) as server:
        result = ask(rise, wire, server, "--max-tokens-total", "5000", "--turns", "50", "--no-early-stop")
        assert server.billed.input + server.billed.output <= 5000
    assert (result.code, result.out) == (5, "8\n")
    assert "--max-tokens-total" in result.err


def test_a_budget_that_fits_no_call(rise: Program, wire: str) -> None:
    with Loopback([SURE]) as server:
        result = ask(rise, wire, server, "--max-cost", "0.0000001", "--price", "1,2")
        assert server.seen == []
    assert (result.code, result.out) == (5, "")


def test_a_reply_that_the_budget_cut_off_is_shown_and_has_no_vote(rise: Program, wire: str) -> None:
    def filling(seen: Seen) -> Reply:
        cut = seen.limit is not None and seen.limit < 1500
        return replace(_all_of_it(seen), finish="length" if cut else "stop")

    caps = ("--max-tokens-total", "2500", "--max-tokens", "1500", "--turns", "2", "--no-early-stop")
    with Loopback(filling) as server:
        result = ask(rise, wire, server, *caps, "--json", "--verbose")
        assert len(server.seen) == 2
    record = result.record
    assert (result.code, record["answer"], record["stop_reason"]) == (5, "8", "budget")
    assert [(t["reply"], t["failure"]) for t in record["turns"]][1] == (record["turns"][0]["reply"], "budget")
    assert record["votes"][0]["count"] == 1
    assert record["usage"]["output_tokens"] == server.billed.output
    assert "the reply was cut off where the budget ended" in result.err
    assert "Stopped after turn 2: the budget ended in the middle of a reply." in result.err


def test_max_cost_wants_a_price(rise: Program, wire: str) -> None:
    with Loopback([SURE]) as server:
        result = ask(rise, wire, server, "--max-cost", "1")
        assert server.seen == []
    assert (result.code, result.out) == (3, "")
    assert "--price" in result.err


# No model, one setting in many places


def test_without_a_model_the_provider_whose_key_is_set_is_asked(rise: Program, wire: str) -> None:
    name = wire.upper()
    with Loopback([SURE]) as server:
        url = server.openai_url if wire == "openai" else server.anthropic_url
        env = {f"{name}_API_KEY": "k-123456789", f"{name}_BASE_URL": url}
        result = rise("ask", QUESTION, "--turns", "1", env=env)
        sent = server.seen[0].headers["authorization"]
    assert (result.code, result.out) == (0, "8\n")
    assert result.err.startswith(f"rise: no model was named; using {wire}:")
    assert sent == "Bearer k-123456789"


def test_a_flag_goes_before_the_environment_before_the_project_before_the_user(rise: Program) -> None:
    user = rise.home / "config.toml"
    user.write_text("turns = 2\nvote = 'first'\n", encoding="utf-8")
    env = {"RISE_CONFIG": str(user)}

    def turns(*more: str, env: dict[str, str]) -> int:
        with Loopback([SEVEN]) as server:
            settings = ask(rise, "openai", server, "--json", "--no-early-stop", *more, env=env).record[
                "settings"
            ]
            assert (settings["turns"], settings["vote"]) == (len(server.seen), "first")
            return len(server.seen)

    assert turns(env=env) == 2
    (rise.folder / "rise.toml").write_text("turns = 3\n", encoding="utf-8")
    assert turns(env=env) == 3
    assert turns(env=env | {"RISE_TURNS": "4"}) == 4
    assert turns("--turns", "1", env=env | {"RISE_TURNS": "4"}) == 1


# Protocols of one's own


def test_a_protocol_that_changes_or_goes_away_meanwhile_was_what_it_was(rise: Program) -> None:
    mine = rise.folder / "mine"
    assert rise("prompts", "copy", "introspect", "mine").code == 0
    taken = []
    for change in (lambda: None, lambda: (mine / "revise.md").write_text("?"), lambda: shutil.rmtree(mine)):
        with Loopback([replace(SURE, delay_s=0.5)]) as server:
            words = ("ask", QUESTION, *at("openai", server), "--turns", "1", "--prompt", "./mine", "--json")
            process = rise.start(*words, env=KEYS)
            wait_until(lambda seen=server.seen: bool(seen))  # type: ignore[misc]
            change()
            taken.append(rise.wait(process, KEYS))
        if mine.exists():
            assert rise("prompts", "copy", "introspect", "again").code == 0
            shutil.rmtree(mine)
            (rise.folder / "again").rename(mine)
    assert [result.code for result in taken] == [0, 0, 0], taken[-1].err
    called = {json.loads(result.out)["settings"]["protocol"] for result in taken}
    assert len(called) == 1
    assert re.fullmatch(r"mine@[0-9a-f]{12}", called.pop())


# What is loaded


def test_one_wire_loads_one_sdk_and_no_mathematics(rise: Program) -> None:
    """`test_providers` has the other one."""
    program = (
        "import atexit, sys; from rise_cli.cli import main\n"
        "atexit.register(lambda: print([m for m in ('anthropic', 'math_verify', 'rich', 'genai_prices')"
        " if m in sys.modules], file=sys.stderr))\n"
        "main()"
    )
    with Loopback([SEVEN, EIGHT, SURE]) as server:
        process = subprocess.run(
            [sys.executable, "-c", program, "ask", QUESTION, *at("openai", server)],
            env=rise.env | KEYS,
            cwd=rise.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
    assert (process.stdout, process.stderr) == (b"8\n", b"[]\n")


def test_runs_as_a_module(rise: Program, tmp_path: Path) -> None:
    script = tmp_path / "replies.jsonl"
    script.write_text('"Answer: 8"\n', encoding="utf-8")
    command = [sys.executable, "-m", "rise_cli", "ask", "x?", "-m", f"scripted:{script}", "--turns", "1"]
    assert subprocess.check_output(command, env=rise.env, cwd=rise.folder, stdin=subprocess.DEVNULL) == b"8\n"
