"""Canonical forms: two answers are the same if, but not only if, their forms are equal.

Numbers become their exact value (`1/2`), choices their letter, text loses what does not change its
meaning, and formulas get one spelling of LaTeX. `equal` says what can be said without algebra; what
it leaves open is for `rise_cli.compare`. Canonical forms are stable: that of a form is itself.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rise_cli.core.choices import letters
from rise_cli.core.domain import Kind
from rise_cli.core.quantities import quantity
from rise_cli.core.unicode import ascii_forms, nfkc

_LONGEST_FORMULA = 500
"""Longer answers are compared as text alone."""


def canonical(answer: str, kind: Kind = Kind.AUTO) -> str:
    """The canonical form of an answer of this kind. Cheap, and never fails.

    - a number by exact value: sign, "about", grouping, fractions, units and currency aside. A percentage
      is its hundredth, for every kind: `50%` is `0.5` and never `50`. Beyond 1,000 digits it is text.
    - a choice by its upper-case letter, several by theirs in order (`A,C`).
    - text by case, spacing, quotation marks, emphasis, final full stop and Unicode form (NFKC).
    - a formula (`auto`, `number`, `math`) by one spelling: no delimiters, no optional spaces or sizes.
    """
    return _short_canonical(answer, kind) if len(answer) <= _LONGEST_REMEMBERED else _canonical(answer, kind)


def equal(a: str, b: str, kind: Kind = Kind.AUTO) -> bool | None:
    """Whether two answers are the same as far as spelling tells; None if only algebra can tell."""
    if a == b or canonical(a, kind) == canonical(b, kind):
        return True
    left, right = quantity(a, kind), quantity(b, kind)
    if kind in (Kind.CHOICE, Kind.TEXT) or (left and right):
        return False
    if not (left or _is_formula(a, kind)) or not (right or _is_formula(b, kind)):
        return False
    if _is_equation(a, kind) != _is_equation(b, kind):
        return False
    if kind is not Kind.MATH and {_enclosed(a, kind), _enclosed(b, kind)} == {"set", "ordered"}:
        return False
    return None if _is_worth(a, kind) or _is_worth(b, kind) else False


def _canonical(answer: str, kind: Kind) -> str:
    for _ in range(8):  # one wrapping goes a round; nearly always the second round changes nothing
        form = _form(answer, kind)
        if form == answer:
            break
        answer = form
    return answer


# An answer is compared with each candidate, and again with the reference.
_short_canonical = lru_cache(maxsize=1024)(_canonical)
_LONGEST_REMEMBERED = 200


def _form(answer: str, kind: Kind) -> str:
    if kind is Kind.CHOICE:
        text = _text_form(_WRITTEN.sub(r"\1", answer))
        return letters(text) or text
    if kind is Kind.TEXT:
        return _text_form(answer)
    number = quantity(answer, kind)
    if number is not None:
        return str(number.value)
    if len(answer) <= _LONGEST_FORMULA and (
        kind is Kind.MATH or "\\" in answer or "$" in answer or _is_formula(answer, kind)
    ):
        return _formula_form(answer)
    text = _text_form(answer)
    # "12 Angry Men" in lower case would read as a number of men.
    return text if quantity(text, kind) is None else " ".join(nfkc(answer).split())


_EDGES = " \t\r\n\"'`*_“”‘’«»‹›「」『』„‚＂＇"
_QUOTATION = re.compile('["“”„«»「」『』`]')
_APOSTROPHE = str.maketrans("‘’‚‹›ʼ＇", "''''''" + "'")
_EMPHASIS = re.compile(
    r"(?<![\w*])\*{1,3}(?=[^\s*])|(?<=[^\s*])\*{1,3}(?![\w*])|(?<!\w)_{1,3}(?=[^\s_])|(?<=[^\s_])_{1,3}(?!\w)"
)
_SAID = re.compile(r"(yes|no|true|false|是|否|对|不是)[.,;:!。，；！]+")


def _text_form(answer: str) -> str:
    text = nfkc(nfkc(answer).casefold()).translate(_APOSTROPHE)
    text = _EMPHASIS.sub("", _QUOTATION.sub("", text))
    text = " ".join(text.split()).lstrip(_EDGES).rstrip(_EDGES + ".。｡")
    said = _SAID.fullmatch(text)
    return (said[1] if said else text) or " ".join(answer.split())


_UNICODE_MATH = {
    "π": "\\pi ",
    "θ": "\\theta ",
    "∞": "\\infty ",
    "≤": "\\le ",
    "≥": "\\ge ",
    "≠": "\\ne ",
    "±": "\\pm ",
    "∪": "\\cup ",
    "∩": "\\cap ",
    "∈": "\\in ",
    "∅": "\\emptyset ",
    "°": "",
    "÷": "/",
}
_ROOT = re.compile(r"√\s?(?:\(([^()]*)\)|(\d+|[A-Za-z]))")
_SYNONYMS = (
    (re.compile(r"\\(?:left|right|[Bb]igg?|displaystyle|q?quad)(?![A-Za-z])|(?<!\\)\\[!,;: ]|\$"), " "),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\^\s?\{?\\circ\}?"), ""),
    (re.compile(r"\\leq(?![A-Za-z])|<="), r"\\le "),
    (re.compile(r"\\geq(?![A-Za-z])|>="), r"\\ge "),
    (re.compile(r"\\(?:cdot|times)(?![A-Za-z])"), "*"),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?<![A-Za-z\\])pi(?![A-Za-z])"), r"\\pi "),
    (re.compile(r"(?<![A-Za-z\\])(?:infinity|inf|oo)(?![A-Za-z])"), r"\\infty "),
    (re.compile(r"(?<=\d)\{,\}(?=\d)"), ","),
    (re.compile(r"\^\{(\w)\}"), r"^\1"),
)
_DELIMITERS = re.compile(r"(?<!\\)\\[()\[\]]")
_WRITTEN = re.compile(r"\\(?:text|textrm|textbf|textit|mathrm|mathbf|mbox|operatorname)\s?\{([^{}]*)\}")
_LOOSE = re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])")


def formula(answer: str, kind: Kind = Kind.AUTO) -> str:
    """An answer in one spelling of LaTeX, without delimiters, ready to stand between dollar signs."""
    number = quantity(answer, kind)
    if number is not None:
        return str(number.value)
    text = answer.strip(_EDGES).rstrip(".。")
    if not text.isascii():
        for sign, command in _UNICODE_MATH.items():
            text = text.replace(sign, command)
        text = ascii_forms(_ROOT.sub(lambda m: f"\\sqrt{{{m[1] or m[2]}}}", text))
    text = _DELIMITERS.sub(" ", text)
    for pattern, replacement in _SYNONYMS:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


def _formula_form(answer: str) -> str:
    text = _LOOSE.sub("", _WRITTEN.sub(r"\1", formula(answer)))
    text = text.strip(_EDGES).rstrip(".。")
    return (text if "\\" in text else _text_form(text)) or answer


_FUNCTION = re.compile(
    "(?:arc)?(?:sin|cos|tan)|cot|sec|csc|log|ln|exp|sqrt|min|max|mod|and|or", re.IGNORECASE
)
_FORMULA_CHARACTERS = re.compile(r"[\w\s\\{}()\[\]^+\-*/=<>.,;:|!%'&]+", re.ASCII)
_DATE_OR_SCORE = re.compile(r"\d+(?:\s?[-/:.]\s?\d+)+")
_OPERATION = re.compile(
    r"[\\^=<>!]|[\w)}\]]\s*[*+/\-]\s*[\w(\\{]|^-\s*[A-Za-z(]|[(\[{][^,]*,|\d\s?[A-Za-z(]|[)}]\s?[\w(]|sqrt"
)


def _is_formula(answer: str, kind: Kind) -> bool:
    """Whether an answer is nothing but mathematics: no prose, no date, no score, not too long."""
    if len(answer) > _LONGEST_FORMULA or (kind is not Kind.MATH and _DATE_OR_SCORE.fullmatch(answer.strip())):
        return False
    text = re.sub(r"\\(?:begin|end)\{[a-z]+\}|\\[A-Za-z]+", " ", _WRITTEN.sub(" ", formula(answer, kind)))
    if not _FORMULA_CHARACTERS.fullmatch(text + " "):
        return False
    if kind is not Kind.MATH and _is_notation(answer, kind):
        return False
    longest = 3 if kind is Kind.MATH else 2
    return all(len(word) <= longest or _FUNCTION.fullmatch(word) for word in re.findall("[A-Za-z]+", text))


# Algebra would multiply what these name, so that `H2` were `2H`, `9 am` were `9 pm` and `e4 e5` were `e5 e4`.
_NOTATION = re.compile(
    r"(?<![A-Za-z])(?i:a\.?m|p\.?m|b\.?c|a\.?d|b\.?c\.?e|c\.?e)(?![A-Za-z])|\d:\d\d|[A-Za-z][\dA-Z]"
)
_WORDS_IN_A_ROW = re.compile(r"[A-Za-z]\s+[A-Za-z]")


def _is_notation(answer: str, kind: Kind) -> bool:
    """Whether letters in an answer stand for a time, a chemical, a square or a word, and not for numbers."""
    text = _WRITTEN.sub(r"\1", formula(answer, kind))
    text = re.sub(rf"\\[A-Za-z]+|(?<![A-Za-z])(?:{_FUNCTION.pattern})(?![A-Za-z])", "+", text)
    row = _WORDS_IN_A_ROW.search(text) is not None and "\\" not in formula(_WRITTEN.sub(r"\1", answer), kind)
    return row or _NOTATION.search(text) is not None


def _enclosed(answer: str, kind: Kind) -> str:
    """`set` for a list in braces, `ordered` for one in round or square brackets, else nothing."""
    text = formula(answer, kind)
    if "," not in text:
        return ""
    ends = text.removeprefix("\\")[:1] + text[-1:]
    return {"{}": "set", "()": "ordered", "[]": "ordered", "(]": "ordered", "[)": "ordered"}.get(ends, "")


_NAME = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?(?:\s?\(\s?[A-Za-z]\s?\))?")


def _is_equation(answer: str, kind: Kind) -> bool:
    """Whether an answer relates unknowns, as `x^2+y^2=1` does. `x=5` and `2+3=5` only name a value."""
    left, relation, _ = formula(answer, kind).partition("=")
    left = left.strip(" ()")
    return bool(relation and re.search("[A-Za-z]", left)) and _NAME.fullmatch(left) is None


def _is_worth(answer: str, kind: Kind) -> bool:
    """Whether there is something in an answer that algebra could see differently from spelling."""
    text = formula(answer, kind)
    bare = _WRITTEN.sub(" ", text)
    return _OPERATION.search(bare) is not None or (kind is Kind.MATH and "," in bare)
