"""Check commands, with real programs: what they get, what becomes of what they say, and that nothing
of them is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rise_cli.check import OUTPUT_LIMIT, Check, Judge, without_keys
from rise_cli.core.domain import Attempt, Place, Problem, Verdict
from rise_cli.errors import ConfigurationError, UsageError

KEY = "sk-proj-0123456789abcdefghij"
ENVIRON = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}

Script = Callable[[str], str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Write a Python program and return the command that runs it."""

    def write(source: str) -> str:
        file = tmp_path / "a check.py"
        file.write_text(source, encoding="utf-8")
        return f"{sys.executable} '{file}'"

    return write


def judged(command: str, *, timeout_s: float = 30.0, environ: dict[str, str] | None = None) -> Check:
    return Check.parse(
        command,
        timeout_s,
        environ=ENVIRON if environ is None else environ,
        key_variables=frozenset({"OPENAI_API_KEY", "ODDLY_NAMED"}),
    )


def attempt(answer: str | None = "42", reply: str = "It is 42.", turn: int = 2) -> Attempt:
    return Attempt(3, turn, reply, answer, None if answer is None else Place(turn, 3), None)


async def ask(check: Judge, answer: str | None = "42", question: str = "What is 6 x 7?") -> Verdict:
    return await check.respond(Problem("p", question), attempt(answer))


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("", Verdict(1.0, None, True, "check")),
        ("print('well done')", Verdict(1.0, None, True, "check")),
        (
            "assert input() == '41', 'not 41'",
            Verdict(0.0, None, False, "check"),
        ),
        (
            "raise SystemExit(3)",
            Verdict(0.0, "The check rejected this answer (exit status 3).", False, "check"),
        ),
        ("raise SystemExit(' too small\\n')", Verdict(0.0, "too small", False, "check")),
        (
            "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(1)",
            Verdict(0.0, "out\nerr", False, "check"),
        ),
        (
            "import os, signal; print('so far', flush=True); os.kill(os.getpid(), signal.SIGSEGV)",
            Verdict(0.0, "The check was ended by SIGSEGV on this answer.\nso far", False, "check"),
        ),
    ],
)
async def test_exit_status_is_the_reward_and_output_the_feedback(
    script: Script, source: str, verdict: Verdict
) -> None:
    found = await ask(judged(script(source)))
    if verdict.feedback is None and not verdict.accepted:
        assert found.feedback is not None
        assert found.feedback.endswith("AssertionError: not 41")
        found = Verdict(found.reward, None, found.accepted, found.source)
    assert found == verdict


REPORT = """
import json, os, stat, sys
seen = {"stdin": sys.stdin.buffer.read().decode(), "cwd": os.getcwd(), "files": {}}
seen["turn"], seen["chain"] = os.environ["RISE_TURN"], os.environ["RISE_CHAIN"]
for name in ("RISE_QUESTION_FILE", "RISE_ANSWER_FILE", "RISE_REPLY_FILE"):
    path = os.environ[name]
    folder = os.path.dirname(path)
    modes = stat.S_IMODE(os.stat(path).st_mode), stat.S_IMODE(os.stat(folder).st_mode)
    seen["files"][name] = [path, open(path, encoding="utf-8", newline="").read(), *modes]
seen["session"] = os.getsid(0) == os.getpid()
print(json.dumps(seen))
sys.exit(1)
"""


async def test_what_a_check_is_given(script: Script) -> None:
    problem = Problem("p", "Wie groß?\r\nZwei Zeilen.")
    verdict = await judged(script(REPORT)).respond(problem, attempt("größer", "Reply\nhere."))
    seen = json.loads(verdict.feedback or "")
    assert seen["stdin"] == "größer\n"
    assert (seen["turn"], seen["chain"]) == ("2", "3")
    assert seen["cwd"] == str(Path.cwd())
    assert seen["session"]
    texts = {name: entry[1] for name, entry in seen["files"].items()}
    assert texts == {
        "RISE_QUESTION_FILE": "Wie groß?\r\nZwei Zeilen.",
        "RISE_ANSWER_FILE": "größer\n",
        "RISE_REPLY_FILE": "Reply\nhere.",
    }
    for path, _, file_mode, folder_mode in seen["files"].values():
        assert (file_mode, folder_mode) == (0o600, 0o700)
        assert not Path(path).parent.exists()


