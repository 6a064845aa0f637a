"""What a batch does to each problem: settled before the first one is read, live or as a replay."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_cli.chat import Chat, Notice
from rise_cli.chat.counting import Spent
from rise_cli.chat.door import Door
from rise_cli.chat.limits import Traffic
from rise_cli.commands import assembly, wiring
from rise_cli.core.choices import fix_kind
from rise_cli.core.domain import Kind, Problem, Shape, Vote
from rise_cli.errors import UsageError
from rise_cli.problems import Problems, Row
from rise_cli.prompts import names, roles
from rise_cli.settings import Resolved, resolve, working_folder

if TYPE_CHECKING:
    from rise_cli.chat.budget import Amount, Wallet
    from rise_cli.check import Judge
    from rise_cli.history.rows import Recorded

# What may differ between two runs whose rows stand in one file: none of it changes an answer.
_OF_THE_RUN = {
    "concurrency", "timeout", "check_timeout", "max_retries", "max_wait", "max_cost", "max_tokens_total",
    "rpm", "tpm", "price", "deadline", "stream", "color", "log",
}  # fmt: skip
# What changes how replies are read and polled, but no request.
_RULES = {"calibration", "vote", "vote_temperature", "tie", "threshold", "patience", "early_stop", "strict"}
# What a replay takes from the recorded run unless it is told otherwise.
_REPEATED = (
    "turns", "samples", "draw", "vote", "vote_temperature", "tie", "threshold", "patience", "early_stop",
    "strict", "confidence",
)  # fmt: skip


@dataclass(frozen=True)
class Way:
    """The way to the model, without a journal: the chat, its door, how the calls are getting on, what
    this run has spent on it, and the purse where something is capped."""

    chat: Chat
    door: Door
    limits: Traffic
    spent: Spent
    purse: Wallet | None = None


@dataclass(frozen=True)
class Plan:
    """What is done to each problem. `settings` go into the rows; `expected` are those of them that an
    earlier run of the same file must have had, `sent` those that change what is sent. `max_tokens` is the
    limit of one reply, if there is one, and `key` what the provider is asked with.

    `way` is to be called within the event loop, with who is told of retries.
    """

    resolved: Resolved
    method: assembly.Method
    settings: Mapping[str, object]
    expected: Mapping[str, object]
    pose: Callable[[Row], Problem]
    model_of: Callable[[Row], str]
    way: Callable[[Notice, Notice], Way]
    judge: Judge | None
    journalled: bool
    max_tokens: int | None = None
    key: str | None = field(default=None, repr=False)

    @property
    def sent(self) -> dict[str, object]:
        return {name: value for name, value in self.expected.items() if name not in _RULES}


def live(
    problems: Problems, flags: Mapping[str, object], notice: Notice, before: Amount | None = None
) -> Plan:
    """The plan of a run that asks a model; `before` is what earlier ones took from its budget. Raises what
    is wrong with the settings."""
    resolved = resolve(flags, env=os.environ, cwd=working_folder())
    settings = resolved.settings
    method = assembly.method(resolved)
    at = assembly.endpoint(resolved, os.environ, notice)
    keys = frozenset({at.key} if at.key else ())
    recorded = _settings(resolved, method, at.name, at.key) | {"kind_asked": method.kind.value}
    if doubt := assembly.doubt_about(method.calibration, at.name, settings):
        notice(doubt)

    def way(told: Notice, retried: Notice) -> Way:
        room = wiring.Room(0, 0)
        if at.provider.name == "local":
            sized = assembly.room(method, _longest(problems), settings)
            slots = min(wiring.slots(settings), os.cpu_count() or 1)
            room = wiring.Room(slots, sized.context_tokens)
        flow = wiring.flow(settings, at, room)
        made = wiring.attempts(
            settings,
            at,
            wiring.tariff(settings, at),
            notice=told,
            stream=bool(settings.stream),
            room=room,
            rates=flow.rates,
            before=before,
        )
        door = Door(flow.limits, made.purse)
        chat = wiring.patient(made.chat, replace(flow, limits=door), settings, retried)
        return Way(chat, door, flow.traffic, made.spent, made.purse)

    def pose(row: Row) -> Problem:
        return posed(row, method.kind)

    return Plan(
        resolved=resolved,
        method=method,
        settings=recorded,
        expected=_expected(recorded) | {"replay": None},
        pose=pose,
        model_of=lambda _: at.name,
        way=way,
        judge=assembly.check(settings, os.environ, keys),
        journalled=True,
        max_tokens=assembly.reply_limit(method, at, settings),
        key=at.key,
    )


def replay(path: str, recording: Recorded, flags: Mapping[str, object], notice: Notice) -> Plan:
    """The plan of a run that asks nobody: `recording`, a results file at `path`, answers.

    Rules that no flag gives are those of its first row, but for a calibration, of which a row has only the
    digest. Raises UsageError where the file has none.
    """
    from rise_cli.chat.recording import Replay, ReplayedVerdicts

    if flags.get("check") is not None:
        raise UsageError("--check runs nothing in a replay, which repeats recorded verdicts; leave one out")
    first = _first(path)
    was: Mapping[str, Any] = first["settings"]
    given = dict(flags)
    for name in _REPEATED:
        if given.get(name) is None:
            given[name] = was.get(name)
    if given.get("prompt") is None:
        given["prompt"] = _shipped(str(was.get("protocol")), path)
    resolved = resolve(given, env=os.environ, cwd=working_folder())
    method = assembly.method(resolved)
    _check_answerable(method, resolved.settings.confidence, first)
    if doubt := assembly.doubt_about(method.calibration, first["model"], resolved.settings):
        notice(doubt)
    if was.get("calibration") and method.calibration is None:
        notice(f"{path!r} was made with a --calibration; name its file to repeat that")
    kind = method.kind if flags.get("kind") is not None else None
    checked = was.get("check") is not None
    recorded = {**_settings(resolved, method, "", None), "check": was.get("check"), "replay": path}
    recorded["kind_asked"] = kind and kind.value
    del recorded["model"]

    said = _Said(recording, kind)

    def way(told: Notice, retried: Notice) -> Way:
        source = resolved.settings.confidence
        chat = Replay(said.turns, rounds=method.policy.shape is Shape.SINGLE, confidence=source)
        return Way(chat, Door(asyncio.Semaphore(1)), Traffic(lambda: 16), Spent())

    return Plan(
        resolved=resolved,
        method=method,
        settings=recorded,
        expected=_expected(recorded),
        pose=said.pose,
        model_of=said.model_of,
        way=way,
        judge=ReplayedVerdicts(said.turns) if checked else None,
        journalled=False,
    )


class _Said:
    """What was recorded of the problems that a replay poses again, under `kind` if that is given."""

    def __init__(self, recording: Recorded, kind: Kind | None) -> None:
        self._recording = recording
        self._kind = kind
        self._others: set[str] = set()  # which posed something else then: of those there is no reply

    def pose(self, row: Row) -> Problem:
        found = self._recording.find(row.id)
        if found and (found.get("question"), found.get("context")) != (row.question, row.context):
            self._others.add(row.id)
        of_old = Kind(found["settings"].get("kind", "auto")) if found else Kind.AUTO
        return posed(row, of_old if self._kind is None else self._kind)

    def turns(self, id: str) -> Sequence[Mapping[str, Any]] | None:  # noqa: A002
        return None if id in self._others else self._recording.turns(id)

    def model_of(self, row: Row) -> str:
        found = self._recording.find(row.id)
        return str(found["model"]) if found else ""


def _check_answerable(method: assembly.Method, confidence: str, first: Mapping[str, Any]) -> None:
    """Refuse rules that need what no results file has, or not the one whose first row this is."""
    vote, was = method.policy.vote, first["settings"]
    criticized = was.get("protocol") == method.protocol.name or "critique" in str(first["usage"])
    if method.policy.shape is Shape.REFINE and not criticized:
        raise UsageError(
            f"a replay asks nobody, and --prompt {method.protocol.name} needs critiques, of which there are "
            f"none in a run with --prompt {was.get('protocol')}; leave it out"
        )
    if vote is Vote.CONSISTENT or (vote is Vote.ENTROPY and was.get("vote") != vote):
        needs = "asks the model" if vote is Vote.CONSISTENT else "needs the entropies of the tokens"
        raise UsageError(
            f"a replay asks nobody and has replies alone, and --vote {vote} {needs}; name another, such as "
            "--vote majority"
        )
    if confidence in {"asked", "logprob"} and confidence != was.get("confidence"):
        raise UsageError(
            f"--confidence {confidence} cannot be had from a run that was recorded with "
            f"--confidence {was.get('confidence', 'stated')}; leave it out"
        )


def posed(row: Row, kind: Kind) -> Problem:
    """The problem of a row, whose kind is fixed before anybody is asked."""
    fixed, choices = fix_kind(kind, row.question)
    return Problem(row.id, row.question, row.context, kind=fixed, choices=choices)


def _settings(resolved: Resolved, method: assembly.Method, model: str, key: str | None) -> dict[str, object]:
    """As recorded by `rise ask`, and which version of a protocol or role of one's own it was."""
    recorded = assembly.recorded_settings(resolved, method, model, key)
    settings = resolved.settings
    if settings.role and settings.role not in roles():
        digest = sha256((method.role or "").encode()).hexdigest()[:12]
        recorded["role"] = f"{recorded['role']}@{digest}"
    return recorded


def _expected(recorded: Mapping[str, object]) -> dict[str, object]:
    """The `kind` of a row is its problem's, which may differ from row to row; `kind_asked` may not."""
    return {name: value for name, value in recorded.items() if name not in _OF_THE_RUN | {"kind"}}


def _first(path: str) -> Mapping[str, Any]:
    from rise_cli.history.rows import recorded

    for record in recorded(Path(path)):
        return record
    raise UsageError(f"there are no rows in {path!r} to replay; name a results file of rise batch")


def _shipped(protocol: str, path: str) -> str:
    if protocol not in names():
        raise UsageError(f"{path!r} was made with the protocol {protocol!r}; name its folder with --prompt")
    return protocol


def _longest(problems: Problems) -> Problem:
    """The problem that takes the most room; of a pipe, one of 4,000 letters."""
    longest = Problem("", "x" * 4000)
    if not problems.at_hand:
        return longest
    size = 0
    for row in problems.rows():
        if isinstance(row, Row) and (length := len(row.question) + len(row.context or "")) > size:
            longest, size = posed(row, Kind.AUTO), length
    return longest
