"""Each problem has its row exactly once, whatever happened to the file in between."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from disks import small
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_cli.errors import RiseError, UsageError
from rise_cli.history.ids import Ids, as_bytes, fingerprint
from rise_cli.history.lines import Lines
from rise_cli.history.record import dumps
from rise_cli.history.results import Results
from rise_cli.history.rows import Recorded, recorded, scan

SETTINGS: dict[str, object] = {"protocol": "introspect", "turns": 3, "threshold": 0.9, "option": {}}


def row(id: str, index: int | None = 0, status: str = "ok", **more: Any) -> dict[str, Any]:  # noqa: A002
    turn = {
        "chain": 1, "turn": 1, "reply": f"reply to {id}", "reasoning": None, "answer": "18",
        "confidence": None, "critique": None, "feedback": None, "reward": None, "verdict": None,
        "failure": None, "finish_reason": "stop", "latency_s": 1.0, "usage": None,
    }  # fmt: skip
    return {
        "schema": "rise.trajectory/1", "id": id, "index": index, "status": status, "question": "How many?",
        "extra": {}, "answer": "18", "turns": [turn], "usage": {"requests": 1}, "model": "m",
        "settings": SETTINGS, "error": None if status == "ok" else 'it said ", "settings": {}', **more,
    }  # fmt: skip


def text(*rows: dict[str, Any]) -> str:
    return "".join(dumps(one) + "\n" for one in rows)


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def ungraded(record: dict[str, Any], reference: str | None) -> bool:
    raise AssertionError(f"{record['id']} was to be held against {reference}")


def has(results: Results, id: str, index: int = 0) -> bool:  # noqa: A002
    answered = results.has_row(id, index)
    assert answered is not None
    return answered


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def opened(path: Path, notices: list[str]) -> Iterator[Any]:
    """Opens the file and resumes it, as often as wanted; the last one is closed at the end."""
    last: list[Results] = []

    def resume(settings: dict[str, object] = SETTINGS, *, retry_failed: bool = False, **how: Any) -> Results:
        if last:
            last.pop().close()
        last.append(Results(path, **how))
        last[0].resume(settings, notice=notices.append, retry_failed=retry_failed)
        last[0].begin()
        return last[0]

    yield resume
    for results in last:
        results.close()


def test_a_row_is_there_when_append_returns(path: Path, opened: Any) -> None:
    results = opened()
    for number in range(3):
        assert results.append(row(f"p-{number}", number)) == [f"p-{number}"]
        assert path.read_text() == text(*(row(f"p-{n}", n) for n in range(number + 1)))
    assert (results.ok, results.failed, results.pending) == (3, 0, 0)


def test_slim_leaves_the_turns_out(path: Path, opened: Any) -> None:
    opened(slim=True).append(row("p"))
    assert json.loads(path.read_text()) == {**row("p"), "turns": []}


ODD_IDS = [
    "",
    "p",
    'a"b',
    "back\\slash",
    "答\u2028\u202e",
    "\ud800",
    "\0\n",
    'x", "index": 7, "status": "failed',
]


def test_what_is_done_is_known_again(path: Path, opened: Any) -> None:
    results = opened()
    for number, name in enumerate(ODD_IDS):
        results.append(row(name, number, "failed" if name == "p" else "ok"))
    results = opened()
    assert [has(results, name) for name in ODD_IDS] == [True] * len(ODD_IDS)
    assert [has(results, name) for name in ("q", "x", "\ud801", 'a\\"b')] == [False] * 4
    assert (results.ok, results.failed) == (len(ODD_IDS) - 1, 1)
    results.append(row("q"))
    assert (results.ok, results.failed) == (len(ODD_IDS), 1)


ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@settings(deadline=None)
@given(
    names=st.lists(ANY_TEXT),
    texts=st.tuples(ANY_TEXT, st.none() | ANY_TEXT, st.none() | ANY_TEXT),
    extra=st.dictionaries(
        st.text(), st.sampled_from([{"settings": {}}, ', "settings": {"a": 1}, "error": 1'])
    ),
    option=st.sampled_from([{}, {"settings": {"a": 1}}, {"b": 1, "settings": {}, "error": None}]),
)
def test_a_glance_sees_what_parsing_sees(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], texts: Any, extra: Any, option: Any
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows"
    given = dict(zip(("question", "context", "reference"), texts, strict=True))
    given |= {"correct": None, "extra": extra, "settings": {"o": option}}
    rows = [row(n, i, ("ok", "failed")[i % 2]) for i, n in enumerate(names)]
    # In the order of the format, and in another one.
    ours = [
        {**{name: one[name] for name in ("schema", "id", "index", "status")}, **given, **one} for one in rows
    ]
    ours = [one | given for one in ours]
    theirs = [dict(reversed(one.items())) for one in ours]
    path.write_text("".join(dumps(one) + "\n" for one in ours + theirs))
    with path.open("rb") as file:
        seen = [
            (r.id, r.position, r.failed, r.fingerprint, r.settings, r.start, r.length)
            for r in scan(file, "rows")
        ]
    lengths = [len(dumps(one).encode()) + 1 for one in ours + theirs]
    answers = fingerprint(*(as_bytes(text or "") for text in texts))
    assert seen == [
        (
            as_bytes(n),
            i % len(names),
            i % len(names) % 2 == 1,
            answers,
            {"o": option},
            sum(lengths[:i]),
            lengths[i],
        )
        for i, n in enumerate(names * 2)
    ]


def test_rows_in_another_spelling_are_known_too(path: Path, opened: Any) -> None:
    spellings = [
        json.dumps(row("a"), separators=(",", ":")),
        json.dumps(row("b", None, "failed"), sort_keys=True),
    ]
    path.write_text("\r\n".join(spellings) + "\r\n")
    results = opened()
    assert (has(results, "a"), has(results, "b"), results.ok, results.failed) == (True, True, 1, 1)


TAILS = [
    ("half", dumps(row("b", 1)).encode()[:120]),
    ("one byte", b"{"),
    ("in the middle of a letter", '{"schema": "rise.trajectory/1", "id": "答'.encode()[:-1]),
    ("zeros after a power cut", b"\0" * 5000),
    ("longer than a block", dumps(row("b", 1, question="?" * 3_000_000)).encode()[:-9]),
]


@pytest.mark.parametrize("first", [text(row("a")), ""], ids=["second line", "first line"])
@pytest.mark.parametrize("tail", [case[1] for case in TAILS], ids=[case[0] for case in TAILS])
def test_a_torn_line_is_taken_off(
    path: Path, opened: Any, notices: list[str], tail: bytes, first: str
) -> None:
    path.write_bytes(first.encode() + tail)
    results = opened()
    assert path.read_text() == first
    assert (has(results, "a"), has(results, "b")) == (bool(first), False)
    number = 2 if first else 1
    assert notices == [
        f"line {number} of {str(path)!r} was torn when it was written; it is removed and made again"
    ]
    results.append(row("b", 1))
    assert path.read_text() == first + text(row("b", 1))


def test_a_whole_line_without_its_newline_is_kept(path: Path, opened: Any, notices: list[str]) -> None:
    path.write_text(text(row("a"), row("b", 1))[:-1])
    results = opened()
    assert (has(results, "b"), results.ok, notices) == (True, 2, [])
    results.append(row("c", 2))
    assert ids(path) == ["a", "b", "c"]


FOREIGN = [
    ("a text without newline", b"my notes", 1),
    ("a text", b"my notes\n", 1),
    ("text after rows", text(row("a")).encode() + b"my notes", 2),
    ("another schema", dumps({**row("a"), "schema": "rise.trajectory/9"}).encode() + b"\n", 1),
    ("no settings", dumps({**row("a"), "settings": None}).encode() + b"\n", 1),
    ("a number as id", dumps({**row("a"), "id": 1}).encode() + b"\n", 1),
    ("an empty line", text(row("a")).encode() + b"\n" + text(row("b", 1)).encode(), 2),
    ("torn in the middle", text(row("a"))[:200].encode() + b"\n" + text(row("b", 1)).encode(), 1),
    ("no UTF-8", b"\xff\xfe\n", 1),
    ("nesting without end", b"[" * 100_000 + b"\n", 1),
]


@pytest.mark.parametrize(("content", "number"), [c[1:] for c in FOREIGN], ids=[c[0] for c in FOREIGN])
def test_what_is_not_ours_is_refused_and_left_alone(
    path: Path, opened: Any, content: bytes, number: int
) -> None:
    path.write_bytes(content)
    with pytest.raises(UsageError, match=f"line {number} of .* is not a rise.trajectory/1 row"):
        opened()
    assert path.read_bytes() == content


def test_other_settings_are_refused_by_name(path: Path, opened: Any) -> None:
    opened().append(row("a"))
    with pytest.raises(UsageError) as raised:
        opened({**SETTINGS, "turns": 5, "protocol": "paper", "max_tokens": 9, "option": {"k": 1}})
    assert str(raised.value) == (
        f'{str(path)!r} was made with --prompt "introspect" (now "paper"), --turns 3 (now 5), --option {{}} '
        '(now {"k": 1}), --max-tokens null (now 9); repeat those, name another file with -o, or start over '
        "with --overwrite"
    )


def test_any_row_may_be_the_one_that_differs(path: Path, opened: Any) -> None:
    rows = [row(str(n), n) for n in range(9)]
    rows[4]["settings"] = {**SETTINGS, "turns": 4}
    path.write_text(text(*rows) + '{"schema"')
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"--turns 4 \(now 3\)"):
        opened()
    assert path.read_bytes() == before


def test_settings_that_are_not_compared_may_differ(path: Path, opened: Any) -> None:
    path.write_text(text(row("a", settings={**SETTINGS, "concurrency": 7, "kind": "number"})))
    assert has(opened({"turns": 3, "option": {}}), "a")


@pytest.mark.parametrize("rows", [[], [row("a"), row("b", 1)]], ids=["no row", "some"])
def test_starting_over_keeps_what_is_there_until_there_is_a_row(path: Path, rows: list[Any]) -> None:
    path.write_text("anything\n")
    for _ in range(2):
        results = Results(path)
        results.restart()
        results.resume(SETTINGS, notice=print)
        assert (has(results, "a"), results.ok, results.stale) == (False, 0, True)
        results.close()
        assert path.read_text() == "anything\n"
    results = Results(path)
    results.restart()
    for one in rows:
        results.append(one)
        assert path.read_text().startswith(text(rows[0]))
    results.finish(ungraded)
    results.close()
    assert path.read_text() == text(*rows)


def test_failed_rows_are_made_again(path: Path, opened: Any) -> None:
    path.write_text(text(*(row(str(n), n, "ok" if n % 3 else "failed") for n in range(8))) + '{"sch')
    path.chmod(0o640)
    results = opened(retry_failed=True)
    assert ids(path) == ["1", "2", "4", "5", "7"]
    assert (has(results, "0"), has(results, "1"), results.ok, results.failed) == (False, True, 5, 0)
    with pytest.raises(UsageError, match="another process is writing"):
        Results(path)
    results.append(row("0"))
    assert ids(path) == ["1", "2", "4", "5", "7", "0"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_failed_rows_of_other_settings_may_be_made_again(path: Path, opened: Any) -> None:
    path.write_text(text(row("a"), row("b", 1, "failed", settings={**SETTINGS, "turns": 4})))
    opened(retry_failed=True)
    assert ids(path) == ["a"]


def test_without_failed_rows_the_file_stays(path: Path, opened: Any) -> None:
    path.write_text(text(row("a")))
    before = path.stat().st_ino
    opened(retry_failed=True)
    assert (ids(path), path.stat().st_ino) == (["a"], before)


def test_a_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "folder" / "real", tmp_path / "link"
    target.parent.mkdir()
    target.write_text(text(row("a", 0, "failed"), row("b", 1)))
    link.symlink_to(target)
    results = Results(link)
    results.resume(SETTINGS, notice=print, retry_failed=True)
    assert (ids(target), results.begun) == (["a", "b"], False)
    results.begin()
    assert results.begun
    results.close()
    assert link.is_symlink()
    assert ids(target) == ["b"]


UNUSABLE = [
    ("a folder", ""),
    ("no such folder", "none/results"),
    ("a pipe", "pipe"),
    ("a device", "/dev/null"),
]


@pytest.mark.parametrize("name", [case[1] for case in UNUSABLE], ids=[case[0] for case in UNUSABLE])
def test_a_path_that_cannot_be(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"cannot write to '.*' \(.*\); name another file with -o"):
        Results(tmp_path / name)


def test_one_process_at_a_time(path: Path) -> None:
    first = Results(path)
    with pytest.raises(UsageError, match=f"another process is writing '{path}'; wait for it"):
        Results(path)
    first.close()
    first.close()
    Results(path).close()


ORDERS = [
    ("as it came", [0, 1, 2, 3], [[0], [1], [2], [3]]),
    ("backwards", [3, 2, 1, 0], [[], [], [], [0, 1, 2, 3]]),
    ("mixed", [1, 0, 3, 2], [[], [0, 1], [], [2, 3]]),
    ("a gap", [0, 2, 3], [[0], [], []]),
]


@pytest.mark.parametrize("room", [0, 700, 10**9], ids=["on disk", "both", "in memory"])
@pytest.mark.parametrize(("came", "written"), [c[1:] for c in ORDERS], ids=[c[0] for c in ORDERS])
def test_rows_wait_for_their_predecessors(came: list[int], written: list[list[int]], room: int) -> None:
    out: list[bytes] = []
    lines = Lines(out.append, ordered=True, held_in_memory=room)
    said = [lines.append(row(str(index), index)) for index in came]
    assert said == [[str(index) for index in some] for some in written]
    in_order = [index for some in written for index in some]
    assert b"".join(out).decode() == text(*(row(str(index), index) for index in in_order))
    assert lines.pending == len(came) - len(in_order)
    lines.close()


@settings(deadline=None)
@given(
    order=st.permutations(range(30)),
    there=st.sets(st.integers(0, 29)),
    room=st.sampled_from([0, 2000, 10**9]),
)
def test_any_order_comes_out_in_order(order: list[int], there: set[int], room: int) -> None:
    out: list[bytes] = []
    lines = Lines(out.append, ordered=True, held_in_memory=room)
    told: list[str] = []
    for index in order:
        told += lines.skip(index) if index in there else lines.append(row(str(index), index))
    fresh = [index for index in range(30) if index not in there]
    assert told == [str(index) for index in fresh]
    assert b"".join(out).decode() == text(*(row(str(index), index) for index in fresh))
    assert lines.pending == 0
    lines.close()


def test_a_row_that_cannot_be_written_is_still_held() -> None:
    out: list[bytes] = []
    full = [True]

    def write(line: bytes) -> None:
        if full[0] and line.startswith(dumps(row("1", 1)).encode()):
            raise RiseError("full")
        out.append(line)

    lines = Lines(write, ordered=True)
    lines.append(row("1", 1))
    with pytest.raises(RiseError):
        lines.append(row("0", 0))
    full[0] = False
    assert lines.skip(9) == ["1"]
    assert len(out) == 2


def test_order_is_kept_over_an_interruption(path: Path, opened: Any) -> None:
    results = opened(ordered=True)
    for index in (0, 1, 3, 4):
        results.append(row(str(index), index))
    assert results.pending == 2
    results = opened(ordered=True)
    for index in range(6):
        assert has(results, str(index), index) == (index < 2)
    for index in (5, 4, 0, 1, 2, 3):
        results.skip(index) if has(results, str(index), index) else results.append(row(str(index), index))
    results.finish(ungraded)
    assert ids(path) == list("012345")


def test_a_file_that_was_begun_without_order_ends_in_order(path: Path, opened: Any) -> None:
    path.write_text(text(row("4", 4), row("2", 2), row("0", 0, "failed"), row("x", None)))
    results = opened(ordered=True, retry_failed=True)
    for index in range(6):
        results.skip(index) if has(results, str(index), index) else results.append(row(str(index), index))
    assert ids(path) == list("42x0135")
    results.finish(ungraded)
    assert ids(path) == list("012345x")
    assert (results.strangers, results.is_stranger("x"), results.is_stranger("5")) == (1, True, False)


def test_rows_of_an_input_that_was_shuffled_end_in_its_order_now(path: Path, opened: Any) -> None:
    spaced = json.dumps(row("e", 1), indent=None, separators=(" , ", " : ")) + "\n"
    path.write_text(text(row("a", 0), row("gone", 2)) + spaced + text(row("c", 3)))
    results = opened(ordered=True)
    for index, name in enumerate("cbxae"):
        results.skip(index) if has(results, name, index) else results.append(row(name, index))
    results.finish(ungraded)
    assert path.read_text() == text(
        *(row(name, index) for index, name in enumerate("cbxae")), row("gone", None)
    )
    before = path.stat().st_ino
    results = opened(ordered=True)
    for index, name in enumerate("cbxae"):
        assert has(results, name, index)
        results.skip(index)
    results.finish(ungraded)
    assert path.stat().st_ino == before


WRITER = """
import json, sys
from pathlib import Path
from rise_cli.history.results import Results
results, row = Results(Path(sys.argv[1])), json.loads(sys.argv[2])
results.resume(row["settings"], notice=lambda text: None)
for number in range(10**9):
    if not results.has_row(name := f"p-{number}", number):
        question = "?" * (number * 7919 % 60_000)
        results.append({**row, "id": name, "index": number, "question": question})
        print(name, flush=True)
