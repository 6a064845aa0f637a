"""The options that mean the same in every command, in one table.

A command decorated with `takes_options` gets them all as `**flags`, by the names of
`rise_cli.settings.Settings`. None stands for "not given", so that lower layers can speak. Ranges
and values are checked there, once, wherever they come from.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer

METHOD = "Method"
STOPPING = "Stopping and voting"
MODEL = "Model"
SPENDING = "Spending and patience with providers"
OUTPUT = "Output"
PEOPLE = "People in the loop"
FIELDS = "Fields of the problems"


class Opt(NamedTuple):
    """One option: the setting it sets, its spellings, the type of its value, its help and group."""

    name: str
    spellings: tuple[str, ...]
    type: Any
    metavar: str | None
    help: str
    group: str


OPTIONS = (
    Opt("model", ("-m", "--model"), str, "PROVIDER:MODEL", "The model, such as openai:gpt-6-luna or local:. Default: the first provider whose key is set, else the embedded model.", MODEL),
    Opt("base_url", ("--base-url",), str, "URL", "Send requests to this OpenAI-compatible (or Anthropic) server.", MODEL),
    Opt("temperature", ("--temperature",), float, "X", "Sampling temperature. Not sent unless given.", MODEL),
    Opt("top_p", ("--top-p",), float, "X", "Nucleus sampling. Not sent unless given.", MODEL),
    Opt("max_tokens", ("--max-tokens",), int, "N", "Most tokens in one reply.", MODEL),
    Opt("seed", ("--seed",), int, "N", "Seed of the provider's sampling (every call sends one of its own, drawn from this) and of the method's own draws.", MODEL),
    Opt("reasoning_effort", ("--reasoning-effort",), str, "WORD", "How hard a reasoning model thinks: low, medium, high or what it offers.", MODEL),
    Opt("option", ("--option",), list[str], "K=V", "Any other request parameter; may be repeated.", MODEL),
    Opt("stream", ("--stream/--no-stream",), bool, None, "Show replies as they are written. Default: on where they are shown.", MODEL),
    Opt("turns", ("--turns",), int, "N", "Most turns of a chain, 1 to 50. [default: 5]", METHOD),
    Opt("samples", ("--samples",), int, "N", "Chains side by side, 1 to 100. [default: the protocol's]", METHOD),
    Opt("prompt", ("--prompt",), str, "NAME|DIR", "The protocol (see rise prompts list), or a folder with one. [default: introspect]", METHOD),
    Opt("role", ("--role",), str, "NAME|FILE", "Who the model shall be: a text before everything else.", METHOD),
    Opt("window", ("--window",), str, "N|all", "How many of its past attempts a turn sees; 0 sees only the question. [default: 1]", METHOD),
    Opt("draw", ("--draw",), int, "K", "How many attempts of all chains a turn sees, where the protocol draws (aggregate). [default: the protocol's]", METHOD),
    Opt("language", ("--language",), str, "LANG", "The language of the protocol's words, where it has several: en or zh. [default: en]", METHOD),
    Opt("kind", ("--kind",), str, "KIND", "What the answer is: auto, number, choice, math or text (the whole reply). [default: auto, or text with a role for open questions]", METHOD),
    Opt("confidence", ("--confidence",), str, "SOURCE", "stated: read from replies; asked: in a call of its own that sees only question and answer; logprob: from the tokens' probabilities; none. [default: stated]", METHOD),
    Opt("calibration", ("--calibration",), str, "FILE", "Take a confidence for what it is worth, by a file of rise calibrate, before --threshold and --vote weighted look at it. What is recorded stays as stated.", METHOD),
    Opt("check", ("--check",), str, "COMMAND", "Run this on every answer: exit 0 accepts it, anything else rejects it and its output is the next turn's feedback.", METHOD),
    Opt("check_timeout", ("--check-timeout",), float, "SECONDS", "Kill a check after this long. [default: 60]", METHOD),
    Opt("vote", ("--vote",), str, "RULE", "majority, last, first, weighted (by confidence), entropy (by the tokens' certainty) or consistent (the model picks the reply that the others agree with). [default: majority; consistent for --kind text]", STOPPING),
    Opt("vote_temperature", ("--vote-temperature",), float, "T", "How much confidence counts under --vote weighted: the smaller, the more. [default: 0.5]", STOPPING),
    Opt("tie", ("--tie",), str, "RULE", "Among equally polled answers: earliest or latest. [default: earliest]", STOPPING),
    Opt("threshold", ("--threshold",), float, "X", "Stated confidence, 0 to 1, that counts as sure. [default: 0.9]", STOPPING),
    Opt("patience", ("--patience",), int, "N", "Stop after the same sure answer this many times in a row. [default: 2]", STOPPING),
    Opt("early_stop", ("--early-stop/--no-early-stop",), bool, None, "Stop when no later turn can change the winner, or the model is sure. [default: early-stop]", STOPPING),
    Opt("strict", ("--strict/--no-strict",), bool, None, "Give no answer unless it has more than half of the votes: exit 6, or a failed row of a batch.", STOPPING),
    Opt("max_cost", ("--max-cost",), float, "USD", "Never spend more than this.", SPENDING),
    Opt("max_tokens_total", ("--max-tokens-total",), int, "N", "Never use more tokens than this, input and output together.", SPENDING),
    Opt("price", ("--price",), str, "IN,OUT", "Prices in USD per million tokens, for models whose price is not known.", SPENDING),
    Opt("deadline", ("--deadline",), float, "SECONDS", "Time for the whole question, which then gets voted on, or for the whole file.", SPENDING),
    Opt("timeout", ("--timeout",), float, "SECONDS", "Time for one attempt at one call. [default: 300]", SPENDING),
    Opt("max_retries", ("--max-retries",), int, "N", "Retries of a failed call. [default: 6]", SPENDING),
    Opt("max_wait", ("--max-wait",), float, "SECONDS", "Longest Retry-After to sit out. [default: 120]", SPENDING),
    Opt("concurrency", ("--concurrency",), str, "N|auto", "Most calls in flight; auto finds out how many, up to 1,000. [default: auto]", SPENDING),
    Opt("rpm", ("--rpm",), int, "N", "Most requests a minute, evenly spread. What the provider's headers say can only lower it.", SPENDING),
    Opt("tpm", ("--tpm",), int, "N", "Most tokens a minute, input and output together, as estimated and then as counted.", SPENDING),
    Opt("log", ("--log/--no-log",), bool, None, "Keep the run in your own log (see rise log). [default: log]", OUTPUT),
    Opt("color", ("--color",), str, "WHEN", "auto, always or never. [default: auto]", OUTPUT),
)  # fmt: skip


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command`, which ends in `**flags`, every option of the table as a keyword."""
    return taking(*(option.name for option in OPTIONS))(command)


def taking(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator as `takes_options`, for the options of these names alone."""
    given = [option for option in OPTIONS if option.name in names]

    def take(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        own = [p.replace(kind=p.KEYWORD_ONLY) for p in own]
        shared = [
            inspect.Parameter(o.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(o))
            for o in given
        ]
        command.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in [*own, *shared]} | {"return": None}
        return command

    return take


def _annotation(option: Opt) -> Any:
    info = typer.Option(
        *option.spellings,
        metavar=option.metavar,
        help=option.help,
        rich_help_panel=option.group,
        show_default=False,
    )
    return Annotated[option.type | None, info]
