"""What a person sees: values to characters. stdout is the result, stderr is the talk.

Text from a model, a provider or a check is data here: `printable` takes its controls, it is only
ever put into `rich.text.Text`, never read as markup, and it stands indented, so that no reply can
look like a line of ours.

`observer` picks what fits the stream and the wish. rich is imported only where a transcript is
shown: a run in a pipe never pays for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, TextIO

from rise_cli.core.domain import Policy
from rise_cli.render.quiet import Quiet, Watcher

if TYPE_CHECKING:
    from rise_cli.render.plain import PlainTranscript


class Verbosity(IntEnum):
    """How much of the talk is wanted: `-q`, neither, `-v`."""

    QUIET = -1
    NORMAL = 0
    VERBOSE = 1


def observer(
    stream: TextIO,
    *,
    verbosity: Verbosity,
    color: str,
    env: Mapping[str, str],
    model: str,
    policy: Policy,
) -> Watcher:
    """Return the observer for `stream` (stderr), to be entered with `with` around the run.

    A terminal gets the transcript unless it is told to be quiet; anything else gets notices alone
    unless it is told to be verbose, when nothing is folded either. `color` is `auto`, `always` or `never`.
    """
    if verbosity is Verbosity.QUIET:
        return Quiet(stream, silent=True)
    if verbosity is Verbosity.NORMAL and not stream.isatty():
        return Quiet(stream)
    full = verbosity is Verbosity.VERBOSE
    return transcript(stream, color=color, env=env, model=model, policy=policy, full=full)


def transcript(
    stream: TextIO, *, color: str, env: Mapping[str, str], model: str, policy: Policy, full: bool = False
) -> PlainTranscript:
    """Return the transcript that fits `stream`: with a live region where its cursor can move. `full` folds
    nothing."""
    from rise_cli.render.console import make_console
    from rise_cli.render.live import LiveTranscript
    from rise_cli.render.plain import PlainTranscript

    console = make_console(stream, color, env)
    fitting = LiveTranscript if console.is_interactive else PlainTranscript
    return fitting(console, model=model, policy=policy, full=full)
