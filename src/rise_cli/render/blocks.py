"""The blocks of a transcript: its opening, and each turn. Values in, lines of text out.

A turn is a heading, the reply, and a summary that says what the turn came to:

    ── turn 2/5 · chain 1/3
      91 = 7 × 13, so it is not prime.
      Answer: [-Yes-]{+No+}
    → No · 90% sure · changed from Yes · 216 in (96 cached), 40 out · $0.0004 · 1.2 s

Where a reply revises another, what changed is shown; the whole of it where most of it changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.text import Text

from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Failure,
    Place,
    Policy,
    Purpose,
    Shape,
    Verdict,
)
from rise_cli.core.shapes import whole
from rise_cli.core.stopping import turns_allowed
from rise_cli.render import amounts
from rise_cli.render.changes import changes
from rise_cli.render.page import Page

REPLY_LINES = 12
ASIDE_LINES = 4
"""Lines of a reply, and of what stands beside it, that are shown before the rest is folded away."""

_ANSWER = 60  # cells; a longer answer is a text
_NARROW = 38  # cells, below which a heading leaves out how many turns and chains there are
_REVISING = {Shape.REVISE, Shape.REFINE, Shape.SINGLE}
_BY = {"check": "by the check", "person": "by a person", "reference": "by the reference"}


@dataclass(frozen=True, slots=True)
class View:
    """How calls are shown: on which page, under which rules, `full` or folded."""

    page: Page
    policy: Policy
    full: bool = False

    def on(self, page: Page) -> View:
        """The same on another page."""
        return replace(self, page=page)

    def fold(self, text: str, lines: int, style: str = "") -> list[Text]:
        return self.page.quoted(text, style) if self.full else self.page.fold(text, lines, style)


def opening(model: str, policy: Policy, page: Page) -> list[Text]:
    """Return who is asked, and how often at most."""
    parts = [Text(page.clip(model, page.width), style="dim")]
    if most_turns(policy) > 1:
        one = " in one reply" if policy.shape is Shape.SINGLE else ""
        parts.append(Text(f"up to {policy.turns} turns{one}", style="dim"))
    if policy.samples > 1:
        parts.append(Text(f"{policy.samples} chains", style="dim"))
    return page.flow(parts, "")


def most_turns(policy: Policy) -> int:
    """The most turns that a chain can have, be they calls of their own or rounds of one reply."""
    return policy.turns if policy.shape is Shape.SINGLE else turns_allowed(policy)


def heading(call: Call, view: View, turn: int | None = None) -> Text:
    """Return `── turn 2/5 · chain 1/3`; the chain only where there are several.

    `turn` is the one that is told where a reply holds many.
    """
    policy, page = view.policy, view.page
    turn_now = turn or call.turn
    # More turns than were wanted are no error: a reply may hold any number.
    most, chains = f"/{max(most_turns(policy), turn_now)}", f"/{policy.samples}"
    if page.width < _NARROW:
        most = chains = ""
    if call.purpose is Purpose.SELECT:
        parts = ["select", f"round {call.turn}", *([f"group {call.chain}"] if call.chain > 1 else [])]
    elif policy.shape is Shape.SINGLE and call.purpose is Purpose.ATTEMPT and turn is None:
        parts = [f"up to {amounts.counted(policy.turns, 'turn')}"]
    else:
        parts = [f"turn {turn_now}{most}"]
    if call.purpose is not Purpose.SELECT:
        parts += [f"chain {call.chain}{chains}"] if policy.samples > 1 else []
        parts += [str(call.purpose)] if call.purpose is not Purpose.ATTEMPT else []
    title = f" {page.signs.dot} ".join(parts)
    return Text.assemble((f"{page.signs.rule} ", "dim"), (title, "bold"))


def where(place: Place, policy: Policy) -> str:
    """Return `turn 2, chain 1`, without what there is but one of."""
    parts = [f"turn {place.turn}"] if most_turns(policy) > 1 else []
    if policy.samples > 1:
        parts.append(f"chain {place.chain}")
    return ", ".join(parts) or "turn 1"


def turns(done: Done, past: Sequence[Attempt], view: View) -> list[Text]:
    """Return a finished attempt: a turn, or one for each round that its reply holds.

    `past` are the attempts of earlier calls, of all chains, that were whole.
    """
    lines: list[Text] = []
    for at in range(max(len(done.attempts), 1)):
        lines += [Text()] if lines else []
        lines += _turn(done, at, [*past, *done.attempts[:at]], view)
    return lines


def question(attempt: Attempt, past: Sequence[Attempt], view: View) -> list[Text]:
    """Return an attempt as it is put before a person who is to judge it: the whole of it."""
    own = _own(past, attempt.chain, attempt.turn) if view.policy.shape in _REVISING else []
    lines = [heading(Call(attempt.chain, attempt.turn), view, attempt.turn)]
    lines += _reply(attempt.reply, own[-1].reply if own else None, replace(view, full=True))
    return lines + view.page.flow(_read(attempt, view), f"{view.page.signs.arrow} ")


def judged(done: Done, past: Sequence[Attempt], view: View) -> list[Text]:
    """Return what there is to add to `question` once the person has spoken."""
    parts = _moved(done.call, done.attempts[-1], past, view)
    parts += [_judged(done.verdict)] if done.verdict else []
    return view.page.flow(parts + spent_on(done), f"{view.page.signs.arrow} ")


def label(name: str) -> Text:
    """Return the line that stands above text that is not a reply."""
    return Text(f"{name}:", style="dim italic")


def _turn(done: Done, at: int, past: Sequence[Attempt], view: View) -> list[Text]:
    """The attempt at this position of a call. The first carries the reasoning, the last what was spent
    and what was said about it."""
    attempt = done.attempts[at] if done.attempts else None
    last = at >= len(done.attempts) - 1
    turn = attempt.turn if attempt and whole(done) else None
    lines = [heading(done.call, view, turn)]
    if done.given:
        lines[0].append(f" {view.page.signs.dot} of the earlier run", style="dim")
    if isinstance(done.result, Completion):
        lines += _reasoning(done.result, view) if at == 0 else []
        own = _own(past, done.call.chain, turn or done.call.turn)
        revises = whole(done) and own and view.policy.shape in _REVISING
        text = attempt.reply if attempt and len(done.attempts) > 1 else done.result.reply
        lines += _reply(text, own[-1].reply if revises else None, view)
    parts = _came_to(done, attempt, past, view)
    if last:
        parts += ([_judged(done.verdict)] if done.verdict else []) + spent_on(done)
    lines += view.page.flow(parts, f"{view.page.signs.arrow} ")
    if last and done.verdict and done.verdict.feedback and not done.verdict.accepted:
        lines += view.fold(done.verdict.feedback, ASIDE_LINES, "dim")
    return lines


def _reasoning(result: Completion, view: View) -> list[Text]:
    text = (result.reasoning or "").strip()
    return [label("reasoning"), *view.fold(text, ASIDE_LINES, "dim"), label("reply")] if text else []


def _reply(text: str, earlier: str | None, view: View) -> list[Text]:
    page = view.page
    if not text.strip():
        return [Text("  (an empty reply)", style="dim")]
    pieces = changes(earlier, text) if earlier and earlier.strip() else None
    if pieces is None:
        return view.fold(text, REPLY_LINES)
    same = all(piece.mark == " " for piece in pieces)
    shown = [Text("  (unchanged)", style="dim")] if same else page.marked(pieces)
    if view.full:
        return [*page.quoted(text), *([] if same else [label("changes")]), *shown]
    return page.cut(shown, REPLY_LINES)


def _own(past: Sequence[Attempt], chain: int, turn: int) -> list[Attempt]:
    """The attempts of a chain before a turn, by turn."""
    return sorted((a for a in past if a.chain == chain and a.turn < turn), key=lambda a: a.turn)


def _came_to(done: Done, attempt: Attempt | None, past: Sequence[Attempt], view: View) -> list[Text]:
    """What the attempt came to: the answer, how sure, kept or changed."""
    if isinstance(done.result, Failure):
        return [failed(done.result, view.page)]
    if attempt is None or attempt.answer is None:
        reason = done.result.finish_reason
        why = "cut off where the budget ended" if reason == "budget" else reason
        found = "no answer found" if reason == "stop" else f"no answer: {why}"
        return [Text(found, style="yellow")]
    return _read(attempt, view) + _moved(done.call, attempt, past, view)


def _read(attempt: Attempt, view: View) -> list[Text]:
    """The answer, unless it is the reply again, and how sure it is."""
    parts = []
    if not _is_text(attempt):
        cells = min(_ANSWER, view.page.width - 4)
        parts.append(Text(view.page.clip(attempt.answer or "", cells), style="bold"))
    if attempt.confidence is not None and not view.policy.rates:  # else it is rated in a line of its own
        parts.append(Text(f"{amounts.percent(attempt.confidence)} sure"))
    return parts


def _is_text(attempt: Attempt) -> bool:
    """Whether the answer is the reply, more or less, and too long to be said again."""
    answer = (attempt.answer or "").strip()
    return 2 * len(answer) > len(attempt.reply) and (cell_len(answer[:200]) > _ANSWER or "\n" in answer)


def _moved(call: Call, attempt: Attempt, past: Sequence[Attempt], view: View) -> list[Text]:
    """Whether the answer was there before: in its chain, or among those that it was combined from."""
    answered = [a for a in past if a.answer is not None]
    if view.policy.shape is Shape.AGGREGATE:
        return _combined(call, attempt, [a for a in answered if a.place in call.sees], view.policy)
    if view.policy.shape is Shape.DECIDE and len(call.sees) > 1:
        return [_decided(attempt, [a for a in answered if a.place in call.sees])]
    if most_turns(view.policy) == 1:
        return []
    before = _own(answered, attempt.chain, attempt.turn)
    if not before:
        return [Text("first answer", style="dim")]
    kept, changed = ("same again", "differs") if _is_blind(call, view.policy) else ("kept", "changed")
    if before[-1].candidate == attempt.candidate:
        return [Text(kept, style="dim")]
    was = "" if _is_text(before[-1]) else f" from {view.page.clip(before[-1].answer or '', 24)}"
    return [Text(f"{changed}{was}", style="yellow")]


def _is_blind(call: Call, policy: Policy) -> bool:
    """Whether the turn knew nothing of the answers that it is compared with."""
    return policy.shape is Shape.DECIDE and not call.sees


def _combined(call: Call, attempt: Attempt, seen: Sequence[Attempt], policy: Policy) -> list[Text]:
    if not seen:
        return []
    known = attempt.candidate in {a.candidate for a in seen}
    parts = [Text("kept", style="dim") if known else Text("new answer", style="yellow")]
    if len(call.sees) < policy.samples:
        chains = ", ".join(map(str, sorted({place.chain for place in call.sees})))
        parts.append(Text(f"from chains {chains}", style="dim"))
    return parts


def _decided(attempt: Attempt, seen: Sequence[Attempt]) -> Text:
    chosen = [a.turn for a in seen if a.candidate == attempt.candidate]
    if not chosen:
        return Text("decided for neither", style="yellow")
    return Text(f"decided for turn {chosen[0]}", style="dim" if chosen[0] == seen[0].turn else "yellow")


def failed(failure: Failure, page: Page) -> Text:
    """Return why a call brought nothing."""
    return Text(f"failed: {page.clip(failure.message, 300) or failure.kind}", style="red")


def _judged(verdict: Verdict) -> Text:
    by = _BY.get(verdict.source, "")
    if verdict.accepted:
        return Text(f"accepted {by}".rstrip(), style="green")
    if verdict.reward is None:
        return Text(f"not judged {by}".rstrip(), style="dim")
    return Text(f"rejected {by}".rstrip(), style="red")


def spent_on(done: Done) -> list[Text]:
    """Return what a call took: tokens, money, time; no more than is known."""
    if isinstance(done.result, Failure) or done.given:
        return []
    usage, usd = done.result.usage, done.result.cost_usd
    parts = []
    if usage:
        parts.append(amounts.tokens(usage.input_tokens, usage.cached_input_tokens, usage.output_tokens))
    if usd is not None:
        parts.append(amounts.money(usd))
    parts.append(amounts.duration(done.result.latency_s))
    return [Text(part, style="dim") for part in parts]
