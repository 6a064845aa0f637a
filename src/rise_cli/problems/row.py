"""A problem of a file, or why a line of it poses none."""

from __future__ import annotations

from dataclasses import dataclass

MADE_UP = "!line-"
"""What the ids of lines begin with that have none of their own; no problem may have such a one."""


@dataclass(slots=True)  # not frozen: making one would take three times as long, for every row
class Row:
    """A problem of the file. It is not to be changed.

    `index` counts the file's items, bad ones too, from 0; `line` is the first line of the record,
    from 1. `id` is unique in the file. `question` and `context` are trimmed and not empty. `reference`
    is the known right answer, of worked solutions as in GSM8K what follows `####`. `extra` is what
    the record holds besides, as JSON values. All texts can be encoded and hold no NUL.
    """

    index: int
    line: int
    id: str
    question: str
    context: str | None
    reference: str | None
    extra: dict[str, object]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line or record that poses no problem. `error` says what to do about it, in one sentence
    without the line's number. `id` is its own if it could be read; `taken` says that an item before it
    has that id."""

    index: int
    line: int
    id: str | None
    error: str
    taken: bool = False

    @property
    def name(self) -> str:
        """The id of its row, unique in the file: its own, if it has one that no item before it has."""
        return f"{MADE_UP}{self.line}" if self.id is None or self.taken else self.id
