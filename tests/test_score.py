"""`rise score`: on results of real runs against what comes out by hand, and with somebody else to grade.

The runs are those of `make_scored`: A is the right answer to all six problems.

    introspect.jsonl                               sample.jsonl: three chains of one turn
          turn 1  turn 2  turn 3   majority              chain 1  2  3   majority
    p1    A 90    A 90    A 90     A               p1          A  A  B   A
    p2    B 60    A 70    A 80     A               p2          A  B  A   A
    p3    A 80    B 70    B 90     B               p3          B  B  A   B
    p4    B 50    B 60    A 70     B               p4          A  A  A   A
    p5    A 70    B 60    A 90     A               p5          B  C  A   B (a tie: the earliest)
    p6    -       B 80    C 80     B (a tie)       p6          -  A  A   A
"""

from __future__ import annotations

import json
import math
import shutil
from typing import Any

import pytest
from loopback import Loopback, Reply, Seen, Status, Tokens
from make_scored import FOLDER
from running import KEYS, Program, Result

from rise_cli.measure.accuracy import share


@pytest.fixture
def scored(rise: Program) -> Program:
    """A program that has the two files in its folder."""
    for name in ("introspect.jsonl", "sample.jsonl"):
        shutil.copy(FOLDER / name, rise.folder / name)
    return rise


def one(result: Result) -> dict[str, Any]:
    """What is said of the first file."""
    assert result.code == 0, result.err
    found: dict[str, Any] = result.record["files"][0]
    return found


def values(found: dict[str, Any]) -> dict[str, float]:
    return {name: figure["value"] for name, figure in found["figures"].items()}


# By hand


def test_one_chain(scored: Program) -> None:
    found = one(scored("score", "introspect.jsonl", "--json", "--by", "level"))
    assert (found["problems"], found["graded"], found["failed"], found["turns"]) == (6, 6, 0, 3)
    # Right: turn 1 p1 p3 p5, turn 2 p1 p2, turn 3 p1 p2 p4 p5. Of two turns the surer one: p2 A 70, p3 A 80,
    # p5 A 70. Any turn: all but p6, of which p4 needs the third.
    assert values(found) == {
        "m1@t1": 3 / 6, "m1@t2": 4 / 6, "m1@t3": 3 / 6,
        "acc@1": 3 / 6, "acc@2": 2 / 6, "acc@3": 4 / 6,
        "p1@t2": 4 / 6, "p1@t3": 5 / 6,
    }  # fmt: skip
    wilson = share(4, 6)
    assert found["figures"]["acc@3"] == {
        "value": 4 / 6, "low": wilson.low, "high": wilson.high, "n": 6, "oracle": False, "partial": False,
    }  # fmt: skip
    assert found["figures"]["p1@t3"]["oracle"] is True
    # p1, p2, p5.
    assert found["voted"]["value"] == 3 / 6
    # 1 to 2: p1 stays right, p2 fixed, p3 p5 broken, p4 p6 stay wrong. 2 to 3: p1 p2 stay right, p4 p5 fixed.
    assert [step["flips"] for step in found["steps"]] == [
        {"kept_right": 1, "kept_wrong": 2, "fixed": 1, "broken": 2, "gained": 1, "lost": 2},
        {"kept_right": 2, "kept_wrong": 2, "fixed": 2, "broken": 0, "gained": 2, "lost": 0},
    ]
    even = found["flips"]["even"]
    # Before: 5 right of 12. Fixed 3 of 7, broken 2 of 5: c/d = (3/7) / (2/5) = 15/14 over a/(1-a) = 5/7.
    assert (even["a"], even["c"], even["d"]) == (5 / 12, 3 / 7, 2 / 5)
    assert (even["ratio"], even["bar"], even["helps"]) == (pytest.approx(15 / 14), 5 / 7, None)
    # m1@t3 gains p2 and loses p3.
    (change,) = found["changes"]
    assert (change["comparison"]["only_a"], change["comparison"]["only_b"]) == (1, 1)
    assert (change["comparison"]["p"], change["verdict"]["word"]) == (1.0, "cannot tell")
    # Different answers: p1 1, p2 to p5 2 each, p6 2 of its two; of 17 answers. p6's first cannot be read.
    assert found["answers"] == {"replies": 18, "unreadable": 1, "lost": 0, "unique_ratio": 11 / 17}
    assert (found["stop_reasons"], found["turns_used"]) == ({"turns": 6}, {"3": 6})
    # See `test_measure` for how the confidences come to these.
    sure = found["confidence"]
    assert (sure["n"], sure["pairs"], sure["wqd"]) == (17, 8, 7 / 8)
    assert [sure[name] for name in ("brier", "ece", "auroc")] == pytest.approx(
        [4.3 / 17, 4.2 / 17, 55.5 / 72]
    )
    # The mean confidence of the winner: p1 90; p2 75; p3 (70 + 90) / 2; p4 55; p5 80; p6 80 (B alone).
    assert [(x["threshold"], x["coverage"], x["right"]["value"]) for x in found["coverage"]] == [
        (0.9, 1 / 6, 1.0), (0.8, 4 / 6, 2 / 4), (0.75, 5 / 6, 3 / 5), (0.55, 1.0, 3 / 6),
    ]  # fmt: skip
    assert [(part["value"], part["problems"], part["voted"]["value"]) for part in found["groups"]] == [
        (1, 2, 1.0), (2, 2, 0.0), (3, 1, 1.0), (None, 1, 0.0),
    ]  # fmt: skip


