"""Text from outside, made safe to show: no terminal control, no reordering of what is read.

Replies, provider errors and the output of checks are data. `printable` is what stands between them
and a terminal; markup is the renderers' business (they never interpret any).
"""

from __future__ import annotations

import re

# C0 but newline and tab, DEL, C1; the bidi marks, embeddings, overrides and isolates; the line and
# paragraph separators, which some terminals treat as line feeds; and lone surrogates, which no
# stream could encode.
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return `text` without terminal controls, bidi controls and lone surrogates.

    Newlines and tabs stay; a carriage return before a newline goes with the other controls.
    """
    return UNSAFE.sub("", text)
