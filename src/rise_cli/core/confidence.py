"""The confidence that a reply states, as a fraction from 0 to 1.

Read are `Confidence: 0.8`, `80%`, `80/100`, `8/10`, `4 out of 5`, words, `置信度：80%`, `信心：高`,
`"confidence": 0.8`, `<confidence>0.8</confidence>`, "I am 90% confident" and "with 90% confidence".
A whole number over 1 without a scale is of 100: `Confidence: 85` is 0.85. Nothing is guessed: a
range ("80-90%"), a template ("0 to 1") or plain prose ("I have confidence that ..") states none.
"""

from __future__ import annotations

import re

from rise_cli.core.ending import ending
from rise_cli.core.unicode import half_width

# What a word counts for. Below the default threshold of 0.9 but for the strongest: models say "high"
# far more often than they are right nine times in ten.
WORDS = {
    "very low": 0.1,
    "low": 0.25,
    "medium": 0.5,
    "moderate": 0.5,
    "high": 0.8,
    "very high": 0.95,
    "extremely high": 0.95,
    "极低": 0.1,
    "非常低": 0.1,
    "很低": 0.1,
    "较低": 0.25,
    "低": 0.25,
    "中等": 0.5,
    "一般": 0.5,
    "中": 0.5,
    "较高": 0.8,
    "高": 0.8,
    "很高": 0.95,
    "非常高": 0.95,
    "极高": 0.95,
}

_LABEL = (
    r"(?:(?<![A-Za-z\-])(?:confidence|certainty|confident)(?:[ _\-](?:level|score|rating|estimate|value))?"
    r"(?![A-Za-z])"
    r"|(?:置信|可信|自信|确信|信心|把握)(?:程度|水平|指数|度|率)?)"
)
_DRESS = r"[ \t*_`\"'”’)\]]{0,8}"
_NOTE = r"(?:[ \t]{0,3}[(\[][^()\[\]\n]{0,60}[)\]])?"
_COLON = r"(?:[:=>]|[ \t]{0,3}\|)[\s*_`\"'“‘(\[$\\]{0,12}"
_IS = r"(?:(?:[ \t]in[ \t][^\n:.,]{1,40}?)?[ \t]{1,3}(?:is|of|at|was)[ \t]{1,3}|[ \t]?[是为][ \t]?)[*_]{0,3}"
_NEARLY = r"(?:(?:about|around|approximately|roughly|nearly|over|~|≈|>=?|<=?|≥|≤|约|大约)[ \t]?)?"
# Possessive, so that what follows is judged against the whole number. Not a range, not a list.
_NUMBER = r"(?P<n{0}>[-+−]?(?:\d{{1,9}}+(?:[.,]\d{{1,18}}+)?+|\.\d{{1,18}}+))(?!\d|e\d)"
_OF = r"[ \t]?(?:/|out of)[ \t]?(?P<of{0}>\d{{1,4}}+)(?![\d.]\d?)"
_SCALE = rf"(?:[ \t]?(?P<percent{{0}}>\\?%|percent|per cent)|{_OF})?+"
_NO_RANGE = r"(?!\.?\d|[ \t]?(?:-|–|—|~|to|and)[ \t]?[.\d])"
_WORD = rf"(?P<word{{0}}>{'|'.join(sorted(WORDS, key=len, reverse=True))})(?![A-Za-z\-/|])"

