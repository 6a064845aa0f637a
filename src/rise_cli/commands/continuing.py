"""`--continue`: the earlier run, and what the new one takes over from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rise_cli.commands.assembly import Method
from rise_cli.commands.question import pose
from rise_cli.core.choices import fix_kind
from rise_cli.core.conversation import answered_back
from rise_cli.core.domain import Done, Kind, Problem, Trajectory
from rise_cli.core.shapes import looks_back
from rise_cli.errors import UsageError
from rise_cli.prompts import names
from rise_cli.settings.redaction import HIDDEN


@dataclass(frozen=True)
class Earlier:
    """A run that was kept and is taken up again: its id in the log, the settings it was made with, and
    what came of it."""

    id: str
    model: str
    settings: Mapping[str, Any]
    run: Trajectory


def find(name: str) -> Earlier:
    """Return the run of this name in the log: an id, the start of one, or `last`.

    Raises UsageError where there is none, or none that could be taken up.
    """
    from rise_cli.commands.remember import kept
    from rise_cli.history.memory import ASK
    from rise_cli.history.restore import to_trajectory

    with kept() as memory:
        entry, record = memory.load(name, kind=ASK)
    if entry.kind != ASK:
        raise UsageError(f"{entry.id!r} is a batch, which holds no conversation; name a run of rise ask")
    run = to_trajectory(record)
    if run.end.winner is None:
        raise UsageError(f"the run {entry.id!r} gave no answer that could be taken up; name another run")
    return Earlier(entry.id, entry.model, record["settings"], run)


def inherited(earlier: Earlier, flags: Mapping[str, object], *, same_question: bool) -> dict[str, object]:
    """Return `flags`, with the model, the protocol, the role and the kind of the earlier run where they
    name none.

    Raises UsageError where the protocol was a folder, of which the log knows only the name, where the
    role was a file that is gone or a pipe, and where the address was kept without the secret in it.
    """
    was = earlier.settings
    taken: dict[str, object] = {"role": was.get("role"), "prompt": was.get("protocol")}
    if flags.get("prompt") is None:  # a language is the protocol's
        taken["language"] = was.get("language")
    taken["kind"] = _kind(earlier, same_question)
    if flags.get("model") is None:
        # An address belongs to the model that was asked there.
        taken |= {"model": earlier.model, "base_url": was.get("base_url")}
    given = {name: value for name, value in flags.items() if value is not None and value not in ((), [])}
    address = taken.get("base_url")
    if "base_url" not in given and isinstance(address, str) and HIDDEN in address:
        raise UsageError(f"the address {address!r} held a secret, which the log does not; give --base-url")
    if "prompt" not in given and taken["prompt"] not in names():
        raise UsageError(
            f"the run {earlier.id!r} was made with the protocol {taken['prompt']!r}; name its folder "
            "with --prompt"
        )
    role = taken["role"]
    if "role" not in given and isinstance(role, str) and "/" in role and not Path(role).is_file():
        raise UsageError(f"the run {earlier.id!r} was made with the role {role!r}; name it again with --role")
    return {**flags, **{name: value for name, value in taken.items() if value is not None}, **given}


def answer_back(earlier: Earlier, feedback: str, method: Method) -> tuple[Method, Problem, tuple[Done, ...]]:
    """Return the method with as many further turns as it has, the question of the earlier run, and its
    answer with `feedback` as the given calls.

    Raises UsageError where no turn would see them.
    """
    policy, problem = method.policy, earlier.run.problem
    if not looks_back(policy.shape):
        raise UsageError(
            f"--prompt {method.protocol.name} never shows a turn what was said before, so it cannot hear "
            "--feedback; name another, such as --prompt introspect"
        )
    given = answered_back(earlier.run, feedback)
    longer = replace(method, policy=replace(policy, turns=policy.turns + len(given)))
    return longer, pose(problem.question, problem.context, method.kind, problem.prior), given


def _kind(earlier: Earlier, same_question: bool) -> str | None:
    """The kind that was asked for. One that followed from the question alone says nothing about another."""
    kind, question = earlier.settings.get("kind"), earlier.run.problem.question
    followed = fix_kind(Kind.AUTO, question)[0].value == kind
    return None if followed and not same_question else kind
