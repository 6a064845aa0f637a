"""How a batch that was stopped goes on: the same command line, without what may not be shown."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rise_cli.core.secrets import strike
from rise_cli.settings.redaction import HIDDEN, names_a_key, redacted

_ONCE = {"--overwrite", "--retry-failed"}  # the rows that they take away would be taken away again
# Their values are no files, and people put keys into them.
_FREE = {"--option", "--base-url", "--check"}


def same_again(words: Sequence[str], keys: frozenset[str], *, begun: bool = True) -> str:
    """The command line that goes on after `rise *words`, as a shell takes it. `begun`: there is a row.

    `keys` are struck out wherever they stand; of `--option`, `--base-url` and `--check` whatever looks
    like a key, too. All other words stay as they are: a file may be named like a key.
    """
    # Elsewhere they take no rows away.
    once = _ONCE if begun and words[:1] == ["batch"] else set()
    return shlex.join(["rise", *_shown([word for word in words if word not in once], keys)])


def _shown(words: Sequence[str], keys: frozenset[str]) -> Iterator[str]:
    before = ""
    for word in words:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", "")
        if equals:
            yield f"{option}={_value(option, value, keys)}"
        else:
            yield _value(before, word, keys)
        before = word


def _value(option: str, value: str, keys: frozenset[str]) -> str:
    if option.startswith("--") and names_a_key(option):
        return HIDDEN
    if option not in _FREE:
        return _without(value, keys)
    name, equals, given = value.partition("=")
    if option == "--option" and equals and names_a_key(name):
        return f"{name}={HIDDEN}" if given else value
    return str(redacted(value, keys))


def _without(value: str, keys: frozenset[str]) -> str:
    """`value` as it is, unless it holds a known key. One that does loses all that looks like one."""
    low = "".join(value.split()).lower()
    return strike(value, HIDDEN, keys) if any(key.lower() in low for key in keys if key) else value
