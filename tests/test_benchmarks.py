"""The benchmarks run, tiny, and say what they measured; how fast anything is, is not for a test."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from rise_cli.chat import Request
from rise_cli.core.domain import Completion, Usage

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def _run(script: str, *options: str) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_throughput_tells_the_ratios_of_rise_to_a_bare_loop() -> None:
    left_out = ["inspect", "openai", "anthropic", "rise-anthropic", "adapter-anthropic"]
    out = _run(
        "throughput.py",
        *("--problems", "20", "--turns", "2", "--rounds", "1"),
        *(word for name in left_out for word in ("--without", name)),
    )
    assert "1 rounds of 20 problems x 2 turns" in out
    assert f"without {', '.join(left_out)}" in out
    assert re.search(r"^rise-openai / aiohttp: \d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)", out, re.MULTILINE)
    assert re.search(r"^rise-openai - adapter-openai, own CPU in ms/call: -?\d", out, re.MULTILINE)
    assert "/ inspect" not in out


def test_memory_tells_the_ratio_of_the_peaks_and_when_a_resumed_run_makes_its_first_call() -> None:
    out = _run("memory.py", "--few", "5", "--many", "40", "--resumptions", "1")
    assert re.search(r"^40 problems x 1 turns: peak \d+\.\d MB, ", out, re.MULTILINE)
    assert re.search(r"^peak at 40 / peak at 5: \d\.\d\d, ", out, re.MULTILINE)
    assert re.search(
        r"^resumed 1 times with 30 rows of \d+ bytes: first call after \d+\.\d\d s ", out, re.MULTILINE
    )


def _roles() -> Any:
    spec = spec_from_file_location("roles", BENCHMARKS / "roles.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


@dataclass
class _Says:
    """A chat that replies, and is as sure, as is worked out from the text that it sees."""

    reply: Callable[[str], str]
    logprob: Callable[[str], float] = lambda text: 0.0

    async def complete(self, request: Request) -> Completion:
        text = request.messages[-1].text
        return Completion(self.reply(text), logprob=self.logprob(text), usage=Usage(100, 8))

    async def aclose(self) -> None:
        """There is nothing to release."""


def _first_is(text: str, words: str) -> bool:
    return text.index("Response 1:") < text.index(words) < text.index("Response 2:")


@pytest.mark.parametrize(
    ("says", "verdict"),
    [
        (lambda text: f"The better choice is Response {1 if _first_is(text, 'PLAYED') else 2}", 1),
        (lambda text: f"The better choice is Response {2 if _first_is(text, 'PLAYED') else 1}", -1),
        (lambda text: "The better choice is Response 1", 0),
        (lambda text: "The better choice is Response 2", 0),
    ],
)
def test_a_role_is_judged_in_both_orders(says: Callable[[str], str], verdict: int) -> None:
    judge = _roles().Judge(_Says(says), None)
    pair = asyncio.run(judge.pair("Why?", "PLAIN", "PLAYED"))
    assert (pair.verdict, pair.by_words) == (verdict, True)


@pytest.mark.parametrize(
    ("pull", "taste", "verdict"),
    [(0.0, 0.1, 1), (0.0, -0.1, -1), (0.3, 0.1, 0), (-0.3, 0.1, 0), (0.05, 0.1, 1)],
)
def test_a_judge_that_writes_no_verdict_is_held_to_each_of_them(
    pull: float, taste: float, verdict: int
) -> None:
    """`pull` is what it gives to whatever stands first, `taste` what it gives to the role."""

    def sure(text: str) -> float:
        return -1.0 + (pull + (taste if _first_is(text, "PLAYED") else -taste)) / 8

    held = (_Says(lambda text: "1", sure), _Says(lambda text: "2", lambda text: -1.0))
    mute = _Says(lambda text: "Both are fine.")
    pair = asyncio.run(_roles().Judge(mute, held).pair("Why?", "PLAIN", "PLAYED"))
    assert (pair.verdict, pair.by_words) == (verdict, False)
    assert pair.without_order == pytest.approx(2 * taste), "the order pulls both ways"
    assert asyncio.run(_roles().Judge(mute, None).pair("Why?", "PLAIN", "PLAYED")) is None


def test_what_the_judge_of_roles_said_is_told_with_its_intervals() -> None:
    roles = _roles()
    pairs = [roles.Pair(1.0, 1.0, by_words=True)] * 3 + [roles.Pair(-0.5, -0.1, by_words=False)]
    told = list(roles.told([*pairs, roles.Pair(0.5, -0.4, by_words=False), None]))
    assert told == [
        "6 questions: 3 won by the role, 1 lost, 1 ties after the order alone",
        "judged by words 3, by the likelier verdict 2, not readable 1",
        "the role's share of those decided: 3 of 4, 75% (95% interval 30% to 95%)",
        "picked what stood first: 6 of 10, 60% (95% interval 31% to 83%); mean lean to it +0.05",
        "with the pull of the order taken out, for the role: 4 of 5, 80% (95% interval 38% to 96%)",
    ]
    assert "says next to nothing" in list(roles.told([roles.Pair(0.5, -0.4, by_words=False)]))[-1]
    assert next(iter(roles.told([]))).startswith("0 questions")
