"""`rise ask` on a real terminal: what a person sees while it runs, and what is left when it ends."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from loopback import Loopback, Reply, Stall
from running import KEYS, Program, at

# A terminal is made by forking, which newer Pythons mind while the server's thread runs.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

QUESTION = "How many are 3 and 5?"
LONG = "Three and five are eight, since five and three are eight as well, and eight less five is three."
ESCAPE = "\x1b"
SHOW, HIDE = "\x1b[?25h", "\x1b[?25l"


@pytest.fixture
def scripted(tmp_path: Path) -> str:
    """A model that changes its mind once, without an SDK to load."""
    return _script(tmp_path / "replies.jsonl", 0.02)


def _script(file: Path, delay_s: float) -> str:
    replies = [f"{LONG}\nAnswer: 7\nConfidence: 60%", *[f"{LONG}\nAnswer: 8\nConfidence: 70%"] * 2]
    rows = [
        {"reply": r, "delay_s": delay_s, "usage": {"input_tokens": 20, "output_tokens": 30}} for r in replies
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return f"scripted:{file}"


def drawn(text: str) -> str:
    """What was shown, without what moves the cursor and colours."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_terminal_shows_the_turns_as_they_come(rise: Program, tmp_path: Path) -> None:
    slow = _script(tmp_path / "slow.jsonl", 0.8)
    terminal = rise.terminal("ask", QUESTION, "-m", slow, "--turns", "3")
    terminal.until("Three and five")  # while turn 1 is on its way
    result = terminal.end()
    shown = drawn(result.out)
    assert result.code == 0
    for line in ("── turn 1/3", "→ 7 · 60% sure · first answer", "→ 8 · 70% sure · changed from 7",
                 "→ 8 · 70% sure · kept", "── vote", "All 3 turns were taken."):  # fmt: skip
        assert line in shown
    assert re.search(r"^  8 +█+ +2 +67%", shown, re.M)
    assert shown.endswith("\n8\n")
    assert result.out.rindex(SHOW) > result.out.rindex(HIDE)


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_terminal_streams_over_the_wire(rise: Program, wire: str) -> None:
    with Loopback([Reply(f"{LONG}\nAnswer: 8\nConfidence: 70%")]) as server:
        result = rise.terminal("ask", QUESTION, *at(wire, server), "--turns", "2", env=KEYS).end()
        assert [seen.streams for seen in server.seen] == [True, True]
    assert result.code == 0
    assert "→ 8 · 70% sure · kept" in drawn(result.out)


def test_forty_columns_stay_readable(rise: Program, scripted: str) -> None:
    result = rise.terminal("ask", QUESTION, "-m", scripted, "--turns", "3", columns=40).end()
    lines = drawn(result.out).replace("\r", "\n").split("\n")
    assert result.code == 0
    assert max(map(len, lines)) <= 40
    assert any(line.startswith("── turn 3/3") for line in lines)
    assert any(re.match(r"  8 +█+ +2 +67%", line) for line in lines)


def test_a_wide_terminal_shows_chains_side_by_side(rise: Program, tmp_path: Path) -> None:
    rows = [
        {"reply": f"{LONG}\nAnswer: {7 + chain}", "chain": chain, "delay_s": 0.1 * chain, "turn": turn}
        for chain in (1, 2)
        for turn in (1, 2)
    ]
    file = tmp_path / "chains.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    result = rise.terminal(
        "ask", QUESTION, "-m", f"scripted:{file}", "--turns", "2", "--samples", "2", columns=120
    ).end()
    assert result.code == 0
    shown = drawn(result.out).replace("\r", "\n")
    assert re.search(r"^── turn 1/2 · chain 1/2 +│ ── turn 1/2 · chain 2/2 *$", shown, re.M)
    assert re.search(r"^→ 8 · first answer · 0.1 s +│ → 9 · first answer · 0.2 s *$", shown, re.M)
    assert re.search(r"^  \(unchanged\) +│   \(unchanged\) *$", shown, re.M)


