"""What a page keeps for its script: JSON, deflated, in base64, in elements that no browser runs.

Base64 has no character that HTML knows, so no text in it can end the element or begin another; and
deflated, transcripts take a third. Only what is opened is ever unpacked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from typing import IO, Any

_LEVEL = 6
_ENOUGH = 128 * 1024  # characters of JSON in one element: unpacked within a few milliseconds
_ESCAPED = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})


def in_script(value: object) -> str:
    """Return `value` as JSON that may stand in a script element as it is."""
    return _json(value).translate(_ESCAPED)


def packed(value: object) -> str:
    """Return `value` as JSON, deflated without a header, in base64."""
    return _pack(_json(value))


def source_hash(text: str) -> str:
    """The source of a content security policy that allows just this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class Chunks:
    """Writes values into packed elements, as many in each as are quick to unpack, to a file of ASCII.

    The elements are named `prefix` and their number, from 0; each holds a JSON array.
    """

    def __init__(self, file: IO[bytes], prefix: str) -> None:
        self._file, self._prefix = file, prefix
        self._waiting: list[str] = []
        self._size = 0
        self.count = 0

    def add(self, value: object) -> tuple[int, int]:
        """Take up `value`; return the number of its element and its position there."""
        text = _json(value)
        place = (self.count, len(self._waiting))
        self._waiting.append(text)
        self._size += len(text)
        if self._size >= _ENOUGH:
            self.close()
        return place

    def close(self) -> None:
        """Write what waits."""
        if self._waiting:
            content = _pack(f"[{','.join(self._waiting)}]")
            element = f'<script type="text/plain" id="{self._prefix}{self.count}">{content}</script>\n'
            self._file.write(element.encode("ascii"))
            self._waiting, self._size = [], 0
            self.count += 1


def _pack(text: str) -> str:
    deflate = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(text.encode("ascii")) + deflate.flush()).decode("ascii")


def _json(value: object) -> str:
    """ASCII, so that lone surrogates survive. JSON knows no NaN and no infinity: both are null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    return value
