"""A trajectory as JSON: every key of the design's example, valid against the schema that we print."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

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
    StopReason,
    Tally,
    Trajectory,
    Usage,
    Verdict,
    Vote,
)
from rise_cli.history.outcome import cost, why_failed
from rise_cli.history.record import as_json, dumps, schema, to_record, total

# The example of the design, verbatim but for its ellipses, and two members that it has gained.
EXAMPLE = json.loads("""
{"schema": "rise.trajectory/1", "id": "p-17", "index": 16, "status": "ok",
  "prior": [], "question": "…", "context": null, "reference": "18", "correct": true, "extra": {"level": 3},
 "answer": "18", "stop_reason": "decided", "failure": null, "confidence": 0.86, "oracle": false,
 "votes": [{"answer": "18", "count": 3, "weight": 3.0, "share": 0.75, "turns": [[1, 1], [1, 2], [1, 4]]}],
 "turns": [{"chain": 1, "turn": 1, "given": false, "reply": "…", "reasoning": null, "answer": "18",
            "confidence": 0.8, "critique": null, "feedback": null, "reward": 1.0,
            "verdict": "reference", "failure": null,
            "finish_reason": "stop", "latency_s": 1.2,
            "usage": {"input_tokens": 96, "cached_input_tokens": 0, "cache_write_tokens": 0,
                      "output_tokens": 120, "reasoning_tokens": 0},
            "cost_usd": 0.0008, "logprob": null, "entropy": null}],
 "usage": {"requests": 4, "input_tokens": 512, "cached_input_tokens": 300, "cache_write_tokens": 0,
           "output_tokens": 480, "reasoning_tokens": 0, "by_purpose": {"attempt": 4}},
 "cost_usd": 0.0031, "model": "openai:…", "settings": {"protocol": "introspect", "turns": 5, "…": "…"},
 "error": null}
