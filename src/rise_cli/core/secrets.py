"""What keys look like in a text, and how they are struck out: known ones, and whatever looks like one.

The one place for both what providers say (`chat/`) and what settings hold (`settings/`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LOOKS_SECRET = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|tgp|hf|ghp|gho|r8|pplx|nvapi)[-_][\w*.\-]{4,}"  # what vendors begin keys with
    r"|\bkey[-_][\w\-]{12,}"
    r"|\bAIza[\w\-]{10,}"
    r"|(?i:(?<=bearer )[^\s'\"]{4,})"
    r"|(?<=://)[^/\s@]+(?=@)"
)
_IN_A_QUERY = re.compile(
    r"([?&][\w\-]*(?:key|token|secret|password|signature|sig)=)[^&\s'\"]+", re.IGNORECASE
)
# What stands for the characters that somebody else has left out of a key.
_GAP = r"(?:[*•…]|\.\.\.)"
_SHOWN = r"[^*•…'\"]"
_END = 4
"""Characters at an end of a key by which it is told in a masked form, and the shortest key that counts."""


def strike(text: str, mask: str, keys: Iterable[str] = ()) -> str:
    """`text` with `mask` in place of `keys` and of whatever looks like a key or a password.

    A known key is found in any case, broken by white space, and where only its first or last four
    characters (or more) stand beside `*`, `…` or `...`. Keys under four characters are not looked for.
    """
    for key in keys:
        if len(key) >= _END:
            text = _without(text, key, mask)
    return _IN_A_QUERY.sub(rf"\g<1>{mask}", _LOOKS_SECRET.sub(mask, text))


def _without(text: str, key: str, mask: str) -> str:
    key = key.lower()
    head, tail, most = re.escape(key[:_END]), re.escape(key[-_END:]), len(key)
    forms = re.compile(
        rf"{re.escape(key)}|{head}{_SHOWN}{{0,{most}}}?(?={_GAP})|{_GAP}{_SHOWN}{{0,{most}}}?{tail}"
    )
    places = [place for place, character in enumerate(text) if not character.isspace()]
    # A few letters grow when they are lowered; they would shift the places, and no key holds them.
    flat = "".join(low if len(low := text[place].lower()) == 1 else "?" for place in places)
    kept, at = [], 0
    for found in forms.finditer(flat):
        kept += [text[at : places[found.start()]], mask]
        at = places[found.end() - 1] + 1
    return "".join([*kept, text[at:]])
