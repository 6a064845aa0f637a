"""Results files of rigged models, made by the real driver from what each turn says.

    write(path, problems, [("B90 A90 A90", "A")])      # three turns; A is right

A word is an answer and a stated confidence in percent, as in `rollouts`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from plays import played

from rise_cli.compare import Comparer
from rise_cli.core.domain import Kind, Policy
from rise_cli.history.record import dumps, to_record
from rise_cli.run.scoring import score

MODEL = "openai:m-1"


def said(word: str) -> str:
    answer, percent = word[0], word[1:]
    return f"It is {answer}.\nAnswer: {answer}" + (f"\nConfidence: {percent}%" if percent else "")


def write(
    results: Path,
    problems: Path,
    runs: Sequence[tuple[str, str]],
    policy: Policy | None = None,
    **settings: object,
) -> None:
    """Write the rows of runs of one chain under `policy`, by default every turn, and their problems."""
    lines = []
    for at, (words, right) in enumerate(runs):
        turns = words.split()
        rules = policy or Policy(turns=len(turns), early_stop=False)
        run = played({f"attempt 1 {turn}": said(word) for turn, word in enumerate(turns, 1)}, rules)
        run = replace(run, problem=replace(run.problem, key=f"p{at}"))
        how = {
            "protocol": "introspect", "turns": rules.turns, "samples": 1, "draw": 4, "vote": rules.vote.value,
            "vote_temperature": rules.vote_temperature, "tie": rules.tie.value, "threshold": rules.threshold,
            "patience": rules.patience, "early_stop": rules.early_stop, "strict": False,
            "confidence": "stated", "kind": "auto", "calibration": None,
        }  # fmt: skip
        record = to_record(run, index=at, model=MODEL, settings=how | settings, reference=right)
        with Comparer(notice=print) as comparer:
            asyncio.run(score(record, Kind.AUTO, comparer))
        lines.append(dumps(record))
    results.write_text("".join(f"{line}\n" for line in lines))
    asked = [
        {"id": f"p{at}", "question": "What is it?", "answer": right} for at, (_, right) in enumerate(runs)
    ]
    problems.write_text("".join(f"{json.dumps(problem)}\n" for problem in asked))
