"""What `rise eval` recommends, as a command line and as a file of settings."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rise_cli.commands.entries import Entry
from rise_cli.errors import UsageError
from rise_cli.measure.evaluation import Evaluation
from rise_cli.measure.recommend import Recommendation
from rise_cli.settings.files import METHOD, PROJECT_FILE
from rise_cli.settings.redaction import redacted

# Method options that bound this run, and are no part of how a question is worked on.
_OF_THE_RUN = {"max_cost", "max_tokens_total", "deadline", "timeout", "seed", "turns", "samples"}


def check(path: Path, there: Sequence[Entry], flags: Mapping[str, object], *, overwrite: bool) -> None:
    """Find now what would keep the options from being saved after everything is paid for. Leaves no file."""
    folders = [entry.prompt for entry in there if "/" in entry.prompt]
    role = flags.get("role")
    if isinstance(role, str) and "/" in role:
        folders.append(role)
    if folders:
        raise UsageError(
            f"--save writes settings that may only name what is shipped, and {folders[0]!r} is a path; leave "
            "one of them out"
        )
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {str(path.parent)!r} to save the options in; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{str(path)!r} may not be written; name another file with --save")
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder; name a file, such as {str(path / PROJECT_FILE)!r}")
    if path.exists() and not overwrite:
        raise UsageError(f"{str(path)!r} is there already; --overwrite replaces it")


def options(advised: Recommendation, flags: Mapping[str, object]) -> dict[str, object]:
    """The recommended settings, and those of the command line that the runs were made with."""
    kept = {
        name: value
        for name, value in flags.items()
        if name in METHOD - _OF_THE_RUN and value not in (None, [], ())
    }
    return {**kept, **advised.options}


def command(evaluation: Evaluation, flags: Mapping[str, object], model: str | None) -> str | None:
    """The recommended command line; None where nothing is recommended."""
    if evaluation.recommended is None:
        return None
    words = ["rise", "ask", "QUESTION"]
    if model is not None:
        words += ["-m", model]
    if flags.get("base_url"):
        words += ["--base-url", str(redacted(flags["base_url"]))]
    if flags.get("calibration"):
        words += ["--calibration", str(flags["calibration"])]
    for name, value in options(evaluation.recommended, flags).items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{option}")
        else:
            words += [f"--{option}", str(value)]
    return shlex.join(words)


def save(path: Path, advised: Recommendation, flags: Mapping[str, object], evaluation: Evaluation) -> None:
    """Write the options as settings that a folder may have. Raises UsageError where that fails."""
    after = f"for {json.dumps(evaluation.model)} after {evaluation.problems:,} problems"
    lines = [f"# What rise eval recommends {after}:", f"# {advised.chosen.name}"]
    if flags.get("calibration"):
        used = json.dumps(flags["calibration"], ensure_ascii=False)
        lines.append(f"# Confidences count as --calibration {used} says, which only a command line may name.")
    for name, value in options(advised, flags).items():
        lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the options to {str(path)!r}: {error.strerror}") from None
