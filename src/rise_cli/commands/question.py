"""Where the question and its material come from: an argument, a file, or stdin."""

from __future__ import annotations

import sys
from pathlib import Path

from rise_cli.errors import UsageError


def read_question(argument: str | None) -> str:
    """Return the question: the argument, or stdin where that is `-` or missing and piped.

    With an argument, stdin is never touched, so that an open one is not waited for. Raises
    UsageError for an empty question, and for what is not text.
    """
    if argument is None and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError('give a question, such as: rise ask "What is the capital of France?"')
    text = _stdin("question") if argument in (None, "-") else _argument(argument or "")
    if not text.strip():
        raise UsageError(f"the question is empty ({text[:20]!r}); give one as an argument or on stdin")
    return text.strip()


def read_context(name: str) -> str:
    """Return the material of `--context`: a file's text, or stdin for `-`."""
    if name == "-":
        return _stdin("context").strip()
    try:
        return _decoded(Path(name).read_bytes(), f"the context file {name!r}").strip()
    except OSError as error:
        raise UsageError(f"cannot read the context file {name!r}: {error.strerror}") from None


def _stdin(what: str) -> str:
    if sys.stdin is None:
        raise UsageError(f"stdin is closed, so the {what} cannot be read from it; give it as an argument")
    try:
        return _decoded(sys.stdin.buffer.read(), f"the {what} on stdin")
    except OSError as error:
        raise UsageError(f"cannot read the {what} from stdin: {error.strerror}") from None


def _argument(text: str) -> str:
    # An argument that is no UTF-8 arrives with lone surrogates in it (PEP 383).
    try:
        return _decoded(text.encode("utf-8", "surrogateescape"), "the question")
    except UnicodeEncodeError:
        raise UsageError("the question holds a lone surrogate; give it as UTF-8") from None


def _decoded(raw: bytes, what: str) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{what} is not UTF-8 (byte {error.start} is {raw[error.start]:#04x}); convert it, "
            "for example with iconv -t UTF-8"
        ) from None
    if "\0" in text:
        raise UsageError(f"{what} holds a NUL byte at position {text.index(chr(0))}; is it a binary file?")
    return text
