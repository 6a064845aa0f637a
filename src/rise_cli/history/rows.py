"""Reading the rows of a results file: fast where only their ids are wanted, whole where all is.

A file may hold hundreds of thousands of rows, so neither they nor their ids are kept: `scan` looks at
one line at a time, and what is remembered of each is a few bytes (see `done` and `ids`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from rise_cli.errors import UsageError
from rise_cli.history.format import SCHEMA
from rise_cli.history.ids import Ids, as_bytes, fingerprint
from rise_cli.history.record import dumps
from rise_cli.history.whole import is_whole

# How `record.dumps` begins a line. A quotation mark within a string has a backslash before it, so
# what looks like a key here is one, and the last settings and error of a line are the row's own.
_STRING = rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_HEAD = re.compile(
    rb'\{"schema": "%s", "id": %s, "index": (\d+|null), "status": "(ok|failed)", '
    rb'(?:"prior": \[\], )?"question": "' % (re.escape(SCHEMA.encode()), _STRING)
)
_REST = re.compile(rb'([^"\\]*+(?:\\.[^"\\]*+)*+)"')  # of a string, after its first quotation mark
_MATERIAL = re.compile(
    rb', "context": (?:null|%s), "reference": (?:null|%s), "correct": ' % (_STRING, _STRING)
)
_SETTINGS = b', "settings": {'
_ERROR = b', "error": '
_MOST_LOOKED_AT = 1000  # rows of lines that posed no problem, before one that was asked
_MOST_VARIANTS = 64  # of settings that are remembered; more than one file ever has

HEAD_START = b'{"schema": "%s", "id": "' % SCHEMA.encode()
"""What every line that we write begins with."""


NOWHERE = sys.maxsize
"""The place of a row whose problem is not in the input: behind all others."""


class Row(NamedTuple):
    """What a resumption needs of a row: its id in UTF-8, its place in the input, whether it failed, the
    fingerprint of what it answers (see `ids`), the settings it was made with, and the bytes of the file
    that it takes, newline included."""

    id: bytes
    position: int | None
    failed: bool
    fingerprint: int
    settings: Mapping[str, Any]
    start: int
    length: int


def scan(
    file: BinaryIO, name: str, upto: int | None = None, *, torn: Callable[[str], None] | None = None
) -> Iterator[Row]:
    """Yield what is needed of each row of `file`, which is at its start, and end before byte `upto`.

    Rows in our own spelling are not parsed as a whole. Raises UsageError with the line's number where
    a line is no row; but a last line that is one of ours in part is only told to `torn`, if given.
    """
    look, start = looking(), 0
    for number, line in enumerate(file, 1):
        if upto is not None and start >= upto:
            return
        row = look(line, start)
        if row is None:
            if torn is not None and is_torn(line):
                torn(f"line {number} of {name!r} was torn when it was written; it is left out")
                return
            raise damaged(name, number)
        yield row
        start += len(line)


def looking() -> Callable[[bytes, int], Row | None]:
    """Return what sees, in a line and where that begins, what is needed of a row; None where it is none.
    All lines are to be of one file."""
    glance = _Glance().row
    return lambda line, start: glance(line, start) or _parse(line, start)


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the trajectories of a results file, one at a time, in its order.

    Raises UsageError if it cannot be read, and with the line's number where a line is no trajectory.
    """
    for number, record in enumerate(readable(path), 1):
        if record is None or not is_whole(record):
            raise damaged(str(path), number)
        yield record


def readable(path: Path) -> Iterator[dict[str, Any] | None]:
    """Yield what each line of a results file holds, None for one that is no row. What a row holds beyond
    id, index, status and settings may be anything. Raises UsageError if the file cannot be opened."""
    with _opened(path) as file:
        for line in file:
            yield _load(line)


def was_slim(path: Path) -> bool | None:
    """Whether a results file was written with `--slim`, by the first row that tells. None: none does."""
    for record in islice(readable(path), _MOST_LOOKED_AT):
        usage = record and record.get("usage")
        asked = isinstance(usage, dict) and usage.get("requests")
        if record and asked and isinstance(record.get("turns"), list):
            return not record["turns"]
    return None


