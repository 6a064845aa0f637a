"""`rise eval`: protocols over the same problems, side by side, and what is recommended."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_cli.commands import advice
from rise_cli.commands import plan as planning
from rise_cli.commands.assembly import method
from rise_cli.commands.batch import Run
from rise_cli.commands.entries import Entry, entries
from rise_cli.commands.part import Part
from rise_cli.commands.sample import drawn
from rise_cli.commands.wish import STDIO, Wish
from rise_cli.errors import ProblemsFailed, UsageError
from rise_cli.problems import Fields, Problems, Row, hub
from rise_cli.render.amounts import counted
from rise_cli.render.quiet import Quiet
from rise_cli.run.batch import End
from rise_cli.settings import Resolved, resolve, working_folder

if TYPE_CHECKING:
    from rise_cli.chat.budget import Amount
    from rise_cli.measure.evaluation import Evaluation

# What would leave nothing to compare, and what to do instead.
_OURS = {
    "prompt": "name protocols with --compare",
    "vote": "every vote is looked at",
    "early_stop": "every turn is run",
    "strict": "every vote is looked at",
    "check": "a check ends a run at the first answer that it accepts; give the problems references",
}


@dataclass(frozen=True)
class EvalWish:
    """What is wanted besides the settings. `out` None is named after the problems; `save` is where the
    recommended options go."""

    compare: str
    models: str | None = None
    out: str | None = None
    limit: int | None = None
    shuffle: bool = False
    save: Path | None = None
    overwrite: bool = False
    retry_failed: bool = False
    dry_run: bool = False
    as_json: bool = False
    verbose: bool = False
    quiet: bool = False


def evaluate(path: str, fields: Fields, wish: EvalWish, flags: Mapping[str, object]) -> int:
    """Run what is not run yet, compare, and print; return the exit code.

    Raises the RiseError that ends the program in any other way than well.
    """
    resolved = resolve(flags, env=os.environ, cwd=working_folder())
    contest = _Contest(path, fields, wish, flags, resolved)
    return contest.estimate() if wish.dry_run else contest.go()


class _Contest:
    """All runs of one command: every protocol under every model, one after the other."""

    def __init__(
        self, path: str, fields: Fields, wish: EvalWish, flags: Mapping[str, object], resolved: Resolved
    ) -> None:
        self._wish, self._flags, self._settings = wish, flags, resolved.settings
        self._notice = Quiet(sys.stderr, silent=wish.quiet).notice
        self._path = path
        self.models = _models(wish, flags)
        samples = resolved.settings.samples if resolved.origin["samples"] == "flag" else None
        self.entries = entries(wish.compare, self._settings.turns, samples, self._settings.language)
        _check(wish, flags, self.models)
        self._rules = method(
            resolve(self._given(*self._grid()[0]), env=os.environ, cwd=working_folder())
        ).policy
        if wish.save is not None:
            advice.check(wish.save, self.entries, flags, overwrite=wish.overwrite)
        self._folder = None if wish.dry_run else _folder(path, wish)
        self._problems = self._drawn(Problems(path, fields))

    def _drawn(self, problems: Problems) -> Problems:
        """The problems that take part, held in memory: each protocol is given the same."""
        chosen = drawn(problems, self._wish.limit, shuffle=self._wish.shuffle, seed=self._settings.seed or 0)
        if chosen.bad:
            first, what = chosen.bad[0], counted(len(chosen.bad), "line")
            self._notice(f"left out: {what} without a problem; the first is line {first.line}: {first.error}")
        if not chosen.rows:
            raise UsageError(f"there are no problems in {self._path!r}; name a file that rise batch takes")
        graded = sum(row.reference is not None for row in chosen.rows)
        if not graded:
            raise UsageError(
                f"none of the {len(chosen.rows):,} problems in {self._path!r} has a reference, so nothing "
                "can be right; name its field with --reference-field"
            )
        if graded < len(chosen.rows):
            self._notice(f"{len(chosen.rows) - graded:,} problems have no reference and are not counted")
        return Problems(problems.path, problems.fields, held=chosen.rows)

    def estimate(self) -> int:
        """Print what each run and all of them may take; call nobody."""
        from rise_cli.commands.estimate import tell_cap, told, whole_estimate

        total = None
        for model, entry in self._grid():
            given = self._given(model, entry)
            resolved = resolve(given, env=os.environ, cwd=working_folder())
            bounds = whole_estimate(self._problems, resolved)
            if total is None:
                sys.stdout.write(f"{counted(bounds.found, 'problem')}\n")
            size = f"{counted(entry.samples, 'chain')} of {counted(entry.turns, 'turn')}"
            sys.stdout.write(f"{bounds.model} · {entry.name} · {size}\n{told(bounds.whole)}")
            total = bounds.whole if total is None else total + bounds.whole
        if total is not None:
            sys.stdout.write(f"in all\n{told(total)}")
        tell_cap(self._settings)
        return 0

    def go(self) -> int:
        """Run, compare and print."""
        end, last = self._run()
        if end is End.INTERRUPTED:
            return last.conclusion.of(end)
        evaluations = self._evaluations()
        if evaluations:
            self._tell(evaluations, complete=end is End.COMPLETE)
        if end is not End.COMPLETE:
            return last.conclusion.of(end)
        lost = sum(one.unanswered for evaluation in evaluations for one in evaluation.outcomes)
        if lost:
            raise ProblemsFailed(f"{counted(lost, 'run')} got no reply; --retry-failed tries them again")
        return 0

    def _grid(self) -> list[tuple[str | None, Entry]]:
        return [(model, entry) for model in self.models for entry in self.entries]

    def _given(self, model: str | None, entry: Entry) -> dict[str, object]:
        return {**self._flags, **entry.flags, **({} if model is None else {"model": model})}

    def _run(self) -> tuple[End, Run]:
        """Run one after the other until all are complete or one is not; return how that one ended."""
        deadline, grid = self._settings.deadline, self._grid()
        until = None if deadline is None else time.monotonic() + deadline
        before: Amount | None = None
        notices: list[str] = []
        said: set[str] = set()
        for number, (model, entry) in enumerate(grid, 1):
            named = f"{model} {entry.name}" if model and len(self.models) > 1 else entry.name
            part = Part(f"{named} ({number} of {len(grid)})", until, said)
            plan = planning.live(self._problems, self._given(model, entry), notices.append, before)
            run = Run(self._problems, self._wished(model, entry), plan, part)
            # What is said of the settings is the same for all.
            end = run.go([*(notices if number == 1 else ()), f"{part.name}: {_size(entry)}"])
            if run.report.way is not None and run.report.way.purse is not None:
                before = run.report.way.purse.spent
            if end is not End.COMPLETE:
                break
        return end, run

    def _wished(self, model: str | None, entry: Entry) -> Wish:
        return Wish(
            out=str(self._file(model, entry)),
            retry_failed=self._wish.retry_failed,
            afresh="remove it",
            verbose=self._wish.verbose,
            quiet=self._wish.quiet,
        )

    def _file(self, model: str | None, entry: Entry) -> Path:
        """Where the rows of one run are; several models have a folder each."""
        assert self._folder is not None  # noqa: S101 - a dry run has no rows
        folder = self._folder
        if len(self.models) > 1:
            folder = folder / "".join(c if c.isalnum() or c in ".-" else "-" for c in str(model))
            _make(folder)
        return folder / f"{entry.name}.jsonl"

    def _evaluations(self) -> list[Evaluation]:
        """One for each model of which there are rows of anything."""
        from rise_cli.measure.evaluation import contender, evaluate
        from rise_cli.measure.rollouts import read

        wanted = {row.id for row in self._problems.rows() if isinstance(row, Row)}
        found = []
        for model in self.models:
            there = []
            for entry in self.entries:
                file = self._file(model, entry)
                rollouts = [one for one in read(file) if one.id in wanted] if file.exists() else []
                there.append(contender(entry.name, entry.shape, rollouts, entry.prompt))
            if any(one.curve for one in there):
                name = next(rollout.model for one in there for rollout in one.rollouts)
                found.append(
                    evaluate(
                        there, model=name, turns=self._settings.turns, problems=len(wanted), rules=self._rules
                    )
                )
        return found

    def _tell(self, evaluations: Sequence[Evaluation], *, complete: bool) -> None:
        commands = [advice.command(one, self._flags, self._named(one)) for one in evaluations]
        if self._wish.as_json:
            sys.stdout.write(json.dumps(self._as_json(evaluations, commands, complete=complete), indent=2))
            sys.stdout.write("\n")
        else:
            self._print(evaluations, commands)
        advised = evaluations[0].recommended
        if self._wish.save is not None and complete and advised is not None:
            advice.save(self._wish.save, advised, self._flags, evaluations[0])
            self._notice(f"wrote the recommended options to {str(self._wish.save)!r}")

    def _named(self, evaluation: Evaluation) -> str | None:
        """The model as a command line must name it, where this one did."""
        return evaluation.model if self._flags.get("model") or self._wish.models else None

    def _print(self, evaluations: Sequence[Evaluation], commands: Sequence[str | None]) -> None:
        from rise_cli.measure.evaluation import between
        from rise_cli.render import evaluation as rendering
        from rise_cli.render.console import make_console

        width = make_console(sys.stdout, "never", os.environ).width
        parts = [
            rendering.report(one, width, command) for one, command in zip(evaluations, commands, strict=True)
        ]
        first = evaluations[0]
        parts += [rendering.between(between(first, one), first.model, width) for one in evaluations[1:]]
        sys.stdout.write("\n".join(parts))

    def _as_json(
        self, evaluations: Sequence[Evaluation], commands: Sequence[str | None], *, complete: bool
    ) -> dict[str, Any]:
        from rise_cli.measure.evaluation import between, match_json

        first = evaluations[0]
        return {
            "schema": "rise.evaluation/1",
            "problems": self._path,
            "turns": self._settings.turns,
            "complete": complete,
            "models": [
                {**one.as_json, "command": command}
                for one, command in zip(evaluations, commands, strict=True)
            ],
            "between_models": [match_json(match) for one in evaluations[1:] for match in between(first, one)],
        }


def _size(entry: Entry) -> str:
    return f"{counted(entry.samples, 'chain')} of {counted(entry.turns, 'turn')}"


def _models(wish: EvalWish, flags: Mapping[str, object]) -> tuple[str | None, ...]:
    if wish.models is None:
        return (None,)
    if flags.get("model") is not None:
        raise UsageError("--model and --models exclude each other; give one of them")
    found = [word.strip() for word in wish.models.split(",") if word.strip()]
    if not found or len(set(found)) != len(found):
        raise UsageError(f"--models {wish.models!r} must name each model once, with commas between them")
    return tuple(found)


def _check(wish: EvalWish, flags: Mapping[str, object], models: Sequence[str | None]) -> None:
    """Refuse wishes and settings under which there is nothing to compare."""
    for name, instead in _OURS.items():
        if flags.get(name) not in {None, False}:
            raise UsageError(f"--{name.replace('_', '-')} is not for rise eval: {instead}")
    if wish.verbose and wish.quiet:
        raise UsageError("--verbose and --quiet exclude each other; give one of them")
    if wish.save is not None and len(models) > 1:
        raise UsageError("--save keeps the options for one model; leave out --models, or --save")
    if wish.save is not None and wish.dry_run:
        raise UsageError("a dry run recommends nothing; leave out --save or --dry-run")
    if wish.overwrite and wish.save is None:
        raise UsageError("--overwrite is for the file of --save; name one, or leave it out")


def _folder(path: str, wish: EvalWish) -> Path:
    """The folder of the rows, made where it is not there yet."""
    if wish.out is not None:
        folder = Path(wish.out)
    elif path == STDIO or path.startswith("/dev/"):
        raise UsageError("problems from a stream have no name to call the folder after; name it with -o")
    else:
        folder = Path(f"{hub.stem(path) if hub.on_hub(path) else path}.eval")
    _make(folder)
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the folder {str(folder)!r} ({error.strerror}); name another with -o"
        ) from None
