"""`rise log`: list, show, search and delete what was asked before."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_cli.commands.remember import kept
from rise_cli.commands.wish import STDIO
from rise_cli.core.controls import printable
from rise_cli.core.domain import Shape
from rise_cli.errors import UsageError
from rise_cli.history.memory import BATCH, Entry, Hit, Memory
from rise_cli.history.record import dumps
from rise_cli.settings import log_path, resolve, working_folder
from rise_cli.settings.wording import short

if TYPE_CHECKING:
    from rich.console import Console

_PICTURE = 80  # cells; what fits a README


def list_entries(limit: int, as_json: bool) -> None:
    """Print the newest entries, newest first."""
    path = log_path(os.environ)
    entries: list[Entry] = []
    if os.path.lexists(path):
        with Memory(path) as memory:
            entries = memory.newest(limit)
    _list([Hit(entry, "") for entry in entries], as_json)
    if not entries:
        _say(f"nothing is kept yet in {str(path)!r}")


def search_entries(words: Sequence[str], limit: int, as_json: bool) -> None:
    """Print the entries that hold all the words, best match first."""
    with kept() as memory:
        hits = memory.search(words, limit)
    _list(hits, as_json)
    if not hits:
        _say(f"no entry holds {short(' '.join(words))}; a * at the end of a word stands for any ending")


def show_entry(name: str, as_json: bool, picture: str | None) -> None:
    """Print an entry: its transcript, its record as JSON, or its transcript into an SVG file."""
    if as_json and picture is not None:
        raise UsageError("--json and --svg exclude each other; give one of them")
    if picture == "":
        raise UsageError("--svg must name a file, or be - for stdout, not ''")
    with kept() as memory:
        entry, record = memory.load(name)
    if as_json:
        sys.stdout.write(dumps(record) + "\n")
    elif picture is None:
        _draw(entry, record, _console())
    else:
        _save(entry, record, picture)


def delete_entries(names: Sequence[str], before: str | None, everything: bool, sure: bool) -> None:
    """Delete entries by name, by age, or all of them, once somebody has said yes."""
    if sum((bool(names), before is not None, everything)) != 1:
        raise UsageError("name entries to delete, or give one of --before DATE and --all")
    with kept() as memory:
        if names:
            ids = list(dict.fromkeys(memory.find(name).id for name in names))
        else:
            ids = memory.before(datetime.max.replace(tzinfo=UTC) if before is None else _date(before))
        count = f"{len(ids):,} {'entry' if len(ids) == 1 else 'entries'}"
        if ids and not sure and not _agreed(f"delete {count} for good?"):
            raise UsageError("nothing was deleted")
        memory.delete(ids)
    _say(f"deleted {count}")


def show_path() -> None:
    """Print where the log is, or would be."""
    sys.stdout.write(f"{printable(str(log_path(os.environ)))}\n")


def _list(hits: Sequence[Hit], as_json: bool) -> None:
    if as_json:
        rows = [dumps(asdict(entry) | ({"excerpt": excerpt} if excerpt else {})) for entry, excerpt in hits]
        sys.stdout.write("[" + ",\n ".join(rows) + "]\n")
        return
    from rise_cli.render.entry import row, summed_up
    from rise_cli.render.page import Page

    page = Page(_console())
    for entry, excerpt in hits:
        lines = summed_up(entry.asked, entry.answer, excerpt, page)
        page.show([row(entry.id, entry.time, entry.model, page), *lines])


def _draw(entry: Entry, record: Mapping[str, Any], console: Console) -> None:
    """Show an entry. Raises UsageError where its record lacks what is shown: it comes from a file, which
    may be damaged or of another version."""
    try:
        _draw_whole(entry, record, console)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"the entry {entry.id!r} cannot be shown ({error!r}): it is damaged, or another version of rise "
            f"wrote it; `rise log show {entry.id} --json` prints what there is"
        ) from error


def _draw_whole(entry: Entry, record: Mapping[str, Any], console: Console) -> None:
    from rich.text import Text

    from rise_cli.history.restore import seconds, to_trajectory
    from rise_cli.render.entry import row, show_batch, show_run
    from rise_cli.render.page import Page

    page = Page(console)
    head = row(entry.id, entry.time, entry.model, page)
    if entry.kind == BATCH:
        show_batch(head, record, page)
    else:
        parent = [Text(f"continues {entry.parent}", style="dim")] if entry.parent else []
        run = to_trajectory(record, _shape(record["settings"]))
        show_run([head, *parent], record, run, seconds(record), page)


def _shape(was: Mapping[str, Any]) -> Shape:
    """The shape of the protocol; of a folder of one's own, of which the log knows only the name, the most
    usual one."""
    from rise_cli.prompts import load, names

    name = was.get("protocol")
    return load(name).shape if name in names() else Shape.REVISE


def _save(entry: Entry, record: Mapping[str, Any], path: str) -> None:
    from rise_cli.render.svg import svg

    image = svg(lambda console: _draw(entry, record, console), title=f"rise log {entry.id}", width=_PICTURE)
    if path == STDIO:
        sys.stdout.write(image)
        return
    try:
        Path(path).write_text(image, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path!r}: {error.strerror}; name another file") from None


def _console() -> Console:
    from rise_cli.render.console import make_console

    color = resolve({}, env=os.environ, cwd=working_folder()).settings.color
    return make_console(sys.stdout, color, os.environ)


def _date(text: str) -> datetime:
    """A date or a time in ISO 8601; without a time zone it is local."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(f"--before must be a date such as 2026-11-30, not {text!r}") from None


def _agreed(question: str) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to say so; add --yes")
    sys.stderr.write(f"rise: {question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _say(text: str) -> None:
    sys.stderr.write(f"rise: {printable(text)}\n")
    sys.stderr.flush()
