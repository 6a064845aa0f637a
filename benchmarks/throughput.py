"""How many calls a second: `rise batch` against its peers, as ratios measured in one run.

    uv run python benchmarks/throughput.py [--problems 2000] [--turns 3] [--rounds 5] [--without inspect]

The server (`model_server.py`) answers after 50 ms, 100 calls are in flight, nothing is streamed, and no
problem is stopped early. Each contender is a process of its own and makes the same calls, the turns of
a problem one after the other:

aiohttp      posts encoded bodies: the limit of this machine
openai       a bare `asyncio.gather` over `AsyncOpenAI` with the aiohttp transport (see `peers.py`)
anthropic    the same over `AsyncAnthropic`
rise-openai, rise-anthropic
             the real command, with its results file and its journal
inspect      `inspect eval` (inspect-ai 0.3.285), in an environment of its own that is made on first use
             in the folder for temporary files; it is slow, so it is left out with `--without inspect`
adapter-openai, adapter-anthropic
             rise's adapter alone, for the CPU that is left when it is taken away from rise's; it
             runs as within rise, on the same event loop and searching for garbage as rarely

They take turns, so that whatever else the machine does befalls all of them. Of each the median is told,
with the smallest and the largest. Calls a second are counted by the server, from its first request to
its last answer: how fast a run goes once it runs. The ratios that count are of those, since the start
of the programs is another matter (`startup.py` measures it), which a longer file does not pay for
again. Beside them stands the rate of the whole command, from its start to its exit. The CPU is what a
call takes of a core: of the bare loops the loop alone; of the commands all of the process but what it
takes for a single problem. It says most where others use the machine, too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
INSPECT = "inspect-ai==0.3.285"
IN_FLIGHT = 100
LATENCY_S = 0.05
RATIOS = (
    ("rise-openai", "openai", 1.0),
    ("rise-anthropic", "anthropic", 1.0),
    ("rise-openai", "inspect", 8.0),
    ("rise-openai", "aiohttp", None),
    ("rise-anthropic", "aiohttp", None),
)
OWN_CPU_MS = 0.15

TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.model import ChatMessageUser
from inspect_ai.solver import solver

REVISE = {revise!r}

@solver
def introspect():
    async def solve(state, generate):
        state = await generate(state)
        for _ in range({turns} - 1):
            state.messages = [state.messages[0], state.messages[-1], ChatMessageUser(content=REVISE)]
            state = await generate(state)
        return state
    return solve

@task
def bench():
    return Task(dataset=json_dataset({problems!r}, FieldSpec(input="question", target="answer")),
                solver=introspect())
"""


@dataclass(frozen=True)
class Sample:
    """One run: calls a second as the server saw them and over the whole command, and CPU seconds without
    those of a start beside it."""

    rate: float
    whole: float
    cpu: float
    in_flight: int


