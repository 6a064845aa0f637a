"""Protocols at equal calls and at equal tokens, and what is recommended, against figures worked out by hand.

A call takes 120 tokens, 100 in and 20 out (see `measuring`), and $0.001.
"""

from __future__ import annotations

from typing import Any

import pytest
from measuring import measured

from rise_cli.core.domain import Policy, Shape, Vote
from rise_cli.measure.equal_cost import Curve, at_equal, calls, curve, tokens
from rise_cli.measure.evaluation import Evaluation, Outcome, between, contender, evaluate
from rise_cli.measure.recommend import Contender, replayed

REVISE, INDEPENDENT, REFINE = Shape.REVISE, Shape.INDEPENDENT, Shape.REFINE


def one(right: str, *chains: str, id: str = "p", **given: Any) -> Any:  # noqa: A002
    return measured(id, right, *chains, **given)


def many(words: dict[str, int], *, spread: int = 0) -> list[Any]:
    """So many problems of each sort; A is right. With `spread`, so many chains that say the first letter."""
    each = [word for word, number in words.items() for _ in range(number)]
    return [
        measured(f"p{n}", "A", *([word[0]] * spread if spread else [word])) for n, word in enumerate(each)
    ]


def taken(points: Curve) -> list[tuple[str, float, float | None]]:
    return [(point.name, point.calls, point.tokens) for point in points]


# What a shorter run would have taken


def test_a_chain_is_cut_at_every_turn_and_samples_at_every_chain() -> None:
    assert taken(curve([one("A", "A B B")], REVISE)) == [
        ("m1@t1", 1, 120),
        ("m1@t2", 2, 240),
        ("m1@t3", 3, 360),
    ]
    assert taken(curve([one("A", "A", "B", "B")], INDEPENDENT)) == [
        ("m1@t1", 1, 120),
        ("m2@t1", 2, 240),
        ("m3@t1", 3, 360),
    ]


def test_the_majority_of_a_cut_is_of_its_own_turns() -> None:
    points = curve([one("A", "A B B")], REVISE)
    # A; A and B one each, the earlier wins; B twice.
    assert [point.right["p"] for point in points] == [True, True, False]


def test_a_population_is_cut_at_its_turns() -> None:
    assert taken(curve([one("A", "A A", "B A")], Shape.AGGREGATE)) == [("m2@t1", 2, 240), ("m2@t2", 4, 480)]


def test_critiques_count_and_have_an_equal_part_of_what_no_attempt_took() -> None:
    # Three attempts take 360 tokens; 2 critiques the other 200: 100 each, from turn 2 on. Likewise $0.002.
    refined = one("A", "A B B", requests=5, input_tokens=460, output_tokens=100, cost_usd=0.005)
    points = curve([refined], REFINE)
    assert taken(points) == [("m1@t1", 1, 120), ("m1@t2", 3, 340), ("m1@t3", 5, 560)]
    assert [point.cost_usd for point in points] == pytest.approx([0.001, 0.003, 0.005])


def test_ratings_count_from_the_first_turn_on() -> None:
    rated = one("A", "A B", requests=4, input_tokens=250, output_tokens=50, settings={"confidence": "asked"})
    # Two attempts take 240 of 300 tokens; each rating 30.
    assert taken(curve([rated], REVISE)) == [("m1@t1", 2, 150), ("m1@t2", 4, 300)]


def test_all_rounds_of_one_reply_are_one_call() -> None:
    rounds = one("A", "B A A", requests=1, input_tokens=100, output_tokens=20)
    (point,) = curve([rounds], Shape.SINGLE)
    assert (point.name, point.calls, point.tokens, point.right) == ("m1@t3", 1, 120, {"p": True})


def test_means_are_over_the_problems_that_got_a_reply() -> None:
    lost = one("A", "!server", id="q", input_tokens=None, output_tokens=None, requests=1)
    (point,) = curve([one("A", "A"), lost], REVISE)
    assert (point.calls, point.tokens, point.right) == (1, 120, {"p": True, "q": None})
    unknown = one("A", "A", id="r", input_tokens=None)
    assert curve([one("A", "A"), unknown], REVISE)[0].tokens is None


def test_nothing_is_cut_where_there_are_no_turns() -> None:
    assert curve([], REVISE) == curve([measured("p", "A")], INDEPENDENT) == ()


# Where two have taken the same


def names(pair: Any) -> tuple[str, str] | None:
    return None if pair is None else (pair[0].name, pair[1].name)


def test_equal_calls() -> None:
    five = curve([one("A", "A A A A A")], REVISE)
    samples = curve([one("A", *["A"] * 5)], INDEPENDENT)
    refined = curve([one("A", "A A A A A", requests=9)], REFINE)
    population = curve([one("A", "A A", "A A")], Shape.AGGREGATE)
    single = curve([one("A", "A A A", requests=1)], Shape.SINGLE)
    assert names(at_equal(five, samples, calls, 1.05)) == ("m1@t5", "m5@t1")
    assert names(at_equal(refined, samples, calls, 1.05)) == ("m1@t3", "m5@t1")  # 1 + 2 + 2 calls
    assert names(at_equal(population, samples, calls, 1.05)) == ("m2@t2", "m4@t1")
    assert names(at_equal(single, samples, calls, 1.05)) == ("m1@t3", "m1@t1")


