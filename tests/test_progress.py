"""The progress of a batch: one line that fits whatever terminal there is, and calm lines in a pipe."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from loopback import Loopback, Reply, Seen, Status
from running import KEYS, Program, at

from rise_cli.render.progress import Plain, Standing, facts, meter, progress

# A terminal is made by forking, which newer Pythons mind while the server's thread runs.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

BUSY = Standing(
    done=1234, total=12000, failed=3, in_flight=40, limit=64, accuracy=0.71, turns=2.4, tokens_per_s=830.4,
    cost_usd=0.0312, projected_usd=1.9, retries=12, refused=9, throttled=8,
    left_s=250.0,
)  # fmt: skip
WHOLE = (
    "3 failed · 71% right · $0.0312 of about $1.90 · 40 of 64 in flight · 2.4 turns each · 830 tokens/s · "
    "12 retries · 9 refused · 8 throttled · 4 min 10 s left"
)


def test_all_facts_stand_in_one_line() -> None:
    assert facts(BUSY) == WHOLE


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"failed": 0, "retries": 1, "refused": 0}, "1 retry · 8 throttled"),
        ({"limit": None}, "40 in flight"),
        ({"waiting": True, "in_flight": 0}, "waiting"),
        ({"cost_known": False}, "over $0.0312 of about $1.90"),
        ({"projected_usd": None}, "$0.0312 · 40"),
    ],
)
def test_facts_that_differ(changed: dict[str, object], shown: str) -> None:
    assert shown in facts(replace(BUSY, **changed))  # type: ignore[arg-type]
    assert shown not in facts(BUSY)


def test_what_is_nil_is_left_out() -> None:
    assert facts(Standing(done=3, total=5)) == ""


@pytest.mark.parametrize("room", range(0, 180, 5))
def test_what_matters_least_is_left_out_first(room: int) -> None:
    shown = facts(BUSY, room)
    assert len(shown) <= room
    kept = shown.split(" · ") if shown else []
    ranked = ["4 min 10 s left", "3 failed", "$0.0312 of about $1.90", "71% right", "40 of 64 in flight",
              "8 throttled", "9 refused", "12 retries", "2.4 turns each", "830 tokens/s"]  # fmt: skip
    assert sorted(kept, key=ranked.index) == ranked[: len(kept)]
    assert kept == [part for part in WHOLE.split(" · ") if part in kept]
    more = " · ".join(part for part in WHOLE.split(" · ") if part in ranked[: len(kept) + 1])
    assert len(more) > room or len(kept) == len(ranked)


@pytest.mark.parametrize(
    ("done", "total", "shown"),
    [(7, 12000, "     7/12,000"), (12000, 12000, "12,000/12,000"), (1234, None, "1,234")],
)
def test_progress_does_not_move_the_line(done: int, total: int | None, shown: str) -> None:
    assert progress(Standing(done=done, total=total)) == shown


def test_plain_lines_say_it_all() -> None:
    stream = io.StringIO()
    with meter(stream, quiet=False, color="auto", env={}, look=lambda: BUSY) as lines:
        lines.tick()
        assert lines.interval_s == 30
    assert stream.getvalue() == f"rise: 1,234/12,000 done · {WHOLE}\n"


def test_quiet_lines_say_nothing() -> None:
    stream = io.StringIO()
    with meter(stream, quiet=True, color="auto", env={}, look=lambda: BUSY) as lines:
        lines.tick()
        lines.notice("told")
    assert stream.getvalue() == ""


def test_a_closed_pipe_ends_nothing() -> None:
    stream = io.StringIO()
    lines = Plain(stream, lambda: BUSY, interval_s=0.1)
    stream.close()
    lines.tick()
    assert lines.interval_s == 0.1


def test_plain_lines_need_no_facts() -> None:
    stream = io.StringIO()
    Plain(stream, lambda: Standing(done=3)).tick()
    assert stream.getvalue() == "rise: 3 done\n"


def _answering(seen: Seen) -> Reply | Status:
    number = int(re.findall(r"Say (\d+)", seen.text)[0])
    return Status(400, "no thanks") if number == 2 else Reply(f"Answer: {number}", delay_s=0.3)


def _shown(rise: Program, columns: int, *more: str) -> tuple[str, list[str]]:
    """What a terminal gets of a batch: all of it, and the lines of its bar."""
    problems = [{"id": str(n), "question": f"Say {n}", "answer": "3"} for n in range(12)]
    (rise.folder / "p.jsonl").write_text("".join(json.dumps(one) + "\n" for one in problems))
    with Loopback(_answering) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "1", "--concurrency", "2", *more)
        result = rise.terminal(*words, "--price", "900,900", columns=columns, env=KEYS).end()
    assert result.code == 4
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", result.out)
    lines = [line for line in re.split(r"[\r\n]", plain) if "━" in line]
    return result.out, lines


@pytest.mark.parametrize(
    ("columns", "always", "never"),
    [
        (40, {"left", "failed"}, {"tokens/s", "in flight", "each"}),
        (80, {"left", "failed", "of about", "right"}, {"tokens/s"}),
        (120, {"left", "failed", "of about", "right", "in flight", "turns each"}, set()),
    ],
)
def test_the_bar_is_one_line(rise: Program, columns: int, always: set[str], never: set[str]) -> None:
    out, lines = _shown(rise, columns)
    assert lines, out
    assert max(map(len, lines)) < columns
    assert "…" not in "".join(lines)
    # A region of one line is drawn again without the cursor ever going up.
    assert not re.search(r"\x1b\[\d*A", out[: out.index("problems")].replace("\x1b[1A\x1b[2K", "", 1))
    full = [line for line in lines if "left" in line and "failed" in line]
    assert full
    assert all(words in full[-1] for words in always), full
    assert not any(words in line for words in never for line in full)


def test_a_rate_limit_that_holds_everything_is_said(rise: Program) -> None:
    (rise.folder / "p.jsonl").write_text('{"question": "Say 1"}\n')
    busy = Status(429, headers={"Retry-After": "3"})
    with Loopback(lambda seen: busy if seen.index == 0 else _answering(seen)) as server:
        terminal = rise.terminal("batch", "p.jsonl", *at("openai", server), "--turns", "1", env=KEYS)
        terminal.until("waiting · 1 retry · 1 refused")
        result = terminal.end()
    assert (result.code, "problems  1 (1 ok" in result.out) == (0, True)


def test_a_rate_that_holds_calls_back_is_said(rise: Program) -> None:
    problems = [{"id": str(n), "question": f"Say {n}"} for n in range(3, 7)]
    (rise.folder / "p.jsonl").write_text("".join(json.dumps(one) + "\n" for one in problems))
    with Loopback(_answering) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "1", "--rpm", "150")
        terminal = rise.terminal(*words, columns=120, env=KEYS)
        terminal.until("2 throttled")
        assert terminal.end().code == 0


def test_rows_of_earlier_runs_are_done_and_nothing_else(rise: Program) -> None:
    problems = [{"id": str(n), "question": f"Say {n}", "answer": str(n if n > 5 else 0)} for n in range(3, 9)]
    lines = [json.dumps(one) + "\n" for one in problems]
    with Loopback(_answering) as server:
        words = ("batch", "p.jsonl", *at("openai", server), "--turns", "1", "--concurrency", "1")
        (rise.folder / "p.jsonl").write_text("".join(lines[:3]))
        assert rise(*words, env=KEYS).code == 0
        (rise.folder / "p.jsonl").write_text("".join(lines))
        terminal = rise.terminal(*words, columns=120, env=KEYS)
        terminal.until("5/6")
        terminal.until("100% right")
        result = terminal.end()
    assert "0/6" not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", result.out).partition("in flight")[2]
    assert "accuracy  50% (3 of 6 right)" in result.out
    assert "this run  3 requests, " in result.out


def test_quiet_shows_no_bar(rise: Program) -> None:
    out, lines = _shown(rise, 80, "-q")
    assert lines == []
    assert "\x1b" not in out


def test_a_pipe_gets_no_bar(rise: Program) -> None:
    (rise.folder / "p.jsonl").write_text('{"question": "Say 1"}\n')
    with Loopback(_answering) as server:
        result = rise("batch", "p.jsonl", *at("openai", server), "--turns", "1", env=KEYS)
    assert (result.code, "\x1b" in result.err, "━" in result.err) == (0, False, False)
    assert result.err.startswith("problems  1 (1 ok, 0 failed)\n")
