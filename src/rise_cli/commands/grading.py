"""How `rise score` finds out what is right: as the rows say, or anew by kind, by a check or by a judge."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_cli.commands import assembly
from rise_cli.core.domain import Kind
from rise_cli.core.judgement import Opinion
from rise_cli.errors import BudgetExhausted, UsageError
from rise_cli.measure.opinions import Judged, agreement, opinions
from rise_cli.measure.rollouts import Rollout, Rows, read
from rise_cli.render.amounts import counted, money
from rise_cli.run.garbage import settled
from rise_cli.settings import Resolved, Settings, resolve, working_folder

if TYPE_CHECKING:
    from rise_cli.chat import Chat, Notice
    from rise_cli.check import Check
    from rise_cli.commands.assembly import Endpoint
    from rise_cli.commands.wiring import Line
    from rise_cli.compare import Comparer
    from rise_cli.run.judging import ModelJudge

_SIDE_BY_SIDE = 256  # rows; what holds calls back are the limits of the chat
_CHECKS = 8  # processes at once, where nobody says how many
_EVERY_S = 5.0  # a word on how far it is
_SHORT_REPLY = 512  # tokens; what a judge of our own engine says at most


@dataclass(frozen=True)
class Grading:
    """What is wanted: `kind` reads replies again, `check` is a command, `judge` a model. `flags` are the
    options that apply to either."""

    kind: str | None
    check: str | None
    judge: str | None
    quiet: bool
    flags: Mapping[str, object]

    @property
    def settings(self) -> Settings:
        """Raises what is wrong with the options. What the surroundings say of a check does not count:
        nothing runs that was not named here."""
        if self.check is not None and self.judge is not None:
            raise UsageError("--check and --judge both say what is right; give one of them")
        return self._resolve().settings

    def _resolve(self) -> Resolved:
        given = {**self.flags, "kind": self.kind, "check": self.check, "model": self.judge}
        return resolve(given, env=os.environ, cwd=working_folder())

    def endpoint(self, notice: Notice) -> Endpoint:
        return assembly.endpoint(self._resolve(), os.environ, notice)


def graded(
    paths: Sequence[Path], grading: Grading, notice: Notice
) -> Iterator[tuple[list[Rollout], Judged | None]]:
    """Yield what each file is worth. Raises UsageError where one is no results file, BudgetExhausted where
    the judge's budget does not reach, and as checks and chats do."""
    settings = grading.settings
    if not (grading.kind or grading.check or grading.judge):
        yield from ((_read(path, notice), None) for path in paths)
        return
    with contextlib.ExitStack() as stack:
        from rise_cli.compare import Comparer

        comparer = stack.enter_context(Comparer(notice=notice))
        grader = Grader(grading, settings, comparer, notice)
        with asyncio.Runner() as runner:
            try:
                for path in paths:
                    yield runner.run(grader.file(path))
            finally:
                runner.run(grader.close())


def _read(path: Path, notice: Notice) -> list[Rollout]:
    """What the rows say themselves. A word now and then, since a hundred thousand take half a minute."""
    found, told = [], time.monotonic()
    with settled():
        for one in read(path):
            found.append(one)
            if time.monotonic() - told > _EVERY_S:
                told = time.monotonic()
                notice(f"{counted(len(found), 'problem')} of {str(path)!r} read")
    return found


