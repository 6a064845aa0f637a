"""How large a page of many problems is, and how long it takes to build and to open.

    uv run python benchmarks/report.py [--problems 10000] [--turns 5] [--words 150] [--rounds 3]

Rows are made up (see `tests/made_rows.py`): replies of so many words, each a revision of the one before.
Told are the bytes of the rows and of the page, the time and the peak resident size of `rise report`, and,
where there is a Chromium, the time until the page is ready, until a search is answered, and until a
transcript is shown. The page is to be ready within 3 s.
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

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from made_rows import rows, write

MOST_SECONDS = 3.0
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
)


def build(results: Path, page: Path) -> None:
    """Run `rise report` and tell what it took."""
    command = [sys.executable, "-m", "rise_cli", "report", str(results), "-o", str(page), "-q"]
    began = time.perf_counter()
    with subprocess.Popen(command) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"rise report ended with {process.returncode}")
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(f"built in {wall:.1f} s ({cpu:.1f} s of CPU), peak {peak:.0f} MB")
    print(f"rows {results.stat().st_size / 1e6:.1f} MB, page {page.stat().st_size / 1e6:.1f} MB")


def open_in(chromium: str, page: Path, rounds: int) -> None:
    """Open the page in a new profile each time, and tell the medians."""
    from playwright.sync_api import sync_playwright

    loads, searches, transcripts = [], [], []
    with sync_playwright() as playwright:
        for _ in range(rounds):
            browser = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
            tab = browser.new_page()
            tab.set_default_timeout(60_000)

            begun = time.perf_counter()
            tab.goto(page.as_uri())
            tab.wait_for_selector("html[data-ready]")
            loads.append(time.perf_counter() - begun)
            nodes = tab.evaluate("document.querySelectorAll('*').length")
            begun = time.perf_counter()
            tab.locator("#search").fill("p-77 ")
            tab.locator("#rows .id").first.filter(has_text="p-77").wait_for()
            searches.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            tab.locator(".row").first.click()
            tab.wait_for_selector(".turn")
            transcripts.append(time.perf_counter() - begun)
            browser.close()
    load = statistics.median(loads)
    told = "good" if load <= MOST_SECONDS else f"more than the {MOST_SECONDS:.0f} s that are wanted"
    print(f"ready after {load:.2f} s (most {max(loads):.2f}): {told}; {nodes} elements")
    print(f"search {statistics.median(searches):.2f} s, transcript {statistics.median(transcripts):.2f} s")


def main() -> None:
    """Make the rows, build the page, open it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--words", type=int, default=150, help="of a reply")
    parser.add_argument("--rounds", type=int, default=3, help="of opening it; 0 opens no browser")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results, page = Path(folder) / "results.jsonl", Path(folder) / "report.html"
        write(results, rows(options.problems, options.turns, options.words))
        print(f"{options.problems:,} problems x {options.turns} turns of {options.words} words")
        build(results, page)
        chromium = next(
            filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
        )
        if options.rounds and chromium is None:
            print("there is no Chromium on PATH to open it in")
        elif options.rounds and chromium is not None:
            open_in(chromium, page, options.rounds)


if __name__ == "__main__":
    main()
