"""Protocols: every word that is sent to a model, read from a folder.

A protocol is a folder with a `protocol.toml` and Markdown templates in (strict, sandboxed) Jinja2:

    protocol.toml    shape, description; optional: window, samples, opening
    system.md        optional; the system message
    question.md      the user's message that asks the question
    revise.md        the user's message after an attempt (shape `revise` only)

`opening` lists files whose messages stand before the question, each named `NAME.user.md` or
`NAME.assistant.md`. The system message, the opening and the question may use only what does not
change between turns, so that their bytes are the same in every turn and provider caches hit.

Shipped protocols are in the repository's `prompts/` folder and, in an installation, in the package.
"""

from __future__ import annotations

import tomllib
import traceback
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Kind,
    Message,
    Place,
    Problem,
    Shape,
    Verdict,
)
from rise_cli.errors import UsageError

if TYPE_CHECKING:
    from jinja2 import Environment, Template, TemplateSyntaxError

_KEYS = {"shape", "description", "window", "samples", "opening"}
_LARGEST = 1 << 20  # bytes; a prompt file beyond this is a mistake

# What a template can bring about beside jinja2's own errors. A file that includes itself is a
# RecursionError, which is a RuntimeError.
_FAULTS = (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError, SyntaxError)


@dataclass(frozen=True)
class Protocol:
    """A protocol as loaded: its rules, and its templates ready to render.

    `window` and `samples` are what the protocol uses where the caller names none. `opening` holds
    (role, template) pairs.
    """

    name: str
    folder: Path
    description: str
    shape: Shape
    window: int | None
    samples: int
    system: Template | None
    opening: tuple[tuple[str, Template], ...]
    question: Template
    revise: Template | None


def home() -> Path:
    """The folder of shipped prompts: in the installed package, or in the source tree."""
    installed = Path(__file__).parent / "_prompts"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "prompts"


def names() -> list[str]:
    """The shipped protocols, by name."""
    return sorted(p.parent.name for p in home().glob("*/protocol.toml"))


def roles() -> list[str]:
    """The shipped roles, by name."""
    return sorted(p.stem for p in (home() / "roles").glob("*.md"))


def find(name: str) -> Path:
    """Return the folder of the protocol `name`, or of the folder that it is a path to.

    Raises UsageError with the known names if there is neither.
    """
    if name in names():
        return home() / name
    # A bare name is never a folder: a `rise.toml` may name a protocol, and comes from strangers.
    if (folder := _outside(name)) and _is_file(folder / "protocol.toml"):
        return folder
    raise UsageError(
        _unknown("protocol", name, names(), "or the path of a folder with a protocol.toml, such as ./mine")
    )


def load(name: str) -> Protocol:
    """Load the protocol `name` (a shipped one, or a folder) and compile its templates.

    Raises UsageError, naming the file and where possible the line, if anything in it is broken.
    """
    folder = find(name)
    rules = _rules(folder / "protocol.toml")
    shape: Shape = rules["shape"]
    window = rules.get("window", 1)
    environment = _environment(folder)
    protocol = Protocol(
        name=folder.resolve().name,
        folder=folder,
        description=str(rules["description"]),
        shape=shape,
        window=None if window == "all" else window,
        samples=rules.get("samples", 1),
        system=_template(environment, "system.md") if (folder / "system.md").exists() else None,
        opening=tuple((_speaker(f), _template(environment, f)) for f in rules.get("opening", ())),
        question=_template(environment, "question.md"),
        revise=_template(environment, "revise.md") if shape is Shape.REVISE else None,
    )
    _rehearse(protocol)
    return protocol


def load_role(name: str) -> str:
    """Return the text of a role: a shipped one by name, or a file.

    Raises UsageError with the known names if there is neither.
    """
    path = home() / "roles" / f"{name}.md" if name in roles() else _outside(name)
    if path is None or not _is_file(path):
        raise UsageError(_unknown("role", name, roles(), "or the path of a file, such as ./role.md"))
    return read_text(path).strip()


def messages(
    protocol: Protocol, problem: Problem, call: Call, done: tuple[Done, ...], role: str | None = None
) -> tuple[Message, ...]:
    """Return the exact messages of `call`, system first.

    The last message that no turn changes is marked `fixed`. Each seen attempt follows as the
    assistant's own words, and after each the request to reconsider it, with the verdict on it.
    """
    head = _head(protocol, problem, role)
    if not call.sees:
        return head
    facts, seen = _facts(problem), {d.call.place: d for d in done}
    return (*head, *(m for place in call.sees for m in _exchange(protocol, facts, seen[place], place)))


# Every turn of a problem begins alike; so many problems are usually under way.
@lru_cache(maxsize=256)
def _head(protocol: Protocol, problem: Problem, role: str | None) -> tuple[Message, ...]:
    """The messages that no turn changes."""
    facts = _facts(problem)
    system = "\n\n".join(t for t in (role, _fill(protocol.system, facts)) if t)
    head = [Message("system", system)] if system else []
    head += [Message(speaker, _fill(template, facts)) for speaker, template in protocol.opening]
    return (*head, *problem.prior, Message("user", _fill(protocol.question, facts), fixed=True))


def _facts(problem: Problem) -> dict[str, Any]:
    return {
        "question": problem.question,
        "context": problem.context,
        "kind": problem.kind.value,
        "choices": list(problem.choices),
    }


