"""A protocol as loaded, and the roles: from files to what can be rendered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rise_cli.core.domain import Kind, Shape
from rise_cli.errors import UsageError
from rise_cli.prompts.folder import find, home, is_readable, outside, read_text, roles, unknown
from rise_cli.prompts.rules import read_rules
from rise_cli.prompts.templates import Folder

if TYPE_CHECKING:
    from jinja2 import Template

_NEEDED = {
    Shape.REVISE: ("revise.md",),
    Shape.REFINE: ("critique.md", "revise.md"),
    Shape.AGGREGATE: ("aggregate.md",),
    Shape.DECIDE: ("decide.md",),
    Shape.INDEPENDENT: (),
    Shape.SINGLE: ("system.md",),
}
"""The templates of each shape beside `question.md`."""


@dataclass(frozen=True, eq=False)
class Protocol:
    """A protocol as loaded: its rules, and its templates ready to render. Each is equal to itself alone.

    `window`, `samples` and `draw` are what the protocol uses where the caller names none. `opening`
    holds (role, template) pairs. A template that the shape has no use for is None.
    """

    name: str
    folder: Path
    description: str
    shape: Shape
    window: int | None
    samples: int
    draw: int
    system: Template | None
    opening: tuple[tuple[str, Template], ...]
    question: Template
    revise: Template | None
    critique: Template | None
    aggregate: Template | None
    decide: Template | None
    attempt: Template | None
    rate: Template
    select: Template


@dataclass(frozen=True)
class Role:
    """Who the model shall be: a text before everything else. `kind` is that of the answers that such a
    question usually has, where that is known: `text` is one without a short answer."""

    text: str
    kind: Kind | None


def load(name: str, language: str | None = None) -> Protocol:
    """Load the protocol `name` (a shipped one, or a folder) and compile its templates.

    Raises UsageError, naming the file and where possible the line, if anything in it is broken, and
    where it does not speak `language`.
    """
    from rise_cli.prompts.rehearsal import rehearse

    path = find(name)
    rules = read_rules(path / "protocol.toml")
    shape: Shape = rules["shape"]
    window = rules.get("window", 1)
    folder = Folder(path, _spoken(path, language))
    needed = {file: folder.template(file) for file in _NEEDED[shape]}
    shows = "revise.md" in needed and folder.has("attempt.md")
    protocol = Protocol(
        name=path.resolve().name,
        folder=path,
        description=str(rules["description"]),
        shape=shape,
        window=None if window == "all" else window,
        samples=rules.get("samples", 1),
        draw=rules.get("draw", 4),
        system=folder.template("system.md") if folder.has("system.md") else None,
        opening=tuple((_speaker(f), folder.template(f)) for f in rules.get("opening", ())),
        question=folder.template("question.md"),
        revise=needed.get("revise.md"),
        critique=needed.get("critique.md"),
        aggregate=needed.get("aggregate.md"),
        decide=needed.get("decide.md"),
        attempt=folder.template("attempt.md") if shows else None,
        rate=folder.template("rate.md"),
        select=folder.template("select.md"),
    )
    rehearse(protocol)
    return protocol


def languages(path: Path) -> list[str]:
    """The languages that the folder of a protocol has beside English, such as `zh`."""
    return sorted({file.name.split(".")[-2] for file in path.glob("*.??.md")})


def shared(path: Path) -> list[Path]:
    """The shared templates that the protocol in this folder uses: what it has no file of its own for."""
    spoken = ["", *(f".{language}" for language in languages(path))]
    files = [home() / "shared" / f"{stem}{mark}.md" for stem in ("rate", "select") for mark in spoken]
    own = {file.name.partition(".")[0] for file in path.glob("*.md")}
    return [file for file in files if file.is_file() and file.name.partition(".")[0] not in own]


def load_role(name: str) -> Role:
    """Return a role: a shipped one by name, or the text of a file.

    Raises UsageError with the known names if there is neither.
    """
    shipped = name in roles()
    path = home() / "roles" / f"{name}.md" if shipped else outside(name)
    if path is None or not is_readable(path):
        raise UsageError(unknown("role", name, roles(), "or the path of a file, such as ./role.md"))
    return Role(read_text(path).strip(), Kind.TEXT if shipped and name in _open_roles() else None)


def _open_roles() -> list[str]:
    """Shipped roles whose questions have no short answer."""
    return read_text(home() / "roles" / "open.txt").split()


def _spoken(path: Path, language: str | None) -> str | None:
    if language in {None, "en"}:
        return None
    known = languages(path)
    if language not in known:
        raise UsageError(
            f"the protocol {path.name!r} does not speak {language!r}; it has {', '.join(['en', *known])}"
        )
    return language


def _speaker(name: str) -> str:
    for role in ("user", "assistant"):
        if name.endswith(f".{role}.md"):
            return role
    raise UsageError(f"opening {name!r} must be named NAME.user.md or NAME.assistant.md to say who speaks")
