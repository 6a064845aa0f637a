"""`rise ask --interactive`: a person at a real terminal says what they think of every turn."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Reply, Seen, Stall
from running import KEYS, Program, Terminal, at

# A terminal is made by forking, which newer Pythons mind while the server's thread runs.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

QUESTION = "How many are 3 and 5?"
PROMPT = "> "
SHOW, HIDE = "\x1b[?25h", "\x1b[?25l"


def reply(answer: int | str, confidence: int = 60) -> Reply:
    return Reply(f"I think it is {answer}.\nAnswer: {answer}\nConfidence: {confidence}%")


def scripted(folder: Path, *rows: dict[str, Any]) -> str:
    """A model that has these replies, without an SDK to load."""
    file = folder / "replies.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return f"scripted:{file}"


def drawn(text: str) -> str:
    """What was shown, without what moves the cursor and colours."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def say(terminal: Terminal, *lines: str) -> None:
    """Answer the next time that the program asks."""
    terminal.until("ended by an empty line")
    terminal.until(PROMPT)
    terminal.enter(*lines)


def user_texts(seen: Seen) -> list[str]:
    return [m["content"] for m in seen.body["messages"] if m["role"] == "user"]


def test_feedback_goes_into_the_next_turn_and_acceptance_ends_the_run(rise: Program, wire: str) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        terminal = rise.terminal("ask", QUESTION, *at(wire, server), "-i", env=KEYS)
        say(terminal, "Count once more.", "Use your fingers.", "")
        say(terminal, "a")
        result = terminal.end()
        assert len(server.seen) == 2
        last = str(server.seen[1].body["messages"][-1]["content"])
    assert "The reader says about that answer:" in last
    assert "Count once more.\\nUse your fingers." in last or "Count once more.\nUse your fingers." in last
    shown = drawn(result.out)
    assert result.code == 0
    assert shown.endswith("\n8\n")
    for line in ("→ 7 · 60% sure", "rejected by a person", "accepted by a person",
                 "Stopped after turn 2: a person accepted the answer."):  # fmt: skip
        assert line in shown
    assert shown.count("I think it is 8.") == 1, "a turn stands in the transcript once"
    assert result.out.rindex(SHOW) > result.out.rindex(HIDE)


def test_going_on_says_nothing_and_every_turn_runs(rise: Program) -> None:
    with Loopback([reply(8)]) as server:
        terminal = rise.terminal("ask", QUESTION, *at("openai", server), "-i", "--turns", "3", env=KEYS)
        for typed in ("", "\x1b[A\x1bOB", " "):  # arrows say nothing either
            say(terminal, typed)
        result = terminal.end()
        # Without a person the second would have been the last: a majority of three.
        assert len(server.seen) == 3
        assert "reader" not in str(server.seen[2].body)
    assert result.code == 0
    assert "All 3 turns were taken." in drawn(result.out)
    assert "→ kept · not judged by a person" in drawn(result.out)


def test_what_is_said_stays_in_sight(rise: Program) -> None:
    with Loopback([reply(7), reply(8), reply(8)]) as server:
        terminal = rise.terminal("ask", QUESTION, *at("openai", server), "-i", "--turns", "3", env=KEYS)
        say(terminal, "Not seven.", "")
        say(terminal, "")
        say(terminal, "a")
        terminal.end()
        third = server.seen[2].body["messages"]
    assert [m["role"] for m in third] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "Not seven." in third[3]["content"]
    assert "Are you confident in your answer?" in third[5]["content"]


