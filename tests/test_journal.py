"""The journal keeps what it said it kept, through kills, full disks and damage."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from disks import small
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_cli.core.domain import Completion, Usage
from rise_cli.errors import ConfigurationError, RiseError, UsageError
from rise_cli.history.journal import Journal, JournalKey, settings_digest


def key(problem: str = "p", turn: int = 1, settings: str = "s", chain: int = 1) -> JournalKey:
    return (settings, problem, chain, turn, "attempt")


FULL = Completion("a\nb\0\ud800 答", "length", "hm", Usage(9, 8, 3, 2, 1), 0.1 + 0.2, 1.25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl.journal"


def reopened(path: Path, *keys: JournalKey) -> list[Completion | None]:
    journal = Journal(path)
    try:
        return [journal.get(one) for one in keys]
    finally:
        journal.close(complete=False)


@pytest.mark.parametrize("completion", [Completion(""), FULL], ids=["least", "most"])
def test_every_field_comes_back(path: Path, completion: Completion) -> None:
    journal = Journal(path)
    assert journal.get(key()) is None
    journal.put(key(), completion)
    assert journal.get(key()) == completion
    journal.close(complete=False)
    assert reopened(path, key()) == [completion]


@settings(deadline=None, max_examples=50)
@given(problem=st.text(st.characters(codec=None, exclude_categories=())))
def test_any_id_is_a_key(tmp_path_factory: pytest.TempPathFactory, problem: str) -> None:
    path = tmp_path_factory.mktemp("ids") / "journal"
    journal = Journal(path)
    journal.put(key(problem), FULL)
    journal.close(complete=False)
    assert reopened(path, key(problem), key(problem + "x")) == [FULL, None]


def test_keys_differ_in_every_part(path: Path) -> None:
    journal = Journal(path)
    keys: list[JournalKey] = [
        key(),
        key("q"),
        key(turn=2),
        key(settings="t"),
        key(chain=2),
        (*key()[:4], "rate"),
    ]
    for number, one in enumerate(keys):
        journal.put(one, Completion(str(number)))
    journal.close(complete=False)
    assert [c and c.reply for c in reopened(path, *keys)] == [str(n) for n in range(len(keys))]


def test_a_later_reply_takes_the_place_of_an_earlier_one(path: Path) -> None:
    journal = Journal(path)
    for reply in "abc":
        journal.put(key(), Completion(reply))
    assert (journal.get(key()), len(journal)) == (Completion("c"), 1)
    journal.close(complete=False)
    assert reopened(path, key()) == [Completion("c")]


async def test_what_is_kept_together_is_on_disk_when_each_is_told(path: Path, tmp_path: Path) -> None:
    journal = Journal(path)

    async def keep(number: int) -> list[Completion | None]:
        await journal.keep(key(str(number)), Completion(str(number)))
        aside = tmp_path / f"aside-{number}"
        aside.mkdir()
        for name in ("", "-wal"):
            shutil.copy(f"{path}{name}", f"{aside / path.name}{name}")
        return reopened(aside / path.name, key(str(number)))

    told = await asyncio.gather(*map(keep, range(5)))
    assert told == [[Completion(str(number))] for number in range(5)]
    journal.close(complete=False)


async def test_a_reply_is_kept_although_its_caller_is_cancelled(path: Path) -> None:
    journal = Journal(path)
    keeping = asyncio.create_task(journal.keep(key(), FULL))
    await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert len(journal) == 1
    journal.close(complete=False)
    assert reopened(path, key()) == [FULL]


async def test_closing_does_not_wait_for_the_loop(path: Path) -> None:
    journal = Journal(path)
    keeping = asyncio.create_task(journal.keep(key(), FULL))
    await asyncio.sleep(0)
    journal.put(key("q"), FULL)
    journal.close(complete=False)
    await keeping
    assert reopened(path, key(), key("q")) == [FULL, FULL]


def test_finished_problems_are_dropped_and_the_file_stays_small(path: Path) -> None:
    journal = Journal(path)
    for number in range(3000):
        journal.put(key(str(number)), Completion("x" * 1000))
        journal.put(key(str(number), settings="other"), Completion("y"))
        if number >= 10:
            journal.forget(str(number - 10))
    assert len(journal) == 20
    journal.close(complete=False)
    assert path.stat().st_size < 1_500_000  # of 3 million that were written
    assert reopened(path, key("2989"), key("2990")) == [None, Completion("x" * 1000)]


def test_starting_over_keeps_the_calls_until_there_is_one(path: Path) -> None:
    journal = Journal(path)
    journal.put(key(), FULL)
    journal.close(complete=False)
    for _ in range(2):
        journal = Journal(path)
        journal.restart()
        assert journal.get(key()) is None
        journal.close(complete=False)
        assert reopened(path, key()) == [FULL]
    journal = Journal(path)
    journal.restart()
    journal.put(key("q"), Completion("new"))
    assert (journal.get(key()), journal.get(key("q")), len(journal)) == (None, Completion("new"), 1)
    journal.close(complete=False)
    for again, kept in ((True, Completion("new")), (False, None)):
        journal = Journal(path)
        journal.restart()
        assert journal.get(key("q")) == kept
        if again:
            journal.begin()
        journal.close(complete=False)


async def test_calls_kept_together_start_over_together(path: Path) -> None:
    journal = Journal(path)
    journal.put(key(), FULL)
    journal.restart()
    await asyncio.gather(*(journal.keep(key(n), Completion(n)) for n in "qr"))
    journal.close(complete=False)
    journal = Journal(path)
    journal.restart()
    assert [journal.get(key(n)) for n in "pqr"] == [None, Completion("q"), Completion("r")]
    journal.close(complete=False)


def test_a_row_without_a_call_starts_over_too(path: Path) -> None:
    journal = Journal(path)
    journal.put(key(), FULL)
    journal.restart()
    journal.begin()
    journal.close(complete=False)
    assert reopened(path, key()) == [None]


@pytest.mark.parametrize("mode", [None, 0o666])
def test_nobody_else_may_read_it(path: Path, mode: int | None) -> None:
    if mode is not None:
        path.touch()
        path.chmod(mode)
    journal = Journal(path)
    journal.put(key(), FULL)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == [path.name, f"{path.name}-wal"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    journal.close(complete=True)
    assert not list(path.parent.iterdir())
    journal.close(complete=True)


def test_one_process_at_a_time(path: Path) -> None:
    journal = Journal(path)
    journal.put(key(), FULL)
    with pytest.raises(UsageError, match="another process is using the journal"):
        Journal(path)
    journal.close(complete=False)
    assert reopened(path, key()) == [FULL]


def sql(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        database = sqlite3.connect(path)
        database.execute(statement)
        database.commit()
        database.close()

    return change


def scribble(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 400)


def scribble_within(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)


def cut(path: Path) -> None:
    os.truncate(path, 4096)


DAMAGES = [
    ("text", scribble, "is damaged"),
    ("a page of it", scribble_within, "is damaged"),
    ("cut", cut, "is damaged"),
    ("another version", sql("PRAGMA user_version = 7"), "is of version 7, and this program reads version 2"),
    ("another program", sql("PRAGMA application_id = 7"), "is a database of another program"),
    ("no table", sql("DROP TABLE calls"), "is damaged"),
    ("another column", sql("ALTER TABLE calls RENAME COLUMN turn TO turm"), "is damaged"),
]


@pytest.mark.parametrize(("damage", "says"), [case[1:] for case in DAMAGES], ids=[c[0] for c in DAMAGES])
def test_damage_is_said_and_nothing_is_dropped(path: Path, damage: Callable[[Path], None], says: str) -> None:
    journal = Journal(path)
    for number in range(50):
        journal.put(key(str(number)), Completion("x" * 1000))
    journal.close(complete=False)
    damage(path)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=f"{path.name}' {says}.*; move it away to go on"):
        Journal(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("application", [0, 7])
def test_a_database_of_another_program_is_not_touched(path: Path, mode: str, application: int) -> None:
    theirs = sqlite3.connect(path)
    theirs.executescript(f"PRAGMA journal_mode = {mode}; PRAGMA application_id = {application}")
    theirs.execute("CREATE TABLE notes (note TEXT)")
    theirs.execute("INSERT INTO notes VALUES ('mine')")
    theirs.commit()
    theirs.close()
    path.chmod(0o664)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="is a database of another program; move it away"):
        Journal(path)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (before, 0o664)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("value", ["{", "[]", '{"reply": "x"}', '{"reply": "x", "usage": null, "more": 1}'])
def test_a_damaged_reply_is_said(path: Path, value: str) -> None:
    journal = Journal(path)
    journal.put(key(), FULL)
    journal.close(complete=False)
    sql(f"UPDATE calls SET completion = '{value}'")(path)
    with pytest.raises(ConfigurationError, match=r"is damaged \(a call of problem 'p'\); move it away"):
        reopened(path, key())


def test_an_empty_file_is_a_journal_that_was_not_begun(path: Path) -> None:
    path.touch()
    assert reopened(path, key()) == [None]


def test_a_path_that_cannot_be(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "none" / "journal", link, tmp_path / "pipe"):
        with pytest.raises(ConfigurationError, match="cannot be opened"):
            Journal(path)
    assert not (tmp_path / "elsewhere").exists()


WRITER = """
import sys
from pathlib import Path
from rise_cli.core.domain import Completion
from rise_cli.history.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 10**9):
    journal.put(("s", str(number), 1, 1, "attempt"), Completion(str(number) + "x" * (number % 7000)))
    print(number, flush=True)
    journal.forget(str(number - 100))
