"""A transcript as a picture that stands alone: rich's export, without its fonts from the network."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import unescape

from rich.cells import cell_len
from rich.console import Console

_CELL = 20 * 0.61  # pixels; what rich takes a character to be wide

# rich's own frame (`rich.console.CONSOLE_SVG_FORMAT`) loads two fonts from a public server.
_FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{
        font-family: "Fira Code", Menlo, Consolas, "DejaVu Sans Mono", monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
    }}
    .{unique_id}-title {{
        font-size: 18px;
        font-weight: bold;
        font-family: sans-serif;
    }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""
_TEXT = re.compile(r'textLength="[^"]*"([^<>]*)>([^<>]*)<')
_NO_XML = dict.fromkeys((0xFFFE, 0xFFFF))  # the two characters beyond controls that XML cannot hold


def svg(draw: Callable[[Console], None], *, title: str, width: int) -> str:
    """Return what `draw` prints on a console of `width` cells as an SVG image."""
    console = Console(
        record=True,
        file=io.StringIO(),
        width=width,
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )
    draw(console)
    image = console.export_svg(title=title, code_format=_FRAME).translate(_NO_XML)
    return _TEXT.sub(_fitted, image)


def _fitted(found: re.Match[str]) -> str:
    """A text as wide as it is in a terminal: rich counts wide characters (CJK) as if they were narrow."""
    attributes, text = found.groups()
    return f'textLength="{_CELL * cell_len(unescape(text)):g}"{attributes}>{text}<'
