"""Text as full-text search takes it, and a person's words as a query that can never be an error.

SQLite's FTS5 splits text at spaces and punctuation, and takes case and accents as one. Chinese, Japanese
and Korean have no spaces that help, so each of their characters is made a word of its own; a run of
them is then found as a phrase. Forms of a letter or digit that are one but for their looks, such as
full-width ones, ligatures and half-width kana, are brought to one (Unicode form KC) in what is indexed
and in what is searched for. Raised and lowered digits and fractions stay, as does all punctuation:
10² is not 102, and an excerpt is read by people.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from rise_cli.core.controls import printable
from rise_cli.errors import UsageError

# Kana, Han with its extensions and compatibility forms, Hangul syllables.
_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_CHARACTER = re.compile(f"([{_ALONE}])")
# Letters and digits but ASCII, raised, lowered and fractions; with them the marks that voice a kana. In
# parts, since sorting a long run of marks takes quadratic time.
_FORMS = re.compile(
    r"(?:[^\W_\x00-\x7f\xb2\xb3\xb9\xbc-\xbe\u2070-\u209f\u2150-\u215f\u2189]|[\u3099\u309a]){1,200}"
)
_BREAK = "\u200b"  # zero width: it parts words, and leaves no trace where it is taken out


class Texts(NamedTuple):
    """What of a run can be searched, in the order of the columns of the index."""

    question: str
    answer: str
    replies: str
    context: str


def spaced(text: str) -> str:
    """Return `text` as it is put into the index: no control characters, one form and breaks as said above."""
    return _CHARACTER.sub(rf"{_BREAK}\1{_BREAK}", _FORMS.sub(_one_form, printable(text)))


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
        open_ended = word.endswith(("*", "＊"))  # the other one is full-width
        # A phrase without a letter or digit would match nothing, and everything with it.
        if any(character.isalnum() for character in text):
            terms.append(f'"{text}"{"*" if open_ended else ""}')
    if not terms:
        raise UsageError(f"there is no word to search for in {' '.join(words)!r}; give letters or digits")
    return " AND ".join(terms)


def _one_form(match: re.Match[str]) -> str:
    formed = unicodedata.normalize("NFKC", match[0])
    # Of some marks nothing would be left that could be searched for.
    return formed if any(character.isalnum() for character in formed) else match[0]
