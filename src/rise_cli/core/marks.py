"""Where a reply marks its answer: `<answer>` tags, `\\boxed{}`, an "Answer:" line, `####`.

`marked` yields what the marks hold, the most specific mark first and the last of its sort first; the
text is as written, not yet cleaned. Every search is linear in the reply, whatever it holds.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import islice

from rise_cli.core.confidence import is_report, without_report
from rise_cli.core.domain import Kind
from rise_cli.core.quantities import quantity
from rise_cli.core.unicode import half_width

# A reply has few marks; of a hostile one the last ones are looked at.
_MOST = 64
_LONGEST_LINE = 4_000
_LONGEST_SENTENCE = 60

_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_BRACE = re.compile(r"\\{1,2}(?:boxed|fbox)\s{0,9}\{|\\.|[{}]", re.DOTALL)
_WORD = re.compile(r"(?<![A-Za-z])(?:answers?(?![A-Za-z])|答案)", re.IGNORECASE)
_AFTER_WORD = re.compile(
    r"(?:[ \t](?:to|for)[ \t](?:the|this|your)[ \t](?:question|problem))?[ \t]{0,4}(?:\([^()\n]{0,60}\))?"
    r"[*_`\"' \t]{0,6}(?:(?P<colon>[:=])|(?:(?<=[ \t*_])(?P<is>is|would be|should be|must be|was)(?![A-Za-z])"
    r"|(?P<zh>应该是|应为|是|为))[ \t]{0,3}:?)[*_]{0,3}[ \t]{0,6}",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"[ \t]{0,3}(?:#{1,6}[ \t]{0,3}[*_]{0,3}|\*\*|__)(?:(?:the|my|final|correct)[ \t]){0,2}$", re.IGNORECASE
)
_SHORT_LABEL = re.compile(r"(?m)^[ \t>*_#\-]{0,12}(?:A[*_ \t]{0,3}:|答[*_ \t]{0,3}:)[*_]{0,3}[ \t]{0,3}")
_HASHES = re.compile(r"(?m)^[ \t]{0,3}####[ \t]{0,4}(?=[^\s#])")

# Somebody else's answer, or no particular one.
_OTHERS = re.compile(
    r"previous|prior|earlier|original|initial|old|wrong|incorrect|possible|alternative|other|candidate|last|"
    r"first|an|any|each|every|no|students?|student's|their|his|her|following",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"(?:if|whether|when|unless|suppose|assuming|until|why|how|where|what|that|confidence in|certainty of)"
    r"[ \t]"
    r"(?:(?:the|my|our|your|this|that)[ \t])?(?:(?:final|correct|right)[ \t])?$",
    re.IGNORECASE,
)
_LAST_WORD = re.compile(r"([A-Za-z']{1,20})[ \t*_`\"]{0,4}$")
_SENTENCE_END = re.compile(
    r"(?<!\b[A-Z])(?<!\b(?:Dr|Mr|Ms|St|vs))(?<!Mrs)(?:[.!?][\"*)]?\s(?=[A-Z\"*(\u4e00-\u9fff])|[。！？])"
)
_REASON = re.compile(
    r",?\s(?:because|since|given that|which is why)\s|,\s(?:as|which|so|and this|that is)\s", re.IGNORECASE
)
_ADVERB = re.compile(
    r"(?:still|indeed|therefore|thus|clearly|simply|actually|definitely|probably|(?:most )?likely|then|now)"
    r"[ \t,]{1,3}",
    re.IGNORECASE,
)
_JUDGEMENT = re.compile(
    r"(?:not|correct|right|wrong|incorrect|clear|unclear|obvious|simple|straightforward|consistent|"
    r"as follows|based on|given by|found by|obtained|in|that|the same|supported|verified|confirmed|also|"
    r"accurate|reasonable|valid)(?![A-Za-z])",
    re.IGNORECASE,
)
_FENCE = re.compile(r"[ \t]*(?:(?P<code>`{3,9}|~{3,9})|(?P<display>\$\$|\\\[)[ \t]*$)")
_CLOSING = {"$$": "$$", "\\[": "\\]"}
# What follows an answer without a blank line and is no part of it.
_AFTERWARDS = re.compile(
    r"[ \t>]{0,4}#|[ \t>*_\-]{0,8}(?:(?:explanation|reason|reasoning|justification|note|working|verification|"
    r"(?:final )?answer)[*_ \t]{0,4}[:：]|(?:because|since|therefore|thus|this (?:is|means)|here['’]s why)"
    r"(?![A-Za-z])|解释|理由|说明|因为|原因)",
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"[-*•]\s")
_MOST_LINES = 500
_NOTHING = " \t*_`\"'>#:："


def marked(body: str, kind: Kind) -> Iterator[str]:
    """What the marks in a reply hold. For `choice`, "A:" is an option and no mark; for `auto` alone may an
    answer below its label have several lines without a fence around them."""
    yield from islice(_tags(body), _MOST)
    yield from islice(_boxes(body), _MOST)
    several = kind is Kind.AUTO
    yield from _lines(body, several)
    if kind is not Kind.CHOICE:
        for match in _last(_SHORT_LABEL.finditer(half_width(body))):
            yield _value(body, match.end(), several)
    yield from _hashes(body)
    opened = list(_last(_TAG.finditer(body)))[:1]
    if opened and not opened[0][1]:  # cut off by a stop sequence
        yield body[opened[0].end() :]


def last_box(text: str) -> str | None:
    """What the last complete `\\boxed{..}` or `\\fbox{..}` of a text holds, the inner one of nested ones."""
    return next(_boxes(text), None)


def _last(matches: Iterator[re.Match[str]]) -> Iterator[re.Match[str]]:
    return reversed(deque(matches, _MOST))


def _tags(body: str) -> Iterator[str]:
    if "<" not in body:
        return iter(())
    spans: deque[tuple[int, int]] = deque(maxlen=_MOST)
    opened: int | None = None
    for match in _TAG.finditer(body):
        if not match[1]:
            opened = match.end()
        elif opened is not None:
            spans.append((opened, match.start()))
            opened = None
    return (body[start:end] for start, end in reversed(spans))


def _boxes(body: str) -> Iterator[str]:
    if "boxed" not in body and "fbox" not in body:
        return
    spans: deque[tuple[int, int]] = deque(maxlen=_MOST)
    stack: list[int | None] = []
    for match in _BRACE.finditer(body):
        brace = match[0]
        if len(brace) > 2:
            stack.append(match.end())
        elif brace == "{":
            stack.append(None)
        elif brace == "}" and stack:
            start = stack.pop()
            if start is not None:
                spans.append((start, match.start()))
    yield from (body[start:end] for start, end in sorted(spans, reverse=True))


def _lines(body: str, several: bool) -> Iterator[str]:
    """Answer lines, last first. A long sentence ("the answer is ..") gives way to a labelled line; a
    judgement ("the answer is correct") is none."""
    flat = half_width(body)
    # Looking for the word itself first takes a tenth of the time, since the pattern ignores case.
    begin = flat.lower().find("answer") if flat.isascii() else 0
    if begin < 0:
        return
    later: list[str] = []
    for match in _last(_WORD.finditer(flat, begin)):
        label = _label(flat, match)
        if label is None:
            continue
        # "the answer is" at the end of a line may be prose that goes on below
        listed = several and (not label.sentence or ":" in flat[match.end() : label.end + 16].split("\n")[0])
        value = _value(body, label.end, listed)
        if "=" in flat[match.end() : label.end] and body.count("```", 0, match.start()) % 2:
            later.append(value)  # a variable in code
            continue
        if label.sentence and "\n" not in value:
            value = _sentence(value)
            if _JUDGEMENT.match(value):
                continue
            if len(value) > _LONGEST_SENTENCE:
                later.append(value)
                continue
        yield value
    yield from later


class _Label:
    """Where an answer's label ends, and whether it is a sentence ("the answer is") or has a colon."""

    __slots__ = ("end", "sentence")

    def __init__(self, end: int, sentence: bool) -> None:
        self.end = end
        self.sentence = sentence


