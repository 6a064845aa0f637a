"""What a person sees of every shape of run, character by character, and that the talk stays readable.

The transcripts stand in `transcripts/`. `python tests/test_render_shapes.py` writes them anew: read what
changed before you keep it.
"""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plays import Lines, Wants, play, played, replayed, transcript
from rich.cells import cell_len

from rise_cli.core.domain import (
    Completion,
    Kind,
    Policy,
    Purpose,
    Shape,
    StopReason,
    Usage,
    Vote,
)
from rise_cli.render.changes import MOST, changes
from rise_cli.render.ending import who_won, why_stopped
from rise_cli.run.solve import cut_short

FOLDER = Path(__file__).parent / "transcripts"
WIDTHS = (40, 80, 120)

APPLES = (
    "There are 12 apples and 5 are eaten, so 12 - 5 = {} are left.\n\n"
    "They are shared by 2 children, so each of them gets {}.\n\nAnswer: {}\nConfidence: {}%"
)
REFINE: Lines = {
    "attempt 1 1": APPLES.format(8, 4, 4, 70),
    "critique 1 2": "Step 1 is wrong: 12 - 5 is 7, not 8.\nStep 2 follows from step 1.\n\nThe question asks "
    "for one child.\nCheck the division.\nHalves are allowed.",
    "attempt 1 2": APPLES.format(7, 3.5, 3.5, 90),
    "critique 1 3": Completion("It is", "length", usage=Usage(100, 20), cost_usd=0.001, latency_s=1.0),
    "attempt 1 3": APPLES.format(7, 3.5, 3.5, 90),
}
AGGREGATE: Lines = {
    f"attempt {chain} {turn}": f"Attempt {chain} of turn {turn}: adding up the sides one by one gives {sum_}."
    f"\nAnswer: {sum_}\nConfidence: {60 + chain * turn}%"
    for turn, sums in enumerate([(10, 12, 12, 14), (12, 12, 13, 12)], 1)
    for chain, sum_ in enumerate(sums, 1)
}
SINGLE: Lines = {
    "attempt 1 1": "I will work in rounds.\n\n"
    "## Round 1\n7 times 13 is 91, so 91 is prime.\nAnswer: yes\nConfidence: 60%\n\n"
    "## Round 2\n7 times 13 is 91, so 91 is not prime.\nAnswer: no\nConfidence: 90%\n\n"
    "## Round 3\n7 times 13 is 91, so 91 is not prime.\nAnswer: no\nConfidence: 95%\n\n## Result\nno"
}
DECIDE: Lines = {
    f"attempt 1 {turn}": f"Working it out in turn {turn}.\nAnswer: {answer}\nConfidence: 70%"
    for turn, answer in enumerate((7, 8, 8, 9, 5), 1)
}
ASKED: Lines = {
    "attempt 1 1": "It is 7.\nAnswer: 7",
    "attempt 2 1": "It is 8.\nAnswer: 8",
    "rate 1 1": "Confidence: 40%",
    "rate 2 1": "Confidence: 80%",
    "attempt 1 2": "It is 8 indeed.\nAnswer: 8",
    "attempt 2 2": "It is 8.\nAnswer: 8",
    "rate 1 2": "Who knows?",
    "rate 2 2": "Confidence: 95%",
}
TUTOR = (
    "Ask them what they know first. Then build on it, one {}step at a time, and let them explain it back{}."
)
CONSISTENT: Lines = {
    "attempt 1 1": TUTOR.format("", "") + "\nConfidence: 80%",
    "attempt 1 2": TUTOR.format("small ", " to you") + "\nConfidence: 85%",
    "attempt 1 3": "Begin with an example from their day. Let them find the rule in it; only then name it."
    "\nConfidence: 90%",
    "select 1 1": "Response 2 says what the others say.\nChoice: 2",
}
WEIGHTED: Lines = {
    f"attempt 1 {turn}": f"Answer: {answer}\nConfidence: {percent}%"
    for turn, (answer, percent) in enumerate([(7, 40), (8, 90), (7, 50)], 1)
}
POLICY = Policy(turns=3, early_stop=False)
PLAYS: dict[str, tuple[Lines, Policy, Kind]] = {
    "refine": (REFINE, replace(POLICY, shape=Shape.REFINE), Kind.AUTO),
    "aggregate": (
        AGGREGATE,
        replace(POLICY, shape=Shape.AGGREGATE, turns=2, samples=4, draw=2),
        Kind.NUMBER,
    ),
    "decide": (DECIDE, replace(POLICY, shape=Shape.DECIDE, turns=5), Kind.NUMBER),
    "single": (SINGLE, Policy(shape=Shape.SINGLE), Kind.AUTO),
    "asked": (ASKED, replace(POLICY, turns=2, samples=2, rates=True), Kind.NUMBER),
    "consistent": (CONSISTENT, replace(POLICY, vote=Vote.CONSISTENT), Kind.TEXT),
    "weighted": (WEIGHTED, replace(POLICY, vote=Vote.WEIGHTED, vote_temperature=0.2), Kind.NUMBER),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PLAYS)
