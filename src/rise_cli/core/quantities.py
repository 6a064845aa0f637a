"""Numbers as people and models write them, read by exact value.

`quantity` reads a whole answer that is one number (`1,234`, `1/2`, `.5`, `3 1/2`, `1.5e3`, `$18`,
`18 dollars`, `5 million`, `\\frac{1}{2}`, `50%`); `numbers_in` finds the numbers in running text.
Everything is bounded: no notation, however hostile, makes a value of more than 1,000 digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from rise_cli.core.domain import Kind
from rise_cli.core.unicode import ascii_forms

# Longer than this no answer is a number: a value keeps at most 1,000 digits, and its `n/d` form
# must be readable again.
_LONGEST = 1_100
_MOST_DIGITS = 1_000


class Quantity(NamedTuple):
    """A number's exact value; `percent` says that it was written as a percentage (`50%` has value 1/2)."""

    value: Fraction
    percent: bool


_GROUPED = (
    r"(?:\d{1,3}(?:,\d{3}){1,20}+|\d{1,3}(?: \d{3}){1,20}+|\d{1,3}(?:'\d{3}){1,20}+|\d{1,3}(?:_\d{3}){1,20}+"
    r"|\d{1,2}(?:,\d{2}){1,8},\d{3})(?![\d,'_]?\d)"
)
_DECIMAL = rf"(?:{_GROUPED}(?:\.\d*+)?|\d++(?:\.\d*+)?|\.\d++)"
_POWER = r"(?:\^|\*\*)\s?(?:\{\s?(?P<%s>[-+]?\s?\d{1,9})\s?\}|(?P<%s>[-+]?\d{1,9}))"
_CURRENCY = (
    r"(?:US|A|C|CA|AU|NZ|HK)?\$|[€£¥₹₩₽₺₫₪฿₴₦]|(?:USD|EUR|GBP|CNY|RMB|JPY|INR|CHF|AUD|CAD|Rs\.?)(?![a-z])"
)
_APPROXIMATELY = r"(?:about|approximately|approx\.?|around|roughly|circa|ca\.|[~≈=]|约为?|大约|大概)"

_WHOLE = re.compile(
    rf"(?:{_APPROXIMATELY}\s*){{0,3}}(?P<sign>[-+]?)\s?(?:{_CURRENCY})?\s?(?P<inner>[-+]?)\s?"
    rf"(?:10\s?{_POWER % ('ten1', 'ten2')}"
    rf"|(?P<whole>\d{{1,30}}+)\s(?P<top>\d{{1,30}}+)/(?P<bottom>\d{{1,30}}+)"
    rf"|(?P<number>{_DECIMAL})(?:e(?P<e>[-+]?\d{{1,9}}+))?(?:\s?/\s?(?P<over>{_DECIMAL}))?"
    rf"(?:\s?[*x]\s?10\s?{_POWER % ('exp1', 'exp2')})?)"
    r"(?P<rest>(?!\d).*)",
    re.IGNORECASE | re.DOTALL,
)

_SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "百": 100,
    "千": 1_000,
    "万": 10**4,
    "亿": 10**8,
}
_SCALE = re.compile(
    r"\s*(?:(dozen|hundred|thousand|million|billion|trillion)(?![a-z])|([百千万亿]))", re.IGNORECASE
)
_PERCENT = re.compile(r"\s*(?:%|(?:percent(?:age points?)?|per cent)(?![a-z]))", re.IGNORECASE)

_WRITTEN_UNIT = re.compile(r"\\(?:text|textrm|textbf|textit|mathrm|mbox)\s?\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dtc]?frac\s?(?:\{\s?(\d{1,400})\s?\}\s?\{\s?(\d{1,400})\s?\}|(\d)(\d))")
_INVISIBLE = re.compile(r"\\[!,;:> ]|(?<=\d)\{,\}(?=\d)|~(?=\d{3})")
_WORD = re.compile(r"[A-Za-zµμΩ°$€£¥][A-Za-z'’.\-]*")

