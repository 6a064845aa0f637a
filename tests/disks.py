"""A small disk of its own, to be filled. Only root can mount one; where that is not allowed, a test is
skipped that needs it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small(folder: Path, size: str) -> Iterator[Path]:
    """A new folder on a disk of `size`, such as `200k`, for as long as it is needed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def resize(disk: Path, size: str = "50m") -> None:
    """Give it more room, or less."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
