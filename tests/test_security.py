"""What strangers write (models, servers, folders) is data; what is secret stays where it is."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest
from loopback import Fault, Loopback, Reply, Seen, Status, StreamError, Tokens
from running import KEYS, PLAIN_KEY, Program, Result, at
from wires import KEY

QUESTION = "How many are 3 and 5?"

EVIL = (
    "[bold red]8[/] [link=http://evil.example]x[/link] :smile: \x1b[5;35mred\x1b[0m "
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\ \x1b]52;c;ZXZpbA==\x07 \x1b]0;title\x07 "
    "\x9b5;35m \x9d0;title\x9c \u202e8\u202c \u2066x\u2069 \u200fy \b\b\r\x07\x7f\x00 \x1bc \ud83d\ude00 end"
)
"""Markup, emoji codes, SGR, OSC 8, 52 and 0 in 7 and 8 bits, bidi, C0, C1, a reset, a split emoji."""

WHOLE = EVIL.encode("utf-16", "surrogatepass").decode("utf-16")
"""The same with the halves of the emoji put together."""

USAGE = Tokens(9, 9)
HARMLESS = "[bold red]8[/] [link=http://evil.example]x[/link] :smile: [5;35mred[0m"
FORGED = "rise: all is well\n── turn 2/5\n→ 9 · 99% sure\nAnswer: "
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def ask(rise: Program, wire: str, server: Loopback | str, *more: str, **how: Any) -> Result:
    env = KEYS | how.pop("env", {})
    return rise("ask", QUESTION, *at(wire, server), "--max-wait", "0", *more, env=env, **how)


# What a model writes


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
@pytest.mark.parametrize("more", [(), ("--full",), ("-v",), ("-v", "--color", "always")])
def test_nothing_in_a_reply_controls_a_terminal(
    rise: Program, wire: str, stream: str, more: tuple[str, ...]
) -> None:
    reply = Reply(f"{FORGED}{EVIL}\nConfidence: 99%", reasoning=EVIL, chunk=3, usage=USAGE)
    with Loopback([reply]) as server:
        result = ask(rise, wire, server, stream, *more)
    assert result.code == 0
    assert UNSAFE.search(result.out) is None
    assert HARMLESS in result.out
    own = re.sub(r"\x1b\[[0-9;]*m", "", result.err) if "always" in more else result.err
    assert UNSAFE.search(own) is None
    assert "\x1b[5;35m" not in result.err
    if "-v" in more:
        # What looks like a line of ours is none: ours stand at the margin.
        assert re.findall(r"^ *rise: all is well", own, re.M) == ["  rise: all is well"] * 2
        assert not re.search(r"^→ 9 ", own, re.M)


def test_json_escapes_what_a_terminal_would_obey_and_loses_nothing(rise: Program, wire: str) -> None:
    with Loopback([Reply(f"Answer: {EVIL}", reasoning=EVIL, usage=USAGE)]) as server:
        result = ask(rise, wire, server, "--json", "--turns", "1")
    assert UNSAFE.search(result.out) is None
    assert result.record["turns"][0]["reply"] == f"Answer: {WHOLE}"
    assert result.record["turns"][0]["reasoning"] == WHOLE


def test_the_question_arrives_with_its_controls_and_is_not_shown_with_them(rise: Program, wire: str) -> None:
    question = WHOLE.replace("\x00", "")
    with Loopback([Reply("Answer: 8")]) as server:
        result = rise("ask", "-", *at(wire, server), "--json", env=KEYS, stdin=question)
        assert question in server.seen[0].text
        dry = rise("ask", "-", *at(wire, server), "--dry-run", env=KEYS, stdin=question)
    assert result.record["question"] == question
    assert UNSAFE.search(result.out) is None
    assert UNSAFE.search(dry.out) is None
    assert HARMLESS in dry.out


@pytest.mark.parametrize("shape", ["status", "event", "model"])
@pytest.mark.parametrize("more", [(), ("-v",), ("--json",)])
def test_nothing_that_a_server_says_controls_a_terminal(
    rise: Program, wire: str, shape: str, more: tuple[str, ...]
) -> None:
    faults: dict[str, Fault] = {
        "status": Status(400, EVIL),
        "event": StreamError({"type": "invalid_request_error", "message": EVIL}),
        "model": Status(404, EVIL),
    }
    with Loopback([faults[shape]]) as server:
        result = ask(rise, wire, server, "--stream", *more)
    assert result.code in {1, 2}
    assert UNSAFE.search(result.out + result.err) is None
    assert HARMLESS in result.out + result.err


def test_names_of_models_are_shown_without_controls(rise: Program, wire: str) -> None:
    with Loopback(models=["m-1", f"m-{EVIL}"]) as server:
        url = server.openai_url if wire == "openai" else server.anthropic_url
        plain = rise("models", wire, "--base-url", url, env=KEYS)
        listed = rise("models", wire, "--base-url", url, "--json", env=KEYS)
    assert UNSAFE.search(plain.out) is None
    assert HARMLESS in plain.out
    assert UNSAFE.search(listed.out) is None


def test_feedback_of_a_check_is_cleaned_before_it_is_sent_and_shown(rise: Program, wire: str) -> None:
    check = rise.folder / "check.py"
    check.write_text(f"import sys; sys.stdout.write({EVIL!a}); sys.exit(1)", encoding="utf-8")
    command = f"env PYTHONIOENCODING=utf-8:replace {sys.executable} check.py"
    with Loopback([Reply("Answer: 8")]) as server:
        result = ask(rise, wire, server, "--check", command, "--turns", "2", "-v")
        assert UNSAFE.search(server.seen[1].text) is None
        assert "red click" in server.seen[1].text
    assert UNSAFE.search(result.out + result.err) is None


# Keys


@pytest.mark.parametrize("key", [KEY, PLAIN_KEY])
@pytest.mark.parametrize("more", [(), ("-v",), ("--json",)])
@pytest.mark.parametrize("shape", ["401", "403", "400", "404", "500", "event", "html", "nested"])
def test_a_key_that_a_provider_echoes_goes_no_further(
    rise: Program, wire: str, key: str, more: tuple[str, ...], shape: str
) -> None:
    said = f"Incorrect key {key} in 'Authorization: Bearer {key}' at https://user:{key}@host/?key={key}"
    faults: dict[str, Fault] = {
        "event": StreamError({"type": "invalid_request_error", "message": said}),
        "html": Status(401, body=f"<html>{said}</html>"),
        "nested": Status(422, body={"detail": [{"loc": ["body", key], "msg": said}]}),
    }
    with Loopback([faults.get(shape) or Status(int(shape), said)]) as server:
        env = {"OPENAI_API_KEY": key, "ANTHROPIC_API_KEY": key}
        result = ask(rise, wire, server, "--stream", "--max-retries", "1", *more, env=env)
        assert server.seen[0].headers["authorization"] == f"Bearer {key}"
    # The runner has made sure that the key is neither in `out` nor in `err`.
    assert result.code in {1, 2, 3}
    assert "***" in result.out + result.err


def test_a_key_that_is_echoed_in_another_shape(rise: Program, wire: str) -> None:
    with Loopback([Status(400, f"bad {PLAIN_KEY[:8]}\x00{PLAIN_KEY[8:]}")]) as server:
        env = {"OPENAI_API_KEY": PLAIN_KEY, "ANTHROPIC_API_KEY": PLAIN_KEY}
        assert ask(rise, wire, server, env=env).code == 1


def test_a_key_goes_to_nobody_but_its_provider(rise: Program, wire: str) -> None:
    other = "ANTHROPIC_API_KEY" if wire == "openai" else "OPENAI_API_KEY"
    own = f"{wire.upper()}_API_KEY"
    with Loopback([Reply("Answer: 8")]) as server:
        rise("ask", QUESTION, *at(wire, server), "--turns", "1", env={other: KEY, own: PLAIN_KEY})
        seen = server.seen[0]
    assert KEY not in json.dumps([dict(seen.headers), seen.body])
    assert seen.headers["authorization"] == f"Bearer {PLAIN_KEY}"


def test_a_key_may_come_from_the_users_own_command(rise: Program, wire: str) -> None:
    config = rise.home / "config.toml"
    config.write_text(f"[providers.{wire}]\nkey_cmd = 'echo {PLAIN_KEY}'\n", encoding="utf-8")
    env = {"RISE_CONFIG": str(config), "UNUSED_API_KEY": PLAIN_KEY}  # so that the runner looks for it
    with Loopback([Reply("Answer: 8"), Status(401, f"bad {PLAIN_KEY}")]) as server:
        fine = rise("ask", QUESTION, *at(wire, server), "--turns", "1", "--json", env=env)
        refused = rise("ask", QUESTION, *at(wire, server), env=env)
        assert server.seen[0].headers["authorization"] == f"Bearer {PLAIN_KEY}"
    assert (fine.code, refused.code) == (0, 3)


def test_a_key_among_the_options_is_not_recorded(rise: Program, wire: str) -> None:
    more = ("--option", f"api_key={PLAIN_KEY}", "--check", f"grep -q 8 --regexp={KEY} -")
    with Loopback([Reply("Answer: 8")]) as server:
        result = ask(rise, wire, server, "--json", "--turns", "1", *more, env={"UNUSED_API_KEY": PLAIN_KEY})
        assert server.seen[0].body["api_key"] == PLAIN_KEY
    assert result.record["settings"]["option"] == {"api_key": "[hidden]"}


# A folder from a stranger


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("check = 'touch pwned'", "sets 'check', which a folder's settings may not"),
        ("base_url = 'http://127.0.0.1:9/v1'", "sets 'base_url', which a folder's settings may not"),
        ("model = 'openai:dear'", "sets 'model', which a folder's settings may not"),
        ("option = { model = 'dear' }", "sets 'option', which a folder's settings may not"),
        ("key_cmd = 'touch pwned'", "sets 'key_cmd', which a folder's settings may not"),
        (
            "[providers.openai]\nkey_cmd = 'touch pwned'",
            "sets 'providers', which a folder's settings may not",
        ),
        ("prompt = '../evil'", "'prompt' in a folder's settings must be a name"),
        ("role = '/etc/passwd'", "'role' in a folder's settings must be a name"),
        ("turns = 51", "'turns' must be a whole number between 1 and 50, not 51"),
        ("turn = 5", "there is no setting 'turn'; did you mean 'turns'?"),
        ("turns = = 5", "is not TOML"),
        ("\x1b]0;pwned\x07 = 5", "is not TOML"),
        ("'\\u001b[31m' = 5", "there is no setting"),
        (f"api_key = '{KEY}'", "would keep a key in a file"),
    ],
)
def test_a_hostile_rise_toml_is_refused(rise: Program, toml: str, words: str) -> None:
    (rise.folder / "rise.toml").write_text(toml, encoding="utf-8")
    with Loopback() as server:
        result = ask(rise, "openai", server)
        assert server.connections == 0
    assert (result.code, result.out) == (3, "")
    assert words in result.err
    assert result.err.count("\n") == 1
    assert UNSAFE.search(result.err) is None
    assert not (rise.folder / "pwned").exists()


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"turns = 5\n" * 10_000])
def test_a_rise_toml_that_is_no_settings_file(rise: Program, content: bytes | None) -> None:
    path = rise.folder / "rise.toml"
    path.mkdir() if content is None else path.write_bytes(content)
    result = rise("ask", QUESTION, "-m", "openai:m", env=KEYS)
    assert (result.code, result.out) == (3, "")
    assert str(path) in result.err


def test_a_folder_cannot_raise_the_users_cap_nor_pose_as_a_module(rise: Program, wire: str) -> None:
    (rise.folder / "rise.toml").write_text("max_tokens_total = 1000000\n", encoding="utf-8")
    (rise.folder / "sitecustomize.py").write_text("open('pwned', 'w')", encoding="utf-8")
    (rise.folder / "openai.py").write_text("open('pwned', 'w')", encoding="utf-8")
    config = rise.home / "config.toml"
    config.write_text("max_tokens_total = 10\n", encoding="utf-8")
    with Loopback([Reply("Answer: 8")]) as server:
        result = ask(rise, wire, server, env={"RISE_CONFIG": str(config)})
        assert server.seen == []
    assert result.code == 5
    assert rise.run("ask", QUESTION, "-m", "openai:m", "--dry-run").code == 0
    assert not (rise.folder / "pwned").exists()


# Formulas are compared in a child, which a reply must not reach


def test_an_answer_is_never_run(rise: Program, wire: str) -> None:
    evil = r"\boxed{__import__('os').system('touch pwned')}"

    def script(seen: Seen) -> Reply:
        return Reply(evil if seen.index % 2 else r"\boxed{\frac{x^2-1}{x-1}}")

    with Loopback(script) as server:
        result = ask(rise, wire, server, "--kind", "math", "--turns", "2", "--no-early-stop")
    assert result.code == 0
    assert not (rise.folder / "pwned").exists()


def test_a_password_in_a_base_url_is_neither_sent_nor_shown(rise: Program, wire: str) -> None:
    url = f"http://me:{PLAIN_KEY}@127.0.0.1:9/v1"
    env = {"UNUSED_API_KEY": PLAIN_KEY}  # so that the runner looks for it
    result = ask(rise, wire, url, env=env)
    shown = rise("config", "show", env=env | {"RISE_BASE_URL": url})
    assert (result.code, result.out, shown.code) == (2, "", 0)
    assert "take the user and password out of the base URL at '127.0.0.1'" in result.err
    assert "[hidden]@127.0.0.1" in shown.out