class Bench:
    """The server's address, the files, and how each contender is run."""

    def __init__(self, url: str, folder: Path, problems: int, turns: int) -> None:
        self.url, self.folder, self.turns = url, folder, turns
        self.many = self._problems("many", problems)
        self.one = self._problems("one", 1)
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "OPENAI_API_KEY": "k",
            "ANTHROPIC_API_KEY": "k",
            "OPENAI_BASE_URL": f"{url}/v1",
        }

    def sample(self, name: str) -> Sample:
        """Run the contender once over all problems."""
        calls, seconds, wall, cpu, most = self._run(name, self.many)
        if calls != self.turns * _lines(self.many):
            sys.exit(f"{name} made {calls} calls instead of {self.turns * _lines(self.many)}")
        return Sample(calls / seconds, calls / wall, cpu - self.start(name), most)

    def start(self, name: str) -> float:
        """The CPU seconds that the contender takes for a single problem: its start, for the most part."""
        return self._run(name, self.one)[3]

    def command(self, name: str, problems: Path) -> list[str]:
        if name == "inspect":
            return self._inspect(problems)
        if name.startswith("rise-"):
            wire = name.removeprefix("rise-")
            base = f"{self.url}/v1" if wire == "openai" else self.url
            options = f"batch {problems} -m {wire}:m --base-url {base} --turns {self.turns} --no-early-stop"
            out = self.folder / f"{name}.jsonl"
            return [
                *[sys.executable, "-m", "rise_cli", *options.split()],
                *["--concurrency", str(IN_FLIGHT), "-o", str(out), "--overwrite"],
            ]
        peer = [sys.executable, str(HERE / "peers.py"), name, self.url, str(problems)]
        return [*peer, "--turns", str(self.turns), "--in-flight", str(IN_FLIGHT)]

    def _run(self, name: str, problems: Path) -> tuple[int, float, float, float, int]:
        stats(self.url)
        command = self.command(name, problems)
        before, began = _children(), time.perf_counter()
        done = subprocess.run(
            command,
            env=self._env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.perf_counter() - began
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")
        is_command = name == "inspect" or name.startswith("rise-")
        cpu = _children() - before if is_command else float(done.stdout)
        if name.startswith("rise-"):
            self._verify(name, problems)
        seen = stats(self.url)
        return int(seen["calls"]), seen["seconds"], wall, cpu, int(seen["most_in_flight"])

    def _verify(self, name: str, problems: Path) -> None:
        """What was fast must also have been done."""
        with (self.folder / f"{name}.jsonl").open(encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        whole = all(row["correct"] and len(row["turns"]) == self.turns for row in rows)
        if len(rows) != _lines(problems) or not whole:
            sys.exit(f"{name} left a results file that is not whole")

    def _problems(self, name: str, count: int) -> Path:
        path = self.folder / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(problem(number) + "\n" for number in range(count))
        return path

    def _inspect(self, problems: Path) -> list[str]:
        sys.path.insert(0, str(HERE))
        from peers import conversations

        (talk,) = conversations(self.one, 2)
        task = self.folder / "task.py"
        text = TASK.format(revise=talk[1][-1].text, turns=self.turns, problems=str(problems))
        task.write_text(text, encoding="utf-8")
        # Unless told otherwise it speaks another API to models that it does not know.
        options = f"--model openai/m -M responses_api=false --max-connections {IN_FLIGHT} "
        options += "--display none --log-dir logs"
        return [str(_inspect_program()), "eval", "task.py", *options.split()]


def problem(number: int) -> str:
    """A line of a file of problems; no two are the same, and all have one answer."""
    question = (
        f"Ed had {number + 42} marbles in a bag. He gave 6 of them to each of his 4 friends "
        f"and lost {number} on the way home. How many marbles does he have left?"
    )
    return json.dumps({"question": question, "answer": "18", "level": number % 5})


def main() -> None:
    """Measure every contender in turn, and print what they did and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", action="append", default=[], metavar="CONTENDER")
    given = parser.parse_args()
    names = ["aiohttp", "openai", "rise-openai", "adapter-openai"]
    names += ["anthropic", "rise-anthropic", "adapter-anthropic", "inspect"]
    names = [name for name in names if name not in given.without]
    calls = given.problems * given.turns
    print(
        f"{given.rounds} rounds of {given.problems} problems x {given.turns} turns, {IN_FLIGHT} in flight, "
        f"50 ms latency; without {', '.join(given.without) or 'nothing'}"
    )
    if "inspect" in names:
        _inspect_program()
    with tempfile.TemporaryDirectory() as folder, serving(LATENCY_S) as url:
        bench = Bench(url, Path(folder), given.problems, given.turns)
        for name in names:
            bench.start(name)  # what is compiled on first use is no part of a start
        rounds = [{name: bench.sample(name) for name in names} for _ in range(given.rounds)]
    _report(names, rounds, calls)


def _report(names: list[str], rounds: list[dict[str, Sample]], calls: int) -> None:
    def over(value: Callable[[dict[str, Sample]], float]) -> tuple[float, float, float]:
        values = sorted(map(value, rounds))
        return statistics.median(values), values[0], values[-1]

    def cpu(taken: dict[str, Sample], name: str) -> float:
        return 1000 * taken[name].cpu / calls

    print(
        f"\n{'':18} {'calls/s at the server':>26} {'whole command':>14} {'CPU ms/call':>12} {'in flight':>10}"
    )
    for name in names:
        rate, low, high = over(lambda taken: taken[name].rate)  # noqa: B023 - used at once
        whole = over(lambda taken: taken[name].whole)[0]  # noqa: B023
        spent = over(lambda taken: cpu(taken, name))[0]  # noqa: B023
        most = max(taken[name].in_flight for taken in rounds)
        print(
            f"{name:18} {rate:10.0f} ({low:5.0f} to {high:5.0f}) {whole:14.0f} {spent:12.3f} {most:10}",
        )
    print("\nratios of calls/s at the server (median of the rounds, smallest to largest; whole command)")
    for ours, theirs, target in RATIOS:
        if ours in names and theirs in names:
            ratio = over(lambda taken: taken[ours].rate / taken[theirs].rate)  # noqa: B023
            whole = over(lambda taken: taken[ours].whole / taken[theirs].whole)[0]  # noqa: B023
            print(f"{ours} / {theirs}: {_spread(ratio)}; whole {whole:.2f}{_verdict(ratio[0], target)}")
    for wire in ("openai", "anthropic"):
        ours, adapter = f"rise-{wire}", f"adapter-{wire}"
        if ours in names and adapter in names:
            own = over(lambda taken: cpu(taken, ours) - cpu(taken, adapter))  # noqa: B023
            says = "within" if own[0] <= OWN_CPU_MS else "OVER"
            print(f"{ours} - {adapter}, own CPU in ms/call: {_spread(own, 3)}, {says} {OWN_CPU_MS}")
            if "aiohttp" in names:
                part = over(lambda taken: (cpu(taken, ours) - cpu(taken, adapter)) / cpu(taken, "aiohttp"))  # noqa: B023
                print(f"  that is {_spread(part)} of what a call takes raw aiohttp")


def _spread(values: tuple[float, float, float], digits: int = 2) -> str:
    middle, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{middle} ({low} to {high})"


def _verdict(ratio: float, target: float | None) -> str:
    if target is None:
        return ""
    return f", {'reaches' if ratio >= target else 'BELOW'} the target of {target:g}"


@contextmanager
def serving(latency_s: float) -> Iterator[str]:
    """The address of a server that answers after so many seconds, for as long as it is needed."""
    command = [sys.executable, str(HERE / "model_server.py"), "--latency", str(latency_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def stats(url: str) -> dict[str, float]:
    """What the server has seen since the last time."""
    with urllib.request.urlopen(f"{url}/stats") as response:
        seen: dict[str, float] = json.load(response)
    return seen


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _inspect_program() -> Path:
    """Install the peer where nothing of ours can slow it down or speed it up."""
    home = Path(tempfile.gettempdir()) / f"rise-benchmarks-{os.getuid()}" / INSPECT
    program = home / "bin" / "inspect"
    if not program.exists():
        uv = os.environ.get("UV") or shutil.which("uv") or sys.exit("uv is needed; or use --without inspect")
        print(f"installing {INSPECT} into {home}", flush=True)
        subprocess.run(
            [uv, "venv", "-q", "--no-config", "--clear", "--python", sys.executable, home], check=True
        )
        python = str(home / "bin" / "python")
        subprocess.run(
            [uv, "pip", "install", "-q", "--no-config", "--python", python, INSPECT, "openai"],
            check=True,
            cwd=home,
        )
    return program


if __name__ == "__main__":
    main()
