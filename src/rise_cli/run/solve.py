"""The driver: one problem from its first call to its end.

`solve` alternates between asking the pure core what to do and doing it. It knows nothing of prompts,
providers, reading or judging: `act` does all of that for one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from rise_cli.core.domain import Ask, Call, Done, Policy, Problem, Purpose, StopReason, Trajectory
from rise_cli.core.loop import conclude, next_step
from rise_cli.core.voting import rated

Act = Callable[[Problem, Call, tuple[Done, ...]], Awaitable[Done]]
"""Render, complete, read and judge one call, given what was done before it. Whatever befalls the
call becomes its `Failure`; only credentials, configuration and bugs raise."""


async def solve(problem: Problem, policy: Policy, act: Act, done: tuple[Done, ...] = ()) -> Trajectory:
    """Run `problem` to its end and return the whole trajectory.

    `done` holds calls that are already finished, half a turn included; they are not made again.
    Raises what `act` raises, after cancelling the calls beside it.
    """
    turn = 1
    while isinstance(step := next_step(policy, problem, done, turn), Ask):
        calls = step.calls
        if calls[0].purpose in _OF_TURNS:
            turn = calls[0].turn
        if len(calls) == 1:  # as most turns have: a task of its own would cost as much as rendering it
            done += (await act(problem, calls[0], done),)
        else:
            done += tuple(await _together([_made(act, problem, call, done) for call in calls]))
    return Trajectory(problem, policy, rated(done), step)


_OF_TURNS = frozenset({Purpose.ATTEMPT, Purpose.CRITIQUE})  # the others count otherwise


def cut_short(problem: Problem, policy: Policy, finished: list[Done], reason: StopReason) -> Trajectory:
    """The trajectory of a run that was stopped from outside: a vote over the calls that finished."""
    done = tuple(sorted(finished, key=lambda d: d.call.place))
    return Trajectory(problem, policy, rated(done), conclude(policy, done, reason))


async def _made(act: Act, problem: Problem, call: Call, done: tuple[Done, ...]) -> Done:
    # `act` is called here, not before: a task may be cancelled before it begins.
    return await act(problem, call, done)


async def _together(calls: list[Coroutine[Any, Any, Done]]) -> list[Done]:
    """Run the calls side by side, results in their order; the first error cancels the others."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        unfinished = [task for task in tasks if not task.done()]
        for task in unfinished:
            # Once only: a second cancellation would cut its cleaning up short.
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
