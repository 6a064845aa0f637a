"""How fast a batch goes: lately, where enough happened lately to tell, else since it began."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

WINDOW_S = 60.0
_ENOUGH = 5  # problems in the window, below which one more or less says nothing about the pace


class _Mark(NamedTuple):
    at: float
    problems: int
    tokens: int


class Pace:
    """Told now and then how many problems and tokens this run has behind it; remembers a minute of it.

    Times are seconds on any one clock, `began` among them.
    """

    def __init__(self, began: float, window_s: float = WINDOW_S) -> None:
        self._began = _Mark(began, 0, 0)
        self._window_s = window_s
        self._marks = deque([self._began])
        self._landed = self._began  # when the last problem was solved

    def note(self, at: float, problems: int, tokens: int) -> None:
        """So much is done at `at`. Counts and times never fall."""
        mark = _Mark(at, problems, tokens)
        if problems > self._landed.problems:
            self._landed = mark
        self._marks.append(mark)
        # The mark at the window's far end stays: what came since is measured from there.
        while len(self._marks) > 2 and self._marks[1].at <= at - self._window_s:
            self._marks.popleft()

    @property
    def tokens_per_s(self) -> float:
        first, last = self._marks[0], self._marks[-1]
        return (last.tokens - first.tokens) / (last.at - first.at) if last.at > first.at else 0.0

    def left_s(self, problems: int) -> float | None:
        """How long so many more problems take; None as long as none was solved.

        Between two problems it counts down, but not below what it would be if the next one were solved
        right now.
        """
        first, landed, now = self._marks[0], self._landed, self._marks[-1].at
        if landed.problems - first.problems < _ENOUGH:
            first = self._began
        solved = landed.problems - first.problems
        if not problems:
            return 0.0
        if not solved:
            return None
        promised = (landed.at - first.at) / solved * problems - (now - landed.at)
        return max(promised, (now - first.at) / (solved + 1) * (problems - 1))
