"""The commands beside `ask`, and what all of them share: help, version, completion."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from loopback import Loopback, Reply, Status
from nursery import RISE
from running import KEYS, Program, at
from wires import KEY

from rise_cli.chat.providers import PROVIDERS
from rise_cli.cli.app import app
from rise_cli.prompts import home
from rise_cli.settings import Settings


def _commands(group: Any, *above: str) -> Iterator[tuple[str, ...]]:
    yield above
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, *above, name)


COMMANDS = list(_commands(typer.main.get_command(app)))


# What all of them share


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help_with_an_example(rise: Program, command: tuple[str, ...], flag: str) -> None:
    result = rise(*command, flag)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: {' '.join(['rise', *command])}")
    examples = result.out.partition("\n  Examples:\n")[2]
    assert "rise " in examples
    assert max(map(len, result.out.splitlines())) <= 100


def test_there_are_the_commands_that_are_promised() -> None:
    assert {" ".join(command) for command in COMMANDS} >= {
        "ask", "models", "prompts list", "prompts show", "prompts copy", "config show", "config path",
        "schema", "log list", "log show", "log search", "log delete", "log path",
    }  # fmt: skip


def test_every_setting_is_an_option_of_ask(rise: Program) -> None:
    text = rise("ask", "-h").out
    missing = [name for name in Settings.model_fields if f"-{name.replace('_', '-')}" not in text]
    assert missing == []


@pytest.mark.parametrize("command", [("prompts",), ("config",), ()], ids=" ".join)
def test_a_group_alone_shows_its_help(rise: Program, command: tuple[str, ...]) -> None:
    result = rise(*command)
    assert result.code in {0, 2}
    assert "Examples:" in result.out + result.err


@pytest.mark.parametrize("command", [("nonsense",), ("ask", "--nonsense"), ("config", "nonsense")])
def test_what_is_no_command(rise: Program, command: tuple[str, ...]) -> None:
    result = rise(*command)
    assert (result.code, result.out) == (2, "")
    assert "nonsense" in result.err


def test_version(rise: Program) -> None:
    result = rise("--version")
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(r"rise \d+\.\d+\.\d+\S*\n", result.out)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(rise: Program, shell: str) -> None:
    words = {"COMP_WORDS": "rise mo", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "rise mo"}
    words["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    script = rise.run(env={"_RISE_COMPLETE": f"source_{shell}"})
    completed = rise.run(env={"_RISE_COMPLETE": f"complete_{shell}"} | words)
    assert (script.code, script.err) == (0, "")
    assert "_RISE_COMPLETE=complete_" in script.out
    assert "models" in completed.out
    assert "schema" not in completed.out


def test_show_completion(rise: Program) -> None:
    result = rise.run("--show-completion", shell='bash -c \'"$@"; exit $?\' bash "$@"')
    assert result.code == 0
    assert "_RISE_COMPLETE" in result.out


def test_help_is_quick_because_it_loads_little(rise: Program) -> None:
    heavy = ("openai", "anthropic", "rich", "pydantic", "jinja2", "genai_prices", "asyncio", "platformdirs")
    program = (
        "import sys; from rise_cli.cli import main\n"
        "try: main()\n"
        f"finally: print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    python = Path(RISE).with_name("python")
    for command in (("--help",), ("--version",)):
        process = subprocess.run(
            [python, "-c", program, *command], env=rise.env, cwd=rise.folder, capture_output=True, check=True
        )
        assert process.stderr == b"[]\n", command


# rise prompts


def test_prompts_list(rise: Program) -> None:
    result = rise("prompts", "list")
    names = re.findall(r"^([a-z-]+)  ", result.out, re.M)
    assert (result.code, result.err) == (0, "")
    assert {"introspect", "sample", "paper", "math"} <= set(names)
    rows = json.loads(rise("prompts", "list", "--json").out)
    assert {row.get("protocol") or row["role"] for row in rows} == set(names)
    speaks = {row["protocol"]: row["languages"] for row in rows if "protocol" in row}
    assert speaks["introspect"] == ["en"]
    assert speaks["single-call"] == ["en", "zh"]
    assert re.search(r"^single-call .* \[en, zh\]$", result.out, re.M)
    assert {row["role"] for row in rows if "role" in row} >= {
        "math", "code", "support", "tutor", "writing", "research", "strategy"
    }  # fmt: skip


def test_paper_says_in_the_list_that_it_tells_the_model_it_was_wrong(rise: Program) -> None:
    rows = json.loads(rise("prompts", "list", "--json").out)
    assert "wrong" in next(row["description"] for row in rows if row.get("protocol") == "paper")


def test_prompts_show(rise: Program) -> None:
    result = rise("prompts", "show", "introspect")
    assert result.code == 0
    assert re.findall(r"^--- (\S+)", result.out, re.M) == [
        "protocol.toml", "question.md", "revise.md", "system.md"
    ]  # fmt: skip
    assert "Keep it" in result.out


@pytest.mark.parametrize(
    ("more", "rounds", "sure", "begins"),
    [
        ((), "5", "90%", "Answer every question"),
        (("--turns", "8", "--threshold", "0.95"), "8", "95%", "Answer every question"),
        (("--turns", "8", "--threshold", "0.9", "--language", "zh"), "8", "90%", "请用递归自省的方式"),
        (("--language", "en"), "5", "90%", "Answer every question"),
    ],
)
def test_single_call_is_shown_ready_to_paste(
    rise: Program, more: tuple[str, ...], rounds: str, sure: str, begins: str
) -> None:
    result = rise("prompts", "show", "single-call", *more)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(begins)
    assert rounds in result.out.splitlines()[0]
    assert sure in result.out
    assert not re.search(r"[{}]|^---", result.out, re.M)


def test_what_is_shown_is_what_is_sent(rise: Program) -> None:
    shown = rise("prompts", "show", "single-call", "--turns", "3", "--threshold", "0.8").out
    with Loopback([Reply("Answer: 8")]) as server:
        more = ("--prompt", "single-call", "--turns", "3", "--threshold", "0.8")
        rise("ask", "3 + 5?", *at("openai", server), *more, env=KEYS)
        assert server.seen[0].body["messages"][0] == {"role": "system", "content": shown.rstrip("\n")}


def test_the_source_of_single_call(rise: Program) -> None:
    result = rise("prompts", "show", "single-call", "--source")
    assert re.findall(r"^--- (\S+)", result.out, re.M) == [
        "protocol.toml", "question.md", "system.md", "system.zh.md"
    ]  # fmt: skip
    assert "{{ turns }}" in result.out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("introspect", "--turns", "3"), "'introspect' shows files as they are"),
        (("refine", "--threshold", "0.5"), "such as that of single-call"),
        (("introspect", "--language", "zh"), "does not speak 'zh'"),
        (("single-call", "--language", "fr"), "does not speak 'fr'; it has en, zh"),
        (("single-call", "--source", "--turns", "3"), "--source shows files as they are"),
        (("single-call", "--turns", "51"), "--turns"),
        (("single-call", "--turns", "0"), "--turns"),
        (("single-call", "--threshold", "1.1"), "--threshold"),
    ],
)
def test_what_cannot_be_filled_in(rise: Program, more: tuple[str, ...], words: str) -> None:
    result = rise("prompts", "show", *more)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("refine", ["rate.md", "select.md"]),
        ("single-call", ["rate.md", "rate.zh.md", "select.md", "select.zh.md"]),
    ],
)
def test_a_copy_holds_every_word_that_is_sent(rise: Program, name: str, shared: list[str]) -> None:
    assert rise("prompts", "copy", name, "mine").code == 0
    copied = sorted(path.name for path in (rise.folder / "mine").iterdir())
    own = sorted(path.name for path in (home() / name).iterdir())
    assert copied == sorted([*own, *shared])
    (rise.folder / "mine" / "rate.md").write_text("Sure of {{ answer }}?")
    with Loopback([Reply("Answer: 8"), Reply("Confidence: 70%")]) as server:
        more = ("--prompt", "./mine", "--turns", "1", "--confidence", "asked")
        assert rise("ask", "3 + 5?", *at("openai", server), *more, env=KEYS).out == "8\n"
        assert server.seen[1].body["messages"][-1]["content"] == "Sure of 8?"
    again = rise("prompts", "copy", "./mine", "yours")
    assert again.code == 0
    assert (rise.folder / "yours" / "rate.md").read_text() == "Sure of {{ answer }}?"


def test_a_copied_protocol_can_be_changed_and_used(rise: Program, wire: str) -> None:
    copied = rise("prompts", "copy", "introspect", "mine")
    assert (copied.code, copied.out) == (0, "")
    assert "--prompt ./mine" in copied.err
    (rise.folder / "mine" / "revise.md").write_text("Are you {{ answer }} sure?", encoding="utf-8")
    with Loopback([Reply("Answer: 8")]) as server:
        result = rise("ask", "3 + 5?", *at(wire, server), "--prompt", "./mine", "--turns", "2", env=KEYS)
        assert "Are you 8 sure?" in server.seen[1].text
    assert (result.code, result.out) == (0, "8\n")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("revise.md", "{{ answr }}", "'answr' is undefined"),
        ("revise.md", "{% if %}", "revise.md', line 1"),
        ("revise.md", "{{ ''.__class__.__mro__ }}", "unsafe"),
        ("revise.md", "{% include '../../secret' %}", "beside it only"),
        ("protocol.toml", "shape = 'round'\ndescription = ''", "shape must be one of"),
        ("protocol.toml", "shape", "is not valid TOML"),
    ],
)
def test_a_broken_protocol_costs_no_call(rise: Program, file: str, content: str, words: str) -> None:
    rise("prompts", "copy", "introspect", "mine")
    (rise.folder / "mine" / file).write_text(content, encoding="utf-8")
    with Loopback() as server:
        result = rise("ask", "x?", *at("openai", server), "--prompt", "./mine", env=KEYS)
        assert server.connections == 0
    assert (result.code, result.out) == (2, "")
    assert words in result.err


def test_a_folder_may_hold_whatever_else(rise: Program) -> None:
    """Links that go round, pipes, folders and large files beside the templates cost nothing."""
    rise("prompts", "copy", "introspect", "mine")
    folder = rise.folder / "mine"
    (folder / "round").symlink_to("..")
    (folder / "self").symlink_to("self")
    (folder / "within").mkdir()
    (folder / "within" / "more.md").write_text("more")
    os.mkfifo(folder / "pipe")
    with Loopback([Reply("Answer: 8")]) as server:
        ask = ("ask", "3 + 5?", *at("openai", server), "--prompt", "./mine", "--turns", "1", "--json")
        before = rise(*ask, env=KEYS).record["settings"]["protocol"]
        (folder / "within" / "more.md").write_text("less")
        assert rise(*ask, env=KEYS).record["settings"]["protocol"] == before
        (folder / "question.md").write_text("{{ question }}!", encoding="utf-8")
        assert rise(*ask, env=KEYS).record["settings"]["protocol"] != before


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("show", "introspekt"), "did you mean 'introspect'?"),
        (("copy", "nothing", "mine"), "no protocol named 'nothing'"),
        (("copy", "introspect", "."), "already exists"),
        (("copy", "introspect", "/proc/mine"), "cannot copy to '/proc/mine'"),
    ],
)
def test_prompts_that_cannot_be(rise: Program, command: tuple[str, ...], words: str) -> None:
    result = rise("prompts", *command)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


# rise models


def test_models_lists_the_providers_and_whether_a_key_is_set(rise: Program) -> None:
    result = rise("models", env={"OPENAI_API_KEY": KEY})
    lines = dict(line.split(maxsplit=1) for line in result.out.splitlines())
    assert (result.code, result.err) == (0, "")
    assert list(lines) == list(PROVIDERS)
    assert lines["openai"].startswith("key set (OPENAI_API_KEY)")
    assert lines["anthropic"].startswith("no key; set ANTHROPIC_API_KEY")
    assert lines["local"].startswith("needs no key")
    rows = json.loads(rise("models", "--json", env={"OPENAI_API_KEY": KEY}).out)
    assert {
        row["provider"]: row["key"] for row in rows if row["provider"] in {"openai", "groq", "local"}
    } == {
        "openai": "set",
        "groq": "missing",
        "local": "not needed",
    }


def test_models_says_where_a_key_comes_from(rise: Program) -> None:
    config = rise.home / "config.toml"
    config.write_text(f"[providers.groq]\nkey_cmd = 'echo {KEY}'\n", encoding="utf-8")
    result = rise("models", env={"RISE_CONFIG": str(config), "GOOGLE_API_KEY": KEY})
    lines = dict(line.split(maxsplit=1) for line in result.out.splitlines())
    assert lines["groq"].startswith("key set (key_cmd)")
    assert lines["gemini"].startswith("key set (GOOGLE_API_KEY)")


def test_the_environments_address_goes_before_the_configured_one(rise: Program, wire: str) -> None:
    config = rise.home / "config.toml"
    config.write_text(f"[providers.{wire}]\nbase_url = 'http://127.0.0.1:9'\n", encoding="utf-8")
    with Loopback([Reply("Answer: 8")], models=["m-1"]) as server:
        url = server.openai_url if wire == "openai" else server.anthropic_url
        env = KEYS | {"RISE_CONFIG": str(config), f"{wire.upper()}_BASE_URL": url}
        answer = rise("ask", "3 + 5?", "-m", f"{wire}:m-1", "--turns", "1", env=env)
        listed = rise("models", wire, env=env)
        rows = json.loads(rise("models", "--json", env=env).out)
        flagged = rise(
            "models", wire, "--base-url", url, env=env | {f"{wire.upper()}_BASE_URL": "http://[::1]:9"}
        )
    assert (answer.out, listed.out, flagged.out) == ("8\n", "m-1\n", "m-1\n")
    assert next(row["base_url"] for row in rows if row["provider"] == wire) == url


# What a cap needs


@pytest.mark.parametrize(
    ("model", "url", "more", "code"),
    [
        ("openai:gpt-4o", "http://127.0.0.1:9/v1", (), 3),
        ("openai:gpt-4o", "http://127.0.0.1:9/v1", ("--price", "1,2"), 0),
        ("openai:gpt-4o", "https://api.openai.com/v1/", (), 0),
        ("openai:gpt-4o", None, (), 0),
        ("anthropic:claude-sonnet-4-5", "http://127.0.0.1:9", (), 3),
        ("ollama:m", None, (), 0),
        ("ollama:m", "http://localhost:9/v1", (), 0),
        ("ollama:m", "https://gateway.example/v1", (), 3),
        ("local:", None, (), 0),
    ],
)
def test_a_price_is_known_for_the_providers_own_address_alone(
    rise: Program, model: str, url: str | None, more: tuple[str, ...], code: int
) -> None:
    where = ("--base-url", url) if url else ()
    result = rise("ask", "x?", "--dry-run", "--max-cost", "1", "-m", model, *where, *more, env=KEYS)
    assert result.code == code
    assert ("--price IN,OUT" in result.err) == (code == 3)


@pytest.mark.parametrize(
    ("option", "cap"),
    [
        ("service_tier=priority", ("--max-cost", "1", "--price", "1,2")),
        ("best_of=5", ("--max-cost", "1", "--price", "1,2")),
        ("best_of=5", ("--max-tokens-total", "99999")),
    ],
)
def test_an_option_that_changes_the_bill_does_not_go_with_a_cap(
    rise: Program, wire: str, option: str, cap: tuple[str, ...]
) -> None:
    with Loopback([Reply("Answer: 8")]) as server:
        capped = rise("ask", "x?", *at(wire, server), *cap, "--option", option, env=KEYS)
        assert server.connections == 0
        free = rise("ask", "x?", *at(wire, server), "--turns", "1", "--option", option, env=KEYS)
    assert (capped.code, capped.out, free.code) == (2, "", 0)
    assert f"--option '{option.partition('=')[0]}'" in capped.err
    assert cap[0] in capped.err


def test_models_of_a_provider_are_what_it_says(rise: Program, wire: str) -> None:
    names = [f"m-{number}" for number in range(7)]
    with Loopback(models=names, page=3) as server:
        url = server.openai_url if wire == "openai" else server.anthropic_url
        flagged = rise("models", wire, "--base-url", url, env=KEYS)
        set_ = rise("models", wire, "--json", env=KEYS | {f"{wire.upper()}_BASE_URL": url})
    assert (flagged.code, flagged.out.split(), flagged.err) == (0, names, "")
    assert json.loads(set_.out) == names


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("opnai",), 2, "unknown provider 'opnai'"),
        (("local",), 2, "has no list of models"),
        (("openai",), 3, "no key for openai: set OPENAI_API_KEY"),
        (("openai", "--base-url", "ftp://x"), 2, "--base-url"),
        (("openai", "--base-url", "http://127.0.0.1:9/v1"), 1, "nothing answers for openai"),
    ],
)
def test_models_that_cannot_be_listed(
    rise: Program, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = rise("models", *arguments)
    assert (result.code, result.out) == (code, "")
    assert words in result.err
    assert result.err.count("\n") == 1


# rise config and rise schema


def test_config_show_says_where_each_setting_comes_from_and_shows_no_key(rise: Program) -> None:
    config = rise.home / "config.toml"
    config.write_text(
        f"vote = 'last'\ncheck = 'verify --api-key {KEY}'\n[providers.groq]\nkey_cmd = 'echo {KEY}'\n",
        encoding="utf-8",
    )
    (rise.folder / "rise.toml").write_text("window = 2\n", encoding="utf-8")
    env = KEYS | {"RISE_CONFIG": str(config), "RISE_TURNS": "7"}
    result = rise("config", "show", env=env)
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in result.out.splitlines()}
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(r"7 +environment RISE_TURNS", rows["turns"])
    assert re.fullmatch(rf"2 +{re.escape(str(rise.folder / 'rise.toml'))}", rows["window"])
    assert re.fullmatch(rf"last +{re.escape(str(config))}", rows["vote"])
    assert re.fullmatch(r"0.9 +default", rows["threshold"])
    assert "[hidden]" in rows["check"]
    shown = rise("config", "show", "--json", env=env).record
    assert (
        shown["turns"] == {"value": 7, "origin": "environment RISE_TURNS"} or shown["turns"]["value"] == "7"
    )


def test_config_path(rise: Program) -> None:
    named = rise("config", "path", env={"RISE_CONFIG": "/some/where.toml"})
    usual = rise("config", "path")
    assert named.out == "/some/where.toml\n"
    assert usual.out.startswith(str(rise.home))
    assert usual.out.endswith("config.toml\n")


def test_schema_is_a_schema(rise: Program) -> None:
    result = rise("schema")
    jsonschema.Draft202012Validator.check_schema(result.record)
    assert (result.code, result.err, result.record["title"]) == (0, "", "rise.trajectory/1")


def test_commands_that_ask_nobody_need_no_key_and_no_sdk(rise: Program) -> None:
    with Loopback([Status(500)]) as server:
        env = {"OPENAI_BASE_URL": server.openai_url}
        for command in (("models",), ("config", "show"), ("prompts", "list"), ("schema",)):
            assert rise(*command, env=env).code == 0
        assert server.connections == 0
