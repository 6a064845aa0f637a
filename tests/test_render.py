"""What a person sees: readable at 40 columns, calm without colour, and deaf to what replies order."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Failure,
    Finish,
    Place,
    Policy,
    Problem,
    Purpose,
    StopReason,
    Tally,
    Trajectory,
    Usage,
    Verdict,
    Vote,
)
from rise_cli.render import Verbosity, amounts, observer
from rise_cli.render.console import make_console
from rise_cli.render.ending import why_stopped
from rise_cli.render.live import TAIL, LiveTranscript
from rise_cli.render.page import Page
from rise_cli.render.plain import PlainTranscript
from rise_cli.render.quiet import Quiet
from rise_cli.render.result import answer_text

HOSTILE = (
    "[bold red]loud[/bold red] [link=http://x]y[/link] :smile: \x1b[31mred\x1b[0m \x1b]8;;http://x\x07z\x1b]8;;\x07"
    " \x9b2J \u202egnp.exe\u2069 \x07\x08\r\n── turn 9/9\n→ 42 · accepted by the check \ud800"
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
POLICY = Policy(turns=5)


def ticking() -> Callable[[], float]:
    """A clock that moves two seconds a look."""
    seconds = iter(range(0, 10_000_000, 2))
    return lambda: float(next(seconds))


def done(
    turn: int,
    answer: str | None,
    reply: str = "Because.",
    *,
    chain: int = 1,
    candidate: Place | None = None,
    completion: Completion | None = None,
    verdict: Verdict | None = None,
) -> Done:
    where = candidate or Place(turn, chain)
    attempt = Attempt(chain, turn, reply, answer, where if answer else None, 0.9 if answer else None)
    result = completion or Completion(
        reply, usage=Usage(96, 120, cached_input_tokens=30), cost_usd=0.0031, latency_s=1.2
    )
    return Done(Call(chain, turn), result, (attempt,), verdict=verdict)


def trajectory(
    *finished: Done, reason: StopReason = StopReason.TURNS, policy: Policy = POLICY, votes: int | None = None
) -> Trajectory:
    """A run that the first answer won, with a tally for each of its candidates."""
    attempts = [one for call in finished for one in call.attempts if one.answer is not None]
    by_candidate: dict[Place, list[Attempt]] = {}
    for one in attempts:
        by_candidate.setdefault(one.candidate or one.place, []).append(one)
    tallies = tuple(
        Tally(
            candidate,
            members[0].answer or "",
            len(members),
            float(len(members)),
            len(members) / len(attempts),
            tuple(one.place for one in members),
            0.9,
        )
        for candidate, members in by_candidate.items()
    )
    end = Finish(reason, attempts[0] if attempts else None, tallies[:votes])
    return Trajectory(Problem("q", "Is 91 prime?"), policy, finished, end)


def shown(run: Trajectory, width: int = 80, notices: tuple[str, ...] = (), full: bool = False) -> str:
    """The plain transcript of `run`."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=24, color_system=None, force_terminal=False)
    with PlainTranscript(
        console, model="openai:m", policy=run.policy, clock=ticking(), full=full
    ) as transcript:
        for one in run.done:
            transcript.asked(one.call)
            transcript.finished(one)
        for notice in notices:
            transcript.notice(notice)
        transcript.ended(run)
    return stream.getvalue()


