"""Reading replies: the answer and the confidence that a model's text states.

The most specific mark wins: `<answer>..</answer>`, then `\\boxed{..}`, then the last answer line
(`Answer: ..`, `**Final answer:** ..`, "The answer is ..", `A: ..`, `答案：..`), then `#### ..`. Of
several marks of one sort the last counts; a template that was echoed (`<your answer>`) does not.
Reading never fails and takes linear time, whatever the reply holds.
"""

from __future__ import annotations

import re
from collections import deque

from rise_cli.core.choices import fix_kind, last_letter, named_letter
from rise_cli.core.confidence import blank_reports, cut_report, read_confidence, without_report
from rise_cli.core.domain import Kind
from rise_cli.core.ending import ended_answer
from rise_cli.core.marks import last_box, marked
from rise_cli.core.quantities import numbers_in, quantity

__all__ = ["after_thinking", "fix_kind", "read_answer", "read_confidence"]


def read_answer(reply: str, kind: Kind, choices: tuple[str, ...] = ()) -> str | None:
    """The answer in a reply, or None where nothing can be read.

    - `text`: the whole reply, trimmed, without the confidence at its end.
    - `auto`: what a mark holds; with no mark the same as `text`. If every mark is empty, None.
    - `number`: the number in a mark, else the last number of the reply.
    - `choice`: the letter in a mark, else the last letter of `choices` (empty: any) standing alone.
    - `math`: what a mark holds, else a reply of one line, else the last formula between dollar signs or
      LaTeX brackets, else the last number.
    A mark's content that has no clear number or letter is returned as it is. What a model thinks aloud
    in `<think>` tags counts only if nothing follows it.
    """
    at_once = ended_answer(reply, kind, choices)
    return _found(reply, kind, choices) if at_once is None else at_once


def _found(reply: str, kind: Kind, choices: tuple[str, ...]) -> str | None:
    """The answer, wherever it stands."""
    body = after_thinking(reply)
    if kind is Kind.TEXT:
        return without_report(body) or None
    raw = None
    for raw in marked(body, kind):
        value = _clean(raw)
        if value and not _is_template(value):
            return _narrowed(value, kind, choices)
        if value:
            body = body.replace(raw, " ")  # an echoed prompt must not be read as an answer below either
    if raw is not None and kind is Kind.AUTO:
        return None
    return _unmarked(body, kind, choices)


_THOUGHT = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_THINKING = re.compile(r"<think(?:ing)?>", re.IGNORECASE)


def after_thinking(reply: str) -> str:
    """`reply` without what is thought aloud in `<think>` tags, or the thought where there is nothing else."""
    if "<" not in reply:  # as most; looking for it takes a tenth of the time
        return reply
    end = 0
    for match in _THOUGHT.finditer(reply):
        end = match.end()
    rest = reply[end:]
    if not end or rest.strip():
        return rest
    thought = _THOUGHT.sub(" ", reply).strip()
    opening = _THINKING.match(thought)
    return thought[opening.end() :] if opening else thought


_FENCE = re.compile(r"(`{3,9}|~{3,9})[^\n`]*\n")
_QUOTED_VALUE = re.compile(r"\"([^\"\\\n]*)\"\s*[,}]|(-?[\d.]+)\s*[,}]\s*(?:\"|$)")
_LABELLED = re.compile(
    r"[*_#> \t]{0,6}(?:(?:the|my)\s)?(?:final\s|correct\s)?(?:answer|答案)"
    r"(?:[*_ \t]{0,4}[:：=]|\s{1,4}is(?![A-Za-z])\s?:?|[是为][:：]?)[*_\s]{0,6}(?=\S)",
    re.IGNORECASE,
)
_WRAPPERS = (
    ("```", "```"),
    ("**", "**"),
    ("$$", "$$"),
    ("\\[", "\\]"),
    ("\\(", "\\)"),
    ("$", "$"),
    ("`", "`"),
    ("*", "*"),
    ("_", "_"),
    ('"', '"'),
    ("'", "'"),
    ("“", "”"),
    ("‘", "’"),
    ("「", "」"),
)
_ABBREVIATED = re.compile(r"(?:\b[A-Za-z]\.){2,}$|\.\.$")


def _clean(raw: str) -> str:
    """A mark's content without confidence, label, fence, box, emphasis, quotation marks, math
    delimiters and full stop around it. One wrapping goes per round; rounds are few."""
    value = raw.strip()
    if value.isascii() and value.isalnum():  # as most answers are: nothing is around them
        return value
    quoted = _QUOTED_VALUE.match(value[:2_000])
    if quoted:
        value = quoted[1] or quoted[2] or ""
    if "\n" not in value:
        value = cut_report(value)
    for _ in range(6):
        before = value
        code = _in_fence(value.strip())
        if code is not None and "\n" in code:
            return code  # what looks like a label or emphasis in it is its own
        value = _unwrapped(value.strip()) if code is None else code
        if value == before:
            break
    return value


