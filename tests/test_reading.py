"""Finished rows read again: answers, candidates, votes, and what was said of them before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from make_scored import FOLDER

from rise_cli.core.domain import Kind
from rise_cli.measure.rollouts import rollout
from rise_cli.run.reading import read_again
from rise_cli.run.scoring import score


class Algebra:
    """Knows that a square is a product."""

    def same(self, a: str, b: str, kind: Kind) -> bool:
        return {a, b} == {"(x+1)^2", "x^2+2x+1"}


def row(*replies: str, reference: str | None = None, **settings: Any) -> dict[str, Any]:
    """Three chains of one turn that said this."""
    found: dict[str, Any] = json.loads((FOLDER / "sample.jsonl").read_text().splitlines()[0])
    found["reference"] = reference
    found["settings"] |= settings
    for turn, text in zip(found["turns"], replies, strict=True):
        turn["reply"] = text
    return found


async def test_answers_that_algebra_alone_tells_to_be_the_same_vote_together() -> None:
    found = row("\\boxed{3}", "\\boxed{(x+1)^2}", "\\boxed{x^2+2x+1}", reference="x^2+2x+1")
    kind = read_again(found, Kind.MATH, Algebra())
    await score(found, kind, Algebra())
    assert (found["answer"], found["correct"]) == ("(x+1)^2", True)
    assert [turn["reward"] for turn in found["turns"]] == [0.0, 1.0, 1.0]
    assert len({turn.attempt.candidate for turn in rollout(found).turns}) == 2


def test_a_reply_that_did_not_end_by_itself_has_no_answer() -> None:
    found = row("Answer: 7", "Answer: 8", "Answer: 8")
    for turn in found["turns"][1:]:
        turn["finish_reason"] = "length"
    read_again(found, Kind.NUMBER, Algebra())
    assert [turn["answer"] for turn in found["turns"]] == ["7", None, None]
    assert found["answer"] == "7"


@pytest.mark.parametrize(("kind", "kept"), [(Kind.NUMBER, "check"), (Kind.TEXT, None)])
def test_what_a_check_said_holds_for_the_answer_that_it_saw(kind: Kind, kept: str | None) -> None:
    found = row("Answer: 7", "Answer: 7", "Answer: 7")
    for turn in found["turns"]:
        turn.update(answer="7", verdict="check", reward=1.0)
    found.update(answer="7", votes=[])
    read_again(found, kind, Algebra())
    assert {turn["verdict"] for turn in found["turns"]} == {kept}


def test_rules_of_the_row_decide_the_vote() -> None:
    replies = ("Answer: 7", "Answer: 8", "Answer: 8")
    found = row(*replies)
    read_again(found, Kind.NUMBER, Algebra())
    assert (found["answer"], found["votes"][0]["count"]) == ("8", 2)
    found = row("Answer: 7", "Answer: 8", "Answer: 9", strict=True)
    read_again(found, Kind.NUMBER, Algebra())
    assert found["answer"] is None


def test_what_the_model_picked_stays_picked() -> None:
    found = row("Answer: 7", "Answer: 8", "Answer: 8", vote="consistent")
    found["answer"] = found["turns"][0]["answer"]  # as it was read then
    read_again(found, Kind.NUMBER, Algebra())
    assert found["answer"] == "7"