"""


def test_a_kill_neither_loses_nor_doubles_a_row(path: Path, opened: Any) -> None:
    moments = random.Random(5)
    acknowledged: list[str] = []
    for _ in range(5):
        command = [sys.executable, "-c", WRITER, str(path), json.dumps(row("p"))]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout
        acknowledged += [writer.stdout.readline().strip() for _ in range(moments.randrange(1, 300))]
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
    results = opened()
    found = ids(path)
    assert len(set(found)) == len(found) == results.ok
    assert set(acknowledged) <= set(found)
    assert path.read_bytes().endswith(b"}\n")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a quarter of a megabyte."""
    with small(tmp_path / "disk", "256k") as disk:
        yield disk


def fill(results: Results, start: int) -> int:
    """Append until the disk is full; return the number of the row that did not fit."""
    with pytest.raises(RiseError, match=r"No space left on device\); make room") as raised:  # noqa: PT012
        for number in range(start, 10_000):
            results.append(row(str(number), number, question="?" * 5000))
    assert raised.value.exit_code == 1
    return number


def test_a_full_disk_leaves_whole_rows(small_disk: Path) -> None:
    ballast, path = small_disk / "ballast", small_disk / "results"
    ballast.write_bytes(b"0" * 150_000)
    results = Results(path)
    results.resume(SETTINGS, notice=print)
    refused = fill(results, 0)
    assert ids(path) == [str(number) for number in range(refused)]
    ballast.unlink()
    more = fill(results, refused)
    assert more > refused
    assert ids(path) == [str(number) for number in range(more)]
    results.close()


