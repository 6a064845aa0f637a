"""What well-known data sets call their parts, as problems: told by their columns, so that a copy under
another name, or a folder of one's own in the same form, is read alike.

gsm8k   question, answer ("... #### 18"): as any file with these fields; the reference is what follows ####
math    problem, level, type, solution: the reference is what the last \\boxed{} of the solution holds
mmlu    question, choices, answer (an index or a letter): the choices become lettered options below the
        question, and the reference is the letter

All other columns are kept as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_uppercase

from rise_cli.core.marks import last_box
from rise_cli.problems.content import Content, Fault, short

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class Preset:
    """How records with these `columns`, and none of `without`, are read."""

    name: str
    columns: frozenset[str]
    without: frozenset[str]
    read: Callable[[Record], Content]


def _math(record: Record) -> Content:
    rest = {name: value for name, value in record.items() if name != "solution"}
    solution = record["solution"]
    answer = last_box(solution) if isinstance(solution, str) else None
    return rest if answer is None else {**rest, "answer": answer}


def _mmlu(record: Record) -> Content:
    choices, letter = record["choices"], _letter(record["answer"])
    if not isinstance(choices, list) or not 2 <= len(choices) <= len(ascii_uppercase):
        return Fault(f"'choices' is {short(choices)}; it must be a list of 2 to {len(ascii_uppercase)}")
    if letter is None or letter not in ascii_uppercase[: len(choices)]:
        return Fault(f"'answer' is {short(record['answer'])}, which is none of its {len(choices)} choices")
    options = "\n".join(f"{name}) {text}" for name, text in zip(ascii_uppercase, choices, strict=False))
    rest = {name: value for name, value in record.items() if name != "choices"}
    return {**rest, "question": f"{record['question']}\n\n{options}", "answer": letter}


def _letter(answer: object) -> str | None:
    """The letter of an index from 0, or of what is a letter already."""
    if isinstance(answer, int) and 0 <= answer < len(ascii_uppercase):
        return ascii_uppercase[answer]
    text = answer.strip().upper() if isinstance(answer, str) else ""
    if text.isdecimal():
        return _letter(int(text))
    return text if len(text) == 1 else None


PRESETS = (
    Preset("gsm8k", frozenset({"question", "answer"}), frozenset({"choices"}), dict),
    Preset("math", frozenset({"problem", "solution"}), frozenset({"answer"}), _math),
    Preset("mmlu", frozenset({"question", "choices", "answer"}), frozenset(), _mmlu),
)


def preset_for(columns: frozenset[str]) -> Preset | None:
    """The preset that fits a data set with these columns; None where it is read like a file of its own."""
    return next((p for p in PRESETS if p.columns <= columns and not p.without & columns), None)