@pytest.mark.parametrize(
    ("answer", "stdin"),
    [(None, b""), ("", b"\n"), ("a\0b", b"a\0b\n"), ("lone \ud800", b"lone ?\n"), ("答", "答\n".encode())],
)
async def test_any_answer_reaches_stdin(script: Script, answer: str | None, stdin: bytes) -> None:
    check = judged(script(f"import sys; sys.exit(sys.stdin.buffer.read() != {stdin!r})"))
    assert (await ask(check, answer)).accepted


async def test_a_big_answer_that_nobody_reads(script: Script) -> None:
    assert (await ask(judged(script("")), "x" * 1_000_000)).accepted


async def test_output_is_read_to_the_end_but_only_its_beginning_kept(script: Script) -> None:
    source = "import sys; sys.stdout.write('first ' + 'é' * 5_000_000); sys.exit(1)"
    verdict = await ask(judged(script(source)))
    assert verdict.feedback is not None
    assert verdict.feedback.startswith("first éé")
    assert "\ufffd" not in verdict.feedback
    assert len(verdict.feedback.encode()) == OUTPUT_LIMIT


@pytest.mark.parametrize(
    ("written", "feedback"),
    [
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1b]0;title\x07end", "link end"),
        (b"\x1b(Bplain\x1b", "plain"),
        ("left\u202eright\u2066.\x07\x00".encode(), "leftright."),
        (b"bad \xff byte", "bad \ufffd byte"),
        (b"a\r\n\tb", "a\n\tb"),
        (f"key {KEY}!".encode(), "key [key]!"),
        (f"key {KEY[:9]}\x1b[1m{KEY[9:]}!".encode(), "key [key]!"),
        (b"y" * (OUTPUT_LIMIT - 12) + KEY.encode(), "y" * (OUTPUT_LIMIT - 12)),
    ],
)
async def test_feedback_is_safe_to_show(script: Script, written: bytes, feedback: str) -> None:
    check = judged(
        script(f"import sys; sys.stdout.buffer.write({written!r}); sys.stdout.flush(); sys.exit(1)"),
        environ=ENVIRON | {"OPENAI_API_KEY": f" {KEY}\n"},
    )
    assert await ask(check) == Verdict(0.0, feedback, False, "check")


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY", "openai_api_key", "MY_APIKEY", "OPENAI_API_KEY_2", "SERVICE_KEY", "API_KEYS",
        "REPLICATE_API_TOKEN", "HF_TOKEN", "GITHUB_TOKEN", "TOKEN", "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY", "AZURE_CLIENT_SECRET", "SECRET", "ODDLY_NAMED", "RISE_CHECK",
    ],
)  # fmt: skip
def test_variables_that_hold_keys_are_left_out(name: str) -> None:
    assert without_keys({name: "x", "A": "b"}, frozenset({"ODDLY_NAMED"}), frozenset()) == {"A": "b"}


def test_other_variables_stay_unless_a_key_is_their_value() -> None:
    kept = {
        "PATH": "/bin", "HOME": "/h", "RISE_TURNS": "3", "MAX_TOKENS": "9", "TOKENIZERS_PARALLELISM": "0",
        "SSH_AUTH_SOCK": "/s", "PGPASSWORD": "pw", "KEYBOARD": "de", "MONKEY": "1", "SECRETARY": "Ann",
    }  # fmt: skip
    leaks = {"COPY": KEY, "URL": f"https://user:{KEY}@host/"}
    assert without_keys(kept | leaks, frozenset(), frozenset({KEY})) == kept


async def test_the_program_sees_no_key(script: Script) -> None:
    environ = ENVIRON | {"ODDLY_NAMED": KEY, "COPY": KEY, "OTHER_API_KEY": "other", "KEPT": "kept"}
    check = judged(script("import os, sys; sys.exit(repr(dict(os.environ)))"), environ=environ)
    feedback = (await ask(check)).feedback or ""
    assert "'KEPT': 'kept'" in feedback
    for absent in (KEY, "[key]", "OTHER_API_KEY", "ODDLY_NAMED", "COPY"):
        assert absent not in feedback
    assert KEY not in repr(check)


