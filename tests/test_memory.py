"""The memory as code sees it: what goes in comes out, whoever writes beside it, whatever the file is like."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_cli.errors import ConfigurationError, RiseError, UsageError
from rise_cli.history.memory import ASK, BATCH, Memory, new_id
from rise_cli.history.tables import VERSION
from rise_cli.history.words import joined, spaced

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def record(question: str = "Is 91 prime?", answer: str | None = "No", **more: Any) -> dict[str, Any]:
    """As much of a trajectory as the memory reads."""
    replies = more.pop("replies", ["91 = 7 × 13."])
    return {
        "id": "p", "model": "openai:m-1", "question": question, "answer": answer, "context": None,
        "turns": [{"reply": reply} for reply in replies], **more,
    }  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "log.db"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# What goes in comes out


def test_an_entry_comes_back_with_its_record(path: Path) -> None:
    whole = record(context="Some notes.", extra={"level": 3, "bad": "\x1b[31m \ud800 汉字"})
    with Memory(path) as memory:
        name = memory.save(ASK, whole, at=NOON)
    with Memory(path) as memory:
        entry, kept = memory.load(name)
    assert kept == whole
    assert (entry.id, entry.time, entry.kind, entry.model) == (name, NOON, ASK, "openai:m-1")
    assert (entry.asked, entry.answer, entry.parent) == ("Is 91 prime?", "No", None)


def test_an_entry_knows_what_it_continues(path: Path) -> None:
    with Memory(path) as memory:
        first = memory.save(ASK, record())
        memory.save(ASK, record("And 97?"), parent=first)
        assert memory.find("last").parent == first


def test_what_a_list_shows_is_one_line_without_controls(path: Path) -> None:
    with Memory(path) as memory:
        memory.save(ASK, record("one\n\n two\x1b[31m\u202e " + "x" * 9000, "a\tb\r\nc"))
        (entry,) = memory.newest(5)
    assert entry.asked.startswith("one two[31m xxx")
    assert (len(entry.asked), entry.answer) == (500, "a b c")


def test_the_newest_come_first(path: Path) -> None:
    with Memory(path) as memory:
        for number in range(5):
            memory.save(ASK, record(str(number)))
        assert [entry.asked for entry in memory.newest(3)] == ["4", "3", "2"]


def test_a_name_is_an_id_the_start_of_one_or_last(path: Path) -> None:
    with Memory(path) as memory:
        old = memory.save(ASK, record("old"), at=NOON - timedelta(days=400))
        new = memory.save(ASK, record("new"), at=NOON)
        memory.save(BATCH, {"model": "m", "problems": "/p.jsonl", "results": "/r.jsonl"}, at=NOON)
        assert memory.find(old).asked == memory.find(old[:6].upper()).asked == "old"
        assert memory.find(new).asked == memory.find("last", kind=ASK).asked == "new"
        assert memory.find("last").asked == "/p.jsonl"
        with pytest.raises(UsageError, match=rf"'{new[:6]}' is the start of .*{new}.*; give more of it"):
            memory.find(new[:6])


@pytest.mark.parametrize("name", ["", "nothing", "%", "_", "'; DROP TABLE entries", "\x00", "\ud800", "LAST"])
def test_a_name_that_no_entry_has(path: Path, name: str) -> None:
    with Memory(path) as memory:
        memory.save(ASK, record())
        with pytest.raises(UsageError, match="`rise log list` shows what there is"):
            memory.find(name)


def test_nothing_is_last_in_an_empty_log(path: Path) -> None:
    with Memory(path) as memory, pytest.raises(UsageError, match="the log is empty"):
        memory.find("last")


def test_ids_sort_by_time_and_do_not_repeat() -> None:
    times = [NOON + timedelta(milliseconds=n) for n in (0, 1, 1000, 10**7, 10**12)]
    names = [new_id(at) for at in times]
    assert names == sorted(names)
    assert {len(name) for name in names} == {13}
    assert len({new_id(NOON) for _ in range(100)}) > 95


# Searching


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["prime"], True),
        (["PRIME", "91"], True),
        (["prime 91"], True),
        (["prime", "composite"], False),
        (["pri"], False),
        (["pri*"], True),
        (["naive"], True),  # an accent is no reason not to find it
        (["müller"], True),
        (["c++"], True),
        (["don't"], True),
        (["13"], True),  # in a reply
        (["appendix"], True),  # in the context
        (["质数"], True),
        (["是质数吗"], True),
        (["数质"], False),
        (["カナ"], True),
        (["AND"], False),
        (["NOT", "prime"], False),
        (["question:prime"], False),
    ],
)
def test_search_finds_all_the_words_anywhere(path: Path, words: list[str], found: bool) -> None:
    with Memory(path) as memory:
        memory.save(
            ASK,
            record("Is 91 prime? 91 是质数吗？ C++, naïve Müller, don't. カナ", context="See appendix B."),
        )
        memory.save(ASK, record("Something else", "x", replies=["y"]))
        assert [hit.entry.answer for hit in memory.search(words, 9)] == (["No"] if found else [])


WRITTEN = "Ｒｉｓｅ ７５％ ｶﾞｷﾞ ﬁne Ⅷ cafe\u0301 ΣΊΣΥΦΟΣ か\u3099 \u1100\u1161\u11a8 m² ½ 10³ 豈 İzmir"


@pytest.mark.parametrize(
    "words",
    [
        ["rise", "75"], ["ＲＩＳＥ"], ["ｒｉ＊"], ["ＲＩ*"], ["ガギ"], ["ｶﾞｷﾞ"], ["fine"], ["VIII"], ["CAFÉ"],
        ["cafe"], ["σίσυφος"], ["が"], ["각"], ["m²"], ["豈"], ["izmir"],
    ],
)  # fmt: skip
def test_forms_of_a_letter_are_one(path: Path, words: list[str]) -> None:
    with Memory(path) as memory:
        memory.save(ASK, record(replies=[WRITTEN]))
        (hit,) = memory.search(words, 9)
        assert "75％" in hit.excerpt or "İzmir" in hit.excerpt


@pytest.mark.parametrize("words", [["m2"], ["102"], ["103"], ["12"], ["1"], ["ギガ"]])
def test_raised_digits_are_others(path: Path, words: list[str]) -> None:
    with Memory(path) as memory:
        memory.save(ASK, record("What?", replies=[WRITTEN]))
        assert memory.search(words, 9) == []


def test_an_excerpt_is_as_it_was_written(path: Path) -> None:
    with Memory(path) as memory:
        memory.save(ASK, record("x", "y", replies=["那么 91 不是质数，因为 91 = 7 × 13。\x1b[2J\nEnd."]))
        (hit,) = memory.search(["质数"], 9)
    assert "不是质数，因为 91 = 7 × 13。" in hit.excerpt
    assert hit.excerpt.isprintable()


def test_many_hits_are_limited_and_the_best_come_first(path: Path) -> None:
    with Memory(path) as memory:
        for _ in range(5):
            memory.save(ASK, record("one prime among many other words that are of no interest " * 3))
        memory.save(ASK, record("prime prime prime", "prime", replies=["prime"]))
        hits = memory.search(["prime"], 2)
    assert [hit.entry.asked[:12] for hit in hits] == ["prime prime ", "one prime am"]


@pytest.fixture(scope="module")
def one_entry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("memory") / "log.db"
    with Memory(path) as memory:
        memory.save(ASK, record())
    return path


_LIKE_SYNTAX = st.text(st.sampled_from("\"'*()^:-+{}[]\\,.; \x00\ud800ANDORT7质é"), max_size=12)


@given(words=st.lists(st.one_of(_LIKE_SYNTAX, st.text(max_size=8)), max_size=4))
def test_no_words_are_a_syntax_error(one_entry: Path, words: list[str]) -> None:
    with Memory(one_entry) as memory:
        if any(character.isalnum() for word in words for character in word):
            memory.search(words, 3)
        else:
            with pytest.raises(UsageError, match="give letters or digits"):
                memory.search(words, 3)


@given(text=st.text(st.sampled_from("ab1 质数カ。，"), max_size=20))
def test_what_parts_characters_comes_out_again(text: str) -> None:
    assert joined(spaced(text)) == text


# Deleting


def test_what_is_deleted_is_not_in_the_file_any_more(path: Path) -> None:
    with Memory(path) as memory:
        kept = memory.save(ASK, record("a keeper"))
        gone = memory.save(ASK, record("Zanzibar " * 500, replies=["Zanzibar is an island"]))
        assert memory.delete([gone, "nothing"]) == 1
        assert memory.search(["zanzibar"], 9) == []
        assert [entry.id for entry in memory.newest(9)] == [kept]
        content = b"".join(file.read_bytes() for file in path.parent.iterdir()).lower()
    assert b"a keeper" in content
    assert b"zanzibar" not in content


def test_before_is_by_time(path: Path) -> None:
    with Memory(path) as memory:
        names = [memory.save(ASK, record(), at=NOON + timedelta(hours=n)) for n in range(3)]
        assert memory.before(NOON + timedelta(hours=1)) == names[:1]
        assert memory.before(datetime(2030, 1, 1).astimezone()) == names


# The file


def test_nobody_else_may_read_it(path: Path) -> None:
    with Memory(path) as memory:
        memory.save(ASK, record())
        assert {file.name: oct(mode(file)) for file in path.parent.iterdir()} == dict.fromkeys(
            ["log.db", "log.db-wal", "log.db-shm"], "0o600"
        )
    assert mode(path.parent) == 0o700
    path.chmod(0o644)
    with Memory(path):
        assert mode(path) == 0o600
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_nobody_else_may_read_it_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        with Memory(path) as memory:
            memory.save(ASK, record())
            # Others that are open to all are closed, as after a copy by hand.
            for file in path.parent.iterdir():
                file.chmod(0o666)
            with Memory(path):
                modes = {file.name: oct(mode(file)) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["log.db", "log.db-wal", "log.db-shm"], "0o600")
    assert mode(path.parent) == 0o700


_OF_OLD = """
    CREATE TABLE entries (
        row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at TEXT NOT NULL, kind TEXT NOT NULL,
        model TEXT NOT NULL, asked TEXT NOT NULL, answer TEXT, parent TEXT, record TEXT NOT NULL);
    PRAGMA application_id = 1380537165;
    PRAGMA user_version = 1;
