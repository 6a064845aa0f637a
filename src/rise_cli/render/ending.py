"""The end of a transcript: the vote as bars, why the run stopped, and what it took."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from rise_cli.core.domain import Policy, StopReason, Tally, Trajectory, Vote
from rise_cli.history.outcome import cost
from rise_cli.history.record import RecordedTotal, total
from rise_cli.render import amounts
from rise_cli.render.page import INDENT, Page

ROWS = 8
"""Answers shown in a vote; the rest is counted."""

_BAR = 24  # cells of a full bar, where there is room
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run took: its tokens, its price where it is known, and its time on a person's clock."""

    total: RecordedTotal
    usd: float | None
    seconds: float


def spent(trajectory: Trajectory, seconds: float) -> Spent:
    """Return the sums over the calls of a run."""
    return Spent(total(trajectory.done), cost(trajectory.done), seconds)


def ending(trajectory: Trajectory, took: Spent, page: Page) -> list[Text]:
    """Return the last block."""
    lines: list[Text] = []
    if sum(tally.count for tally in trajectory.end.votes) > 1:
        lines += _vote(trajectory, page)
    sentence = Text(why_stopped(trajectory), style="" if trajectory.end.winner else "yellow")
    lines += sentence.wrap(page.console, page.width)
    return lines + _totals(trajectory, took, page)


def why_stopped(trajectory: Trajectory) -> str:
    """Return one sentence that says why the run is over; a second if nobody won."""
    policy, reason = trajectory.policy, trajectory.end.reason
    turns = max((done.call.turn for done in trajectory.done), default=0)
    after = f"Stopped after turn {turns}" if turns else "Stopped before the first turn"
    if reason is StopReason.TURNS:
        allowed = max(policy.turns, turns)
        sentence = f"All {allowed} turns were taken." if allowed > 1 else _one_turn(policy)
    else:
        sentence = f"{after}: {_because(reason, trajectory)}."
    return sentence if trajectory.end.winner else f"{sentence} No turn gave a usable answer."


def _one_turn(policy: Policy) -> str:
    return f"All {policy.samples} replies are in." if policy.samples > 1 else "One turn was asked for."


def _because(reason: StopReason, trajectory: Trajectory) -> str:
    policy = trajectory.policy
    sources = [done.verdict.source for done in trajectory.done if done.verdict and done.verdict.accepted]
    judge = {"check": "the check", "person": "a person", "reference": "the reference"}.get(
        sources[0] if sources else "", "its judge"
    )
    times = {1: "once", 2: "twice"}.get(policy.patience, f"{policy.patience} times")
    return {
        StopReason.TURNS: "all turns were taken",
        StopReason.DECIDED: "no later turn could change the winner",
        StopReason.CONFIDENT: f"the same answer came {times} in a row, at least "
        f"{amounts.percent(policy.threshold)} sure",
        StopReason.ACCEPTED: f"{judge} accepted the answer",
        StopReason.STOPPED: "a person wanted no further turn",
        StopReason.BUDGET: "the budget does not cover the next call",
        StopReason.DEADLINE: "the time for the question is over",
        StopReason.INTERRUPTED: "interrupted",
        StopReason.ERROR: "its calls failed",
        StopReason.UNRECORDED: "the recording ends here",
    }[reason]


def _vote(trajectory: Trajectory, page: Page) -> list[Text]:
    end, rule = trajectory.end, trajectory.policy.vote
    title = "vote" if rule is Vote.MAJORITY else f"vote ({rule})"
    shown = end.votes[:ROWS]
    figures = _figures(shown, confidence=page.width >= 40)
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


def _figures(votes: tuple[Tally, ...], *, confidence: bool) -> list[str]:
    """The count, the share and the mean confidence of each, in columns."""
    widest = max(len(str(tally.count)) for tally in votes)
    return [
        f"{tally.count:>{widest}}{_GAP}{amounts.percent(tally.share):>4}"
        + (
            f"{_GAP}{amounts.percent(tally.confidence):>4} sure"
            if confidence and tally.confidence is not None
            else ""
        )
        for tally in votes
    ]


def _totals(trajectory: Trajectory, took: Spent, page: Page) -> list[Text]:
    spent, usd = took.total, took.usd
    turns = max((done.call.turn for done in trajectory.done), default=0)
    parts = [amounts.counted(turns, "turn")]
    if spent.requests != turns:
        parts.append(amounts.counted(spent.requests, "request"))
    if spent.input_tokens is not None and spent.output_tokens is not None:
        parts.append(amounts.tokens(spent.input_tokens, spent.cached_input_tokens or 0, spent.output_tokens))
    else:
        parts.append("tokens unknown")
    parts.append("cost unknown" if usd is None else amounts.money(usd))
    parts.append(amounts.duration(took.seconds))
    return page.flow([Text(part, style="dim") for part in parts], "")
