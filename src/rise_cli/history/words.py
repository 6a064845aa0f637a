"""Text as full-text search takes it, and a person's words as a query that can never be an error.

SQLite's FTS5 splits text at spaces and punctuation. Chinese, Japanese and Korean have no spaces that
help, so each of their characters is made a word of its own; a run of them is then found as a phrase.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rise_cli.core.controls import printable
from rise_cli.errors import UsageError

# Kana, Han with its extensions and compatibility forms, Hangul syllables.
_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_CHARACTER = re.compile(f"([{_ALONE}])")
_BREAK = "\u200b"  # zero width: it parts words, and leaves no trace where it is taken out


class Texts(NamedTuple):
    """What of a run can be searched, in the order of the columns of the index."""

    question: str
    answer: str
    replies: str
    context: str


def spaced(text: str) -> str:
    """Return `text` as it is put into the index: no control characters, and breaks as said above."""
    return _CHARACTER.sub(rf"{_BREAK}\1{_BREAK}", printable(text))


def joined(text: str) -> str:
    """Return text from the index as a person reads it."""
    return text.replace(_BREAK, "")


def query(words: Sequence[str]) -> str:
    """Return the query for entries that hold all the words. A `*` at the end of one stands for any ending.

    Raises UsageError where nothing in them can be searched for.
    """
    terms = []
    for word in " ".join(words).split():
        text = spaced(word).replace('"', " ")
        # A phrase without a letter or digit would match nothing, and everything with it.
        if any(character.isalnum() for character in text):
            terms.append(f'"{text}"{"*" if word.endswith("*") else ""}')
    if not terms:
        raise UsageError(f"there is no word to search for in {' '.join(words)!r}; give letters or digits")
    return " AND ".join(terms)
