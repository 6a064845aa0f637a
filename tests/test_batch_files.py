"""`rise batch` and the files that people have: ids that clash, edited problems, files under two names."""

from __future__ import annotations

import json
import signal

import pytest
from loopback import Loopback, Reply, Seen, Status
from running import KEYS, Program, at
from test_batch import adding, batch, rows, sums, write

from rise_cli.core.domain import Completion
from rise_cli.history.journal import Journal

ONE = ("--turns", "1")
NUMBER = (*ONE, "--kind", "number")


def ids(rise: Program, name: str = "p.jsonl.rise.jsonl") -> list[str]:
    return [row["id"] for row in rows(rise, name)]


# Ids


def test_a_bad_line_takes_no_id_of_another_line(rise: Program) -> None:
    asked = [{"id": name, "question": "How many are 1 plus 1?"} for name in ("a", "line-1", "a-line-3")]
    again = {"id": "a", "question": "How many are 2 plus 1?"}
    reserved = {"id": "!line-1", "question": "How many are 3 plus 1?"}
    write(
        rise, [json.dumps(one) if one else "not json" for one in ({}, asked[0], again, *asked[1:], reserved)]
    )
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE, "--ordered").code == 4
        assert batch(rise, "openai", server, *ONE, "--ordered").code == 4
        assert len(server.seen) == 3
    assert ids(rise) == ["!line-1", "a", "!line-3", "line-1", "a-line-3", "!line-6"]
    assert [row["status"] for row in rows(rise)] == ["failed", "ok", "failed", "ok", "ok", "failed"]


# The settings that rows stand for


def test_another_kind_is_refused_and_that_of_a_problem_is_not(rise: Program) -> None:
    choice = {"id": "c", "question": "Which is 1 plus 1?\nA) 2\nB) 3"}
    write(rise, [*sums(2), choice])
    with Loopback(lambda seen: adding(seen) if "How many" in seen.text else Reply("Answer: A")) as server:
        assert batch(rise, "openai", server, *ONE).code == 0
        assert {row["settings"]["kind"] for row in rows(rise)} == {"auto", "choice"}
        assert batch(rise, "openai", server, *ONE).code == 0
        number = batch(rise, "openai", server, *ONE, "--kind", "number")
        assert batch(rise, "openai", server, *ONE, "--kind", "text", "-o", "out").code == 0
        auto = batch(rise, "openai", server, *ONE, "-o", "out")
        assert len(server.seen) == 6
    assert (number.code, '--kind "auto" (now "number")' in number.err) == (2, True)
    assert (auto.code, '--kind "text" (now "auto")' in auto.err) == (2, True)


def test_rows_from_before_the_asked_kind_was_recorded_go_on(rise: Program) -> None:
    write(rise, sums(1))
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE, "--kind", "number").code == 0
        (row,) = rows(rise)
        del row["settings"]["kind_asked"]
        write(rise, [row], "p.jsonl.rise.jsonl")
        assert batch(rise, "openai", server, *ONE, "--kind", "number").code == 0
        assert batch(rise, "openai", server, *ONE, "--kind", "text").code == 2


# Files that belong together


def test_an_edited_problem_is_no_finished_one(rise: Program) -> None:
    write(rise, sums(3))
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE).code == 0
        before = rows(rise)
        write(rise, [{**sums(3)[0], "question": "How many are 9 and 8?"}, *sums(3)[1:]])
        result = batch(rise, "openai", server, *ONE)
        assert len(server.seen) == 3
    assert result.code == 2
    assert "answers another question" in result.err
    assert rows(rise) == before


def test_other_material_makes_another_problem(rise: Program) -> None:
    (sum_,) = sums(1)
    with Loopback(adding) as server:
        for context, code in (("A page.", 0), ("A page.", 0), ("Another page.", 2), (None, 2)):
            write(rise, [{**sum_, "context": context}])
            assert batch(rise, "openai", server, *ONE).code == code
        write(rise, [{**sum_, "question": f"{sum_['question']}A page."}])
        assert batch(rise, "openai", server, *ONE).code == 2
        assert len(server.seen) == 1


