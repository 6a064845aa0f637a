"""Whether a text is the address of a web server. Nothing is looked up."""

from __future__ import annotations

import re

# Scheme, perhaps a user, a host (an IPv6 one in brackets), perhaps a port, and whatever follows.
_ADDRESS = re.compile(
    r"https?://(?:[^\s/?#@]*@)?(?:\[[0-9a-f:.]+\]|(?P<host>[^\s/?#@:\[\]]+))(?::(?P<port>[0-9]*))?(?:[/?#]\S*)?",
    re.IGNORECASE,
)


def is_address(text: str) -> bool:
    """Whether `text` is an http or https URL with a host and a port that can be."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not text.isprintable() or int(found["port"] or 0) > 65535:
        return False
    try:
        # Raises UnicodeError where a label is empty, too long or no name in any script.
        return bool((found["host"] or "localhost").encode("idna"))
    except UnicodeError:
        return False
