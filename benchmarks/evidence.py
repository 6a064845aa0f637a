"""Does reconsidering help a real model here? All protocols on the same problems, and what came of it.

    uv run python benchmarks/evidence.py [--problems 200] [--turns 4] [--model local:] [--out evidence]
                                               [--without tried.jsonl]

1. `rise eval` runs every protocol over problems of `sums.py` (or `--file FILE`), every turn, and prints its
   table, the paired differences and its verdicts.
2. Turn 1 of each protocol against the bare question with "Reason step by step" (`bare/`), paired: `not
   worse` means that the lower 95% bound of the difference is above -5 points, `worse` that the upper one is
   below 0, else it is `cannot tell`. Most protocols ask the same first (`SAME`), so their first turns are
   also taken together: of each problem the mean of all draws, and the bootstrap's interval over problems.
3. The majority of T turns beside any of T (an oracle's figure): where the two are the same as turn 1, the
   later turns only copied it.

Run again with the same `--out` it goes on where it stopped. `docs/evidence.md` has what a run said.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import sums
from scipy.stats import bootstrap

from rise_cli.measure.accuracy import Estimate, ever_of, ever_right, share
from rise_cli.measure.majority import majority, upto
from rise_cli.measure.paired import compare
from rise_cli.measure.rollouts import Rollout, read

BARE = Path(__file__).with_name("bare")
PROTOCOLS = ("introspect", "sample", "refine", "aggregate", "paper", "single-call", "revise-answer", "decide")
SAME = ("introspect", "sample", "aggregate", "revise-answer", "decide")
"""Their first turns are word for word the same (a test holds them to it)."""
MARGIN = -0.05
"""A first turn that is no more than this much worse than the bare question's is not worse."""


def main() -> None:
    """Run, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--model", default="local:")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--without", type=Path, help="a file of problems to leave out")
    parser.add_argument("--out", type=Path, default=Path("evidence"))
    parser.add_argument("--kind", default="number")
    parser.add_argument("--compare", default=",".join(PROTOCOLS))
    parser.add_argument("more", nargs="*", metavar="-- OPTION", help="further options of rise eval")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    left_out = asked(given.without) if given.without else set()
    problems = given.file or written(given.out / "problems.jsonl", given.problems, given.seed, left_out)
    command = [sys.executable, "-m", "rise_cli", "eval", str(problems), "-m", given.model]
    command += ["--turns", str(given.turns), "--compare", f"{given.compare},{BARE}", "-o", str(given.out)]
    command += ["--kind", given.kind, "--seed", str(given.seed), "--no-log", *given.more]
    ended = subprocess.run(command, check=False).returncode
    if ended not in {0, 4}:
        sys.exit(ended)
    files = {name: given.out / f"{name}.jsonl" for name in [*given.compare.split(","), BARE.name]}
    runs = {name: list(read(path)) for name, path in files.items() if path.exists()}
    first_turns(runs)
    beside(runs, given.turns)


def asked(path: Path) -> set[str]:
    """The questions of a file."""
    return {json.loads(line)["question"] for line in path.read_text(encoding="utf-8").splitlines()}


def written(path: Path, count: int, seed: int, left_out: set[str]) -> Path:
    """The problems as a file, without those that are left out: a wording was chosen on them, say."""
    found = [one for one in sums.problems(count + len(left_out), seed) if one["question"] not in left_out]
    path.write_text("".join(json.dumps(problem) + "\n" for problem in found[:count]), encoding="utf-8")
    return path


def first_turns(runs: dict[str, list[Rollout]]) -> None:
    """Print turn 1 of every protocol against the bare question's."""
    print(f"\nturn 1 against the bare question and 'Reason step by step' ({BARE.name})")
    bare = right_at_first(runs[BARE.name])
    for name, rollouts in runs.items():
        if name == BARE.name:
            continue
        found = compare(bare, right_at_first(rollouts))
        if found.difference is None or found.low is None or found.high is None:
            continue
        print(f"  {name:14} {versus(found.difference, found.low, found.high)} on {found.n} problems")
    together(runs)


def together(runs: dict[str, list[Rollout]]) -> None:
    """Print the same of all first turns that ask the same, one problem one mean."""
    ours, bare = (
        mean_at_first([runs[name] for name in SAME if name in runs]),
        mean_at_first([runs[BARE.name]]),
    )
    differences = [float(ours[key] - bare[key]) for key in ours.keys() & bare.keys()]
    if len(differences) < 2:
        return
    spread = bootstrap(
        (sorted(differences),), mean, n_resamples=9_999, vectorized=False, method="percentile", rng=0
    )
    low, high = spread.confidence_interval
    print(f"  {'all the same':14} {versus(mean(differences), low, high)} on {len(differences)} problems")


def mean_at_first(files: Sequence[Sequence[Rollout]]) -> dict[str, float]:
    """By problem, the share of right ones among all first turns of all its chains."""
    drawn: dict[str, list[bool]] = {}
    for rollouts in files:
        for one in rollouts:
            known = [t.right for t in one.turns if t.attempt.turn == 1 and t.right is not None]
            drawn.setdefault(one.id, []).extend(known)
    return {key: mean(known) for key, known in drawn.items() if known}


def versus(difference: float, low: float, high: float) -> str:
    word = "not worse" if low > MARGIN else "worse" if high < 0 else "cannot tell"
    return f"{100 * difference:+6.1f} points ({100 * low:+.1f} to {100 * high:+.1f}): {word},"


def right_at_first(rollouts: Sequence[Rollout]) -> dict[str, bool | None]:
    """By problem, whether the first chain's first turn is right."""
    return {one.id: next((t.right for t in one.turns if t.place == (1, 1)), None) for one in rollouts}


def beside(runs: dict[str, list[Rollout]], turns: int) -> None:
    """Print how often the majority is right, any turn is, and how often a later turn gives another answer."""
    print("\n                 majority             any of them (oracle)  turns that changed the answer")
    for name, rollouts in runs.items():
        # Of chains that answer once, as many count as others have turns.
        once = all(one.last == 1 for one in rollouts)
        chains = range(1, turns + 1) if once else None
        voted = [majority(upto(one, turns, chains), one.tie) for one in rollouts]
        known = [turn.right for turn in voted if turn is not None and turn.right is not None]
        any_of = ever_of(rollouts, turns) if once else ever_right(rollouts, turns)
        changed, later = changes(rollouts)
        moved = f"{changed} of {later}" if later else "there is one only"
        print(f"  {name:14} {told(share(sum(known), len(rollouts))):20} {told(any_of):21} {moved}")


def changes(rollouts: Sequence[Rollout]) -> tuple[int, int]:
    """How many later turns of a chain gave another answer than its turn before, of how many."""
    changed = later = 0
    for one in rollouts:
        by_place = {turn.place: turn for turn in one.turns}
        for (turn, chain), now in by_place.items():
            before = by_place.get((turn - 1, chain))  # type: ignore[call-overload]
            if before is not None:
                later += 1
                changed += before.attempt.candidate != now.attempt.candidate
    return changed, later


def told(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "not known"
    return f"{estimate.value:.0%} ({estimate.low:.0%} to {estimate.high:.0%})"


if __name__ == "__main__":
    main()
