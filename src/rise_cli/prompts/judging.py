"""The words that a judge is sent: `prompts/judge/`, which is no protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rise_cli.core.domain import Message
from rise_cli.prompts.folder import home
from rise_cli.prompts.templates import Folder, fill

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True)
class Judging:
    """Its two templates: `right` compares an answer with the right one, `open` rates a whole reply."""

    right: Template
    open: Template

    def compares(self, record: Mapping[str, Any], answer: str) -> tuple[Message, ...]:
        """The messages that ask whether `answer` is that of the record's reference."""
        return _asked(self.right, record, reference=record["reference"], answer=answer)

    def rates(self, record: Mapping[str, Any], reply: str) -> tuple[Message, ...]:
        """The messages that ask how good `reply` is, and whether it answers the question."""
        return _asked(self.open, record, reply=reply)


def load_judging() -> Judging:
    """Compile the shipped templates."""
    folder = Folder(home() / "judge", None)
    return Judging(folder.template("right.md"), folder.template("open.md"))


def _asked(template: Template, record: Mapping[str, Any], **values: str) -> tuple[Message, ...]:
    known = {"question": record["question"], "context": record["context"], **values}
    return (Message("user", fill(template, known)),)
