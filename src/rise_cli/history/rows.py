"""Reading the rows of a results file: fast where only their ids are wanted, whole where all is.

A file may hold hundreds of thousands of rows, so neither they nor their ids are kept: `scan` looks at
one line at a time, and `Ids` keeps 16 bytes for each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from rise_cli.core.domain import Kind
from rise_cli.errors import UsageError
from rise_cli.history.format import SCHEMA, RecordedUsage
from rise_cli.history.ids import Ids, as_bytes
from rise_cli.history.record import dumps

# How `record.dumps` begins a line. A quotation mark within a string has a backslash before it, so
# what looks like a key here is one, and the last settings and error of a line are the row's own.
_STRING = rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_HEAD = re.compile(
    rb'\{"schema": "%s", "id": %s, "index": (\d+|null), "status": "(ok|failed)", '
    rb'(?:"prior": \[\], )?"question": "' % (re.escape(SCHEMA.encode()), _STRING)
)
_REST = re.compile(rb'([^"\\]*+(?:\\.[^"\\]*+)*+)"')  # of a string, after its first quotation mark
_SETTINGS = b', "settings": {'
_ERROR = b', "error": '
_MOST_LOOKED_AT = 1000  # rows of lines that posed no problem, before one that was asked
_MOST_VARIANTS = 64  # of settings that are remembered; more than one file ever has

HEAD_START = b'{"schema": "%s", "id": "' % SCHEMA.encode()
"""What every line that we write begins with."""


class Row(NamedTuple):
    """What a resumption needs of a row: its id in UTF-8, its place in the input, whether it failed, a
    digest of its question, the settings it was made with, and the bytes of the file that it takes,
    newline included."""

    id: bytes
    position: int | None
    failed: bool
    asked: int
    settings: Mapping[str, Any]
    start: int
    length: int


def scan(file: BinaryIO, name: str, upto: int | None = None) -> Iterator[Row]:
    """Yield what is needed of each row of `file`, which is at its start, and end before byte `upto`.

    Rows in our own spelling are not parsed as a whole. Raises UsageError with the line's number where
    a line is no row.
    """
    variants: dict[bytes, Mapping[str, Any]] = {}
    start = 0
    for number, line in enumerate(file, 1):
        if upto is not None and start >= upto:
            return
        row = _glance(line, start, variants) or _parse(line, start)
        if row is None:
            raise damaged(name, number)
        yield row
        start += len(line)


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the trajectories of a results file, one at a time, in its order.

    Raises UsageError if it cannot be read, and with the line's number where a line is no trajectory.
    """
    for number, record in enumerate(readable(path), 1):
        if record is None or not _is_whole(record):
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

    def __init__(self, path: Path) -> None:
        """Find the rows. Raises UsageError as `recorded` does, for what can be told without parsing."""
        self._path = path
        self._starts = Ids()
        self._file = _opened(path)
        try:
            for row in scan(self._file, str(path)):
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
        if record is None or not _is_whole(record):
            raise UsageError(f"the row {id!r} of {str(self._path)!r} is damaged; repair or remove it")
        return record if record["id"] == id else None


def damaged(name: str, number: int) -> UsageError:
    return UsageError(
        f"line {number} of {name!r} is not a {SCHEMA} row; repair or remove it, or name another file"
    )


def numbered(line: bytes, index: int) -> bytes:
    """Return a row, newline included, with this `index`; as it is for -1."""
    if index < 0:
        return line
    head = _HEAD.match(line)
    if head is None:
        return dumps({**json.loads(line), "index": index}).encode() + b"\n"
    return b"%s%d%s" % (line[: head.start(2)], index, line[head.end(2) :])


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


def _glance(line: bytes, start: int, variants: dict[bytes, Mapping[str, Any]]) -> Row | None:
    """The row, if it is in our own spelling. `variants` remembers settings by their text."""
    head = _HEAD.match(line)
    at, end = line.rfind(_SETTINGS), line.rfind(_ERROR)
    if head is None or not 0 < at < end or not line.endswith(b"}\n"):
        return None
    question = line[head.end() : line.find(b'"', head.end())]
    if b"\\" in question:  # the quotation mark may be one of the question's own
        rest = _REST.match(line, head.end())
        if rest is None:
            return None
        question = _unescaped(rest[1])
    text = line[at + len(_SETTINGS) - 1 : end]
    settings = variants.get(text)
    if settings is None:
        try:
            settings = json.loads(text)
        except ValueError:
            return None  # an option has a member of that name
        if len(variants) < _MOST_VARIANTS:
            variants[text] = settings
    name, index, status = head.groups()
    position = None if index == b"null" else int(index)
    return Row(_unescaped(name), position, status == b"failed", digest(question), settings, start, len(line))


def _unescaped(text: bytes) -> bytes:
    return as_bytes(json.loads(b'"%s"' % text)) if b"\\" in text else text


def digest(text: bytes) -> int:
    """A number below 2^63 that stands for a text, for this process alone."""
    return hash(text) & 0x7FFFFFFFFFFFFFFF


def _parse(line: bytes, start: int) -> Row | None:
    """The row, however it is spelled, or None."""
    record = _load(line)
    if record is None:
        return None
    return Row(
        as_bytes(record["id"]),
        record["index"],
        record["status"] == "failed",
        digest(as_bytes(str(record.get("question")))),
        record["settings"],
        start,
        len(line),
    )


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


def _is_whole(record: Mapping[str, Any]) -> bool:
    """Whether a replay can read all that it needs of a row."""
    turns, usage, kind = record.get("turns"), record.get("usage"), record["settings"].get("kind", Kind.AUTO)
    return (
        isinstance(turns, list)
        and all(map(_is_turn, turns))
        and isinstance(usage, dict)
        and isinstance(usage.get("requests"), int)
        and isinstance(record.get("model"), str)
        and isinstance(kind, str)
        and kind in set(Kind)
    )


def _is_turn(turn: object) -> bool:
    if not isinstance(turn, dict) or not turn.keys() >= _TURN:
        return False
    usage = turn["usage"]
    return (
        (usage is None or (isinstance(usage, dict) and _is_usage(usage)))
        and isinstance(turn["chain"], int)
        and isinstance(turn["turn"], int)
        and _are(turn, _TEXTS, str)
        and _are(turn, _NUMBERS, (int, float))
    )


def _are(turn: Mapping[str, Any], names: Iterable[str], sort: type | tuple[type, ...]) -> bool:
    """Whether these members are of this sort, None, or not there. A loop, since every turn of every file is
    looked at."""
    for name in names:
        value = turn.get(name)
        if value is not None and not isinstance(value, sort):
            return False
    return True


def _is_usage(usage: Mapping[str, Any]) -> bool:
    return usage.keys() == _USAGE and _are(usage, _USAGE, int) and None not in usage.values()


# What a replay reads of a turn, and not more: rows of later versions may have further members.
_TURN = {"chain", "turn", "reply", "reasoning", "answer", "failure", "finish_reason", "usage"}
_TURN |= {"reward", "verdict", "feedback"}
_TEXTS = ("reply", "reasoning", "answer", "failure", "finish_reason", "verdict", "feedback", "critique")
# Rows of the first versions have no cost.
_NUMBERS = ("reward", "confidence", "cost_usd", "latency_s", "logprob", "entropy")
_USAGE = {field.name for field in fields(RecordedUsage)}