@pytest.mark.parametrize("more", [(), ("--slim",), ("--ordered",)])
def test_a_corrected_reference_grades_its_row_again_and_asks_nobody(
    rise: Program, more: tuple[str, ...]
) -> None:
    problems = sums(5)
    with Loopback(lambda seen: Reply("I give up.") if " 4 plus" in seen.text else adding(seen)) as server:

        def accuracy(answers: dict[int, object]) -> tuple[int, int, float]:
            given = [{**one, "answer": answers.get(n, one["answer"])} for n, one in enumerate(problems)]
            write(rise, given)
            result = batch(rise, "openai", server, *NUMBER, *more, "--summary", "s.json")
            told.append("references have changed" in result.err)
            summary = json.loads((rise.folder / "s.json").read_text())
            return summary["correct"], summary["scored"], result.code

        told: list[bool] = []
        assert accuracy({1: 99, 2: "98", 3: None}) == (1, 4, 4)
        before = [row["answer"] for row in sorted(rows(rise), key=lambda row: row["index"])]
        assert accuracy({1: 2, 2: "98", 4: None}) == (3, 4, 4)  # one mended, one got its own, one lost it
        assert accuracy({1: 2, 2: "98", 4: None}) == (3, 4, 4)
        asked = len(server.seen)
        assert accuracy({2: "3.0"}) == (4, 5, 4)
        assert (told, asked) == ([False, True, False, True], 5)
        assert len(server.seen) == asked
    found = sorted(rows(rise), key=lambda row: row["index"])
    assert [row["answer"] for row in found] == before
    assert [row["reference"] for row in found] == ["1", "2", "3.0", "4", "5"]
    assert [row["correct"] for row in found] == [True] * 4 + [False]
    rewards = [[(turn["reward"], turn["verdict"]) for turn in row["turns"]] for row in found]
    assert rewards == [[]] * 5 if more == ("--slim",) else [[(1.0, "reference")]] * 4 + [[(None, None)]]


def test_what_a_check_said_stays_when_a_reference_is_corrected(rise: Program) -> None:
    (sum_,) = sums(1)
    with Loopback(adding) as server:
        for answer in (7, 1):
            write(rise, [{**sum_, "answer": answer}])
            assert batch(rise, "openai", server, *ONE, "--check", "true").code == 0
    (row,) = rows(rise)
    assert (row["reference"], row["correct"]) == ("1", True)
    assert (row["turns"][0]["reward"], row["turns"][0]["verdict"]) == (1.0, "check")


def test_a_run_that_is_not_over_says_what_it_will_grade_again(rise: Program) -> None:
    write(rise, sums(1))
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE).code == 0
        write(rise, [{**sums(1)[0], "answer": 5}, sums(2)[1]])
        result = batch(rise, "openai", server, *ONE, "--max-tokens-total", "1")
        assert (result.code, "will be graded again in the end" in result.err) == (5, True)
        assert rows(rise)[0]["correct"] is True
        assert batch(rise, "openai", server, *ONE).code == 0
    assert [row["correct"] for row in rows(rise)] == [False, True]


def test_rows_of_no_line_stay_and_count_nowhere(rise: Program) -> None:
    more = (*NUMBER, "--summary", "s.json")
    with Loopback(lambda seen: Reply("I give up.") if " 3 plus" in seen.text else adding(seen)) as server:
        write(rise, sums(4))
        assert batch(rise, "openai", server, *more).code == 4
        write(rise, [sums(6)[n] for n in (5, 4, 0)])
        result = batch(rise, "openai", server, *more)
        summary = json.loads((rise.folder / "s.json").read_text())
        places = {row["id"]: row["index"] for row in rows(rise)}
        write(rise, sums(6))
        whole = batch(rise, "openai", server, *more)
        assert len(server.seen) == 6
    assert result.code == 0  # the row that failed is not of this input
    assert "3 rows of 'p.jsonl.rise.jsonl' belong to no line of 'p.jsonl': they stay" in result.err
    assert places == {"p5": 0, "p4": 1, "p0": 2, "p1": None, "p2": None, "p3": None}
    assert (summary["problems"], summary["ok"], summary["correct"], summary["strangers"]) == (3, 3, 3, 3)
    assert (whole.code, "belong to no line" in whole.err) == (4, False)
    assert sorted((row["id"], row["index"]) for row in rows(rise)) == [(f"p{n}", n) for n in range(6)]


def test_a_run_that_ends_early_counts_no_row_of_another_problem_as_done(rise: Program) -> None:
    write(rise, sums(4))
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE).code == 0
        write(rise, [{"id": f"q{n}", "question": f"How many are {n} plus 2?"} for n in range(4)])
        short = batch(rise, "openai", server, *ONE, "--max-tokens-total", "1", "--summary", "s.json")
        assert len(server.seen) == 4
    assert short.code == 5
    assert "with 0 of 4 problems done by this run, and 4 rows there before; raise it" in short.err
    assert json.loads((rise.folder / "s.json").read_text())["strangers"] is None