def test_equal_tokens_are_the_dearest_cuts_that_come_close() -> None:
    # With a critique of 60 tokens in turns 2 and 3, they take 120, 300 and 480 tokens; samples 120 each.
    longer = one("A", "A A A", requests=5, input_tokens=400, output_tokens=80)
    chain = curve([longer], REFINE)
    assert [point.tokens for point in chain] == [120, 300, 480]
    samples = curve([one("A", *["A"] * 3)], INDEPENDENT)
    assert names(at_equal(chain, samples, tokens, 1.25)) == (
        "m1@t2",
        "m3@t1",
    )  # 300 and 360; 480 is too much
    many_samples = curve([one("A", *["A"] * 9)], INDEPENDENT)
    assert names(at_equal(chain, many_samples, tokens, 1.25)) == ("m1@t3", "m4@t1")  # 480 against 480


def test_nothing_is_equal_where_the_first_turn_takes_more_or_nobody_knows() -> None:
    dear = curve([one("A", "A A", requests=1, input_tokens=900, output_tokens=0)], Shape.SINGLE)
    assert at_equal(curve([one("A", "A A")], REVISE), dear, tokens, 1.25) is None
    pair = curve([one("A", "A", "A")], Shape.AGGREGATE)
    assert at_equal(curve([one("A", "A")], REVISE), pair, calls, 1.05) is None
    unknown = curve([one("A", "A", input_tokens=None)], REVISE)
    assert at_equal(unknown, unknown, tokens, 1.25) is None
    assert at_equal((), pair, calls, 1.05) is None


# The verdict, with known rates of flips


def evaluated(words: dict[str, int]) -> Evaluation:
    """A chain of three turns of such words against three samples, each of which says its first letter."""
    there = [
        contender("introspect", REVISE, many(words)),
        contender("sample", INDEPENDENT, many(words, spread=3)),
    ]
    return evaluate(there, model="scripted:t", turns=3, problems=sum(words.values()))


def outcome(evaluation: Evaluation, name: str) -> Outcome:
    return next(one for one in evaluation.outcomes if one.name == name)


def test_six_mended_and_none_broken_help() -> None:
    found = outcome(evaluated({"B A A": 6, "A A A": 2, "B B B": 2}), "introspect")
    match = found.match
    assert match is not None
    compared = match.change.comparison
    # 8 of 10 right against 2 of 10; p = 2 * (1/2)^6.
    assert (compared.only_a, compared.only_b) == (0, 6)
    assert compared.difference == pytest.approx(0.6)
    assert compared.p == pytest.approx(0.03125)
    assert (match.at, match.change.a, match.change.b) == ("equal calls", "sample m3@t1", "introspect m1@t3")
    assert match.change.verdict.word == "helps"
    assert (found.single.value, found.oracle.value if found.oracle else None) == (0.2, 0.8)


def test_six_broken_and_none_mended_hurt() -> None:
    found = outcome(evaluated({"A B B": 6, "A A A": 2, "B B B": 2}), "introspect")
    assert found.match is not None
    assert found.match.change.comparison.difference == pytest.approx(-0.6)
    assert found.match.change.verdict.word == "hurts"
    # Somebody who knows the answer would have kept the first one.
    assert found.oracle is not None
    assert found.oracle.value == 0.8


def test_no_flips_cannot_be_told_by_any_number() -> None:
    match = outcome(evaluated({"A A A": 12, "B B B": 8}), "introspect").match
    assert match is not None
    assert (match.change.comparison.difference, match.change.comparison.p) == (0.0, 1.0)
    assert (match.change.verdict.word, match.change.verdict.needed) == ("cannot tell", None)


def test_too_few_problems_say_about_how_many_it_takes() -> None:
    match = outcome(evaluated({"B A A": 2, "A B B": 1, "A A A": 10, "B B B": 7}), "introspect").match
    assert match is not None
    # psi = 3/20, delta = 1/20: (1.960 * sqrt(0.15) + 0.8416 * sqrt(0.1475))^2 / 0.0025 = 468.6
    assert (match.change.verdict.word, match.change.verdict.needed) == ("cannot tell", 469)
    assert "about 470 problems" in match.change.verdict.sentence


def test_every_protocol_is_held_against_its_own_first_turn_and_samples_against_one() -> None:
    evaluation = evaluated({"B A A": 6, "A A A": 4})
    ats = {one.name: [match.at for match in one.matches] for one in evaluation.outcomes}
    assert ats == {"introspect": ["equal calls", "equal tokens", "any cost"], "sample": ["any cost"]}
    assert [m.change.a for m in outcome(evaluation, "introspect").matches] == [
        "sample m3@t1",
        "sample m3@t1",
        "its own m1@t1",
    ]


