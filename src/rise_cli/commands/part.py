"""One run of a command that makes several, which share a budget and a deadline."""

from __future__ import annotations

from dataclasses import dataclass, field

from rise_cli.chat import Notice


@dataclass(frozen=True)
class Part:
    """What a run knows of the others. `name` is what it is called where people are told of it, "" where it
    is the only one; `until` when all of them must be over, on the clock of `time.monotonic`, and None where
    its own deadline holds. `said` is what people were told of the model."""

    name: str = ""
    until: float | None = None
    said: set[str] = field(default_factory=set)

    def once(self, notice: Notice) -> Notice:
        """Tell people only what no run before this one has told them."""

        def tell(text: str) -> None:
            if text not in self.said:
                self.said.add(text)
                notice(text)

        return tell if self.name else notice