# Units that stand right behind a number ("5km"); single letters are left out: "5m" may be algebra.
_SHORT_UNITS = re.compile(
    r"km|cm|mm|nm|mi|ft|in|yd|kg|mg|lb|lbs|oz|ml|cl|dl|kl|hr|hrs|min|mins|sec|secs|ms|ns|hz|khz|mhz|"
    r"ghz|kw|kwh|mw|wh|kj|cal|kcal|pa|kpa|mpa|psi|kb|mb|gb|tb|kib|mib|gib|mph|kph|kmh|bps|fps|rpm|ph|"
    r"db|ev|kev|mev|mol|atm|usd|eur|gbp|cny|rmb|jpy|inr|chf|aud|cad|cc|sq|cu|pt|qt|gal|rad|deg|pts|px"
)
_LETTER_UNITS = re.compile("[mgshlLtKCFNJWVA]")
_COMMON_UNITS = re.compile(
    r"dollar|dollars|cent|cents|euro|euros|pound|pounds|yen|yuan|rupee|rupees|degree|degrees|celsius|"
    r"fahrenheit|kelvin|hour|hours|minute|minutes|second|seconds|day|days|week|weeks|month|months|"
    r"year|years|meter|meters|metre|metres|kilometers|kilometres|miles|feet|foot|inches|inch|grams|"
    r"kilograms|liters|litres|people|points|units|apples"
)
# Words after a number that change what it says: "5 and a half", "10 pm", "4 July", "44 BC", "3rd".
_NO_UNITS = re.compile(
    r"and|or|to|plus|minus|times|by|over|out|of|not|is|are|if|because|squared|cubed|factorial|root|"
    r"half|halves|third|thirds|fourth|fourths|fifth|fifths|sixth|sixths|eighth|eighths|tenth|tenths|"
    r"pi|st|nd|rd|th|x|y|z|n|k|am|pm|a\.m|p\.m|bc|ad|bce|ce|north|south|east|west|ago|after|before|"
    r"later|earlier|left|right|up|down|january|february|march|april|may|june|july|august|september|"
    r"october|november|december|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|one|two|three|four|"
    r"five|six|seven|eight|nine|ten"
)
_NO_CJK_UNITS = re.compile(r"[月日号號点點时時分半和或一二三四五六七八九十百千万亿]")


def quantity(answer: str, kind: Kind = Kind.AUTO) -> Quantity | None:
    """The value of an answer that is one number, or None if it is not (or has over 1,000 digits).

    A sign, "about", a currency, a scale word and one unit may stand around the number. What may be a
    unit depends on `kind`: for `number` any words that do not change the value; otherwise at most three
    words, not capitalised unless well known ("12 Angry Men" is no number); for `math` no bare letters
    ("2k" is algebra).
    """
    if len(answer) > _LONGEST:
        return None
    return _short_quantity(answer, kind) if len(answer) <= _LONGEST_REMEMBERED else _quantity(answer, kind)


def _quantity(answer: str, kind: Kind) -> Quantity | None:
    match = _WHOLE.fullmatch(_tidy(answer))
    if match is None:
        return None
    value = _value(match)
    if value is None:
        return None
    rest = match["rest"]
    for _ in range(3):
        scale = _SCALE.match(rest)
        if scale is None:
            break
        value *= _SCALES[(scale[1] or scale[2]).lower()]
        rest = rest[scale.end() :]
    percent = _PERCENT.match(rest)
    if percent:
        value /= 100
        rest = rest[percent.end() :]
    if not _is_unit(rest, kind) or _digits(value) > _MOST_DIGITS:
        return None
    return Quantity(value, percent is not None)


# An answer is compared with each candidate, and again with the reference.
_short_quantity = lru_cache(maxsize=1024)(_quantity)
_LONGEST_REMEMBERED = 200


def _tidy(answer: str) -> str:
    """Plain characters, no LaTeX dressing, no emphasis, quotation marks or final full stop."""
    text = ascii_forms(answer)
    if "\\" in text or "$" in text or "{" in text:
        text = _undressed(text)
    return text.strip(" \t\r\n*\"'`_").rstrip(".。 ").strip(" \t\r\n*\"'`_")


def _undressed(text: str) -> str:
    text = text.strip()
    for opening, closing in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
        if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening + closing):
            text = text[len(opening) : -len(closing)].strip()
            break
    text = _INVISIBLE.sub(lambda m: "," if m[0] == "{,}" else "", text)
    text = text.replace("\\$", "$").replace("\\%", "%").replace("\\approx", "~")
    text = text.replace("^{\\circ}", "°").replace("^\\circ", "°")
    text = text.replace("\\times", "*").replace("\\cdot", "*")
    text = _WRITTEN_UNIT.sub(r" \1", text)
    text = _FRACTION.sub(lambda m: f" {m[1] or m[3]}/{m[2] or m[4]}", text)
    return " ".join(text.split())


