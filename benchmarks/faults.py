"""A batch on a bad day: what befell its calls, and what became of its problems.

    uv run python benchmarks/faults.py [--problems 500] [--turns 3] [--concurrency 100]

`rise batch` with its own retries and pauses, against a loopback server at which 15% of all attempts are
turned away with 429 (and a Retry-After in seconds, in milliseconds or as a date), 10% fail with 500, 503
or 529, 5% lose their connection and 2% get a reply that is cut, stalls or cannot be read. Over both wire
formats, streamed and not. The counters are the server's own; exit code 1 if any of them is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from loopback import Loopback  # noqa: E402 - the server that the tests use
from weather import Weather  # noqa: E402

RETRIES = 6
"""What `--max-retries` is by default."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--timeout", type=float, default=3.0, help="seconds after which a stall is given up")
    asked = parser.parse_args()
    fine = [
        _day(wire, stream, asked)
        for wire in ("openai", "anthropic")
        for stream in ("--stream", "--no-stream")
    ]
    sys.exit(0 if all(fine) else 1)


def _day(wire: str, stream: str, asked: argparse.Namespace) -> bool:
    """Run one batch, print its counters, and return whether all is as it should be."""
    sky = Weather()
    with tempfile.TemporaryDirectory() as folder, Loopback(sky) as server:
        problems = [
            {"id": f"p{n}", "question": f"How many are {n} plus 1?", "answer": str(n + 1)}
            for n in range(asked.problems)
        ]
        (Path(folder) / "p.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in problems))
        url = server.openai_url if wire == "openai" else server.anthropic_url
        words = [
            *("batch", "p.jsonl", "-o", "out.jsonl", "-m", f"{wire}:m", "--base-url", url, stream),
            *("--turns", str(asked.turns), "--no-early-stop", "--concurrency", str(asked.concurrency)),
            *("--timeout", str(asked.timeout), "--summary", "s.json", "-q"),
        ]
        began = time.perf_counter()
        code = _rise(words, folder)
        seconds = time.perf_counter() - began
        rows = [json.loads(line) for line in (Path(folder) / "out.jsonl").read_text().splitlines()]
        summary = json.loads((Path(folder) / "s.json").read_text())
    right = len({row["id"] for row in rows if row["correct"]})
    faults = ", ".join(f"{name} {count}" for name, count in sorted(sky.faults.items()))
    waits = ", ".join(f"{form} {count}" for form, count in sorted(sky.waits.items()))
    print(
        f"{wire} {stream}: exit {code}, {seconds:.1f} s\n"
        f"  {sky.attempts} requests for {sky.calls} calls, {summary['retries']} retries, "
        f"at most {sky.most_attempts} attempts at a call\n"
        f"  {sum(sky.faults.values())} faults: {faults}\n"
        f"  Retry-After: {waits}; {len(sky.early)} attempts came too early\n"
        f"  {right} of {asked.problems} problems answered right, in {len(rows)} rows"
    )
    whole = (code, len(rows), right) == (0, asked.problems, asked.problems)
    return whole and not sky.early and sky.most_attempts <= RETRIES + 1


def _rise(words: list[str], folder: str) -> int:
    program = str(Path(sysconfig.get_path("scripts")) / "rise")
    env = {"PATH": os.environ["PATH"], "HOME": folder, "OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}
    done = subprocess.run([program, *words], env=env, cwd=folder, stdin=subprocess.DEVNULL, check=False)
    return done.returncode


if __name__ == "__main__":
    main()
