"""One reply that holds many rounds: where each begins and ends.

A round begins at a line such as `## Round 2`, `**Round 2 of 5:**`, `Round 2: checking` or `### 第2轮`.
Rounds count up from 1; a line that does not continue the count is text like any other, and so is
prose about a round ("Round 1 was wrong") and what stands in a fenced block of code. What stands before
round 1 belongs to none, and neither does a last section such as `## Result` or `最终答案：12` once the
round has said what it owes. What a model thinks aloud in `<think>` tags does not count.

A model that goes on after the last round that was asked for has no more votes than one that stops
there: those rounds are left out, whatever they say. `--turns 3` is three turns, as it is where each
is a call of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rise_cli.core.extract import after_thinking
from rise_cli.core.unicode import half_width

MOST = 50

_ONES = {numeral: value for value, numeral in enumerate("一二三四五六七八九", 1)}
_COUNTED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_WORDS = {word: value for value, word in enumerate(_COUNTED, 1)}
_LONGEST_HEADING = 120
_HEADING = re.compile(
    r"(?P<dress>[ \t#>*_=~\[(【「\-—]{0,12})"
    r"(?:(?:round|turn|iteration)[ \t]{0,3}[#№]?(?P<number>\d{1,2}(?!\d|\.\d)|[a-z]{3,5}\b)"
    r"|第[ \t]?(?P<chinese>\d{1,2}|[一二三四五六七八九十]{1,3})[ \t]?[轮輪回])"
    r"(?:[ \t]{0,3}(?:of|/)[ \t]{0,3}\w{1,5})?"
    r"(?P<rest>[^\n]*)",
    re.IGNORECASE,
)
# What follows the number where it is no prose: the end of the line, or a colon and the like.
_PLAIN_REST = re.compile(r"[ \t*_]{0,6}(?:$|[:.)\]】」\-—–(|])")
# The colon or the end of the emphasis, after which a line may go on with the round's own text.
_REST_DRESS = re.compile(r"[ \t:.)\]】」\-—–*_=~|]*")
_FENCE = re.compile(r"[ \t]{0,3}(?:`{3,}|~{3,})")
_RESULT = re.compile(
    r"^[ \t]{0,3}(?P<level>#{1,6})?[ \t*_]{0,6}"
    r"(?:(?P<answer>(?:the[ \t])?final(?:[ \t]answer)?|最终(?:答案)?)"
    r"|(?:the[ \t])?(?:(?:final|overall)[ \t])?(?:results?|summary|conclusion)"
    r"|最终(?:结果|结论)|结果|总结|结论)"
    r"[ \t*_]{0,6}(?::[^\n]*)?$",
    re.IGNORECASE | re.MULTILINE,
)
_SURE = re.compile(r"confiden|certainty|置信|信心|把握", re.IGNORECASE)
_ANSWERED = re.compile(r"answer|答案|\\boxed", re.IGNORECASE)


def split_rounds(reply: str, most: int = MOST) -> list[str]:
    """The text of each of the first `most` rounds, its heading left out; the whole reply where there are
    no rounds."""
    body = after_thinking(reply)
    heads = list(_heads(body, most + 1))  # one more, which ends the last that counts
    if not heads:
        return [reply]
    ends = [start for start, _ in heads[1:]] + [len(body)]
    rounds = [body[begin:end].strip() for (_, begin), end in zip(heads, ends, strict=True)][:most]
    return [*rounds[:-1], _without_result(rounds[-1])]


def _heads(text: str, most: int) -> Iterator[tuple[int, int]]:
    """Where the heading of each round starts, and where its text begins; of the first `most` rounds."""
    lines = half_width(text).split("\n")
    fences = sum(_FENCE.match(line) is not None for line in lines)
    if lines and _FENCE.match(text.lstrip()):
        fences = 0  # a reply that is fenced as a whole has its headings within
    position = count = passed = 0
    for line in lines:
        passed += _FENCE.match(line) is not None
        in_code = passed % 2 == 1 and passed < fences  # a fence that is never closed opens nothing
        if not in_code and count < most and (begin := _text_of(line, count + 1)) is not None:
            count += 1
            yield position, position + begin
        position += len(line) + 1


def _text_of(line: str, number: int) -> int | None:
    """Where in the line the text of round `number` begins, if the line is its heading.

    A title is no text: what follows on the same line counts only after a colon, and not where the
    whole line is dressed as a heading.
    """
    match = _HEADING.match(line)
    if match is None or _value(match["number"] or match["chinese"]) != number:
        return None
    marked, rest = match["dress"].strip(" \t"), match["rest"].rstrip()
    if marked.startswith(("#", "=")) or (marked and rest.endswith(("*", "_", "]", "】", "」"))):
        return len(line) if len(line) <= _LONGEST_HEADING else None
    if not _PLAIN_REST.match(rest):
        return None
    dress = _REST_DRESS.match(rest)
    return match.start("rest") + (dress.end() if dress else 0)


def _value(numeral: str) -> int | None:
    if numeral.isdecimal():
        return int(numeral)
    if numeral.lower() in _WORDS:
        return _WORDS[numeral.lower()]
    tens, ten, ones = numeral.rpartition("十")
    if (tens and tens not in _ONES) or (ones and ones not in _ONES):
        return None
    return (10 * _ONES.get(tens, 1) if ten else 0) + _ONES.get(ones, 0)


def _without_result(text: str) -> str:
    """`text` up to the section that sums up. It is cut only after what a round owes, its confidence
    and, where the section may be the round's own answer, its answer."""
    sure, answered = _SURE.search(text), _ANSWERED.search(text)
    for match in _RESULT.finditer(half_width(text)):
        owed = (sure, answered) if match["answer"] and not match["level"] else (sure,)
        if all(found is not None and found.start() < match.start() for found in owed):
            return text[: match.start()].strip()
    return text