"""


def test_what_was_kept_outlives_a_kill(path: Path) -> None:
    moments = random.Random(3)
    kept = -1
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(kept + 1)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout
        for _ in range(moments.randrange(1, 1200)):
            kept = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        kept = max([kept, *(int(line) for line in writer.stdout.read().splitlines())])
        writer.wait()
        writer.stdout.close()
        assert path.stat().st_mode & 0o777 == 0o600
        journal = Journal(path)
        for number in range(max(0, kept - 99), kept + 1):
            assert journal.get(key(str(number))) == Completion(str(number) + "x" * (number % 7000))
        journal.close(complete=False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte."""
    with small(tmp_path / "disk", "512k") as disk:
        yield disk


def fill(journal: Journal, start: int = 0) -> int:
    """Put until the disk is full; return how many calls were kept in all."""
    with pytest.raises(RiseError, match=r"cannot be written.*make room on its disk") as raised:  # noqa: PT012
        for number in range(start, 10_000):
            journal.put(key(str(number)), Completion("x" * 2000))
    assert raised.value.exit_code == 1
    return len(journal)


async def test_a_full_disk_is_told_to_all_that_keep(small_disk: Path) -> None:
    path = small_disk / "journal"
    journal = Journal(path)
    kept = fill(journal)
    large = Completion("x" * 200_000)
    told = await asyncio.gather(*(journal.keep(key(n), large) for n in "ab"), return_exceptions=True)
    assert [type(one) for one in told] == [RiseError, RiseError]
    assert (len(journal), journal.get(key("a"))) == (kept, None)
    journal.close(complete=False)
    assert reopened(path, key("0"), key("b")) == [Completion("x" * 2000), None]


