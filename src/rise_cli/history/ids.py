"""Problems in little room: their ids in 16 bytes each, and their texts in 8, however long they are."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from hashlib import blake2b
from zlib import crc32

_ALL_BITS = 0xFFFFFFFFFFFFFFFF
_NOTHING = blake2b(digest_size=8)  # to be copied: that takes half as long as making one


class Ids:
    """A map from ids to numbers below 2^63, by a 64-bit digest of the id: Python's own hash, which holds
    for this process alone.

    It may take two ids for the same; with n of them the chance of any such pair is n^2 / 2^65.
    """

    def __init__(self) -> None:
        # Sorted, in so many parts that inserting moves little.
        self._digests = [array("Q") for _ in range(1024)]
        self._values = [array("q") for _ in range(1024)]

    def add(self, id: bytes, value: int = 0) -> None:  # noqa: A002 - it is one
        """Map `id` to `value`. An id that is there already keeps its value."""
        digest = hash(id) & _ALL_BITS
        part = digest & 1023
        digests = self._digests[part]
        at = bisect_left(digests, digest)
        if at == len(digests) or digests[at] != digest:
            digests.insert(at, digest)
            self._values[part].insert(at, value)

    def get(self, id: bytes) -> int | None:  # noqa: A002
        digest = hash(id) & _ALL_BITS
        digests = self._digests[digest & 1023]
        at = bisect_left(digests, digest)
        return self._values[digest & 1023][at] if at < len(digests) and digests[at] == digest else None

    def __len__(self) -> int:
        return sum(map(len, self._digests))


def as_bytes(id: str) -> bytes:  # noqa: A002
    """Return an id as `Row` and `Ids` have it. It may hold lone surrogates, as JSON may."""
    return id.encode(errors="surrogatepass")


def digest(id: bytes) -> int:  # noqa: A002
    """A number below 2^64 that stands for an id, the same in every process."""
    state = _NOTHING.copy()
    state.update(id)
    return int.from_bytes(state.digest(), "little")


def fingerprint(question: bytes, context: bytes, reference: bytes) -> int:
    """Two checksums in one number below 2^64, the same in every process: the upper half is that of what is
    asked, the lower that of the right answer. A text that is not there is empty; no text has a NUL."""
    asked = crc32(b"\0" + context, crc32(question)) if context else crc32(question)
    return asked << 32 | crc32(reference)


def asks_the_same(one: int, other: int) -> bool:
    """Whether two fingerprints are of the same question, whatever the right answer."""
    return one >> 32 == other >> 32


NOTHING_ASKED = fingerprint(b"", b"", b"")
"""Of a line that posed no problem."""