"""


_OF_VERSION_2 = """
    CREATE VIRTUAL TABLE words USING fts5(
        question, answer, replies, context, tokenize = 'unicode61 remove_diacritics 2');
    PRAGMA user_version = 2;
"""


def of_old(path: Path, *records: str, tables: str = _OF_OLD) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(tables)
        for number, text in enumerate(records):
            values = (
                f"1m8{number}",
                "2026-01-02T03:04:05.000+00:00",
                "ask",
                "m",
                "old question",
                "old",
                text,
            )
            columns = "id, at, kind, model, asked, answer, record"
            db.execute(f"INSERT INTO entries ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def test_a_file_of_version_1_is_brought_up_to_date(path: Path) -> None:
    of_old(path, json.dumps(record("What is a zebra?")), json.dumps(record("And a gnu?")))
    with Memory(path) as memory:
        (hit,) = memory.search(["zebra"], 9)
        assert (hit.entry.id, hit.entry.time.year) == ("1m80", 2026)
        memory.save(ASK, record("A third?"))
        assert [entry.asked for entry in memory.newest(9)] == ["A third?", "old question", "old question"]
        assert [hit.entry.id for hit in memory.search(["gnu"], 9)] == ["1m81"]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_a_file_of_version_2_is_indexed_again(path: Path) -> None:
    """Also where an entry is damaged, or has no text in the index."""
    whole = json.dumps(record("Ｚｅｂｒａ ９１"))
    of_old(path, whole, "{", whole, tables=_OF_OLD + _OF_VERSION_2)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        texts = [
            ("Ｚｅｂｒａ ９１ \u200b质\u200b\u200b数\u200b", "No", "７\n× 13", ""),
            ("Ｇｎｕ", "", "", ""),
        ]
        for row, columns in enumerate(texts, 1):
            db.execute(
                "INSERT INTO words (rowid, question, answer, replies, context) VALUES (?, ?, ?, ?, ?)",
                (row, *columns),
            )
        assert db.execute("SELECT count(*) FROM words WHERE words MATCH 'zebra'").fetchone() == (0,)
    for _ in range(2):  # it is done once
        with Memory(path) as memory:
            for words, name in (
                (["zebra", "91"], "1m80"),
                (["质数"], "1m80"),
                (["7"], "1m80"),
                (["gnu"], "1m81"),
            ):
                assert [hit.entry.id for hit in memory.search(words, 9)] == [name]
            assert len(memory.newest(9)) == 3
            assert memory.load("1m82")[1]["question"] == "Ｚｅｂｒａ ９１"
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    of_old(path, json.dumps(record()), "{")
    with pytest.raises(ConfigurationError, match="is damaged"):
        Memory(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'words'").fetchone() == (0,)


def test_a_file_of_a_later_version_is_left_alone(path: Path) -> None:
    with Memory(path) as memory:
        memory.save(ASK, record())
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=f"of version {VERSION + 1}.*update rise"):
        Memory(path)
    assert path.read_bytes() == before


def test_a_file_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE entries (row)")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="a database of another program"):
        Memory(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database" * 400, b"SQLite format 3\0" + bytes(range(256)) * 40])
def test_a_damaged_file_is_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"is damaged .*; move it away to begin a new one"):
        Memory(path)
    assert path.read_bytes() == content


def test_pages_that_are_damaged_later_are_told(path: Path) -> None:
    with Memory(path) as memory:
        for number in range(50):
            memory.save(ASK, record(f"{number} " * 500))
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)

    def use() -> None:
        with Memory(path) as memory:
            memory.newest(99)
            memory.save(ASK, record())

    with pytest.raises(ConfigurationError, match="is damaged"):
        use()


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "log.db", tmp_path, Path("a\0b")):
        with pytest.raises(ConfigurationError, match=r"cannot be opened .*RISE_LOG_FILE"):
            Memory(path)


# Others beside us


def test_a_locked_file_is_waited_for_and_not_for_ever(path: Path) -> None:
    Memory(path).close()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Memory(path, wait_s=0.1) as memory, pytest.raises(RiseError, match="locked by another process"):
            memory.save(ASK, record())
        timer = threading.Timer(0.4, other.execute, ["COMMIT"])
        timer.start()
        with Memory(path, wait_s=30) as memory:
            memory.save(ASK, record())
            assert len(memory.newest(9)) == 1
        timer.join()


PROCESSES, THREADS = 20, 10

# Ten writers in a process of their own, each with its own connection. Says the ids, or what went wrong.
_WRITERS = """
import sys, threading
from pathlib import Path
from rise_cli.history.memory import Memory

