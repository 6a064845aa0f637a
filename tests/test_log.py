"""`rise log`: what is kept of a run, how it is found and shown again, and that it never costs an answer."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from loopback import Loopback, Reply, Seen, Stall, Status
from running import KEYS, PLAIN_KEY, Program, Result, at, wait_until
from wires import KEY

from rise_cli.history.memory import ASK, Memory

SEVEN = Reply("Count: 3 and 4.\nAnswer: 7\nConfidence: 60%")
EIGHT = Reply("Count again: 3 and 5.\nAnswer: 8\nConfidence: 70%")
SURE = Reply("Still 8.\nAnswer: 8\nConfidence: 95%")
QUESTION = "How many are 3 and 5?"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def ask(rise: Program, wire: str, server: Loopback, *more: str, **how: Any) -> Result:
    env = KEYS | how.pop("env", {})
    question = how.pop("question", QUESTION)
    return rise("ask", question, *at(wire, server), "--max-wait", "0", *more, env=env, **how)


@pytest.fixture
def script(rise: Program) -> tuple[str, ...]:
    """A model that answers at once, for tests of what is kept."""
    path = rise.folder / "replies.jsonl"
    path.write_text('"Because.\\nAnswer: 8\\nConfidence: 95%"\n' * 2)
    return ("-m", f"scripted:{path}")


def entries(rise: Program, *more: str) -> list[dict[str, Any]]:
    result = rise("log", "list", "--json", *more)
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert isinstance(found, list)
    return found


def log_file(rise: Program) -> Path:
    return Path(rise("log", "path").out.strip())


# What is kept


def test_a_run_is_kept_as_its_record(rise: Program, wire: str) -> None:
    with Loopback([SEVEN, EIGHT, SURE]) as server:
        record = ask(rise, wire, server, "--turns", "3", "--json").record
    (entry,) = entries(rise)
    assert (entry["kind"], entry["model"], entry["asked"], entry["answer"], entry["parent"]) == (
        "ask", f"{wire}:m-1", QUESTION, "8", None,
    )  # fmt: skip
    assert rise("log", "show", entry["id"], "--json").record == record
    assert log_file(rise).is_relative_to(rise.home)


@pytest.mark.parametrize(
    ("more", "env", "config"),
    [(["--no-log"], {}, ""), ([], {"RISE_LOG": "false"}, ""), ([], {}, "log = false\n")],
)
def test_nothing_is_kept_where_nobody_wants_it(
    rise: Program, script: tuple[str, ...], more: list[str], env: dict[str, str], config: str
) -> None:
    file = rise.home / "config.toml"
    file.write_text(config)
    assert rise("ask", QUESTION, *script, *more, env=env | {"RISE_CONFIG": str(file)}).code == 0
    assert not log_file(rise).exists()
    assert entries(rise) == []
    assert rise("log", "list").err == f"rise: nothing is kept yet in {str(log_file(rise))!r}\n"
    assert rise("log", "search", "x").code == 2


def test_a_dry_run_is_no_run(rise: Program) -> None:
    assert rise("ask", QUESTION, "-m", "openai:m", "--dry-run").code == 0
    assert entries(rise) == []


def test_another_file_may_be_named(rise: Program, script: tuple[str, ...]) -> None:
    env = {"RISE_LOG_FILE": str(rise.folder / "deep" / "er" / "mine.db")}
    assert rise("ask", QUESTION, *script, env=env).code == 0
    assert rise("log", "path", env=env).out == env["RISE_LOG_FILE"] + "\n"
    assert len(json.loads(rise("log", "list", "--json", env=env).out)) == 1
    assert entries(rise) == []


def test_the_id_is_told_to_whoever_wants_to_hear_everything(rise: Program, script: tuple[str, ...]) -> None:
    assert "kept as" not in rise("ask", QUESTION, *script).err
    told = rise("ask", QUESTION, *script, "-v").err
    assert f"kept as {entries(rise)[0]['id']}" in told


def test_what_failed_is_kept_too(rise: Program, wire: str) -> None:
    with Loopback([Status(400, "no thanks")]) as server:
        assert ask(rise, wire, server).code == 1
    (entry,) = entries(rise)
    shown = rise("log", "show", "last")
    assert (entry["answer"], shown.code) == (None, 0)
    assert "no answer" in rise("log", "list").out
    assert "no thanks" in shown.out


def test_a_run_that_was_interrupted_is_kept_with_its_vote_so_far(rise: Program, wire: str) -> None:
    with Loopback([EIGHT, Stall(seconds=60)]) as server:
        process = rise.start("ask", QUESTION, *at(wire, server), "--stream", env=KEYS)
        wait_until(lambda: len(server.seen) == 2)
        process.send_signal(signal.SIGINT)
        assert rise.wait(process, KEYS).code == 130
    assert [entry["answer"] for entry in entries(rise)] == ["8"]
    assert "Stopped after turn 1: interrupted." in rise("log", "show", "last").out


def test_an_answer_that_nobody_read_is_kept(rise: Program, script: tuple[str, ...]) -> None:
    result = rise.run("ask", QUESTION, *script, shell='"$@" > /dev/full')
    assert (result.code, "cannot write the result" in result.err) == (1, True)
    assert [entry["answer"] for entry in entries(rise)] == ["8"]


@pytest.mark.parametrize("key", [KEY, PLAIN_KEY])
def test_no_key_is_ever_kept(rise: Program, wire: str, key: str) -> None:
    said = f"Incorrect key {key} in 'Authorization: Bearer {key}'"
    env = {"OPENAI_API_KEY": key, "ANTHROPIC_API_KEY": key}
    more = ("--option", f"api_key={key}", "--check", f"grep -q 8 --regexp={key} -", "--turns", "2")
    with Loopback([Reply(f"You sent {key}.\nAnswer: 8"), Status(400, said)]) as server:
        question = f"What is {key}?"
        assert ask(rise, wire, server, *more, env=env, question=question).code in {0, 1}
        assert ask(rise, wire, server, env=env).code in {0, 1}
    assert len(entries(rise)) == 2
    files = list(log_file(rise).parent.iterdir())
    assert files
    for file in files:
        assert key.encode() not in file.read_bytes()
    kept = [rise("log", "show", entry["id"], "--json").record for entry in entries(rise)]
    assert kept[1]["question"] == "What is [hidden]?"
    assert kept[1]["turns"][0]["reply"].startswith("You sent [hidden].")


# It never costs an answer


def test_a_damaged_log_is_a_warning(rise: Program, script: tuple[str, ...]) -> None:
    log = log_file(rise)
    log.parent.mkdir(parents=True)
    log.write_bytes(b"nothing that SQLite knows" * 100)
    result = rise("ask", QUESTION, *script)
    assert (result.code, result.out) == (0, "8\n")
    assert result.err.startswith("rise: this run is not in the log: the log ")
    assert "is damaged" in result.err
    assert "move it away" in result.err
    assert rise("ask", QUESTION, *script, "-q").err == ""
    assert (rise("log", "list").code, rise("log", "show", "last").code) == (3, 3)


def test_a_log_of_a_later_version_is_a_warning(rise: Program, script: tuple[str, ...]) -> None:
    rise("ask", QUESTION, *script)
    with closing(sqlite3.connect(log_file(rise))) as db:
        db.execute("PRAGMA user_version = 99")
    result = rise("ask", QUESTION, *script)
    assert (result.code, result.out, "update rise" in result.err) == (0, "8\n", True)


def test_a_full_disk_is_a_warning(rise: Program, script: tuple[str, ...]) -> None:
    # No file may grow beyond 8 KiB: SQLite hears of that as of a full disk. Python would not, and write
    # half of its compiled modules.
    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    result = rise.run("ask", QUESTION, *script, shell='ulimit -f 16; exec "$@"', env=env)
    assert (result.code, result.out) == (0, "8\n")
    assert "make room on its disk" in result.err
    assert rise("ask", QUESTION, *script).err == ""
    assert len(entries(rise)) == 1


@pytest.mark.parametrize("place", ["replies.jsonl/x.db", "x" * 5000, "."])
def test_a_place_that_cannot_be_is_a_warning(rise: Program, script: tuple[str, ...], place: str) -> None:
    env = {"RISE_LOG_FILE": place}
    result = rise("ask", QUESTION, *script, env=env)
    assert (result.code, result.out, "RISE_LOG_FILE" in result.err) == (0, "8\n", True)
    listed = rise("log", "list", env=env)
    assert listed.code == (3 if place == "." else 0)
    assert ("cannot be opened" if place == "." else "nothing is kept yet") in listed.err


def test_a_locked_log_is_a_warning_after_the_answer(rise: Program, script: tuple[str, ...]) -> None:
    rise("ask", QUESTION, *script)
    with closing(sqlite3.connect(log_file(rise), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        process = rise.start("ask", QUESTION, *script)
        assert process.stdout is not None
        assert process.stdout.readline() == b"8\n"  # before the wait is over
        assert process.poll() is None
        result = rise.wait(process)
    assert (result.code, "locked by another process" in result.err) == (0, True)


def test_many_runs_at_once_are_all_kept(rise: Program, script: tuple[str, ...]) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: rise.run("ask", f"How many are {n}?", *script), range(8)))
    assert [(result.code, result.err) for result in results] == [(0, "")] * 8
    assert {entry["asked"] for entry in entries(rise)} == {f"How many are {n}?" for n in range(8)}


def test_sqlite_is_loaded_only_to_save(rise: Program, script: tuple[str, ...]) -> None:
    program = (
        "import atexit, sys; from rise_cli.cli import main\n"
        "atexit.register(lambda: print('sqlite3' in sys.modules, file=sys.stderr))\n"
        "main()"
    )

    def loads(*command: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", program, *command], env=rise.env, cwd=rise.folder,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip

    assert loads("ask", QUESTION, *script, "--no-log") == "False\n"
    assert loads("ask", QUESTION, *script, "--dry-run") == "False\n"
    assert loads("log", "--help") == "False\n"
    assert loads("ask", QUESTION, *script) == "True\n"


# Listing and searching


def test_the_list_is_newest_first_and_fits(rise: Program, wire: str) -> None:
    said = {"Long?": "word " * 100, "Wide?": "汉字" * 50, "Short?": "8"}

    def answering(seen: Seen) -> Reply:
        return Reply(next(said[name] for name in said if name in seen.text))

    with Loopback(answering) as server:
        for question in said:
            long = f"{question} {'why ' * 50}\n[bold]\x1b[31m\u202e"
            ask(rise, wire, server, "--turns", "1", "--kind", "text", question=long)
    for columns in ("40", "80", "200"):
        result = rise("log", "list", env={"COLUMNS": columns})
        lines = result.out.splitlines()
        assert [line[2:8] for line in lines[1::2]] == ["Short?", "Wide? ", "Long? "]
        assert all(re.match(r"[0-9a-z]{13}  \d{4}-\d\d-\d\d \d\d:\d\d", line) for line in lines[::2])
        assert max(len(line.encode("utf-16-be")) // 2 for line in lines) <= int(columns)
        assert "→" in lines[1]
        assert UNSAFE.search(result.out) is None
    assert len(rise("log", "list", "-n", "2").out.splitlines()) == 4
    assert [entry["asked"][:6] for entry in entries(rise, "-n", "1")] == ["Short?"]
    assert rise("log", "list", "-n", "0").code == 2


def test_search_finds_by_any_part_of_a_run(rise: Program, wire: str) -> None:
    with Loopback([EIGHT]) as server:
        ask(rise, wire, server, "--context", "-", stdin="Material on 91 是质数吗")
        ask(rise, wire, server, question="Something else?")
    for words in (
        ["context:3"],
        ["how", "many"],
        ["count"],
        ["material"],
        ["质数"],
        ["MATER*"],
        ["3", "and"],
    ):
        result = rise("log", "search", *words)
        found = json.loads(rise("log", "search", "--json", *words).out)
        if words == ["context:3"]:
            assert (result.code, result.out, found) == (0, "", [])
            assert "no entry holds 'context:3'" in result.err
        else:
            assert QUESTION in result.out
            assert QUESTION in [one["asked"] for one in found]
    assert "Material on 91 是质数吗" in rise("log", "search", "material").out
    for hostile in ['"', "AND", "NEAR(", "*", "'", "-x", "^"]:
        assert rise("log", "search", "--", hostile).code in {0, 2}
    nothing = rise("log", "search", "***")
    assert (nothing.code, "give letters or digits" in nothing.err) == (2, True)


# Showing again


def without_figures(transcript: str) -> list[str]:
    """What stands on the lines of a transcript, column by column, but for what a turn cost and how long it
    took."""
    figures = r" · (\$|<)?[\d.$]+ s?$|( · )?(<?\$[\d.]+|cost unknown)|( · )?\d+\.\d s"
    cells = [cell.rstrip() for line in transcript.splitlines() for cell in re.split(" +│ ?", line)]
    return [cell for cell in (re.sub(figures, "", cell) for cell in cells) if cell.strip()]


@pytest.mark.parametrize(
    "more",
    [
        ("--turns", "3"),
        ("--samples", "2", "--turns", "2"),
        ("--check", "grep -q 8"),
        ("--window", "0"),
    ],
)
@pytest.mark.parametrize("columns", ["40", "100"])
def test_show_is_the_transcript_that_was_seen(
    rise: Program, wire: str, more: tuple[str, ...], columns: str
) -> None:
    env = {"COLUMNS": columns}
    with Loopback([SEVEN, EIGHT, SURE]) as server:
        live = ask(rise, wire, server, "-v", "--price", "1,2", *more, env=env)
    shown = rise("log", "show", "last", env=env)
    assert (shown.code, shown.err) == (0, "")
    seen = without_figures(live.err.partition("rise: kept as")[0])
    again = without_figures(shown.out)
    assert f"  {QUESTION}" in again
    assert again[-1] == live.out.strip() == "8"
    # In chains side by side, who comes first is chance when it is live.
    assert sorted(again[again.index(seen[0]) : -1]) == sorted(seen)
    assert max(map(len, shown.out.splitlines())) <= int(columns)


def test_show_knows_what_kind_of_protocol_it_was(rise: Program) -> None:
    rounds = "".join(f"## Round {n}\nAnswer: 8\nConfidence: 60%\n\n" for n in (1, 2))
    (rise.folder / "rounds.jsonl").write_text(json.dumps(rounds) + "\n")
    more = ("--prompt", "single-call", "-m", "scripted:rounds.jsonl", "-v")
    live = rise("ask", QUESTION, *more).err
    shown = rise("log", "show", "last").out
    for said in ("up to 5 turns in one reply\n", "The reply held 2 turns.\n"):
        assert (said in live, said in shown) == (True, True), said


@pytest.mark.parametrize("more", [("decide",), ("aggregate", "--samples", "3", "--draw", "2"), ("refine",)])
def test_show_knows_what_every_turn_was_shown(rise: Program, more: tuple[str, ...]) -> None:
    lines = [f"Answer: {n}\nConfidence: 60%" for n in (7, 8, 7)]
    (rise.folder / "s.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    live = rise("ask", QUESTION, "-m", "scripted:s.jsonl", "-v", "--turns", "3", "--prompt", *more).err
    assert live.partition("turns were taken.")[0] in rise("log", "show", "last").out


def test_show_claims_nothing_of_a_selection_that_was_not_kept(rise: Program) -> None:
    lines = [
        "One plan.",
        "Another plan.",
        {"purpose": "select", "reply": "The most consistent is Response 2"},
    ]
    (rise.folder / "s.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    live = rise("ask", "Plan it.", "--kind", "text", "--turns", "2", "-m", "scripted:s.jsonl", "-v")
    assert (live.out, "The model selected the reply of turn 2." in live.err) == ("Another plan.\n", True)
    shown = " ".join(rise("log", "show", "last").out.split())
    assert "The model was asked to select, and the reply of turn 2 stands." in shown


def test_show_tells_the_price_of_the_whole(rise: Program, wire: str) -> None:
    with Loopback([SURE]) as server:
        record = ask(rise, wire, server, "--price", "100,200", "--json").record
    assert f"${record['cost_usd']:.4f}" in rise("log", "show", "last").out


def test_show_takes_a_part_of_an_id(rise: Program, script: tuple[str, ...]) -> None:
    rise("ask", QUESTION, *script)
    name = entries(rise)[0]["id"]
    assert rise("log", "show", name[:7]).out == rise("log", "show", "last").out != ""


def test_show_says_what_a_run_continues(rise: Program, script: tuple[str, ...]) -> None:
    record = rise("ask", QUESTION, *script, "--json").record
    with Memory(log_file(rise)) as memory:
        first = memory.find("last").id
        memory.save(ASK, record, parent=first)
    assert f"\ncontinues {first}\n" in rise("log", "show", "last").out
    assert "continues" not in rise("log", "show", first).out


@pytest.mark.parametrize("command", ["show", "delete"])
def test_an_unknown_id_says_what_to_do(rise: Program, script: tuple[str, ...], command: str) -> None:
    empty = rise("log", command, "last")
    assert (empty.code, empty.out, "nothing is kept yet" in empty.err) == (2, "", True)
    rise("ask", QUESTION, *script)
    result = rise("log", command, "zzz")
    assert (result.code, result.out) == (2, "")
    assert result.err == "rise: there is no entry 'zzz' in the log; `rise log list` shows what there is\n"


def spoil(rise: Program, name: str, record: object) -> None:
    text = record if isinstance(record, str) else json.dumps(record)
    with closing(sqlite3.connect(log_file(rise))) as db, db:
        db.execute("UPDATE entries SET record = ? WHERE id = ?", (text, name))


@pytest.mark.parametrize("damage", ["{", "[]", "null", '"text"', "{}"])
def test_an_entry_that_is_no_record_spoils_no_other(
    rise: Program, script: tuple[str, ...], damage: str
) -> None:
    rise("ask", "One?", *script)
    rise("ask", "Two?", *script)
    name = entries(rise)[0]["id"]
    spoil(rise, name, damage)
    shown = rise("log", "show", name)
    assert (shown.code, shown.out) == (3, "")
    assert f"is damaged (the entry {name})" in shown.err
    assert [entry["asked"] for entry in entries(rise)] == ["Two?", "One?"]
    assert "Two?" in rise("log", "search", "two").out
    assert rise("log", "show", entries(rise)[1]["id"]).code == 0
    assert rise("ask", "Three?", *script).err == ""
    assert rise("log", "delete", name, "--yes").code == 0
    assert [entry["asked"] for entry in entries(rise)] == ["Three?", "One?"]


@pytest.mark.parametrize("lacking", ["settings", "usage", "turns", "error", "cost_usd", "votes"])
def test_a_record_that_lacks_something_is_told_and_printed_as_it_is(
    rise: Program, script: tuple[str, ...], lacking: str
) -> None:
    rise("ask", QUESTION, *script)
    record = rise("log", "show", "last", "--json").record
    del record[lacking]
    spoil(rise, entries(rise)[0]["id"], record)
    for more in ((), ("--svg", "t.svg")):
        shown = rise("log", "show", "last", *more)
        assert (shown.code, lacking in shown.err) == (2, True)
    assert not (rise.folder / "t.svg").exists()
    assert rise("log", "show", "last", "--json").record == record


def test_a_batch_of_another_version_is_told(rise: Program, wire: str) -> None:
    sums(rise, 1)
    with Loopback(adding) as server:
        rise("batch", "p.jsonl", *at(wire, server), "-q", env=KEYS)
    record = rise("log", "show", "last", "--json").record
    del record["summary"]["ok"]
    spoil(rise, entries(rise)[0]["id"], record)
    shown = rise("log", "show", "last")
    assert (shown.code, "cannot be shown (KeyError('ok'))" in shown.err, "--json" in shown.err) == (
        2,
        True,
        True,
    )


def test_json_and_svg_exclude_each_other(rise: Program, script: tuple[str, ...]) -> None:
    assert rise("log", "show", "last", "--json", "--svg", "x.svg").code == 2


HOSTILE = (
    "</text><script>alert(1)</script> [bold red]x[/] {width} &amp; \x1b[31m\x9b2J\u202e\x07 \ufffe\uffff "
    "汉字 🙂 ]]> <!-- é"
)


def test_an_svg_is_a_picture_that_stands_alone(rise: Program, wire: str) -> None:
    with Loopback([Reply(f"{HOSTILE}\nAnswer: 8 < 9\nConfidence: 80%", reasoning=HOSTILE)]) as server:
        ask(rise, wire, server, "--turns", "2", question=f"Why 宽?\n{HOSTILE}")
    result = rise("log", "show", "last", "--svg", "t.svg")
    assert (result.code, result.out, result.err) == (0, "", "")
    image = (rise.folder / "t.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(image)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names == {"svg", "style", "defs", "clipPath", "rect", "g", "circle", "text"}
    text = "".join(root.itertext()).replace("\xa0", " ")
    for words in ("Why 宽?", "</text><script>alert(1)</script>", "[bold red]x[/] {width} &amp; ", "turn 2/2",
                  "汉字", "🙂", "8 < 9", "80% sure", "kept"):  # fmt: skip
        assert words in text
    assert UNSAFE.search(image) is None
    assert re.findall(r"https?://[^\s\"')]+", image) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"url\((?!#)", image)
    (wide,) = (element for element in root.iter() if "宽" in (element.text or ""))
    assert float(wide.attrib["textLength"]) == pytest.approx(len("  Why 宽?x") * 12.2)  # one takes two cells


def test_an_svg_may_go_to_stdout(rise: Program, script: tuple[str, ...]) -> None:
    rise("ask", QUESTION, *script)
    rise("log", "show", "last", "--svg", "t.svg")
    assert rise("log", "show", "last", "--svg", "-").out == (rise.folder / "t.svg").read_text(
        encoding="utf-8"
    )
    assert not (rise.folder / "-").exists()


def test_words_that_are_not_found_are_not_repeated_at_length(rise: Program, script: tuple[str, ...]) -> None:
    rise("ask", QUESTION, *script)
    result = rise("log", "search", "x" * 10_000)
    assert (result.code, result.out, len(result.err) < 200) == (0, "", True)


def test_an_svg_that_cannot_be_written(rise: Program, script: tuple[str, ...]) -> None:
    rise("ask", QUESTION, *script)
    result = rise("log", "show", "last", "--svg", "no/where.svg")
    assert (result.code, "cannot write 'no/where.svg'" in result.err) == (2, True)
    result = rise("log", "show", "last", "--svg", "")
    assert (result.code, "must name a file, or be - for stdout, not ''" in result.err) == (2, True)


def test_nothing_in_a_kept_reply_controls_a_terminal(rise: Program, wire: str) -> None:
    with Loopback([Reply(f"rise: all is well\n{HOSTILE}\nAnswer: {HOSTILE}")]) as server:
        ask(rise, wire, server, "--turns", "1", question=HOSTILE)
    for command in (["list"], ["list", "--json"], ["show", "last"], ["show", "last", "--json"],
                    ["search", "alert"], ["search", "alert", "--json"]):  # fmt: skip
        result = rise("log", *command)
        assert result.code == 0
        assert UNSAFE.search(result.out) is None, command
        assert not re.search(r"^rise: all is well", result.out, re.M), command


# A batch


def sums(rise: Program, number: int) -> None:
    lines = [
        json.dumps({"question": f"How many are {n} plus 1?", "answer": str(n + 1)}) for n in range(number)
    ]
    (rise.folder / "p.jsonl").write_text("\n".join(lines))


def adding(seen: Seen) -> Reply:
    (number,) = set(re.findall(r"are (\d+) plus", seen.text))
    return Reply(f"Answer: {int(number) + 1}\nConfidence: 95%")


@pytest.mark.parametrize("more", [(), ("-q",)])
def test_a_batch_is_one_entry_however_large(rise: Program, wire: str, more: tuple[str, ...]) -> None:
    sums(rise, 30)
    with Loopback(adding) as server:
        assert rise("batch", "p.jsonl", *at(wire, server), *more, env=KEYS).code == 0
    (entry,) = entries(rise)
    results = str(rise.folder / "p.jsonl.rise.jsonl")
    assert (entry["kind"], entry["asked"], entry["answer"]) == (
        "batch",
        str(rise.folder / "p.jsonl"),
        results,
    )
    shown = rise("log", "show", "last")
    assert shown.code == 0
    assert f"results   {results}\n" in shown.out
    assert "problems  30 (30 ok, 0 failed)" in shown.out
    assert "100% (30 of 30 right)" in shown.out
    record = rise("log", "show", entry["id"], "--json").record
    assert (record["schema"], record["ended"], record["summary"]["problems"]) == (
        "rise.batch/1",
        "complete",
        30,
    )
    assert record["settings"]["model"] == f"{wire}:m-1"
    assert "plus" not in json.dumps(record)
    assert [hit["id"] for hit in json.loads(rise("log", "search", "jsonl", "--json").out)] == [entry["id"]]


def test_a_batch_without_a_log_may_go_on_with_one(rise: Program) -> None:
    sums(rise, 3)
    with Loopback(adding) as server:
        assert rise("batch", "p.jsonl", *at("openai", server), "--no-log", env=KEYS).code == 0
        assert entries(rise) == []
        assert rise("batch", "p.jsonl", *at("openai", server), "-q", env=KEYS).code == 0
    assert rise("log", "show", "last", "--json").record["summary"]["problems"] == 3


def test_a_batch_that_ended_early_is_kept_with_how(rise: Program) -> None:
    sums(rise, 20)
    with Loopback(adding) as server:
        more = ("--max-tokens-total", "900", "--max-tokens", "100", "--concurrency", "1")
        assert rise("batch", "p.jsonl", *at("openai", server), *more, env=KEYS).code == 5
    assert rise("log", "show", "last", "--json").record["ended"] == "budget"
    assert "run       budget" in rise("log", "show", "last").out


# Deleting


@pytest.fixture
def three(rise: Program, script: tuple[str, ...]) -> list[str]:
    """Three entries, newest first."""
    for question in ("One?", "Two?", "Three?"):
        rise("ask", question, *script)
    return [entry["id"] for entry in entries(rise)]


def test_delete_asks_first_and_wants_somebody_to_answer(rise: Program, three: list[str]) -> None:
    result = rise("log", "delete", "--all")
    assert (result.code, result.out) == (2, "")
    assert "delete 3 entries for good?" in result.err
    assert "add --yes" in result.err
    assert len(entries(rise)) == 3


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 2), ("n", 2, 3), ("", 2, 3)])
def test_delete_does_as_it_is_told(
    rise: Program, three: list[str], answer: str, code: int, left: int
) -> None:
    terminal = rise.terminal("log", "delete", "last")
    terminal.until("delete 1 entry for good? [y/N] ")
    terminal.write(f"{answer}\n")
    assert terminal.end().code == code
    assert [entry["id"] for entry in entries(rise)] == three[-left:]


def test_delete_by_id_by_age_and_everything(rise: Program, three: list[str]) -> None:
    gone = rise("log", "delete", three[1], three[1], "--yes")
    assert (gone.code, gone.out, gone.err) == (0, "", "rise: deleted 1 entry\n")
    assert [entry["id"] for entry in entries(rise)] == [three[0], three[2]]
    assert rise("log", "delete", "--before", "2020-01-01", "--yes").err == "rise: deleted 0 entries\n"
    assert rise("log", "delete", "--before", "2999-12-31", "--yes").err == "rise: deleted 2 entries\n"
    assert rise("log", "delete", "--all", "--yes").err == "rise: deleted 0 entries\n"
    assert (rise("log", "list").code, "nothing is kept yet" in rise("log", "list").err) == (0, True)
    assert b"Two?" not in log_file(rise).read_bytes()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "name entries to delete"),
        (["--all", "--before", "2020-01-01"], "give one of --before DATE and --all"),
        (["last", "--all"], "name entries to delete, or"),
        (["--before", "yesterday"], "such as 2026-11-30, not 'yesterday'"),
        (["nothing"], "there is no entry 'nothing'"),
    ],
)
def test_delete_of_what_is_not_clear(rise: Program, three: list[str], more: list[str], words: str) -> None:
    result = rise("log", "delete", "--yes", *more)
    assert (result.code, words in result.err) == (2, True)
    assert len(entries(rise)) == 3
