"""A long results file is looked through by a second process, piece by piece, and no run can tell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Loopback
from running import KEYS, Process, Program, at, wait_until
from test_batch import adding, batch, rows, sums, write
from test_results import SETTINGS, ids, row, text

from rise_cli.errors import UsageError
from rise_cli.history.done import Done, Piece, pieces
from rise_cli.history.results import Results
from rise_cli.history.rows import NOWHERE, scan
from rise_cli.history.scanner import WORTH_IT, Scanner, ScannerClosed
from rise_cli.problems import Row

LONG = "x" * (1 << 20)


def made(number: int, **more: Any) -> dict[str, Any]:
    """A row; every seventh has failed, and every fifth is spelled in another way."""
    status = "failed" if number % 7 == 0 else "ok"
    return row(f"p-{number}", number, status, question=f"How many of {number}?", **more)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 rows: three pieces."""
    path = tmp_path_factory.mktemp("rows") / "mixed.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(10_000):
            one = made(number, settings={**SETTINGS, "turns": 3 + number // 6000})
            file.write(
                text(one) if number % 5 else json.dumps(one, indent=None, separators=(",", ":")) + "\n"
            )
        file.write(text(made(17)))  # a second row for one problem
    return path


def here(path: Path, *, retry_failed: bool = False) -> list[Piece]:
    with path.open("rb") as file:
        return list(pieces(scan(file, str(path), path.stat().st_size), retry_failed=retry_failed))


@pytest.mark.parametrize("retry_failed", [False, True])
def test_the_pieces_are_the_same(mixed: Path, retry_failed: bool) -> None:
    whole = here(mixed, retry_failed=retry_failed)
    with closing(Scanner(mixed, "mixed", mixed.stat().st_size, retry_failed=retry_failed)) as scanner:
        assert list(scanner.pieces()) == whole
    assert [piece.lines for piece in whole] == [4096, 5905]
    failed = len(range(0, 10_000, 7))
    assert sum(piece.taken for piece in whole) == 10_001 - retry_failed * failed
    assert sum(piece.failed for piece in whole) == (not retry_failed) * failed
    # Although every fifth row has settings of its own in memory.
    assert [[made_with["turns"] for made_with in piece.settings] for piece in whole] == [[3], [3, 4]]
    spans = [span for piece in whole for span in piece.kept]
    with mixed.open("rb") as file:
        kept = b"".join(file.read(end - start) for start, end in spans if file.seek(start) == start)
    assert kept.count(b"\n") == 10_001 - retry_failed * failed


def test_a_line_that_is_no_row_comes_after_the_rows_before_it(mixed: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    lines = mixed.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5000], b'{"no": "row"}\n', *lines[5000:]]))
    with closing(Scanner(path, "bad.jsonl", path.stat().st_size, retry_failed=False)) as scanner:
        coming = scanner.pieces()
        assert [next(coming).lines, next(coming).lines] == [4096, 904]
        with pytest.raises(UsageError, match=r"line 5001 of 'bad\.jsonl' is not a"):
            next(coming)


@pytest.mark.parametrize("after", [0, 1])
def test_where_the_process_ends_before_its_time_the_rows_are_looked_through_here(
    mixed: Path, after: int
) -> None:
    with closing(Scanner(mixed, "mixed", mixed.stat().st_size, retry_failed=False)) as scanner:
        coming = scanner.pieces()
        found = [next(coming) for _ in range(after)]
        assert scanner.pid is not None
        os.kill(scanner.pid, signal.SIGKILL)
        found.extend(coming)
    assert found == here(mixed)