def test_feedback_on_the_last_turn_is_worth_one_more(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        terminal = rise.terminal("ask", QUESTION, *at("openai", server), "-i", "--turns", "1", env=KEYS)
        say(terminal, "No.", "")
        terminal.until("turn 2/2")
        say(terminal, "")
        result = terminal.end()
        assert len(server.seen) == 2
    assert (result.code, drawn(result.out).endswith("\n8\n")) == (0, True)
    assert "All 2 turns were taken." in drawn(result.out)


@pytest.mark.parametrize("word", ["q", "QUIT", "\x04"])
def test_stopping_gives_the_vote_so_far(rise: Program, word: str) -> None:
    with Loopback([reply(8)]) as server:
        terminal = rise.terminal("ask", QUESTION, *at("openai", server), "-i", env=KEYS)
        say(terminal, "")
        terminal.until("ended by an empty line")
        terminal.until(PROMPT)
        if word == "\x04":
            terminal.press("d")
        else:
            terminal.enter(word)
        result = terminal.end()
        assert len(server.seen) == 2
    assert result.code == 0
    assert "Stopped after turn 2: a person wanted no further turn." in drawn(result.out)
    assert drawn(result.out).endswith("\n8\n")


def test_a_run_that_is_continued_may_be_interactive(rise: Program) -> None:
    with Loopback([reply(7), reply(8), reply(9)]) as server:
        assert rise("ask", QUESTION, *at("openai", server), "--turns", "1", env=KEYS).code == 0
        said = ("--continue", "last", "--feedback", "Not 7.", "--turns", "1", "-i")
        terminal = rise.terminal("ask", *said, env=KEYS)
        terminal.until("turn 1/2")
        terminal.until("of the earlier run")
        terminal.until("turn 2/2")
        say(terminal, "Nor 8.", "")
        terminal.until("turn 3/3")
        say(terminal, "a")
        result = terminal.end()
        last = [m["content"] for m in server.seen[2].body["messages"]]
    assert (result.code, drawn(result.out).endswith("\n9\n")) == (0, True)
    assert ["Not 7." in last[3], "Nor 8." in last[5]] == [True, True]


def test_all_that_was_objected_to_is_no_answer(rise: Program) -> None:
    with Loopback([reply(7)]) as server:
        sample = ("--prompt", "sample", "--samples", "1")
        terminal = rise.terminal("ask", QUESTION, *at("openai", server), *sample, "-i", env=KEYS)
        say(terminal, "No.", "")
        result = terminal.end()
        assert len(server.seen) == 1
    assert result.code == 1
    assert "no turn gave a usable answer: the person rejected the answer" in drawn(result.out)


def test_chains_are_judged_one_after_the_other(rise: Program, tmp_path: Path) -> None:
    rows = [
        {"reply": "Mine.\nAnswer: 7", "chain": 1, "delay_s": 0.0},
        {"reply": "Mine.\nAnswer: 8", "chain": 2, "delay_s": 0.3},
        {"reply": "Mine.\nAnswer: 9", "chain": 3, "delay_s": 0.6},
    ]
    model = scripted(tmp_path, *rows)
    terminal = rise.terminal("ask", QUESTION, "-m", model, "-i", "--samples", "3", "--turns", "1")
    terminal.until("chain 1/3")
    say(terminal, "")
    terminal.until("chain 2/3")
    say(terminal, "a")
    result = terminal.end()
    shown = drawn(result.out)
    assert (result.code, shown.endswith("\n8\n")) == (0, True)
    assert shown.count("ended by an empty line") == 2, "nothing is left to judge once one is accepted"
    assert shown.index("not judged by a person") < shown.index("accepted by a person")


def test_nothing_is_printed_while_a_person_types(rise: Program, tmp_path: Path) -> None:
    rows = [
        {"reply": "Mine.\nAnswer: 7", "chain": 1},
        {"reply": "A second reply that comes later.\nAnswer: 8", "chain": 2, "delay_s": 0.4, "chunk": 4},
    ]
    model = scripted(tmp_path, *rows)
    terminal = rise.terminal("ask", QUESTION, "-m", model, "-i", "--samples", "2", "--turns", "1")
    terminal.until("ended by an empty line")
    terminal.until(PROMPT)
    assert terminal.idle(1.0) == "", "the other chain's reply is in by now"
    terminal.enter("")
    terminal.until("A second reply")
    say(terminal, "a")
    assert terminal.end().code == 0


def test_what_was_typed_ahead_answers_nothing(rise: Program, tmp_path: Path) -> None:
    model = scripted(tmp_path, {"reply": "Answer: 7", "delay_s": 2.0})
    terminal = rise.terminal("ask", QUESTION, "-m", model, "-i", "--turns", "1")
    terminal.until("turn 1/1")
    terminal.enter("a")
    say(terminal, "q")
    assert "a person wanted no further turn" in drawn(terminal.end().out)


def test_ctrl_c_while_a_person_is_asked(rise: Program) -> None:
    with Loopback([reply(8)]) as server:
        script = 'trap : INT; stty -g >before; "$@"; code=$?; stty -g >after; exit $code'
        terminal = rise.terminal("ask", QUESTION, *at("openai", server), "-i", env=KEYS, shell=script)
        say(terminal, "")
        terminal.until("ended by an empty line")
        terminal.until(PROMPT)
        terminal.press("c")
        result = terminal.end()
    shown = drawn(result.out)
    assert result.code == 130
    assert "Stopped after turn 2: interrupted." in shown
    assert "rise: interrupted; the vote so far is '8' with 2 of 2 votes" in shown
    assert result.out.rindex(SHOW) > result.out.rindex(HIDE)
    assert (rise.folder / "before").read_bytes() == (rise.folder / "after").read_bytes()


def test_ctrl_c_ends_with_130(rise: Program) -> None:
    with Loopback([reply(8), Stall(after_events=3, seconds=60, reply=reply(8))]) as server:
        terminal = rise.terminal("ask", QUESTION, *at("openai", server), "-i", env=KEYS)
        say(terminal, "feedback", "")
        terminal.until("turn 2/5")
        terminal.press("c")
        result = terminal.end()
    assert result.code == 130


def test_the_deadline_does_not_wait_for_a_person(rise: Program, tmp_path: Path) -> None:
    model = scripted(tmp_path, {"reply": "Answer: 8"})
    terminal = rise.terminal("ask", QUESTION, "-m", model, "-i", "--deadline", "2")
    terminal.until(PROMPT)
    result = terminal.end()
    assert result.code == 5
    assert "the deadline passed before the answer was judged" in drawn(result.out)
    assert "the vote so far is '8'" in drawn(result.out)


def test_a_question_may_be_piped_and_the_answer_too(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        script = f'echo "{QUESTION}" | "$@" >answer 2>errors'
        terminal = rise.terminal("ask", *at("openai", server), "-i", "--json", env=KEYS, shell=script)
        say(terminal, "不对，再数一遍。", "")
        say(terminal, "a")
        result = terminal.end()
        assert QUESTION in user_texts(server.seen[0])[0]
    record = json.loads((rise.folder / "answer").read_bytes())
    assert (result.code, record["answer"], record["stop_reason"]) == (0, "8", "accepted")
    told = [(turn["verdict"], turn["reward"], turn["feedback"]) for turn in record["turns"]]
    assert told == [("person", 0.0, "不对，再数一遍。"), ("person", 1.0, None)]
    assert (rise.folder / "errors").read_bytes() == b""


def test_forty_columns_without_a_moving_cursor(rise: Program) -> None:
    with Loopback([reply(8)]) as server:
        dumb = {**KEYS, "TERM": "dumb"}
        terminal = rise.terminal("ask", QUESTION, *at("openai", server), "-i", columns=40, env=dumb)
        say(terminal, "a")
        result = terminal.end()
    assert result.code == 0
    assert "\x1b" not in result.out
    assert max(map(len, result.out.split("\n"))) <= 40


def test_without_a_terminal_it_says_so(rise: Program) -> None:
    result = rise.run("ask", QUESTION, "-i", "-m", "local:")
    assert (result.code, result.out) == (2, "")
    assert "--interactive asks a person at the terminal, and there is none" in result.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--check", "true"), "--interactive and --check (flag) both judge the answers"),
        (("--dry-run",), "--dry-run asks nobody, not even you"),
        (("-q",), "--quiet shows nothing that you could judge"),
    ],
)
def test_what_interactive_does_not_go_with(rise: Program, more: tuple[str, ...], said: str) -> None:
    result = rise("ask", QUESTION, "-m", "local:", "-i", *more)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_a_batch_has_no_person(rise: Program) -> None:
    assert rise("batch", "problems.jsonl", "-i").code == 2
