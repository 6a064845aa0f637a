"""The sheet that blocks are set on: how wide it is, which signs it can show, how text is fitted.

Text from outside enters through `quoted`, `clip` and `fold`, which take its controls away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from rise_cli.core.controls import printable

INDENT = "  "
"""Before every line that is not ours. Our own lines start at the margin, so none can be forged."""


class Signs(NamedTuple):
    """The few characters beyond letters that we draw with."""

    rule: str
    arrow: str
    dot: str
    more: str
    bar: str


UNICODE = Signs(rule="──", arrow="→", dot="·", more="…", bar="█")
ASCII = Signs(rule="--", arrow=">", dot="-", more="...", bar="#")


@dataclass(frozen=True, slots=True)
class Page:
    """A console as the blocks see it."""

    console: Console

    @property
    def width(self) -> int:
        return max(self.console.width, 16)

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
        body = Text(printable(text).strip("\n").rstrip(), style=style, tab_size=4)
        lines = body.wrap(self.console, self.width - len(INDENT))
        for line in lines:
            line.rstrip()
            if line:
                line.pad_left(len(INDENT))
        return list(lines)

    def fold(self, text: str, lines: int, style: str = "") -> list[Text]:
        """Return the first `lines` of the lines of `text`, and how many were left out."""
        all_lines = self.quoted(text, style)
        left = len(all_lines) - lines
        if left <= 1:  # the line that says so would take as much room
            return all_lines
        return [*all_lines[:lines], Text(f"{INDENT}{self.signs.more} {left:,} more lines", style="dim")]

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

    def show(self, lines: list[Text]) -> None:
        """Print `lines` as they are: fitted already, or left to the terminal to break."""
        if lines:
            self.console.print(Text("\n").join(lines), soft_wrap=True)