def test_what_it_took(scored: Program) -> None:
    spending = one(scored("score", "introspect.jsonl", "--json"))["spending"]
    # 18 calls of 100 in and 20 out, 50 of them cached in 12 calls: 1800 in, 600 cached, 360 out. At 1 and 2
    # dollars a million: 0.0018 + 0.00072 = 0.00252, and three answers are right.
    assert spending == {
        "requests": 18, "input_tokens": 1800, "cached_tokens": 600, "output_tokens": 360,
        "cost_usd": 0.00252, "known_usd": 0.00252, "unpriced": 0, "latency_median_s": 0.02,
        "latency_p95_s": 0.03, "per_right_usd": 0.00084, "per_right_tokens": 720.0,
        "cached_share": pytest.approx(1 / 3),
    }  # fmt: skip


def test_chains(scored: Program) -> None:
    found = one(scored("score", "sample.jsonl", "--json"))
    # One sample: 2/3 + 2/3 + 1/3 + 1 + 1/3 + 2/3 = 11/3 of 6. Two: p1 and p4; p2's tie goes to A, p5's to B,
    # p3 has none; of p6 only A counts: 4 of 6. Three: p1 p2 p4 p6. Any of two: the same; any of three: all.
    assert values(found) == pytest.approx(
        {
            "m1@t1": 11 / 18, "m2@t1": 4 / 6, "m3@t1": 4 / 6, "acc@1": 11 / 18, "p2@t1": 4 / 6, "p3@t1": 1.0,
        }
    )  # fmt: skip
    # The first chain is right in p1 p2 p4, and three of them in p6, too.
    (change,) = found["changes"]
    assert (change["a"], change["comparison"]["only_b"]) == ("m1@t1 of the first chain", 1)


def test_pairs_of_files(scored: Program) -> None:
    (pair,) = scored("score", "introspect.jsonl", "sample.jsonl", "--json").record["comparisons"]
    seen = pair["comparison"]
    # Both right: p1 p2. Only introspect: p5. Only sample: p4 p6. Neither: p3. Two of three flips of a coin
    # or more: p = 1.
    assert [seen[name] for name in ("n", "both", "only_a", "only_b", "neither", "p")] == [6, 2, 1, 2, 1, 1.0]
    assert seen["difference"] == pytest.approx(1 / 6)
    # psi = 1/2, delta = 1/6: (1.95996 * 0.70711 + 0.84162 * sqrt(1/2 - 1/36))^2 * 36 = 1.96424^2 * 36.
    assert (pair["a"], pair["verdict"]["needed"]) == ("introspect.jsonl", 139)


def test_which_pairs_are_compared(scored: Program) -> None:
    names = []
    for number in range(5):
        names.append(f"{number}.jsonl")
        shutil.copy(FOLDER / "sample.jsonl", scored.folder / names[-1])
    four, five = (scored("score", *names[:n], "--json").record["comparisons"] for n in (4, 5))
    assert len(four) == 6
    assert [(pair["a"], pair["b"]) for pair in five] == [("0.jsonl", f"{n}.jsonl") for n in (1, 2, 3, 4)]