@pytest.mark.parametrize(
    ("env", "escapes", "colours"),
    [
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({}, True, True),
    ],
)
def test_terminals_that_can_do_less(
    rise: Program, scripted: str, env: dict[str, str], escapes: bool, colours: bool
) -> None:
    result = rise.terminal("ask", QUESTION, "-m", scripted, "--turns", "2", "--no-early-stop", env=env).end()
    assert result.code == 0
    assert (ESCAPE in result.out) == escapes
    assert bool(re.search(r"\x1b\[[0-9;]*m", result.out)) == colours
    assert "→ 8 · 70% sure · changed from 7" in drawn(result.out)


@pytest.mark.parametrize("more", [(), ("--full",), ("--json",)])
def test_stdout_is_the_same_on_a_terminal_and_in_a_pipe(
    rise: Program, scripted: str, more: tuple[str, ...]
) -> None:
    arguments = ("ask", QUESTION, "-m", scripted, "--turns", "3", *more)
    piped = rise(*arguments)
    shown = rise.terminal(*arguments, shell='exec "$@" 2>/dev/null').end()
    assert (shown.stdout, shown.code) == (piped.stdout, piped.code)


def test_a_pipe_on_stdout_leaves_the_talk_on_the_terminal(rise: Program, scripted: str) -> None:
    terminal = rise.terminal("ask", QUESTION, "-m", scripted, "--turns", "3", shell='exec "$@" >answer')
    shown = drawn(terminal.end().out)
    assert "── vote" in shown
    assert (rise.folder / "answer").read_bytes() == b"8\n"


def test_quiet_shows_the_answer_alone(rise: Program, scripted: str) -> None:
    assert rise.terminal("ask", QUESTION, "-m", scripted, "--turns", "3", "-q").end().stdout == b"8\n"


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_ctrl_c_leaves_the_vote_and_the_cursor(rise: Program, wire: str) -> None:
    first = Reply("Answer: 8\nConfidence: 50%")
    with Loopback([first, Stall(after_events=6, seconds=60, reply=Reply("a reply that stalls"))]) as server:
        terminal = rise.terminal("ask", QUESTION, *at(wire, server), env=KEYS)
        terminal.until("turn 2/5")
        terminal.press("c")
        result = terminal.end()
    shown = drawn(result.out)
    assert result.code == 130
    assert "Stopped after turn 1: interrupted." in shown
    assert "rise: interrupted; the vote so far is '8' with 1 of 1 votes" in shown
    assert result.out.rindex(SHOW) > result.out.rindex(HIDE)


def test_ctrl_c_twice_leaves_the_cursor(rise: Program) -> None:
    stubborn = f"{sys.executable} -c 'import time; time.sleep(60)'"
    with Loopback([Reply("Answer: 8\nConfidence: 50%")]) as server:
        terminal = rise.terminal("ask", QUESTION, *at("openai", server), "--check", stubborn, env=KEYS)
        terminal.until("turn 1/5")
        terminal.press("c")
        terminal.press("c")
        result = terminal.end()
    assert result.code in {130, -2}


def test_nothing_in_a_reply_reaches_the_terminal_as_a_command(rise: Program) -> None:
    evil = (
        "\x1b[5;35m \x1b]52;c;ZXZpbA==\x07 \x1b]8;;http://evil.example\x1b\\x \x9b5;35m \u202e8 [red]x[/red]"
    )
    reply = Reply(f"{evil}\nAnswer: 8 {evil}\nConfidence: 50%", reasoning=evil, chunk=1)
    with Loopback([reply]) as server:
        result = rise.terminal("ask", QUESTION, *at("openai", server), "--turns", "2", env=KEYS).end()
    assert result.code == 0
    assert "\x1b[5;35m" not in result.out
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1a\x7f-\x9f\u202a-\u202e]|\x1b[^\\[]", result.out)
    assert "[red]x[/red]" in drawn(result.out)


def test_without_a_question_a_terminal_is_told_how(rise: Program) -> None:
    result = rise.terminal("ask").end()
    assert (result.code, 'rise: give a question, such as: rise ask "' in result.out) == (2, True)


def test_help_on_a_terminal_is_plain(rise: Program) -> None:
    result = rise.terminal("ask", "-h").end()
    assert result.code == 0
    assert ESCAPE not in result.out
