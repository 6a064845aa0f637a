"""What is measured, as the page words it: verdicts, figures with their tables, facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rise_cli.measure.accuracy import Estimate
from rise_cli.measure.summary import Change, Summary, change
from rise_cli.measure.verdict import judge
from rise_cli.render.amounts import counted, money
from rise_cli.render.html.curves import Curve


@dataclass(frozen=True, slots=True)
class File:
    """What the page knows of a results file: its name there, its figures, which of its problems are right by
    their ids, and its accuracy along what it spends."""

    name: str
    summary: Summary
    outcomes: Mapping[str, bool | None]
    curve: Curve


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; the first of each row is its head."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Said:
    """A verdict on the page. `kind` is `helps`, `hurts` or `unknown`; `minor` where others come first."""

    kind: str
    word: str
    sentence: str
    minor: bool = False


def about(files: Sequence[File]) -> list[str]:
    """What the page is of, in a line or two."""
    total = counted(len({id_ for file in files for id_ in file.outcomes}), "problem")
    models = sorted({model for file in files for model in file.summary.models})
    protocols = sorted({name for file in files for name in file.summary.protocols})
    lines = [f"{total}, {', '.join(protocols)}, {', '.join(models)}"]
    if len(files) > 1:
        lines[0] += f", {len(files)} files"
    if any(file.summary.oracle for file in files):
        lines.append("An oracle, which knows the right answers, steered some of these runs.")
    return lines


def verdicts(files: Sequence[File]) -> list[Said]:
    """In words: the files against the first one, then within each file its turns against its first one."""
    said = [_between(one, files[0], file) for one, file in zip(across(files), files[1:], strict=True)]
    for file in files:
        where = f" in {file.name}" if len(files) > 1 else ""
        said += [_within(one, file.summary, where) for one in file.summary.changes]
    if said and any(file.summary.graded for file in files):
        return said
    return [Said("unknown", "Cannot tell", _why_not(files))]


def _why_not(files: Sequence[File]) -> str:
    if not any(file.summary.problems for file in files):
        return "There are no problems in it."
    if not any(file.summary.graded for file in files):
        return "No problem has a reference or a verdict, so nobody can tell right from wrong."
    if all(file.summary.slim for file in files):
        return "The rows were written without their turns, so there is nothing to hold them against."
    return "There is one answer to each problem and nothing to hold it against."


def across(files: Sequence[File]) -> list[Change]:
    """Each further file against the first, over the problems that both have."""
    first = (files[0].name, files[0].outcomes)
    return [change(first, (file.name, file.outcomes)) for file in files[1:]]


def _between(one: Change, first: File, other: File) -> Said:
    kind = {"helps": "helps", "hurts": "hurts"}.get(one.verdict.word, "unknown")
    word = {
        "helps": f"{one.b} is right more often than {one.a}",
        "hurts": f"{one.b} is right less often than {one.a}",
    }.get(kind, f"Cannot tell {one.b} from {one.a}")
    return Said(kind, word, f"{one.verdict.sentence} {_prices(first, other)}".rstrip())


def _prices(first: File, other: File) -> str:
    """What each takes: being right more often for more is no merit yet."""
    if not first.summary.problems or not other.summary.problems:
        return ""
    sums = [file.summary.spending.tokens for file in (first, other)]
    unit, digits = "tokens", 0
    if None in sums:
        sums = [file.summary.spending.requests for file in (first, other)]
        unit, digits = "calls", 1
    ours, theirs = (
        f"{(total or 0) / file.summary.problems:,.{digits}f}"
        for total, file in zip(sums, (first, other), strict=True)
    )
    return f"It takes {theirs} {unit} a problem, {first.name} {ours}."


def _within(one: Change, summary: Summary, where: str) -> Said:
    turns = one.b.startswith("m1@")
    act = "Reconsidering" if turns else "Sampling more"
    many = counted(summary.turns, "turn") if turns else counted(summary.samples, "sample")
    verdict = judge(one.comparison, f"the vote of {many} ({one.b})", f"the first answer ({one.a})")
    kind = verdict.word if verdict.word != "cannot tell" else "unknown"
    word = f"Cannot tell whether {act.lower()} helps" if kind == "unknown" else f"{act} {kind}"
    sentence = verdict.sentence[:1].upper() + verdict.sentence[1:]
    return Said(kind, word + where, sentence, minor=bool(where))


def comparisons(files: Sequence[File]) -> Table | None:
    """The pairs behind the verdicts."""
    rows = [_pairs(f"{one.a} → {one.b}", one) for one in across(files)]
    for file in files:
        where = f", {file.name}" if len(files) > 1 else ""
        rows += [_pairs(f"{one.a} → {one.b}{where}", one) for one in file.summary.changes]
    rows = [row for row in rows if row[1] != "0"]
    head = ("Comparison", "Problems", "Both right", "Only the first", "Only the second", "Neither")
    return Table("Pairs", (*head, "Difference (95%)", "p"), tuple(rows)) if rows else None


def _pairs(name: str, one: Change) -> tuple[str, ...]:
    pairs = one.comparison
    difference = "?"
    if pairs.difference is not None and pairs.low is not None and pairs.high is not None:
        low, high = 100 * pairs.low, 100 * pairs.high
        difference = f"{100 * pairs.difference:+.1f} ({low:+.1f} to {high:+.1f})"
    cells = (pairs.n, pairs.both, pairs.only_a, pairs.only_b, pairs.neither)
    p = "?" if pairs.p is None else "< 0.001" if pairs.p < 0.001 else f"{pairs.p:.3f}"
    return (name, *(f"{cell:,}" for cell in cells), difference, p)


def overview(files: Sequence[File]) -> Table:
    """One row a file: what it got right and what it took."""
    head = ("File", "Protocol", "Problems", "Right (95%)", "No answer", "Tokens a problem", "Cost")
    return Table("Files", (*head, "Cost a right answer"), tuple(_row(file) for file in files))


def _row(file: File) -> tuple[str, ...]:
    summary, spending = file.summary, file.summary.spending
    tokens = spending.tokens
    each = "?" if tokens is None or not summary.problems else f"{tokens / summary.problems:,.0f}"
    return (
        file.name,
        ", ".join(summary.protocols),
        f"{summary.problems:,}",
        estimate(summary.voted),
        f"{summary.failed:,}",
        each,
        usd(spending.cost_usd),
        usd(spending.per_right_usd),
    )


def estimate(one: Estimate) -> str:
    """`62.0% (57.1 to 66.6)`."""
    if one.value is None or one.low is None or one.high is None:
        return "not known"
    return f"{share(one.value)} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def share(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.1f}%"


def usd(value: float | None) -> str:
    return "not known" if value is None else money(value)