def test_rows_that_stand_twice_are_told_of(rise: Program) -> None:
    write(rise, sums(3))
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE).code == 0
        write(rise, [*rows(rise), *rows(rise)[:2]], "p.jsonl.rise.jsonl")
        result = batch(rise, "openai", server, *ONE)
        assert len(server.seen) == 3
    assert (result.code, "2 rows of 'p.jsonl.rise.jsonl' with the id of another one" in result.err) == (
        0,
        True,
    )


def test_a_row_that_is_not_whole_is_not_graded_again_and_told_of(rise: Program) -> None:
    write(rise, sums(3))
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE).code == 0
        first, second, third = rows(rise)
        del first["answer"]
        del second["turns"][0]["verdict"]
        write(rise, [first, second, third], "p.jsonl.rise.jsonl")
        write(rise, [{**one, "answer": "7"} for one in sums(3)])
        result = batch(rise, "openai", server, *ONE)
    assert result.code == 0
    assert "grading 3 rows of 'p.jsonl.rise.jsonl' again" in result.err
    assert "2 rows of 'p.jsonl.rise.jsonl' cannot be graded again" in result.err
    assert rows(rise) == [first, second, {**rows(rise)[2], "reference": "7", "correct": False}]


def test_with_slim_the_last_grade_tells_whether_replies_came(rise: Program) -> None:
    def giving_up(seen: Seen) -> Reply | Status:
        return Status(500) if seen.index else Reply("I give up.")

    with Loopback(giving_up) as server:
        for answer in ("1", "2"):
            write(rise, [{**sums(1)[0], "answer": answer}])
            more = ("--turns", "2", "--kind", "number", "--slim", "--max-retries", "0")
            assert batch(rise, "openai", server, *more).code == 4
    (row,) = rows(rise)
    assert (row["reference"], row["failure"], row["correct"]) == ("2", "server", False)


def test_ctrl_c_while_rows_are_graded_again_leaves_the_file_as_it_was(rise: Program) -> None:
    problems = [{"id": f"p{n}", "question": "What is it?"} for n in range(200)]
    write(rise, problems)
    with Loopback(lambda seen: Reply("Answer: $y$")) as server:
        words = ("batch", "p.jsonl", *at("openai", server), *ONE, "--kind", "math")
        assert rise(*words, env=KEYS).code == 0
        path = rise.folder / "p.jsonl.rise.jsonl"
        before = path.read_bytes()
        write(rise, [{**one, "answer": f"{n}z + {n}"} for n, one in enumerate(problems)])
        process = rise.start(*words, env=KEYS)
        assert process.stderr is not None
        assert any(b"grading 200 rows" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        result = rise.wait(process)
    assert result.code == 130
    assert "200 rows of 'p.jsonl.rise.jsonl' will be graded again in the end" in result.err
    assert "interrupted with 200 of 200 problems done; go on with: " in result.err
    assert path.read_bytes() == before
    assert not list(rise.folder.glob(".*.new"))


def test_what_a_kill_has_left_half_made_goes_with_the_next_run(rise: Program) -> None:
    write(rise, sums(1))
    (rise.folder / ".p.jsonl.rise.jsonl.new").write_text("half")
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE).code == 0
    assert not list(rise.folder.glob(".*.new"))


def test_a_line_that_is_spoilt_later_is_not_passed_for_solved(rise: Program) -> None:
    good = [json.dumps(one) for one in sums(2)]
    write(rise, [*good, "not json"])
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE).code == 4
        again = batch(rise, "openai", server, *ONE)
        assert (again.code, "line 3: " in again.err) == (4, True)
        before = rows(rise)
        write(rise, [good[0], '{"id": "p1", "question": " "}', "not json"])
        for more in ((), ("--retry-failed",), ("--fail-fast",)):
            result = batch(rise, "openai", server, *ONE, *more)
            assert (result.code, "line 2: the question is empty" in result.err) == (2, True)
            assert "the problem 'p1' has a row in 'p.jsonl.rise.jsonl' that answers a question" in result.err
        assert len(server.seen) == 2
    assert rows(rise) == before


def test_a_line_that_is_mended_is_solved_with_retry_failed(rise: Program) -> None:
    write(rise, [sums(2)[0], {"id": "p1"}])
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE).code == 4
        write(rise, sums(2))
        told = batch(rise, "openai", server, *ONE)
        assert (told.code, "its line was bad; add --retry-failed to solve it now" in told.err) == (2, True)
        assert batch(rise, "openai", server, *ONE, "--retry-failed").code == 0
        assert len(server.seen) == 2
    assert [row["status"] for row in rows(rise)] == ["ok", "ok"]


