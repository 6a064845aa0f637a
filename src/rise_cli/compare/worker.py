"""The child that asks math-verify: JSON lines in, JSON lines out, until stdin ends.

`{"gold": .., "target": ..}` holds two formulas in LaTeX without delimiters; the reply is `true` or
`false`. Nothing here bounds a pair: the parent kills this process when it takes too long. Only if
the parent itself was killed first does the child end on its own.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import sys
from functools import lru_cache

_ORPHAN_S = 60.0
_MEMORY = 4 << 30


def main() -> None:
    """Announce readiness with a line, then answer one line per line."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no reply
    logging.disable(logging.CRITICAL)
    _limit_memory()
    _equal("\\frac{1}{2}", "0.5")  # math-verify compiles its patterns on first use
    print(json.dumps("ready"), file=replies, flush=True)
    for line in sys.stdin:
        pair = json.loads(line)
        faulthandler.dump_traceback_later(_ORPHAN_S, exit=True)
        same = _equal(pair["gold"], pair["target"])
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(same), file=replies, flush=True)


def _equal(gold: str, target: str) -> bool:
    from math_verify import verify

    try:
        # Their own limits (0: none) use signals, which cannot interrupt a long multiplication.
        left, right = _parsed(gold), _parsed(target)
        # verify is not symmetric: it follows the notation of its first argument.
        return any(verify(*pair, timeout_seconds=0) for pair in ((left, right), (right, left)))
    except Exception:  # whatever sympy cannot digest is not known to be the same
        return False


@lru_cache(maxsize=128)
def _parsed(text: str) -> list[object]:
    """What math-verify reads in a formula. Kept, as each of n answers is compared with most of the others."""
    from math_verify import LatexExtractionConfig, parse

    parsed: list[object] = parse(f"${text}$", [LatexExtractionConfig()], parsing_timeout=0)
    return parsed


def _limit_memory() -> None:
    """A tower of powers fills the memory of a machine within the two seconds it is given."""
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        bound = _MEMORY if hard == resource.RLIM_INFINITY else min(_MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    except (ImportError, OSError, ValueError):
        pass  # not every system knows this limit
