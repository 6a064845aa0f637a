"""Every protocol, vote and source of confidence through the command, over a script: how many calls of
which purpose, and what comes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from loopback import Loopback, Reply, Seen
from running import KEYS, Program, Result, at

from rise_cli.commands.assembly import method as method_of
from rise_cli.commands.assembly import room
from rise_cli.commands.wiring import Room
from rise_cli.core.domain import Problem
from rise_cli.settings import resolve

Line = str | dict[str, Any]


def ask(rise: Program, lines: Sequence[Line], *more: str, question: str = "How many?") -> Result:
    """Ask over a script of these lines."""
    (rise.folder / "s.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return rise("ask", question, "-m", "scripted:s.jsonl", *more)


def calls(result: Result) -> dict[str, int]:
    assert result.code == 0, result.err
    purposes: dict[str, int] = result.record["usage"]["by_purpose"]
    return purposes


def said(answer: str, sure: int | None = None) -> str:
    return f"Answer: {answer}" + ("" if sure is None else f"\nConfidence: {sure}%")


def rate(turn: int, percent: int) -> Line:
    return {"purpose": "rate", "turn": turn, "reply": f"Confidence: {percent}%"}


def critique(turn: int, text: str = "Step 2 does not hold.") -> Line:
    return {"purpose": "critique", "turn": turn, "reply": text}


def select(number: int) -> Line:
    reply = f"The most consistent response is Response {number}"
    return {"purpose": "select", "turn": 1, "reply": reply}


# Confidence


def test_asked_confidences_are_calls_of_their_own_and_decide(rise: Program) -> None:
    lines = [said("7", 99), said("8", 99), said("9", 99), rate(1, 20), rate(2, 90), rate(3, 50)]
    result = ask(rise, lines, "--confidence", "asked", "--turns", "3", "--json")
    assert calls(result) == {"attempt": 3, "rate": 3}
    assert [turn["confidence"] for turn in result.record["turns"]] == [0.2, 0.9, 0.5]
    assert (result.record["answer"], result.record["confidence"]) == ("8", 0.9)
    assert ask(rise, lines, "--confidence", "asked", "--turns", "3").out == "8\n"
    assert ask(rise, lines, "--turns", "3").out == "7\n"  # stated ones are equal


def test_asked_confidences_stop_a_run(rise: Program) -> None:
    lines = [said("7"), said("7"), said("7"), rate(1, 95), rate(2, 95), rate(3, 95)]
    result = ask(rise, lines, "--confidence", "asked", "--turns", "5", "--json")
    assert calls(result) == {"attempt": 2, "rate": 2}
    assert result.record["stop_reason"] == "confident"


def test_a_rating_that_says_nothing_is_no_confidence(rise: Program) -> None:
    lines: list[Line] = [said("7", 99), {"purpose": "rate", "turn": 1, "reply": "Who knows."}]
    result = ask(rise, lines, "--confidence", "asked", "--turns", "1", "--json")
    assert result.record["turns"][0]["confidence"] is None


# Protocols


def test_refine(rise: Program) -> None:
    lines = [
        said("7", 50),
        said("8", 60),
        said("8", 70),
        critique(2),
        critique(3, "Nothing needs to change."),
    ]
    result = ask(rise, lines, "--prompt", "refine", "--turns", "3", "--no-early-stop", "--json")
    assert calls(result) == {"attempt": 3, "critique": 2}
    critiques = [turn["critique"] for turn in result.record["turns"]]
    assert critiques == [None, "Step 2 does not hold.", "Nothing needs to change."]
    assert result.record["answer"] == "8"
    shown = ask(rise, lines, "--prompt", "refine", "--turns", "3", "--no-early-stop", "-v")
    assert (shown.code, shown.out) == (0, "8\n")
    assert "Step 2 does not hold." in shown.err


def test_aggregate(rise: Program) -> None:
    lines: list[Line] = [
        {"chain": c, "turn": t, "reply": said(str(c + t))} for c in (1, 2, 3) for t in (1, 2, 3)
    ]
    more = ("--prompt", "aggregate", "--samples", "3", "--draw", "2", "--turns", "3", "--no-early-stop")
    result = ask(rise, lines, *more, "--json")
    assert calls(result) == {"attempt": 9}
    assert result.record["settings"]["draw"] == 2
    assert result.record["answer"] == "4"  # given in turn 1, 2 and 3
    assert ask(rise, lines, *more, "-v").out == "4\n"


def test_aggregate_draws_the_same_with_the_same_seed(rise: Program) -> None:
    def shown(seed: str) -> list[list[str]]:
        counted = iter(range(1, 100))
        with Loopback(lambda seen: Reply(f"Answer: {next(counted)}")) as server:
            more = ("--prompt", "aggregate", "--samples", "4", "--draw", "2", "--turns", "2", "--seed", seed)
            result = rise("ask", "?", *at("openai", server), *more, "--concurrency", "1", env=KEYS)
            assert result.code == 0, result.err
            assert [m["role"] for m in server.seen[5].body["messages"]] == ["system", "user"]
            return [sorted(a for a in "1234" if f"Answer: {a}\n" in seen.text) for seen in server.seen[4:]]

    first = shown("3")
    assert all(len(drawn) == 2 for drawn in first)
    assert shown("3") == first
    assert len({tuple(drawn) for seed in "456" for drawn in shown(seed)}) > 2


ROUNDS = (
    "## Round 1\n40?\nAnswer: 40\nConfidence: 60%\n\n## Round 2\nAnswer: 42\nConfidence: 95%\n\n"
    "## Round 3\nAnswer: 42\nConfidence: 99%\n\n## Result\n42"
)
CHINESE = (
    "## 第1轮\n答案：40\n置信度：60%\n\n## 第2轮\n答案：42\n置信度：95%\n\n"
    "## 第3轮\n答案：42\n置信度：99%\n\n## 结果\n42"
)


@pytest.mark.parametrize(("reply", "more"), [(ROUNDS, ()), (CHINESE, ("--language", "zh"))], ids=["en", "zh"])
def test_single_call(rise: Program, reply: str, more: tuple[str, ...]) -> None:
    result = ask(rise, [reply], "--prompt", "single-call", "--turns", "8", *more, "--json")
    assert calls(result) == {"attempt": 1}
    turns = result.record["turns"]
    assert [(t["turn"], t["answer"], t["confidence"]) for t in turns] == [
        (1, "40", 0.6),
        (2, "42", 0.95),
        (3, "42", 0.99),
    ]
    assert result.record["votes"][0]["turns"] == [[1, 2], [1, 3]]
    jsonschema.Draft202012Validator(rise("schema").record).validate(result.record)
    assert ask(rise, [reply], "--prompt", "single-call", *more, "-v").out == "42\n"


def test_single_call_is_one_request_with_the_whole_system_prompt(rise: Program, wire: str) -> None:
    with Loopback([Reply(ROUNDS)]) as server:
        more = ("--prompt", "single-call", "--turns", "4", "--threshold", "0.8", "--samples", "2")
        result = rise("ask", "6 x 7?", *at(wire, server), *more, env=KEYS)
        assert len(server.seen) == 2
        assert "at most 4 rounds" in json.dumps(server.seen[0].body)
        assert "at least 80% sure" in json.dumps(server.seen[0].body)
    assert (result.code, result.out) == (0, "42\n")


@pytest.mark.parametrize(
    ("turns", "answers", "votes"),
    [
        ("1", ["40"], [("40", 1)]),
        ("2", ["40", "42"], [("42", 1), ("40", 1)]),  # by confidence
        ("3", ["40", "42", "42"], [("42", 2), ("40", 1)]),
    ],
)
@pytest.mark.parametrize(("reply", "more"), [(ROUNDS, ()), (CHINESE, ("--language", "zh"))], ids=["en", "zh"])
def test_rounds_beyond_turns_neither_vote_nor_appear(
    rise: Program, reply: str, more: tuple[str, ...], turns: str, answers: list[str], votes: list[object]
) -> None:
    method = ("--prompt", "single-call", "--turns", turns, *more)
    result = ask(rise, [reply], *method, "--json")
    assert [(t["turn"], t["answer"]) for t in result.record["turns"]] == list(enumerate(answers, 1))
    assert [(vote["answer"], vote["count"]) for vote in result.record["votes"]] == votes
    assert "3/" not in ask(rise, [reply], *method, "-v").err or turns == "3"


def test_single_call_rates_every_round(rise: Program) -> None:
    lines: list[Line] = [ROUNDS, rate(1, 99), rate(2, 10), rate(3, 20)]
    more = ("--prompt", "single-call", "--confidence", "asked", "--json")
    result = ask(rise, lines, *more)
    assert calls(result) == {"attempt": 1, "rate": 3}
    assert [turn["confidence"] for turn in result.record["turns"]] == [0.99, 0.1, 0.2]
    weighted = ask(rise, lines, *more, "--vote", "weighted", "--vote-temperature", "0.1")
    assert weighted.record["answer"] == "40"


@pytest.mark.parametrize(
    ("wanted", "answer", "rewards"), [("42", "42", [None, None, 1.0]), ("40", "40", [None, None, 0.0])]
)
def test_a_check_judges_the_last_round_and_a_rejection_spares_other_answers(
    rise: Program, wanted: str, answer: str, rewards: list[float | None]
) -> None:
    check = f'test "$(cat)" = {wanted}'
    (rise.folder / "check.sh").write_text(f"#!/bin/sh\n{check}\n")
    result = ask(rise, [ROUNDS], "--prompt", "single-call", "--check", "sh check.sh", "--json")
    assert calls(result) == {"attempt": 1}
    assert [turn["reward"] for turn in result.record["turns"]] == rewards
    assert result.record["answer"] == answer


# Votes


def test_consistent(rise: Program) -> None:
    lines = [said("7"), said("8"), said("9"), select(3)]
    result = ask(rise, lines, "--vote", "consistent", "--turns", "3", "--json")
    assert calls(result) == {"attempt": 3, "select": 1}
    assert result.record["answer"] == "9"
    assert ask(rise, lines, "--vote", "consistent", "--turns", "3", "-v").out == "9\n"


def test_consistent_over_many_goes_in_rounds(rise: Program) -> None:
    lines: list[Line] = [
        {"chain": c, "turn": 1, "purpose": "attempt", "reply": said(str(c))} for c in range(1, 13)
    ]
    picks = [
        {"chain": chain, "turn": turn, "purpose": "select", "reply": f"Response {number}"}
        for turn, chain, number in ((1, 1, 6), (1, 2, 1), (2, 1, 2))
    ]
    more = ("--prompt", "sample", "--samples", "12", "--vote", "consistent", "--json")
    result = ask(rise, [*lines, *picks], *more)
    assert calls(result) == {"attempt": 12, "select": 3}
    assert result.record["answer"] == "7"  # the second of 6 and 7, which their groups brought forth


OPEN = ["Rain falls.\nConfidence: 80%", "Rain falls on hills.\nConfidence: 85%", "Rain.\nConfidence: 70%"]


@pytest.mark.parametrize("more", [("--kind", "text"), ("--role", "tutor"), ("--role", "writing")])
def test_open_questions_are_selected_and_stdout_has_the_whole_reply(
    rise: Program, more: tuple[str, ...]
) -> None:
    lines = [*OPEN, select(2)]
    result = ask(rise, lines, *more, "--turns", "3", "--json")
    assert calls(result) == {"attempt": 3, "select": 1}
    assert (result.record["settings"]["vote"], result.record["settings"]["kind"]) == ("consistent", "text")
    plain = ask(rise, lines, *more, "--turns", "3")
    assert (plain.code, plain.out) == (0, "Rain falls on hills.\n")
    assert ask(rise, lines, *more, "--turns", "3", "--full").out == OPEN[1] + "\n"


def test_a_role_for_short_answers_and_a_named_vote_keep_the_count(rise: Program) -> None:
    lines = [said("7"), said("8"), said("8")]
    result = ask(rise, lines, "--role", "math", "--turns", "3", "--json")
    assert (calls(result), result.record["settings"]["vote"]) == ({"attempt": 3}, "majority")
    result = ask(rise, OPEN, "--role", "tutor", "--turns", "3", "--vote", "last", "--json")
    assert (calls(result), result.record["answer"]) == ({"attempt": 3}, "Rain.")


def test_the_same_reply_again_and_again_needs_no_selection(rise: Program) -> None:
    result = ask(rise, [OPEN[0]] * 3, "--kind", "text", "--turns", "3", "--json")
    assert calls(result) == {"attempt": 3}


def test_weighted(rise: Program) -> None:
    lines = [said("7", 60), said("7", 60), said("8", 95)]
    flat = ("--vote", "weighted", "--vote-temperature", "1", "--turns", "3")
    assert ask(rise, lines, *flat).out == "7\n"
    sharp = ask(rise, lines, "--vote", "weighted", "--vote-temperature", "0.1", "--turns", "3", "--json")
    assert sharp.record["answer"] == "8"
    # e^3.5 = 33.1 against 2.
    assert sharp.record["votes"][0]["share"] == pytest.approx(33.115 / 35.115, abs=1e-4)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--strict", "--vote", "consistent"), "--vote consistent counts none"),
        (("--strict", "--kind", "text"), "--vote consistent counts none"),
        (("--vote", "weighted", "--confidence", "none"), "--confidence none has none"),
        (("--vote-temperature", "0", "--vote", "weighted"), "vote-temperature"),
        (("--vote", "loudest"), "'loudest'"),
        (("--confidence", "felt"), "'felt'"),
        (("--language", "zh"), "does not speak 'zh'"),
        (("--draw", "0"), "draw"),
        (("--role", "pirate"), "no role named 'pirate'"),
    ],
)
def test_what_contradicts_itself_costs_no_call(rise: Program, more: tuple[str, ...], words: str) -> None:
    with Loopback() as server:
        result = rise("ask", "2?", *at("openai", server), *more, env=KEYS)
        assert server.connections == 0
    assert (result.code, result.out) == (2, "")
    assert words in result.err


# What it may cost


@pytest.mark.parametrize(
    ("more", "least", "most"),
    [
        (("--turns", "5"), 2, 5),
        (("--turns", "5", "--prompt", "refine"), 3, 9),
        (("--turns", "5", "--prompt", "refine", "--no-early-stop"), 9, 9),
        (("--turns", "5", "--prompt", "refine", "--samples", "3"), 9, 27),
        (("--turns", "5", "--prompt", "refine", "--window", "0"), 2, 5),
        (("--turns", "3", "--prompt", "aggregate", "--no-early-stop"), 12, 12),
        (("--turns", "3", "--prompt", "decide", "--no-early-stop"), 3, 3),
        (("--turns", "5", "--prompt", "decide"), 2, 5),
        (("--turns", "3", "--prompt", "revise-answer", "--samples", "2", "--no-early-stop"), 6, 6),
        (("--turns", "8", "--prompt", "single-call"), 1, 1),
        (("--turns", "8", "--prompt", "single-call", "--samples", "3"), 3, 3),
        (("--turns", "8", "--prompt", "single-call", "--confidence", "asked"), 2, 9),
        (("--turns", "3", "--confidence", "asked", "--no-early-stop"), 6, 6),
        (("--turns", "3", "--confidence", "asked", "--check", "true"), 1, 6),
        (("--turns", "3", "--prompt", "refine", "--confidence", "asked", "--no-early-stop"), 8, 8),
        (("--prompt", "sample", "--samples", "4", "--confidence", "asked"), 8, 8),
        (("--prompt", "sample", "--samples", "12", "--vote", "consistent", "--max-tokens", "100"), 12, 15),
        # Replies that fill the limit are compared in pairs.
        (("--prompt", "sample", "--samples", "5", "--vote", "consistent"), 5, 9),
        (("--kind", "text", "--turns", "3", "--max-tokens", "100", "--no-early-stop"), 3, 4),
    ],
)
def test_dry_run_counts_every_call(rise: Program, more: tuple[str, ...], least: int, most: int) -> None:
    result = rise("ask", "6 x 7?", "-m", "openai:m", "--price", "1,2", "--dry-run", "--json", *more)
    assert result.code == 0, result.err
    shown = result.record
    assert (shown["calls_at_least"], shown["calls_at_most"]) == (least, most)
    assert 0 < shown["cost_usd_at_least"] < shown["cost_usd_at_most"]


@pytest.mark.parametrize(
    ("more", "like"),
    [
        (("--prompt", "refine", "--turns", "3"), {"attempt": 3, "critique": 2}),
        (("--confidence", "asked", "--turns", "3"), {"attempt": 3, "rate": 3}),
        (("--prompt", "aggregate", "--turns", "3", "--samples", "3"), {"attempt": 9}),
        (("--prompt", "decide", "--turns", "3"), {"attempt": 3}),
        (("--vote", "consistent", "--turns", "3"), {"attempt": 3, "select": 1}),
        (("--prompt", "single-call", "--samples", "2"), {"attempt": 2}),
    ],
)
def test_a_run_stays_within_its_estimate(
    rise: Program, wire: str, more: tuple[str, ...], like: dict[str, int]
) -> None:
    """Over a server whose replies fill the limit, and that counts a token a byte."""
    more = (*more, "--max-tokens", "40", "--price", "1,2", "--no-early-stop")
    counted = iter(range(1000))

    def filling(seen: Seen) -> Reply:
        return Reply(f"Answer: {next(counted)}\nConfidence: 70%")

    with Loopback(filling) as server:
        result = rise("ask", "6 x 7?", *at(wire, server), *more, "--json", env=KEYS)
        estimate = rise("ask", "6 x 7?", *at(wire, server), *more, "--json", "--dry-run", env=KEYS).record
    assert calls(result) == like
    assert estimate["calls_at_least"] <= sum(like.values()) <= estimate["calls_at_most"]
    assert result.record["cost_usd"] <= estimate["cost_usd_at_most"]


def test_room_grows_with_what_a_call_sees(tmp_path: Path) -> None:
    def tokens(**flags: object) -> int:
        resolved = resolve(flags, env={"HOME": str(tmp_path)}, cwd=tmp_path)
        made = room(method_of(resolved), Problem("p", "?"), resolved.settings)
        assert isinstance(made, Room)
        return made.context_tokens

    plain = tokens(turns=3, max_tokens=1000)
    assert tokens(turns=3, max_tokens=1000, window="all") == plain + 1256
    assert tokens(turns=3, max_tokens=1000, prompt="refine") - plain == pytest.approx(1256, abs=200)
    four = tokens(turns=3, max_tokens=1000, prompt="aggregate")
    assert four - plain == pytest.approx(3 * 1256, abs=200)
    assert tokens(turns=3, max_tokens=1000, prompt="aggregate", samples=2) == four - 2 * 1256
    assert tokens(turns=3, max_tokens=1000, vote="consistent") == plain + 2 * 1256
    assert tokens(turns=50, max_tokens=1000, vote="consistent") == plain + 9 * 1256
    # One reply that holds all rounds.
    assert tokens(turns=9, prompt="single-call") - tokens(turns=8, prompt="single-call") == pytest.approx(
        512, abs=2
    )
    assert tokens(turns=9, prompt="single-call", max_tokens=1000) < 2500
