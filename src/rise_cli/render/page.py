"""The sheet that blocks are set on: how wide it is, which signs it can show, how text is fitted.

Text from outside enters through `quoted`, `clip`, `fold` and `marked`, which take its controls away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple, TypeVar

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from rise_cli.core.controls import printable
from rise_cli.render.changes import Piece

T = TypeVar("T")

INDENT = "  "
"""Before every line that is not ours. Our own lines start at the margin, so none can be forged."""

COLUMN = 44
"""Cells that a block needs at least to stand beside another."""


class Signs(NamedTuple):
    """The few characters beyond letters that we draw with."""

    rule: str
    arrow: str
    dot: str
    more: str
    bar: str
    wall: str


UNICODE = Signs(rule="──", arrow="→", dot="·", more="…", bar="█", wall=" │ ")
ASCII = Signs(rule="--", arrow=">", dot="-", more="...", bar="#", wall=" | ")

_MARKS = {"-": ("red strike", "[-", "-]"), "+": ("green", "{+", "+}"), " ": ("", "", "")}


@dataclass(frozen=True, slots=True)
class Page:
    """A console as the blocks see it; with `cells`, a column of it that is so wide."""

    console: Console
    cells: int | None = None

    @property
    def width(self) -> int:
        return max(self.cells or self.console.width, 16)

    @property
    def signs(self) -> Signs:
        return ASCII if self.console.options.ascii_only else UNICODE

    def clip(self, text: str, cells: int) -> str:
        """Return the start of `text` on one line of at most `cells` cells, marked where it was cut."""
        # No more characters than could show, so that a reply of a megabyte costs no more than a word.
        line = " ".join(printable(text[: 40 * max(cells, 1)]).split())
        if cell_len(line) <= cells:
            return line
        room = max(cells - cell_len(self.signs.more), 1)
        return chop_cells(line, room)[0].rstrip() + self.signs.more

    def quoted(self, text: str, style: str = "") -> list[Text]:
        """Return the lines of `text`, wrapped and indented."""
        return self._wrapped(Text(printable(text).strip("\n").rstrip(), style=style, tab_size=4))

    def marked(self, pieces: Sequence[Piece]) -> list[Text]:
        """Return the lines around what came and went; what stayed as it was is counted.

        Without colour, what went stands in `[- -]` and what came in `{+ +}`.
        """
        body = Text(tab_size=4)
        for mark, text in pieces:
            style, left, right = _MARKS[mark]
            plain = self.console.color_system is None
            body.append(f"{left}{printable(text)}{right}" if plain else printable(text), style)
        lines = self._wrapped(body)
        changed = {at for at, line in enumerate(lines) if any(span.end > span.start for span in line.spans)}
        near = {at + step for at in changed for step in (-1, 0, 1)}
        shown: list[Text] = []
        same: list[Text] = []
        for at, line in enumerate([*lines, None]):
            if line is not None and at not in near:
                same.append(line)
                continue
            shown += same if len(same) <= 1 else [self._note(f"{len(same):,} lines as before")]
            same = []
            shown += [] if line is None else [line]
        return shown

    def fold(self, text: str, lines: int, style: str = "") -> list[Text]:
        """Return the first `lines` of the lines of `text`, and how many were left out."""
        return self.cut(self.quoted(text, style), lines)

    def cut(self, lines: list[Text], most: int) -> list[Text]:
        """Return the first `most` lines, and how many were left out."""
        left = len(lines) - most
        if left <= 1:  # the line that says so would take as much room
            return lines
        return [*lines[:most], self._note(f"{left:,} more lines")]

    def flow(self, parts: list[Text], lead: str) -> list[Text]:
        """Return `parts` side by side with dots between, broken only between parts, after `lead`.

        Lines after the first are indented as far as `lead` reaches, also those of a part that is
        too long for one line.
        """
        joint = Text(f" {self.signs.dot} ", style="dim")
        room = max(self.width - cell_len(lead), 8)
        rows: list[Text] = []
        for part in parts:
            if rows and rows[-1].cell_len + joint.cell_len + part.cell_len <= room:
                rows[-1] = Text.assemble(rows[-1], joint, part)
            else:
                wrapped = part.wrap(self.console, room)
                for row in wrapped:
                    row.rstrip()
                rows += wrapped
        hang = " " * cell_len(lead)
        return [Text.assemble(hang if at else lead, row) for at, row in enumerate(rows)]

    def abreast(self, blocks: int) -> int:
        """Return how many of so many blocks stand side by side, in rows as even as can be."""
        most = max((self.width + len(self.signs.wall)) // (COLUMN + len(self.signs.wall)), 1)
        rows = -(-max(blocks, 1) // most)
        return -(-max(blocks, 1) // rows)

    def beside(self, blocks: Sequence[T], draw: Callable[[T, Page], list[Text]]) -> list[list[Text]]:
        """Return rows of blocks side by side, as many as fit, else each below the other.

        `draw` sets one of them on the column that it gets.
        """
        many = self.abreast(len(blocks))
        return [self._row(blocks[at : at + many], draw) for at in range(0, len(blocks), many)]

    def _row(self, blocks: Sequence[T], draw: Callable[[T, Page], list[Text]]) -> list[Text]:
        if len(blocks) == 1:
            return draw(blocks[0], self)
        wall = Text(self.signs.wall, style="dim")
        cells = (self.width - (len(blocks) - 1) * len(wall)) // len(blocks)
        columns = [draw(block, Page(self.console, cells)) for block in blocks]
        rows = []
        for lines in zip_longest(*columns):
            fitted = [line.copy() if line else Text() for line in lines]
            for line in fitted:
                line.truncate(cells, overflow="crop", pad=True)
            row = wall.join(fitted)
            row.rstrip()
            rows.append(row)
        return rows

    def show(self, lines: list[Text]) -> None:
        """Print `lines` as they are: fitted already, or left to the terminal to break."""
        if lines:
            self.console.print(Text("\n").join(lines), soft_wrap=True)

    def _wrapped(self, body: Text) -> list[Text]:
        lines = body.wrap(self.console, self.width - len(INDENT))
        for line in lines:
            line.rstrip()
            if line:
                line.pad_left(len(INDENT))
        return list(lines)

    def _note(self, words: str) -> Text:
        return Text(f"{INDENT}{self.signs.more} {words}", style="dim")
