"""What a run tells while it runs. Renderers implement it; nothing that decides anything reads it."""

from __future__ import annotations

from typing import Protocol

from rise_cli.core.domain import Call, Done, Trajectory


class Observer(Protocol):
    """Called from the event loop's thread, in order, never concurrently. It must not raise."""

    def asked(self, call: Call) -> None:
        """A call is about to be sent."""

    def heard(self, call: Call, text: str, reasoning: bool) -> None:
        """A piece of its reply streamed in. The text is raw: it may hold terminal controls."""

    def restarted(self, call: Call) -> None:
        """The attempt was lost and starts over: what was heard of this call is void."""

    def finished(self, done: Done) -> None:
        """The call came back, was read, and judged where somebody judges."""

    def notice(self, text: str) -> None:
        """A sentence for the person at the terminal: a retry, a parameter dropped."""

    def ended(self, trajectory: Trajectory) -> None:
        """The run is over."""


class Silent:
    """An observer that shows nothing."""

    def asked(self, call: Call) -> None: ...

    def heard(self, call: Call, text: str, reasoning: bool) -> None: ...

    def restarted(self, call: Call) -> None: ...

    def finished(self, done: Done) -> None: ...

    def notice(self, text: str) -> None: ...

    def ended(self, trajectory: Trajectory) -> None: ...
