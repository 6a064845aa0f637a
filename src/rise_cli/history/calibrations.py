"""Calibration files: what `rise calibrate` found, as JSON that a person can read and a run can apply.

    {"schema": "rise.calibration/1", "method": "isotonic", "breakpoints": [[0.0, 0.41], [0.9, 0.52]],
     "model": "openai:…", "protocol": "introspect", "confidence": "stated", "problems": 200, "turns": 950,
     "metrics": {…}}

Only the breakpoints steer a run, so it is they that its settings have a digest of; the rest says where they
come from. A file is written as a whole or not at all.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from rise_cli.core.calibration import Breakpoints
from rise_cli.errors import UsageError

SCHEMA = "rise.calibration/1"

_LARGEST = 1 << 20  # bytes; there is one breakpoint at most for each confidence that a model states


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a stated confidence is worth, and what that was learnt from.

    `method` is `isotonic`, `platt` or `identity` (nothing was better than what the model says). `problems`
    and `turns` count what it was fitted to; `metrics` hold the figures before and after, by name.
    """

    method: str
    breakpoints: Breakpoints
    model: str
    protocol: str
    confidence: str
    problems: int
    turns: int
    metrics: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Stands for the breakpoints, wherever the file lies and whatever it is called."""
        return sha256(json.dumps(self.breakpoints).encode()).hexdigest()[:12]


def read_calibration(path: Path) -> Calibration:
    """Read a file. Raises UsageError with what is wrong with it, and never with what is in it otherwise."""
    try:
        found = json.loads(_bytes(path))
    except (ValueError, RecursionError):
        raise _unfit(path, "is not JSON") from None
    found = found if isinstance(found, dict) else {}
    schema = found.get("schema")
    if schema != SCHEMA:
        if isinstance(schema, str) and schema.startswith("rise.calibration/"):
            raise _unfit(path, f"has the schema {schema[:40]!r}, and this version of rise knows {SCHEMA!r}")
        raise _unfit(path, f'lacks "schema": "{SCHEMA}"')
    try:
        return Calibration(
            method=_text(found, "method"),
            breakpoints=_breakpoints(found.get("breakpoints")),
            model=_text(found, "model"),
            protocol=_text(found, "protocol"),
            confidence=_text(found, "confidence"),
            problems=_count(found, "problems"),
            turns=_count(found, "turns"),
            metrics=found["metrics"] if isinstance(found.get("metrics"), dict) else {},
        )
    except ValueError as error:
        raise _unfit(path, f"is damaged: {error}") from None


def write_calibration(path: Path, calibration: Calibration, *, overwrite: bool) -> None:
    """Write the file in one step. Raises UsageError where there is one already, unless it may be
    overwritten, and where none can be written."""
    check_writable(path, overwrite=overwrite)
    text = json.dumps({"schema": SCHEMA, **asdict(calibration)}, indent=1, allow_nan=False) + "\n"
    try:
        fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        beside = Path(name)
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), 0o644)
            if overwrite:
                beside.replace(path)
            else:
                os.link(beside, path)  # unlike a rename it never replaces a file that appeared meanwhile
        finally:
            beside.unlink(missing_ok=True)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r} ({error.strerror}); name another with -o") from None


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError where the file is there and may not be overwritten."""
    if os.path.lexists(path) and not overwrite:
        raise _exists(path)


def _exists(path: Path) -> UsageError:
    return UsageError(f"{str(path)!r} already exists; name another with -o, or give --overwrite")


def _bytes(path: Path) -> bytes:
    try:
        # Not blocking, for a pipe without a writer.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _unfit(path, "is no plain file")
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "the path is not valid"
        raise UsageError(
            f"cannot read the calibration {str(path)!r} ({why}); name a file of rise calibrate"
        ) from None
    if len(content) > _LARGEST:
        raise _unfit(path, "is larger than 1 MiB")
    return content


def _unfit(path: Path, why: str) -> UsageError:
    return UsageError(f"the calibration {str(path)!r} {why}; name a file that rise calibrate has written")


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is no text")
    return value


def _count(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    if type(value) is not int or value < 0:
        raise ValueError(f"{name!r} is no number of them")
    return value


def _breakpoints(pairs: object) -> Breakpoints:
    """Raises ValueError with the first thing that is wrong."""
    if not isinstance(pairs, list) or not pairs:
        raise ValueError("it has no 'breakpoints'")
    for number, pair in enumerate(pairs, 1):
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_share, pair))):
            raise ValueError(f"breakpoint {number} is not a pair of numbers from 0 to 1")
    points = tuple((float(x), float(y)) for x, y in pairs)
    for number, ((x0, y0), (x1, y1)) in enumerate(pairwise(points), 2):
        if x1 <= x0:
            raise ValueError(f"breakpoint {number} is not above the one before it")
        if y1 < y0:
            raise ValueError(f"breakpoint {number} falls: a surer answer cannot be worth less")
    return points


def _is_share(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= 1  # which NaN is not
