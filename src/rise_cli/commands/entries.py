"""Which protocols `rise eval` compares, and how large each of them is made so that they can be.

With T turns:

revise, refine   one chain of T turns: T calls, or where a critique comes before each revision 2T - 1
single           one call that holds T rounds
aggregate        N chains, 2 of them unless `--samples` says otherwise, of T / N turns rounded down, but of
                 two at least, since the first turn is only sampling: with two chains never more than T calls
                 from T = 4 on
independent      T chains of one turn: T calls; more where an aggregate takes more, which would else have
                 nothing of its size to be compared with

Nobody stops early and all vote by majority, so that every shorter run can be read off the longer one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rise_cli.core.domain import Shape
from rise_cli.errors import UsageError
from rise_cli.prompts import load

_FEWEST_CHAINS = 2  # one chain aggregates nothing
_FEWEST_TURNS = 2


@dataclass(frozen=True)
class Entry:
    """One protocol as it takes part. `prompt` is what `--prompt` takes, `name` what its files are called."""

    prompt: str
    name: str
    shape: Shape
    turns: int
    samples: int

    @property
    def flags(self) -> dict[str, object]:
        """The settings that make it this size."""
        return {
            "prompt": self.prompt,
            "turns": self.turns,
            "samples": self.samples,
            "early_stop": False,
            "vote": "majority",
        }


def entries(compare: str, turns: int, samples: int | None, language: str | None) -> tuple[Entry, ...]:
    """The protocols that `compare` names, with commas between them; `samples` are the chains of those that
    aggregate. Raises UsageError for one that does not exist, and where two are called the same."""
    prompts = [word.strip() for word in compare.split(",") if word.strip()]
    if not prompts:
        raise UsageError("--compare names no protocol; name some, such as introspect,sample")
    shapes = [load(prompt, language).shape for prompt in prompts]
    sizes = list(_sizes(shapes, turns, samples or _FEWEST_CHAINS))
    names = [_name(prompt) for prompt in prompts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--compare has two protocols called {twice!r}; leave one out, or rename its folder")
    return tuple(
        Entry(prompt, name, shape, *size)
        for prompt, name, shape, size in zip(prompts, names, shapes, sizes, strict=True)
    )


def _sizes(shapes: Sequence[Shape], turns: int, chains: int) -> Iterator[tuple[int, int]]:
    """The turns and the samples of each."""
    chains = max(chains, _FEWEST_CHAINS)
    rounds = max(turns // chains, _FEWEST_TURNS)
    most = max(turns, chains * rounds) if Shape.AGGREGATE in shapes else turns
    sizes = {Shape.INDEPENDENT: (1, most), Shape.AGGREGATE: (rounds, chains)}
    for shape in shapes:
        yield sizes.get(shape, (turns, 1))


def _name(prompt: str) -> str:
    return re.sub(r"[^\w.-]+", "-", Path(prompt).name) or "protocol"
