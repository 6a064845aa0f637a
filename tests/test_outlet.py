"""A slow reader holds up what is new, never what is under way; and it gets every line."""

from __future__ import annotations

import asyncio
import threading

import pytest

from rise_cli.run.outlet import Outlet

LINE = b"x" * 99 + b"\n"


class Reader:
    """Takes lines one by one, each after a `take`; `gone` makes it leave."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.gone = False
        self._allowed = threading.Semaphore(0)

    def take(self, lines: int) -> None:
        self._allowed.release(lines)

    def __call__(self, line: bytes) -> None:
        self._allowed.acquire()
        if self.gone:
            raise BrokenPipeError
        self.got.append(line)


async def test_lines_wait_and_what_is_new_waits_for_them() -> None:
    reader = Reader()
    outlet = Outlet(reader, most_waiting=250)
    for _ in range(2):
        await outlet.room()
        outlet.put(LINE)
    await outlet.room()
    outlet.put(LINE)
    waiting = asyncio.ensure_future(outlet.room())
    await asyncio.sleep(0)
    outlet.put(LINE)  # what is under way ends all the same
    assert not waiting.done()
    reader.take(2)
    await waiting
    reader.take(2)
    assert outlet.close() == 0
    assert reader.got == [LINE] * 4


async def test_a_reader_that_never_comes_back_is_not_waited_for() -> None:
    reader = Reader()
    outlet = Outlet(reader)
    for _ in range(3):
        outlet.put(LINE)
    assert outlet.close(0.001) == 3
    reader.take(3)
    assert outlet.close() == 0


@pytest.mark.parametrize("then", ["put", "room", "close"])
async def test_a_reader_that_is_gone_is_told_once(then: str) -> None:
    reader = Reader()
    outlet = Outlet(reader, most_waiting=150)
    outlet.put(LINE)
    outlet.put(LINE)
    reader.gone = True
    reader.take(1)
    with pytest.raises(BrokenPipeError):
        await _use(outlet, then)
    assert outlet.close() == 0


async def _use(outlet: Outlet, then: str) -> None:
    match then:
        case "room":
            await outlet.room()
        case "put":
            while True:
                outlet.put(LINE)
    outlet.close()
