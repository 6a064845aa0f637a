"""What is kept of a run once its result is out. Whatever goes wrong with that is a warning, nothing more."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_cli.commands.wish import STDIO
from rise_cli.errors import RiseError, UsageError
from rise_cli.problems.hub import on_hub

if TYPE_CHECKING:
    from rise_cli.commands.plan import Plan
    from rise_cli.history.memory import Memory

_SHORTEST_KEY = 8  # what servers without keys are given instead is shorter, and may stand in any text


def kept() -> Memory:
    """Open what was kept so far. Raises UsageError where nothing was, and as `Memory` does."""
    from rise_cli.history.memory import Memory
    from rise_cli.settings import log_path

    path = log_path(os.environ)
    if not os.path.lexists(path):
        raise UsageError(f"nothing is kept yet in {str(path)!r}; ask something first")
    return Memory(path)


def remember_ask(
    record: Mapping[str, Any],
    *,
    key: str | None,
    parent: str | None = None,
    verbose: bool = False,
    quiet: bool = False,
) -> None:
    """Keep the record of one question. `key` is struck out wherever it stands, and so are those of the
    environment; `parent` is the id of the entry that it continues."""
    from rise_cli.history.memory import ASK

    _keep(ASK, record, known_keys(key), parent=parent, verbose=verbose, quiet=quiet)


def remember_batch(
    plan: Plan, problems: str, out: str, summary: Mapping[str, object], *, ended: str, quiet: bool = False
) -> None:
    """Keep what came of a batch: its files and its summary, and no transcripts. `-` is a stream."""
    from rise_cli.history.memory import BATCH

    record = {
        "schema": "rise.batch/1",
        "problems": problems if problems == STDIO or on_hub(problems) else str(Path(problems).absolute()),
        "results": out if out == STDIO else str(Path(out).absolute()),
        "ended": ended,
        "model": str(plan.settings.get("model", "")),
        "settings": dict(plan.settings),
        "summary": dict(summary),
    }
    _keep(BATCH, record, known_keys(None), quiet=quiet)


def _keep(
    kind: str,
    record: Mapping[str, Any],
    keys: frozenset[str],
    *,
    parent: str | None = None,
    verbose: bool = False,
    quiet: bool = False,
) -> None:
    from rise_cli.history.memory import Memory
    from rise_cli.render.quiet import Quiet
    from rise_cli.settings import log_path

    notice = Quiet(sys.stderr, silent=quiet).notice
    try:
        with Memory(log_path(os.environ)) as memory:
            name = memory.save(kind, _without(record, keys), parent=parent, at=datetime.now(UTC))
    except RiseError as error:
        notice(f"this run is not in the log: {error}")
        return
    if verbose:
        notice(f"kept as {name}; `rise log show {name}` shows it again")


def known_keys(key: str | None) -> frozenset[str]:
    """The keys that there are: the one in use, and those that the environment holds for others."""
    from rise_cli.chat.providers import PROVIDERS

    variables = (name for provider in PROVIDERS.values() for name in provider.key_vars)
    known = {key or "", *(os.environ.get(name, "").strip() for name in variables)}
    return frozenset(key for key in known if len(key) >= _SHORTEST_KEY)


def _without(value: Any, keys: frozenset[str]) -> Any:
    """A JSON value with the keys struck out of its texts. Those of settings and errors are already; but a
    model may repeat one that stood in the question."""
    from rise_cli.settings.redaction import HIDDEN

    if isinstance(value, str):
        for key in keys:
            value = value.replace(key, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {name: _without(inner, keys) for name, inner in value.items()}
    return [_without(inner, keys) for inner in value] if isinstance(value, list | tuple) else value