def test_without_samples_the_first_protocol_is_the_baseline() -> None:
    there = [contender(name, REVISE, many({"A A": 3})) for name in ("paper", "introspect")]
    evaluation = evaluate([*there, contender("refine", REFINE, [])], model="m", turns=2, problems=3)
    assert (evaluation.baseline, evaluation.missing) == ("paper", ("refine",))
    assert outcome(evaluation, "introspect").matches[0].change.a == "paper m1@t2"


def test_models_are_compared_at_full_size() -> None:
    weak, strong = evaluated({"A B B": 6, "A A A": 4}), evaluated({"A A A": 10})
    matches = between(weak, strong)
    assert [match.change.b for match in matches] == [
        "scripted:t introspect m1@t3",
        "scripted:t sample m3@t1",
    ]
    assert [match.change.verdict.word for match in matches] == ["helps", "cannot tell"]


# What is recommended


def advised(evaluation: Evaluation) -> tuple[dict[str, object], str]:
    assert evaluation.recommended is not None
    return dict(evaluation.recommended.options), evaluation.recommended.why


def test_a_difference_inside_its_interval_recommends_the_cheapest() -> None:
    options, why = advised(evaluated({"B A A": 2, "A A A": 10, "B B B": 8}))
    assert options == {"prompt": "introspect", "turns": 1, "vote": "majority"}
    assert "inside its interval" in why


def test_turns_that_help_are_recommended_but_no_more_of_them_than_that() -> None:
    # The majority needs the third turn; the last turn's answer is as good after the second.
    options, why = advised(evaluated({"B A A": 8, "A A A": 2}))
    assert options == {"prompt": "introspect", "turns": 2, "vote": "last"}
    assert "most accurate" in why


def test_samples_are_recommended_where_they_help() -> None:
    rollouts = [measured(f"{n}", "A", "B", "A", "A") for n in range(8)]
    samples = contender("sample", INDEPENDENT, rollouts)
    options, _ = advised(evaluate([samples], model="m", turns=3, problems=8))
    assert options == {"prompt": "sample", "samples": 3, "vote": "majority"}


def chain(words: dict[str, int]) -> Contender:
    return contender("introspect", REVISE, many(words))


def test_the_threshold_saves_turns_and_loses_nothing() -> None:
    # Some are right from turn 4 on, which a threshold of 0.6 would never reach for the last sort. The first
    # sort is sure at once, and stops after two turns under anything up to 0.95.
    sorts = {"A95 A95 A95 A95": 6, "B30 B40 B40 A90": 6, "B60 B60 B60 A90": 6}
    options, _ = advised(evaluate([chain(sorts)], model="m", turns=4, problems=18))
    assert options == {"prompt": "introspect", "turns": 4, "vote": "last", "threshold": 0.95}


def test_nobody_stops_early_where_every_threshold_loses_answers() -> None:
    sorts = {"A100 A100 A100": 6, "B100 B100 A100": 6}
    options, _ = advised(evaluate([chain(sorts)], model="m", turns=3, problems=12))
    assert options == {"prompt": "introspect", "turns": 3, "vote": "last", "early_stop": False}


def test_confidence_counts_for_what_it_is_worth() -> None:
    # What is stated as 90% is worth half of that, and never reaches a threshold that saves anything.
    sorts = {"A90 A90 A90 A90": 6, "B60 B60 B60 A90": 6}
    made = [chain(sorts)]
    options, _ = advised(evaluate(made, model="m", turns=4, problems=12))
    assert options["threshold"] == 0.9
    worth = Policy(breakpoints=((0.0, 0.0), (0.9, 0.6), (1.0, 0.65)))
    options, _ = advised(evaluate(made, model="m", turns=4, problems=12, rules=worth))
    assert options["threshold"] == 0.6
    # Patience is the user's own.
    options, _ = advised(evaluate(made, model="m", turns=4, problems=12, rules=Policy(patience=9)))
    assert "threshold" not in options


def test_a_protocol_that_was_cut_short_is_not_recommended() -> None:
    # Right on the two problems that there was money for.
    short = contender("paper", REVISE, many({"A A A": 2}))
    evaluation = evaluate([chain({"A A A": 5, "B B B": 5}), short], model="m", turns=3, problems=10)
    options, why = advised(evaluation)
    assert options["prompt"] == "introspect"
    assert why.endswith("Not considered, since they have not answered all problems: paper.")


def test_a_replay_stops_by_the_programs_own_rules() -> None:
    rollout = one("A", "B60 A90 A95 B10 B10")
    assert replayed(rollout, Policy(turns=5, threshold=0.9)) == (True, 3)
    assert replayed(rollout, Policy(turns=5, threshold=0.96)) == (False, 5)
    assert replayed(rollout, Policy(turns=5, vote=Vote.FIRST, threshold=0.9)) == (False, 3)
    assert replayed(one("A", "- -"), Policy(turns=2)) == (False, 2)
    assert replayed(one("A", "!server"), Policy(turns=2)) == (None, 1)


def test_nothing_is_recommended_where_nothing_is_graded() -> None:
    there = [contender("introspect", REVISE, [measured("p", None, "A A")])]
    assert evaluate(there, model="m", turns=2, problems=1).recommended is None
