"""One reply that holds many rounds: where each begins and ends.

A round begins at a line of its own such as `## Round 2`, `**Round 2 of 5:**` or `### 第2轮`. Rounds count
up from 1; a line that does not continue the count is text like any other. What stands before round 1
belongs to none, and neither does a last section under a heading such as `## Result` or `## 最终答案`.
"""

from __future__ import annotations

import re

from rise_cli.core.unicode import half_width

MOST = 50

_CHINESE = {numeral: value for value, numeral in enumerate("一二三四五六七八九十", 1)}
_DRESS = r"[ \t#>*_=\-—~\[(【「]{0,12}"
_ROUND = re.compile(
    rf"^{_DRESS}(?:(?:round|turn)[ \t]{{0,3}}#?(\d{{1,2}})(?![\d.])"
    r"|第[ \t]?(\d{1,2}|[一二三四五六七八九十])[ \t]?[轮回])"
    r"(?:[ \t]{0,3}(?:of|/)[ \t]{0,3}\d{1,2})?[^\n]{0,80}$",
    re.IGNORECASE | re.MULTILINE,
)
_RESULT = re.compile(
    r"^[ \t]{0,3}(?:#{1,6}[ \t]{0,3}[*_]{0,3}|[*_]{2,3})"
    r"(?:(?:the[ \t])?final(?:[ \t](?:answer|result|summary))?|results?|summary"
    r"|最终(?:答案|结果|结论)?|结果|总结)"
    r"[*_:： \t]{0,6}$",
    re.IGNORECASE | re.MULTILINE,
)


def split_rounds(reply: str) -> list[str]:
    """The text of each round, its heading left out; the whole reply where there are no rounds."""
    text = half_width(reply)
    heads: list[re.Match[str]] = []
    for match in _ROUND.finditer(text):
        number = match[1] or match[2]
        if (_CHINESE.get(number) or int(number)) == len(heads) + 1 <= MOST:
            heads.append(match)
    if not heads:
        return [reply]
    ends = [match.start() for match in heads[1:]] + [len(reply)]
    rounds = [reply[match.end() : end].strip() for match, end in zip(heads, ends, strict=True)]
    result = _RESULT.search(rounds[-1])
    if result and rounds[-1][: result.start()].strip():
        rounds[-1] = rounds[-1][: result.start()].strip()
    return rounds
