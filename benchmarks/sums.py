"""Problems that a model of 135M parameters can solve some of: small sums, and facts that are numbers.

    uv run python benchmarks/sums.py --problems 200 > sums.jsonl

No two are the same, and the same seed gives the same. `family` says of which sort one is.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable

_FACTS = {
    "How many days are in a week?": 7,
    "How many months are in a year?": 12,
    "How many hours are in a day?": 24,
    "How many minutes are in an hour?": 60,
    "How many seconds are in a minute?": 60,
    "How many years are in a century?": 100,
    "How many years are in a decade?": 10,
    "How many cents are in a dollar?": 100,
    "How many letters are in the English alphabet?": 26,
    "How many continents are there?": 7,
    "How many planets are in the solar system?": 8,
    "How many sides does a triangle have?": 3,
    "How many sides does a square have?": 4,
    "How many sides does a pentagon have?": 5,
    "How many sides does a hexagon have?": 6,
    "How many wheels does a car have?": 4,
    "How many wheels does a bicycle have?": 2,
    "How many legs does a spider have?": 8,
    "How many legs does an ant have?": 6,
    "How many legs does a dog have?": 4,
    "How many legs does a cow have?": 4,
    "How many legs does a bird have?": 2,
    "How many arms does an octopus have?": 8,
    "How many strings does a violin have?": 4,
}
_THINGS = ("apples", "pens", "coins", "books", "eggs", "cards")
_NAMES = ("Tom", "Mia", "Ben", "Ida", "Leo", "Ann")


def _fact(draw: random.Random) -> tuple[str, int]:
    return draw.choice(list(_FACTS.items()))


def _sum(draw: random.Random) -> tuple[str, int]:
    a, b = draw.randint(1, 9), draw.randint(1, 9)
    return f"What is {a} + {b}?", a + b


def _difference(draw: random.Random) -> tuple[str, int]:
    b, rest = draw.randint(1, 9), draw.randint(1, 9)
    return f"What is {b + rest} - {b}?", rest


def _two_steps(draw: random.Random) -> tuple[str, int]:
    a, b, c = (draw.randint(1, 9) for _ in range(3))
    return f"What is {a} + {b} + {c}?", a + b + c


def _story(draw: random.Random) -> tuple[str, int]:
    name, things = draw.choice(_NAMES), draw.choice(_THINGS)
    a, b = draw.randint(2, 9), draw.randint(2, 9)
    return f"{name} has {a} {things} and gets {b} more. How many {things} does {name} have now?", a + b


FAMILIES: dict[str, Callable[[random.Random], tuple[str, int]]] = {
    "fact": _fact,
    "sum": _sum,
    "difference": _difference,
    "two steps": _two_steps,
    "story": _story,
}


def problems(count: int, seed: int) -> list[dict[str, str]]:
    """Return `count` problems, the families by turns for as long as each has new ones."""
    draw = random.Random(seed)
    found: dict[str, dict[str, str]] = {}
    for number in range(20 * count):
        family = list(FAMILIES)[number % len(FAMILIES)]
        question, answer = FAMILIES[family](draw)
        if question not in found and len(found) < count:
            found[question] = {
                "id": f"sum-{len(found) + 1}",
                "question": question,
                "answer": str(answer),
                "family": family,
            }
    return list(found.values())


def main() -> None:
    """Print the problems, one a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for problem in problems(given.problems, given.seed):
        sys.stdout.write(json.dumps(problem) + "\n")


if __name__ == "__main__":
    main()
