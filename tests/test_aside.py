"""A long results file is looked through by a second process, piece by piece, and no run can tell."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Loopback
from running import Program
from test_batch import adding, batch, rows, sums, write
from test_results import SETTINGS, ids, row, text

from rise_cli.errors import UsageError
from rise_cli.history.aside import WORTH_IT, Aside
from rise_cli.history.done import Done, Piece, pieces
from rise_cli.history.results import Results
from rise_cli.history.rows import scan

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
    with closing(Aside(mixed, "mixed", mixed.stat().st_size, retry_failed=retry_failed)) as aside:
        assert list(aside.pieces()) == whole
    assert [piece.lines for piece in whole] == [4096, 5905]
    failed = len(range(0, 10_000, 7))
    assert sum(piece.taken for piece in whole) == 10_001 - retry_failed * failed
    assert sum(piece.failed for piece in whole) == (not retry_failed) * failed
    turns = [made_with["turns"] for piece in whole for made_with in piece.settings]
    assert sorted(set(turns)) == [3, 4]
    spans = [span for piece in whole for span in piece.kept]
    with mixed.open("rb") as file:
        kept = b"".join(file.read(end - start) for start, end in spans if file.seek(start) == start)
    assert kept.count(b"\n") == 10_001 - retry_failed * failed


def test_a_line_that_is_no_row_comes_after_the_rows_before_it(mixed: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    lines = mixed.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5000], b'{"no": "row"}\n', *lines[5000:]]))
    with closing(Aside(path, "bad.jsonl", path.stat().st_size, retry_failed=False)) as aside:
        coming = aside.pieces()
        assert [next(coming).lines, next(coming).lines] == [4096, 904]
        with pytest.raises(UsageError, match=r"line 5001 of 'bad\.jsonl' is not a"):
            next(coming)


@pytest.mark.parametrize("after", [0, 1])
def test_where_the_process_ends_before_its_time_the_rows_are_looked_through_here(
    mixed: Path, after: int
) -> None:
    with closing(Aside(mixed, "mixed", mixed.stat().st_size, retry_failed=False)) as aside:
        coming = aside.pieces()
        found = [next(coming) for _ in range(after)]
        assert aside.pid is not None
        os.kill(aside.pid, signal.SIGKILL)
        found.extend(coming)
    assert found == here(mixed)


def test_where_no_process_can_be_started_the_rows_are_looked_through_here(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with closing(Aside(mixed, "mixed", mixed.stat().st_size, retry_failed=False)) as aside:
        assert list(aside.pieces()) == here(mixed)


def test_it_is_told_nothing_but_the_file_and_ends_when_it_is_closed(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    aside = Aside(mixed, "mixed", mixed.stat().st_size, retry_failed=False)
    assert aside.pid is not None
    os.kill(aside.pid, signal.SIGSTOP)  # so that it cannot have ended by itself
    assert b"sk-secret" not in Path(f"/proc/{aside.pid}/environ").read_bytes()
    aside.close()
    aside.close()
    with pytest.raises(ProcessLookupError):
        os.kill(aside.pid, 0)


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
    reached = -1
    for number in asked:
        found = done.get(f"p-{number}")
        assert (found is not None) == (number in place)
        reached = max(reached, place.get(number, (len(rows) - 1) // size))
        assert taken == reached + 1


# A whole run over a long file. Its rows are long, so that they are few.


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """The results of 40 problems of `problems`, which has 42; of those, four and the last two have no row."""
    path = tmp_path / "results.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(40):
            file.write(text(made(number, extra={"long": LONG})))
    assert path.stat().st_size > WORTH_IT
    return path


def test_a_long_file_is_learned_as_problems_are_asked_for(long: Path) -> None:
    notices: list[str] = []
    with long.open("a", encoding="utf-8") as file:
        file.write('{"schema": "rise.trajectory/1", "id": "torn')
    with closing(Results(long)) as results:
        results.resume(SETTINGS, notice=notices.append)
        assert notices == []
        assert results.answers("p-3", "How many of 3?")
        assert "p-40" not in results
        assert [results.ok, results.failed, results.earlier] == [34, 6, 40]
        assert len(notices) == 1
        assert "line 41" in notices[0]
        assert results.append(made(41)) == ["p-41"]
    assert ids(long) == [f"p-{number}" for number in (*range(40), 41)]


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
        with pytest.raises(UsageError, match="turns"):
            results.answers("p-3", "How many of 3?")
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
