"""A record and the trajectory that it is taken back to say the same, for whatever the format holds."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from loopback import Loopback, Reply, Status
from rollouts import QUESTION, play, rollout
from running import KEYS, Program, at

from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Failure,
    Finish,
    Place,
    Policy,
    Problem,
    Purpose,
    Shape,
    StopReason,
    Tally,
    Tie,
    Trajectory,
    Usage,
    Verdict,
    Vote,
)
from rise_cli.errors import UsageError
from rise_cli.history.record import to_record
from rise_cli.history.restore import seconds, to_trajectory
from rise_cli.run.solve import cut_short


def settings_of(policy: Policy) -> dict[str, object]:
    names = ("turns", "samples", "threshold", "patience", "early_stop", "strict")
    return {
        **{name: getattr(policy, name) for name in names},
        "vote": policy.vote.value, "tie": policy.tie.value, "kind": "text",
        "window": "all" if policy.window is None else policy.window, "protocol": "introspect",
    }  # fmt: skip


def recorded(trajectory: Trajectory, **more: Any) -> dict[str, Any]:
    return to_record(trajectory, index=None, model="m", settings=settings_of(trajectory.policy), **more)


def again(record: dict[str, Any]) -> dict[str, Any]:
    """The record of the trajectory of a record."""
    return to_record(
        to_trajectory(record),
        index=record["index"],
        model=record["model"],
        settings=record["settings"],
        reference=record["reference"],
        extra=record["extra"],
        oracle=record["oracle"],
        error=record["error"],
    )


@pytest.mark.parametrize("vote", [Vote.MAJORITY, Vote.LAST, Vote.FIRST])
@pytest.mark.parametrize(
    ("chains", "more"),
    [
        (["A90 B50 B70"], {}),
        (["A90 B50 B70"], {"early_stop": False, "window": None}),
        (["A B A B"], {"tie": Tie.LATEST}),
        (["A95 A95"], {}),
        (["A90 - B20", "B B -", "A A C"], {}),
        (["- - -"], {}),
        (["!timeout A !server"], {}),
        (["!timeout !timeout"], {}),
        (["Ax B20 B+"], {}),
        (["Ax Bx Cx"], {}),
        (["A? B? B?"], {}),
        (["A !budget"], {}),
        (["!budget"], {}),
        (["A !deadline", "B C"], {}),
        (["A70 B60", "B50 A90"], {"strict": True}),
    ],
    ids=str,
)
def test_a_rollout_comes_back_whole(chains: list[str], more: dict[str, Any], vote: Vote) -> None:
    done = rollout(*chains)
    turns = max(len(chain.split()) for chain in chains)
    policy = Policy(turns=turns, samples=len(chains), vote=vote, **more)
    _, state, end = play(policy, done)
    trajectory = Trajectory(QUESTION, policy, state, end)
    record = recorded(trajectory, oracle=any(one.verdict for one in done))
    restored = to_trajectory(record)
    assert again(record) == record
    assert (restored.problem.question, restored.policy, restored.end) == (QUESTION.question, policy, end)
    assert [one.attempts for one in restored.done] == [one.attempts for one in state]
    assert [one.verdict for one in restored.done] == [one.verdict for one in state]
    assert [one.call.place for one in restored.done] == [one.call.place for one in state]


def test_a_run_that_was_cut_short_comes_back(  # half a turn is there
) -> None:
    policy = Policy(turns=3, samples=2)
    trajectory = cut_short(QUESTION, policy, list(rollout("A90 B50", "B")), StopReason.INTERRUPTED)
    record = recorded(trajectory)
    assert again(record) == record
    assert to_trajectory(record).end == trajectory.end


@pytest.mark.parametrize(
    "more",
    [
        ("--turns", "3"),
        ("--samples", "2", "--turns", "2", "--no-early-stop"),
        ("--prompt", "sample", "--samples", "3", "--vote", "last"),
        ("--check", "grep -q 8"),
        ("--check", "false", "--turns", "2"),
        ("--kind", "choice"),
    ],
    ids=str,
)
def test_what_rise_ask_prints_comes_back(rise: Program, wire: str, more: tuple[str, ...]) -> None:
    replies: list[Reply | Status] = [
        Reply("Answer: 7\nConfidence: 60%", reasoning="Hm."),
        Reply("Answer: 8.0\nConfidence: 70%"),
        Status(503, "busy"),
        Reply("Answer: 8\nConfidence: 95%"),
    ]
    with Loopback(replies) as server:
        asked = ("ask", "How many?\n(A) 7\n(B) 8", *at(wire, server), "--json", "--max-wait", "0", *more)
        record = rise(*asked, env=KEYS).record
    assert record["turns"]
    restored = again(record)
    assert {name for name in record if record[name] != restored[name]} <= {"cost_usd"}
    assert to_trajectory(record).problem.choices == ("A", "B")


def test_a_run_that_failed_comes_back(rise: Program, wire: str) -> None:
    with Loopback([Status(400, "no thanks")]) as server:
        record = rise("ask", "2?", *at(wire, server), "--json", env=KEYS).record
    assert again(record) == record
    assert to_trajectory(record).done[0].result == Failure("rejected", "")


def _whole(**more: Any) -> Completion:
    return Completion("r", usage=Usage(3, 4), latency_s=1.0, **more)


def one_answer(*done: Done) -> Trajectory:
    first = next(attempt for one in done for attempt in one.attempts)
    places = tuple(attempt.place for one in done for attempt in one.attempts)
    vote = Tally(first.place, "A", len(places), float(len(places)), 1.0, places, None)
    return Trajectory(Problem("p", "q"), Policy(turns=9), done, Finish(StopReason.TURNS, first, (vote,)))


def attempt(turn: int, reply: str = "r") -> Attempt:
    return Attempt(1, turn, reply, "A", Place(1, 1), None)


def test_rounds_of_one_reply_come_back_as_one_call() -> None:
    rounds = tuple(attempt(turn, f"round {turn}") for turn in (1, 2, 3))
    trajectory = one_answer(Done(Call(1, 1), _whole(), rounds))
    record = recorded(trajectory)
    (done,) = to_trajectory(record).done
    assert done.attempts == rounds
    assert again(record) == record


def test_a_critique_comes_back_before_the_turn_that_works_from_it() -> None:
    critique = Done(Call(1, 2, Purpose.CRITIQUE), Completion("Too bold.", usage=Usage(1, 2)))
    second = Done(Call(1, 2, critique=Place(2, 1)), _whole(), (attempt(2),))
    record = recorded(one_answer(Done(Call(1, 1), _whole(), (attempt(1),)), critique, second))
    restored = to_trajectory(record)
    assert [(one.call.turn, one.call.purpose) for one in restored.done] == [
        (1, Purpose.ATTEMPT),
        (2, Purpose.CRITIQUE),
        (2, Purpose.ATTEMPT),
    ]
    assert [turn["critique"] for turn in again(record)["turns"]] == [None, "Too bold."]
    assert again(record)["usage"]["by_purpose"] == record["usage"]["by_purpose"]


def test_lost_attempts_keep_the_sums_unknown() -> None:
    record = recorded(one_answer(Done(Call(1, 1), _whole(lost_attempts=2), (attempt(1),))))
    assert record["usage"]["input_tokens"] is None
    assert again(record) == record


def test_what_scoring_filled_in_steers_nothing() -> None:
    record = recorded(one_answer(Done(Call(1, 1), _whole(), (attempt(1),))), reference="B")
    record["turns"][0] |= {"reward": 0.0, "verdict": "reference"}
    assert to_trajectory(record).done[0].verdict is None
    record["oracle"] = True
    assert to_trajectory(record).done[0].verdict == Verdict(0.0, None, False, "reference")


def test_answers_that_are_spelled_alike_are_the_same_outside_of_the_vote_too() -> None:
    done = rollout("A B A")
    policy = Policy(turns=3, vote=Vote.LAST)
    _, state, end = play(policy, done)
    restored = to_trajectory(recorded(Trajectory(QUESTION, policy, state, end)))
    assert [one.attempts[0].candidate for one in restored.done] == [Place(1, 1), Place(2, 1), Place(1, 1)]


def test_the_shape_is_what_the_caller_says() -> None:
    record = recorded(one_answer(Done(Call(1, 1), _whole(), (attempt(1),))))
    assert to_trajectory(record).policy.shape is Shape.REVISE
    assert to_trajectory(record, Shape.INDEPENDENT).policy.shape is Shape.INDEPENDENT


def test_the_time_is_that_of_the_slowest_chain_of_every_turn() -> None:
    done = rollout("A B", "A B", "A !server")
    timed = [
        replace(one, result=replace(one.result, latency_s=float(at)))
        if isinstance(one.result, Completion)
        else one
        for at, one in enumerate(done)
    ]
    record = recorded(cut_short(QUESTION, Policy(samples=3), timed, StopReason.TURNS))
    assert seconds(record) == 2.0 + 4.0


@pytest.mark.parametrize(
    "change",
    [
        {"turns": []},
        {"stop_reason": "bored"},
        {"settings": {"vote": "loudest"}},
        {"votes": [{}]},
        {"turns": [{}]},
    ],
    ids=json.dumps,
)
def test_what_cannot_be_read_is_told(change: dict[str, Any]) -> None:
    record = recorded(one_answer(Done(Call(1, 1), _whole(), (attempt(1),)))) | change
    with pytest.raises(UsageError, match=r"the run 'p' (cannot be read|was written without its turns)"):
        to_trajectory(record)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (("turns", 0, "reply"), 7, r"turns\[0\].reply is 7"),
        (("turns", 0, "answer"), ["x"], r"turns\[0\].answer is \['x'\]"),
        (("turns", 0, "feedback"), {}, r"turns\[0\].feedback is {}"),
        (("turns", 0, "turn"), 0, r"turns\[0\].turn is 0"),
        (("turns", 0, "confidence"), "high", r"turns\[0\].confidence is 'high'"),
        (("turns", 0, "usage"), {"input_tokens": True}, r"turns\[0\].usage.input_tokens is True"),
        (("votes", 0, "turns"), [[1]], r"votes\[0\].turns\[0\] is \[1\]"),
        (("question",), None, "question is None"),
        (("context",), 0.5, "context is 0.5"),
        (("prior",), [{"role": "system", "text": "x"}], r"prior\[0\].role is 'system'"),
        (("settings",), [], r"settings is \[\]"),
    ],
    ids=str,
)
def test_a_value_of_the_wrong_kind_is_told(at: tuple[str | int, ...], value: object, said: str) -> None:
    record: Any = recorded(one_answer(Done(Call(1, 1), _whole(), (attempt(1),))))
    inner = record
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    with pytest.raises(UsageError, match=rf"the run 'p' cannot be read \({said}\); it is damaged"):
        to_trajectory(record)


def test_members_that_are_not_known_yet_are_no_damage() -> None:
    record: Any = recorded(one_answer(Done(Call(1, 1), _whole(), (attempt(1),))))
    record["turns"][0]["mood"] = record["weather"] = 7
    del record["prior"], record["turns"][0]["given"]
    assert to_trajectory(record).end.answer == record["answer"]