def _label(flat: str, word: re.Match[str]) -> _Label | None:
    line = flat.rfind("\n", max(0, word.start() - 60), word.start()) + 1
    before = flat[max(line, word.start() - 60) : word.start()]
    owner = _LAST_WORD.search(before)
    if owner and _OTHERS.fullmatch(owner[1]):
        return None
    if before.rstrip("的 ").endswith(("之前", "上次", "原来", "错误")):
        return None
    after = _AFTER_WORD.match(flat, word.end())
    if after is None:
        rest = flat[word.end() : word.end() + 12].split("\n", 1)
        alone = len(rest) == 2 and not rest[0].strip(_NOTHING)
        return _Label(word.end(), False) if alone and _HEADING.match(before) else None
    if after["colon"]:
        return _Label(after.end(), False)
    return None if _HYPOTHETICAL.search(before) else _Label(after.end(), True)


def _hashes(body: str) -> Iterator[str]:
    """`#### 18` as in GSM8K. It is a Markdown heading too, so it must be a number or the end of the reply."""
    end = without_report(body)
    for match in _last(_HASHES.finditer(body)):
        value = _line(body, match.end())
        if quantity(value, Kind.NUMBER) or end.endswith(value):
            yield value


def _line(body: str, start: int) -> str:
    end = body.find("\n", start, start + _LONGEST_LINE)
    return body[start : end if end >= 0 else start + _LONGEST_LINE].strip()


