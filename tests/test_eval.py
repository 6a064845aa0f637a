"""`rise eval` from problems to verdicts: what is sent, what is kept, how it goes on, and what it recommends.

The server's replies are rigged: a problem's question names what is right or wrong turn by turn ("WRR"), so
that every rate is known. A reply says which turn it is of, and the next one sees that.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Reply, Seen, Status, Tokens
from running import KEYS, Program, Result, at, wait_until

PROMPTS = Path(__file__).parent.parent / "prompts"
BOTH = ("--compare", "introspect,sample")


def rigged(seen: Seen) -> Reply:
    """The turn after the last that is seen: R is right (the number in the question), W is wrong."""
    number, word = re.findall(r"number (\d+) \(([RW]+)\)", seen.text)[0]
    turn = max((int(n) for n in re.findall(r"said in turn (\d)", seen.text)), default=0)
    right = word[min(turn, len(word) - 1)] == "R"
    answer = int(number) if right else 999
    return Reply(f"said in turn {turn + 1}\nAnswer: {answer}", usage=Tokens(100, 20))


def problems(rise: Program, words: dict[str, int], name: str = "p.jsonl") -> Path:
    each = [word for word, number in words.items() for _ in range(number)]
    rows = [
        {"id": f"p{n}", "question": f"What is number {n + 10} ({word})?", "answer": str(n + 10)}
        for n, word in enumerate(each)
    ]
    path = rise.folder / name
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def run(rise: Program, server: Loopback, *more: str, turns: int = 3) -> Result:
    return rise("eval", "p.jsonl", *at("openai", server), "--turns", str(turns), *more, env=KEYS)


def protocol(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["models"][0]["protocols"] if one["protocol"] == name)
    return found


# The verdicts


@pytest.mark.parametrize(
    ("words", "difference", "verdict"),
    [
        ({"WRR": 6, "RRR": 2, "WWW": 2}, 0.6, "helps"),
        ({"RWW": 6, "RRR": 2, "WWW": 2}, -0.6, "hurts"),
        ({"RRR": 3, "WWW": 2}, 0.0, "cannot tell"),
        ({"WRR": 2, "RWW": 1, "RRR": 2}, 0.2, "cannot tell"),
    ],
)
def test_known_rates_of_flips_have_their_verdict(
    rise: Program, words: dict[str, int], difference: float, verdict: str
) -> None:
    problems(rise, words)
    number = sum(words.values())
    with Loopback(rigged) as server:
        result = run(rise, server, *BOTH, "--json")
        assert len(server.seen) == 6 * number
    assert (result.code, result.record["schema"]) == (0, "rise.evaluation/1")
    found = protocol(result.record, "introspect")
    match = found["comparisons"][0]
    assert (match["at"], match["baseline"], match["what"]) == (
        "equal calls",
        "sample m3@t1",
        "introspect m1@t3",
    )
    assert (match["difference"], match["n"]) == (pytest.approx(difference), number)
    assert match["verdict"]["word"] == verdict
    assert match["calls"] == [3, 3]
    assert match["tokens"] == [360, 360]
    first = sum(count for word, count in words.items() if word[0] == "R") / number
    assert found["m1@t1"]["value"] == protocol(result.record, "sample")["parallel"]["value"] == first


def test_the_table_names_every_protocol_at_its_size(rise: Program) -> None:
    problems(rise, {"WRR": 2, "RRR": 2})
    with Loopback(rigged) as server:
        result = run(rise, server, "--price", "1,2", "--compare", "introspect,sample,refine,aggregate,paper")
        requests = len(server.seen)
    # 3 + 4 + 5 + 4 + 3 calls a problem: as many samples as the aggregate of 2 x 2 takes.
    assert (result.code, requests) == (0, 4 * 19)
    head = next(line for line in result.out.splitlines() if line.startswith("accuracy"))
    assert head.split() == ["accuracy", "m1@t1", "m3@t1", "m1@t3", "p1@t3", "(oracle)"]
    assert re.search(r"^introspect +50% \[15, 85\] +- +100% \[51, 100\] +100% \[51, 100\]$", result.out, re.M)
    assert re.search(r"^sample +50% \[15, 85\] +50% \[15, 85\] +- +50% \[15, 85\]$", result.out, re.M)
    # A call is $0.00014: 3 calls, of which all problems come out right; of the samples half.
    assert re.search(r"^introspect +3\.0 +360 +360 +\$0\.0004 +\$0\.0004$", result.out, re.M)
    assert re.search(r"^sample +4\.0 +480 +960 +\$0\.0006 +\$0\.0011$", result.out, re.M)
    assert re.search(
        r"^  rise ask QUESTION -m openai:m-1 --base-url http\S+ --prompt introspect", result.out, re.M
    )
    assert all(len(line) <= 80 for line in result.out.splitlines() if "rise ask" not in line)
    narrow = rise("eval", "p.jsonl", "--turns", "3", "-m", "openai:m-1", *BOTH, env={**KEYS, "COLUMNS": "40"})
    assert all(len(line) <= 40 for line in narrow.out.splitlines() if "rise ask" not in line)


def test_a_protocol_of_ones_own_is_called_by_its_name_and_recommended_by_its_place(rise: Program) -> None:
    problems(rise, {"WRR": 6})
    shutil.copytree(PROMPTS / "introspect", rise.folder / "own" / "mine")
    with Loopback(rigged) as server:
        result = run(rise, server, "--compare", "sample,own/mine", "--json")
    found = protocol(result.record, "mine")
    assert (found["comparisons"][0]["what"], found["comparisons"][0]["difference"]) == ("mine m1@t3", 1.0)
    recommended = result.record["models"][0]["recommended"]
    assert (recommended["what"], recommended["options"]["prompt"]) == (
        "mine m1@t2, last vote",
        "own/mine",
    )


def test_several_models_have_a_table_each_and_a_comparison(rise: Program) -> None:
    problems(rise, {"RR": 6, "WW": 2})

    def one_is_better(seen: Seen) -> Reply:
        return rigged(seen) if seen.body["model"] == "good" else Reply("Answer: 999", usage=Tokens(100, 20))

    with Loopback(one_is_better) as server:
        more = ("--base-url", server.openai_url, "--turns", "2", "--compare", "introspect", "--json")
        result = rise("eval", "p.jsonl", "--models", "openai:bad,openai:good", *more, env=KEYS)
    assert result.code == 0
    assert [one["model"] for one in result.record["models"]] == ["openai:bad", "openai:good"]
    (match,) = result.record["between_models"]
    assert (match["baseline"], match["what"]) == ("openai:bad m1@t2", "openai:good introspect m1@t2")
    assert (match["difference"], match["verdict"]["word"]) == (0.75, "helps")
    assert sorted(str(p.relative_to(rise.folder)) for p in rise.folder.rglob("*.jsonl")) == [
        "p.jsonl",
        "p.jsonl.eval/openai-bad/introspect.jsonl",
        "p.jsonl.eval/openai-good/introspect.jsonl",
    ]


def test_replies_that_never_came_are_no_wrong_answers(rise: Program) -> None:
    problems(rise, {"RRR": 3})
    fails = ["number 11 "]

    def one_fails(seen: Seen) -> Reply | Status:
        return Status(400, "no") if any(name in seen.text for name in fails) else rigged(seen)

    with Loopback(one_fails) as server:
        result = run(rise, server, "--compare", "introspect", "--json", turns=2)
        assert (result.code, protocol(result.record, "introspect")["graded"]) == (4, 2)
        assert "--retry-failed" in result.err
        fails.clear()
        made = len(server.seen)
        again = run(rise, server, "--compare", "introspect", "--json", "--retry-failed", turns=2)
        assert (again.code, len(server.seen) - made) == (0, 2)
    assert protocol(again.record, "introspect")["graded"] == 3


# Going on


def test_the_same_command_goes_on_and_makes_no_call_twice(rise: Program) -> None:
    problems(rise, {"WRR": 3, "RRR": 3})
    names = ("--compare", "sample,introspect")

    def refuses_once(seen: Seen) -> Reply | Status:
        # In the middle of a chain of the second protocol.
        return Status(401, "no") if seen.index == 22 else rigged(seen)

    with Loopback(refuses_once) as server:
        stopped = run(rise, server, *names, "--concurrency", "1")
        assert (stopped.code, stopped.out, len(server.seen)) == (3, "", 23)
        assert sorted(p.name for p in (rise.folder / "p.jsonl.eval").iterdir()) == [
            "introspect.jsonl",
            "introspect.jsonl.journal",
            "sample.jsonl",
        ]
        result = run(rise, server, *names, "--json")
        assert (result.code, result.record["complete"], len(server.seen)) == (0, True, 36 + 1)
        again = run(rise, server, *names, "--json")
        assert (again.out, len(server.seen)) == (result.out, 36 + 1)


def test_an_interruption_says_how_to_go_on(rise: Program) -> None:
    problems(rise, {"RRR": 4})
    slow = [0.3]

    def slows_down(seen: Seen) -> Reply:
        return replace(rigged(seen), delay_s=slow[0] if seen.index >= 14 else 0.0)

    with Loopback(slows_down) as server:
        more = (*at("openai", server), "--turns", "3", *BOTH, "--concurrency", "1", "--save", "r.toml")
        process = rise.start("eval", "p.jsonl", *more, env=KEYS)
        wait_until(lambda: len(server.seen) > 14)
        process.send_signal(signal.SIGINT)
        result = rise.wait(process, KEYS)
        assert (result.code, result.out) == (130, "")
        assert "interrupted in sample (2 of 2) with" in result.err
        assert "go on with: rise eval p.jsonl" in result.err
        slow[0] = 0.0
        assert run(rise, server, *BOTH, "--save", "r.toml").code == 0
        assert len(server.seen) == 24


def test_one_budget_is_for_all_protocols(rise: Program) -> None:
    problems(rise, {"RR": 4})
    # The first protocol takes 8 calls of 120 tokens; what is left is not enough for as many.
    with Loopback(rigged) as server:
        more = (*BOTH, "--max-tokens", "64", "--json")
        result = run(rise, server, *more, "--max-tokens-total", "1700", turns=2)
        made = server.billed.requests
        assert 8 <= made < 16
        assert server.billed.input + server.billed.output <= 1700
        assert result.code == 5
        assert "the budget ended the run in sample (2 of 2)" in result.err
        # What there is gets compared.
        assert (result.record["complete"], protocol(result.record, "introspect")["problems"]) == (False, 4)
        assert run(rise, server, *more, turns=2).record["complete"]
        assert server.billed.requests == 16


def test_one_deadline_is_for_all_protocols(rise: Program) -> None:
    problems(rise, {"RR": 2})
    with Loopback(lambda seen: Reply("Answer: 1", delay_s=20.0 if len(server.seen) > 4 else 0)) as server:
        result = run(rise, server, *BOTH, "--deadline", "3", turns=2)
    assert result.code == 5
    assert "the deadline ended the run in sample (2 of 2)" in result.err


# What is recommended


def test_the_options_are_saved_and_taken_by_ask(rise: Program) -> None:
    problems(rise, {"WRR": 8, "RRR": 2})
    with Loopback(rigged) as server:
        more = (
            *BOTH,
            "--save",
            "rise.toml",
            "--kind",
            "number",
            "--seed",
            "3",
            "--max-tokens-total",
            "99999",
        )
        result = run(rise, server, *more)
        assert result.code == 0
        saved = tomllib.loads((rise.folder / "rise.toml").read_text())
        assert saved == {"kind": "number", "prompt": "introspect", "turns": 2, "vote": "last"}
        asked = rise("ask", "What is number 40 (WR)?", *at("openai", server), "--json", env=KEYS)
    assert (asked.code, asked.record["answer"]) == (0, "40")
    settings = asked.record["settings"]
    assert [settings[name] for name in ("turns", "vote", "kind")] == [2, "last", "number"]


def test_a_calibration_is_part_of_the_advice(rise: Program) -> None:
    problems(rise, {"RR": 2})
    found: dict[str, Any] = {
        "schema": "rise.calibration/1",
        "method": "platt",
        "breakpoints": [[0, 0], [1, 0.5]],
    }
    found |= {"model": "m-1", "protocol": "introspect", "confidence": "stated", "problems": 50, "turns": 90}
    (rise.folder / "worth.json").write_text(json.dumps(found))
    with Loopback(rigged) as server:
        more = (*BOTH, "--calibration", "worth.json", "--save", "rise.toml", "--json")
        result = run(rise, server, *more, turns=2)
    assert " --calibration worth.json " in result.record["models"][0]["command"]
    saved = (rise.folder / "rise.toml").read_text()
    assert '--calibration "worth.json"' in saved
    assert "calibration" not in tomllib.loads(saved)  # a folder may not set it


def test_a_file_of_options_is_not_replaced_unless_asked(rise: Program) -> None:
    problems(rise, {"RR": 2})
    kept = rise.folder / "mine.toml"
    kept.write_text("turns = 9\n")
    with Loopback(rigged) as server:
        refused = run(rise, server, *BOTH, "--save", "mine.toml", turns=2)
        assert (refused.code, server.seen, kept.read_text()) == (2, [], "turns = 9\n")
        assert "'mine.toml' is there already" in refused.err
        assert run(rise, server, *BOTH, "--save", "mine.toml", "--overwrite", turns=2).code == 0
    assert "prompt" in tomllib.loads(kept.read_text())


def test_a_difference_inside_its_interval_recommends_one_call(rise: Program) -> None:
    problems(rise, {"WRR": 2, "RRR": 2})
    with Loopback(rigged) as server:
        result = run(rise, server, "--compare", "sample,introspect", "--json")
    advised = result.record["models"][0]["recommended"]
    assert advised["options"] == {"prompt": "sample", "samples": 1, "vote": "majority"}
    assert "inside its interval" in advised["why"]


# Problems


def test_a_dry_run_bounds_every_protocol_and_calls_nobody(rise: Program) -> None:
    problems(rise, {"RR": 4})
    with Loopback(rigged) as server:
        result = run(rise, server, "--dry-run", "--price", "1,2", "--max-tokens", "100", turns=4)
        assert (result.code, server.seen) == (0, [])
    calls = re.findall(r"^([\d,]+) calls", result.out, re.M)
    # 4 problems; introspect, sample, refine (1 + 2 * 3), aggregate (2 x 2), paper, single-call, and in all.
    assert calls == ["16", "16", "28", "16", "16", "4", "96"]
    assert "aggregate · 2 chains of 2 turns" in result.out
    assert not (rise.folder / "p.jsonl.eval").exists()


def test_a_limit_takes_the_first_and_a_shuffle_any_but_the_same(rise: Program) -> None:
    problems(rise, {"RR": 9})

    def asked(*more: str) -> set[str]:
        with Loopback(rigged) as server:
            out = "-".join(more)
            assert run(rise, server, "--compare", "sample", *more, "-o", out, turns=1).code == 0
            return {re.findall(r"number (\d+)", seen.text)[0] for seen in server.seen}

    assert asked("--limit", "3") == {"10", "11", "12"}
    few, more = asked("--limit", "3", "--shuffle"), asked("--limit", "5", "--shuffle")
    assert (len(few), len(more), few < more) == (3, 5, True)
    assert few != {"10", "11", "12"}


def test_bad_lines_are_told_once_and_left_out(rise: Program) -> None:
    path = problems(rise, {"RR": 2})
    path.write_text(path.read_text() + "{\n")
    with Loopback(rigged) as server:
        result = run(rise, server, *BOTH, turns=1)
    assert (result.code, result.err.count("without a problem; the first is line 3")) == (0, 1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--prompt", "paper"), "--prompt is not for rise eval"),
        (("--early-stop",), "--early-stop is not for rise eval"),
        (("--check", "true"), "--check is not for rise eval"),
        (("--models", "local:"), "--model and --models exclude each other"),
        (("--compare", "introspect,nope"), "'nope'"),
        (("--compare", "sample,sample"), "two protocols called 'sample'"),
        (("--compare", ","), "names no protocol"),
        (("--overwrite",), "for the file of --save"),
        (("--save", "nowhere/r.toml"), "no folder 'nowhere'"),
        (("--reference-field", "nope"), "has a reference"),
        (("-o", "p.jsonl"), "cannot make the folder 'p.jsonl'"),
    ],
)
def test_what_leaves_nothing_to_compare_is_refused(rise: Program, more: tuple[str, ...], said: str) -> None:
    problems(rise, {"RR": 2})
    result = rise("eval", "p.jsonl", "-m", "local:", *more, env=KEYS)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_other_settings_than_those_of_the_rows_are_refused(rise: Program) -> None:
    problems(rise, {"RR": 2})
    with Loopback(rigged) as server:
        run(rise, server, "--compare", "sample", turns=2)
        result = run(rise, server, "--compare", "sample", "--temperature", "0.5", turns=2)
    assert result.code == 2
    assert "or remove it" in result.err
