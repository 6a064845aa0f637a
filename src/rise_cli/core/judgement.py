"""What a judge said about an answer or a reply: read leniently, and never guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rise_cli.core.extract import after_thinking

BEST, WORST = 10, 1


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge thinks of the reply at a place: `quality` from 1 to 10, and whether it `answers` the
    question that was asked. None where that could not be read."""

    chain: int
    turn: int
    quality: float | None
    answers: bool | None


_RIGHT = {"right": True, "correct": True, "yes": True, "wrong": False, "incorrect": False, "no": False}
_GAP = r"[^A-Za-z0-9\n]{0,12}"
_WORD = r"(not[ ])?(right|correct|incorrect|wrong|yes|no)\b(?![ ]?(?:,|/|or\b))"
_VERDICT = re.compile(rf"\bverdict\b{_GAP}(?:is{_GAP})?(?:the (?:given )?answer is )?{_WORD}", re.IGNORECASE)
_ALONE = re.compile(rf"[^A-Za-z]*{_WORD}[^A-Za-z]*", re.IGNORECASE)
_QUALITY = re.compile(
    rf"\bquality\b{_GAP}(?:(?:is|score|rating){_GAP})?(\d{{1,3}}(?:\.\d{{1,6}})?)(?![\d.]*\d)", re.IGNORECASE
)
_ANSWERS = re.compile(
    rf"\banswers the question(?: asked)?\b{_GAP}(yes|no)\b(?![ ]?(?:,|/|or\b))", re.IGNORECASE
)


def read_verdict(reply: str) -> bool | None:
    """Whether the judge takes the answer for right: its last `Verdict:` line, or a reply of one word."""
    body = after_thinking(reply)
    found = list(_VERDICT.finditer(body)) or list(filter(None, [_ALONE.fullmatch(body)]))
    if not found:
        return None
    negated, word = found[-1].groups()
    return _RIGHT[word.lower()] is not bool(negated)


def read_quality(reply: str) -> float | None:
    """The last `Quality:` from 1 to 10; None where there is none, or it is out of range."""
    found = _QUALITY.findall(after_thinking(reply))
    quality = float(found[-1]) if found else None
    return quality if quality is not None and WORST <= quality <= BEST else None


def read_answers(reply: str) -> bool | None:
    """The last `Answers the question:`."""
    found = _ANSWERS.findall(after_thinking(reply))
    return found[-1].lower() == "yes" if found else None