# On paper


@pytest.mark.parametrize("columns", [40, 80])
def test_the_table_fits(scored: Program, columns: int) -> None:
    result = scored(
        "score", "introspect.jsonl", "sample.jsonl", "--by", "level", env={"COLUMNS": str(columns)}
    )
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= columns
    assert "m1@t2     66.7%  30 to 90            6" in lines
    assert "any turn right: an oracle's figure" in lines
    assert "all           3      2        3       4" in lines
    assert "The same problems, in pairs" in lines
    assert "cost       $0.0025" in result.out


def test_colour_is_as_asked(scored: Program) -> None:
    assert "\x1b[" in scored("score", "sample.jsonl", "--color", "always").out
    assert "\x1b[" not in scored("score", "sample.jsonl").out


def test_partial_and_oracle_are_said(scored: Program) -> None:
    changed = [json.loads(line) for line in (FOLDER / "introspect.jsonl").read_text().splitlines()]
    changed[0]["turns"] = changed[0]["turns"][:2]
    changed[0].update(stop_reason="confident", oracle=True)
    write(scored, changed)
    result = scored("score", "r.jsonl")
    assert "one turn alone; partial: some stopped early" in result.out
    assert "an oracle's figure; partial" in result.out
    assert "voted (an oracle helped)" in result.out
    found = one(scored("score", "r.jsonl", "--json"))
    assert [name for name, figure in found["figures"].items() if figure["partial"]] == [
        "acc@2", "acc@3", "p1@t2", "p1@t3",
    ]  # fmt: skip


def test_what_a_file_says_is_never_markup(scored: Program) -> None:
    rows = [json.loads(line) for line in (FOLDER / "introspect.jsonl").read_text().splitlines()]
    evil = "\x1b[31mred\x1b[0m [bold]\u202e"
    rows[0].update(stop_reason=evil, model=evil, extra={evil: evil})
    rows[0]["settings"]["protocol"] = evil
    write(scored, rows)
    result = scored("score", "r.jsonl", "--by", evil)
    assert (result.code, "[bold]" in result.out) == (0, True)
    assert "\x1b" not in result.out + scored("score", "r.jsonl", "--json", "--by", evil).out
    assert "\u202e" not in result.out


def test_rows_without_turns(scored: Program) -> None:
    changed = [json.loads(line) for line in (FOLDER / "introspect.jsonl").read_text().splitlines()]
    write(scored, [row | {"turns": []} for row in changed])
    result = scored("score", "r.jsonl", "--kind", "number")
    assert "voted     50.0%" in result.out
    assert "6 rows of 'r.jsonl' were written with --slim" in result.err


def write(rise: Program, rows: list[dict[str, Any]], name: str = "r.jsonl") -> None:
    (rise.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


# What cannot be scored


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"correct": "yes"}, "line 2 of 'r.jsonl' is not a rise.trajectory/1 row"),
        ({"confidence": 90}, "line 2 of"),
        ({"votes": [{"turns": [1]}]}, "line 2 of"),
        ({"extra": None}, "line 2 of"),
        ({"settings": {"tie": "coin"}}, "line 2 of"),
        ({"schema": "other/1"}, "line 2 of"),
        ({"turns": [{}]}, "line 2 of"),
        ({"cost_usd": math.nan}, "line 2 of"),
        ({"cost_usd": 10**400}, "line 2 of"),
        ({"turn": 10**12}, "line 2 of"),  # turns are counted up to it
        ({"chain": 0}, "line 2 of"),
        ({"latency_s": math.inf}, "line 2 of"),
        ({"reward": 2}, "line 2 of"),
    ],
)
def test_no_results(scored: Program, change: dict[str, Any], said: str) -> None:
    rows = [json.loads(line) for line in (FOLDER / "introspect.jsonl").read_text().splitlines()]
    # What only a turn has is changed in one.
    (rows[1] if change.keys() <= rows[1].keys() else rows[1]["turns"][0]).update(change)
    write(scored, rows)
    result = scored("score", "r.jsonl")
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_an_id_that_comes_twice_is_told(scored: Program) -> None:
    text = (FOLDER / "introspect.jsonl").read_text()
    (scored.folder / "r.jsonl").write_text(text + text)
    result = scored("score", "r.jsonl", "--json")
    assert "6 rows of 'r.jsonl' with an id that another one has" in result.err
    (found,) = result.record["files"]
    assert (found["problems"], found["changes"][0]["comparison"]["n"]) == (12, 6)


