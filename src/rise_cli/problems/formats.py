"""What a file of problems is written in, and how it falls into records.

jsonl   an object a line, or a string, which is a question
csv     a header, then a record for each problem; quoted cells may hold line breaks
tsv     the same with tabs
text    a question a line
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import PurePath

from rise_cli.errors import UsageError
from rise_cli.problems.content import Content, Fault, Raw, decoded
from rise_cli.problems.fields import Fields, named
from rise_cli.problems.jsonl import parse_json
from rise_cli.problems.source import Line
from rise_cli.problems.tables import table

FORMATS = ("jsonl", "csv", "tsv", "text")

# A name in .txt, or an unknown one, does not tell: such files often hold JSON lines.
_BY_NAME = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
}
_OBJECT = re.compile(r'\s*\{\s*"')
_SNIFFED = 64 * 1024


def decided(
    lines: Iterator[Line], path: str, fields: Fields, asked: str | None
) -> tuple[str, Iterator[Line]]:
    """Return the format, and the lines from the first that is not blank.

    Raises UsageError for a format that is not known, and as `lines` does.
    """
    if asked is not None and asked not in FORMATS:
        raise UsageError(f"the format {asked!r} is not known; use one of {', '.join(FORMATS)}")
    first = next((line for line in lines if not _is_blank(line[1])), None)
    if first is None:
        return asked or "text", lines
    found = asked or _BY_NAME.get(_suffix(path)) or _sniffed(first[1], fields)
    return found, chain([first], lines)


def records(
    lines: Iterator[Line], form: str, fields: Fields, label: str, longest: int
) -> Iterator[tuple[int, Raw]]:
    """Yield each record that is not blank with the number of its first line, not parsed where that
    takes time. Raises UsageError for a header that cannot be used."""
    if form in ("csv", "tsv"):
        first = next(lines, None)
        if first is not None:
            delimiter = "\t" if form == "tsv" else _delimiter(first[1], fields) or ","
            yield from table(chain([first], lines), delimiter, fields, label, longest)
        return
    for number, line in lines:
        if not isinstance(line, bytes) or not line.isspace():
            yield number, line


def _parse_question(raw: Raw) -> Content:
    if not isinstance(raw, bytes):
        return raw
    text = decoded(raw)
    return text if isinstance(text, Fault) else text.strip()


def _as_parsed(raw: Raw) -> Content:
    assert not isinstance(raw, bytes)  # noqa: S101  (narrows the type; tables give no bytes)
    return raw


PARSERS: dict[str, Callable[[Raw], Content]] = {
    "jsonl": parse_json,
    "csv": _as_parsed,
    "tsv": _as_parsed,
    "text": _parse_question,
}
"""What makes the content of a record, by format. They never raise."""


def _is_blank(line: bytes | Fault) -> bool:
    return isinstance(line, bytes) and (not line or line.isspace())  # empty: a mark of byte order alone


def _suffix(path: str) -> str:
    name = PurePath(path.lower())
    return PurePath(name.stem).suffix if name.suffix in (".gz", ".gzip") else name.suffix


def _sniffed(first: bytes | Fault, fields: Fields) -> str:
    """The format by the first line: JSON says so itself; of a table, the header names the question."""
    if isinstance(first, Fault):
        return "jsonl"
    if _OBJECT.match(first[:_SNIFFED].decode(errors="replace")):
        return "jsonl"
    delimiter = _delimiter(first, fields)
    if delimiter:
        return "tsv" if delimiter == "\t" else "csv"
    is_json = first.lstrip()[:1] in (b'"', b"[", b"{") and not isinstance(parse_json(first), Fault)
    return "jsonl" if is_json else "text"


def _delimiter(first: bytes | Fault, fields: Fields) -> str | None:
    """What separates the names in a header, one of which is the question's; None if it is no header.

    In much of Europe, spreadsheets write semicolons into a .csv.
    """
    if isinstance(first, Fault):
        return None
    top = first[:_SNIFFED].decode(errors="replace").rstrip("\r\n")
    for delimiter in ",;\t":
        try:
            cells = next(csv.reader([top], delimiter=delimiter), [])
        except csv.Error:
            continue
        if len(cells) > 1 and named([cell.strip() for cell in cells], fields.names().question):
            return delimiter
    return None
