"""What was paid for stays, whatever happens: kills, full disks, torn lines, two processes at once."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import sqlite3
import time
from pathlib import Path

from loopback import Loopback, Reply, Seen
from nursery import Nursery
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
    problems, width, draw = 500, 8, random.Random(7)
    write(rise, sums(problems))

    def slowly(seen: Seen) -> Reply:
        return Reply(counting(seen).text, delay_s=0.02)

    with Loopback(slowly) as server, Nursery(rise.folder, rise.env | KEYS) as nursery:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "2", "--no-early-stop", "-q")
        words = (*words, "--concurrency", str(width))
        kills: list[tuple[int, set[Place]]] = []
        for kill in range(20):
            child = nursery.start(*words)
            if kill % 2:  # by the clock, which may be before its first call
                time.sleep(draw.uniform(0.0, 0.3))
            else:  # in the middle of its calls
                until = len(server.seen) + draw.randint(1, 40)
                wait_until(lambda n=until: len(server.seen) >= n)  # type: ignore[misc]
            os.kill(child, signal.SIGKILL)
            assert nursery.wait() == -signal.SIGKILL
            kills.append((len(server.seen), kept(rise.folder, tmp_path / "copy")))
        nursery.start(*words)
        assert nursery.wait() == 0
        calls = [asked(seen) for seen in server.seen]
    found = rows(rise)
    assert sorted(row["id"] for row in found) == sorted(f"p{n}" for n in range(problems))
    assert {row["correct"] for row in found} == {True}
    assert turns_of(found) == 2 * problems
    for before, known in kills:
        assert not known & set(calls[before:]), "a call that was on disk was made again"
    assert len(calls) <= turns_of(found) + len(kills) * width
    assert len(kills[-1][1]) > 100, "the kills must come in the middle of things"
    assert not list(rise.folder.glob("*.journal*"))
