"""Memory, and the first call after a resumption, with a file of 200,000 problems.

    uv run python benchmarks/memory.py [--few 2000] [--many 200000] [--turns 1] [--resumptions 5]

1. Peak resident size: `rise batch` over few and over many problems, against `model_server.py` without
   latency. The ratio is to be at most 1.3.
2. Resumption: the last rows are taken off the file of many problems, with all that the journal had, and
   the same command is run again, five times over. What is told is the median time from its start until
   the server sees its first call, which is to be at most 5 s, beside the least and the most, and the peak
   resident size of those runs.

Where others use the machine, the CPU says more than the wall. Making the rows takes minutes; with
`--turns 3` they are of the size that real ones have.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from throughput import problem, serving, stats

MOST_MEMORY = 1.3
MOST_SECONDS = 5.0
LEFT = 10
"""Problems that the resumed run has to solve."""


@dataclass(frozen=True)
class Run:
    """What a run took: when it began, its seconds on the wall and of CPU, its peak resident size in MB."""

    began: float
    wall_s: float
    cpu_s: float
    peak_mb: float

    def __str__(self) -> str:
        return f"peak {self.peak_mb:.1f} MB, {self.wall_s:.1f} s ({self.cpu_s:.1f} s of CPU)"


def batch(folder: Path, url: str, count: int, turns: int) -> Run:
    """Run `rise batch` over `count` problems, from where it stopped if it ran before."""
    problems = folder / f"{count}.jsonl"
    if not problems.exists():
        with problems.open("w", encoding="utf-8") as file:
            file.writelines(problem(number) + "\n" for number in range(count))
    words = (
        f"batch {problems} -o {folder / f'{count}.out.jsonl'} -m openai:m --base-url {url}/v1 --turns {turns}"
    )
    command = [sys.executable, "-m", "rise_cli", *words.split(), "--no-early-stop", "--concurrency", "100"]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "OPENAI_API_KEY": "k"}
    began = time.perf_counter()
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}")
    wall = time.perf_counter() - began
    return Run(began, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)


def cut(path: Path, rows: int) -> int:
    """Take the last `rows` rows off the file; return how many bytes are left."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        tail = min(size, 1 << 20)
        file.seek(size - tail)
        lines = file.read().splitlines(keepends=True)
        file.truncate(size - sum(map(len, lines[-rows:])))
    return path.stat().st_size


def lines(path: Path) -> int:
    """How many there are. The file is not read at once: what this process has held counts for the next one
    that it starts."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def main() -> None:
    """Run both sizes, then resume the larger."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--few", type=int, default=2000)
    parser.add_argument("--many", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--resumptions", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, serving(0) as url:
        folder = Path(place)
        peaks = []
        for count in (given.few, given.many):
            run = batch(folder, url, count, given.turns)
            peaks.append(run.peak_mb)
            print(f"{count} problems x {given.turns} turns: {run}", flush=True)
        ratio = peaks[1] / peaks[0]
        print(f"peak at {given.many} / peak at {given.few}: {ratio:.2f}, {_verdict(ratio, MOST_MEMORY)}")
        out = folder / f"{given.many}.out.jsonl"
        done = given.many - LEFT
        firsts, runs = [], []
        for _ in range(given.resumptions):
            size = cut(out, LEFT)
            stats(url)
            run = batch(folder, url, given.many, given.turns)
            firsts.append(stats(url)["first"] - run.began)
            runs.append(run)
            if lines(out) != given.many:
                sys.exit("the resumed run left a file that is not whole")
        middle = median(firsts)
        print(
            f"resumed {len(firsts)} times with {done} rows of {size / done:.0f} bytes: first call after "
            f"{middle:.2f} s ({min(firsts):.2f} to {max(firsts):.2f}), {_verdict(middle, MOST_SECONDS)} s; "
            f"peak {max(run.peak_mb for run in runs):.1f} MB"
        )


def _verdict(measured: float, target: float) -> str:
    return f"{'within' if measured <= target else 'OVER'} the target of {target:g}"


if __name__ == "__main__":
    main()
