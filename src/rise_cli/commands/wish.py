"""What is wanted of one run of `rise batch` besides the settings, and where its rows go."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from rise_cli.errors import UsageError
from rise_cli.problems import hub

STDIO = "-"


@dataclass(frozen=True)
class Wish:
    """What is wanted of a run besides the settings. `out` None is named after the problems."""

    out: str | None = None
    ordered: bool = False
    slim: bool = False
    overwrite: bool = False
    retry_failed: bool = False
    fail_fast: bool = False
    replay: str | None = None
    summary: Path | None = None
    dry_run: bool = False
    afresh: str = "start over with --overwrite"
    """How a person gets rid of rows that do not fit."""
    verbose: bool = False
    quiet: bool = False


def output(problems: str, wish: Wish) -> str:
    """Where the rows go. Raises UsageError for wishes that exclude each other, for files that would be
    read and written at once, and for a summary that could not be written."""
    _check_wish(wish)
    out = _named(problems, wish)
    for other in (problems, wish.replay):
        if out != STDIO and other is not None and _same(out, other):
            raise UsageError(f"{out!r} is what is read; name another file with -o")
    for other in (problems, wish.replay, out, f"{os.path.realpath(out)}.journal"):
        if wish.summary is not None and other is not None and _same(str(wish.summary), other):
            raise UsageError(f"--summary {str(wish.summary)!r} is a file of this run; name another one")
    return out


def _check_wish(wish: Wish) -> None:
    if wish.verbose and wish.quiet:
        raise UsageError("--verbose and --quiet exclude each other; give one of them")
    if wish.overwrite and wish.retry_failed:
        raise UsageError("--overwrite and --retry-failed exclude each other; give one of them")
    if wish.dry_run and wish.replay is not None:
        raise UsageError("--replay asks nobody, so there is nothing to estimate; leave out --dry-run")
    if wish.summary is not None:
        _check_summary(wish.summary, dry_run=wish.dry_run)


def _named(problems: str, wish: Wish) -> str:
    out = wish.out
    if problems.startswith("/dev/") and out is None:
        raise UsageError(f"{problems!r} is no name to call the output after; name it with -o")
    if out is None:
        if problems == STDIO:
            raise UsageError("problems from stdin have no name to call the output after; name it with -o")
        stem = hub.stem(problems) if hub.on_hub(problems) else problems
        out = f"{stem}.{'rise' if wish.replay is None else 'replay'}.jsonl"
    if out == STDIO and (wish.overwrite or wish.retry_failed):
        raise UsageError("there are no earlier rows on stdout; leave out --overwrite and --retry-failed")
    if out == STDIO and getattr(getattr(sys.stdout.buffer, "raw", None), "leads_nowhere", False):
        raise UsageError("stdout is closed, and all rows would be lost; name a file with -o")
    return out


def _same(path: str, other: str) -> bool:
    """Whether the two are one file, under whatever names. `other` may be stdin."""
    try:
        there = os.fstat(0) if other == STDIO else Path(other).stat()
        return os.path.samestat(Path(path).stat(), there)
    except (OSError, ValueError):  # one of them is not there yet
        return other != STDIO and os.path.realpath(path) == os.path.realpath(other)


def _check_summary(path: Path, *, dry_run: bool) -> None:
    """Find now what would lose the summary after everything is paid for. Leaves no file behind."""
    if dry_run:
        raise UsageError("a dry run has no summary to write; leave out --summary or --dry-run")
    if str(path) == STDIO:
        raise UsageError("the summary stands on stderr, and --summary takes the name of a file, not '-'")
    folder = path.parent
    try:
        mode = path.stat().st_mode
        why = "it is a folder" if stat.S_ISDIR(mode) else "it may not be written"
        fits = not stat.S_ISDIR(mode) and os.access(path, os.W_OK)
    except FileNotFoundError:
        why = "its folder may not be written" if folder.is_dir() else "its folder does not exist"
        fits = folder.is_dir() and os.access(folder, os.W_OK)
    except OSError as error:
        why, fits = error.strerror or str(error), False
    if not fits:
        raise UsageError(f"cannot write the summary to {str(path)!r} ({why}); name another file")
