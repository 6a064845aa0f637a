"""The benchmarks run, tiny, and say what they measured; how fast anything is, is not for a test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def _run(script: str, *options: str) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_throughput_tells_the_ratios_of_rise_to_a_bare_loop() -> None:
    left_out = ["inspect", "anthropic", "rise-anthropic", "adapter-anthropic"]
    out = _run(
        "throughput.py",
        *("--problems", "20", "--turns", "2", "--rounds", "1"),
        *(word for name in left_out for word in ("--without", name)),
    )
    assert "1 rounds of 20 problems x 2 turns" in out
    assert f"without {', '.join(left_out)}" in out
    for peer in ("openai", "aiohttp"):
        assert re.search(rf"^rise-openai / {peer}: \d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)", out, re.MULTILINE)
    assert re.search(r"^rise-openai - adapter-openai, own CPU in ms/call: -?\d", out, re.MULTILINE)
    assert "/ inspect" not in out


def test_memory_tells_the_ratio_of_the_peaks_and_when_a_resumed_run_makes_its_first_call() -> None:
    out = _run("memory.py", "--few", "5", "--many", "40")
    assert re.search(r"^40 problems x 1 turns: peak \d+\.\d MB, ", out, re.MULTILINE)
    assert re.search(r"^peak at 40 / peak at 5: \d\.\d\d, ", out, re.MULTILINE)
    assert re.search(r"^resumed with 30 rows of \d+ bytes: first call after \d+\.\d\d s, ", out, re.MULTILINE)
