"""Which ids were used, in little room, and ids for problems that have none."""

from __future__ import annotations

from array import array
from hashlib import blake2b

_NOTHING = blake2b(digest_size=8)  # to be copied: that takes half as long as making one


class Digests:
    """A set of texts that remembers a 64-bit digest of each: 16 to 32 bytes a text, in one array,
    where a set of strings takes above 100. The digest is Python's own hash, and holds for this process.

    Two different texts are taken for one with a chance of n²/2⁶⁵: one in a billion at 200,000.
    """

    def __init__(self) -> None:
        self._slots = array("Q", [0]) * 1024  # open addressing; 0 is a free slot
        self._mask = 1023
        self._left = 512  # as many more, and there are twice as many slots

    def add(self, text: str) -> bool:
        """Add `text`; return False if it was there already."""
        digest = hash(text) & 0xFFFFFFFFFFFFFFFF or 1
        slots, mask = self._slots, self._mask
        at = digest & mask
        while found := slots[at]:
            if found == digest:
                return False
            at = (at + 1) & mask
        slots[at] = digest
        self._left -= 1
        if not self._left:
            self._grow()
        return True

    def _grow(self) -> None:
        slots = array("Q", [0]) * (2 * len(self._slots))
        mask = len(slots) - 1
        for digest in filter(None, self._slots):
            at = digest & mask
            while slots[at]:
                at = (at + 1) & mask
            slots[at] = digest
        self._slots, self._mask, self._left = slots, mask, len(slots) // 4


class Ids:
    """The ids of one file: each is given out once."""

    def __init__(self) -> None:
        self.claim = Digests().add
        """Take a text as an id; return False if it is taken."""
        self._occurrences: dict[str, int] = {}  # of problems that came more than once

    def make(self, question: str, context: str | None) -> str:
        """Take and return an id made of the problem: `p-`, 16 hexadecimal digits, and from its second
        occurrence on `-2` and so on. The same in every run; the reference has no part in it."""
        problem = question if context is None else f"{question}\0{context}"
        state = _NOTHING.copy()
        state.update(problem.encode())
        name = "p-" + state.hexdigest()
        if self.claim(name):
            return name
        occurrence = self._occurrences.get(name, 1) + 1
        while not self.claim(f"{name}-{occurrence}"):  # where the file uses that as an id of its own
            occurrence += 1
        self._occurrences[name] = occurrence
        return f"{name}-{occurrence}"
