"""The end of a transcript: the vote, why the run stopped, who won, and what it took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.text import Text

from rise_cli.core.domain import Completion, Done, Policy, Purpose, Shape, StopReason, Trajectory, Vote
from rise_cli.core.selecting import selected
from rise_cli.core.stopping import turns_allowed
from rise_cli.core.voting import accepted, eligible
from rise_cli.history.format import RecordedTotal
from rise_cli.history.outcome import cost
from rise_cli.history.record import total
from rise_cli.render import amounts
from rise_cli.render.blocks import where
from rise_cli.render.page import Page
from rise_cli.render.votes import poll


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
    lines = poll(trajectory.end, trajectory.policy, page)
    asked = took.total.by_purpose.get(Purpose.SELECT, 0)
    words = f"{why_stopped(trajectory)} {who_won(trajectory, asked)}".rstrip()
    lines += page.flow([Text(words, style="" if trajectory.end.winner else "yellow")], "")
    return lines + _totals(trajectory, took, page)


def turns_taken(done: Iterable[Done]) -> int:
    """The most turns of a chain, be they calls of their own or rounds of one reply."""
    attempts = [one for one in done if one.call.purpose is Purpose.ATTEMPT]
    return max(
        (turn for one in attempts for turn in (one.call.turn, *(a.turn for a in one.attempts))), default=0
    )


def why_stopped(trajectory: Trajectory) -> str:
    """Return one sentence that says why the run is over; a second if nobody won."""
    policy, reason = trajectory.policy, trajectory.end.reason
    turns = turns_taken(trajectory.done)
    after = f"Stopped after turn {turns}" if turns else "Stopped before the first turn"
    if reason is StopReason.TURNS:
        sentence = _all_taken(policy, trajectory.done)
    else:
        sentence = f"{after}: {_because(reason, trajectory)}."
    return sentence if trajectory.end.winner else f"{sentence} No turn gave a usable answer."


def who_won(trajectory: Trajectory, asked: int) -> str:
    """Return a sentence on the reply that the model selected; nothing where that was not its business.

    `asked` is how often it was asked to. A run that was kept has no more of its selections than that.
    """
    policy, done, winner = trajectory.policy, trajectory.done, trajectory.end.winner
    if policy.vote is not Vote.CONSISTENT or winner is None or accepted(done):
        return ""
    choice = eligible(done)
    if len(choice) < 2:
        return ""
    if len({attempt.candidate for attempt in choice}) == 1:
        return "All replies give the same answer, so there was nothing to select."
    place = where(winner.place, policy)
    selections = tuple(one for one in done if one.call.purpose is Purpose.SELECT)
    if asked and not selections:
        return f"The model was asked to select, and the reply of {place} stands."
    if any(one.selected is not None for one in selections) and selected(choice, selections) == winner:
        return f"The model selected the reply of {place}."
    return f"The model selected none, so the reply of {place} stands."


def _all_taken(policy: Policy, done: tuple[Done, ...]) -> str:
    if policy.shape is Shape.SINGLE:
        rounds = sum(len(one.attempts) for one in done)
        replies = "The reply" if policy.samples == 1 else f"The {policy.samples} replies"
        return f"{replies} held {amounts.counted(rounds, 'turn')}."
    turns = max(turns_allowed(policy), turns_taken(done))
    if turns > 1:
        return f"All {turns} turns were taken."
    return f"All {policy.samples} replies are in." if policy.samples > 1 else "One turn was asked for."


def _because(reason: StopReason, trajectory: Trajectory) -> str:
    policy = trajectory.policy
    sources = [done.verdict.source for done in trajectory.done if done.verdict and done.verdict.accepted]
    judge = {"check": "the check", "person": "a person", "reference": "the reference"}.get(
        sources[0] if sources else "", "its judge"
    )
    times = {1: "once", 2: "twice"}.get(policy.patience, f"{policy.patience} times")
    cut = any(
        isinstance(d.result, Completion) and d.result.finish_reason == "budget" for d in trajectory.done
    )
    return {
        StopReason.TURNS: "all turns were taken",
        StopReason.DECIDED: "no later turn could change the winner",
        StopReason.CONFIDENT: f"the same answer came {times} in a row, at least "
        f"{amounts.percent(policy.threshold)} sure{' once calibrated' if policy.breakpoints else ''}",
        StopReason.ACCEPTED: f"{judge} accepted the answer",
        StopReason.STOPPED: "a person wanted no further turn",
        StopReason.BUDGET: "the budget ended in the middle of a reply"
        if cut
        else "the budget does not cover the next call",
        StopReason.DEADLINE: "the time for the question is over",
        StopReason.INTERRUPTED: "interrupted",
        StopReason.ERROR: "its calls failed",
        StopReason.UNRECORDED: "the recording ends here",
    }[reason]


def _totals(trajectory: Trajectory, took: Spent, page: Page) -> list[Text]:
    sums, turns = took.total, turns_taken(trajectory.done)
    parts = [amounts.counted(turns, "turn")]
    if sums.requests != turns:
        parts.append(amounts.counted(sums.requests, "request"))
    if sums.input_tokens is not None and sums.output_tokens is not None:
        parts.append(amounts.tokens(sums.input_tokens, sums.cached_input_tokens or 0, sums.output_tokens))
    else:
        parts.append("tokens unknown")
    parts.append("cost unknown" if took.usd is None else amounts.money(took.usd))
    parts.append(amounts.duration(took.seconds))
    return page.flow([Text(part, style="dim") for part in parts], "")