def test_a_field_may_hold_what_is_no_json(scored: Program) -> None:
    rows = [json.loads(line) for line in (FOLDER / "introspect.jsonl").read_text().splitlines()]
    write(scored, [row | {"extra": {"depth": math.nan}} for row in rows])
    groups = scored("score", "r.jsonl", "--by", "depth", "--json").record["files"][0]["groups"]
    assert [one["value"] for one in groups] == ["NaN"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("none.jsonl",), "cannot read 'none.jsonl'"),
        (("empty.jsonl",), "there are no rows in 'empty.jsonl'"),
        (("sample.jsonl", "--by", "topic"), "has a field 'topic'; it has 'level'"),
        (("sample.jsonl", "--kind", "colour"), "'colour'"),
        (("sample.jsonl", "--check", "true", "--judge", "openai:x"), "give one of them"),
    ],
)
def test_wrong_usage(scored: Program, args: tuple[str, ...], said: str) -> None:
    (scored.folder / "empty.jsonl").write_text("")
    result = scored("score", *args)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


# Graded anew


def test_answers_are_read_again(scored: Program) -> None:
    # As text the whole reply is the answer, which equals no reference.
    found = one(scored("score", "introspect.jsonl", "--json", "--kind", "text"))
    assert (found["answers"]["unreadable"], found["voted"]["value"]) == (0, 0.0)
    # And as numbers they are what they were.
    (scored.folder / "again.jsonl").write_text((FOLDER / "introspect.jsonl").read_text())
    as_was, again = (
        scored("score", "again.jsonl", "--json", *more).record["files"][0]
        for more in ((), ("--kind", "number"))
    )
    assert as_was == again


def test_a_check_grades_every_turn(scored: Program) -> None:
    # 20 and more is right: of p4 (24) everything, of p5 (30) and p6 (36, its first turn unread), and nothing
    # of p1 to p3, whose wrong answers are 7, 13 and 19.
    result = scored("score", "introspect.jsonl", "--json", "--check", "sh -c 'read x; test $x -ge 20'")
    found = one(result)
    assert [values(found)[name] for name in ("acc@1", "acc@2", "acc@3")] == [2 / 6, 3 / 6, 3 / 6]
    assert found["voted"]["value"] == 3 / 6
    missing = scored("score", "introspect.jsonl", "--check", "no-such-program")
    assert missing.code == 3


def test_no_check_runs_that_is_not_named(scored: Program) -> None:
    env = {"RISE_CHECK": "false", "RISE_KIND": "text", "RISE_MODEL": "openai:x"}
    assert one(scored("score", "introspect.jsonl", "--json", env=env))["voted"]["value"] == 3 / 6


# Judged


def judging(seen: Seen) -> Reply:
    """Takes 25 for 24, and says nothing of what is said of 36."""
    right, given = (seen.text.split(f"{what} answer:\n")[1].split("\n")[0] for what in ("Right", "Given"))
    if right == "36":
        return Reply("Hard to say.", usage=Tokens(50, 5))
    same = given in {right, "25"}
    return Reply(f"Verdict: {'right' if same else 'wrong'}", usage=Tokens(50, 5))


def test_a_judge(scored: Program) -> None:
    judge = ("--judge", "openai:m-1", "--price", "1,2", "--max-wait", "0")
    with Loopback(judging) as server:
        more = (*judge, "--base-url", server.openai_url)
        result = scored("score", "introspect.jsonl", "--json", *more, env=KEYS)
        asked = len(server.seen)
        again = scored("score", "introspect.jsonl", "--json", *more, env=KEYS)
    found = one(result)
    # Every different answer once: p1 1; p2 to p5 2 each; p6 2, both unreadable.
    assert (asked, found["judged"]["asked"], found["judged"]["unreadable"]) == (11, 11, 2)
    # p4's 25 is right now, in all its turns; of p6 nothing is known but that its first turn cannot be read.
    assert found["graded"] == 5
    assert [values(found)[name] for name in ("acc@2", "acc@3")] == [3 / 5, 4 / 5]
    # Of nine answers they disagree on the 25: right by exact comparison are 5, by the judge 6.
    # (8/9 - chance) / (1 - chance) with chance = 5/9 * 6/9 + 4/9 * 3/9 = 42/81.
    same = found["judged"]["agreement"]
    assert (same["n"], same["share"], same["judge_only"], same["exact_only"]) == (9, 8 / 9, 1, 0)
    assert same["kappa"] == pytest.approx((8 / 9 - 42 / 81) / (1 - 42 / 81))
    assert "11 judgements, 2 unreadable, 11 requests, $0.0007" in result.err
    # What was judged once is not asked again.
    assert len(server.seen) == asked
    assert again.record == result.record
    assert ((scored.folder / "introspect.jsonl.judged").stat().st_mode & 0o777) == 0o600


