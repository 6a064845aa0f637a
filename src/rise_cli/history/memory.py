"""The memory: every run of this user in one database that can be listed, searched and taken up again.

An entry is a record (`rise.trajectory/1`, or what came of a batch) with its time, its model and a
parent, if it continues another entry. Many processes may write at once. Each change is one short
transaction, and whoever finds the database locked tries again for a bounded time. Nothing here is
needed for an answer: callers turn its errors into warnings.

The file is SQLite in WAL mode, 0600 as are its companions, in a folder that is made 0700. Callers keep
keys out of what they save.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from rise_cli.core.controls import printable
from rise_cli.errors import UsageError
from rise_cli.history import tables
from rise_cli.history.database import Database
from rise_cli.history.record import dumps
from rise_cli.history.words import joined, query

ASK, BATCH = "ask", "batch"
"""What kinds of run there are."""

LAST = "last"
"""Stands for the newest entry wherever an id is asked for."""

WAIT_S = 5.0
"""How long a locked database is waited for."""

_LONGEST = 500  # characters of a question or an answer that a list can show
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, in which "last" cannot be written
_COLUMNS = "entries.id, at, kind, model, asked, entries.answer, parent"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a list tells of an entry. `at` is UTC in ISO 8601; `asked` and `answer` are one line each.

    Of a batch, `asked` is the file of problems and `answer` the file of results.
    """

    id: str
    at: str
    kind: str
    model: str
    asked: str
    answer: str | None
    parent: str | None

    @property
    def time(self) -> datetime:
        """When it was saved, with its time zone."""
        return datetime.fromisoformat(self.at)


class Hit(NamedTuple):
    """An entry that was found, and the place in its text."""

    entry: Entry
    excerpt: str


class Memory:
    """The database at `path`, begun if it is not there. For one thread; to be closed.

    Raises ConfigurationError where it is damaged, cannot be opened, or belongs to another program or a
    later version, and RiseError where it stays locked for about `wait_s` seconds or its disk is full.
    It is left as it is then.
    """

    def __init__(self, path: Path, *, wait_s: float = WAIT_S) -> None:
        self._file = Database(path, wait_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def save(
        self, kind: str, record: Mapping[str, Any], *, parent: str | None = None, at: datetime | None = None
    ) -> str:
        """Keep a run and return its id. It is in the file when this returns. `at` is now by default."""
        when = at or datetime.now(UTC)
        facts = tables.facts(record)
        values = (
            when.astimezone(UTC).isoformat(timespec="milliseconds"),
            kind,
            printable(facts.model),
            _line(facts.asked),
            None if facts.answer is None else _line(facts.answer),
            parent,
            dumps(dict(record)),
        )
        texts = tables.texts(record)

        def insert(db: sqlite3.Connection) -> str:
            name = new_id(when)
            row = db.execute(
                "INSERT INTO entries (id, at, kind, model, asked, answer, parent, record) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (name, *values),
            ).lastrowid
            tables.index(db, row, texts)
            return name

        return self._file.change(insert)

    def load(self, name: str, *, kind: str | None = None) -> tuple[Entry, dict[str, Any]]:
        """Return the entry of this name with its record: an id, the start of one, or `last`.

        `last` is the newest entry of that `kind`, where one is given. Raises UsageError for a name that
        no entry has, or that more than one begins with.
        """
        *columns, text = self._found(name, kind, f"{_COLUMNS}, record")
        entry = Entry(*columns)
        try:
            record: dict[str, Any] = json.loads(text)
        except ValueError:
            record = {}
        if not record or not isinstance(record, dict):
            raise self._file.unusable(f"is damaged (the entry {entry.id})")
        return entry, record

    def find(self, name: str, *, kind: str | None = None) -> Entry:
        """Return the entry of this name; as `load`."""
        return Entry(*self._found(name, kind, _COLUMNS))

    def newest(self, limit: int) -> list[Entry]:
        """Return the last `limit` entries, newest first."""
        return [
            Entry(*row)
            for row in self._file.ask(
                f"SELECT {_COLUMNS} FROM entries ORDER BY row DESC LIMIT ?",  # noqa: S608 - ours
                limit,
            )
        ]

    def search(self, words: Sequence[str], limit: int) -> list[Hit]:
        """Return the entries that hold all the words, best match first.

        Words are searched for as they are, in any case and without accents; one that ends in `*` is the
        start of a word. Raises UsageError where there is no letter or digit in any of them.
        """
        found = self._file.ask(
            f"SELECT {_COLUMNS}, snippet(words, -1, '', '', '…', 16) "  # noqa: S608 - ours
            "FROM words JOIN entries ON entries.row = words.rowid "
            "WHERE words MATCH ? ORDER BY rank, entries.row DESC LIMIT ?",
            query(words),
            limit,
        )
        return [Hit(Entry(*row[:-1]), " ".join(joined(row[-1]).split())) for row in found]

    def before(self, when: datetime) -> list[str]:
        """Return the ids of all entries that are older, oldest first."""
        at = when.astimezone(UTC).isoformat(timespec="milliseconds")
        return [row[0] for row in self._file.ask("SELECT id FROM entries WHERE at < ? ORDER BY row", at)]

    def delete(self, ids: Sequence[str]) -> int:
        """Delete entries by their whole ids, so that nothing of them is left in the file. Return how many."""

        def remove(db: sqlite3.Connection) -> int:
            count = 0
            for name in ids:
                rows = db.execute("SELECT row FROM entries WHERE id = ?", (name,)).fetchall()
                for row in rows:
                    db.execute("DELETE FROM words WHERE rowid = ?", row)
                    db.execute("DELETE FROM entries WHERE row = ?", row)
                    count += 1
            # The index only marks what is gone, until it is merged.
            db.execute("INSERT INTO words (words) VALUES ('optimize')")
            return count

        deleted = self._file.change(remove)
        self._file.shrink()
        return deleted

    def _found(self, name: str, kind: str | None, columns: str) -> Sequence[Any]:
        if name == LAST:
            found = self._file.ask(
                f"SELECT {columns} FROM entries WHERE kind = coalesce(?, kind) "  # noqa: S608 - ours
                "ORDER BY row DESC LIMIT 1",
                kind,
            )
        else:
            start = name.lower() if name.isascii() and name.isalnum() else "\x7f"
            found = self._file.ask(
                f"SELECT {columns} FROM entries WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 4",  # noqa: S608
                start,
                start + "\x7f",
            )
        if not found:
            what = "the log is empty" if name == LAST else f"there is no entry {name!r} in the log"
            raise UsageError(f"{what}; `rise log list` shows what there is")
        if len(found) > 1:
            some = ", ".join(row[0] for row in found[:3])
            raise UsageError(f"{name!r} is the start of {some}{' …' * (len(found) > 3)}; give more of it")
        first: Sequence[Any] = found[0]
        return first


def new_id(at: datetime) -> str:
    """Return an id of 13 letters and digits: 45 bits of milliseconds since 1970, 20 random ones.

    As text they sort by time.
    """
    number = int(at.timestamp() * 1000) << 20 | random.SystemRandom().getrandbits(20)
    return "".join(_LETTERS[number >> shift & 31] for shift in range(60, -1, -5))


def _line(text: str) -> str:
    return " ".join(printable(text[: 2 * _LONGEST]).split())[:_LONGEST]
