"""What stdout holds: the answer alone."""

from __future__ import annotations

from rise_cli.core.controls import printable
from rise_cli.core.domain import Finish


def answer_text(finish: Finish, full: bool = False) -> str:
    """Return the winning answer, or with `full` the whole reply that it stands in.

    Safe to print, and it ends with exactly one newline. Empty where there is no winner.
    """
    if finish.winner is None:
        return ""
    text = finish.winner.reply if full else finish.winner.answer or ""
    return printable(text).rstrip().lstrip("\n") + "\n"
