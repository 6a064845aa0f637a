"""What stands between the turns of a transcript: critiques, ratings, and the selection of a winner.

── turn 2/3 · critique
  Step 1 is wrong: 12 - 5 is 7, not 8.
  … 5 more lines
→ 100 in, 20 out · $0.0010 · 1.0 s
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from rise_cli.core.domain import Done, Failure, Policy, Purpose, Shape
from rise_cli.core.shapes import whole
from rise_cli.render import amounts
from rise_cli.render.blocks import ASIDE_LINES, View, failed, heading, spent_on, where
from rise_cli.render.page import Page


def aside(done: Done, view: View) -> list[Text]:
    """Return a critique or a selection, folded."""
    lines, parts = [heading(done.call, view)], []
    if isinstance(done.result, Failure):
        parts = [failed(done.result, view.page)]
    else:
        if done.result.reply.strip():
            lines += view.fold(done.result.reply, ASIDE_LINES, "dim")
        if done.call.purpose is Purpose.SELECT:
            parts = _picked(done, view.policy)
        elif not whole(done):
            parts = [Text(f"not used: {done.result.finish_reason}", style="yellow")]
    return lines + view.page.flow(parts + spent_on(done), f"{view.page.signs.arrow} ")


def ratings(done: Sequence[Done], view: View) -> list[Text]:
    """Return the ratings of one turn, to stand under the attempts that they rate."""
    policy, parts = view.policy, []
    for one in done:
        name = f"chain {one.call.chain}"
        if policy.shape is Shape.SINGLE:
            name = where(one.call.place, policy)
        parts.append(Text(f"{name} " if len(done) > 1 else "").append(_rated(one, view.page)))
    return view.page.flow(parts + (spent_on(done[0]) if len(done) == 1 else []), f"{view.page.signs.arrow} ")


def _picked(done: Done, policy: Policy) -> list[Text]:
    sees = done.call.sees
    if done.selected is None or done.selected >= len(sees):
        stands = f", so {where(sees[0], policy)} stands" if sees else ""
        return [Text(f"no pick found{stands}", style="yellow")]
    picked = where(sees[done.selected], policy)
    return [Text(f"picked {picked}", style="bold"), Text(f"{len(sees)} replies", style="dim")]


def _rated(done: Done, page: Page) -> Text:
    if isinstance(done.result, Failure):
        return Text("rating ").append(failed(done.result, page))
    if done.rating is None:
        return Text("not rated", style="yellow")
    return Text(f"rated {amounts.percent(done.rating)}")