class Recorded:
    """The trajectories of a results file by their ids: what a replay answers from.

    Reads the file once to find its rows, and a row again when it is asked for. Of two rows with one id
    the first counts. For one thread.
    """

    def __init__(self, path: Path, *, notice: Callable[[str], None] = lambda text: None) -> None:
        """Find the rows. A last line that was torn is left out, and `notice` told. Raises UsageError as
        `recorded` does, for what can be told without parsing."""
        self._path = path
        self._starts = Ids()
        self._file = _opened(path)
        try:
            for row in scan(self._file, str(path), torn=notice):
                self._starts.add(row.id, row.start)
        except BaseException:
            self._file.close()
            raise
        # The turns of a problem are asked for one by one, among those of others.
        self.find = lru_cache(maxsize=256)(self._find)

    def __len__(self) -> int:
        return len(self._starts)

    def turns(self, id: str) -> Sequence[Mapping[str, Any]] | None:  # noqa: A002
        """Return the turns of a problem, None if the file has no such problem.

        Raises UsageError for a row whose turns were left out with `--slim`.
        """
        record = self.find(id)
        if record is None:
            return None
        if not record["turns"] and record["usage"]["requests"]:
            raise UsageError(
                f"the row {id!r} of {str(self._path)!r} has no turns to replay: it was written with --slim"
            )
        turns: list[dict[str, Any]] = record["turns"]
        return turns

    def close(self) -> None:
        self._file.close()

    def _find(self, id: str) -> dict[str, Any] | None:  # noqa: A002
        start = self._starts.get(as_bytes(id))
        if start is None:
            return None
        self._file.seek(start)
        record = _load(self._file.readline())
        if record is None or not is_whole(record):
            raise UsageError(f"the row {id!r} of {str(self._path)!r} is damaged; repair or remove it")
        return record if record["id"] == id else None


def damaged(name: str, number: int) -> UsageError:
    return UsageError(
        f"line {number} of {name!r} is not a {SCHEMA} row; repair or remove it, or name another file"
    )


def numbered(line: bytes, index: int) -> bytes:
    """Return a row, newline included, with this `index`: null for `NOWHERE`."""
    head, now = _HEAD.match(line), None if index == NOWHERE else index
    if head is None:
        return dumps({**json.loads(line), "index": now}).encode() + b"\n"
    return b"%s%s%s" % (line[: head.start(2)], b"null" if now is None else b"%d" % now, line[head.end(2) :])


def is_torn(line: bytes) -> bool:
    """Whether a line without its end is one of ours in part. A power cut can leave zeros instead."""
    if line.endswith(b"\n"):
        return False
    return line.startswith(HEAD_START) or HEAD_START.startswith(line) or not line.strip(b"\0")


def is_row(line: bytes) -> bool:
    """Whether a line is a whole row, its newline aside."""
    return _parse(line, 0) is not None


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=1 << 20)
    except OSError as error:
        raise UsageError(
            f"cannot read {str(path)!r} ({error.strerror}); name a file of rise batch"
        ) from error


class _Glance:
    """Finds what is needed of rows in our own spelling. Those of one file mostly end alike, so it
    remembers how the last one did, and settings by their text."""

    def __init__(self) -> None:
        self._variants: dict[bytes, Mapping[str, Any]] = {}
        self._end = b"\0"  # which no line ends with
        self._settings: Mapping[str, Any] = {}

    def row(self, line: bytes, start: int) -> Row | None:
        """The row, None if it is spelled in another way."""
        head = _HEAD.match(line)
        if head is None or not (line.endswith(self._end) or self._turn_to(line)):
            return None
        name, index, status = head.groups()
        at = head.end()
        end = line.find(b'"', at)
        question = line[at:end]
        if b"\\" in question:  # the quotation mark may be one of the question's own
            rest = _REST.match(line, at)
            if rest is None:
                return None
            question, end = _unescaped(rest[1]), rest.end(1)
        material = _MATERIAL.match(line, end + 1)
        if material is None:
            return None  # of the first versions
        context, reference = material.groups(b"")
        if b"\\" in name:
            name = _unescaped(name)
        position = None if index == b"null" else int(index)
        task = fingerprint(question, _unescaped(context), _unescaped(reference))
        return Row(name, position, status == b"failed", task, self._settings, start, len(line))

    def _turn_to(self, line: bytes) -> bool:
        """Remember how this line ends; False if that is no spelling of ours."""
        at, end = line.rfind(_SETTINGS), line.rfind(_ERROR)
        if not 0 < at < end or not line.endswith(b"}\n"):
            return False
        text = line[at + len(_SETTINGS) - 1 : end]
        settings = self._variants.get(text)
        if settings is None:
            try:
                settings = json.loads(text)
            except ValueError:
                return False  # an option has a member of that name
            if len(self._variants) < _MOST_VARIANTS:
                self._variants[text] = settings
        self._settings, self._end = settings, line[at:]
        return True


def _unescaped(text: bytes) -> bytes:
    return as_bytes(json.loads(b'"%s"' % text)) if b"\\" in text else text


def _parse(line: bytes, start: int) -> Row | None:
    """The row, however it is spelled, or None."""
    record = _load(line)
    if record is None:
        return None
    return Row(
        as_bytes(record["id"]),
        record["index"],
        record["status"] == "failed",
        fingerprint(*(as_bytes(_as_text(record.get(name))) for name in ("question", "context", "reference"))),
        record["settings"],
        start,
        len(line),
    )


def _as_text(value: object) -> str:
    return "" if value is None else str(value)


def _load(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        return None
    index = record.get("index")
    fits = (
        isinstance(record.get("id"), str)
        and (index is None or (isinstance(index, int) and index >= 0))
        and record.get("status") in ("ok", "failed")
        and isinstance(record.get("settings"), dict)
    )
    return record if fits else None