def _exchange(protocol: Protocol, facts: dict[str, Any], done: Done, place: Place) -> tuple[Message, Message]:
    """An attempt, and what is said about it. Only a verdict may say that it was wrong."""
    attempt: Attempt | None = next((a for a in done.attempts if a.place == place), None)
    verdict: Verdict | None = done.verdict
    reply = done.result.reply if isinstance(done.result, Completion) else ""
    said = _fill(
        protocol.revise,
        {
            **facts,
            "answer": attempt.answer if attempt else None,
            "rejected": verdict is not None and verdict.reward == 0,
            "feedback": verdict.feedback if verdict else None,
        },
    )
    return Message("assistant", reply), Message("user", said)


def _rules(path: Path) -> dict[str, Any]:
    try:
        rules = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{str(path)!r} is not valid TOML: {error}") from None
    if unknown := set(rules) - _KEYS:
        raise UsageError(f"{str(path)!r} has the unknown key {sorted(unknown)[0]!r}; known: {sorted(_KEYS)}")
    for key, kind in (("shape", str), ("description", str)):
        if not isinstance(rules.get(key), kind):
            raise UsageError(f"{str(path)!r} must set {key!r} to a text, not {rules.get(key)!r}")
    if rules["shape"] not in set(Shape):
        raise UsageError(
            f"{str(path)!r}: shape must be one of {[s.value for s in Shape]}, not {rules['shape']!r}"
        )
    rules["shape"] = Shape(rules["shape"])
    window, samples = rules.get("window", 1), rules.get("samples", 1)
    if window != "all" and not (type(window) is int and window >= 0):
        raise UsageError(f'{str(path)!r}: window must be 0 or more, or "all", not {window!r}')
    if not (type(samples) is int and samples >= 1):
        raise UsageError(f"{str(path)!r}: samples must be 1 or more, not {samples!r}")
    opening = rules.get("opening", [])
    if not (isinstance(opening, list) and all(isinstance(f, str) for f in opening)):
        raise UsageError(f"{str(path)!r}: opening must be a list of file names, not {opening!r}")
    return rules


def _speaker(name: str) -> str:
    for role in ("user", "assistant"):
        if name.endswith(f".{role}.md"):
            return role
    raise UsageError(f"opening {name!r} must be named NAME.user.md or NAME.assistant.md to say who speaks")


def _template(environment: Environment, name: str) -> Template:
    from jinja2 import TemplateSyntaxError

    try:
        return environment.get_template(name)
    except TemplateSyntaxError as error:
        raise UsageError(_broken(error)) from None
    except (RecursionError, SyntaxError) as error:
        raise UsageError(f"{name!r} cannot be compiled ({error}); nest less deeply in it") from None


def _outside(name: str) -> Path | None:
    """The path that `name` is, or None where it is a bare name."""
    if "/" not in name:
        return None
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise UsageError(f"the ~ in {name!r} names nobody's home; write the path out") from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise UsageError(f"cannot open {str(path)!r}: {error.strerror}") from None


def read_text(path: Path) -> str:
    """Return a prompt file's text. Raises UsageError where it cannot be read, is no UTF-8 or is huge."""
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{str(path)!r} is larger than 1 MiB; a prompt file should not be")
        return path.read_text(encoding="utf-8-sig")  # some editors put a mark before the text
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{str(path)!r} is not UTF-8; save it as UTF-8") from None


def _environment(folder: Path) -> Environment:
    """A sandbox whose templates may include files of their own folder, and nothing else."""
    from jinja2 import FunctionLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def read(name: str) -> tuple[str, str, None]:
        if Path(name).name != name:
            raise UsageError(f"{str(folder)!r}: a template may include files beside it only, not {name!r}")
        return read_text(folder / name), str(folder / name), None

    # Templates make plain text for a model, never a page: there is nothing to escape for.
    return ImmutableSandboxedEnvironment(
        loader=FunctionLoader(read),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


def _fill(template: Template | None, values: dict[str, Any]) -> str:
    from jinja2 import TemplateError, TemplateSyntaxError

    if template is None:
        return ""
    try:
        # Spaces at the start stay: they may be the indentation of a program, or a column of a table.
        return template.render(values).lstrip("\n").rstrip()
    except TemplateSyntaxError as error:
        raise UsageError(_broken(error)) from None
    except (TemplateError, *_FAULTS) as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f"{f.filename!r}, line {f.lineno}" for f in reversed(frames) if _is_template(f)), "")
        raise UsageError(f"{line or repr(template.filename)}: {error}") from None


def _is_template(frame: traceback.FrameSummary) -> bool:
    return frame.filename.endswith(".md")


def _broken(error: TemplateSyntaxError) -> str:
    return f"{error.filename!r}, line {error.lineno}: {error.message}"


def _rehearse(protocol: Protocol) -> None:
    """Render everything once, with and without each fact, so that a broken template costs no call."""
    place = Place(1, 1)
    sees = (place,) if protocol.revise else ()
    answered = (Attempt(1, 1, "a reply", "an answer", place, 0.5),)
    told, untold = Verdict(0.0, "feedback", False, "check"), Verdict(0.0, None, False, "check")
    for kind in Kind:
        for context, choices in (("material", ("A", "B")), (None, ())):
            problem = Problem("rehearsal", "a question", context, kind=kind, choices=choices)
            for attempts, verdict in ((answered, None), (answered, told), (answered, untold), ((), None)):
                done = Done(Call(1, 1), Completion("a reply"), attempts, verdict=verdict)
                messages(protocol, problem, Call(1, 2, sees=sees), (done,))


def _unknown(what: str, name: str, known: list[str], otherwise: str) -> str:
    close = get_close_matches(name.lower(), known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"no {what} named {name!r}{hint} Known: {', '.join(known) or 'none'}, {otherwise}"