def test_transcript_says_what_happened_turn_by_turn() -> None:
    run = trajectory(
        done(1, "Yes", "It looks odd.\n\nAnswer: Yes"),
        done(2, "No", "7 × 13 = 91", candidate=Place(2, 1)),
        done(3, "no", "Still.", candidate=Place(2, 1)),
        reason=StopReason.DECIDED,
    )
    assert shown(run, width=100) == (
        "openai:m · up to 5 turns\n"
        "\n"
        "── turn 1/5\n"
        "  It looks odd.\n"
        "\n"
        "  Answer: Yes\n"
        "→ Yes · 90% sure · first answer · 96 in (30 cached), 120 out · $0.0031 · 1.2 s\n"
        "\n"
        "── turn 2/5\n"
        "  7 × 13 = 91\n"
        "→ No · 90% sure · changed from Yes · 96 in (30 cached), 120 out · $0.0031 · 1.2 s\n"
        "\n"
        "── turn 3/5\n"
        "  Still.\n"
        "→ no · 90% sure · kept · 96 in (30 cached), 120 out · $0.0031 · 1.2 s\n"
        "\n"
        "── vote\n"
        "  Yes  ████████                  1   33%   90% sure\n"
        "  No   ████████████████          2   67%   90% sure\n"
        "\n"
        "Stopped after turn 3: no later turn could change the winner.\n"
        "3 turns · 288 in (90 cached), 360 out · $0.0093 · 2.0 s\n"
        "\n"
    )


@pytest.mark.parametrize("width", [30, 40, 80])
def test_no_line_is_wider_than_the_screen_or_ends_in_a_space(width: int) -> None:
    run = trajectory(
        done(1, "一个很长很长的答案，" * 9, "汉字" * 100, verdict=Verdict(0.0, "no " * 90, False, "check")),
        done(2, None, "e\u0301" * 200, completion=Completion("e\u0301" * 200, "length", "hm " * 200)),
        Done(Call(1, 3), Failure("timeout", "no reply from https://a.very.long/address/" + "x" * 90)),
        done(4, "x" * 200, "one\ttab"),
        policy=Policy(turns=50, samples=12),
    )
    for line in shown(run, width, notices=("waiting " * 20,)).splitlines():
        assert cell_len(line) <= width
        assert line == line.rstrip()


def test_long_replies_are_folded_unless_all_is_wanted() -> None:
    run = trajectory(done(1, "x", "\n".join(f"line {number}" for number in range(3000))))
    whole, folded = shown(run, full=True), shown(run)
    assert all(f"  line {number}\n" in whole for number in (0, 1500, 2999))
    assert "  line 11\n  … 2,988 more lines\n→ x" in folded
    assert "more lines" not in whole


@pytest.mark.parametrize(
    ("finished", "expected"),
    [
        (done(1, None, "a", completion=Completion("a", "length")), "→ no answer: length"),
        (done(1, None, "", completion=Completion("", "empty")), "(an empty reply)\n→ no answer: empty"),
        (
            done(1, None, "a", completion=Completion("a", "budget")),
            "→ no answer: cut off where the budget ended",
        ),
        (done(1, None, "hm"), "→ no answer found"),
        (Done(Call(1, 1), Failure("server", "the server said 500")), "→ failed: the server said 500"),
        (Done(Call(1, 1), Failure("server", "")), "→ failed: server"),
        (done(1, "A", verdict=Verdict(1.0, "fine", True, "check")), "accepted by the check"),
        (done(1, "A", verdict=Verdict(0.0, "off\nby one", False, "check")), "s\n  off\n  by one\n"),
        (done(1, "A", verdict=Verdict(0.0, None, False, "person")), "rejected by a person"),
        (done(1, "A", verdict=Verdict(None, None, False, "check")), "not judged by the check"),
        (done(1, "A", completion=Completion("A", reasoning="hmm")), "reasoning:\n  hmm\nreply:\n  A\n"),
        (Done(Call(1, 2, Purpose.RATE), Completion("80"), rating=0.8), "up to 5 turns\n→ rated 80% · 0.0 s"),
    ],
)
def test_turn_says_how_it_went(finished: Done, expected: str) -> None:
    assert expected in shown(trajectory(finished))


def test_feedback_and_reasoning_are_folded() -> None:
    long = "\n".join(f"point {number}" for number in range(20))
    text = shown(
        trajectory(
            done(
                1, "A", completion=Completion("A", reasoning=long), verdict=Verdict(0.0, long, False, "check")
            )
        )
    )
    assert text.count("point 3") == 2
    assert "point 4" not in text
    assert text.count("… 16 more lines") == 2


