"""The commands of `rise`, their arguments, and nothing else.

Options that several commands share stand in `rise_cli.cli.options`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rise_cli.cli.batching import BATCH_EXAMPLES, batch
from rise_cli.cli.calibrating import CALIBRATE_EXAMPLES, calibrate
from rise_cli.cli.evaluating import EVAL_EXAMPLES, evaluate
from rise_cli.cli.help import Command, Group, examples
from rise_cli.cli.logging import log
from rise_cli.cli.options import OUTPUT, PEOPLE, takes_options
from rise_cli.cli.reporting import REPORT_EXAMPLES, report
from rise_cli.cli.scoring import SCORE_EXAMPLES, score

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

app = typer.Typer(
    cls=Group,
    context_settings=_SETTINGS,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Make language models reconsider: answer, introspect over several turns, vote, stop early.",
    epilog=examples(
        'rise ask "What is the capital of France?"',
        'rise ask "Is 91 prime? Answer yes or no." --turns 5 -m openai:gpt-6-luna',
        "rise ask --check 'python verify.py' < question.txt",
        "rise batch problems.jsonl -o results.jsonl",
        "rise log show last",
        "rise models",
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rise {version('rise-cli')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(
    cls=Command,
    context_settings=_SETTINGS,
    epilog=examples(
        'rise ask "What is 17 * 23?" --turns 5',
        'rise ask "Which is larger, 9.9 or 9.11?" --prompt sample --samples 8  # self-consistency',
        "cat question.txt | rise ask --json | jq .votes",
        "rise ask - --context report.md --max-cost 0.05 < question.txt",
        "rise ask \"Write a regex for ISO dates\" --kind text --check 'python try_it.py'",
        'rise ask "Draft a reply to this review." --role writing --interactive',
        'rise ask --continue last --feedback "Shorter, and for a child."',
        'rise ask --continue last "And in French?"',
        'rise ask "Is 91 prime?" --dry-run -m anthropic:claude-haiku-5-5',
        "",
        "Exit codes: 0 answered; 1 the provider failed or no turn gave an answer; 2 wrong usage;",
        "3 keys or configuration; 5 budget or deadline (the vote so far is printed); 6 --strict",
        "and no majority; 130 interrupted.",
    ),
)
@takes_options
def ask(
    question: Annotated[
        str | None, typer.Argument(help="The question; '-' or nothing reads it from stdin.")
    ] = None,
    context: Annotated[
        str | None,
        typer.Option("--context", metavar="FILE|-", help="Material to answer from.", rich_help_panel=OUTPUT),
    ] = None,
    interactive: Annotated[
        bool,
        typer.Option(
            "-i",
            "--interactive",
            help="After every turn, ask you at the terminal: go on, accept, stop, or say what to change.",
            rich_help_panel=PEOPLE,
        ),
    ] = False,
    continued: Annotated[
        str | None,
        typer.Option(
            "--continue",
            metavar="ID",
            help="Take up an earlier run (see rise log list; last is the newest): with --feedback, or with a "
            "new question in the same conversation. Its model, protocol, role and kind stay unless given.",
            rich_help_panel=PEOPLE,
        ),
    ] = None,
    feedback: Annotated[
        str | None,
        typer.Option(
            "--feedback",
            metavar="TEXT|-",
            help="What you say about the earlier run's answer; --turns further turns take it up.",
            rich_help_panel=PEOPLE,
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Print the whole winning reply.", rich_help_panel=OUTPUT)
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the trajectory as JSON (see rise schema).", rich_help_panel=OUTPUT
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the first messages, the number of calls and what they may cost; call nobody.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "-v",
            "--verbose",
            help="Show the transcript in a pipe too, and fold nothing.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Show errors only.", rich_help_panel=OUTPUT)
    ] = False,
    **flags: Any,
) -> None:
    """Answer one question over several turns, and print the answer.

    The model answers, reconsiders its own answer in every further turn, and says how sure it is. The
    answers of all turns are put to a vote. stdout is the answer alone; a transcript is shown on
    stderr where that is a terminal.
    """
    from rise_cli.commands.ask import Output, People, ask

    raise typer.Exit(
        ask(
            question,
            context,
            flags,
            Output(full=full, json=as_json, dry_run=dry_run, verbose=verbose, quiet=quiet),
            People(interactive, continued, feedback),
        )
    )


app.command(cls=Command, context_settings=_SETTINGS, epilog=BATCH_EXAMPLES)(batch)
app.command("eval", cls=Command, context_settings=_SETTINGS, epilog=EVAL_EXAMPLES)(evaluate)
app.command(cls=Command, context_settings=_SETTINGS, epilog=SCORE_EXAMPLES)(score)
app.command(cls=Command, context_settings=_SETTINGS, epilog=CALIBRATE_EXAMPLES)(calibrate)
app.command(cls=Command, context_settings=_SETTINGS, epilog=REPORT_EXAMPLES)(report)

app.add_typer(log, name="log")

prompts = typer.Typer(
    cls=Group,
    context_settings=_SETTINGS,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The protocols: every word that is sent to a model.",
    epilog=examples("rise prompts list", "rise prompts show introspect", "rise prompts copy introspect mine"),
)
app.add_typer(prompts, name="prompts")


@prompts.command("list", cls=Command, context_settings=_SETTINGS, epilog=examples("rise prompts list --json"))
def prompts_list(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the shipped protocols and roles with what they do."""
    from rise_cli.commands.prompts import list_prompts

    list_prompts(as_json)