def test_a_full_disk_leaves_the_old_file_where_a_new_one_does_not_fit(small_disk: Path) -> None:
    path = small_disk / "results"
    path.write_text(text(row("a", 0, "failed"), row("b", 1, question="?" * 150_000)))
    results = Results(path)
    results.resume(SETTINGS, notice=print, retry_failed=True)
    for attempt in (results.begin, results.begin, lambda: results.append(row("a"))):
        with pytest.raises(RiseError, match="make room on its disk"):
            attempt()
        assert not results.begun
    assert ids(path) == ["a", "b"]
    assert [file.name for file in small_disk.iterdir()] == ["results"]
    results.close()


LIMITED = """
import json, resource, sys
from pathlib import Path
from rise_cli.errors import RiseError
from rise_cli.history.results import Results
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
results, row = Results(Path(sys.argv[1])), json.loads(sys.argv[2])
results.resume(row["settings"], notice=print)
try:
    for number in range(1000):
        results.append({**row, "id": str(number), "index": number, "question": "?" * 5000})
except RiseError as error:
    assert "make room on its disk" in str(error), error
    print(number)
"""


def test_a_file_that_may_not_grow_keeps_whole_rows(path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(path), json.dumps(row("p"))]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert ids(path) == [str(number) for number in range(int(ran.stdout))]
    assert len(ids(path)) > 10