def test_chains_are_told_apart_and_compared_with_themselves() -> None:
    run = trajectory(
        done(1, "A", chain=1),
        done(1, "B", chain=2),
        done(2, None, chain=1),
        done(2, "A", chain=2, candidate=Place(1, 1)),
        done(3, "A", chain=1, candidate=Place(1, 1)),
        policy=Policy(turns=5, samples=2),
    )
    blocks = shown(run).split("\n\n")
    assert "up to 5 turns · 2 chains" in blocks[0]
    for block, title, change in [
        (blocks[1], "turn 1/5 · chain 1/2", "first answer"),
        (blocks[2], "turn 1/5 · chain 2/2", "first answer"),
        (blocks[4], "turn 2/5 · chain 2/2", "changed from B"),
        (blocks[5], "turn 3/5 · chain 1/2", "kept"),
    ]:
        assert title in block
        assert change in block


def test_independent_samples_neither_keep_nor_change() -> None:
    policy = Policy(turns=1, samples=3)
    text = shown(trajectory(*(done(1, "A", chain=chain) for chain in (1, 2, 3)), policy=policy))
    assert "first answer" not in text
    assert "All 3 replies are in." in text
    assert "1 turn · 3 requests" in text


def test_vote_shows_the_first_rows_and_counts_the_rest() -> None:
    run = trajectory(*(done(turn, f"answer {turn}") for turn in range(1, 13)), policy=Policy(turns=12))
    text = shown(run)
    assert "answer 8 " in text.split("── vote")[1]
    assert "answer 9 " not in text.split("── vote")[1]
    assert "… 4 more answers" in text
    assert "── vote (last)" in shown(trajectory(*run.done, policy=Policy(turns=12, vote=Vote.LAST)))
    assert "── vote" not in shown(trajectory(done(1, "A")))


def test_what_is_not_known_is_not_invented() -> None:
    text = shown(trajectory(done(1, "A", completion=Completion("A"))))
    assert "$" not in text
    assert " in" not in text.split("→")[1].split("\n")[0]
    assert "tokens unknown · cost unknown" in text


@pytest.mark.parametrize("reason", list(StopReason))
def test_every_reason_to_stop_is_a_sentence(reason: StopReason) -> None:
    accepted = done(2, "A", verdict=Verdict(1.0, None, True, "check"))
    sentence = why_stopped(trajectory(done(1, "A"), accepted, reason=reason))
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert sentence.count(".") == 1
    assert "No turn gave a usable answer." in why_stopped(trajectory(done(1, None), reason=reason))
    assert why_stopped(trajectory(reason=reason)).endswith(".")


@pytest.mark.parametrize("width", [40, 80])
def test_nothing_from_outside_is_obeyed_or_taken_for_ours(width: int) -> None:
    run = trajectory(
        done(1, HOSTILE, HOSTILE, verdict=Verdict(0.0, HOSTILE, False, "check")),
        done(2, HOSTILE, completion=Completion(HOSTILE, reasoning=HOSTILE)),
        Done(Call(1, 3), Failure("server", HOSTILE)),
    )
    text = shown(run, width, notices=(HOSTILE,))
    assert not CONTROL.search(text)
    assert "[bold red]loud[/bold red]" in text.replace("\n  ", " ")
    assert ":smile:" in text
    assert not [line for line in text.splitlines() if line.startswith(("── turn 9", "→ 42"))]


@given(text=st.text(), width=st.integers(16, 100))
def test_any_text_can_be_shown(text: str, width: int) -> None:
    run = trajectory(
        done(1, text or None, text, verdict=Verdict(0.0, text, False, "check")),
        done(2, text or None, completion=Completion(text, reasoning=text)),
        Done(Call(1, 3), Failure("server", text)),
    )
    out = shown(run, width, notices=(text,))
    assert not CONTROL.search(out)
    out.encode()


def test_ascii_streams_get_ascii_signs() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="backslashreplace")
    with PlainTranscript(make_console(stream, "auto", {}), model="m", policy=POLICY) as transcript:
        run = trajectory(done(1, "A"), done(2, "B"))
        for one in run.done:
            transcript.asked(one.call)
            transcript.finished(one)
        transcript.ended(run)
    stream.flush()
    assert b"\\u" not in raw.getvalue()
    assert b"  A  ############" in raw.getvalue()


