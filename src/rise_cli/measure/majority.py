"""Majorities of some of a rollout's turns, counted as `core.voting` counts them.

The metrics carry the paper's names (2407.18219): m1@t1 is one sample at turn 1; m1@tT the majority of the T
turns of one chain; mK@t1 the majority of K chains' first turns; p1@tT whether any of T turns is right, which
needs an oracle to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rise_cli.core.domain import Place, Tie
from rise_cli.core.voting import tally
from rise_cli.measure.rollouts import Rollout, Turn


def upto(rollout: Rollout, turns: int, chains: Sequence[int] | None = None) -> list[Turn]:
    """The first `turns` turns of the chains, of all where None is given. A chain that stopped early has
    fewer."""
    return [
        turn
        for turn in rollout.turns
        if turn.attempt.turn <= turns and (chains is None or turn.attempt.chain in chains)
    ]


def majority(turns: Sequence[Turn], tie: Tie = Tie.EARLIEST) -> Turn | None:
    """The earliest turn that gave the answer with the most votes; None where none gave an answer."""
    voting = [turn for turn in turns if turn.attempt.candidate is not None]
    if not voting:
        return None
    counts: dict[Place | None, int] = {}
    for turn in voting:
        counts[turn.attempt.candidate] = counts.get(turn.attempt.candidate, 0) + 1
    most = max(counts.values())
    winner, *others = (candidate for candidate, count in counts.items() if count == most)
    if others:  # a tally costs ten times as much, and settles ties
        winner = tally([turn.attempt for turn in voting], tie)[0].candidate
    return next(turn for turn in voting if turn.attempt.candidate == winner)


def voted_right(turns: Sequence[Turn], tie: Tie = Tie.EARLIEST) -> bool | None:
    """Whether the majority of these turns is right; False where replies came and nothing could be read in
    any; None where nobody can tell."""
    winner = majority(turns, tie)
    if winner is not None:
        return winner.right
    return False if any(turn.right is False for turn in turns) else None


def any_right(turns: Iterable[Turn]) -> bool | None:
    """Whether any of these turns is right, which only an oracle can tell; None where nobody can."""
    known = [turn.right for turn in turns if turn.right is not None]
    return any(known) if known else None