def _unwrapped(value: str) -> str:
    box = last_box(value)
    if box is not None and box.strip():
        return box
    label = _LABELLED.match(value)
    if label:
        return value[label.end() :]
    return _bare(value)


def _in_fence(value: str) -> str | None:
    """The lines between the fences that a value begins and ends with, if it does."""
    fence = _FENCE.match(value)
    if fence is None or not value.endswith(fence[1]) or len(value) < fence.end() + len(fence[1]):
        return None
    return value[fence.end() : -len(fence[1])].rstrip().strip("\n")


def _bare(value: str) -> str:
    if value.endswith("。") or (value.endswith(".") and not _ABBREVIATED.search(value[-12:])):
        return value[:-1]
    for opening, closing in _WRAPPERS:
        inner = value[len(opening) : -len(closing)]
        if value.startswith(opening) and value.endswith(closing) and inner and opening not in inner:
            return inner
    if value.count("**") == 1 and (value.startswith("**") or value.endswith("**")):
        return value.strip("*")  # a half of "**Answer: 4**"
    return value


_SLOT = r"(?:answer|number|letter|value|result|option|choice|response|text|expression)"
# What a prompt writes where the answer goes, sent back as it was: "<your answer>", "the number alone", "...".
_TEMPLATE = re.compile(
    rf"[<\[({{⟨]{{1,2}}\s?[^<>\[\](){{}}\n]{{0,60}}\b{_SLOT}\b[^<>\[\](){{}}\n]{{0,60}}[>\])}}⟩]{{1,2}}"
    rf"|(?:\\text\{{)?\s?(?:insert |put |write |with )?(?:your|the) (?:final |short |own )?{_SLOT}"
    r"(?: (?:here|goes here|only|alone)(?:, one of .{0,90})?)?(?:, and\b.{0,60})?[.…]{0,3}\}?"
    r"|[\s._…\-*?]+|\\[lc]?dots|<?/?answer>?\s?"
    r"|[<\[(（【]?(?:你的|这一轮的|本轮的?)(?:最终)?答案(?:，只写(?:数字|字母)[^\n()（）]{0,90})?[>\])）】]?",
    re.IGNORECASE,
)


def _is_template(value: str) -> bool:
    return len(value) < 200 and _TEMPLATE.fullmatch(value) is not None


# What makes a text with a number in it more than that number and some words.
_FORMULA = re.compile(r"[\\^{}√∞πθ*+±<>≤≥|!]|[A-Za-z]\(|\d[A-Za-z]\b|\b[A-Za-z]\d")


def _narrowed(value: str, kind: Kind, choices: tuple[str, ...]) -> str:
    if len(value) > 400:
        return value
    if kind is Kind.CHOICE:
        return named_letter(_untexted(value), choices) or value
    if kind is Kind.NUMBER:
        return _number_of(value) or value
    return value


def _untexted(value: str) -> str:
    return re.sub(r"\\(?:text|textbf|textrm|textit|mathrm|mathbf)\s?\{([^{}]*)\}", r" \1 ", value)


def _number_of(value: str) -> str | None:
    """The number in a marked answer, if it is clear which; a right-hand side counts for an equation."""
    found = list(numbers_in(value))
    if quantity(value, Kind.NUMBER) is not None:
        return found[0].text if len(found) == 1 else value
    _, equals, right = value.rpartition("=")
    if equals and right.strip():
        return _number_of(right.strip()) or None
    if len(found) == 1 and not _FORMULA.search(value[: found[0].start] + " " + value[found[0].end :]):
        return found[0].text
    return None


def _unmarked(body: str, kind: Kind, choices: tuple[str, ...]) -> str | None:
    if kind is Kind.AUTO:
        return without_report(body) or None
    text = blank_reports(body)
    if kind is Kind.CHOICE:
        return last_letter(text, choices)
    if kind is Kind.MATH:
        return _formula(without_report(body)) or _last_number(text)
    return _last_number(text)


def _last_number(text: str) -> str | None:
    # From the end: a long reply ends with its number, and what a window cuts in two is looked at again.
    for window in (2_000, 50_000, len(text)):
        found = deque(numbers_in(text[-window:]), 1)
        if found and (found[0].start > 200 or window >= len(text)):
            return found[0].text
    return None


_DELIMITER = re.compile(r"\$\$?|\\[()\[\]]|\n")
_CLOSING = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_SENTENCE = re.compile(r"[A-Za-z]{4,}\s[A-Za-z]{2}|" + _DELIMITER.pattern)


def _formula(text: str) -> str | None:
    """A reply that is one line and no sentence, else the last formula between delimiters."""
    whole = _clean(text) if "\n" not in text and len(text) <= 100 else ""
    if whole and not whole.endswith((":", "：")) and not _SENTENCE.search(whole):
        return whole
    start, closing, last = 0, "", ""
    for match in _DELIMITER.finditer(text):
        if closing and match[0] == closing:
            last, closing = text[start : match.start()].strip() or last, ""
        elif match[0] == "\n":
            closing = "" if closing == "$" else closing
        elif not closing:
            start, closing = match.end(), _CLOSING.get(match[0], "")
    return _clean(last) or None
