"""What the log shows: its entries as a list, and one of them as the transcript that it once was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from rise_cli.core.controls import printable
from rise_cli.core.domain import Trajectory
from rise_cli.history.format import RecordedTotal
from rise_cli.render import blocks
from rise_cli.render.ending import Spent, ending
from rise_cli.render.page import INDENT, Page
from rise_cli.render.plain import PlainTranscript
from rise_cli.render.result import answer_text
from rise_cli.render.summary import table

CONTEXT_LINES = 4


def row(name: str, at: datetime, model: str, page: Page) -> Text:
    """Return the line of ours that an entry begins with; the time is local."""
    clock = f"{at.astimezone():%Y-%m-%d %H:%M}"
    room = page.width - len(name) - len(clock) - 4
    shown = page.clip(model, room) if room >= 12 else ""
    return Text.assemble((name, "bold"), "  ", (clock, "dim"), "  " if shown else "", (shown, "dim"))


def summed_up(asked: str, answer: str | None, excerpt: str, page: Page) -> list[Text]:
    """Return question and answer in one line, and the excerpt in another unless they hold it."""
    arrow = f" {page.signs.arrow} "
    room = page.width - len(INDENT) - len(arrow)
    said = page.clip(answer if answer is not None else "no answer", max(room * 2 // 5, 6))
    whole = page.clip(asked, max(room - Text(said).cell_len, 6))
    lines = [Text.assemble(INDENT, whole, (arrow, "dim"), (said, "bold" if answer is not None else "dim"))]
    if excerpt.strip("…") and excerpt.strip("…") not in f"{asked} {answer or ''}":
        lines.append(Text(INDENT + page.clip(excerpt, page.width - len(INDENT)), style="dim"))
    return lines


def show_run(
    head: list[Text], record: Mapping[str, Any], trajectory: Trajectory, seconds: float, page: Page
) -> None:
    """Show a run as it was shown live, under its question and over its answer.

    `head` says which entry it is, `seconds` how long it took.
    """
    page.show([*head, Text(), *page.quoted(record["question"], "bold")])
    if record["context"]:
        page.show([blocks.label("context"), *page.fold(record["context"], CONTEXT_LINES, "dim")])
    page.show([Text()])
    transcript = PlainTranscript(page.console, model=record["model"], policy=trajectory.policy, full=True)
    for done in trajectory.done[:1]:
        transcript.asked(done.call)
    for done in trajectory.done:
        transcript.finished(done)
    transcript.settle()
    took = Spent(RecordedTotal(**record["usage"]), record["cost_usd"], seconds)
    page.show([Text(), *ending(trajectory, took, page)])
    if record["error"]:
        page.show(page.flow([Text(page.clip(record["error"], 1000), style="red")], "error: "))
    answer = answer_text(trajectory.end).rstrip("\n")
    if answer:
        # A picture has no terminal that would break a long line.
        page.console.print(Text(f"\n{answer}"), soft_wrap=not page.console.record)


def show_batch(head: Text, record: Mapping[str, Any], page: Page) -> None:
    """Show what came of a batch, and where its results are."""
    names = [("problems", record["problems"]), ("results", record["results"]), ("run", record["ended"])]
    files = [Text(f"{name:<10}{printable(str(value))}") for name, value in names]
    told = table(record["summary"], priced=True).splitlines()
    lines = [Text(printable(line)) for line in told]
    page.show([head, Text(), *files, *lines])
