"""Lettered options: which ones a question lists, and which one an answer names."""

from __future__ import annotations

import re
from collections import Counter, deque
from string import ascii_uppercase

from rise_cli.core.domain import Kind
from rise_cli.core.unicode import half_width

# "A) ..", "(A) ..", "[A] ..", "A. ..", "A: ..", "A、..", also in a list or in bold, at the start of a line.
_LINE = re.compile(
    r"(?m)^[ \t>*_•\-]{0,12}(?:[(\[【]([A-Z])[)\]】]|([A-Z])(?:[).、]|(:)))"
    r"(?=[*_]{0,3}(?:[ \t]|[^\W\d_]{2}|[-$\\\d(]))"
)
# "a) ..", "(a) ..", "a. .." at the start of a line, as the parts of a task also are.
_LOWER_LINE = re.compile(
    r"(?m)^[ \t>*_•\-]{0,12}(?:[(\[]([a-z])[)\]]|([a-z])[).])(?=[*_]{0,3}[ \t]{1,9}\S)(?P<text>[^\n]*)"
)
_PART = re.compile(
    r"[*_ \t]{0,12}(?:what|why|how|when|where|which|who|is|are|does|do|can|compute|calculate|find|show|prove|"
    r"determine|evaluate|explain|describe|define|derive|discuss|state|give|list|name|write|draw|sketch|plot|"
    r"solve|simplify|factor|estimate|verify|compare|use|using|suppose|let|if|implement|identify)(?![A-Za-z])"
    r"|.{0,999}\?\s*$",
    re.IGNORECASE,
)
_FEWEST_LOWER = 3
# "(A) x (B) y" and "A) x B) y" within a line.
_INLINE = re.compile(r"(?<![A-Za-z0-9_(])(?:\(([A-Z])\)|([A-Z])\))(?=\s?[^\s,;)?])")
# "A. x B. y C. z" within a line looks like initials too: it must start a sentence.
_DOTTED = re.compile(r"(?<![A-Za-z0-9_.,&])(?<!and )([A-Z])[.、](?=\s?[^\s,;.])")
_SENTENCE_START = re.compile(r"(?:^|[?!:.\n])\s*$")

_LONGEST_QUESTION = 1_000_000
_MOST = 4_096


def fix_kind(kind: Kind, question: str) -> tuple[Kind, tuple[str, ...]]:
    """Decide before turn 1 what the answer is: the kind, and the letters on offer.

    `auto` becomes `choice` where the question lists at least two options lettered consecutively from
    A, or on lines of their own at least three from a that are no questions or tasks; letters are
    upper-case. The letters are empty for other kinds, and for an explicit `choice` whose options are not
    recognised: any letter is then an answer.
    """
    if kind not in (Kind.AUTO, Kind.CHOICE):
        return kind, ()
    letters = _listed(half_width(question[-_LONGEST_QUESTION:]))
    if letters:
        return Kind.CHOICE, letters
    return kind, ()


def _listed(question: str) -> tuple[str, ...]:
    upper = _upper_case(question) if "A" in question and "B" in question else ()
    return upper or _lower_case(question)


def _upper_case(question: str) -> tuple[str, ...]:
    lines = list(_LINE.finditer(question))
    asked = Counter(match[2] for match in lines if match[3])
    if asked["A"] > 1:  # "A: .. B: .. A: .." is a dialogue
        lines = [match for match in lines if not match[3]]
    run = _run([match[1] or match[2] for match in lines])
    if run:
        return run
    run = _run([match[1] or match[2] for match in _INLINE.finditer(question)])
    if run and not re.search(r"\(?A\)[ \t]*(?:and|or|,|&|/)[ \t]*\(?B\)", question):
        return run
    dotted = list(_DOTTED.finditer(question))
    starts = [
        m
        for m in dotted
        if m[1] != "A" or _SENTENCE_START.search(question[max(0, m.start() - 8) : m.start()])
    ]
    return _run([match[1] for match in starts])


