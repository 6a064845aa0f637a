"""Python's search for cyclic garbage, kept from what a long run holds all the time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Allocations between two searches. A call leaves few cycles behind, and 10,000 objects are a few MB.
_YOUNG, _MIDDLE, _OLD = 10_000, 20, 50


@contextmanager
def settled() -> Iterator[None]:
    """Within this, what is loaded now is taken to stay and is not searched, and the rest more rarely.

    The libraries are a hundred thousand objects; looking through them again and again was a tenth of
    the CPU of a call.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