def _value(match: re.Match[str]) -> Fraction | None:
    exponent = int((match["exp1"] or match["exp2"] or match["ten1"] or match["ten2"] or "0").replace(" ", ""))
    exponent += int(match["e"] or 0)
    if abs(exponent) > _MOST_DIGITS:
        return None
    if match["whole"]:
        bottom = int(match["bottom"])
        value = int(match["whole"]) + Fraction(int(match["top"]), bottom) if bottom else None
    elif match["number"]:
        over = _decimal(match["over"] or "1")
        value = _decimal(match["number"]) / over if over else None
    else:
        value = Fraction(1)
    if value is None:
        return None
    negative = (match["sign"] == "-") != (match["inner"] == "-")
    return (-value if negative else value) * Fraction(10) ** exponent


def _decimal(numeral: str) -> Fraction:
    return Fraction(re.sub(r"[, '_]", "", numeral).rstrip("."))


def _digits(value: Fraction) -> int:
    """How many decimal digits numerator and denominator have together, cheaply, rounded up."""
    return int((value.numerator.bit_length() + value.denominator.bit_length()) * 0.30103) + 2


def _is_unit(rest: str, kind: Kind) -> bool:
    attached = rest[:1].isalpha() and rest[:1].isascii()
    rest = re.sub(r"(?<=[A-Za-z])(?:\^\{?[23]\}?|(?<=m)[23](?![\dA-Za-z]))", "", rest).strip(" .。,;")
    if not rest.isascii() and re.fullmatch(r"\s*[\u4e00-\u9fff]{1,4}\s*", rest):
        return _NO_CJK_UNITS.search(rest) is None
    words = [word for word in re.split(r"[\s/·*]+", rest) if word]
    if len(words) > (8 if kind is Kind.NUMBER else 3):
        return False
    if attached and words and not _SHORT_UNITS.fullmatch(words[0].lower()):
        return False
    return all(_is_unit_word(word, kind) for word in words)


def _is_unit_word(word: str, kind: Kind) -> bool:
    folded = word.lower().rstrip(".")
    if not _WORD.fullmatch(word) or _NO_UNITS.fullmatch(folded):
        return False
    if _SHORT_UNITS.fullmatch(folded) or _COMMON_UNITS.fullmatch(folded) or word[0] in "°$€£¥µμΩ":
        return True
    if len(word) == 1:
        return kind is not Kind.MATH and _LETTER_UNITS.fullmatch(word) is not None
    if kind is Kind.MATH:
        return len(word) > 3 and word.islower()
    return kind is Kind.NUMBER or word.islower() or word.isupper()


_IN_TEXT = re.compile(
    r"(?=[\d.\\])(?:\\[dtc]?frac\s?\{\d{1,99}\}\s?\{\d{1,99}\}"
    rf"|(?<![A-Za-z0-9_^.\\])(?:\d{{1,30}}+ \d{{1,9}}+/\d{{1,9}}+(?![\d/])|{_DECIMAL}(?:[eE][-+]?\d{{1,4}}+)?"
    r"(?:/\d{1,30}+(?:\.\d{1,30}+)?)?(?:\s?[×x*]\s?10\^\{?[-+]?\d{1,4}+\}?)?))(?!(?:st|nd|rd|th)\b)"
    r"(?P<tail>\s?(?:%|\\%|percent\b|(?:dozen|hundred|thousand|million|billion|trillion)\b|[万亿]))?",
    re.IGNORECASE,
)
_SIGN = re.compile(
    rf"(?<![\w)\]}}%])[-−]\s?(?:{_CURRENCY})?$|(?:{_CURRENCY})(?P<inner>[-−])?$", re.IGNORECASE
)
_LIST_MARK = re.compile(r"(?m)^[ \t]{0,8}\d{1,3}[.)][ \t]{1,8}(?=\S)")


class Numeral(NamedTuple):
    """A number found in text: where it stands and its text, without currency and unit."""

    start: int
    end: int
    text: str


def numbers_in(text: str) -> Iterator[Numeral]:
    """The numbers in running text, in order. List marks (`2. `), ordinals (`3rd`) and digits inside
    words (`H2O`) are none; a percent sign or a scale word belongs to its number. Linear in the text."""
    text = _LIST_MARK.sub(lambda match: " " * len(match[0]), text)
    for match in _IN_TEXT.finditer(text):
        start = match.start()
        body = text[start : match.end() if match["tail"] is None else match.start("tail")].rstrip(".")
        nearby = max(0, start - 8)
        before = _SIGN.search(text[nearby:start])
        negative = before is not None and (before["inner"] or before[0][0] in "-−")
        first = nearby + before.start() if before else start
        yield Numeral(first, match.end(), ("-" if negative else "") + body + (match["tail"] or ""))
