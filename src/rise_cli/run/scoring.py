"""A finished row held against its reference. Nothing that steers a rollout ever sees one."""

from __future__ import annotations

import asyncio
from typing import Any

from rise_cli.core.canonical import equal
from rise_cli.core.domain import Kind
from rise_cli.run.act import Compare


async def score(record: dict[str, Any], kind: Kind, compare: Compare) -> None:
    """Fill in `correct`, and the reward of every turn that nobody has judged, where there is a reference.

    An answer that equals the reference is right. Replies of which none could be used are wrong; where
    no reply came at all, nobody can tell.
    """
    reference = record["reference"]
    if reference is None:
        return
    known: dict[str, bool] = {}
    for answer in [record["answer"], *(turn["answer"] for turn in record["turns"])]:
        if answer is not None and answer not in known:
            known[answer] = await _same(answer, reference, kind, compare)
    for turn in record["turns"]:
        if turn["verdict"] is None and turn["answer"] is not None:
            turn["reward"] = float(known[turn["answer"]])
            turn["verdict"] = "reference"
    if record["answer"] is not None:
        record["correct"] = known[record["answer"]]
    elif any(turn["reply"] is not None for turn in record["turns"]):
        record["correct"] = False


async def _same(answer: str, reference: str, kind: Kind, compare: Compare) -> bool:
    told = equal(answer, reference, kind)
    if told is not None:
        return told
    # Mathematics may take seconds: not on the event loop's thread.
    return await asyncio.to_thread(compare.same, answer, reference, kind)