def test_no_file_is_read_and_written_at_once(rise: Program) -> None:
    write(rise, sums(1))
    (rise.folder / "hard.jsonl").hardlink_to(rise.folder / "p.jsonl")
    kept = (rise.folder / "p.jsonl").read_bytes()
    with Loopback(adding) as server:
        for more in (
            ("-o", "hard.jsonl", "--overwrite"),
            ("--summary", "p.jsonl"),
            ("-o", "out.jsonl", "--summary", "out.jsonl"),
        ):
            result = batch(rise, "openai", server, *ONE, *more)
            assert result.code == 2, result.err
        assert not server.seen
    assert (rise.folder / "p.jsonl").read_bytes() == kept


def test_the_journal_belongs_to_the_file_and_not_to_its_name(rise: Program) -> None:
    write(rise, sums(1))
    (rise.folder / "link.jsonl").symlink_to(rise.folder / "real.jsonl")
    (rise.folder / "real.jsonl.journal").write_bytes(b"not a journal" * 100)
    with Loopback(adding) as server:
        result = batch(rise, "openai", server, *ONE, "-o", "link.jsonl")
        assert (result.code, server.seen) == (3, [])
    assert "real.jsonl.journal" in result.err
    assert not (rise.folder / "real.jsonl").exists()


def test_a_line_that_was_spoilt_loses_no_call(rise: Program) -> None:
    more = ("--turns", "2", "--no-early-stop", "--concurrency", "1")
    refused: list[int] = []

    def refusing_once(seen: Seen) -> Reply | Status:
        if not refused and len(seen.body["messages"]) > 1:
            refused.append(seen.index)
            return Status(401)
        return adding(seen)

    spoilt = [{"id": "p0", "question": ["?"]}, *sums(2)[1:]]
    with Loopback(refusing_once) as server:
        write(rise, sums(2))
        assert batch(rise, "openai", server, *more).code == 3  # after the first turn of p0
        for ordered in ((), ("--ordered",)):
            write(rise, spoilt)
            assert batch(rise, "openai", server, *more, *ordered).code == 4
        write(rise, sums(2))
        assert batch(rise, "openai", server, *more, "--retry-failed").code == 0
        assert len(server.seen) == 5  # the refused one among them
    assert sorted(row["status"] for row in rows(rise)) == ["ok", "ok"]
    assert not list(rise.folder.glob("*.journal*"))


def test_a_journal_with_nothing_but_calls_of_finished_problems_goes(rise: Program) -> None:
    write(rise, [*sums(1), {"id": "p1"}])
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE).code == 4
        journal = Journal(rise.folder / "p.jsonl.rise.jsonl.journal")
        journal.put(("s", "p0", 1, 1, "attempt"), Completion("1"))  # killed right after its row
        journal.close(complete=False)
        assert batch(rise, "openai", server, *ONE).code == 4
    assert not list(rise.folder.glob("*.journal*"))


def test_starting_over_in_vain_loses_no_row_and_no_call(rise: Program) -> None:
    more = ("--turns", "2", "--no-early-stop", "--concurrency", "1")
    allowed = [99]

    def refusing(seen: Seen) -> Reply | Status:
        allowed[0] -= 1
        return adding(seen) if allowed[0] >= 0 else Status(401)

    write(rise, sums(2))
    with Loopback(refusing) as server:
        assert batch(rise, "openai", server, *more).code == 0
        kept = rows(rise)
        for calls in (0, 1):
            allowed[0] = calls
            assert batch(rise, "openai", server, *more, "--overwrite").code == 3
            assert rows(rise) == kept
        allowed[0] = 3
        assert batch(rise, "openai", server, *more, "--overwrite").code == 0
        assert len(server.seen) == 4 + 1 + 2 + 3
    assert [row["id"] for row in rows(rise)] == ["p0", "p1"]
    assert not list(rise.folder.glob("*.journal*"))


def test_a_run_that_cannot_begin_takes_no_failed_row_out(rise: Program) -> None:
    write(rise, sums(3))
    with Loopback([Status(400)]) as server:
        assert batch(rise, "openai", server, *ONE).code == 4
        before = (rise.folder / "p.jsonl.rise.jsonl").read_bytes()
        assert before.count(b"\n") == 3
        refused = batch(rise, "openai", server, *ONE, "--retry-failed", "--max-cost", "1")
    assert (refused.code, "price" in refused.err) == (3, True)
    assert (rise.folder / "p.jsonl.rise.jsonl").read_bytes() == before