def gone(pid: int) -> bool:
    """Whether the process runs no more (a zombie that nobody has collected does not run)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] in "ZX"


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.01)


def family(pids: Path, then: str) -> str:
    """A check that starts a grandchild holding its output open, notes who is who, and goes on."""
    note = f'echo "$$ $! ${{RISE_REPLY_FILE%/*}}" > {pids}.new; mv {pids}.new {pids}'
    return f"sh -c 'sleep 1000 & echo started; {note}; {then}'"


async def all_gone(pids: Path) -> None:
    leader, child, folder = pids.read_text().strip().split(" ", 2)  # noqa: ASYNC240 - nothing else runs
    await eventually(lambda: gone(int(leader)) and gone(int(child)) and not Path(folder).exists())


async def test_a_late_check_is_killed_with_its_children(tmp_path: Path) -> None:
    verdict = await ask(judged(family(tmp_path / "pids", "sleep 1000"), timeout_s=1.5))
    said = "The check took longer than 1.5 s on this answer and was stopped."
    assert verdict == Verdict(0.0, f"{said}\nstarted", False, "check")
    await all_gone(tmp_path / "pids")


@pytest.mark.parametrize(("status", "reward"), [(0, 1.0), (1, 0.0)])
async def test_a_child_left_behind_does_not_hold_up_the_verdict(
    tmp_path: Path, status: int, reward: float
) -> None:
    verdict = await ask(judged(family(tmp_path / "pids", f"exit {status}")))
    assert (verdict.reward, verdict.feedback) == (reward, None if reward else "started")
    await all_gone(tmp_path / "pids")


async def test_cancelling_kills_the_check_and_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    task = asyncio.create_task(ask(judged(family(pids, "sleep 1000"))))
    await eventually(pids.exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await all_gone(pids)


async def test_cancelling_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    async def cancelled_after(steps: int) -> None:
        command = f"sh -c 'sleep 0.3 & wait; touch {tmp_path}/survived-{steps}'"
        task = asyncio.create_task(ask(judged(command)))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for steps in range(12):
        await cancelled_after(steps)
    await asyncio.sleep(0.6)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - nothing else runs


async def test_checks_run_side_by_side(script: Script) -> None:
    check = judged(script("import sys; sys.exit(int(sys.stdin.read()) % 2)"))
    verdicts = await asyncio.gather(*(ask(check, str(number)) for number in range(6)))
    assert [verdict.accepted for verdict in verdicts] == [True, False] * 3


@pytest.mark.parametrize(
    ("command", "error", "words"),
    [
        ("python 'verify.py", UsageError, "quotation marks"),
        ("", UsageError, "give a program"),
        ("   ", UsageError, "give a program"),
        ("''", UsageError, "give a program"),
        ("python a\0b", UsageError, "give a program"),
        ("no-such-program-anywhere --x", ConfigurationError, "'no-such-program-anywhere'"),
        ("./no/such/file", ConfigurationError, "'./no/such/file'"),
        ("~/verify.py", ConfigurationError, "sh -c"),
        ("/", ConfigurationError, "may not be executed"),
    ],
)
def test_a_command_that_cannot_be_a_check(command: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words.replace(".", r"\.")):
        judged(command)


def program(path: Path, text: str, mode: int) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_file_that_is_not_executable(tmp_path: Path) -> None:
    command = program(tmp_path / "verify", "#!/bin/sh\n", stat.S_IRUSR)
    with pytest.raises(ConfigurationError, match="may not be executed; allow it") as caught:
        judged(command)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("text", "words"), [("#!/no/such/interpreter\n", "No such file"), ("not a program", "Exec format error")]
)
async def test_a_check_that_cannot_start_is_no_wrong_answer(tmp_path: Path, text: str, words: str) -> None:
    check = judged(program(tmp_path / "verify", text, 0o700))
    with pytest.raises(ConfigurationError, match=words):
        await ask(check)


async def test_a_program_removed_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "verify"
    check = judged(program(path, "#!/bin/sh\n", 0o700))
    assert (await ask(check)).accepted
    path.unlink()
    with pytest.raises(ConfigurationError, match="cannot be started"):
        await ask(check)
