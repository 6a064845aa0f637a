"""`rise ask --continue`: an earlier run with what its reader says about it, or with a new question."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from loopback import Loopback, Reply, Seen, Status
from rollouts import rollout
from running import KEYS, Program, Result, at
from test_prompts import FORM

from rise_cli.commands import assembly
from rise_cli.core.conversation import answered_back, conversation
from rise_cli.core.domain import Call, Message, Place, Policy, Problem, Purpose, Shape, StopReason, Trajectory
from rise_cli.core.loop import conclude, next_step
from rise_cli.core.stopping import decided
from rise_cli.history.record import schema, to_record
from rise_cli.history.restore import to_trajectory
from rise_cli.prompts import load, load_role, messages
from rise_cli.settings import resolve

QUESTION = "How many are 3 and 5?"


def reply(answer: int | str, confidence: int = 60) -> Reply:
    return Reply(f"I think it is {answer}.\nAnswer: {answer}\nConfidence: {confidence}%")


def talk(seen: Seen) -> list[tuple[str, str]]:
    return [(m["role"], m["content"]) for m in seen.body["messages"]]


def asked(rise: Program, server: Loopback, *more: str, question: str = QUESTION) -> dict[str, Any]:
    """A first run; returns its entry in the log."""
    result = rise("ask", question, *at("openai", server), *more, env=KEYS)
    assert result.code == 0, result.err
    return newest(rise)


def newest(rise: Program) -> dict[str, Any]:
    entries = json.loads(rise("log", "list", "--json").out)
    assert isinstance(entries[0], dict)
    return entries[0]


def record_of(result: Result) -> dict[str, Any]:
    assert result.code == 0, result.err
    record = result.record
    Draft202012Validator(schema()).validate(record)
    return record


# Feedback


def test_feedback_is_the_verdict_on_the_old_answer_and_the_next_turn_hears_it(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        first = asked(rise, server, "--turns", "1")
        result = rise(
            "ask", "--continue", first["id"], "--feedback", "Count again.", "--turns", "2", "--json",
            "--price", "1,1", env=KEYS,
        )  # fmt: skip
        sent = [talk(seen) for seen in server.seen]
    record = record_of(result)
    assert len(sent) == 3
    assert [role for role, _ in sent[1]] == ["system", "user", "assistant", "user"]
    assert sent[1][:3] == [*sent[0], ("assistant", reply(7).text)]
    assert "The reader says about that answer:\n\nCount again.\n\n" in sent[1][3][1]
    assert sent[2][:4] == sent[1], "what was said stays in sight"
    assert [t["given"] for t in record["turns"]] == [True, False, False]
    told = record["turns"][0]
    assert (told["answer"], told["verdict"], told["reward"], told["feedback"]) == (
        "7", "person", 0.0, "Count again.",
    )  # fmt: skip
    assert (record["answer"], record["votes"][0]["turns"]) == ("8", [[1, 2], [1, 3]])
    assert [vote["answer"] for vote in record["votes"]] == ["8"], "the old answer does not vote"
    assert record["usage"]["requests"] == 2
    assert record["usage"]["by_purpose"] == {"attempt": 2}
    spent = record["usage"]["input_tokens"] + record["usage"]["output_tokens"]
    assert record["cost_usd"] == pytest.approx(spent / 1e6)
    assert record["oracle"] is True


def test_the_model_and_the_rest_stay_unless_told_otherwise(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server, Loopback([reply(9)]) as other:
        asked(rise, server, "--turns", "1", "--prompt", "refine", "--role", "tutor", "--kind", "number")
        said = ("--continue", "last", "--feedback", "No.", "--turns", "1", "--json")
        same = record_of(rise("ask", *said, env=KEYS))
        changed = record_of(
            rise(
                "ask",
                *said,
                *at("openai", other, "m-2"),
                "--prompt",
                "introspect",
                "--kind",
                "text",
                env=KEYS,
            )
        )
        assert talk(server.seen[0])[0] == talk(server.seen[1])[0], "the role"
        assert len(other.seen) == 1
    shown = [(r["model"], *(r["settings"][n] for n in ("protocol", "role", "kind"))) for r in (same, changed)]
    assert shown == [
        ("openai:m-1", "refine", "tutor", "number"),
        ("openai:m-2", "introspect", "tutor", "text"),
    ]


def test_what_was_said_before_is_said_again(rise: Program) -> None:
    with Loopback([reply(7), reply(8), reply(9)]) as server:
        asked(rise, server, "--turns", "1")
        once = rise("ask", "--continue", "last", "--feedback", "Not 7.", "--turns", "1", env=KEYS)
        twice = rise("ask", "--continue", "last", "--feedback", "Nor 8.", "--turns", "1", "--json", env=KEYS)
        last = talk(server.seen[2])
    assert once.out == "8\n"
    assert record_of(twice)["answer"] == "9"
    assert [role for role, _ in last] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert ("Not 7." in last[3][1], "Nor 8." in last[5][1]) == (True, True)
    assert (last[2][1], last[4][1]) == (reply(7).text, reply(8).text)


def test_every_chain_hears_it(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        asked(rise, server, "--turns", "1")
        said = ("--continue", "last", "--feedback", "No.", "--turns", "1", "--samples", "3")
        assert rise("ask", *said, env=KEYS).out == "8\n"
        talks = [talk(seen) for seen in server.seen[1:]]
    assert len(talks) == 3
    assert all(len(one) == 4 and "No." in one[3][1] for one in talks)


def test_the_chain_of_runs_is_in_the_log(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        first = asked(rise, server, "--turns", "1")
        rise("ask", "--continue", first["id"][:-1], "--feedback", "No.", "--turns", "1", env=KEYS)
    second = newest(rise)
    assert second["parent"] == first["id"]
    shown = rise("log", "show", "last").out
    assert f"continues {first['id']}" in shown
    assert "── turn 1/2 · of the earlier run" in shown
    assert "rejected by a person" in shown


def test_the_transcript_shows_what_it_goes_on_from(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        asked(rise, server, "--turns", "1")
        result = rise("ask", "--continue", "last", "--feedback", "No.", "--turns", "1", "-v", env=KEYS)
    lines = result.err.splitlines()
    assert lines[0] == "openai:m-1 · up to 2 turns"
    assert "── turn 1/2 · of the earlier run" in lines
    assert "→ 7 · 60% sure · first answer · rejected by a person" in lines
    assert any(line.startswith("→ 8 · 60% sure · changed from 7 · ") for line in lines)


def test_feedback_may_be_piped(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        asked(rise, server, "--turns", "1")
        result = rise("ask", "--continue", "last", "--feedback", "-", env=KEYS, stdin="One\nTwo\n")
        assert "One\nTwo" in talk(server.seen[1])[3][1]
    assert result.code == 0


def test_dry_run_shows_what_would_be_sent(rise: Program) -> None:
    with Loopback([reply(7)]) as server:
        asked(rise, server, "--turns", "1")
        said = ("--continue", "last", "--feedback", "Count again.", "--turns", "2")
        result = rise("ask", *said, "--dry-run", "--json", env=KEYS)
        assert len(server.seen) == 1
    assert [m["role"] for m in result.record["messages"]] == ["system", "user", "assistant", "user"]
    assert "Count again." in result.record["messages"][3]["content"]
    assert result.record["calls_at_most"] == 2


def test_a_protocol_that_never_looks_back_cannot_hear(rise: Program) -> None:
    with Loopback([reply(7)]) as server:
        asked(rise, server, "--prompt", "sample", "--samples", "1")
        result = rise("ask", "--continue", "last", "--feedback", "No.", env=KEYS)
        assert len(server.seen) == 1
    assert result.code == 2
    assert "--prompt sample never shows a turn what was said before" in result.err


# A new question


def test_a_new_question_keeps_the_conversation(rise: Program, wire: str) -> None:
    with Loopback([reply(7), reply(8), Reply("Neuf.")]) as server:
        question = ("ask", QUESTION, *at(wire, server), "--turns", "1")
        assert rise(*question, env=KEYS).code == 0
        second = rise("ask", "--continue", "last", "And in all?", "--turns", "1", "--json", env=KEYS)
        third = rise("ask", "--continue", "last", "In French?", "--turns", "1", "--json", env=KEYS)
        last = server.seen[2].body["messages"]
    assert record_of(second)["prior"] == [
        {"role": "user", "text": QUESTION},
        {"role": "assistant", "text": reply(7).text},
    ]
    assert [m["text"] for m in record_of(third)["prior"]] == [
        QUESTION, reply(7).text, "And in all?", reply(8).text,
    ]  # fmt: skip
    before = ["system"] if wire == "openai" else []  # the other has a field of its own for it
    assert [m["role"] for m in last] == [*before, "user", "assistant", "user", "assistant", "user"]
    assert "In French?" in str(last[-1]["content"])
    assert third.record["answer"] == "Neuf."
    assert record_of(second)["id"] != newest(rise)["id"]


def test_what_was_said_belongs_to_the_conversation(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        asked(rise, server, "--turns", "1")
        rise("ask", "--continue", "last", "--feedback", "No.", "--turns", "1", env=KEYS)
        result = rise("ask", "--continue", "last", "Why?", "--turns", "1", "--json", env=KEYS)
    assert [m["text"] for m in record_of(result)["prior"]] == [QUESTION, reply(7).text, "No.", reply(8).text]


def test_feedback_within_a_conversation_keeps_it(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        asked(rise, server, "--turns", "1")
        rise("ask", "--continue", "last", "And in all?", "--turns", "1", env=KEYS)
        said = ("--continue", "last", "--feedback", "No.", "--turns", "1", "--json")
        record = record_of(rise("ask", *said, env=KEYS))
        last = talk(server.seen[2])
    assert [role for role, _ in last] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert (last[1][1], record["question"], len(record["prior"])) == (QUESTION, "And in all?", 2)


def test_material_stays_in_the_conversation(rise: Program) -> None:
    (rise.folder / "notes.txt").write_text("Fingers: ten.", encoding="utf-8")
    with Loopback([reply(7), reply(8)]) as server:
        asked(rise, server, "--turns", "1", "--context", "notes.txt")
        rise("ask", "--continue", "last", "Sure?", "--turns", "1", env=KEYS)
        assert talk(server.seen[1])[1] == ("user", f"Fingers: ten.\n\n{QUESTION}")


def test_a_kind_that_followed_from_the_old_question_says_nothing_about_the_new(rise: Program) -> None:
    options = "Which is even?\nA) 3\nB) 4\nC) 5"
    with Loopback([Reply("Answer: B"), Reply("Since two times two is four.")]) as server:
        asked(rise, server, "--turns", "1", question=options)
        result = rise("ask", "--continue", "last", "Why?", "--turns", "1", env=KEYS)
    assert result.out == "Since two times two is four.\n"


# What cannot be taken up


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--feedback", "No."), "--feedback is about an earlier run; name it with --continue ID"),
        (("--continue", "last", "--feedback", "No.", "Why?"), "leave out the new question"),
        (("--continue", "last", "--feedback", "No.", "--context", "-"), "leave out the new question"),
        (("--continue", "last", "--feedback", " "), "the feedback is empty"),
        (("--continue", "last"), "the question is empty"),
        (("--continue", "zzzz", "Why?"), "there is no entry 'zzzz' in the log"),
    ],
)
def test_what_does_not_go_together(rise: Program, arguments: Sequence[str], said: str) -> None:
    with Loopback([reply(7)]) as server:
        asked(rise, server, "--turns", "1")
        result = rise("ask", *arguments, env=KEYS)
        assert len(server.seen) == 1
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_nothing_was_kept_yet(rise: Program) -> None:
    result = rise("ask", "--continue", "last", "Why?", env=KEYS)
    assert result.code == 2
    assert "nothing is kept yet" in result.err


def test_a_run_without_an_answer(rise: Program) -> None:
    with Loopback([Reply("")]) as server:
        assert rise("ask", QUESTION, *at("openai", server), "--turns", "1", env=KEYS).code == 1
        result = rise("ask", "--continue", "last", "--feedback", "No.", env=KEYS)
    assert result.code == 2
    assert "gave no answer that could be taken up" in result.err


def test_a_batch_is_no_conversation(rise: Program) -> None:
    (rise.folder / "p.txt").write_text("How many?\n", encoding="utf-8")
    with Loopback([reply(7)]) as server:
        assert rise("batch", "p.txt", *at("openai", server), "--turns", "1", env=KEYS).code == 0
        result = rise("ask", "--continue", newest(rise)["id"], "Why?", env=KEYS)
    assert result.code == 2
    assert "is a batch, which holds no conversation" in result.err


def test_a_protocol_of_ones_own_must_be_named_again(rise: Program) -> None:
    rise("prompts", "copy", "introspect", "mine")
    with Loopback([reply(7), reply(8)]) as server:
        asked(rise, server, "--turns", "1", "--prompt", "./mine")
        result = rise("ask", "--continue", "last", "Why?", env=KEYS)
        again = rise("ask", "--continue", "last", "Why?", "--prompt", "./mine", "--turns", "1", env=KEYS)
    assert result.code == 2
    assert "made with the protocol 'mine@" in result.err
    assert again.out == "8\n"


def test_a_role_that_was_a_file_stays_while_it_is_there(rise: Program) -> None:
    role = rise.folder / "role.md"
    role.write_text("You are terse.")
    with Loopback([reply(7)]) as server:
        asked(rise, server, "--turns", "1", "--role", "./role.md")
        said = ("--continue", "last", "--feedback", "No.", "--turns", "1")
        assert rise("ask", *said, env=KEYS).code == 0
        role.unlink()
        gone = rise("ask", *said, env=KEYS)
        named = rise("ask", *said, "--role", "tutor", env=KEYS)
        systems = [talk(seen)[0] for seen in server.seen]
    assert systems[:2] == [("system", f"You are terse.\n\n{FORM['answer']}")] * 2
    assert (gone.code, f"was made with the role {str(role)!r}; name it again with --role" in gone.err) == (
        2,
        True,
    )
    assert (named.code, systems[2]) == (0, ("system", f"{load_role('tutor').text}\n\n{FORM['text']}"))


def test_a_role_that_came_through_a_pipe_must_be_given_again(rise: Program) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), Loopback([reply(7)]) as server:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(b"Be brief.")
        asked(rise, server, "--turns", "1", "--role", f"/dev/fd/{reading}")
        again = rise("ask", "--continue", "last", "Why?", env=KEYS)
        assert [talk(seen)[0] for seen in server.seen] == [("system", f"Be brief.\n\n{FORM['answer']}")]
    assert (again.code, "name it again with --role" in again.err) == (2, True)


def test_the_language_stays_with_the_protocol(rise: Program) -> None:
    with Loopback([Reply("## 第1轮\n答案：8\n置信度：90%")]) as server:
        asked(rise, server, "--prompt", "single-call", "--language", "zh", "--turns", "2")
        went_on = [
            rise("ask", "--continue", "last", "And 4?", "--turns", "2", "--json", *more, env=KEYS)
            for more in ((), ("--language", "en"), ("--prompt", "introspect"))
        ]
        firsts = [talk(seen)[0][1] for seen in server.seen]
    assert [record_of(result)["settings"]["language"] for result in went_on] == ["zh", "en", None]
    assert "最多 2 轮" in firsts[0]
    assert firsts[1] == firsts[0]
    assert "at most 2 rounds" in firsts[2]
    assert "轮" not in "".join(
        text for seen in server.seen[3:] for role, text in talk(seen) if role == "system"
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.pop("settings"),
        lambda record: record.update(settings=None),
        lambda record: record.update(votes=[{}]),
        lambda record: record["turns"][0].pop("reply"),
        lambda record: record.update(stop_reason="tired"),
    ],
)
def test_a_run_that_is_damaged_is_not_taken_up(
    rise: Program, damage: Callable[[dict[str, Any]], object]
) -> None:
    with Loopback([reply(7)]) as server:
        name = asked(rise, server, "--turns", "1")["id"]
        record = rise("log", "show", name, "--json").record
        damage(record)
        with closing(sqlite3.connect(rise("log", "path").out.strip())) as db, db:
            db.execute("UPDATE entries SET record = ?", (json.dumps(record),))
        for said in (("Why?",), ("--feedback", "No.")):
            result = rise("ask", "--continue", name, *said, env=KEYS)
            assert (result.code, result.out) == (2, "")
            assert "cannot be read" in result.err
        assert len(server.seen) == 1


def test_an_interruption_keeps_what_was_given(rise: Program) -> None:
    with Loopback([reply(7), reply(8)]) as server:
        asked(rise, server, "--turns", "1")
        said = ("--continue", "last", "--feedback", "No.", "--deadline", "0.000001", "--json")
        result = rise("ask", *said, env=KEYS)
    assert result.code == 5
    assert [t["given"] for t in result.record["turns"]] == [True, False]
    assert result.record["answer"] is None
    assert "person" not in result.record["error"], "what failed is this run, not the earlier one"


def test_a_run_that_breaks_off_keeps_what_was_given(rise: Program) -> None:
    with Loopback([reply(7), reply(8), Status(401)]) as server:
        asked(rise, server, "--turns", "1")
        result = rise("ask", "--continue", "last", "--feedback", "No.", "--turns", "3", "--json", env=KEYS)
    assert result.code == 3
    assert [(t["given"], t["answer"]) for t in result.record["turns"]] == [(True, "7"), (False, "8")]


# The core


def run_of(words: str, policy: Policy, prior: tuple[Message, ...] = ()) -> Trajectory:
    done = rollout(words)
    problem = Problem("p", "What is it?", "Notes.", prior)
    return Trajectory(problem, policy, done, conclude(policy, done, StopReason.TURNS))


def test_given_calls_are_the_winner_after_whatever_was_said_on_the_way() -> None:
    run = run_of("Ap B C B", Policy(turns=4))
    given = answered_back(run, "longer")
    assert [(d.call.turn, d.attempts[0].answer, d.verdict and d.verdict.feedback) for d in given] == [
        (1, "A", "shorter"), (2, "B", "longer"),
    ]  # fmt: skip
    assert all(d.given and d.verdict and not d.verdict.accepted for d in given)
    assert [m.text for m in conversation(run)] == [
        "Notes.\n\nWhat is it?", "A in turn 1 of chain 1", "shorter", "B in turn 2 of chain 1",
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [Shape.REVISE, Shape.REFINE, Shape.AGGREGATE])
def test_nobody_is_asked_for_what_is_given(shape: Shape) -> None:
    policy = Policy(shape=shape, turns=3, samples=3, rates=True)
    given = answered_back(run_of("Ap B", policy), "longer")
    step = next_step(policy, Problem("p", "What is it?"), given)
    calls = getattr(step, "calls", ())
    assert [(c.chain, c.turn) for c in calls] == [(1, 3), (2, 3), (3, 3)]
    assert {tuple(p.turn for p in c.sees) for c in calls} == {(1, 2)}


def test_once_nobody_judges_any_more_it_can_be_decided() -> None:
    given = answered_back(run_of("A", Policy(turns=1)), "no")
    later = tuple(d for d in rollout("A B B B") if d.call.turn > 1)
    assert decided(Policy(turns=5), given + later)
    assert not decided(Policy(turns=5), given + later[:1])


@pytest.mark.parametrize("purpose", [Purpose.RATE, Purpose.SELECT])
def test_ratings_and_selections_know_the_conversation(purpose: Purpose) -> None:
    prior = (Message("user", "Before?"), Message("assistant", "Yes."))
    call = Call(1, 1, purpose, (Place(1, 1),))
    sent = messages(load("introspect"), Policy(), Problem("p", "And now?", None, prior), call, rollout("A"))
    assert sent[:2] == prior
    assert "And now?" in sent[2].text


def test_what_is_given_needs_room(tmp_path: Path) -> None:
    resolved = resolve({"turns": 2}, env={"HOME": str(tmp_path)}, cwd=tmp_path)
    method, problem = assembly.method(resolved), Problem("p", "What is it?")
    given = answered_back(run_of("A", Policy(turns=1)), "x" * 10_000)
    longer = replace(method, policy=replace(method.policy, turns=3))
    alone = assembly.room(longer, problem, resolved.settings)
    after = assembly.room(longer, problem, resolved.settings, given)
    assert after.context_tokens >= alone.context_tokens + 5_000


def test_a_record_holds_what_is_needed_to_go_on() -> None:
    prior = (Message("user", "Before?"), Message("assistant", "Yes."))
    policy = Policy(turns=3)
    given = answered_back(run_of("Ap B", policy, prior), "longer")
    done = given + tuple(d for d in rollout("A B C") if d.call.turn == 3)
    run = Trajectory(Problem("p", "What is it?", None, prior), policy, done,
                     conclude(policy, done, StopReason.TURNS))  # fmt: skip
    record = to_record(run, index=None, model="m", settings={"turns": 3})
    Draft202012Validator(schema()).validate(record)
    back = to_trajectory(record)
    assert back.problem.prior == prior
    assert [d.given for d in back.done] == [True, True, False]
    assert answered_back(back, "x") == answered_back(run, "x")
    assert conversation(back) == conversation(run)
