"""Nothing is paid for twice: a batch on a real model, killed and resumed, and what the server saw.

    uv run python benchmarks/kills.py problems.jsonl [--problems 200] [--turns 2] [--kills 2] [--keep FILE]

llama.cpp serves the embedded model behind a counter. `rise batch` works through the file; each time a
share of the calls has come it is ended with `kill -9`, and the same command goes on. Printed are the
calls that the counter saw beside the turns in the finished file: more by at most those that were in
flight at a kill.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp
from aiohttp import web

from rise_cli.chat import Sampling
from rise_cli.chat.local import LocalChat, connect_local


class Front:
    """Passes calls on to the model, and counts them."""

    def __init__(self, chat: LocalChat) -> None:
        self._chat = chat
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {chat.key}"})
        self.seen = self.in_flight = 0
        self._target = 0
        self._reached = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.seen += 1
        if self.seen >= self._target:
            self._reached.set()
        self.in_flight += 1
        try:
            async with self._session.post(f"{self._chat.base_url}/v1/chat/completions", data=body) as answer:
                return web.Response(
                    status=answer.status, body=await answer.read(), content_type="application/json"
                )
        finally:
            self.in_flight -= 1

    async def reach(self, calls: int) -> None:
        """Wait until so many calls have come."""
        self._target = calls
        self._reached.clear()
        if self.seen < calls:
            await self._reached.wait()

    async def close(self) -> None:
        await self._session.close()


async def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        problems, out = Path(folder, "problems.jsonl"), Path(folder, "results.jsonl")
        count = copied(Path(options.file), problems, options.problems)
        chat = connect_local(
            "",
            slots=options.concurrency,
            context_tokens=2048,
            sampling=Sampling(),
            timeout_s=600,
            stream=False,
            notice=print,
        )
        chat.start()
        front = Front(chat)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", front.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        command = [
            sys.executable, "-m", "rise_cli", "batch", str(problems), "-o", str(out),
            "--model", "openai:embedded", "--base-url", f"http://127.0.0.1:{port}/v1",
            "--turns", str(options.turns), "--no-early-stop", "--max-tokens", str(options.max_tokens),
            "--concurrency", str(options.concurrency), "--kind", "number",
        ]  # fmt: skip
        began, calls = time.monotonic(), count * options.turns
        cut_off = 0
        for kill in range(1, options.kills + 1):
            cut_off += await killed(command, front, calls * kill // (options.kills + 1))
        code = await finished(command)
        report(out, front, count, cut_off)
        if options.keep:
            shutil.copy(out, options.keep)
        print(f"{time.monotonic() - began:.0f} s; the last run ended with exit code {code}")
        await runner.cleanup()
        await front.close()
        await chat.aclose()
    return code


def copied(source: Path, to: Path, most: int) -> int:
    """Copy the first problems; return how many there are."""
    with source.open(encoding="utf-8") as lines:
        taken = list(itertools.islice(lines, most))
    to.write_text("".join(taken), encoding="utf-8")
    return len(taken)


async def killed(command: list[str], front: Front, after: int) -> int:
    """Run until the server has seen `after` calls, then kill. Returns how many calls were in flight."""
    process = await start(command)
    ends = [asyncio.ensure_future(front.reach(after)), asyncio.ensure_future(process.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    ends[0].cancel()
    in_flight = front.in_flight
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    print(f"killed after {front.seen:,} calls, {in_flight} in flight; exit code {await process.wait()}")
    return in_flight


async def finished(command: list[str]) -> int:
    return await (await start(command)).wait()


async def start(command: list[str]) -> asyncio.subprocess.Process:
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    return await asyncio.create_subprocess_exec(*command, env=environment)


def report(out: Path, front: Front, problems: int, cut_off: int) -> None:
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    turns = sum(len(row["turns"]) for row in rows)
    ids = Counter(row["id"] for row in rows)
    print(
        f"problems: {problems:,}; rows: {len(rows):,}, ids that stand more than once: {len(rows) - len(ids)}"
    )
    print(
        f"calls that the server saw: {front.seen:,}; turns in the file: {turns:,}; more by: "
        f"{front.seen - turns}; in flight at the kills: {cut_off}"
    )
    print(f"the journal is {'still there' if Path(f'{out}.journal').exists() else 'gone'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", help="problems as JSONL")
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=160)
    parser.add_argument("--keep", help="where to keep the rows")
    sys.exit(asyncio.run(main(parser.parse_args())))