def _value(body: str, start: int, several: bool) -> str:
    """The rest of the line, or what is fenced there or below, or the next line that holds something; if
    `several`, that and the lines that go on from it."""
    for below in range(6):
        value = _line(body, start)
        fence = _FENCE.match(value)
        if fence:
            block = _block(body, start, fence)
            if block:
                return block
        elif value.strip(_NOTHING) and not value.endswith((" follows:", " follows：")):
            return _paragraph(body, start) if below and several else value
        start = body.find("\n", start, start + _LONGEST_LINE) + 1
        if start == 0:
            break
    return ""


def _block(body: str, start: int, fence: re.Match[str]) -> str:
    """From an opening fence to its closing one; empty if there is none, or nothing between."""
    opening = body.index(fence["code"] or fence["display"], start)
    inside = opening + len(fence["code"] or fence["display"])
    if fence["display"]:
        closing = body.find(_CLOSING[fence["display"]], inside)
    else:
        inline = fence["code"] in fence.string[fence.end() :]
        alone = None if inline else re.compile(rf"(?m)^[ \t]*{fence['code']}[ \t]*$").search(body, inside)
        closing = alone.end() - len(alone[0].lstrip()) if alone else body.find(fence["code"], inside)
    if closing < 0 or not body[inside:closing].strip():
        return ""
    return body[opening : closing + len(fence["code"] or fence["display"])]


def _paragraph(body: str, start: int) -> str:
    """The lines from here up to a blank one, a confidence, a heading or an explanation."""
    lines = [_line(body, start)]
    if quantity(lines[0]) is not None and not _LIST_MARK.match(lines[0]):
        return lines[0]
    for _ in range(_MOST_LINES):
        start = body.find("\n", start, start + _LONGEST_LINE) + 1
        if start == 0:
            break
        line = _line(body, start)
        if not line or is_report(line) or _AFTERWARDS.match(line):
            break
        lines.append(line)
    return without_report("\n".join(lines)) if len(lines) > 1 else lines[0]


def _sentence(value: str) -> str:
    """What follows "the answer is", up to the end of the sentence or a reason."""
    value = _ADVERB.sub("", value, count=1) if _ADVERB.match(value) else value
    for end in (_SENTENCE_END, _REASON):
        match = end.search(value)
        if match and match.start() > 0:
            value = value[: match.start()]
    return value