@pytest.mark.parametrize("python", [None, "", "/nowhere/python", "/bin/true"])
def test_where_no_process_can_be_started_the_rows_are_looked_through_here(
    mixed: Path, monkeypatch: pytest.MonkeyPatch, python: str | None
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    with closing(Scanner(mixed, "mixed", mixed.stat().st_size, retry_failed=False)) as scanner:
        assert list(scanner.pieces()) == here(mixed)


def test_it_is_told_nothing_but_the_file_and_ends_when_it_is_closed(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    scanner = Scanner(mixed, "mixed", mixed.stat().st_size, retry_failed=False)
    assert scanner.pid is not None
    os.kill(scanner.pid, signal.SIGSTOP)  # so that it cannot have ended by itself
    assert b"sk-secret" not in Path(f"/proc/{scanner.pid}/environ").read_bytes()
    scanner.close()
    scanner.close()
    with pytest.raises(ProcessLookupError):
        os.kill(scanner.pid, 0)


def test_ctrl_c_in_a_terminal_does_not_reach_it(mixed: Path) -> None:
    with closing(Scanner(mixed, "mixed", mixed.stat().st_size, retry_failed=False)) as scanner:
        assert scanner.pid is not None
        os.kill(scanner.pid, signal.SIGSTOP)
        assert os.getsid(scanner.pid) == scanner.pid  # a terminal signals the processes of its own session
        os.kill(scanner.pid, signal.SIGCONT)
        assert list(scanner.pieces()) == here(mixed)


PARENT = """
import sys, time
from pathlib import Path
from rise_cli.history.scanner import Scanner
scanner = Scanner(Path(sys.argv[1]), "rows", 1 << 30, retry_failed=False)
print(scanner.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("wait_s", [0.0, 1.5], ids=["before it has started", "while it waits for rows"])
def test_it_ends_with_a_parent_that_is_killed_although_it_has_nothing_to_say(
    tmp_path: Path, wait_s: float
) -> None:
    pipe = tmp_path / "rows.jsonl"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR)  # so that it can be opened, and no end of the rows comes
    try:
        command = [sys.executable, "-c", PARENT, str(pipe)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            time.sleep(wait_s)
            assert is_running(pid)
            parent.kill()
        wait_until(lambda: not is_running(pid))
    finally:
        os.close(held)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # whoever adopts it may be slow to take note of its end


CUTTING = """#!/bin/bash
pipe="${{@: -2:1}}"
eval 'exec {python} "$@" '$pipe'> >(head -c -3 >&'$pipe')'
"""


def test_what_is_cut_off_before_its_end_is_looked_through_here(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pieces may have come, and still only the mark at the end says so."""
    cut = tmp_path / "python"
    cut.write_text(CUTTING.format(python=sys.executable))
    cut.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(cut))
    with closing(Scanner(mixed, "mixed", mixed.stat().st_size, retry_failed=False)) as scanner:
        received = list(scanner._received())
    assert [type(one) for one in received] == [Piece, Piece]
    with closing(Scanner(mixed, "mixed", mixed.stat().st_size, retry_failed=False)) as scanner:
        assert list(scanner.pieces()) == here(mixed)


def test_what_an_interpreter_prints_at_its_start_is_no_row(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that is loaded with every interpreter may print, and a folder in the path may hold it."""
    loud = tmp_path / "python"
    loud.write_text(f'#!/bin/sh\necho N.\nexec {sys.executable} "$@"\n')
    loud.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(loud))
    with closing(Scanner(mixed, "mixed", mixed.stat().st_size, retry_failed=False)) as scanner:
        assert list(scanner.pieces()) == here(mixed)
        assert scanner.pid is not None


def test_nothing_is_imported_from_the_current_folder(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rise_cli").mkdir()
    for name in ("json.py", "rise_cli/__init__.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with closing(Scanner(mixed, "mixed", mixed.stat().st_size, retry_failed=False)) as scanner:
        assert list(scanner.pieces()) == here(mixed)
    assert not (tmp_path / "imported").exists()


def test_a_wait_in_it_ends_when_it_is_closed(mixed: Path) -> None:
    scanner = Scanner(mixed, "mixed", mixed.stat().st_size, retry_failed=False)
    assert scanner.pid is not None
    os.kill(scanner.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: list(scanner.pieces()))
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        scanner.close()
        with pytest.raises(ScannerClosed):
            waiting.result(5)


@given(st.lists(st.integers(0, 300), unique=True), st.lists(st.integers(0, 320)), st.integers(1, 50))
def test_done_is_a_map_that_takes_pieces_as_it_needs_them(
    rows: list[int], asked: list[int], size: int
) -> None:
    taken = 0

    def coming() -> Iterator[Piece]:
        nonlocal taken
        for start in range(0, len(rows), size):
            taken += 1
            some = [made(number) for number in rows[start : start + size]]
            lines = iter([line.encode() for line in text(*some).splitlines(keepends=True)])
            yield from pieces(scan(lines, "rows"), retry_failed=False)  # type: ignore[arg-type]

    done = Done(coming())
    place = {number: at // size for at, number in enumerate(rows)}
    for number in asked:
        while done.find(f"p-{number}", number) is None and not done.complete:
            done.take()
        assert (done.find(f"p-{number}", number) is not None) == (number in place)
        assert taken >= place.get(number, -(-len(rows) // size) - 1) + 1
    done.take_all()
    assert taken == -(-len(rows) // size)
    wanted = set(asked) & set(rows)
    assert (done.wanted, done.unwanted) == (len(wanted), len(rows) - len(wanted))
    for number in range(321):
        held = NOWHERE if number in rows else None
        assert done.place(f"p-{number}".encode()) == (number if number in wanted else held)


def test_an_error_is_no_end_of_the_pieces() -> None:
    def coming() -> Iterator[Piece]:
        yield from pieces([], retry_failed=False)
        raise UsageError("these are of other settings")

    done = Done(coming())
    for _ in range(2):
        with pytest.raises(UsageError, match="other settings"):
            done.take_all()
    assert not done.complete


# A whole run over a long file. Its rows are long, so that they are few.


def asking(number: int) -> Row:
    return Row(number, number + 1, f"p-{number}", f"How many of {number}?", None, None, {})


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """The results of 40 problems of `problems`, which has 42; of those, four and the last two have no row."""
    path = tmp_path / "results.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(40):
            file.write(text(made(number, extra={"long": LONG})))
    assert path.stat().st_size > WORTH_IT
    return path


def test_a_long_file_is_learned_as_it_is_needed_and_changed_when_something_begins(long: Path) -> None:
    notices: list[str] = []
    with long.open("a", encoding="utf-8") as file:
        file.write('{"schema": "rise.trajectory/1", "id": "torn')
    before = long.stat().st_size
    with closing(Results(long)) as results:
        results.resume(SETTINGS, notice=notices.append)
        assert (results.answers(asking(3)), results.known) == (None, False)
        results.learn_more()
        assert results.answers(asking(3)) is True
        with pytest.raises(UsageError, match="answers another question"):
            results.answers(replace(asking(3), question="How many of 4?"))
        assert results.has_row("p-40", 40) is None
        results.learn_more()
        assert (results.has_row("p-40", 40), results.known) == (False, True)
        assert [results.ok, results.failed, results.earlier] == [34, 6, 40]
        assert (notices, long.stat().st_size) == ([], before)
        results.begin()
        assert ["line 41" in notice for notice in notices] == [True]
        assert results.append(made(41)) == ["p-41"]
        assert [results.ok, results.failed, results.earlier] == [35, 6, 40]
    assert ids(long) == [f"p-{number}" for number in (*range(40), 41)]


def test_a_long_file_is_brought_to_what_the_input_says_now(long: Path) -> None:
    graded: list[tuple[str, str | None]] = []

    def grade(record: dict[str, Any], reference: str | None) -> bool:
        graded.append((record["id"], reference))
        record["reference"] = reference
        return reference != "5"

    before = [json.loads(line) for line in long.read_bytes().splitlines()]
    with closing(Results(long)) as results:
        results.resume(SETTINGS, notice=print)
        for number in range(3, 38):  # they have moved up, and every fifth has another reference
            asked = replace(asking(number), index=number - 3, reference=None if number % 5 else str(number))
            while results.answers(asked) is None:
                results.learn_more()
        assert (results.outdated, results.doubtful, results.strangers) == (7, 5, 0)
        results.finish(grade)
        assert (results.outdated, results.doubtful, results.strangers) == (0, 0, 5)
        assert (results.ungraded, results.repeated, results.earlier) == (1, 0, 35)
        assert [results.is_stranger(f"p-{n}") for n in (2, 3, 37, 38)] == [True, False, False, True]
    assert graded == [(f"p-{number}", str(number)) for number in range(5, 38, 5)]
    for number, (old, line) in enumerate(zip(before, long.read_bytes().splitlines(), strict=True)):
        new: dict[str, Any] = {"index": number - 3 if 3 <= number < 38 else None}
        if number % 5 == 0 and 5 < number < 38:
            new["reference"] = str(number)
        assert json.loads(line) == old | new


def test_a_row_that_comes_first_waits_until_all_is_learned(long: Path) -> None:
    with closing(Results(long)) as results:
        results.resume(SETTINGS, notice=print, retry_failed=True)
        results.append(made(40))
        assert [results.ok, results.failed, results.earlier] == [35, 0, 34]
    assert ids(long) == [f"p-{number}" for number in range(41) if number % 7]


def test_other_settings_take_nothing_from_a_long_file(long: Path) -> None:
    before = long.read_bytes()
    with closing(Results(long)) as results:
        results.resume({**SETTINGS, "turns": 4}, notice=print, retry_failed=True)
        for _ in range(2):
            with pytest.raises(UsageError, match="turns"):
                results.learn_more()
        with pytest.raises(UsageError, match="turns"):
            results.append(made(40))
    assert long.read_bytes() == before


def test_a_run_over_a_long_file_goes_on_where_it_stopped(rise: Program) -> None:
    problems = [{**problem, "note": LONG} for problem in sums(36)]
    write(rise, problems)
    path = rise.folder / "p.jsonl.rise.jsonl"
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, "--turns", "1", "--ordered").code == 0
        whole = path.read_bytes()
        assert len(whole) > WORTH_IT
        lines = whole.splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:3], *lines[4:35]]) + lines[35][:100])
        other = batch(rise, "openai", server, "--turns", "2", "--ordered")
        assert (other.code, "--turns 1 (now 2)" in other.err) == (2, True)
        assert len(server.seen) == 36
        again = batch(rise, "openai", server, "--turns", "1", "--ordered")
        assert (again.code, "was torn" in again.err, len(server.seen)) == (0, True, 38)
        assert [row["index"] for row in rows(rise)] == list(range(36))
        write(rise, [*problems[:-1], {"question": "How many are 40 plus 1?"}])
        path.write_bytes(whole.replace(b"rise.trajectory/1", b"rise.trajectory/0", 30))
        bad = batch(rise, "openai", server, "--turns", "1", "--ordered")
        assert (bad.code, "line 1 of" in bad.err, len(server.seen)) == (2, True, 38)
        assert "the run ended" not in other.err + bad.err


def test_what_was_not_begun_is_said_again_in_how_to_go_on(rise: Program) -> None:
    (rise.folder / "o.jsonl").write_text(text(row("p-1", status="failed")), encoding="utf-8")
    with Loopback(adding) as server:
        model = at("openai", server)
        process = rise.start("batch", "-", "-o", "o.jsonl", *model, "--retry-failed", env=KEYS, stdin=True)
        wait_until(lambda: (rise.folder / "o.jsonl.journal").exists() or process.poll() is not None)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        err = process.stderr.read().decode()
        with process:
            process.kill()
    assert "go on with: rise batch - -o o.jsonl" in err, err
    assert "--retry-failed" in err


@pytest.fixture
def scanning(rise: Program) -> Iterator[tuple[Process, int, Loopback]]:
    """A run whose second process is stopped: no problem has a row yet that is known. And that process."""
    write(rise, sums(60))
    path = rise.folder / "p.jsonl.rise.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(text(made(number, extra={"long": "x" * 9000})) for number in range(4000))
    assert path.stat().st_size > WORTH_IT
    with Loopback(adding) as server:
        process = rise.start("batch", "p.jsonl", *at("openai", server), "--turns", "1", env=KEYS)
        stopped = None
        while stopped is None and process.poll() is None:
            stopped = _scanner_of(process.pid)
        assert stopped is not None
        os.kill(stopped, signal.SIGSTOP)
        with process:
            yield process, stopped, server
            process.kill()


def _scanner_of(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in map(int, children):
        with suppress(OSError):
            if b"history.scanner" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
    return None


def test_ctrl_c_is_heard_while_the_rows_are_learned_and_nothing_is_sent(
    rise: Program, scanning: tuple[Process, int, Loopback]
) -> None:
    process, stopped, server = scanning
    time.sleep(1)  # long enough for the run to wait; were it shorter, the test would show less
    process.send_signal(signal.SIGINT)
    result = rise.wait(process)
    assert (result.code, "interrupted with at least 0 of 60 problems done" in result.err) == (130, True)
    assert "no summary" in result.err
    assert server.seen == []
    assert not Path(f"/proc/{stopped}").exists()


def test_a_kill_leaves_no_process_and_no_lock(rise: Program, scanning: tuple[Process, int, Loopback]) -> None:
    process, stopped, _ = scanning
    process.kill()
    process.wait()
    Results(rise.folder / "p.jsonl.rise.jsonl").close()
    os.kill(stopped, signal.SIGCONT)
    wait_until(lambda: not Path(f"/proc/{stopped}").exists())
