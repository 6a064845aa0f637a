"""One run of a command that makes several, which share a budget and a deadline."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """What a run knows of the others. `name` is what it is called where people are told of it, "" where it
    is the only one; `until` when all of them must be over, on the clock of `time.monotonic`, which event
    loops go by, and None where its own deadline holds."""

    name: str = ""
    until: float | None = None