@pytest.mark.parametrize(
    ("finish", "full", "expected"),
    [
        (trajectory(done(1, "Paris", "It is Paris.\n")).end, False, "Paris\n"),
        (trajectory(done(1, "Paris", "\n\n  It is Paris.\n\n")).end, True, "  It is Paris.\n"),
        (trajectory(done(1, "a\r\nb\x1b[2J\u202e\n")).end, False, "a\nb[2J\n"),
        (trajectory(done(1, None)).end, False, ""),
        (trajectory(done(1, None)).end, True, ""),
    ],
)
def test_stdout_holds_the_answer_and_one_newline(finish: Finish, full: bool, expected: str) -> None:
    assert answer_text(finish, full) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (amounts.money(0), "$0"),
        (amounts.money(0.00004), "<$0.0001"),
        (amounts.money(0.0031), "$0.0031"),
        (amounts.money(1234.5), "$1,234.50"),
        (amounts.duration(0), "0.0 s"),
        (amounts.duration(59.96), "1 min 00 s"),
        (amounts.duration(3600 * 2 + 300), "2 h 05 min"),
        (amounts.percent(0.998), "99%"),
        (amounts.percent(1.0), "100%"),
        (amounts.percent(0.001), "1%"),
        (amounts.tokens(12345, 0, 1), "12,345 in, 1 out"),
        (amounts.counted(1, "turn"), "1 turn"),
    ],
)
def test_amounts(text: str, expected: str) -> None:
    assert text == expected


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("color", "env", "terminal", "colored", "moves"),
    [
        ("auto", {"TERM": "xterm"}, True, True, True),
        ("auto", {"TERM": "xterm"}, False, False, False),
        ("auto", {"TERM": "dumb"}, True, False, False),
        ("auto", {"TERM": "xterm", "NO_COLOR": "1"}, True, False, True),
        ("auto", {"TERM": "xterm", "NO_COLOR": ""}, True, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False, False),
        ("auto", {"FORCE_COLOR": "1", "TERM": "dumb"}, True, False, False),
        ("always", {"NO_COLOR": "1"}, False, True, False),
        ("always", {"TERM": "dumb"}, True, True, False),
        ("never", {"TERM": "xterm", "FORCE_COLOR": "1"}, True, False, True),
    ],
)
def test_console_fits_its_stream(
    color: str, env: dict[str, str], terminal: bool, colored: bool, moves: bool
) -> None:
    stream = Terminal() if terminal else io.StringIO()
    console = make_console(stream, color, env)
    assert console.is_interactive == moves
    Page(console).show(Page(console).quoted("text", "red"))
    assert ("\x1b[31m" in stream.getvalue()) == colored
    if not colored:
        assert stream.getvalue() == "  text\n"


def test_width_is_eighty_unless_told() -> None:
    assert make_console(io.StringIO(), "auto", {}).width == 80
    assert make_console(io.StringIO(), "auto", {"COLUMNS": "40"}).width == 40
    assert make_console(io.StringIO(), "auto", {"COLUMNS": "wide"}).width == 80


@pytest.mark.parametrize(
    ("verbosity", "env", "terminal", "kind"),
    [
        (Verbosity.NORMAL, {"TERM": "xterm"}, True, LiveTranscript),
        (Verbosity.NORMAL, {"TERM": "dumb"}, True, PlainTranscript),
        (Verbosity.NORMAL, {}, False, Quiet),
        (Verbosity.VERBOSE, {}, False, PlainTranscript),
        (Verbosity.VERBOSE, {"FORCE_COLOR": "1"}, False, PlainTranscript),
        (Verbosity.QUIET, {"TERM": "xterm"}, True, Quiet),
    ],
)
def test_observer_fits_the_stream_and_the_wish(
    verbosity: Verbosity, env: dict[str, str], terminal: bool, kind: type
) -> None:
    stream = Terminal() if terminal else io.StringIO()
    chosen = observer(stream, verbosity=verbosity, color="auto", env=env, model="m", policy=POLICY)
    assert type(chosen) is kind


