"""The arguments of `rise log`."""

from __future__ import annotations

from typing import Annotated

import typer

from rise_cli.cli.help import Command, Group, examples

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_Limit = Annotated[
    int, typer.Option("-n", "--limit", metavar="N", min=1, max=1_000_000, help="At most this many.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print a JSON array.")]

log = typer.Typer(
    cls=Group,
    context_settings=_SETTINGS,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What was asked before: every run that was not made with --no-log.",
    epilog=examples(
        "rise log list",
        "rise log show last",
        "rise log search capital france",
        "rise log delete --before 2026-11-01",
        "",
        "An ID may be cut short as long as it stays unique; 'last' is the newest entry.",
    ),
)


@log.command(
    "list",
    cls=Command,
    context_settings=_SETTINGS,
    epilog=examples("rise log list -n 5", "rise log list --json | jq -r '.[].id'"),
)
def log_list(limit: _Limit = 20, as_json: _Json = False) -> None:
    """List the newest runs: id, time, model, question, answer. A batch is one entry."""
    from rise_cli.commands.log import list_entries

    list_entries(limit, as_json)


@log.command(
    "show",
    cls=Command,
    context_settings=_SETTINGS,
    epilog=examples(
        "rise log show last",
        "rise log show last --svg transcript.svg",
        "rise log show last --json | jq -r '.turns[-1].reply'",
    ),
)
def log_show(
    name: Annotated[str, typer.Argument(metavar="ID", help="An entry's id, the start of one, or 'last'.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print its record, as rise ask --json does.")
    ] = False,
    svg: Annotated[
        str | None,
        typer.Option("--svg", metavar="FILE", help="Save the transcript as a picture; '-' is stdout."),
    ] = None,
) -> None:
    """Show a run's transcript again.

    Of a batch it shows the summary, and where the results are.
    """
    from rise_cli.commands.log import show_entry

    show_entry(name, as_json, svg)


@log.command(
    "search",
    cls=Command,
    context_settings=_SETTINGS,
    epilog=examples("rise log search capital france", "rise log search 'introspect*' --json"),
)
def log_search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help="All must occur; 'word*' is a start.")],
    limit: _Limit = 20,
    as_json: _Json = False,
) -> None:
    """Find runs by their words, best match first.

    Question, answer, replies and context are searched, in any case and without accents.
    """
    from rise_cli.commands.log import search_entries

    search_entries(words, limit, as_json)


@log.command(
    "delete",
    cls=Command,
    context_settings=_SETTINGS,
    epilog=examples(
        "rise log delete last", "rise log delete --before 2026-11-01", "rise log delete --all --yes"
    ),
)
def log_delete(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Ids, starts of ids, or 'last'.")
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="DATE", help="Delete all that is older.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all entries.")] = False,
    sure: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask first.")] = False,
) -> None:
    """Delete runs for good, after asking."""
    from rise_cli.commands.log import delete_entries

    delete_entries(names or [], before, everything, sure)


@log.command("path", cls=Command, context_settings=_SETTINGS, epilog=examples('du -h "$(rise log path)"'))
def log_path() -> None:
    """Print where the log is, or would be. RISE_LOG_FILE names another place."""
    from rise_cli.commands.log import show_path

    show_path()
