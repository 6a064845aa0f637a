"""`rise batch` and the files that people have: ids that clash, edited problems, files under two names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from loopback import Loopback
from running import KEYS, Program, at
from test_batch import adding, batch, rows, sums, write

ONE = ("--turns", "1")


def ids(rise: Program, name: str = "p.jsonl.rise.jsonl") -> list[str]:
    return [row["id"] for row in rows(rise, name)]


# Ids


def test_a_bad_line_takes_no_id_of_another_line(rise: Program) -> None:
    asked = [{"id": name, "question": "How many are 1 plus 1?"} for name in ("a", "line-1", "a-line-3")]
    again = {"id": "a", "question": "How many are 2 plus 1?"}
    reserved = {"id": "!line-1", "question": "How many are 3 plus 1?"}
    write(
        rise, [json.dumps(one) if one else "not json" for one in ({}, asked[0], again, *asked[1:], reserved)]
    )
    with Loopback(adding) as server:
        assert batch(rise, "openai", server, *ONE, "--ordered").code == 4
        assert batch(rise, "openai", server, *ONE, "--ordered").code == 4
        assert len(server.seen) == 3
    assert ids(rise) == ["!line-1", "a", "!line-3", "line-1", "a-line-3", "!line-6"]
    assert [row["status"] for row in rows(rise)] == ["failed", "ok", "failed", "ok", "ok", "failed"]