def test_a_disk_too_full_to_begin_keeps_nothing_of_a_journal(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    with pytest.raises(RiseError, match="make room on its disk"):
        Journal(small_disk / "journal")
    assert list(small_disk.iterdir()) == [ballast]


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * 300_000)
    path = small_disk / "journal"
    journal = Journal(path)
    kept = fill(journal)
    assert kept > 10
    assert journal.get(key(str(kept - 1))) == Completion("x" * 2000)
    assert journal.get(key(str(kept))) is None
    ballast.unlink()
    more = fill(journal, kept)
    assert more > kept
    journal.close(complete=False)
    keys = [key(str(number)) for number in range(more)]
    assert reopened(path, *keys, key(str(more))) == [Completion("x" * 2000)] * more + [None]


LIMITED = """
import resource, sys
from pathlib import Path
from rise_cli.core.domain import Completion
from rise_cli.errors import RiseError
from rise_cli.history.journal import Journal
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
journal = Journal(Path(sys.argv[1]))
try:
    for number in range(1000):
        journal.put(("s", str(number), 1, 1, "attempt"), Completion("x" * 2000))
except RiseError as error:
    assert "make room on its disk" in str(error), error
    print(number)
"""


def test_a_file_that_may_not_grow_loses_nothing(path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    refused = int(ran.stdout)
    assert refused > 10
    expected = [Completion("x" * 2000)] * refused + [None]
    assert reopened(path, *(key(str(number)) for number in range(refused + 1))) == expected


def test_a_digest_of_settings() -> None:
    one = settings_digest({"turns": 3, "option": {"a": 1, "b": [2]}})
    assert one == settings_digest({"option": {"b": [2], "a": 1}, "turns": 3})
    assert one != settings_digest({"option": {"b": [2], "a": 1}, "turns": 4})
