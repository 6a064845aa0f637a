"""The vote at the end of a transcript: what every answer polled, as bars."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from rise_cli.core.domain import Finish, Policy, Tally, Vote
from rise_cli.render import amounts
from rise_cli.render.page import INDENT, Page

ROWS = 8
"""Answers shown in a vote; the rest is counted."""

_BAR = 24  # cells of a full bar, where there is room
_GAP = "  "
_WEIGHED = {Vote.WEIGHTED, Vote.ENTROPY}


def poll(end: Finish, policy: Policy, page: Page) -> list[Text]:
    """Return the bars and a blank line, or nothing where they would say nothing."""
    if not _says_something(end, policy):
        return []
    title = "vote" if policy.vote is Vote.MAJORITY else f"vote ({policy.vote})"
    shown = end.votes[:ROWS]
    figures = _figures(shown, policy.vote, page.width)
    room = page.width - len(INDENT) - 2 * len(_GAP) - max(len(line) for line in figures)
    longest = max(cell_len(page.clip(tally.answer, page.width)) for tally in shown)
    # The answer before the bar: what was polled matters more than how it looks.
    names = min(longest, max(room - _BAR, room * 3 // 5, 6))
    cells = max(min(_BAR, room - names), 4)
    lines = [Text.assemble((f"{page.signs.rule} ", "dim"), (title, "bold"))]
    for tally, figure in zip(shown, figures, strict=True):
        won = end.winner is not None and tally.candidate == end.winner.candidate
        bar = page.signs.bar * max(1, round(tally.share * cells))
        lines.append(
            Text.assemble(
                INDENT,
                (set_cell_size(page.clip(tally.answer, names), names), "bold" if won else ""),
                _GAP,
                (set_cell_size(bar, cells), "cyan" if won else "dim"),
                _GAP,
                (figure, "" if won else "dim"),
            )
        )
    if len(end.votes) > ROWS:
        more = amounts.counted(len(end.votes) - ROWS, "more answer")
        lines.append(Text(f"{INDENT}{page.signs.more} {more}", style="dim"))
    return [*lines, Text()]


def _says_something(end: Finish, policy: Policy) -> bool:
    """Whether anything was counted. Where the model selects, equal answers are all that counts show."""
    counts = [tally.count for tally in end.votes]
    return max(counts, default=0) > 1 if policy.vote is Vote.CONSISTENT else sum(counts) > 1


def _figures(votes: tuple[Tally, ...], vote: Vote, width: int) -> list[str]:
    """The count, the weight where votes have one, the share and the mean confidence of each, in columns."""
    columns = [[str(tally.count) for tally in votes]]
    if vote in _WEIGHED:
        columns.append([f"weight {tally.weight:,.2f}" for tally in votes])
    columns.append([f"{amounts.percent(tally.share):>4}" for tally in votes])
    if width >= (60 if vote in _WEIGHED else 40):
        columns.append(
            [
                f"{amounts.percent(c):>4} sure" if (c := tally.confidence) is not None else ""
                for tally in votes
            ]
        )
    return [_GAP.join(row).rstrip() for row in zip(*map(_right, columns), strict=True)]


def _right(column: list[str]) -> list[str]:
    widest = max(map(len, column))
    return [f"{text:>{widest}}" for text in column]
