"""What was heard of a reply so far, piece by piece, whichever wire it came over."""

from __future__ import annotations

from rise_cli.chat import Listen
from rise_cli.chat.certainty import Certainty
from rise_cli.core.domain import Completion, Usage

_OPEN, _CLOSE = "<think>", "</think>"


class Heard:
    """A reply as it arrives: its text, its hidden reasoning, why it ended, what it cost.

    A leading `<think>…</think>` in the text is reasoning too; left open, all of the rest is.
    `finish` is one of `Completion`'s reasons. `listen` gets every piece as soon as it is known
    whether it is reasoning.
    """

    def __init__(self, listen: Listen | None = None) -> None:
        self.finish = "stop"
        self.usage: Usage | None = None
        self._listen = listen
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._certainty = Certainty()
        self._held = ""
        self._where = "before"  # then inside the mark, in the gap behind it, after it all

    def reason(self, piece: object) -> None:
        """Add a piece of reasoning. Anything but text is ignored."""
        self._add(self._reasoning, piece, True)

    def say(self, piece: object) -> None:
        """Add a piece of the reply. Anything but text is ignored."""
        if not isinstance(piece, str):
            return
        self._held += piece
        if self._where == "before":
            self._look_for_opening()
        if self._where == "inside":
            self._look_for_closing()
        if self._where == "gap":
            self._held = self._held.lstrip()
            self._where = "after" if self._held else "gap"
        if self._where == "after":
            self._add(self._text, self._take(), False)

    def weigh(self, token: object) -> None:
        """Take in the probabilities of one token, as OpenAI's wire has them."""
        self._certainty.add(token)

    def completion(self, latency_s: float) -> Completion:
        """The reply as it stands, once. One that claims to have stopped but has no text is `empty`."""
        if self._where == "inside":
            self.reason(self._take())
        self._add(self._text, self._take(), False)
        reply = _joined(self._text)
        finish = "empty" if self.finish == "stop" and not reply.strip() else self.finish
        reasoning = _joined(self._reasoning).strip() or None
        certainty = self._certainty
        return Completion(
            reply,
            finish,
            reasoning,
            self.usage,
            latency_s=latency_s,
            logprob=certainty.logprob,
            entropy=certainty.entropy,
        )

    def _add(self, pieces: list[str], piece: object, reasoning: bool) -> None:
        if isinstance(piece, str) and piece:
            pieces.append(piece)
            if self._listen:
                self._listen(piece, reasoning)

    def _take(self) -> str:
        held, self._held = self._held, ""
        return held

    def _look_for_opening(self) -> None:
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._held, self._where = start.removeprefix(_OPEN), "inside"
        elif not _OPEN.startswith(start):
            self._where = "after"

    def _look_for_closing(self) -> None:
        inside, closing, rest = self._held.partition(_CLOSE)
        if closing:
            self._held, self._where = rest, "gap"
        else:  # the end of what came may be the beginning of the mark
            begun = next((n for n in range(len(_CLOSE) - 1, 0, -1) if inside.endswith(_CLOSE[:n])), 0)
            cut = len(inside) - begun
            inside, self._held = inside[:cut], inside[cut:]
        self.reason(inside)


def _joined(pieces: list[str]) -> str:
    """The pieces as text that can be sent again: JSON may hold halves of characters, in one piece or
    in two, which no request could encode. Those that fit make one, others become U+FFFD."""
    text = "".join(pieces)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
