"""Protocols beside each other: the paper's table, what they took, the verdicts, and what is recommended."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rise_cli.core.controls import printable
from rise_cli.core.domain import Shape
from rise_cli.measure.accuracy import Estimate
from rise_cli.measure.evaluation import EQUAL_TOKENS, Evaluation, Match, Outcome
from rise_cli.render.amounts import counted, money, percent

_WIDE = 76  # from here on there is room for intervals
_NONE = "-"
_LONGEST_NAME = 14


def report(evaluation: Evaluation, width: int, command: str | None) -> str:
    """All of it, in lines of at most `width` cells where that can be. `command` is the recommended one."""
    parts = [
        _heading(evaluation),
        _accuracies(evaluation, width),
        _costs(evaluation.outcomes, width),
        _verdicts(evaluation, width),
    ]
    if command is not None and evaluation.recommended is not None:
        why = _wrapped(evaluation.recommended.why, width, "  ")
        parts.append(f"Recommended for this model and such problems\n  {command}\n{why}")
    return "\n".join(parts)


def between(matches: Sequence[Match], model: str, width: int) -> str:
    """What another model is worth against the first one."""
    lines = [_wrapped(match.change.verdict.sentence, width, "  ") for match in matches]
    return f"Against {printable(model)}, each protocol at its full size\n{''.join(lines)}"


def _heading(evaluation: Evaluation) -> str:
    lines = f"{printable(evaluation.model)} · {counted(evaluation.problems, 'problem')}\n"
    for name in evaluation.missing:
        lines += f"{_name(name)}: not run yet\n"
    for one in evaluation.outcomes:
        short = evaluation.problems - one.problems
        if short or one.graded < one.problems:
            lines += f"{_name(one.name)}: {one.problems:,} run, {one.graded:,} of them graded\n"
    return lines


def _accuracies(evaluation: Evaluation, width: int) -> str:
    turns, wide = evaluation.turns, width >= _WIDE
    head = ["m1@t1", f"m{turns}@t1", f"m1@t{turns}", f"p1@t{turns}" + (" (oracle)" if wide else "*")]
    rows = [
        [_name(one.name), *(_figure(x, wide) for x in (one.single, one.parallel, one.sequential, one.oracle))]
        for one in evaluation.outcomes
    ]
    notes = list(_notes(evaluation, wide))
    return _table(["accuracy", *head], rows) + "".join(_wrapped(note, width, "") for note in notes)


def _notes(evaluation: Evaluation, wide: bool) -> Iterator[str]:
    if not wide:
        yield "* an oracle's figure: only somebody who knows the answer could pick that turn"
    else:
        yield "In brackets: 95% intervals. Only an oracle could pick the turn that p1 counts."
    for one in evaluation.outcomes:
        full = one.full
        if full.chains > 1 and one.sequential is not None:
            yield f"{_name(one.name)} is {full.name}: {full.chains} chains of {counted(full.turns, 'turn')}."
        elif one.shape is Shape.SINGLE and full.turns < evaluation.turns:
            yield f"No reply of {_name(one.name)} held more than {counted(full.turns, 'round')}."
        elif one.parallel is not None:
            yield f"Of {_name(one.name)}, p counts any of its {evaluation.turns} chains."


def _costs(outcomes: Sequence[Outcome], width: int) -> str:
    """What a problem and a right answer took, at full size."""
    priced = any(one.spending.known_usd for one in outcomes)
    head = ["took", "calls", "tokens", "tokens/right"] + (["$ each", "$/right"] if priced else [])
    if width < _WIDE:
        head = (
            ["took", "calls", "tokens", "a right"] if not priced else ["took", "calls", "tokens", "$/right"]
        )
    rows = []
    for one in outcomes:
        full, spending = one.full, one.spending
        cells = {
            "took": _name(one.name),
            "calls": f"{full.calls:.1f}",
            "tokens": _amount(full.tokens),
            "tokens/right": _amount(spending.per_right_tokens),
            "a right": _amount(spending.per_right_tokens),
            "$ each": _money(full.cost_usd),
            "$/right": _money(spending.per_right_usd),
        }
        rows.append([cells[name] for name in head])
    return _table(head, rows)


def _verdicts(evaluation: Evaluation, width: int) -> str:
    """The headline of each protocol first, its other comparisons below."""
    lines = ""
    for one in evaluation.outcomes:
        word = one.match.change.verdict.word if one.match else "nothing to compare it with"
        lines += f"{_name(one.name)}: {word}\n"
        for match in one.matches:
            lines += _wrapped(f"at {match.at}: {match.change.verdict.sentence}{_taken(match)}", width, "  ")
        if one.name != evaluation.baseline and not any(m.at == EQUAL_TOKENS for m in one.matches):
            lines += _wrapped(f"at {EQUAL_TOKENS}: no sizes of both take about as many.", width, "  ")
        if one.unreadable:
            lines += _wrapped(f"{percent(one.unreadable)} of its replies held no answer.", width, "  ")
    return lines


def _taken(match: Match) -> str:
    """What the two took, where that is not the same."""
    ours, theirs = match.ours, match.theirs
    if match.at.endswith("tokens") and ours.tokens is not None and theirs.tokens is not None:
        return f" ({ours.tokens:,.0f} tokens against {theirs.tokens:,.0f})"
    if abs(ours.calls - theirs.calls) > 0.05:
        return f" ({ours.calls:.1f} calls against {theirs.calls:.1f})"
    return ""


def _figure(estimate: Estimate | None, wide: bool) -> str:
    if estimate is None or estimate.value is None or estimate.low is None or estimate.high is None:
        return _NONE
    value = percent(estimate.value)
    return f"{value} [{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]" if wide else value


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right, two cells apart."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    lines = (
        "  ".join(
            cell.rjust(size) if n else cell.ljust(size)
            for n, (cell, size) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _wrapped(text: str, width: int, indent: str) -> str:
    lines = textwrap.wrap(
        printable(text),
        max(width, 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return "".join(f"{line}\n" for line in lines)


def _name(name: str) -> str:
    shown = " ".join(printable(name).split())
    return shown if len(shown) <= _LONGEST_NAME else f"…{shown[1 - _LONGEST_NAME :]}"


def _amount(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.0f}"


def _money(value: float | None) -> str:
    return _NONE if value is None else money(value)
