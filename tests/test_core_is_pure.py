"""The core decides and does nothing else: no clock, no files, no event loop, nobody else's code.

import-linter keeps the floors of the house apart; this is what it cannot see, the standard library.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "rise_cli"
PURE = [*sorted((SOURCE / "core").rglob("*.py")), SOURCE / "errors.py"]

# Nothing in here reads a clock, a file, an environment or a random source. `random` is here for the
# sake of `random.Random(seed)`; the functions of the module itself are not pure.
ALLOWED = {
    "__future__", "bisect", "collections", "dataclasses", "decimal", "enum", "fractions", "functools",
    "hashlib", "heapq", "itertools", "math", "operator", "random", "re", "statistics", "string", "types",
    "typing", "unicodedata",
}  # fmt: skip
IMPURE = {"open", "input", "print", "exec", "eval", "compile", "__import__", "hash", "id", "breakpoint"}
LONGEST = 330
"""Lines. 300 is where a file begins to smell."""


def imported(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Each module that is imported anywhere in the file, and the name that is taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written out"
            yield from ((node.module or "", alias.name) for alias in node.names)


def is_pure(module: str, name: str | None) -> bool:
    if module.startswith("rise_cli.core.") or module == "rise_cli.errors":
        return True
    if module == "rise_cli.core":
        return name is not None and (SOURCE / "core" / f"{name}.py").exists()
    if module == "random":
        return name == "Random"
    return module.partition(".")[0] in ALLOWED


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.stem)
def test_it_imports_nothing_that_acts(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [what for what in imported(tree) if not is_pure(*what)] == []


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.stem)
def test_it_neither_acts_nor_waits(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Global, ast.Nonlocal)
    found = [
        f"line {node.lineno}: {type(node).__name__}" for node in ast.walk(tree) if isinstance(node, waiting)
    ]
    found += [
        f"line {node.lineno}: {node.func.id}()"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE
    ]
    assert found == []


def test_there_is_something_to_look_at() -> None:
    assert {"domain", "loop", "stopping", "voting", "errors"} <= {path.stem for path in PURE}
    assert not is_pure("time", None)
    assert not is_pure("random", "random")
    assert not is_pure("os.path", "join")
    assert not is_pure("rise_cli.chat", "Chat")
    assert not is_pure("rise_cli.core", "nothing")
    assert is_pure("collections.abc", "Iterable")


def test_no_file_is_too_long() -> None:
    lengths = {
        path.relative_to(SOURCE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}