@prompts.command(
    "show",
    cls=Command,
    context_settings=_SETTINGS,
    epilog=examples(
        "rise prompts show paper",
        "rise prompts show single-call --turns 8 --threshold 0.9  # paste it into any chat",
        "rise prompts show single-call --language zh",
        "rise prompts show single-call --source",
    ),
)
def prompts_show(
    name: Annotated[str, typer.Argument(help="A protocol, or a folder with one.")],
    turns: Annotated[
        int | None,
        typer.Option("--turns", metavar="N", min=1, max=50, help="Fill in: most rounds. [default: 5]"),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold", metavar="X", min=0, max=1, help="Fill in: how sure is sure enough. [default: 0.9]"
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="LANG", help="Fill in: en or zh. [default: en]")
    ] = None,
    source: Annotated[bool, typer.Option("--source", help="Show the files as they are.")] = False,
) -> None:
    """Show a protocol's files.

    Of one that runs all rounds in one reply (single-call), its system prompt is shown filled in, ready to
    paste into any chat page.
    """
    from rise_cli.commands.prompts import Rendering, show_prompt

    show_prompt(name, Rendering(turns, threshold, language), source=source)


@prompts.command(
    "copy",
    cls=Command,
    context_settings=_SETTINGS,
    epilog=examples("rise prompts copy introspect mine", 'rise ask "…" --prompt ./mine'),
)
def prompts_copy(
    name: Annotated[str, typer.Argument(help="A protocol, or a folder with one.")],
    folder: Annotated[Path, typer.Argument(help="Where to; must not exist yet.")],
) -> None:
    """Copy a protocol into a folder of your own, to be changed there."""
    from rise_cli.commands.prompts import copy_prompt

    copy_prompt(name, folder)


@app.command(
    cls=Command,
    context_settings=_SETTINGS,
    epilog=examples("rise models", "rise models anthropic", "rise models --json"),
)
def models(
    provider: Annotated[str | None, typer.Argument(help="Ask this provider which models it has.")] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Ask this server.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the providers and whether their key is set, or one provider's models."""
    from rise_cli.commands.models import models

    models(provider, base_url, as_json)


config = typer.Typer(
    cls=Group,
    context_settings=_SETTINGS,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The settings, and where each comes from.",
    epilog=examples("rise config show", "rise config path"),
)
app.add_typer(config, name="config")


@config.command("show", cls=Command, context_settings=_SETTINGS, epilog=examples("rise config show --json"))
def config_show(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Show every setting with its value and its origin. Keys are never shown."""
    from rise_cli.commands.config import show_config

    show_config(as_json)


@config.command(
    "path", cls=Command, context_settings=_SETTINGS, epilog=examples('$EDITOR "$(rise config path)"')
)
def config_path() -> None:
    """Print where your own configuration file is, or would be."""
    from rise_cli.commands.config import show_path

    show_path()


@app.command(cls=Command, context_settings=_SETTINGS, epilog=examples("rise schema > trajectory.schema.json"))
def schema() -> None:
    """Print the JSON Schema of a trajectory, which `rise ask --json` prints one of."""
    from rise_cli.commands.schema import show_schema

    show_schema()
