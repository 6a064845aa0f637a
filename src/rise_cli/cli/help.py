"""Help as plain text: options in named groups, examples kept as written, no markup, no colour.

Plain, so that it is the same in a pipe and in `docs/cli.md`, and quick, since rich alone would
double the time that `rise --help` takes.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose options are listed by their group (`rich_help_panel`), own ones first."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            row = param.get_help_record(ctx)
            if row is not None:
                default = "Arguments" if param.param_type_name == "argument" else "Options"
                groups.setdefault(getattr(param, "rich_help_panel", None) or default, []).append(row)
        for name in sorted(groups, key=lambda name: (name != "Arguments", name == "Options")):
            with formatter.section(name):
                formatter.write_dl(groups[name])


class Group(TyperGroup):
    """A group that lists its commands in the order in which they are defined."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


def examples(*lines: str) -> str:
    """An epilog that shows `lines` as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
