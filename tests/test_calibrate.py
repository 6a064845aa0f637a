"""`rise calibrate`: what it suggests is what a replay brings, and `--calibration` does what the file says."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from typing import Any

import pytest
from calibrating import MODEL, write
from loopback import Loopback, Reply
from running import KEYS, Program, at

from rise_cli.core.domain import Policy, Shape, Vote
from rise_cli.history.rows import recorded
from rise_cli.measure.replay import outcome, play_all, stored
from rise_cli.measure.suggesting import suggest

# Turns that are 95% sure are right and turns that are 80% sure are wrong. Right by majority: SURE and, since
# a tie goes to the surer answer, UNSURE. Right in turn 1: SURE and BROKEN. A vote by what it is worth is
# wrong about WRONG alone.
SURE = ("A95 A95 A95 A95", "A")
UNSURE = ("B80 B80 A95 A95", "A")
LATE = ("B80 C80 B80 A95", "A")
BROKEN = ("A95 B80 B80 B80", "A")
WRONG = ("B80 B80 B80 B80", "A")
RUNS = [SURE] * 46 + [UNSURE] * 6 + [LATE] * 10 + [BROKEN] * 10 + [WRONG] * 28


@pytest.fixture
def rigged(rise: Program) -> Program:
    write(rise.folder / "r.jsonl", rise.folder / "p.jsonl", RUNS)
    return rise


def summary(rise: Program, options: str) -> dict[str, Any]:
    """What `rise batch --replay` of the same runs comes to with these options."""
    again = rise(
        "batch", "p.jsonl", "--replay", "r.jsonl", "-o", "again.jsonl", "--overwrite", "--summary", "s.json",
        "--no-log", *shlex.split(options),
    )  # fmt: skip
    assert again.code == 0, again.err
    found = json.loads((rise.folder / "s.json").read_text())
    assert isinstance(found, dict)
    return found


def test_every_suggestion_is_what_a_replay_with_its_options_brings(rigged: Program) -> None:
    result = rigged("calibrate", "r.jsonl", "-o", "c.json", "--target", "0.9", "--json")
    assert result.code == 0, result.err
    report = result.record
    assert (report["problems"], report["turns"], report["model"]) == (100, 400, MODEL)
    assert report["metrics"]["calibrated"]["brier"] < report["metrics"]["stated"]["brier"]
    found = {one["name"]: one for one in report["suggestions"]}
    assert list(found) == ["threshold", "vote_temperature", "turns"]
    assert all(one["value"] is not None for one in found.values()), found
    as_recorded = summary(rigged, "")
    for one in found.values():
        for real, told in ((as_recorded, one["before"]), (summary(rigged, one["options"]), one["after"])):
            assert told["right"]["n"] == real["scored"] == 100
            assert told["right"]["value"] == pytest.approx(real["accuracy"])
            assert told["turns"] == real["turns"]
            assert told["tokens"] == real["input_tokens"] + real["output_tokens"]
    assert {one["before"]["right"]["value"] for one in found.values()} == {0.52}
    # SURE stops after two turns; WRONG is decided after three, and so is nothing else.
    sure = found["threshold"]
    assert (sure["after"]["turns"], sure["after"]["right"]["value"]) == (46 * 2 + 28 * 3 + 26 * 4, 0.52)
    assert (sure["sure"]["n"], sure["sure"]["value"]) == (46, 1.0)
    # LATE and BROKEN are won by their one sure turn.
    vote = found["vote_temperature"]
    assert (vote["after"]["right"]["value"], vote["comparison"]["only_b"]) == (0.72, 20)
    turns = found["turns"]
    assert (turns["value"], turns["after"]["right"]["value"], turns["after"]["turns"]) == (1, 0.56, 100)


def test_the_sheet_says_it_all_in_words(rigged: Program) -> None:
    result = rigged("calibrate", "r.jsonl")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == f"{MODEL}, introspect: 400 turns of 100 problems"
    assert lines[1].endswith("written to r.jsonl.calibration.json")
    assert any(line.startswith("  threshold 0.") for line in lines)
    assert max(map(len, lines)) <= 130
    assert (rigged.folder / "r.jsonl.calibration.json").exists()
    again = rigged("calibrate", "r.jsonl")
    assert (again.code, "already exists; name another with -o, or give --overwrite" in again.err) == (2, True)


def test_too_little_is_refused_with_how_much_it_takes_and_nothing_is_written(rise: Program) -> None:
    write(rise.folder / "r.jsonl", rise.folder / "p.jsonl", RUNS[:40])
    result = rise("calibrate", "r.jsonl", "-o", "c.json")
    assert (result.code, result.out) == (2, "")
    assert "at least 50 problems with a stated confidence and a known result, and there are 40" in result.err
    assert not (rise.folder / "c.json").exists()


def test_nothing_is_suggested_while_the_interval_is_wide(rise: Program) -> None:
    """60 problems, half of them right: 25 points wide, and 97 problems would make it 20."""
    write(rise.folder / "r.jsonl", rise.folder / "p.jsonl", [("A95", "A"), ("B80", "A")] * 30)
    result = rise("calibrate", "r.jsonl", "--json")
    assert result.code == 0, result.err
    for one in result.record["suggestions"]:
        assert one["value"] is one["options"] is None
        assert one["reason"] == (
            "the 95% interval of the accuracy is 25 points wide with 60 problems; it takes 50 and 20 points "
            "at the most, so about 97 problems"
        )


def test_without_scikit_learn_it_says_how_to_get_it(rigged: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.model_selection", None)  # as if it were not installed
    result = rigged("calibrate", "r.jsonl")
    assert (result.code, result.out) == (3, "")
    assert "pip install scikit-learn" in result.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "openai:other"}, "has rows of the model 'openai:other' beside others of 'openai:m-1'"),
        ({"turns": []}, "was written with --slim, without turns"),
    ],
)
def test_what_cannot_be_calibrated_together(rigged: Program, change: dict[str, Any], said: str) -> None:
    path = rigged.folder / "r.jsonl"
    *rows, last = path.read_text().splitlines()
    path.write_text("\n".join([*rows, json.dumps(json.loads(last) | change)]) + "\n")
    result = rigged("calibrate", "r.jsonl")
    assert (result.code, said in result.err) == (2, True), result.err


def test_a_protocol_of_ones_own_is_named(rise: Program) -> None:
    write(rise.folder / "r.jsonl", rise.folder / "p.jsonl", RUNS, protocol="mine@0123456789ab")
    result = rise("calibrate", "r.jsonl")
    assert (result.code, "name its folder with --prompt" in result.err) == (2, True)
    rise("prompts", "copy", "introspect", "mine")
    assert rise("calibrate", "r.jsonl", "--prompt", "./mine").code == 0


def test_runs_that_stopped_early_are_not_made_up(rise: Program) -> None:
    """They stopped sure after two turns; a higher threshold would have asked for a third."""
    early = Policy(turns=4, threshold=0.75, vote=Vote.LAST)
    write(rise.folder / "r.jsonl", rise.folder / "p.jsonl", RUNS, early)
    result = rise("calibrate", "r.jsonl", "--target", "0.9", "--json")
    threshold = result.record["suggestions"][0]
    assert threshold["value"] is None
    assert "ask for turns that were not recorded; run the batch with --no-early-stop" in threshold["reason"]


def test_a_replay_is_the_run_itself(rigged: Program) -> None:
    """Under its own rules; and under others it ends as `next_step` ends."""
    runs = [stored(record, Shape.REVISE) for record in recorded(rigged.folder / "r.jsonl")]
    played = play_all(runs)
    assert [one.right for one in played] == [
        record["correct"] for record in recorded(rigged.folder / "r.jsonl")
    ]
    assert outcome(played).unrecorded == 0
    beyond = outcome(play_all(runs, turns=5))
    assert (beyond.unrecorded, beyond.turns) == (100, 500)
    assert outcome(play_all([replace(runs[0], counted=False)])).tokens is None


def test_runs_whose_own_rules_ask_a_model_are_not_replayed(rigged: Program) -> None:
    runs = [stored(record, Shape.REVISE) for record in recorded(rigged.folder / "r.jsonl")]
    selecting = [replace(one, policy=replace(one.policy, vote=Vote.CONSISTENT)) for one in runs]
    differing = sum(len({word[0] for word in words.split()}) > 1 for words, _ in RUNS)
    for one in suggest(selecting, (), 0.9):
        assert one.value is None
        assert one.reason.startswith(f"{differing} of the runs cannot be replayed by their own rules")


# --calibration


def file(rise: Program, name: str = "c.json", worth: float = 0.5, **more: object) -> str:
    found: dict[str, object] = {
        "schema": "rise.calibration/1",
        "method": "platt",
        "breakpoints": [[0.9, worth]],
        "model": MODEL,
    }
    found |= {"protocol": "introspect", "confidence": "stated", "problems": 60, "turns": 180}
    (rise.folder / name).write_text(json.dumps(found | more))
    return name


def test_it_steers_a_run_and_the_record_keeps_what_was_stated(rise: Program) -> None:
    """90% twice in a row stops a run, unless it is worth 50%."""
    file(rise)
    with Loopback(lambda seen: Reply("Answer: 42\nConfidence: 90%")) as server:
        ask = ("ask", "6 x 7?", *at("openai", server), "--turns", "4", "--vote", "last", "--json")
        plain = rise(*ask, env=KEYS).record
        calibrated = rise(*ask, "--calibration", "c.json", env=KEYS).record
        either = rise(*ask, "--calibration", "c.json", "--threshold", "0.5", env=KEYS).record
    assert (plain["stop_reason"], len(plain["turns"])) == ("confident", 2)
    assert (calibrated["stop_reason"], len(calibrated["turns"])) == ("turns", 4)
    assert (either["stop_reason"], len(either["turns"])) == ("confident", 2)
    assert {turn["confidence"] for turn in calibrated["turns"]} == {calibrated["confidence"]} == {0.9}
    assert plain["settings"]["calibration"] is None
    assert len(calibrated["settings"]["calibration"]) == 12


def test_a_batch_is_not_resumed_with_another_file_and_its_calls_are_not_made_again(rise: Program) -> None:
    file(rise)
    file(rise, "same.json", problems=99)
    file(rise, "other.json", worth=0.6)
    (rise.folder / "p.jsonl").write_text('{"id": "p", "question": "6 x 7?"}\n')
    with Loopback(lambda seen: Reply("Answer: 42\nConfidence: 90%")) as server:
        run = ("batch", "p.jsonl", *at("openai", server), "--turns", "2")
        assert rise(*run, "--calibration", "c.json", env=KEYS).code == 0
        assert rise(*run, "--calibration", "same.json", env=KEYS).code == 0
        for other in (("--calibration", "other.json"), ()):
            refused = rise(*run, *other, env=KEYS)
            assert (refused.code, "was made with --calibration " in refused.err) == (2, True)
        assert len(server.seen) == 2


def test_a_replay_does_not_repeat_it_silently(rigged: Program) -> None:
    file(rigged)
    once = rigged("batch", "p.jsonl", "--replay", "r.jsonl", "--calibration", "c.json", "-o", "x.jsonl")
    assert once.code == 0, once.err
    twice = rigged("batch", "p.jsonl", "--replay", "x.jsonl", "-o", "y.jsonl")
    assert "'x.jsonl' was made with a --calibration; name its file to repeat that" in twice.err


def test_a_file_for_others_is_warned_of_and_a_wrong_one_refused(rise: Program) -> None:
    file(rise, model="openai:other", confidence="asked")
    script = rise.folder / "s.toml"
    with Loopback(lambda seen: Reply("Answer: 42\nConfidence: 90%")) as server:
        result = rise("ask", "6 x 7?", *at("openai", server), "--calibration", "c.json", env=KEYS)
    assert result.code == 0
    assert (
        "the calibration 'c.json' was made with the model 'openai:other' (now 'openai:m-1') and the "
        "confidence 'asked' (now 'stated'); what another states may be worth more or less"
    ) in result.err
    script.write_text("{")
    for more, said in [
        (("--calibration", "s.toml"), "the calibration 's.toml' is not JSON"),
        (("--calibration", "none.json"), "cannot read the calibration 'none.json' (No such file"),
        (("--calibration", "c.json", "--confidence", "none"), "--confidence none has none; leave one out"),
    ]:
        refused = rise("ask", "6 x 7?", "-m", MODEL, *more, env=KEYS)
        assert (refused.code, said in refused.err) == (2, True), refused.err


def test_a_strangers_folder_cannot_set_it(rise: Program) -> None:
    file(rise)
    (rise.folder / "rise.toml").write_text('calibration = "c.json"\n')
    refused = rise("ask", "6 x 7?", "-m", MODEL, env=KEYS)
    assert (refused.code, "sets 'calibration', which a folder's settings may not" in refused.err) == (3, True)
