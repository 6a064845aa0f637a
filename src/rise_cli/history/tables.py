"""The tables of the memory, version by version, and what of a record stands in which column.

A new version is a further step at the end of `STEPS`: it turns the tables of the version before into
its own. A file that was just begun is of version 0, so it takes the same steps as one of long ago.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rise_cli.history.words import Texts, joined, spaced

_APPLICATION = 0x5249534D  # "RISM" in ASCII, at a fixed place in the file's header


class Facts(NamedTuple):
    """What a list shows of a record."""

    model: str
    asked: str
    answer: str | None


def facts(record: Mapping[str, Any]) -> Facts:
    """Of a trajectory its question and answer, of a batch its files."""
    if "problems" in record:
        return Facts(str(record["model"]), str(record["problems"]), str(record["results"]))
    return Facts(str(record["model"]), str(record["question"]), record["answer"])


def texts(record: Mapping[str, Any]) -> Texts:
    """What of a record can be searched."""
    shown = facts(record)
    replies = "\n".join(turn["reply"] or "" for turn in record.get("turns", ()))
    return Texts(shown.asked, shown.answer or "", replies, record.get("context") or "")


def index(db: sqlite3.Connection, row: int | None, words: Texts) -> None:
    """Make an entry findable."""
    db.execute(
        "INSERT INTO words (rowid, question, answer, replies, context) VALUES (?, ?, ?, ?, ?)",
        (row, *map(spaced, words)),
    )


def _entries(db: sqlite3.Connection) -> None:
    db.execute("""
        CREATE TABLE entries (
            row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at TEXT NOT NULL, kind TEXT NOT NULL,
            model TEXT NOT NULL, asked TEXT NOT NULL, answer TEXT, parent TEXT, record TEXT NOT NULL
        )""")


def _search(db: sqlite3.Connection) -> None:
    db.execute("""
        CREATE VIRTUAL TABLE words USING fts5(
            question, answer, replies, context, tokenize = 'unicode61 remove_diacritics 2'
        )""")
    for row, record in db.execute("SELECT row, record FROM entries"):
        index(db, row, texts(json.loads(record)))


def _one_form(db: sqlite3.Connection) -> None:
    """Index again what was indexed before forms of a letter were brought to one."""
    for (row,) in db.execute("SELECT row FROM entries").fetchall():
        # From the index itself: an entry that is damaged shall not keep the others from being found.
        found = db.execute("SELECT question, answer, replies, context FROM words WHERE rowid = ?", (row,))
        if (old := found.fetchone()) is not None:
            db.execute("DELETE FROM words WHERE rowid = ?", (row,))
            index(db, row, Texts(*map(joined, old)))


STEPS = (_entries, _search, _one_form)

VERSION = len(STEPS)


def prepare(db: sqlite3.Connection, unusable: Callable[[str], Exception]) -> None:
    """Make the tables of this version where they are not there. Raises `unusable` of the reason why not.

    For a connection in autocommit mode. Safe to be done by many processes at once.
    """
    application, version, tables = _header(db)
    fresh = (application, version, tables) == (0, 0, 0)
    if not fresh and application != _APPLICATION:
        raise unusable("is a database of another program")
    if version > VERSION:
        raise unusable(
            f"is of version {version}, and this program knows versions up to {VERSION}: update rise"
        )
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA secure_delete = ON")
    if version < VERSION:
        try:
            _migrate(db)
        except (LookupError, TypeError, ValueError) as error:
            raise unusable(f"is damaged (an entry is no record: {error})") from error


def _header(db: sqlite3.Connection) -> tuple[int, int, int]:
    """Whose file it is, of which version, and how many tables it has; all of one moment, since another
    process may be about to make them."""
    db.execute("BEGIN")
    try:
        ((application,),) = db.execute("PRAGMA application_id")
        ((version,),) = db.execute("PRAGMA user_version")
        ((tables,),) = db.execute("SELECT count(*) FROM sqlite_master")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    return application, version, tables


def _migrate(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it while we waited.
        ((version,),) = db.execute("PRAGMA user_version")
        for step in STEPS[version:]:
            step(db)
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
