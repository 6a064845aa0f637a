"""How sure a model was of its tokens: read from the wire, used as confidence and as the weight of a vote."""

from __future__ import annotations

import json
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Reply, Status
from running import KEYS, Program, at
from wires import ask

from rise_cli.chat import Sampling
from rise_cli.chat.certainty import Certainty
from rise_cli.errors import UsageError

EVEN = ((0.5, 0.5), (0.5, 0.5))
SURE = ((1.0,), (1.0,))


@pytest.mark.parametrize(
    ("tokens", "logprob", "entropy"),
    [
        ((), None, None),
        (((1.0,),), 0.0, 0.0),
        (((0.5, 0.5),), log(0.5), log(2)),
        (((0.5, 0.25),), log(0.5), 0.5 * log(2) + 2 * 0.25 * log(4)),
        (
            ((0.9, 0.1), (0.5, 0.5)),
            (log(0.9) + log(0.5)) / 2,
            (-0.9 * log(0.9) - 0.1 * log(0.1) + log(2)) / 2,
        ),
    ],
)
def test_the_mean_log_probability_and_the_mean_entropy(
    tokens: tuple[tuple[float, ...], ...], logprob: float | None, entropy: float | None
) -> None:
    certainty = Certainty()
    for token in tokens:
        shown = [{"logprob": log(p)} for p in token]
        certainty.add({"logprob": log(token[0]), "top_logprobs": shown})
    assert certainty.logprob == (None if logprob is None else pytest.approx(logprob))
    assert certainty.entropy == (None if entropy is None else pytest.approx(entropy, abs=1e-9))


@pytest.mark.parametrize(
    "token",
    [
        None,
        7,
        [],
        {},
        {"logprob": "no"},
        {"logprob": True},
        {"logprob": float("nan")},
        {"logprob": -float("inf")},
    ],
)
def test_what_is_no_token_is_ignored(token: object) -> None:
    certainty = Certainty()
    certainty.add(token)
    certainty.add({"logprob": 1e-7, "top_logprobs": [None, {"logprob": "x"}]})
    assert (certainty.logprob, certainty.entropy) == (0.0, None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("wanted", "entropy"), [(0, None), (2, log(2))])
async def test_they_come_with_the_reply(stream: bool, wanted: int, entropy: float | None) -> None:
    with Loopback([Reply("42", probabilities=EVEN)]) as server:
        done = await ask("openai", server, sampling=Sampling(logprobs=wanted), stream=stream)
    assert done.logprob == pytest.approx(log(0.5))
    assert done.entropy == (None if entropy is None else pytest.approx(entropy))
    body = server.seen[0].body
    assert (body["logprobs"], body.get("top_logprobs")) == (True, wanted or None)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_without_them_is_wrong_usage(stream: bool) -> None:
    with (
        Loopback([Reply("42")]) as server,
        pytest.raises(UsageError, match="does not tell the probabilities"),
    ):
        await ask("openai", server, sampling=Sampling(logprobs=0), stream=stream)


async def test_nobody_is_asked_for_them_unasked() -> None:
    with Loopback([Reply("42", probabilities=EVEN)]) as server:
        done = await ask("openai", server)
    assert (done.logprob, done.entropy) == (None, None)
    assert not {"logprobs", "top_logprobs"} & server.seen[0].body.keys()


def test_entropy_weighs_the_vote(tmp_path: Path) -> None:
    replies = [
        Reply("Answer: 7", probabilities=SURE),
        Reply("Answer: 8", probabilities=EVEN),
        Reply("Answer: 8", probabilities=EVEN),
    ]
    with Loopback(replies) as server:
        result = Program(tmp_path)(
            "ask", "3 + 4?", "--turns", "3", "--vote", "entropy", "--json", *at("openai", server), env=KEYS
        )
    assert (result.code, result.record["answer"]) == (0, "7")
    assert [vote["answer"] for vote in result.record["votes"]] == ["7", "8"]
    assert [turn["entropy"] for turn in result.record["turns"]] == pytest.approx(
        [0.0, log(2), log(2)], abs=1e-9
    )
    assert server.seen[0].body["top_logprobs"] == 5


def test_the_tokens_probability_as_confidence(tmp_path: Path) -> None:
    with Loopback([Reply("Answer: 7\nConfidence: 99%", probabilities=EVEN)]) as server:
        result = Program(tmp_path)(
            "ask",
            "3 + 4?",
            "--turns",
            "1",
            "--confidence",
            "logprob",
            "--json",
            *at("openai", server),
            env=KEYS,
        )
    assert result.record["turns"][0]["confidence"] == pytest.approx(exp(log(0.5)))


@pytest.mark.parametrize("option", [("--vote", "entropy"), ("--confidence", "logprob")])
@pytest.mark.parametrize("command", ["ask", "batch"])
def test_a_wire_without_them_is_refused_before_any_call(
    tmp_path: Path, option: tuple[str, str], command: str
) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps({"question": "3 + 4?"}) + "\n")
    what = "3 + 4?" if command == "ask" else str(tmp_path / "p.jsonl")
    with Loopback() as server:
        result = Program(tmp_path)(command, what, *option, *at("anthropic", server), env=KEYS)
    assert (result.code, server.seen) == (2, [])
    assert "does not tell the probabilities of its tokens" in result.err


@pytest.mark.parametrize(
    "script", [[Reply("Answer: 7")], [Status(400, param="logprobs"), Reply("Answer: 7")]]
)
def test_a_server_that_does_not_tell_them_is_wrong_usage(tmp_path: Path, script: list[Any]) -> None:
    with Loopback(script) as server:
        result = Program(tmp_path)("ask", "3 + 4?", "--vote", "entropy", *at("openai", server), env=KEYS)
    assert result.code == 2
    assert "does not tell the probabilities of its tokens" in result.err
