"""What was paid for stays, whatever happens: kills, full disks, torn lines, two processes at once."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import resize, small
from loopback import Loopback, Reply, Seen, Status
from running import KEYS, Program, at, wait_until
from test_batch import rows, sums, turns_of, write
from weather import counting

OUT = "p.jsonl.rise.jsonl"

Place = tuple[str, int]
"""A problem and a turn."""


def asked(seen: Seen) -> Place:
    """Which call of a `counting` server this is."""
    number = re.findall(r"(\d+) plus", seen.text)[0]
    takes = [int(take) for take in re.findall(r"Take (\d+)\.", seen.text)]
    return f"p{number}", max(takes, default=0) + 1


def kept(folder: Path, aside: Path) -> set[Place]:
    """The calls that are on disk now: those of whole rows, and those in the journal. A copy is read, since
    opening a journal changes it."""
    calls: set[Place] = set()
    written = folder / OUT
    lines = written.read_bytes().split(b"\n")[:-1] if written.exists() else []
    for line in lines:
        found = re.match(rb'\{"schema": "[^"]+", "id": "(p\d+)"', line)
        assert found, line
        calls |= {(found[1].decode(), 1), (found[1].decode(), 2)}
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for path in folder.glob(f"{OUT}.journal*"):
        shutil.copy(path, aside)
    journal = aside / f"{OUT}.journal"
    if journal.exists() and journal.stat().st_size:
        with contextlib.closing(sqlite3.connect(journal)) as db:
            calls |= {(name.decode(), turn) for name, turn in db.execute("SELECT problem, turn FROM calls")}
    return calls


def test_20_kills_lose_nothing_and_pay_for_nothing_twice(rise: Program, tmp_path: Path) -> None:
    problems, width, draw = 300, 8, random.Random(7)
    write(rise, sums(problems))

    def slowly(seen: Seen) -> Reply:
        return Reply(counting(seen).text, delay_s=0.02)

    with Loopback(slowly) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "2", "--no-early-stop", "-q")
        words = (*words, "--concurrency", str(width))
        kills: list[tuple[int, set[Place]]] = []
        for kill in range(20):
            child = rise.start(*words, env=KEYS)
            if kill % 2:  # by the clock, which may be before its first call
                time.sleep(draw.uniform(0.0, 0.25))
            else:  # in the middle of its calls
                until = len(server.seen) + draw.randint(5, 45)
                wait_until(lambda n=until: len(server.seen) >= n)  # type: ignore[misc]
            child.kill()
            assert rise.wait(child, KEYS).code == -signal.SIGKILL
            kills.append((len(server.seen), kept(rise.folder, tmp_path / "copy")))
        assert rise.run(*words, env=KEYS).code == 0
        calls = [asked(seen) for seen in server.seen]
    found = rows(rise)
    assert sorted(row["id"] for row in found) == sorted(f"p{n}" for n in range(problems))
    assert {row["correct"] for row in found} == {True}
    assert turns_of(found) == 2 * problems
    for before, known in kills:
        assert not known & set(calls[before:]), "a call that was on disk was made again"
    assert len(calls) <= turns_of(found) + len(kills) * width
    assert len({len(known) for _, known in kills}) > 5, "the kills must come in the middle of things"
    assert not list(rise.folder.glob("*.journal*"))


# Full disks


@pytest.fixture
def small_disk(rise: Program) -> Iterator[Path]:
    """A folder `small` on a disk of its own, with 200 KiB of room."""
    with small(rise.folder / "small", "200k") as folder:
        yield folder


def wordy(seen: Seen) -> Reply:
    return Reply(f"{'so ' * 300}\n{counting(seen).text}")


def test_a_disk_that_is_full_loses_nothing(rise: Program, tmp_path: Path, small_disk: Path) -> None:
    write(rise, sums(200))
    more = ("--turns", "2", "--no-early-stop", "--concurrency", "4")
    with Loopback(wordy) as server:
        words = ("batch", "p.jsonl", "-o", f"small/{OUT}", *at("openai", server), *more)
        first = rise(*words, env=KEYS)
        assert (first.code, "make room on its disk and run the same command again" in first.err) == (1, True)
        made = len(server.seen)
        again = rise(*words, env=KEYS)
        assert (again.code, len(server.seen)) == (1, made), again.err
        before, known = len(server.seen), kept(small_disk, tmp_path / "copy")
        assert before < 400
        assert known
        resize(small_disk)
        assert rise(*words, env=KEYS).code == 0
        calls = [asked(seen) for seen in server.seen]
    assert not known & set(calls[before:])
    assert len(calls) <= 400 + 2 * 4
    found = rows(rise, f"small/{OUT}")
    assert sorted(row["id"] for row in found) == sorted(f"p{n}" for n in range(200))
    assert {row["correct"] for row in found} == {True}
    assert [path.name for path in small_disk.iterdir()] == [OUT]


def test_a_disk_without_room_to_begin_costs_no_call(rise: Program, small_disk: Path) -> None:
    """To try failed rows again, the others are copied first."""
    write(rise, sums(60))
    tries: list[Seen] = []

    def once_in_vain(seen: Seen) -> Reply:
        tries.append(seen)
        return Reply("") if len(tries) == 1 else wordy(seen)

    with Loopback(once_in_vain) as server:
        words = ("batch", "p.jsonl", "-o", f"small/{OUT}", *at("openai", server))
        words = (*words, "--turns", "1", "--concurrency", "4", "--retry-failed")
        resize(small_disk)
        assert rise(*words, env=KEYS).code == 4
        before = (small_disk / OUT).read_bytes()
        resize(small_disk, f"{len(before) * 5 // 3 // 1024}k")
        full = rise(*words, env=KEYS)
        assert (full.code, "make room on its disk and run the same command again" in full.err) == (1, True)
        assert f"{OUT}' cannot be written" in full.err
        assert len(tries) == 60
        assert (small_disk / OUT).read_bytes() == before
        resize(small_disk)
        assert rise(*words, env=KEYS).code == 0
    assert len(tries) == 61
    assert sorted(row["id"] for row in rows(rise, f"small/{OUT}")) == sorted(f"p{n}" for n in range(60))


@pytest.mark.parametrize("earlier", [0, 60], ids=["the journal", "the results"])
def test_a_file_that_may_not_grow_loses_nothing(rise: Program, tmp_path: Path, earlier: int) -> None:
    """Which of the two files comes to its end first is decided by what earlier runs have written."""
    problems = sums(100)
    with Loopback(wordy) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "1", "--concurrency", "4")
        size = 0
        if earlier:
            write(rise, problems[:earlier])
            assert rise(*words, env=KEYS).code == 0
            size = (rise.folder / OUT).stat().st_size
        write(rise, problems)
        blocks = (size + 40_000) // 512
        first = rise.run(*words, env=KEYS, shell=f'ulimit -f {blocks}; exec "$@"')
        assert (first.code, "make room on its disk and run the same command again" in first.err) == (1, True)
        name = OUT if earlier else f"{OUT}.journal"
        assert f"{name}' cannot be written" in first.err
        before, known = len(server.seen), kept(rise.folder, tmp_path / "copy")
        assert rise(*words, env=KEYS).code == 0
        calls = [asked(seen) for seen in server.seen]
    assert {name for name, turn in known if turn == 1}.isdisjoint(name for name, _ in calls[before:])
    assert len(calls) <= 100 + 4
    assert sorted(row["id"] for row in rows(rise)) == sorted(f"p{n}" for n in range(100))


# Rows that wait


def test_rows_that_wait_for_an_earlier_one_count_when_they_are_written(rise: Program) -> None:
    write(rise, sums(80))
    bad = [True]

    def plan(seen: Seen) -> Reply | Status:
        """The first problem hangs, and after 30 others the provider is down."""
        number = int(asked(seen)[0][1:])
        if bad[0] and number > 30:
            return Status(503)
        return Reply(counting(seen).text, delay_s=600.0 if bad[0] and number == 0 else 0.0)

    with Loopback(plan) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "1", "--ordered")
        rules = ("--concurrency", "4", "--max-retries", "0")
        stopped = rise(*words, *rules, env=KEYS)
        assert (stopped.code, "with 0 of 80 problems done" in stopped.err) == (4, True), stopped.err
        assert rows(rise) == []
        bad[0], before = False, len(server.seen)
        assert rise(*words, *rules, env=KEYS).code == 0
        again = {asked(seen)[0] for seen in server.seen[before:]}
    assert again == {f"p{n}" for n in (0, *range(31, 80))}
    assert [row["id"] for row in rows(rise)] == [f"p{n}" for n in range(80)]


# Torn lines


@pytest.mark.parametrize("cut", [1, 2, 40, 700])
def test_a_torn_last_line_is_made_again_and_nothing_else(rise: Program, cut: int) -> None:
    write(rise, sums(6))
    with Loopback(counting) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "2", "--no-early-stop")
        assert rise(*words, env=KEYS).code == 0
        path = rise.folder / OUT
        whole = path.read_bytes()
        last = rows(rise)[-1]["id"]
        assert cut < len(whole.splitlines()[-1])
        os.truncate(path, len(whole) - cut)
        result = rise(*words, env=KEYS)
        assert result.code == 0
        torn = cut > 1  # all that is missing may be the newline
        assert ("line 6 of 'p.jsonl.rise.jsonl' was torn" in result.err) == torn
        assert [asked(seen) for seen in server.seen[12:]] == ([(last, 1), (last, 2)] if torn else [])
    assert sorted(row["id"] for row in rows(rise)) == [f"p{n}" for n in range(6)]
    if not torn:
        assert path.read_bytes() == whole


# Two at once


def test_a_second_process_is_refused_until_the_first_has_crashed(rise: Program) -> None:
    write(rise, sums(2))
    hangs = [True]
    with Loopback(lambda seen: Reply("Answer: 1", delay_s=30.0 if hangs[0] else 0.0)) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "1")
        process = rise.start(*words, env=KEYS)
        try:
            wait_until(lambda: len(server.seen) >= 2)
            second = rise(*words, env=KEYS)
            replaying = rise("batch", "p.jsonl", "--replay", OUT, "-o", OUT)
        finally:
            process.kill()
            process.communicate()
        assert (second.code, "another process is writing" in second.err) == (2, True)
        assert replaying.code == 2
        assert len(server.seen) == 2
        hangs[0] = False
        assert rise(*words, env=KEYS).code == 0
    assert len(rows(rise)) == 2


# Replays of what was judged


def test_a_replay_repeats_the_verdicts_of_a_check_and_runs_nothing(rise: Program) -> None:
    write(rise, sums(2))
    check = rise.folder / "check.py"
    check.write_text(
        "import sys\nopen('ran', 'a').write('.')\nsaid = sys.stdin.read().strip()\n"
        "print(f'{said} is too small')\nsys.exit(said != '7')\n"
    )

    def growing(seen: Seen) -> Reply:
        return Reply(f"{counting(seen).text.splitlines()[0]}\nAnswer: {4 + asked(seen)[1]}")

    more = ("--check", f"{sys.executable} check.py", "--turns", "5", "--kind", "number")
    with Loopback(growing) as server:
        assert rise("batch", "p.jsonl", *at("openai", server), *more, env=KEYS).code == 0
        assert len(server.seen) == 6
    ran = (rise.folder / "ran").read_text()
    assert len(ran) == 6

    def judged(*rules: str) -> list[tuple[str | None, str, list[tuple[float | None, str | None]]]]:
        result = rise("batch", "p.jsonl", "--replay", OUT, "--overwrite", *rules)
        assert result.code in {0, 4}, result.err
        found = rows(rise, "p.jsonl.replay.jsonl")
        assert found[0]["oracle"]
        return [
            (row["answer"], row["stop_reason"], [(turn["reward"], turn["feedback"]) for turn in row["turns"]])
            for row in found
        ]

    told = [(0.0, "5 is too small"), (0.0, "6 is too small"), (1.0, None)]
    assert judged() == [("7", "accepted", told)] * 2
    assert judged("--turns", "2") == [(None, "turns", told[:2])] * 2
    # Read as text, the answers are others than those that were judged: nobody can tell, so all may vote.
    first = judged("--kind", "text", "--turns", "3", "--vote", "first")
    assert [(answer, reason) for answer, reason, _ in first] == [("Take 1.\nAnswer: 5", "turns")] * 2
    assert {verdict for _, _, verdicts in first for verdict in verdicts} == {(None, None)}
    assert (rise.folder / "ran").read_text() == ran