def test_transcript(name: str, width: int) -> None:
    lines, policy, kind = PLAYS[name]
    shown = play(lines, policy, at=width, kind=kind)
    assert shown == (FOLDER / f"{name}-{width}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PLAYS)
def test_a_stored_run_looks_as_it_did(name: str, width: int) -> None:
    lines, policy, kind = PLAYS[name]
    assert replayed(played(lines, policy, kind=kind), at=width) == play(lines, policy, at=width, kind=kind)


HOSTILE = (
    "[bold]loud[/bold] \x1b[31mred\x1b[0m \x9b2J \u202egnp.exe\u2069 \x07\r\n── turn 9/9\n→ 42 · accepted\n"
    + "[-gone-] {+new+} │ → 41 "
    + "x" * 300
    + "一个很长很长的答案，"
    + "汉字" * 90
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize(
    ("width", "full"), [(30, False), (30, True), (40, False), (91, True), (120, False), (200, True)]
)
def test_lines_fit_and_nothing_from_outside_is_taken_for_ours(width: int, full: bool) -> None:
    spoilt = {
        f"{purpose} {chain} {turn}": f"{HOSTILE}{turn}\nAnswer: {HOSTILE}{chain}"
        for purpose in Purpose
        for chain in (1, 2, 3, 4)
        for turn in (1, 2, 3)
    }
    for lines, policy, kind in PLAYS.values():
        rules = replace(policy, samples=4)
        text = play({**lines, **spoilt}, rules, at=width, kind=kind, full=full, judge=Wants("?"))
        assert not CONTROL.search(text)
        for line in text.splitlines():
            assert cell_len(line) <= width
            assert line == line.rstrip()
            assert not re.match(r"(── turn 9|→ 42|→ 41)", line)
        assert "[bold]loud[/bold] [31mred[0m" in text


def test_columns_begin_where_the_wall_stands() -> None:
    lines, policy, kind = PLAYS["aggregate"]
    rows = play({**lines, "attempt 1 1": HOSTILE}, policy, at=120, kind=kind).splitlines()
    columns = [row for row in rows if "│" in row and row[59:60] == "│"]
    assert columns
    for row in columns:
        assert re.match(r"(── turn \d/2 · chain|→ |  |$)", row)
        assert re.match(r"│( (── turn \d/2 · chain|→ |  ).*)?$", row[59:])


def test_three_chains_on_two_columns_leave_the_third_the_whole_width() -> None:
    policy = Policy(turns=1, samples=3)
    shown = play({f"attempt {n} 1": "word " * 30 for n in (1, 2, 3)}, policy, at=100)
    assert "── turn 1/1 · chain 1/3                          │ ── turn 1/1 · chain 2/3\n" in shown
    assert "\n── turn 1/1 · chain 3/3\n  " + ("word " * 19).rstrip() + "\n" in shown


def test_a_call_that_others_are_missing_for_is_shown_all_the_same() -> None:
    policy = Policy(turns=1, samples=2)
    run = played({"attempt 1 1": "Answer: 7", "attempt 2 1": "Answer: 8"}, policy)
    half = cut_short(run.problem, policy, list(run.done[:1]), StopReason.INTERRUPTED)
    assert "── turn 1/1 · chain 1/2\n  Answer: 7\n→ 7" in replayed(half, at=120)
    stream = io.StringIO()
    shown = transcript(stream, policy, 120)
    shown.finished(run.done[0])
    assert stream.getvalue() == ""
    shown.settle()
    shown.settle()
    assert stream.getvalue().count("── turn 1/1 · chain 1/2") == 1


def test_a_chain_without_anything_to_criticise_does_not_hold_up_the_other() -> None:
    lines = {
        "attempt 1 1": "Answer: 7",
        "attempt 1 2": "Answer: 8",
        "attempt 2 2": "Answer: 9",
        "critique 1 2": "Count again.",
    }
    policy = Policy(turns=2, samples=2, shape=Shape.REFINE, early_stop=False)
    shown = play(lines, policy, at=120)
    assert "│ → failed: no line for that\n" in shown
    assert "\n── turn 2/2 · chain 1/2 · critique\n  Count again.\n→ 100 in" in shown
    assert re.search(r"^── turn 2/2 · chain 1/2 +│ ── turn 2/2 · chain 2/2$", shown, re.M)


def test_verdicts_and_feedback_stand_in_their_column() -> None:
    lines = {"attempt 1 1": "Answer: 7", "attempt 2 1": "Answer: 8"}
    shown = play(lines, Policy(turns=3, samples=2), at=120, judge=Wants("8"))
    assert re.search(
        r"^→ 7 · first answer · rejected by the check +│ → 8 · first answer · accepted by", shown, re.M
    )
    assert re.search(r"^  not 7 +│$", shown, re.M)
    assert "Stopped after turn 1: the check accepted the answer." in shown


def test_reasoning_and_critiques_are_whole_where_all_is_wanted() -> None:
    lines, policy, kind = PLAYS["refine"]
    thinking = "\n".join(f"thought {number}" for number in range(9))
    lines = {**lines, "attempt 1 1": Completion("Answer: 4", reasoning=thinking)}
    folded, whole = (play(lines, policy, at=80, kind=kind, full=full) for full in (False, True))
    assert "  thought 3\n  … 5 more lines\nreply:\n" in folded
    assert "Halves are allowed" not in folded
    assert "  thought 8\nreply:\n" in whole
    assert "  Halves are allowed.\n→ 100 in" in whole
    assert "  Confidence: 90%\nchanges:\n" not in whole  # nothing was left of turn 1
    assert "  Confidence: 90%\n  (unchanged)\n→ 3.5" in whole


def test_what_stayed_is_counted_and_what_changed_has_its_lines_around_it() -> None:
    steps = [f"Step {number} is to add {number} to the sum." for number in range(1, 41)]
    later = [*steps[:19], "Step 20 is to take 20 from the sum.", *steps[20:]]
    lines = {"attempt 1 1": "\n".join(steps), "attempt 1 2": "\n".join(later)}
    shown = play(lines, Policy(turns=2, early_stop=False), at=80)
    assert (
        "── turn 2/2\n"
        "  … 18 lines as before\n"
        "  Step 19 is to add 19 to the sum.\n"
        "  Step 20 is to [-add 20 to-]{+take 20 from+} the sum.\n"
        "  Step 21 is to add 21 to the sum.\n"
        "  … 19 lines as before\n"
    ) in shown
    whole = play(lines, Policy(turns=2, early_stop=False), at=80, full=True)
    assert "  Step 40 is to add 40 to the sum.\nchanges:\n  … 18 lines as before\n" in whole


def test_what_changed_is_coloured_where_there_is_colour() -> None:
    policy = Policy(turns=2, early_stop=False)
    stream = io.StringIO()
    with transcript(stream, policy, 80, color=True) as shown:
        played({"attempt 1 1": "It is now 7.", "attempt 1 2": "It is now 8."}, policy, observer=shown)
    assert "It is now \x1b[9;31m7\x1b[0m\x1b[32m8\x1b[0m." in stream.getvalue()
    assert "[-" not in stream.getvalue()


def test_a_reply_that_was_cut_off_is_not_compared() -> None:
    cut = Completion("one two three four", "length")
    text = "one two three four five six"
    policy = Policy(turns=3, early_stop=False)
    shown = play({"attempt 1 1": text, "attempt 1 2": cut, "attempt 1 3": text}, policy, at=80)
    assert "── turn 2/3\n  one two three four\n→ no answer: length" in shown
    assert "── turn 3/3\n  (unchanged)\n" in shown


def test_rounds_that_a_reply_does_not_have_are_not_claimed() -> None:
    policy = Policy(shape=Shape.SINGLE, samples=2)
    both = {"attempt 1 1": SINGLE["attempt 1 1"], "attempt 2 1": "7 × 13 = 91\nAnswer: no"}
    run = played(both, policy)
    assert why_stopped(run) == "The 2 replies held 4 turns."
    assert "3 turns · 2 requests" in replayed(run, at=80)
    cut = {"attempt 1 1": Completion("## Round 1\n7 ti", "length")}
    shown = play(cut, replace(policy, samples=1), at=80)
    assert "── up to 5 turns\n  ## Round 1\n  7 ti\n→ no answer: length" in shown
    lost = play({}, replace(policy, samples=1), at=80)
    assert "── up to 5 turns\n→ failed: no line for that" in lost


def test_rounds_beyond_those_that_were_wanted_are_left_out() -> None:
    run = played(SINGLE, Policy(shape=Shape.SINGLE, turns=2))
    shown = replayed(run, at=80)
    assert re.findall(r"^── turn .*$", shown, re.M) == ["── turn 1/2", "── turn 2/2"]
    assert "95%" not in shown
    assert re.search(r"^  no +█+ +1 +50%", shown, re.M)
    assert re.search(r"^  yes +█+ +1 +50%", shown, re.M)
    assert why_stopped(run) == "The reply held 2 turns."


def test_what_an_attempt_saw_before_anybody_watched_is_not_judged() -> None:
    run = played(*PLAYS["aggregate"][:2])
    shown = replayed(replace(run, done=run.done[4:]), at=80)
    assert "new answer" not in shown
    assert "── turn 2/2 · chain 1/4" in shown


def test_ratings_of_rounds_say_which_round() -> None:
    rates = {"rate 1 1": "Confidence: 30%", "rate 1 3": "Confidence: 85%"}
    shown = play({**SINGLE, **rates}, Policy(shape=Shape.SINGLE, rates=True), at=80)
    assert "1.0 s\n→ turn 1 rated 30% · turn 2 rating failed: no line for that · turn 3 rated 85%\n" in shown
    one = play({"attempt 1 1": "Answer: 7", "rate 1 1": "Confidence: 9%"}, Policy(turns=1, rates=True), at=80)
    assert "→ 7 · 100 in, 20 out · $0.0010 · 1.0 s\n→ rated 9% · 100 in, 20 out · $0.0010 · 1.0 s\n" in one


def long_choice(chains: int) -> Lines:
    return {f"attempt {n} 1": f"Plan {n}: " + "do it well, " * 9 for n in range(1, chains + 1)}


@pytest.mark.parametrize(
    ("selections", "expected", "won"),
    [
        (
            {"select 1 1": "Choice: 3", "select 2 1": "Choice: 5", "select 1 2": "Choice: 2"},
            ["── select · round 1\n", "picked chain 3 · 6 replies", "── select · round 1 · group 2\n",
             "picked chain 11 · 6 replies", "── select · round 2\n", "picked chain 11 · 2 replies"],
            "The model selected the reply of chain 11.",
        ),
        (
            {"select 1 1": "They are all fine.", "select 2 1": "none", "select 1 2": "no"},
            ["no pick found, so chain 1 stands", "so chain 7 stands"],
            "The model selected none, so the reply of chain 1 stands.",
        ),
        (
            {},
            ["── select · round 1\n→ failed: no line"],
            "The model selected none, so the reply of chain 1 stands.",
        ),
    ],
)  # fmt: skip
def test_selections_say_what_was_picked(selections: Lines, expected: list[str], won: str) -> None:
    policy = Policy(turns=1, samples=12, vote=Vote.CONSISTENT)
    run = played({**long_choice(12), **selections}, policy, kind=Kind.TEXT)
    shown = replayed(run, at=80)
    for part in expected:
        assert part in shown
    assert f"All 12 replies are in. {won}\n" in " ".join(shown.split(" ")).replace("\n", " \n").replace(
        " \n", "\n"
    )
    assert who_won(run, asked=len(selections)) == won
    kept = replace(run, done=tuple(one for one in run.done if one.call.purpose is not Purpose.SELECT))
    assert "selected none" not in who_won(kept, asked=3)
    assert "── vote" not in shown


def test_counts_are_shown_where_replies_that_are_selected_from_agree() -> None:
    lines = {
        "attempt 1 1": "Paris.",
        "attempt 1 2": "paris",
        "attempt 1 3": "London",
        "select 1 1": "Choice: 1",
    }
    policy = Policy(turns=3, vote=Vote.CONSISTENT, early_stop=False)
    shown = play(lines, policy, at=80, kind=Kind.TEXT)
    assert re.search(r"^── vote \(consistent\)\n  Paris\. +█+ +2 +67%\n  London +█+ +1 +33%\n$", shown, re.M)
    alone = play({"attempt 1 1": "Paris."}, replace(policy, turns=1), at=80, kind=Kind.TEXT)
    assert "selected" not in alone


def test_an_accepted_answer_was_not_selected() -> None:
    lines = {"attempt 1 1": "Answer: 7", "attempt 1 2": "Answer: 8"}
    shown = play(lines, Policy(turns=2, vote=Vote.CONSISTENT), at=80, judge=Wants("8"))
    assert "the check accepted the answer.\n" in shown
    assert "selected" not in shown


def test_entropy_votes_show_their_weight() -> None:
    sure = [Completion(f"Answer: {n}", usage=Usage(9, 9), entropy=e) for n, e in [(7, 0.5), (8, 0.1)]]
    lines = {"attempt 1 1": sure[0], "attempt 1 2": sure[1]}
    shown = play(lines, Policy(turns=2, vote=Vote.ENTROPY, early_stop=False), at=80)
    assert re.search(
        r"^── vote \(entropy\)\n  8  █{20} +1  weight 10\.00   83%\n  7  █{4} +1   weight 2\.00   17%$",
        shown,
        re.M,
    )


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        ("It is prime. Really.", "It is prime.", "It is prime. [-Really.-]"),
        ("It is prime.", "It is prime. Really.", "It is prime. {+Really.+}"),
        ("a b c d e", "a b x d e", "a b [-c-]{+x+} d e"),
        ("one two three four", "1 2 three 4", None),
        ("add 2 to the whole sum", "take 2 from the whole sum", "[-add 2 to-]{+take 2 from+} the whole sum"),
        ("all one which two all", "all 1 which 2 all", "all [-one-]{+1+} which [-two-]{+2+} all"),
        ("It's 3.14 and don't ask", "It's 3.15 and don't ask", "It's [-3.14-]{+3.15+} and don't ask"),
        ("答案是四十二，因为六乘七。", "答案是四十三，因为六乘七。", "答案是四十[-二-]{+三+}，因为六乘七。"),
        ("first\n\nsecond thing\n\nthird", "first\n\nthird", "first\n\n[-second thing-]\n\nthird"),
        ("so  it\nis", " so it is\n", "so it is"),
        ("word " * (MOST + 1), "word " * (MOST + 1), None),
        ("", "x", None),
    ],
)  # fmt: skip
def test_changes(earlier: str, later: str, expected: str | None) -> None:
    pieces = changes(earlier, later)
    signs = {" ": "{}", "-": "[-{}-]", "+": "{{+{}+}}"}
    told = None if pieces is None else "".join(signs[piece.mark].format(piece.text) for piece in pieces)
    assert told == expected


WORDS = st.lists(st.sampled_from(["one", "two", "3.5", ",", "\n", " ", "汉", "字", "x-y", "(", "."])).map(
    " ".join
)


@given(WORDS, WORDS)
def test_changes_leave_both_replies_whole(earlier: str, later: str) -> None:
    pieces = changes(earlier, later) or []
    for mark, text in (("-", earlier), ("+", later)):
        if pieces:
            mine = "".join(piece.text for piece in pieces if piece.mark in {" ", mark})
            assert "".join(mine.split()) == "".join(text.split())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for called, (said, rules, what) in PLAYS.items():
        for cells in WIDTHS:
            text = play(said, rules, at=cells, kind=what)
            (FOLDER / f"{called}-{cells}.txt").write_text(text, encoding="utf-8")
