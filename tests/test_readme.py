"""What the READMEs show exists: the two commands, every command and every option in their code blocks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READMES = ["README.md", "README.zh-CN.md"]
HELP = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def shell_lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if "rise " in line]


@pytest.mark.parametrize("name", READMES)
def test_both_commands_stand_on_the_first_screen(name: str) -> None:
    first_screen = (ROOT / name).read_text(encoding="utf-8").splitlines()[:24]
    commands = [line for line in first_screen if line.startswith("pip install uv && uv run ")]
    assert commands == [
        'pip install uv && uv run rise ask "What is the capital of France?"',
        "pip install uv && uv run pytest",
    ]


@pytest.mark.parametrize("name", READMES)
def test_every_command_and_option_shown_is_in_the_help(name: str) -> None:
    lines = shell_lines(name)
    assert lines
    for shown in lines:
        line = shown.partition(" #")[0]
        for command in re.findall(r"(?:^|\$\(|\$ |run )rise ([a-z]+)", line):
            assert f"## `rise {command}`" in HELP, line
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line):
            assert option in HELP, line


def test_the_tree_in_the_readme_is_the_tree() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8").rpartition("```text")[2]
    rooms = {
        p.name for p in (ROOT / "src" / "rise_cli").iterdir() if p.is_dir() and not p.name.startswith("_")
    }
    assert {room for room in rooms if f"{room}/" in tree} == rooms