def test_open_questions_are_rated_by_turn(scored: Program) -> None:
    rows = [json.loads(line) for line in (FOLDER / "introspect.jsonl").read_text().splitlines()]
    for row in rows:
        row.update(reference=None, correct=None)
        for turn in row["turns"]:
            turn.update(reward=None, verdict=None, reply=f"Turn {turn['turn']} of {row['id']}.")
    write(scored, rows)

    def rating(seen: Seen) -> Reply:
        turn = int(seen.text.split("Reply:\nTurn ")[1][0])
        on = "no" if turn == 3 and "of p6" in seen.text else "yes"
        return Reply(f"Fine.\nQuality: {3 + turn}\nAnswers the question: {on}", usage=Tokens(50, 5))

    with Loopback(rating) as server:
        more = ("--judge", "openai:m-1", "--base-url", server.openai_url, "--max-wait", "0")
        result = scored("score", "r.jsonl", *more, env=KEYS)
        found = one(scored("score", "r.jsonl", "--json", *more, env=KEYS))
        assert len(server.seen) == 18
        assert not any("Turn 2" in seen.text and "Turn 1" in seen.text for seen in server.seen)
    assert (result.code, "Of no problem is it known what is right." in result.out) == (0, True)
    assert "3          6.00" in result.out
    assert "the quality changes by +2.00 points of 10" in result.out
    turns = found["judged"]["opinions"]["turns"]
    assert [(one["quality"]["value"], one["answers"]["value"]) for one in turns] == [
        (4, 1),
        (5, 1),
        (6, 5 / 6),
    ]


def test_the_budget_of_a_judge(scored: Program) -> None:
    with Loopback(judging) as server:
        more = ("--judge", "openai:m-1", "--base-url", server.openai_url, "--concurrency", "1")
        first = scored("score", "introspect.jsonl", *more, "--max-tokens-total", "600", env=KEYS)
        asked = len(server.seen)
        assert (first.code, first.out) == (5, "")
        assert "are not asked about again" in first.err
        assert 0 < asked < 11
        second = scored("score", "introspect.jsonl", *more, env=KEYS)
        assert (second.code, len(server.seen)) == (0, 11)


def test_a_judge_that_is_refused(scored: Program) -> None:
    result = scored("score", "introspect.jsonl", "--judge", "openai:m-1")
    assert (result.code, result.out) == (3, "")


def test_a_judge_that_says_nothing_at_all(scored: Program) -> None:
    with Loopback(lambda seen: Status(500)) as server:
        more = ("--judge", "openai:m-1", "--base-url", server.openai_url, "--max-retries", "0")
        result = scored("score", "introspect.jsonl", *more, env=KEYS)
    assert (result.code, result.out) == (1, "")
    assert "11 judgements, 11 lost" in result.err


def test_texts_with_a_reference_are_compared_and_rated(scored: Program) -> None:
    rows = [json.loads(line) for line in (FOLDER / "introspect.jsonl").read_text().splitlines()[:1]]
    rows[0]["settings"]["kind"] = "text"
    write(scored, rows)

    def saying(seen: Seen) -> Reply:
        rated = "Quality:" in seen.text
        return Reply("Quality: 7\nAnswers the question: yes" if rated else "Verdict: right")

    with Loopback(saying) as server:
        more = ("--judge", "openai:m-1", "--base-url", server.openai_url)
        result = scored("score", "r.jsonl", *more, env=KEYS)
        assert len(server.seen) == 1 + 3
    assert "agrees with exact grading on 100% of 1 answer" in result.out
    assert "1          7.00" in result.out
