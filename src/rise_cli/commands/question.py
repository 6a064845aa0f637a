"""Where the question, its material and what is said about an answer come from: an argument, a file, or
stdin; and the problem that they make."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from rise_cli.core.choices import fix_kind
from rise_cli.core.domain import Kind, Message, Problem
from rise_cli.errors import UsageError
from rise_cli.problems.source import LONGEST_LINE


def pose(question: str, context: str | None, kind: Kind, prior: tuple[Message, ...] = ()) -> Problem:
    """Return the problem of a question. The same texts have the same key."""
    from hashlib import sha256

    fixed, choices = fix_kind(kind, question)
    texts = "\0".join([question, context or "", *(m.text for m in prior)])
    key = sha256(texts.encode(errors="surrogatepass")).hexdigest()[:16]
    return Problem(key, question, context, prior, fixed, choices)


def read_question(argument: str | None) -> str:
    """Return the question: the argument, or stdin where that is `-` or missing and piped.

    With an argument, stdin is never touched, so that an open one is not waited for. Raises
    UsageError for an empty question, and for what is not text.
    """
    if argument is None and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError('give a question, such as: rise ask "What is the capital of France?"')
    text = _stdin("question") if argument in (None, "-") else _argument(argument or "", "question")
    if not text.strip():
        raise UsageError(f"the question is empty ({text[:20]!r}); give one as an argument or on stdin")
    return text.strip()


def read_feedback(argument: str) -> str:
    """Return what a person says about an answer; `-` reads it from stdin. Raises UsageError if it is empty,
    and for what is not text."""
    text = _stdin("feedback") if argument == "-" else _argument(argument, "feedback")
    if not text.strip():
        raise UsageError("the feedback is empty; say what is wrong with the answer, or ask a new question")
    return text.strip()


def read_context(name: str) -> str:
    """Return the material of `--context`: a file's text, or stdin for `-`."""
    if name == "-":
        return _stdin("context").strip()
    if not name:
        raise UsageError("--context must name a file, or be - for stdin, not ''")
    what = f"the context file {name!r}"
    try:
        with Path(name).open("rb") as file:
            return _decoded(_whole(file, what), what).strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {what}: {getattr(error, 'strerror', None) or error}") from None


def _stdin(what: str) -> str:
    if sys.stdin is None:
        raise UsageError(f"stdin is closed, so the {what} cannot be read from it; give it as an argument")
    try:
        return _decoded(_whole(sys.stdin.buffer, f"the {what} on stdin"), f"the {what} on stdin")
    except OSError as error:
        raise UsageError(f"cannot read the {what} from stdin: {error.strerror}") from None


def _whole(file: BinaryIO, what: str) -> bytes:
    """Return what the file holds. Raises UsageError where that has no end, as /dev/zero, or no model reads
    so much."""
    raw = file.read(LONGEST_LINE + 1)
    if len(raw) > LONGEST_LINE:
        raise UsageError(f"{what} is larger than {LONGEST_LINE >> 20} MiB, which no model reads; shorten it")
    return raw


def _argument(text: str, what: str) -> str:
    # An argument that is no UTF-8 arrives with lone surrogates in it (PEP 383).
    try:
        return _decoded(text.encode("utf-8", "surrogateescape"), f"the {what}")
    except UnicodeEncodeError:
        raise UsageError(f"the {what} holds a lone surrogate; give it as UTF-8") from None


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