""")

VALIDATOR = Draft202012Validator(schema())
USAGE = Usage(input_tokens=96, output_tokens=120, cached_input_tokens=30, reasoning_tokens=7)


def answered(turn: int, answer: str | None, reply: str = "18", chain: int = 1, **more: Any) -> Done:
    """A call that brought `reply`; `more` goes to its completion, but `verdict` to the call."""
    verdict = more.pop("verdict", None)
    candidate = Place(1, 1) if answer is not None else None
    attempt = Attempt(chain, turn, reply, answer, candidate, 0.8 if answer is not None else None)
    more = {"usage": USAGE, "cost_usd": 0.001, "latency_s": 1.2, **more}
    return Done(Call(chain, turn), Completion(reply, **more), (attempt,), verdict=verdict)


def run(*done: Done, reason: StopReason = StopReason.TURNS) -> Trajectory:
    """A trajectory of `done` in which the first answer won all votes."""
    attempts = [attempt for one in done for attempt in one.attempts if attempt.answer is not None]
    votes: tuple[Tally, ...] = ()
    if attempts:
        places = tuple(attempt.place for attempt in attempts)
        votes = (
            Tally(Place(1, 1), attempts[0].answer or "", len(places), float(len(places)), 1.0, places, 0.8),
        )
    end = Finish(reason, attempts[0] if attempts else None, votes)
    return Trajectory(Problem("p-17", "How many?"), Policy(), done, end)


def record_of(*done: Done, **more: Any) -> dict[str, Any]:
    record = to_record(run(*done), index=16, model="openai:m", settings={"turns": 5}, **more)
    VALIDATOR.validate(record)
    return record


def keys(value: Any) -> Any:
    """The keys of a record and of what it holds, without the free-form parts."""
    if isinstance(value, dict):
        free = {"extra", "settings", "by_purpose"}
        return {key: None if key in free else keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return keys(value[0]) if value else None
    return None


def test_schema_is_a_schema_and_accepts_the_designs_example() -> None:
    Draft202012Validator.check_schema(schema())
    VALIDATOR.validate(EXAMPLE)
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["status"], "done"),
        (["stop_reason"], "bored"),
        (["schema"], "rise.trajectory/2"),
        (["turns", 0, "finish_reason"], "tired"),
        (["turns", 0, "verdict"], "oracle"),
        (["votes", 0, "turns", 0], [1, 1, 1]),
        (["surplus"], 1),
        (["turns", 0, "surplus"], 1),
        (["usage", "surplus"], 1),
        (["turns", 0, "usage", "surplus"], 1),
    ],
)
def test_schema_refuses_what_the_format_does_not_know(path: list[str | int], value: object) -> None:
    record = json.loads(json.dumps(EXAMPLE))
    place = record
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not VALIDATOR.is_valid(record)


@pytest.mark.parametrize("key", list(EXAMPLE))
def test_schema_requires_every_key(key: str) -> None:
    assert not VALIDATOR.is_valid({name: value for name, value in EXAMPLE.items() if name != key})


def test_record_has_the_keys_of_the_example_in_its_order() -> None:
    record = record_of(answered(1, "18"))
    assert keys(record) == keys(EXAMPLE)
    assert list(record) == list(EXAMPLE)
    assert list(record["turns"][0]) == list(EXAMPLE["turns"][0])
    assert list(record["usage"]) == list(EXAMPLE["usage"])


def test_record_of_a_run_that_went_well() -> None:
    verdict = Verdict(1.0, None, True, "check")
    record = record_of(
        answered(2, "18", chain=1, verdict=verdict),
        answered(1, "18", chain=2),
        answered(1, "18", chain=1, reasoning="hm"),
        reference="18",
        extra={"level": 3},
        oracle=True,
    )
    assert [(turn["chain"], turn["turn"]) for turn in record["turns"]] == [(1, 1), (2, 1), (1, 2)]
    assert record["turns"][0]["reasoning"] == "hm"
    assert (record["turns"][2]["reward"], record["turns"][2]["verdict"]) == (1.0, "check")
    assert record["turns"][0]["usage"] == {
        "input_tokens": 96,
        "cached_input_tokens": 30,
        "cache_write_tokens": 0,
        "output_tokens": 120,
        "reasoning_tokens": 7,
    }
    assert record["usage"]["requests"] == 3
    assert record["usage"]["input_tokens"] == 288
    assert record["usage"]["by_purpose"] == {"attempt": 3}
    assert record["cost_usd"] == pytest.approx(0.003)
    assert record["votes"][0]["turns"] == [[1, 2], [2, 1], [1, 1]]
    assert record["confidence"] == 0.8
    assert (record["status"], record["error"], record["correct"]) == ("ok", None, None)
    assert (record["reference"], record["extra"], record["oracle"]) == ("18", {"level": 3}, True)


def test_record_of_a_failed_run_says_why() -> None:
    record = record_of(
        Done(Call(1, 1), Failure("timeout", "no reply within\n60 s")),
        answered(2, None, reply="I cannot", finish_reason="refusal"),
        Done(Call(1, 3), Failure("timeout", "no reply within 60 s")),
        answered(4, None, reply="well"),
    )
    assert (record["status"], record["answer"], record["confidence"]) == ("failed", None, None)
    assert [turn["failure"] for turn in record["turns"]] == ["timeout", "refusal", "timeout", None]
    assert [turn["reply"] for turn in record["turns"]] == [None, "I cannot", None, "well"]
    assert record["turns"][0]["usage"] is None
    assert record["turns"][0]["latency_s"] is None
    assert record["turns"][1]["finish_reason"] == "refusal"
    assert record["failure"] == "timeout"
    assert record["error"] == (
        "no reply within 60 s; the reply is of no use (refusal); no answer was found in the reply"
    )


RAN_OUT = Done(Call(1, 2), Failure("budget", "spent"))
SILENT = answered(2, None, reply="well")
WITHDRAWN = replace(run(answered(1, "18"), answered(2, "18")).end, winner=None)


@pytest.mark.parametrize(
    ("trajectory", "why"),
    [
        (run(answered(1, "18"), RAN_OUT), None),
        (run(answered(1, None), SILENT), "no_answer"),
        (run(RAN_OUT, SILENT), "budget"),
        (run(reason=StopReason.ERROR), "input"),
        (run(reason=StopReason.INTERRUPTED), "interrupted"),
        (replace(run(answered(1, "18"), answered(2, "18")), end=WITHDRAWN), "no_majority"),
    ],
    ids=["answered", "nothing to read", "a call failed", "no problem", "stopped", "withdrawn"],
)
def test_failure_says_in_a_word_why_there_is_no_answer(trajectory: Trajectory, why: str | None) -> None:
    record = to_record(trajectory, index=0, model="m", settings={})
    VALIDATOR.validate(record)
    assert (record["failure"], record["status"]) == (why, "ok" if why is None else "failed")
    assert (record["error"] is None) == (why is None)


def test_a_turn_says_what_it_cost() -> None:
    lossy = answered(2, "18", lost_attempts=1)
    turns = record_of(answered(1, "18", cost_usd=0.002), lossy, answered(3, "18", cost_usd=None))["turns"]
    assert [turn["cost_usd"] for turn in turns] == [0.002, None, None]


def test_error_can_be_given() -> None:
    assert record_of(answered(1, None), error="the key ran out")["error"] == "the key ran out"


def test_many_reasons_are_counted_and_long_ones_cut() -> None:
    done = [Done(Call(1, turn), Failure("server", f"reason {turn}")) for turn in range(1, 6)]
    assert why_failed(done) == "reason 1; reason 2; reason 3; and 2 more"
    assert len(why_failed([Done(Call(1, 1), Failure("server", "x" * 10_000))])) == 300
    assert why_failed([]) == "no turn was finished"
    good = Done(Call(1, 1), Completion("A"), (Attempt(1, 1, "A", "A", Place(1, 1), None),))
    assert why_failed([good, Done(Call(1, 2), Failure("timeout", "too late"))]) == "too late"


def test_a_lost_attempt_makes_the_sums_unknown() -> None:
    kept = Completion("A", usage=Usage(3, 4), cost_usd=0.5)
    lossy = Completion("B", usage=Usage(3, 4), cost_usd=0.5, lost_attempts=1)
    assert cost([Done(Call(1, 1), kept)]) == 0.5
    assert cost([Done(Call(1, 1), kept), Done(Call(1, 2), lossy)]) is None
    assert total([Done(Call(1, 1), kept), Done(Call(1, 2), lossy)]).output_tokens is None


@pytest.mark.parametrize(
    ("done", "requests", "tokens", "usd"),
    [
        ([answered(1, "a"), answered(2, "a")], 2, 192, 0.002),
        ([answered(1, "a"), answered(2, "a", usage=None, cost_usd=None)], 2, None, None),
        ([answered(1, "a"), Done(Call(1, 2), Failure("server", "500"))], 2, 96, 0.001),
        ([answered(1, "a"), Done(Call(1, 2), Failure("budget", "spent"))], 1, 96, 0.001),
        ([answered(1, "a"), Done(Call(1, 2), Failure("unrecorded", "no"))], 1, 96, 0.001),
        ([answered(1, "a"), answered(2, None, finish_reason="budget")], 2, 192, 0.002),
        ([Done(Call(1, 1), Failure("server", "500"))], 1, None, None),
        ([], 0, None, None),
    ],
    ids=[
        "all known",
        "one unknown",
        "one failed",
        "one never made",
        "one not recorded",
        "one cut off",
        "none came",
        "nothing done",
    ],
)
def test_sums(done: list[Done], requests: int, tokens: int | None, usd: float | None) -> None:
    assert (total(done).requests, total(done).input_tokens) == (requests, tokens)
    assert cost(done) == usd


def test_critique_stands_with_the_turn_that_worked_from_it() -> None:
    critique = Done(Call(1, 1, Purpose.CRITIQUE), Completion("check the units", usage=USAGE))
    second = Done(
        Call(1, 2, critique=Place(1, 1)),
        Completion("19", usage=USAGE),
        (Attempt(1, 2, "19", "19", Place(2, 1), None),),
    )
    record = record_of(answered(1, "18"), critique, second)
    assert [turn["critique"] for turn in record["turns"]] == [None, "check the units"]
    assert record["usage"]["by_purpose"] == {"attempt": 2, "critique": 1}


def test_a_call_of_many_rounds_is_counted_once() -> None:
    attempts = tuple(Attempt(1, turn, f"round {turn}", "18", Place(1, 1), None) for turn in (1, 2, 3))
    record = record_of(Done(Call(1, 1), Completion("all rounds", usage=USAGE, cost_usd=0.001), attempts))
    assert [turn["reply"] for turn in record["turns"]] == ["round 1", "round 2", "round 3"]
    assert [turn["usage"] is None for turn in record["turns"]] == [False, True, True]
    assert record["usage"]["requests"] == 1


@pytest.mark.parametrize("reason", list(StopReason))
def test_every_stop_reason_is_in_the_schema(reason: StopReason) -> None:
    record = to_record(run(answered(1, "18"), reason=reason), index=None, model="m", settings={})
    VALIDATOR.validate(record)
    assert record["stop_reason"] == reason.value


def test_settings_are_what_a_reader_of_their_text_holds() -> None:
    assert as_json({"vote": Vote.MAJORITY, "pair": (1, None)}) == {"vote": "majority", "pair": [1, None]}


def test_settings_that_are_no_json_fail_at_once() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        as_json({"threshold": float("nan")})


HOSTILE = "a\x00\x1b[31m\x7f\x85\x9b2J\u202eb\u2066\u200f\u2028\ud800汉字 é ∑ 😀"


def test_line_holds_no_control_and_loses_nothing() -> None:
    record = record_of(answered(1, "18", reply=HOSTILE), extra={f"key {HOSTILE}": HOSTILE})
    line = dumps(record)
    assert len(line.splitlines()) == 1
    for char in "\x00\x1b\x7f\x85\x9b\u202e\u2066\u200f\u2028\ud800":
        assert char not in line
        assert f"\\u{ord(char):04x}" in line
    assert "汉字 é ∑ 😀" in line
    line.encode()
    assert json.loads(line) == record


# A high and a low surrogate side by side are one character to any reader of JSON.
any_text = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('\x1b\x9b\u202e\r\n\\"'))
)


@given(reply=any_text, answer=any_text)
def test_any_reply_survives_the_round_trip(reply: str, answer: str) -> None:
    record = record_of(answered(1, answer, reply=reply))
    assert record["turns"][0]["reply"] == reply
    line = dumps(record)
    assert line.isprintable() or all(ord(char) >= 0xA0 for char in line if not char.isprintable())
    assert json.loads(line) == record


@given(reply=st.text(st.characters(categories=["Cs"])))
def test_surrogates_never_reach_the_stream(reply: str) -> None:
    dumps(record_of(answered(1, "18", reply=reply))).encode()
