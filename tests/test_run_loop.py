"""Which event loop a run of many calls has."""

from __future__ import annotations

import asyncio
import sys

import pytest
import uvloop

from rise_cli.run.loop import run_in_loop


async def current() -> type[asyncio.AbstractEventLoop]:
    return type(asyncio.get_running_loop())


def test_a_run_has_the_fast_one_and_python_s_own_where_it_starts_programs() -> None:
    assert run_in_loop(current()) is uvloop.Loop
    assert not issubclass(run_in_loop(current(), starts_programs=True), uvloop.Loop)


def test_where_there_is_no_fast_one_python_s_own_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert not issubclass(run_in_loop(current()), uvloop.Loop)