def test_recorded_rows_in_their_order(path: Path) -> None:
    path.write_text(text(row("a"), row("b", 1, "failed")))
    assert list(recorded(path)) == [row("a"), row("b", 1, "failed")]


BROKEN = [
    ("no JSON", "{"),
    ("no turns", dumps({**row("b"), "turns": None})),
    ("no usage", dumps({**row("b"), "usage": None})),
    ("a turn without reply", dumps({**row("b"), "turns": [{"chain": 1, "turn": 1}]})),
    (
        "a turn with odd usage",
        dumps({**row("b"), "turns": [{**row("b")["turns"][0], "usage": {"tokens": 1}}]}),
    ),
    ("a reply that is no text", dumps({**row("b"), "turns": [{**row("b")["turns"][0], "reply": 1}]})),
]


@pytest.mark.parametrize("line", [case[1] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_damage_is_said_with_its_line(path: Path, line: str) -> None:
    path.write_text(text(row("a")) + line + "\n")
    rows = recorded(path)
    assert next(rows)["id"] == "a"
    with pytest.raises(UsageError, match=f"line 2 of '{path}' is not a rise.trajectory/1 row; repair"):
        next(rows)
    with pytest.raises(UsageError, match=r"line 2 of|row 'b' of .* is damaged"):  # noqa: PT012
        found = Recorded(path)
        try:
            found.turns("b")
        finally:
            found.close()


def test_recorded_turns_by_id(path: Path) -> None:
    names = [*ODD_IDS, *(str(number) for number in range(500))]
    path.write_text(text(*(row(name, number) for number, name in enumerate(names))))
    found = Recorded(path)
    assert len(found) == len(names)
    for name in (*names, *reversed(names)):
        assert found.turns(name) == row(name)["turns"]
    assert found.turns("none") is None
    found.close()


def test_slim_rows_cannot_be_replayed(path: Path) -> None:
    nothing_sent = row("b", 1, "failed", turns=[], usage={"requests": 0})
    path.write_text(text(row("a", turns=[]), nothing_sent))
    found = Recorded(path)
    assert found.turns("b") == []
    with pytest.raises(UsageError, match=f"the row 'a' of '{path}' has no turns to replay.*--slim"):
        found.turns("a")
    found.close()


def test_a_recording_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*No such file"):
        next(recorded(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"cannot read .*No such file"):
        Recorded(tmp_path / "none")


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=3), st.integers(0, 2**63 - 1)), max_size=200))
def test_ids_are_a_map_that_keeps_its_first_values(entries: list[tuple[bytes, int]]) -> None:
    found, expected = Ids(), dict[bytes, int]()
    for name, value in entries:
        found.add(name, value)
        expected.setdefault(name, value)
    assert len(found) == len(expected)
    assert {name: found.get(name) for name, _ in entries} == expected
    assert found.get(b"not there") is None
