"""The blocks of a transcript: its opening, and each turn. Values in, lines of text out.

A turn is a heading, the reply, and a summary that says what the turn came to:

    ── turn 2/5 · chain 1/3
      91 = 7 × 13, so it is not prime.
      Answer: No
    → No · 90% sure · kept · 216 in (96 cached), 40 out · $0.0004 · 1.2 s
"""

from __future__ import annotations

from rich.text import Text

from rise_cli.core.domain import Attempt, Call, Completion, Done, Failure, Policy, Purpose, Verdict
from rise_cli.render import amounts
from rise_cli.render.page import Page

FEEDBACK_LINES = 4
REASONING_LINES = 4

_BY = {"check": "by the check", "person": "by a person", "reference": "by the reference"}


def opening(model: str, policy: Policy, page: Page) -> list[Text]:
    """Return who is asked, and how often at most."""
    parts = [Text(page.clip(model, page.width), style="dim")]
    if policy.turns > 1:
        parts.append(Text(f"up to {policy.turns} turns", style="dim"))
    if policy.samples > 1:
        parts.append(Text(f"{policy.samples} chains", style="dim"))
    return page.flow(parts, "")


def heading(call: Call, policy: Policy, page: Page) -> Text:
    """Return `── turn 2/5 · chain 1/3`; the chain only where there are several."""
    # What a person says about the last turn is worth another one.
    title = f"turn {call.turn}/{max(call.turn, policy.turns)}"
    if policy.samples > 1:
        title += f" {page.signs.dot} chain {call.chain}/{policy.samples}"
    if call.purpose is not Purpose.ATTEMPT:
        title += f" {page.signs.dot} {call.purpose}"
    return Text.assemble((f"{page.signs.rule} ", "dim"), (title, "bold"))


def turn(done: Done, before: Attempt | None, policy: Policy, page: Page) -> list[Text]:
    """Return a finished call as a block. `before` is the answer that its chain had before it."""
    lines = [heading(done.call, policy, page)]
    if done.given:
        lines[0].append(f" {page.signs.dot} of the earlier run", style="dim")
    if isinstance(done.result, Completion):
        reasoning = (done.result.reasoning or "").strip()
        if reasoning:
            lines += [label("reasoning"), *page.fold(reasoning, REASONING_LINES, "dim"), label("reply")]
        if done.result.reply.strip():
            lines += page.quoted(done.result.reply)
        else:
            lines.append(Text("  (an empty reply)", style="dim"))
    parts = _said(done, before, policy, page) + _spent(done)
    lines += page.flow(parts, f"{page.signs.arrow} ")
    if done.verdict and done.verdict.feedback and not done.verdict.accepted:
        lines += page.fold(done.verdict.feedback, FEEDBACK_LINES, "dim")
    return lines


def question(attempt: Attempt, policy: Policy, page: Page) -> list[Text]:
    """Return an attempt as it is put before a person who is to judge it."""
    lines = [heading(Call(attempt.chain, attempt.turn), policy, page), *page.quoted(attempt.reply)]
    return lines + page.flow(_read(attempt, page), f"{page.signs.arrow} ")


def judged(done: Done, before: Attempt | None, policy: Policy, page: Page) -> list[Text]:
    """Return what there is to add to `question` once the person has spoken."""
    parts = [_change(done.attempts[-1], before, page)] if policy.turns > 1 else []
    parts += [_judged(done.verdict)] if done.verdict else []
    return page.flow(parts + _spent(done), f"{page.signs.arrow} ")


def label(name: str) -> Text:
    """Return the line that stands above text that is not a reply."""
    return Text(f"{name}:", style="dim italic")


def _said(done: Done, before: Attempt | None, policy: Policy, page: Page) -> list[Text]:
    """What the call came to: the answer, how sure, kept or changed, accepted or rejected."""
    if isinstance(done.result, Failure):
        message = page.clip(done.result.message, 300) or done.result.kind
        return [Text(f"failed: {message}", style="red")]
    if done.call.purpose is not Purpose.ATTEMPT:
        return [Text(f"rated {amounts.percent(done.rating)}")] if done.rating is not None else []
    attempt = done.attempts[-1] if done.attempts else None
    if attempt is None or attempt.answer is None:
        reason = done.result.finish_reason
        found = "no answer found" if reason == "stop" else f"no answer: {reason}"
        parts = [Text(found, style="yellow")]
    else:
        parts = _read(attempt, page)
        if policy.turns > 1:
            parts.append(_change(attempt, before, page))
    if done.verdict:
        parts.append(_judged(done.verdict))
    return parts


def _read(attempt: Attempt, page: Page) -> list[Text]:
    """The answer and how sure it is."""
    parts = [Text(page.clip(attempt.answer or "", min(60, page.width - 4)), style="bold")]
    if attempt.confidence is not None:
        parts.append(Text(f"{amounts.percent(attempt.confidence)} sure"))
    return parts


def _change(attempt: Attempt, before: Attempt | None, page: Page) -> Text:
    if before is None or before.answer is None:
        return Text("first answer", style="dim")
    if before.candidate == attempt.candidate:
        return Text("kept", style="dim")
    return Text(f"changed from {page.clip(before.answer, 24)}", style="yellow")


def _judged(verdict: Verdict) -> Text:
    by = _BY.get(verdict.source, "")
    if verdict.accepted:
        return Text(f"accepted {by}".rstrip(), style="green")
    if verdict.reward is None:
        return Text(f"not judged {by}".rstrip(), style="dim")
    return Text(f"rejected {by}".rstrip(), style="red")


def _spent(done: Done) -> list[Text]:
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