def write(thread):
    try:
        with Memory(Path(sys.argv[1]), wait_s=60) as memory:
            question = f"writer {sys.argv[2]} {thread}"
            turns = [{"reply": "word " * 500}]
            said = memory.save("ask", {"model": "m", "question": question, "answer": "x", "turns": turns})
    except Exception as error:
        said = repr(error)
    sys.stdout.write(said + "\\n")

print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=write, args=(thread,)) for thread in range(int(sys.argv[3]))]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def started(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_two_hundred_writers_at_once_lose_nothing(path: Path) -> None:
    writers = [started(_WRITERS, path, number, THREADS) for number in range(PROCESSES)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    names = [name for writer in writers for name in writer.communicate(timeout=60)[0].split("\n") if name]
    assert [name for name in names if not name.isalnum()] == []
    with Memory(path) as memory:
        entries = memory.newest(1000)
        assert {entry.id for entry in entries} == set(names)
        assert len({entry.asked for entry in entries}) == PROCESSES * THREADS
        assert len(memory.search(["writer"], 1000)) == PROCESSES * THREADS


_ENDLESS = """
import sys
from pathlib import Path
from rise_cli.history.memory import Memory

with Memory(Path(sys.argv[1])) as memory:
    while True:
        turns = [{"reply": "word " * 2000}]
        print(memory.save("ask", {"model": "m", "question": "q", "answer": "x", "turns": turns}), flush=True)
"""


def test_a_writer_that_is_killed_takes_nothing_with_it(path: Path) -> None:
    names: list[str] = []
    for _ in range(3):
        writer = started(_ENDLESS, path)
        assert writer.stdout is not None
        names += [writer.stdout.readline().strip() for _ in range(20)]
        writer.kill()
        names += writer.communicate()[0].split("\n")[:-1]
    with Memory(path) as memory:
        assert {name for name in names if len(name) == 13} <= {entry.id for entry in memory.newest(100_000)}
        assert len(memory.search(["word"], 100_000)) >= 60