@dataclass
class Grader:
    """Grades files one after the other; what is spent on the judge adds up."""

    grading: Grading
    settings: Settings
    comparer: Comparer
    notice: Notice
    _line: Line | None = None
    _judge: ModelJudge | None = None
    _check: Check | None = None
    _limit: asyncio.Semaphore = field(init=False)
    _done: int = 0
    _told: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        told = self.settings.concurrency
        self._limit = asyncio.Semaphore(min(_CHECKS, os.cpu_count() or 1) if told == "auto" else told)
        if self.grading.check is not None:
            self._check = assembly.check(self.settings, os.environ, frozenset())

    async def file(self, path: Path) -> tuple[list[Rollout], Judged | None]:
        """Read and grade a file."""
        from rise_cli.run.judging import in_order

        rows, found, thought = Rows(path), [], []
        with contextlib.ExitStack() as stack:
            at = self._endpoint()
            judge = self._judge = None if at is None else self._judge_for(path, at, stack)
            self._done = 0
            try:
                async for record, said in in_order(rows, self._one, _SIDE_BY_SIDE):
                    found.append(rows.rollout(record))
                    thought.append(said)
                    self._progress(path)
            except BudgetExhausted as error:
                raise BudgetExhausted(
                    f"{error}; {counted(self._done, 'problem')} of {str(path)!r} were judged; "
                    "raise it and run the same command again, and they are not asked about again"
                ) from None
        if judge is None or at is None:
            return found, None
        self._tell(judge)
        if judge.last_loss is not None and judge.lost == judge.asked:
            raise judge.last_loss
        judged = Judged(
            at.name, judge.asked, judge.unreadable, judge.lost, agreement(judge.agreement), opinions(thought)
        )
        return found, judged

    async def close(self) -> None:
        if self._line is not None:
            await self._line.chat.aclose()

    async def _one(self, record: dict[str, Any]) -> tuple[dict[str, Any], list[Opinion]]:
        from rise_cli.run.judging import check_row
        from rise_cli.run.reading import read_again
        from rise_cli.run.scoring import score

        if self.grading.kind is not None:
            kind = read_again(record, Kind(self.grading.kind), self.comparer)
            await score(record, kind, self.comparer)
        if self._check is not None:
            await check_row(record, self._check, self._limit)
        said = await self._judge.judge(record) if self._judge is not None else []
        return record, said

    def _endpoint(self) -> Endpoint | None:
        return None if self.grading.judge is None else self.grading.endpoint(self.notice)

    def _judge_for(self, path: Path, at: Endpoint, stack: contextlib.ExitStack) -> ModelJudge:
        """The judge of one file: what it said before stands in the journal beside the file."""
        from rise_cli.prompts import load_judging
        from rise_cli.run.judging import ModelJudge

        limit = self.settings.max_tokens
        if limit is None and at.provider.name == "local":
            limit = _SHORT_REPLY
        if self._line is None:
            self._line = self._connect(at, path, limit)
        chat = self._kept(self._line.chat, path, at, stack)
        return ModelJudge(chat, load_judging(), limit)

    def _connect(self, at: Endpoint, path: Path, limit: int | None) -> Line:
        from rise_cli.commands import wiring

        room = wiring.Room(0, 0)
        if at.provider.name == "local":
            slots = min(wiring.slots(self.settings), os.cpu_count() or 1)
            room = wiring.Room(slots, _longest(path) // 2 + (limit or 0) + 1024)
        price = wiring.tariff(self.settings, at)
        return wiring.line(self.settings, at, price, notice=self.notice, stream=False, room=room)

    def _kept(self, chat: Chat, path: Path, at: Endpoint, stack: contextlib.ExitStack) -> Chat:
        """`chat` with a journal beside the results, so that a judge is not paid twice for one judgement."""
        from rise_cli.chat.recording import Recording
        from rise_cli.history.journal import Journal, settings_digest

        place = Path(f"{os.path.realpath(path)}.judged")
        if not os.access(place.parent, os.W_OK):
            self.notice(f"the judgements are not kept: the folder of {str(path)!r} cannot be written")
            return chat
        journal = Journal(place)
        stack.callback(journal.close, complete=False)
        names = {"temperature", "top_p", "max_tokens", "seed", "reasoning_effort", "option", "base_url"}
        sent = self.settings.model_dump(mode="json", include=names)
        return Recording(chat, journal, settings_digest({**sent, "judge": at.name}))

    def _progress(self, path: Path) -> None:
        self._done += 1
        if time.monotonic() - self._told > _EVERY_S:
            self._told = time.monotonic()
            self.notice(f"{counted(self._done, 'problem')} of {str(path)!r} graded")

    def _tell(self, judge: ModelJudge) -> None:
        """What came of the judging, and what it took so far."""
        assert self._line is not None  # noqa: S101 - it was judged
        spent = self._line.spent
        parts = [counted(judge.asked, "judgement")]
        if judge.unreadable:
            parts.append(f"{judge.unreadable:,} unreadable")
        if judge.lost:
            parts.append(f"{judge.lost:,} lost")
        parts.append(counted(spent.requests, "request"))
        if spent.known_usd:
            parts.append(money(spent.known_usd))
        self.notice(", ".join(parts))


def _longest(path: Path) -> int:
    """The most bytes that a judge is shown of one problem."""
    longest = 0
    for record in Rows(path):
        replies = [len((turn["reply"] or "").encode(errors="replace")) for turn in record["turns"]]
        asked = f"{record['question']}{record['context'] or ''}{record['reference'] or ''}"
        longest = max(longest, len(asked.encode(errors="replace")) + max(replies, default=0))
    return longest


def to_stderr(quiet: bool) -> Notice:
    """Where notices go."""
    from rise_cli.render.quiet import Quiet

    return Quiet(sys.stderr, silent=quiet).notice
