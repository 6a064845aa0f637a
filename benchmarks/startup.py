"""How long until something happens: `rise` against its peers, as ratios measured in one run.

    uv run python benchmarks/startup.py [--runs 11]

1. `rise --help` against `llm --help` (simonw/llm 0.36, installed into a temporary environment);
2. `rise ask` of one turn, not streamed, against a bare script that makes the same call with the same
   SDK, on a loopback server that answers at once; for both SDKs.

Each pair is run in turn, A B A B …, after a warm-up. A ratio is the median of the pairs' ratios, with
the smallest and the largest beside it. Times are of whole processes, in seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from loopback import Loopback, Reply  # noqa: E402 - the server that the tests use

PEER = "llm==0.36"

OPENAI = """
import openai
client = openai.OpenAI(api_key="k", base_url={url!r}, max_retries=0)
made = client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "What is 1+1?"}}])
print(made.choices[0].message.content)
"""
ANTHROPIC = """
import anthropic
client = anthropic.Anthropic(api_key="k", base_url={url!r}, max_retries=0)
made = client.messages.create(
    model="m", max_tokens=8192, messages=[{{"role": "user", "content": "What is 1+1?"}}]
)
print(made.content[0].text)
"""


def main() -> None:
    """Measure the three pairs and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11)
    runs = parser.parse_args().runs
    rise = [sys.executable, "-m", "rise_cli"]
    with tempfile.TemporaryDirectory() as folder, Loopback([Reply("Answer: 2")]) as server:
        print(f"{runs} runs of each, in turn; seconds are medians")
        _compare("rise --help / llm --help", 0.25, [*rise, "--help"], [_peer(folder), "--help"], runs)
        ask = [*rise, "ask", "What is 1+1?", "--turns", "1", "--no-stream", "--model"]
        for name, url, bare in (
            ("openai", server.openai_url, OPENAI),
            ("anthropic", server.anthropic_url, ANTHROPIC),
        ):
            script = Path(folder) / f"{name}_bare.py"
            script.write_text(bare.format(url=url), encoding="utf-8")
            ours = [*ask, f"{name}:m", "--base-url", url]
            _compare(f"rise ask / bare {name} script", 1.25, ours, [sys.executable, str(script)], runs)


def _peer(folder: str) -> str:
    """Install the peer where nothing of ours can slow it down or speed it up."""
    uv = os.environ.get("UV") or shutil.which("uv") or sys.exit("uv is needed to install the peer")
    home = str(Path(folder) / "peer")
    subprocess.run([uv, "venv", "-q", "--no-config", "--python", sys.executable, home], check=True)
    python = str(Path(home) / "bin" / "python")
    subprocess.run(
        [uv, "pip", "install", "-q", "--no-config", "--python", python, PEER], check=True, cwd=folder
    )
    return str(Path(home) / "bin" / "llm")


def _compare(name: str, target: float, ours: list[str], theirs: list[str], runs: int) -> None:
    _time(ours), _time(theirs)
    pairs = [(_time(ours), _time(theirs)) for _ in range(runs)]
    ratios = sorted(a / b for a, b in pairs)
    a, b = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(ratios)
    verdict = "within" if ratio <= target else "OVER"
    print(
        f"{name}: {a:.3f} / {b:.3f} = {ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), "
        f"{verdict} the target of {target}"
    )


def _time(command: list[str]) -> float:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "RISE_LOG_FILE": str(Path(tempfile.gettempdir()) / "rise-startup" / "log.db"),
        "OPENAI_API_KEY": "k",
        "ANTHROPIC_API_KEY": "k",
    }
    start = time.perf_counter()
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{command} failed: {done.stderr}")
    return took


if __name__ == "__main__":
    main()
