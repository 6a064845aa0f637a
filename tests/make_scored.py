"""Makes `tests/scored/`: results of real runs whose replies were written beforehand.

uv run python tests/make_scored.py

What is right at which turn stands in the tables below (see `measured` for the words; A is the right
answer): `introspect.jsonl` is three turns of one chain, `sample.jsonl` one turn of three chains, over the
same six problems. Every turn sends 100 tokens (50 of them cached from turn 2 on) and brings 20; turn t takes
t hundredths of a second; a million tokens cost a dollar in and two out.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "scored"

INTROSPECT = {
    "p1": ["A90 A90 A90"],
    "p2": ["B60 A70 A80"],
    "p3": ["A80 B70 B90"],
    "p4": ["B50 B60 A70"],
    "p5": ["A70 B60 A90"],
    "p6": ["-   B80 C80"],
}
SAMPLE = {
    "p1": ["A", "A", "B"],
    "p2": ["A", "B", "A"],
    "p3": ["B", "B", "A"],
    "p4": ["A", "A", "A"],
    "p5": ["B", "C", "A"],
    "p6": ["-", "A", "A"],
}
LEVELS = {"p1": 1, "p2": 1, "p3": 2, "p4": 2, "p5": 3}


def main() -> None:
    """Run every problem with a script of its own, under one name, and put the rows together."""
    from running import Program

    for name, table, options in (
        ("introspect", INTROSPECT, ("--turns", "3")),
        ("sample", SAMPLE, ("--prompt", "sample", "--samples", "3")),
    ):
        rows = []
        for number, (problem, chains) in enumerate(table.items(), 1):
            with tempfile.TemporaryDirectory() as place:
                rise = Program(Path(place))
                (rise.folder / "p.jsonl").write_text(json.dumps(_problem(problem, number)) + "\n")
                (rise.folder / "replies.jsonl").write_text(_script(chains, 6 * number))
                more = ("--kind", "number", "--no-early-stop", "--price", "1,2", "--no-log", "-q")
                ran = rise("batch", "p.jsonl", "-m", "scripted:replies.jsonl", *options, *more)
                assert ran.code == 0, ran.err
                rows.append((rise.folder / "p.jsonl.rise.jsonl").read_text())
        (FOLDER / f"{name}.jsonl").write_text("".join(rows))
        sys.stdout.write(f"{name}.jsonl\n")


def _problem(name: str, number: int) -> dict[str, Any]:
    asked = {"id": name, "question": f"What is 6 times {number}?", "answer": str(6 * number)}
    return asked | ({"level": LEVELS[name]} if name in LEVELS else {})


def _script(chains: list[str], right: int) -> str:
    lines = []
    for chain, words in enumerate(chains, 1):
        for turn, word in enumerate(words.split(), 1):
            usage = {"input_tokens": 100, "output_tokens": 20, "cached_input_tokens": 50 if turn > 1 else 0}
            reply = _reply(word, right)
            line = {"reply": reply, "chain": chain, "turn": turn, "usage": usage, "delay_s": turn / 100}
            lines.append(json.dumps(line) + "\n")
    return "".join(lines)


def _reply(word: str, right: int) -> str:
    if word == "-":
        return "I cannot tell."
    said = f"I worked it out.\n\nAnswer: {right + 'ABC'.index(word[0])}"
    return said + (f"\nConfidence: {word[1:]}%" if word[1:] else "")


if __name__ == "__main__":
    main()
