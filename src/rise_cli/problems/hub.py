"""Problems named `hf:`: data sets of the Hugging Face Hub, or a folder or file in one of its forms.

    hf:openai/gsm8k            hf:NAME
    hf:openai/gsm8k:main       hf:NAME:CONFIG
    hf:cais/mmlu:all:test      hf:NAME:CONFIG:SPLIT
    hf:./mine                  a folder, or a .jsonl, .json, .csv or .parquet file

Without a split it is `test`, or the only one there is. `datasets` loads them; what can befall it becomes a
UsageError of one line. It obeys its own variables, such as HF_HUB_OFFLINE and HF_HOME.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from rise_cli.errors import ConfigurationError, UsageError
from rise_cli.problems.content import Content
from rise_cli.problems.presets import preset_for

PREFIX = "hf:"

_BUILDERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
_USUAL_SPLIT = "test"


class Place(NamedTuple):
    """Which data set, and which part of it; None is its own default."""

    name: str
    config: str | None
    split: str | None


def on_hub(path: str) -> bool:
    """Whether `path` names a data set and not a file."""
    return path.startswith(PREFIX)


def stem(path: str) -> str:
    """What files that are made of a data set are called after: `gsm8k-main` for hf:openai/gsm8k:main."""
    name, *rest = path.removeprefix(PREFIX).split(":")
    words = [Path(name).stem.strip(".") or "problems", *filter(None, rest)]
    return "-".join(re.sub(r"[^\w.-]+", "-", word) for word in words)


def contents(path: str, *, plain: bool) -> Iterator[Content]:
    """Yield each record of the data set, as the preset for its columns reads it; `plain` knows none.

    Raises UsageError where it cannot be loaded, and ConfigurationError where `datasets` is not installed.
    """
    found = _found(path)
    preset = None if plain else preset_for(frozenset(found.column_names))
    for record in found:
        # What no file of problems could hold (an image, a date) is kept as what it is called.
        content = json.loads(json.dumps(record, default=str))
        yield content if preset is None else preset.read(content)


def size(path: str) -> int:
    """How many records there are. Raises as `contents`."""
    return len(_found(path))


def place(path: str) -> Place:
    """Split the name. Raises UsageError for one that is not of the form above."""
    name, *rest = path.removeprefix(PREFIX).split(":")
    if not name or len(rest) > 2:
        raise UsageError(f"{path!r} is no data set; write hf:NAME, hf:NAME:CONFIG or hf:NAME:CONFIG:SPLIT")
    config, split = (*rest, "", "")[:2]
    return Place(name, config or None, split or None)


def _found(path: str) -> Any:
    where = place(path)
    try:
        local = Path(where.name).expanduser()
    except RuntimeError:
        raise UsageError(f"the ~ in {where.name!r} names nobody's home; write the path out") from None
    # What is loaded is kept by its name, which must then mean the same everywhere.
    return _loaded(where._replace(name=str(local.absolute())) if local.exists() else where)


@lru_cache(maxsize=1)  # counted, measured and read one after the other
def _loaded(where: Place) -> Any:
    if find_spec("datasets") is None:
        raise ConfigurationError(
            f"data sets such as 'hf:{where.name}' need the package datasets, which is not installed; "
            "run pip install 'rise-cli[eval]'"
        )
    import datasets

    _hush(datasets)
    local = Path(where.name)
    try:
        if local.is_file():
            found = datasets.load_dataset(_builder(local), data_files=str(local))
        elif where.name.startswith((".", "/", "~")) and not local.is_dir():
            raise UsageError(f"there is no folder or file {where.name!r} to read a data set from")
        else:
            found = datasets.load_dataset(str(local) if local.is_dir() else where.name, where.config)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise UsageError(f"cannot load the data set {where.name!r}: {_why(error)}") from None
    return found[_split(where, list(found))]


def _builder(file: Path) -> str:
    if file.suffix.lower() not in _BUILDERS:
        raise UsageError(f"{str(file)!r} is none of {', '.join(_BUILDERS)}; name such a file, or a folder")
    return _BUILDERS[file.suffix.lower()]


def _split(where: Place, there: list[str]) -> str:
    wanted = where.split or (_USUAL_SPLIT if len(there) > 1 else there[0])
    if wanted not in there:
        what = f"has no split {wanted!r}" if where.split else "has several splits"
        named = f"{PREFIX}{where.name}:{where.config or ''}:SPLIT"
        raise UsageError(f"the data set {where.name!r} {what}; name one of {', '.join(there)} as in {named}")
    return wanted


def _why(error: BaseException) -> str:
    """The first sentence of what went wrong, and of what caused it."""
    told = [str(error)]
    if error.__cause__ is not None:
        told.append(str(error.__cause__))
    text = ": ".join(" ".join(one.split()).rstrip(".") for one in told if one)
    if isinstance(error, ConnectionError):
        return f"{text}; it is not in the cache, and the Hub cannot be reached"
    return text[:400] or type(error).__name__


def _hush(datasets: Any) -> None:
    """Bars and log lines of a library do not belong between ours."""
    import logging

    import huggingface_hub

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)
    huggingface_hub.logging.set_verbosity(logging.CRITICAL)