_VALUE = rf"{_NEARLY}{_NUMBER}{_SCALE}{_NO_RANGE}|{_WORD}"
_STATED = re.compile(
    rf"{_LABEL}{_NOTE}{_DRESS}(?:{_COLON}(?:{_VALUE.format(1)})|{_IS}(?:{_VALUE.format(2)}))", re.IGNORECASE
)
# A heading with the value below it: "### Confidence", "**Confidence**".
_BENEATH = re.compile(
    rf"(?m)^[ \t>]{{0,4}}(?:#{{1,6}}[ \t]{{0,3}}[*_]{{0,3}}|\*{{2,3}}|__)"
    rf"(?:(?:my|the|overall|final)[ \t]{{1,3}}){{0,2}}{_LABEL}{_NOTE}{_DRESS}\n[\s>*_`\"'(\[$\\\-]{{0,12}}"
    rf"(?:{_VALUE.format(1)})",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(
    rf"[*_]{{0,3}}[ \t]{{0,3}}\([ \t]?{_NEARLY}{_NUMBER.format(1)}{_SCALE.format(1)}[ \t]?\)"
)
_PERCENTAGE = r"\d{1,3}(?:\.\d{1,6})?[ \t]?(?:%|percent|per cent)"
_FELT = re.compile(
    rf"(?<![\d.\-−])(?P<n>{_PERCENTAGE})[ \t]"
    r"(?:confident|certain|sure|confidence(?![ \-](?:interval|level|limit|band|region|bound)))(?![A-Za-z])"
    r"|(?P<zh>\d{1,3}(?:\.\d{1,6})?[ \t]?%)[ \t]?的?(?:把握|信心)",
    re.IGNORECASE,
)
_TENTHS = re.compile(
    "(?:百分之(?P<hundredths>[一二三四五六七八九十百]{1,4})|(?P<tenths>[一二三四五六七八九十])成(?P<rest>[一二三四五六七八九]?))"
)
# One of them is in whatever the three patterns find in ASCII text, on the line where the match begins.
_WORDS_OF_STATEMENTS = ("confiden", "certain", "sure")
_NUMERALS = "零一二三四五六七八九十"
_NO_DIGITS = " \t%percntPERCNT"
_DENIED = re.compile(r"(?:\bnot|n['’]t|\bnever|不是|没有)[ \t]{0,3}$", re.IGNORECASE)


def read_confidence(reply: str) -> float | None:
    """The last confidence that a reply states, from 0 to 1; None if it states none, or one that is
    out of range (`150%`, `-3`, `12/10`). Words count as in `WORDS`."""
    ended = ending(reply)
    return _found(reply) if ended is None else ended.confidence


def _found(reply: str) -> float | None:
    """The last confidence, wherever it stands."""
    text = half_width(reply)
    if not text.isascii():
        text = _TENTHS.sub(_percentage, text)
    begin = _begin(text)
    stated = [
        (match.start(), _stated(match, text))
        for pattern in (_STATED, _BENEATH)
        for match in pattern.finditer(text, begin)
    ]
    felt = [
        (match.start(), _fraction((match["n"] or match["zh"]).rstrip(_NO_DIGITS), True, None))
        for match in _FELT.finditer(text, begin)
        if not _DENIED.search(text[max(0, match.start() - 8) : match.start()])
    ]
    return max(stated + felt, key=lambda found: found[0])[1] if stated or felt else None


def _begin(text: str) -> int:
    """The start of the first line in which English text may state a confidence: nearly always the last
    one, and the patterns take fifty times as long for a character as looking for a word does."""
    if not text.isascii():
        return 0
    lower = text.lower()
    found = [at for word in _WORDS_OF_STATEMENTS if (at := lower.find(word)) >= 0]
    return text.rfind("\n", 0, min(found)) + 1 if found else len(text)


def _stated(match: re.Match[str], text: str) -> float | None:
    second = match.re is _STATED
    word = match["word1"] or (second and match["word2"])
    if word:
        exact = _IN_BRACKETS.match(text, match.end())
        if exact:  # "high (85%)"
            return _fraction(exact["n1"], bool(exact["percent1"]), exact["of1"])
        return WORDS[" ".join(word.lower().split())]
    if match["n1"]:
        return _fraction(match["n1"], bool(match["percent1"]), match["of1"])
    return _fraction(match["n2"], bool(match["percent2"]), match["of2"])


def _percentage(match: re.Match[str]) -> str:
    """`八成`, `八成五`, `百分之九十五` with digits and a percent sign; as it was if it is no number."""
    if match["tenths"]:
        return f"{_NUMERALS.index(match['tenths']) * 10 + _NUMERALS.index(match['rest'] or '零')}%"
    numeral = match["hundredths"]
    if numeral in ("百", "一百"):
        return "100%"
    parts = re.fullmatch("(?:([一二三四五六七八九]?)(十))?([一二三四五六七八九]?)", numeral)
    if parts is None:
        return match[0]
    tens = _NUMERALS.index(parts[1] or "一") if parts[2] else 0
    return f"{tens * 10 + _NUMERALS.index(parts[3] or '零')}%"


def _fraction(number: str, percent: bool, scale: str | None) -> float | None:
    value = float(number.replace("−", "-").replace(",", "."))
    if percent:
        value /= 100
    elif scale is not None:
        value = value / int(scale) if int(scale) else -1.0
    elif value > 1:
        value = value / 100 if value.is_integer() and "." not in number else -1.0
    return value if 0 <= value <= 1 else None


_OPENING = r"[ \t>#*_`•\-\"'(\[<{|]{0,16}"
_OWNER = r"(?:(?:my|the|overall|final|stated|答案的|我的|总体)[ \t]{0,3}){0,2}"
# The start of a line that is a report: "**Confidence:** ..", "My confidence (0 to 1): ..".
_REPORT = rf"{_OPENING}{_OWNER}{_LABEL}{_NOTE}{_DRESS}[:=>|]"
_REPORT_LINE = re.compile(_REPORT, re.IGNORECASE)
_REPORT_LINES = re.compile(rf"(?m)^{_REPORT}.*$", re.IGNORECASE)
_FEELING = rf"I(?:['’]m| am)[ \t](?:about[ \t])?{_PERCENTAGE}[ \t](?:confident|certain|sure)"
# A whole line: "My confidence in this answer is 85%.", "I am 90% confident in this answer."
_REPORT_SENTENCE = re.compile(
    rf"{_OPENING}(?:{_OWNER}{_STATED.pattern}"
    rf"|{_FEELING}(?:[ \t](?:in|of|about)[ \t](?:this|that|my|the)(?:[ \t](?:final[ \t])?answer)?)?)"
    r"[ \t.!*_]*",
    re.IGNORECASE,
)
_BARE_LABEL = re.compile(rf"{_OPENING}{_OWNER}{_LABEL}{_NOTE}[ \t*_:\"]{{0,8}}", re.IGNORECASE)
_WITHIN = re.compile(
    rf"{_LABEL}{_NOTE}{_DRESS}[:=>|]|(?:and[ \t])?{_FEELING}(?![ \t]that)"
    rf"|(?:with|at)[ \t](?:about[ \t])?{_PERCENTAGE}[ \t]confidence(?![ \-](?:interval|level))"
    rf"|\([ \t]?{_PERCENTAGE}[ \t](?:confident|confidence|certain|sure)",
    re.IGNORECASE,
)


def without_report(text: str) -> str:
    """`text` without the confidence at its end: a report is no part of an answer. Trimmed."""
    text = text.strip()
    for _ in range(3):
        head, _, last = text.rpartition("\n")
        flat = half_width(last[:400])
        previous = half_width(head.rstrip().rpartition("\n")[2][-400:])
        if _REPORT_LINE.match(flat) or _REPORT_SENTENCE.fullmatch(flat):
            text = head.rstrip()
        elif len(last) < 40 and previous and _BARE_LABEL.fullmatch(previous):
            text = head.rstrip().rpartition("\n")[0].rstrip()
        else:
            return (head + "\n" + cut_report(last)).strip()
    return text


def is_report(line: str) -> bool:
    """Whether a line reports a confidence, or announces the one on the next line."""
    flat = half_width(line[:400])
    return any(
        (_REPORT_LINE.match(flat), _REPORT_SENTENCE.fullmatch(flat), _BARE_LABEL.fullmatch(flat.rstrip()))
    )


def cut_report(line: str) -> str:
    """`line` up to a confidence that it states after something else: "Paris (confidence: 90%)"."""
    match = _WITHIN.search(half_width(line))
    if match is None:
        return line
    return line[: match.start()].rstrip(" \t,;，；|([（{<—–-*_")


def blank_reports(text: str) -> str:
    """`text` with every stated confidence blanked out, so that its number is not taken for an answer."""
    text = _REPORT_LINES.sub(" ", half_width(text))
    return _STATED.sub(" ", _BENEATH.sub(" ", _FELT.sub(" ", text)))
