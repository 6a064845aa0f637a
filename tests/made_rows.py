"""Rows of a results file that nobody had to be asked for: answers that mostly agree, replies that revise.

The same seed gives the same rows. `row` makes one by hand from a table of answers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from rise_cli.history.record import dumps

_VOCABULARY = 4000
"""Different words, so that replies are no easier to pack than real ones."""


def row(id: str, right: str | None, answers: Sequence[str | None], **given: Any) -> dict[str, Any]:  # noqa: A002
    """A row with a turn for each of the answers, by one chain; the first answer with most votes wins. `right`
    is the reference. `given` are members of it."""
    turns = [_turn(number, answer, right) for number, answer in enumerate(answers, 1)]
    return _row(id, right, turns) | given


def rows(problems: int, turns: int = 5, words: int = 150, seed: int = 0) -> Iterator[dict[str, Any]]:
    """So many rows: two of three first answers are right, a seventh of the answers are given anew in each
    turn, and a quarter of the words."""
    chance = random.Random(seed)
    spelled = [
        "".join(chance.choices("etaoinshrdlucmfwyp", k=chance.randint(1, 9))) for _ in range(_VOCABULARY)
    ]
    # As in any language, few words make up most of a text.
    likely = list(accumulate(1 / rank for rank in range(1, _VOCABULARY + 1)))

    def some(many: int) -> list[str]:
        return chance.choices(spelled, cum_weights=likely, k=many)

    for number in range(problems):
        right = str(chance.randrange(1000))
        names = [right, str(chance.randrange(1000)), str(chance.randrange(1000))]
        answer: str | None = chance.choice((right, right, names[1]))
        text = some(words)
        made = []
        for turn in range(1, turns + 1):
            if turn > 1:
                for word in some(words // 3):
                    text[chance.randrange(words)] = word
                if chance.random() < 0.15:
                    answer = chance.choice((right, right, *names[1:], None))
            sure = min(0.99, max(0.05, chance.gauss(0.85 if answer == right else 0.7, 0.15)))
            made.append(_turn(turn, answer, right, " ".join(text), round(sure, 2), chance))
        asked = " ".join(some(30))
        yield _row(f"p-{number}", right, made) | {"question": f"{asked.capitalize()}?", "index": number}


def write(path: Path, made: Iterator[dict[str, Any]] | Sequence[dict[str, Any]]) -> Path:
    """Write rows as `rise batch` does."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(dumps(one) + "\n" for one in made)
    return path


def _turn(
    number: int,
    answer: str | None,
    right: str | None,
    text: str = "I think so.",
    sure: float | None = None,
    chance: random.Random | None = None,
) -> dict[str, Any]:
    told = None if answer is None or right is None else float(answer == right)
    said = (
        text if answer is None else f"{text}\n\nAnswer: {answer}\nConfidence: {round(100 * (sure or 0.8))}%"
    )
    sent, received = 200 + 60 * number, len(said) // 4
    return {
        "chain": 1, "turn": number, "given": False, "reply": said, "reasoning": None, "answer": answer,
        "confidence": sure or 0.8, "critique": None, "feedback": None, "reward": told,
        "verdict": None if told is None else "reference", "failure": None, "finish_reason": "stop",
        "latency_s": round(chance.uniform(0.4, 3.0), 2) if chance else 1.0,
        "usage": {
            "input_tokens": sent, "cached_input_tokens": sent // 2, "cache_write_tokens": 0,
            "output_tokens": received, "reasoning_tokens": 0,
        },
        "cost_usd": 1e-6 * (sent + 4 * received), "logprob": None, "entropy": None,
    }  # fmt: skip


def _row(id: str, right: str | None, turns: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: A002
    polled = Counter(turn["answer"] for turn in turns if turn["answer"] is not None)
    votes = [
        {
            "answer": answer, "count": count, "weight": float(count), "share": count / polled.total(),
            "turns": [[1, turn["turn"]] for turn in turns if turn["answer"] == answer],
        }
        for answer, count in polled.most_common()
    ]  # fmt: skip
    answer = votes[0]["answer"] if votes else None
    sums = {
        name: sum(turn["usage"][name] for turn in turns)
        for name in (
            "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"
        )
    }  # fmt: skip
    return {
        "schema": "rise.trajectory/1", "id": id, "index": 0, "status": "ok" if votes else "failed",
        "prior": [], "question": f"What is {id}?", "context": None, "reference": right,
        "correct": None if right is None else answer == right, "extra": {}, "answer": answer,
        "stop_reason": "turns", "failure": None if votes else "no_answer",
        "confidence": 0.8 if votes else None, "oracle": False, "votes": votes, "turns": turns,
        "usage": {"requests": len(turns), **sums, "by_purpose": {"attempt": len(turns)}},
        "cost_usd": sum(turn["cost_usd"] for turn in turns), "model": "scripted:made",
        "settings": {"protocol": "introspect", "turns": len(turns), "kind": "number", "tie": "earliest"},
        "error": None if votes else "no answer was found in the reply",
    }  # fmt: skip
