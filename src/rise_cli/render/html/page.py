"""One page of results files, that stands alone.

Rows are read once. Their transcripts are packed into a nameless file as they come, so that what stays in
memory is what is measured of them; the page is put together when the last is read.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.resources import files as resources
from pathlib import Path
from typing import IO

from jinja2 import Environment, StrictUndefined

from rise_cli.core.controls import UNSAFE
from rise_cli.measure.rollouts import Rollout, Rows
from rise_cli.measure.summary import outcomes, summarize
from rise_cli.render.html import sections
from rise_cli.render.html.curves import curve
from rise_cli.render.html.embedding import Chunks, in_script, source_hash
from rise_cli.render.html.entries import FLAGS, entry, transcript
from rise_cli.render.html.figures import figures
from rise_cli.render.html.sections import File

_SCRIPTS = ("words.js", "transcript.js", "page.js")

_STATES = (
    ("all", ""),
    ("right", "the answer is right"),
    ("wrong", "the answer is wrong"),
    ("fixed", "the first turn was wrong, the answer is right"),
    ("broken", "the first turn was right, the answer is wrong"),
    ("unresolved", "no answer has more than half of the votes"),
    ("unknown", "nobody can tell whether the answer is right"),
    ("failed", "there is no answer"),
)


def write(paths: Sequence[Path], out: IO[bytes], title: str | None = None) -> int:
    """Write the page of these results files to `out`; return how many problems it holds.

    Raises UsageError where a file cannot be read or a line is no trajectory, and ConfigurationError where
    matplotlib is not installed.
    """
    names = _names(paths)
    with tempfile.TemporaryFile() as packed, tempfile.TemporaryFile() as listed:
        transcripts, index = Chunks(packed, "t"), Chunks(listed, "i")
        read = []
        for number, path in enumerate(paths):
            rollouts = list(_packed(path, number, transcripts, index))
            measured = summarize(rollouts, names[number])
            read.append(File(names[number], measured, outcomes(rollouts), curve(rollouts)))
        transcripts.close()
        index.close()
        script = _script(names)
        out.write(_head(read, title or f"Results: {', '.join(names)}", script).encode())
        for spool in (listed, packed):
            spool.seek(0)
            shutil.copyfileobj(spool, out)
        out.write(f"<script>{script}</script>\n</body>\n</html>\n".encode())
    return sum(file.summary.problems for file in read)


def _packed(path: Path, number: int, transcripts: Chunks, index: Chunks) -> Iterator[Rollout]:
    """Read a file and pack its transcripts; what is yielded holds no texts."""
    rows = Rows(path)
    for record in rows:
        one = rows.rollout(record)
        place = transcripts.add(transcript(record, one))
        index.add(entry(record, one, number, place))
        yield one


def _names(paths: Sequence[Path]) -> list[str]:
    """Short names that tell the files apart, fit to be shown wherever they come to stand."""
    for names in ([visible(path.name) for path in paths], [visible(path) for path in paths]):
        if len(set(names)) == len(names):
            return names
    return [f"{number}: {name}" for number, name in enumerate(names, 1)]  # one file, twice


def _head(files: Sequence[File], title: str, script: str) -> str:
    style = _source("page.css")
    policy = "; ".join((
        "default-src 'none'",
        f"script-src {source_hash(script)}",
        f"style-src {source_hash(style)}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
    ))  # fmt: skip
    open_ones = any(file.summary.graded < file.summary.problems - file.summary.failed for file in files)
    pairs = sections.comparisons(files)
    template = _environment().from_string(_source("page.html.j2"))
    return template.render(
        policy=policy,
        title=title,
        style=style,
        about=sections.about(files),
        verdicts=sections.verdicts(files),
        tables=[table for table in (sections.overview(files), pairs) if table],
        figures=figures(files),
        files=[file.name for file in files],
        states=[state for state in _STATES if state[0] != "unknown" or open_ones],
        version=version("rise-cli"),
    )


def _script(names: Sequence[str]) -> str:
    """The page's script, as its policy allows it: by its bytes."""
    settings = {"files": names, "flags": FLAGS, "unsafe": UNSAFE.pattern}
    parts = ['"use strict";', f"const SETTINGS = {in_script(settings)};", *map(_source, _SCRIPTS)]
    return "\n".join(parts)


def visible(text: object) -> str:
    """Text from outside with each control written out by its number, as the page's script does it too."""
    return UNSAFE.sub(lambda unsafe: f"⟨U+{ord(unsafe[0]):04X}⟩", str(text))


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = visible
    return environment


def _source(name: str) -> str:
    return resources("rise_cli.render.html").joinpath("templates", name).read_text(encoding="utf-8")