@pytest.mark.parametrize(("silent", "expected"), [(False, "rise: wait [2J here\n"), (True, "")])
def test_quiet_shows_notices_alone(silent: bool, expected: str) -> None:
    stream = io.StringIO()
    run = trajectory(done(1, "A"))
    with Quiet(stream, silent=silent) as quiet:
        quiet.asked(run.done[0].call)
        quiet.heard(run.done[0].call, "text", False)
        quiet.finished(run.done[0])
        quiet.notice("wait\n\x1b[2J  here\u202e")
        quiet.ended(run)
    assert stream.getvalue() == expected
    stream.close()
    quiet.notice("nobody listens")


def test_a_pipe_never_imports_rich() -> None:
    code = (
        "import sys; from rise_cli.render import observer, Verbosity\n"
        "from rise_cli.core.domain import Policy\n"
        "from rise_cli.render.result import answer_text\n"
        "observer(sys.stderr, verbosity=Verbosity.NORMAL, color='auto', env={}, model='m', policy=Policy())\n"
        "sys.exit('rich' in sys.modules or 'pydantic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.PIPE)


@contextmanager
def watched(width: int = 60, height: int = 20, samples: int = 2) -> Iterator[tuple[LiveTranscript, Terminal]]:
    """A live transcript on a terminal that only remembers."""
    stream = Terminal()
    console = Console(
        file=stream, width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False
    )
    policy = Policy(turns=5, samples=samples)
    yield LiveTranscript(console, model="m", policy=policy, clock=ticking()), stream


def plain(stream: Terminal) -> str:
    """All that was drawn, without what moves the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", stream.getvalue())


def region(live: LiveTranscript, stream: Terminal) -> str:
    """What stands in the region now."""
    stream.seek(0)
    stream.truncate()
    assert live._live is not None
    live._live.refresh()
    return plain(stream)


def test_region_shows_the_end_of_what_streams_in() -> None:
    with watched() as (live, stream), live:
        call = Call(1, 2)
        live.asked(call)
        live.heard(call, "let me see \x1b[2J[bold]", True)
        assert "turn 2/5 · chain 1/2" in region(live, stream)
        assert "reasoning" in region(live, stream)
        assert "let me see [2J[bold]" in region(live, stream)
        live.heard(call, "The ", False)
        live.heard(call, "answer", False)
        assert "The answer" in region(live, stream)
        assert "let me see" not in region(live, stream)
        live.restarted(call)
        assert "The answer" not in region(live, stream)
        assert "turn 2/5" in region(live, stream)


def test_region_is_as_cheap_for_a_megabyte_and_never_taller_than_the_screen() -> None:
    with watched(height=10) as (live, stream), live:
        for chain in range(1, 41):
            live.asked(Call(chain, 1))
        live.heard(Call(1, 1), "word " * 200_000, False)
        for _ in range(1000):
            live.heard(Call(1, 1), "汉字\n", False)
        assert all(len(flight.text) <= TAIL for flight in live._flights.values())
        assert region(live, stream).count("\n") < 10
        assert "more in flight" in region(live, stream)


def test_a_finished_turn_leaves_the_region_and_stands_above() -> None:
    with watched() as (live, stream), live:
        live.asked(Call(1, 1))
        live.heard(Call(1, 1), "Because.", False)
        live.finished(done(1, "A"))
        assert "→ A · 90% sure" in stream.getvalue()
        assert region(live, stream).strip() == ""


def test_chains_stream_side_by_side_and_wait_for_each_other() -> None:
    with watched(width=120, samples=4) as (live, stream), live:
        for chain in (1, 2, 3, 4):
            live.asked(Call(chain, 1))
            live.heard(Call(chain, 1), f"{chain} is thinking " * 9, False)
        rows = region(live, stream).splitlines()
        assert sum(bool(re.match(r"── turn 1/5 · chain [13]/4 · \d+ s +│ ── turn", row)) for row in rows) == 2
        assert any("3 is thinking" in row and "│   4 is thinking" in row for row in rows)
        for chain in (3, 1, 4):
            live.finished(done(1, "A", chain=chain))
        rows = region(live, stream).splitlines()
        assert any(re.match(r"  Because\. +│   2 is thinking 2 is", row) for row in rows)
        assert sum(row.count("→ A · 90% sure") for row in rows) == 3
        live.finished(done(1, "B", chain=2))
        assert re.search(r"── turn 1/5 · chain 1/4 +│ ── turn 1/5 · chain 2/4 ?\n", plain(stream))
        assert region(live, stream).strip() == ""


def test_what_waits_is_shown_when_the_run_is_interrupted() -> None:
    with watched(width=120) as (live, stream), live:
        live.asked(Call(1, 1))
        live.asked(Call(2, 1))
        live.finished(done(1, "A"))
        assert len(live._waiting) == 1
        live.ended(trajectory(done(1, "A"), reason=StopReason.INTERRUPTED, policy=Policy(samples=2)))
        assert "→ A · 90% sure" in plain(stream)
    with watched(width=120) as (live, stream):
        with live:
            live.asked(Call(1, 1))
            live.finished(done(1, "A"))
        assert "→ A · 90% sure" in plain(stream)


def test_cursor_comes_back_however_the_run_ends() -> None:
    with watched() as (live, stream):

        def interrupted() -> None:
            with live:
                live.asked(Call(1, 1))
                assert "\x1b[?25l" in stream.getvalue()
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")
    with watched() as (live, stream), live:
        live.asked(Call(1, 1))
        live.ended(trajectory(done(1, "A")))
        assert stream.getvalue().index("\x1b[?25h") < stream.getvalue().index("All 5 turns")


def test_calls_out_of_order_do_no_harm() -> None:
    with watched() as (live, stream):
        live.finished(done(2, "A"))
        with live:
            live.heard(Call(9, 9), "who", False)
            live.restarted(Call(9, 9))
            live.finished(done(1, "B"))
            live.ended(trajectory())
        live.notice("late")
        live.asked(Call(1, 1))
        live.heard(Call(1, 1), "later", False)
    assert "rise: late" in stream.getvalue()


def test_a_closed_stderr_does_not_end_the_program() -> None:
    code = (
        "import sys, time; from rise_cli.render import observer, Verbosity\n"
        "from rise_cli.core.domain import *\n"
        "with observer(sys.stderr, verbosity=Verbosity.VERBOSE, color='auto', env={}, model='m',"
        " policy=Policy()) as o:\n"
        "    sys.stdin.read()\n"
        "    for turn in range(1, 50):\n"
        "        o.asked(Call(1, turn)); o.finished(Done(Call(1, turn), Completion('x ' * 9000)))\n"
        "print('answer')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin
        assert program.stdout
        assert program.stderr
        program.stderr.close()
        program.stdin.close()
        assert program.stdout.read() == "answer\n"
    assert program.returncode == 0


def test_a_dumb_terminal_gets_lines_alone_at_its_own_width() -> None:
    ours, theirs = pty.openpty()
    os.set_inheritable(theirs, True)
    code = (
        "import sys, fcntl, struct, termios; from rise_cli.render import observer, Verbosity\n"
        "from rise_cli.core.domain import *\n"
        "fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 40, 0, 0))\n"
        "with observer(sys.stderr, verbosity=Verbosity.NORMAL, color='auto', env={'TERM': 'dumb'}, model='m',"
        " policy=Policy()) as o:\n"
        "    o.asked(Call(1, 1)); o.heard(Call(1, 1), 'word ' * 20, False)\n"
        "    o.finished(Done(Call(1, 1), Completion('word ' * 20)))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stderr=theirs)
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)
    assert "\x1b" not in text
    lines = text.split("\r\n")
    assert lines[3] == "  word word word word word word word"
    assert max(map(len, lines)) <= 40
