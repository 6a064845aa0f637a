"""Some of the problems of a file, the same ones in every run."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from rise_cli.problems import BadRow, Problems, Row


@dataclass(frozen=True)
class Drawn:
    """The problems that were chosen, and the lines among those looked at that pose none."""

    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]


def drawn(problems: Problems, limit: int | None, *, shuffle: bool, seed: int) -> Drawn:
    """The first `limit` problems, of all of them in an order of the seed with `shuffle`.

    That order depends on the ids alone: the problems of a smaller limit are among those of a larger one,
    wherever they stand in the file.
    """
    rows: list[Row] = []
    bad: list[BadRow] = []
    for item in problems.rows():
        if isinstance(item, BadRow):
            bad.append(item)
            continue
        rows.append(item)
        if not shuffle and len(rows) == limit:
            break
    if shuffle:
        rows.sort(key=lambda row: sha256(f"{seed}/{row.id}".encode()).digest())
    return Drawn(tuple(rows[:limit]), tuple(bad))
