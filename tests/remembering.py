"""What two libraries make anew of the same input in every run is made once, since all runs of a worker
share a process: typer's commands from the functions of `rise_cli.cli.app`, and jinja2's code from the
text of a template. It is more than half of what a short run takes. Processes of their own make it anew.
"""

from __future__ import annotations

import functools
from types import CodeType
from typing import Any

import jinja2
import typer.main


def remember() -> None:
    """To be called once."""
    vars(typer.main)["get_command"] = functools.cache(typer.main.get_command)
    setattr(jinja2.Environment, "compile", _remembering(jinja2.Environment.compile))  # noqa: B010


def _remembering(make: Any) -> Any:
    known: dict[Any, CodeType] = {}

    @functools.wraps(make)
    def compiled(self: jinja2.Environment, source: Any, *place: Any, **more: Any) -> Any:
        means = (self.trim_blocks, self.lstrip_blocks, self.autoescape, self.sandboxed)
        key = (means, source, place, *more.items())
        if key not in known:
            known[key] = make(self, source, *place, **more)
        return known[key]

    return compiled