def _lower_case(question: str) -> tuple[str, ...]:
    if question.count("\n") < _FEWEST_LOWER - 1:
        return ()
    lines = list(_LOWER_LINE.finditer(question))
    if any(_PART.match(match["text"]) for match in lines):
        return ()
    run = _run([(match[1] or match[2]).upper() for match in lines])
    return run if len(run) >= _FEWEST_LOWER else ()


def _run(letters: list[str]) -> tuple[str, ...]:
    """The last run A, B, .. of at least two letters: earlier ones belong to worked examples."""
    best = 0
    length = 0
    for letter in letters:
        if letter == "A":
            length = 1
        elif length and length < 26 and letter == ascii_uppercase[length]:
            length += 1
        else:
            length = 0
        if length == 2:
            best = 0
        if length >= 2:
            best = max(best, length)
    return tuple(ascii_uppercase[:best])


# A letter that stands for itself at the start: "B", "(B)", "B.", "B) Paris", "B: Paris", "option b".
_LEADING = re.compile(
    r"[\s(\[{*_\"'$]{0,12}(?:\\text(?:bf|rm|it)?\s?\{[(\s]{0,4})?(?:(?:option|choice|letter|answer)\s{1,4}[(\[*]{0,4})?"
    r"(?P<letter>[A-Z])(?P<after>[)\]}*_\"'$.\s]*$|[)\]}.:、]|[*_]{1,3}(?![\w])|\s+[-–—(=]|\s?,\s)",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"\(?[A-Z]\)?(?:\s{0,3}(?:[,;/&、和与]\s{0,3}(?:(?:and|or)\s{1,3})?|(?:and|or)\s{1,3})\(?[A-Z]\)?){1,25}",
    re.IGNORECASE,
)
_STANDING = re.compile(r"(?<![A-Za-z0-9_'’\\-])([A-Z])(?![A-Za-z0-9_'’-])")
_WORD_FOLLOWS = re.compile(r"[ \t]{1,9}(?!(?:and|or|is|was|because|since|as|seems|would)\b)[a-z]|['’]")
_NAMED = re.compile(
    r"(?:选|選|\b(?:option|choice|letter|answer))\s{0,4}(?:is\s{1,4})?[(\[*]{0,4}$", re.IGNORECASE
)


def leading_letter(answer: str) -> str | None:
    """The upper-case letter that an answer consists of or opens with, as in `(b) Paris`; else None."""
    match = _LEADING.match(half_width(answer[:400]).strip())
    return match["letter"].upper() if match else None


def letters(answer: str) -> str | None:
    """The letter that an answer opens with or consists of, or its letters in order: `A,C`; else None."""
    if _LIST.fullmatch(answer[:400].strip()):
        return ",".join(sorted(set(re.findall(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])", answer.upper()))))
    return leading_letter(answer)


def named_letter(answer: str, choices: tuple[str, ...]) -> str | None:
    """The one letter of `choices` (empty: A to Z) that a short answer names; None where none or
    several are named: "B and C" is no letter."""
    text = half_width(answer)
    found = set(_standing(text, choices))
    if len(found) > 1 or _LIST.fullmatch(text.strip()):
        return None
    leading = leading_letter(text)
    if leading and (not choices or leading in choices):
        return leading if not found or found == {leading} else None
    return found.pop() if found else None


def last_letter(reply: str, choices: tuple[str, ...]) -> str | None:
    """The last letter of `choices` (empty: A to Z) that stands alone in a reply, or None."""
    text = half_width(reply)
    for match in reversed(deque(_STANDING.finditer(text), _MOST)):
        if _stands(text, match, choices):
            return match[1]
    return leading_letter(reply) if len(reply) < 10 else None


def _standing(text: str, choices: tuple[str, ...]) -> list[str]:
    return [match[1] for match in _STANDING.finditer(text) if _stands(text, match, choices)]


def _stands(text: str, match: re.Match[str], choices: tuple[str, ...]) -> bool:
    """Whether the letter is on offer, and neither the article "A" nor the pronoun "I"."""
    letter = match[1]
    if choices and letter not in choices:
        return False
    if letter not in "AI" or _NAMED.search(text[max(0, match.start() - 20) : match.start()]):
        return True
    word = _WORD_FOLLOWS.match(text, match.end())
    return word is None and (letter == "A" or bool(choices))
