"""`rise calibrate`: from results to a calibration file, and to what else their confidences speak for."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rise_cli.core.controls import printable
from rise_cli.core.domain import Shape
from rise_cli.errors import UsageError
from rise_cli.history.calibrations import Calibration, check_writable, write_calibration
from rise_cli.history.record import dumps
from rise_cli.history.rows import recorded
from rise_cli.measure.calibration import Fit, fit, stated
from rise_cli.measure.confidence import Bin, in_bins
from rise_cli.measure.replay import Stored, stored
from rise_cli.measure.rollouts import Rollout, rollout
from rise_cli.measure.suggesting import Suggestion, suggest
from rise_cli.prompts import load, names

_BINS = 10


@dataclass(frozen=True)
class Wish:
    """What is wanted of the results. `out` None is beside the first file; `prompt` is the folder of a protocol
    of one's own that they were made with."""

    out: Path | None
    overwrite: bool
    target: float
    prompt: str | None
    as_json: bool


@dataclass(frozen=True)
class _Source:
    """Whose confidences they are; those of another would have to be calibrated by themselves."""

    model: str
    protocol: str
    confidence: str


def calibrate(paths: Sequence[Path], wish: Wish) -> int:
    """Fit, write the file, and print what was found; return the exit code.

    Raises UsageError where there is too little to fit, or the results are of several models.
    """
    out = wish.out or paths[0].with_name(f"{paths[0].name}.calibration.json")
    check_writable(out, overwrite=wish.overwrite)
    source, rollouts, runs = _read(paths, wish.prompt)
    turns = stated(rollouts)
    found = fit(turns)
    write_calibration(out, _file(found, source), overwrite=wish.overwrite)
    suggestions = suggest(runs, found.breakpoints, wish.target)
    right = [turn.right for turn in turns]
    curve = {
        "stated": in_bins(zip((turn.confidence for turn in turns), right, strict=True), _BINS),
        "calibrated": in_bins(zip(found.chances, right, strict=True), _BINS),
    }
    report = _report(out, source, found, curve, suggestions)
    if wish.as_json:
        sys.stdout.write(dumps(report) + "\n")
        return 0
    from rise_cli.render.calibration import sheet

    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(printable(sheet(report, plain="utf" not in encoding.lower())))
    return 0


def _read(paths: Sequence[Path], prompt: str | None) -> tuple[_Source, list[Rollout], list[Stored]]:
    rollouts, runs = [], []
    source: _Source | None = None
    shape = Shape.REVISE
    for path in paths:
        for record in _rows(path):
            now = _source(record)
            if source is None:
                source, shape = now, _shape(now, prompt)
            elif now != source:
                raise UsageError(f"{str(path)!r} {_differing(source, now)}; calibrate them one by one")
            rollouts.append(rollout(record))
            runs.append(stored(record, shape))
    if source is None:
        raise UsageError(
            f"there are no rows with turns in {str(paths[0])!r}; name a results file of rise batch"
        )
    return source, rollouts, runs


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows that somebody was asked for. Raises UsageError where their turns were left out."""
    for record in recorded(path):
        if record["turns"]:
            yield record
        elif record["usage"]["requests"]:
            raise UsageError(
                f"{str(path)!r} was written with --slim, without turns; there is nothing to learn"
            )


def _source(record: Mapping[str, Any]) -> _Source:
    settings = record["settings"]
    return _Source(
        record["model"], str(settings.get("protocol", "")), str(settings.get("confidence", "stated"))
    )


def _differing(source: _Source, now: _Source) -> str:
    was, is_ = asdict(source), asdict(now)
    name = next(name for name in was if was[name] != is_[name])
    return f"has rows of the {name} {is_[name]!r} beside others of {was[name]!r}"


def _shape(source: _Source, prompt: str | None) -> Shape:
    """How the protocol's calls depend on each other, which its folder alone can say."""
    if prompt is None and source.protocol not in names():
        raise UsageError(
            f"the results were made with the protocol {source.protocol!r}; name its folder with --prompt"
        )
    return load(prompt or source.protocol).shape


def _file(found: Fit, source: _Source) -> Calibration:
    return Calibration(
        method=found.method,
        breakpoints=found.breakpoints,
        model=source.model,
        protocol=source.protocol,
        confidence=source.confidence,
        problems=found.problems,
        turns=found.turns,
        metrics={"stated": asdict(found.before), "calibrated": asdict(found.after)},
    )


def _report(
    out: Path,
    source: _Source,
    found: Fit,
    curve: Mapping[str, Sequence[Bin]],
    suggestions: Sequence[Suggestion],
) -> dict[str, Any]:
    """All that was found, as JSON. Figures `calibrated` are of problems that were not fitted to."""
    return {
        "schema": "rise.calibrate/1",
        "file": str(out),
        **asdict(source),
        "method": found.method,
        "problems": found.problems,
        "turns": found.turns,
        "breakpoints": [list(point) for point in found.breakpoints],
        "metrics": {"stated": asdict(found.before), "calibrated": asdict(found.after)},
        "tried": {name: asdict(figures) for name, figures in found.tried.items()},
        "curve": {name: [asdict(one) for one in bins] for name, bins in curve.items()},
        "suggestions": [asdict(one) | {"options": _options(one, out)} for one in suggestions],
    }


def _options(one: Suggestion, out: Path) -> str | None:
    """What to add to a command line, to repeat what is said of it with `rise batch --replay` too."""
    if one.value is None:
        return None
    flag = [f"--{one.name.replace('_', '-')}", f"{one.value:g}"]
    before = {
        "threshold": ["--early-stop", "--calibration", str(out)],
        "vote_temperature": ["--calibration", str(out), "--vote", "weighted"],
    }
    return shlex.join([*before.get(one.name, []), *flag])
