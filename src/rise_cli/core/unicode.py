"""Unicode forms: many ways to write a character, brought to one, in linear time."""

from __future__ import annotations

import re
import unicodedata

_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0x00A0: 0x20}
_SUPERSCRIPT = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_FRACTION = re.compile("[¼½¾⅐-⅞]")
_PUNCTUATION = str.maketrans("−‐‑‒–﹣⁄∕×∗⋅·", "------//****")


def half_width(text: str) -> str:
    """Full-width letters, digits and punctuation as their ASCII twins. Every position stays."""
    return text if text.isascii() else text.translate(_HALF_WIDTH)


def nfkc(text: str) -> str:
    """Unicode normal form KC.

    Words of over 200 characters are normalised in parts: sorting a long run of combining marks
    takes quadratic time.
    """
    if text.isascii():
        return text
    return re.sub(r"\S{1,200}", lambda match: unicodedata.normalize("NFKC", match[0]), text)


def ascii_forms(text: str) -> str:
    """NFKC that keeps the meaning of numbers: `10³` becomes `10^3` and `1½` becomes `1 1/2`; the
    many minus, fraction and times signs become `-`, `/` and `*`; digits of any script are ASCII."""
    if text.isascii():
        return text
    text = _SUPERSCRIPT.sub(lambda match: "^" + _power(match[0].translate(_RAISED)), text)
    text = _FRACTION.sub(lambda match: " " + match[0], text)
    text = nfkc(text).translate(_PUNCTUATION)
    return "".join(str(unicodedata.decimal(char, char)) if not char.isascii() else char for char in text)


def _power(digits: str) -> str:
    return digits if len(digits) == 1 else "{" + digits + "}"
