"""`rise report`: results files as one page that stands alone."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rise_cli.commands.wish import STDIO
from rise_cli.errors import RiseError, UsageError
from rise_cli.render.amounts import counted
from rise_cli.render.html import charts
from rise_cli.render.html.page import write
from rise_cli.render.quiet import Quiet


def report(results: Sequence[Path], out: str, title: str | None, *, show: bool, quiet: bool) -> None:
    """Write the page of `results` to `out`, whole or not at all; with `show` open it in a browser."""
    if out == STDIO and show:
        raise UsageError("a page on stdout cannot be opened; leave out --open, or name a file with -o")
    if out != STDIO:
        _check(out, results)
    charts.library()  # before minutes of reading
    if out == STDIO:
        write(results, sys.stdout.buffer, title)
        sys.stdout.flush()
        return
    problems, size = _replace(Path(out), results, title)
    if not quiet:
        told = f", {size / 1e6:.1f} MB" if size else ""
        Quiet(sys.stderr).notice(f"wrote {out!r}: {counted(problems, 'problem')}{told}")
    if show:
        _show(Path(out))


def _check(out: str, results: Sequence[Path]) -> None:
    for path in results:
        if os.path.realpath(out) == os.path.realpath(path) or _is_same(Path(out), path):
            raise UsageError(f"{out!r} is what is read; name another file with -o")
    if Path(out).is_dir():
        raise UsageError(f"cannot write the page to {out!r} (it is a folder); name a file with -o")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one of them is not there yet
        return False


def _replace(out: Path, results: Sequence[Path], title: str | None) -> tuple[int, int]:
    """Write beside `out` and put it in its place when it is whole; return problems and bytes, 0 of them
    where they went to no file."""
    target = Path(os.path.realpath(out))
    try:
        if target.exists() and not target.is_file():  # a pipe or a device stays what it is
            with target.open("wb") as device:
                return write(results, device, title), 0
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name[:80]}.", delete=False
        ) as page:
            beside = Path(page.name)
            try:
                problems = write(results, page, title)
                page.flush()
                os.fsync(page.fileno())
                size = page.tell()
                beside.chmod(_mode(target))
                beside.replace(target)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(
            f"cannot write the page to {str(out)!r} ({error.strerror}); name another file with -o"
        ) from error
    return problems, size


def _mode(target: Path) -> int:
    """That of the file that is replaced, else what the umask leaves."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _show(page: Path) -> None:
    import webbrowser

    if not webbrowser.open(page.absolute().as_uri()):
        raise RiseError(f"no browser was found; open {str(page)!r} in one")
