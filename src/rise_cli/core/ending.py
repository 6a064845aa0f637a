"""The ending that the shipped prompts ask for, read at a glance.

Nearly every reply to them ends like this:

    Answer: 18
    Confidence: 80%

What it says is what `core.extract` and `core.confidence` find after they have looked at the whole reply,
which takes twenty times as long. Whatever ends in another way, or holds something that may go before
an answer line, is left to them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from rise_cli.core.domain import Kind

_START = "Answer: "
_LINES = re.compile(_START + r"([0-9]{1,15}|[A-Z])\nConfidence: (100|[0-9]{1,2})%\s{0,4}\Z")
_LONGEST = 64  # no match is longer


class Ending(NamedTuple):
    """What the last two lines say."""

    answer: str
    confidence: float


@lru_cache(maxsize=8)  # of each reply it is asked twice
def ending(reply: str) -> Ending | None:
    """The last two lines of a reply, None if they are not as they were asked for."""
    start = reply.rfind(_START, max(0, len(reply) - _LONGEST))
    if start < 0 or (start and reply[start - 1] != "\n"):
        return None
    found = _LINES.match(reply, start)
    return Ending(found[1], int(found[2]) / 100) if found else None


def ended_answer(reply: str, kind: Kind, choices: tuple[str, ...]) -> str | None:
    """The answer in its ending, None if it must be looked for."""
    found = ending(reply)
    # Tags, thoughts and boxes go before an answer line, wherever they stand.
    if found is None or "<" in reply or "boxed" in reply or "fbox" in reply:
        return None
    answer = found.answer
    match kind:
        case Kind.NUMBER:
            return answer if answer.isdecimal() else None
        case Kind.CHOICE:
            return answer if answer in choices else None
        case Kind.TEXT:
            return None
    return answer
