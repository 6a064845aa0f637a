"""A finished row held against its reference. Nothing that steers a rollout ever sees one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from rise_cli.core.canonical import equal
from rise_cli.core.domain import Kind
from rise_cli.history.whole import is_whole
from rise_cli.run.act import Compare
from rise_cli.run.totals import adds_up, replied


async def score(record: dict[str, Any], kind: Kind, compare: Compare) -> None:
    """Fill in `correct`, and the reward of every turn that nobody has judged, where there is a reference.

    An answer that equals the reference is right. Replies of which none could be used are wrong; where
    no reply came at all, nobody can tell.
    """
    reference = record["reference"]
    if reference is None:
        return
    known = {answer: await _same(answer, reference, kind, compare) for answer in _answers(record)}
    _fill_in(record, known)


def score_again(record: dict[str, Any], reference: str | None, compare: Compare) -> bool:
    """Hold a row that was scored against another `reference`, None for none; False, and nothing is done, if
    the row is not whole. What a check or a person said of its turns stays. May block for seconds, where
    mathematics is compared."""
    if not (is_whole(record) and adds_up(record) and isinstance(record.get("answer", 0), str | None)):
        return False
    known = record["correct"] if record.get("reference") is not None else False if replied(record) else None
    for turn in record["turns"]:
        if turn["verdict"] == "reference":
            turn["reward"] = turn["verdict"] = None
    record["reference"], record["correct"] = reference, None
    if reference is not None:
        kind = Kind(record["settings"].get("kind", Kind.AUTO))
        _fill_in(record, {answer: compare.same(answer, reference, kind) for answer in _answers(record)})
        if record["answer"] is None and not record["turns"]:  # with --slim, only this tells of replies
            record["correct"] = known
    return True


def _answers(record: Mapping[str, Any]) -> set[str]:
    """The different answers of a row, its own and those of its turns."""
    return {record["answer"], *(turn["answer"] for turn in record["turns"])} - {None}


def _fill_in(record: dict[str, Any], right: Mapping[str, bool]) -> None:
    """Fill in what is known once each answer is known to be `right` or not."""
    for turn in record["turns"]:
        if turn["verdict"] is None and turn["answer"] is not None:
            turn["reward"] = float(right[turn["answer"]])
            turn["verdict"] = "reference"
    if record["answer"] is not None:
        record["correct"] = right[record["answer"]]
    elif any(turn["reply"] is not None for turn in record["turns"]):
        record["correct"] = False


async def _same(answer: str, reference: str, kind: Kind, compare: Compare) -> bool:
    told = equal(answer, reference, kind)
    if told is not None:
        return told
    # Mathematics may take seconds: not on the event loop's thread.
    return await asyncio.to_thread(compare.same, answer, reference, kind)
