"""What changed from one reply to the next, word by word. No rich in here."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

MOST = 4000
"""Words of a reply that is compared; a longer one would hold up what streams in beside it."""

_ALIKE = 0.5  # of all characters stand in both; below that, marks would bury the reply
_ISLAND = 3  # characters between two changes that are not worth a stop

# Scripts without spaces are compared sign by sign, all else word by word: a number or a word keeps the
# points, dashes and apostrophes within it.
_SIGN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_POINT = "!-/:-@\\[-`{-~\u3000-\u303f\uff01-\uff0f\uff1a-\uff20"
_TOKEN = re.compile(rf"(?:[^\s{_SIGN}{_POINT}]+(?:[.,'’/_-][^\s{_SIGN}{_POINT}]+)*|\S)\s*")


_Span = tuple[str, int, int, int, int]
"""What befell a run of words (as difflib says it), and where it begins and ends in either reply."""


class Piece(NamedTuple):
    """Text that stands in both replies (` `), in the earlier one alone (`-`) or in the later one (`+`)."""

    mark: str
    text: str


def changes(earlier: str, later: str) -> list[Piece] | None:
    """Return `later` with what came and what went, in reading order; None where that says nothing, since
    most of it is new, or where the two are too long to compare. Spacing alone is no change."""
    old, new = _TOKEN.findall(earlier.strip()), _TOKEN.findall(later.strip())
    if max(len(old), len(new)) > MOST:
        return None
    a, b = [token.rstrip() for token in old], [token.rstrip() for token in new]
    matcher = SequenceMatcher(None, a, b)
    spans: list[_Span] = list(matcher.get_opcodes())
    both = sum(len(word) for tag, i, j, _, _ in spans if tag == "equal" for word in a[i:j])
    if 2 * both < _ALIKE * sum(map(len, a + b)):
        return None
    pieces: list[Piece] = []
    for tag, i1, i2, j1, j2 in _joined(spans, a):
        if tag == "equal":
            pieces.append(Piece(" ", "".join(new[j1:j2])))
            continue
        before = pieces[-1].text if pieces else " "
        if i1 and i1 < i2 and not before[-1].isspace():
            pieces.append(Piece(" ", _space(old[i1 - 1])))
        pieces += _change("".join(old[i1:i2]), "".join(new[j1:j2]))
    return [piece for piece in pieces if piece.text]


def _change(gone: str, came: str) -> list[Piece]:
    """The words that went and came, then the space after them, which is neither."""
    after = _space(came or gone)
    return [Piece("-", gone.rstrip()), Piece("+", came.rstrip()), Piece(" ", after)]


def _space(text: str) -> str:
    return text[len(text.rstrip()) :]


def _joined(spans: list[_Span], words: list[str]) -> list[_Span]:
    """The spans, changes joined that are apart by next to nothing."""
    joined: list[_Span] = []
    for at, (tag, i1, i2, j1, j2) in enumerate(spans):
        inner = 0 < at < len(spans) - 1
        island = tag == "equal" and inner and len("".join(words[i1:i2])) <= _ISLAND
        if joined and joined[-1][0] == "change" and (tag != "equal" or island):
            _, first, _, begin, _ = joined.pop()
            joined.append(("change", first, i2, begin, j2))
        else:
            joined.append(("equal" if tag == "equal" else "change", i1, i2, j1, j2))
    return joined
