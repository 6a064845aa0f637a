"""Templates: strict, sandboxed Jinja2, with errors that name the file and the line."""

from __future__ import annotations

import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_cli.errors import UsageError
from rise_cli.prompts.folder import home, read_text

if TYPE_CHECKING:
    from jinja2 import Environment, Template, TemplateSyntaxError, nodes

# What a template can bring about beside jinja2's own errors. A file that includes itself is a
# RecursionError, which is a RuntimeError.
_FAULTS = (
    TypeError, ValueError, ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError,
    SyntaxError,
)  # fmt: skip


class Folder:
    """The templates of one protocol, in one language (None: as they are without one).

    `NAME.zh.md` goes before `NAME.md` in Chinese. A file that the folder does not have is looked for
    among the shared ones.
    """

    def __init__(self, path: Path, language: str | None) -> None:
        self._path = path
        self._language = language
        self._environment = self._sandbox()

    def has(self, name: str) -> bool:
        """Whether there is a template of that name, shared ones aside."""
        return any((self._path / spelled).exists() for spelled in self._spellings(name))

    def template(self, name: str) -> Template:
        """Compile a template. Raises UsageError where it is missing or broken."""
        from jinja2 import TemplateSyntaxError

        try:
            return self._environment.get_template(name)
        except TemplateSyntaxError as error:
            raise UsageError(_broken(error)) from None
        except (RecursionError, SyntaxError) as error:
            raise UsageError(f"{name!r} cannot be compiled ({error}); nest less deeply in it") from None

    def _spellings(self, name: str) -> list[str]:
        stem = name.removesuffix(".md")
        return [f"{stem}.{self._language}.md", name] if self._language else [name]

    def _find(self, name: str) -> Path:
        for folder in (self._path, home() / "shared"):
            for spelled in self._spellings(name):
                if (folder / spelled).exists():
                    return folder / spelled
        return self._path / name

    def _sandbox(self) -> Environment:
        """A sandbox whose templates may include files of their own folder, and nothing else."""
        from jinja2 import FunctionLoader, StrictUndefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def read(name: str) -> tuple[str, str, None]:
            if Path(name).name != name:
                raise UsageError(
                    f"{str(self._path)!r}: a template may include files beside it only, not {name!r}"
                )
            path = self._find(name)
            return read_text(path), str(path), None

        # Templates make plain text for a model, never a page: there is nothing to escape for.
        return ImmutableSandboxedEnvironment(
            loader=FunctionLoader(read),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
        )


def fill(template: Template | None, values: dict[str, Any]) -> str:
    """Render a template; None is empty. Raises UsageError with its file and line where that fails.

    A text that comes again, as for the turns of a problem or for all problems, is made once.
    """
    if template is None:
        return ""
    names = _deciding(template)
    if names is None:
        return _filled(template, values)
    facts = [values.get(name, _ABSENT) for name in names]
    key = (template, *[tuple(fact) if type(fact) is list else fact for fact in facts])
    text = _texts.get(key)
    if text is None:
        text = _filled(template, values)
        if len(_texts) >= _MOST_TEXTS:
            _texts.clear()
        if len(text) <= _LONGEST_TEXT:
            _texts[key] = text
    return text


_texts: dict[tuple[Any, ...], str] = {}
_MOST_TEXTS, _LONGEST_TEXT = 512, 4_000
_ABSENT = object()
_OF_ONE_CALL = {"reply", "critique", "attempts", "replies"}
# Filters that make the same of the same; others may draw lots, or call one that does.
_STEADY = {
    "capitalize", "d", "default", "e", "escape", "first", "float", "indent", "int", "join", "last", "length",
    "list", "lower", "replace", "round", "sort", "string", "title", "trim", "truncate", "upper", "wordwrap",
}  # fmt: skip


@cache
def _deciding(template: Template) -> tuple[str, ...] | None:
    """The names of the facts that decide what a template says. None where these are never the same twice,
    where something else may decide, or where that cannot be told."""
    from jinja2 import meta

    environment = template.environment
    if environment.loader is None or template.name is None:
        return None
    source, _, _ = environment.loader.get_source(environment, template.name)
    tree = environment.parse(source)
    names = meta.find_undeclared_variables(tree)
    return None if names & _OF_ONE_CALL or not _is_steady(tree) else tuple(sorted(names))


def _is_steady(tree: nodes.Template) -> bool:
    """Whether nothing but facts decides: no other file, and no call of anything but well-known filters."""
    from jinja2 import nodes

    elsewhere = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Call)
    filters = {one.name for one in tree.find_all(nodes.Filter)}
    return filters <= _STEADY and next(tree.find_all(elsewhere), None) is None


def _filled(template: Template, values: dict[str, Any]) -> str:
    try:
        text = _rendered(template, values)
    except Exception as error:
        if (fault := _fault(error, template)) is None:
            raise
        raise fault from None
    # Spaces at the start stay: they may be the indentation of a program, or a column of a table.
    return text.lstrip("\n").rstrip()


def _fault(error: Exception, template: Template) -> UsageError | None:
    """What to say of an error in a template; None for one that is not its own."""
    from jinja2 import (
        TemplateError,
        TemplateSyntaxError,
    )  # not in `_filled`: looking it up takes as long as rendering

    if isinstance(error, TemplateSyntaxError):
        return UsageError(_broken(error))
    if not isinstance(error, (TemplateError, *_FAULTS)):
        return None
    frames = traceback.extract_tb(error.__traceback__)
    line = next((f"{f.filename!r}, line {f.lineno}" for f in reversed(frames) if _is_template(f)), "")
    return UsageError(f"{line or repr(template.filename)}: {error}")


def _rendered(template: Template, values: dict[str, Any]) -> str:
    """As `Template.render`, which takes half of its time to put the globals under the values."""
    try:
        context = template.new_context({**_globals(template.environment), **values}, shared=True)
        return "".join(template.root_render_func(context))
    except Exception:
        return template.render(values)  # fails again, and says in which line


@cache
def _globals(environment: Environment) -> dict[str, Any]:
    return dict(environment.globals)


def _is_template(frame: traceback.FrameSummary) -> bool:
    return frame.filename.endswith(".md")


def _broken(error: TemplateSyntaxError) -> str:
    return f"{error.filename!r}, line {error.lineno}: {error.message}"
