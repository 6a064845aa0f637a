"""The protocols of several purposes: the exact messages of every call over three turns, and how many."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from rollouts import QUESTION, others, play, rollout
from test_prompts import ACCUSATION, FORM

from rise_cli.core.domain import (
    Attempt,
    Call,
    Completion,
    Done,
    Kind,
    Place,
    Policy,
    Problem,
    Purpose,
    Shape,
    Verdict,
    Vote,
)
from rise_cli.core.extract import read_answer, read_confidence
from rise_cli.core.rounds import split_rounds
from rise_cli.errors import UsageError
from rise_cli.prompts import Protocol, home, languages, load, messages, names

PROBLEM = Problem("p", "What is 6 x 7?")
Texts = list[tuple[str, str]]


def sent(
    protocol: Protocol, policy: Policy, recorded: tuple[Done, ...], problem: Problem = PROBLEM, **how: object
) -> tuple[list[Call], list[Texts]]:
    """The calls of a whole run, and the messages of each."""
    policy = replace(policy, shape=protocol.shape, early_stop=False)
    asked, done, _ = play(policy, recorded, problem=problem, **how)  # type: ignore[arg-type]
    order = {(d.call.place, d.call.purpose): n for n, d in enumerate(done)}
    return asked, [
        [
            (m.role, m.text)
            for m in messages(protocol, policy, problem, c, done[: order[c.place, c.purpose]], "Be brief.")
        ]
        for c in asked
    ]


BRIEF = ("system", "Be brief.")
ROLE = ("system", f"Be brief.\n\n{FORM['answer']}")
Q = ("user", "What is 6 x 7?")


def assistant(letter: str, turn: int, chain: int = 1) -> tuple[str, str]:
    return ("assistant", f"{letter} in turn {turn} of chain {chain}")


# refine

REFINED = (
    "system",
    "Be brief.\n\nReason step by step. Unless you are asked for a review, end your reply with two lines: "
    '"Answer:" with the answer, and "Confidence:" with a percentage.',
)
REVIEW = (
    "Review the answer as if somebody else had written it:\n"
    "\n"
    "What is 6 x 7?\n"
    "\n"
    "Go through it step by step and check each step. Say which one does not hold and why, if there is one.\n"
    "If you find nothing, say that nothing needs to change. Do not write a new answer yet."
)
REJECTED = "A check rejected that answer and said:\n\nno\n\n"
WITHOUT = (
    "Change your answer where it needs to be changed, and keep it where it does not. "
    "Answer the question again:\n\nWhat is 6 x 7?"
)


def reviewed(turn: int) -> str:
    return (
        "A review of that answer says:\n"
        "\n"
        f"critique in turn {turn} of chain 1\n"
        "\n"
        "Where the review is right, change your answer; where it is not, keep it. "
        "Answer the question again:\n\n"
        "What is 6 x 7?"
    )


def user(text: str) -> tuple[str, str]:
    return ("user", text)


A, B = assistant("A", 1), assistant("B", 2)


def test_refine() -> None:
    asked, texts = sent(load("refine"), Policy(turns=3), rollout("A B C"))
    assert [(c.turn, c.purpose) for c in asked] == [
        (1, Purpose.ATTEMPT),
        (2, Purpose.CRITIQUE),
        (2, Purpose.ATTEMPT),
        (3, Purpose.CRITIQUE),
        (3, Purpose.ATTEMPT),
    ]
    assert texts == [
        [REFINED, Q],
        [REFINED, Q, A, user(REVIEW)],
        [REFINED, Q, A, user(reviewed(2))],
        [REFINED, Q, B, user(REVIEW)],
        [REFINED, Q, B, user(reviewed(3))],
    ]


def test_refine_with_every_attempt_shows_each_with_its_own_critique() -> None:
    _, texts = sent(load("refine"), Policy(turns=3, window=None), rollout("A B C"))
    assert texts[2:] == [
        [REFINED, Q, A, user(reviewed(2))],
        [REFINED, Q, A, user(reviewed(2)), B, user(REVIEW)],
        [REFINED, Q, A, user(reviewed(2)), B, user(reviewed(3))],
    ]


def test_refine_after_a_rejection() -> None:
    _, texts = sent(load("refine"), Policy(turns=3), rollout("Ax B C"))
    assert texts == [
        [REFINED, Q],
        [REFINED, Q, A, user(REJECTED + REVIEW)],
        [REFINED, Q, A, user(REJECTED + reviewed(2))],
        [REFINED, Q, B, user(REVIEW)],
        [REFINED, Q, B, user(reviewed(3))],
    ]


@pytest.mark.parametrize("reason", ["length", "refusal", "filtered", "empty"])
def test_refine_without_a_usable_critique(reason: str) -> None:
    def unusable(call: Call) -> Done:
        return replace(others(call), result=Completion("half a cri", reason))

    asked, texts = sent(load("refine"), Policy(turns=2), rollout("A B"), beside=unusable)
    assert [(c.purpose, c.critique) for c in asked[1:]] == [(Purpose.CRITIQUE, None), (Purpose.ATTEMPT, None)]
    assert texts[2] == [REFINED, Q, A, user(WITHOUT)]


def test_a_critique_whose_attempt_was_lost_is_not_shown_again() -> None:
    """Turn 2 got its critique and no reply. Turn 3 critiques the same attempt anew, in vain."""

    def second_in_vain(call: Call) -> Done:
        return replace(others(call), result=Completion("", "empty")) if call.turn == 3 else others(call)

    asked, texts = sent(
        load("refine"),
        Policy(turns=3, samples=2),
        rollout("A !server C", "W X Y"),
        beside=second_in_vain,
    )
    call = next(n for n, c in enumerate(asked) if c == Call(1, 3, sees=(Place(1, 1),)))
    assert texts[call] == [REFINED, Q, A, user(WITHOUT)]


@pytest.mark.parametrize(("window", "calls"), [(0, 3), (1, 5), (2, 5), (None, 5)])
def test_refine_takes_two_calls_from_turn_two_on(window: int | None, calls: int) -> None:
    asked, _ = sent(load("refine"), Policy(turns=3, window=window), rollout("A B C"))
    assert len(asked) == calls


# revise-answer


def alone(letter: str) -> tuple[str, str]:
    return ("assistant", f"Answer: {letter}")


AGAIN = user(
    "Are you confident in your answer? Keep it if you are, change it if you are not.\n\nWhat is 6 x 7?\n\n"
    'Explain, as briefly as the question allows, then finish with "Answer:" and "Confidence:".'
)
MEND = "Find out what went wrong and answer the question again."


def test_revise_answer_shows_the_answer_without_its_reasoning() -> None:
    asked, texts = sent(load("revise-answer"), Policy(turns=3), rollout("A B C"))
    assert asked == [Call(1, 1), Call(1, 2, sees=(Place(1, 1),)), Call(1, 3, sees=(Place(2, 1),))]
    assert texts == [[ROLE, Q], [ROLE, Q, alone("A"), AGAIN], [ROLE, Q, alone("B"), AGAIN]]


def test_revise_answer_shows_every_answer_of_a_wider_window_and_why_one_was_rejected() -> None:
    _, texts = sent(load("revise-answer"), Policy(turns=3, window=None), rollout("Ax B C"))
    rejected = user(f"A check rejected that answer. It said:\n\nno\n\n{MEND}")
    assert texts[2] == [ROLE, Q, alone("A"), rejected, alone("B"), AGAIN]


@pytest.mark.parametrize(("words", "kind"), [("- B", Kind.AUTO), ("A B", Kind.TEXT)])
def test_revise_answer_shows_the_whole_of_a_reply_that_has_no_short_answer(words: str, kind: Kind) -> None:
    recorded = rollout(words)
    _, texts = sent(load("revise-answer"), Policy(turns=2), recorded, replace(PROBLEM, kind=kind))
    assert isinstance(recorded[0].result, Completion)
    assert texts[1][2] == ("assistant", recorded[0].result.reply)


def test_revise_answer_revises_as_introspect_does() -> None:
    for name in ("question.md", "revise.md", "system.md"):
        assert (home() / "revise-answer" / name).read_bytes() == (home() / "introspect" / name).read_bytes()


# decide


def answers_of(*shown: str) -> str:
    return "".join(f"Answer {n}:\n{text}\n\n" for n, text in enumerate(shown, 1))


def decides(first: tuple[str, int], second: tuple[str, int]) -> tuple[str, str]:
    shown = answers_of(*(assistant(letter, turn)[1] for letter, turn in (first, second)))
    return user(
        "What is 6 x 7?\n\nThis question was answered twice, differently:\n\n"
        f"{shown}"
        "Read the question again, check each of them step by step where they part, and give the answer that "
        "holds."
    )


@pytest.mark.parametrize(
    ("words", "turns"),
    [
        # Agreed: every turn is the bare question again.
        ("A A A", [[ROLE, Q]] * 3),
        # They differ: the next turn sees both and decides.
        ("A B A", [[ROLE, Q], [ROLE, Q], [ROLE, decides(("A", 1), ("B", 2))]]),
        # What was decided stands, be it neither of the two: turn 4 agrees with it, turn 5 does not.
        ("A B C C A C", [[ROLE, Q]] * 2 + [[ROLE, decides(("A", 1), ("B", 2))]] + [[ROLE, Q]] * 2
         + [[ROLE, decides(("C", 3), ("A", 5))]]),
        # A reply that gives no answer changes nothing.
        ("A - B - B", [[ROLE, Q]] * 3 + [[ROLE, decides(("A", 1), ("B", 3))]] * 2),
    ],
)  # fmt: skip
def test_decide_is_one_call_a_turn(words: str, turns: list[Texts]) -> None:
    asked, texts = sent(load("decide"), Policy(turns=len(words.split())), rollout(words))
    assert [(c.chain, c.turn, c.purpose) for c in asked] == [
        (1, turn, Purpose.ATTEMPT) for turn in range(1, len(turns) + 1)
    ]
    assert texts == turns


def test_decide_shows_a_rejected_answer_alone_and_never_stands_by_it() -> None:
    _, texts = sent(load("decide"), Policy(turns=4), rollout("Ax B C D"))
    assert texts == [
        [ROLE, Q],
        [
            ROLE,
            user(
                "What is 6 x 7?\n\nThis question was answered before:\n\n"
                "Answer 1:\nA in turn 1 of chain 1\n\nA check rejected answer 1 and said:\nno\n\n"
                "Answer the question again with that in mind."
            ),
        ],
        [ROLE, Q],
        [ROLE, decides(("B", 2), ("C", 3))],
    ]


# aggregate


def attempts_of(*shown: str) -> str:
    return "".join(f"Attempt {n}:\n{text}\n\n" for n, text in enumerate(shown, 1))


def test_aggregate() -> None:
    policy = Policy(turns=3, samples=3, draw=2, seed=5)
    asked, texts = sent(load("aggregate"), policy, rollout("A B C", "D E F", "G H I"))
    assert [(c.turn, c.chain, c.purpose, len(c.sees)) for c in asked] == [
        (turn, chain, Purpose.ATTEMPT, 0 if turn == 1 else 2) for turn in (1, 2, 3) for chain in (1, 2, 3)
    ]
    assert texts[:3] == [[ROLE, Q]] * 3
    letters = {1: "ADG", 2: "BEH"}
    for call, text in zip(asked[3:], texts[3:], strict=True):
        assert {place.turn for place in call.sees} == {call.turn - 1}
        shown = [assistant(letters[p.turn][p.chain - 1], p.turn, p.chain)[1] for p in call.sees]
        assert text == [
            ROLE,
            user(
                "What is 6 x 7?\n"
                "\n"
                "Here are 2 attempts at this question. Each may hold, or in parts, or not at all.\n"
                "\n"
                f"{attempts_of(*shown)}"
                "Weigh them against each other, keep the steps that hold, replace those that do not, and "
                "answer the question anew. If none of them holds, find another way."
            ),
        ]


def test_aggregate_shows_verdicts_and_works_with_one_attempt() -> None:
    protocol, policy = load("aggregate"), Policy(turns=2, samples=2, draw=1)
    (first, second, *later) = rollout("Ax B", "Ax B")
    said = replace(first, verdict=Verdict(0.0, "Which unit?", False, "person"))
    silent = replace(second, verdict=Verdict(0.0, None, False, "check"))
    done = (said, silent, *later)

    def shown(place: Place) -> str:
        call = Call(1, 2, sees=(place,))
        return messages(protocol, policy, PROBLEM, call, done)[-1].text

    assert (
        "Here is an attempt at this question. It may hold, or in parts, or not at all.\n\n"
        "Attempt 1:\nA in turn 1 of chain 1\n\n"
        "The reader says about attempt 1:\nWhich unit?\n\n"
        "Weigh them"
    ) in shown(Place(1, 1))
    assert "A in turn 1 of chain 2\n\nA check rejected attempt 1.\n\nWeigh" in shown(Place(1, 2))


def test_speakers_alternate() -> None:
    """Chat templates of many models refuse two messages of one speaker in a row."""
    for name in names():
        protocol = load(name)
        policy = Policy(turns=3, samples=2, window=None, rates=True, vote=Vote.CONSISTENT)
        _, texts = sent(protocol, policy, rollout("A B C", "D E F"))
        for text in texts:
            roles = [role for role, _ in text if role != "system"]
            assert all(a != b for a, b in pairwise(roles)), (name, roles)


# single-call

ENGLISH = (
    "Answer every question by recursive introspection, in at most 3 rounds, all of them in one reply.\n"
    "\n"
    "In round 1, work the question out and answer it. In each later round, read the question and your last "
    "answer again as a careful reviewer would: does the answer hold, step by step, and is it what was asked? "
    "Keep it if it is; change it if it is not. Never change an answer only to say something new.\n"
    "\n"
    "Write each round like this:\n"
    "\n"
    "## Round 1\n"
    "(your reasoning in this round, as brief as the question allows)\n"
    "Answer: (your answer in this round{})\n"
    "Confidence: (how sure you are of it, from 0% to 100%)\n"
    "\n"
    "Stop after the round in which you are at least 85% sure and the answer is the same as in the round "
    "before, or after round 3. Then finish with:\n"
    "\n"
    "## Result\n"
    "(the answer that most rounds gave; of equally frequent ones, the one that you were surest of)"
)
CHINESE = (
    "请用递归自省的方式回答每个问题：在一次回复之内完成，最多 3 轮。\n"
    "\n"
    "第 1 轮：推理并作答。之后的每一轮：像一位仔细的审阅者那样，重新阅读问题"
    "和你上一轮的答案，逐步检查它是否成立、是否回答了所问。成立就保留，不成立就修改；不要只为了说点新东西而改动答案。\n"
    "\n"
    "每一轮都按以下格式书写：\n"
    "\n"
    "## 第1轮\n"
    "（这一轮的推理，尽量简短）\n"
    "答案：（这一轮的答案{}）\n"
    "置信度：（你对它的把握，0% 到 100%）\n"
    "\n"
    "当某一轮的置信度不低于 85%，且答案与上一轮相同时，就此停止；否则写到第 3 轮为止。最后写：\n"
    "\n"
    "## 结果\n"
    "（多数轮次给出的答案；若次数相同，取置信度最高的那个）"
)
KINDS = [
    (Kind.AUTO, (), "", ""),
    (Kind.MATH, (), "", ""),
    (Kind.NUMBER, (), ", the number alone", "，只写数字"),
    (Kind.CHOICE, (), ", the letter alone", "，只写字母"),
    (Kind.CHOICE, ("A", "B"), ", the letter alone, one of A, B", "，只写字母，即 A、B 之一"),
]


@pytest.mark.parametrize(("kind", "choices", "english", "chinese"), KINDS)
@pytest.mark.parametrize("context", [None, "Material."])
def test_single_call(
    kind: Kind, choices: tuple[str, ...], english: str, chinese: str, context: str | None
) -> None:
    problem = Problem("p", "What is 6 x 7?", context, kind=kind, choices=choices)
    policy = Policy(turns=3, threshold=0.85, samples=2)
    question = user("Material.\n\nWhat is 6 x 7?" if context else "What is 6 x 7?")
    for language, system in ((None, ENGLISH.format(english)), ("zh", CHINESE.format(chinese))):
        asked, texts = sent(load("single-call", language), policy, rollout("A", "B"), problem)
        assert asked == [Call(1, 1), Call(2, 1)]
        assert texts == [[("system", f"Be brief.\n\n{system}"), question]] * 2


def test_single_call_of_an_open_question_gives_the_whole_answer_in_each_round() -> None:
    problem = replace(PROBLEM, kind=Kind.TEXT)
    asked = {
        "en": "(your whole answer in this round, and nothing else)",
        "zh": "（这一轮的完整回答，不写其他内容）",
    }
    for language, line in asked.items():
        _, [[(_, system), _]] = sent(load("single-call", language), Policy(turns=3), rollout("A"), problem)
        assert line in system.splitlines()
        assert "Answer:" not in system
        assert "答案：" not in system


WRITTEN = [
    "## Round 1\n6 times 7, say 40.\nAnswer: 40\nConfidence: 60%\n\n## Round 2\n6 x 7 = 42.\nAnswer: 42\n"
    "Confidence: 95%\n\n## Round 3\nIt holds.\nAnswer: 42\nConfidence: 99%\n\n## Result\n42",
    "## 第1轮\n大约是 40。\n答案：40\n置信度：60%\n\n## 第2轮\n6 乘 7 等于 42。\n答案：42\n置信度：95%\n\n"
    "## 第3轮\n成立。\n答案：42\n置信度：99%\n\n## 结果\n42",
]


@pytest.mark.parametrize("reply", WRITTEN, ids=["en", "zh"])
@pytest.mark.parametrize("kind", [Kind.AUTO, Kind.NUMBER, Kind.MATH])
def test_what_single_call_asks_for_is_read(reply: str, kind: Kind) -> None:
    rounds = split_rounds(reply)
    assert [read_answer(text, kind) for text in rounds] == ["40", "42", "42"]
    assert [read_confidence(text) for text in rounds] == [0.6, 0.95, 0.99]


# Ratings and selections

RATE = (
    "Question:\n{}What is 6 x 7?\n\nProposed answer:\nA\n\n"
    "How likely is it that the proposed answer is right? Reply with one line only:\n"
    "Confidence: a number from 0% to 100%"
)
SELECT = (
    "I have 2 responses to this question:\n\n{}What is 6 x 7?\n\n"
    "Response 1:\nA in turn 1 of chain 1\n\nResponse 2:\nB in turn 2 of chain 1\n\n"
    "Select the response that agrees most with the others. Reply with one line only:\n"
    "The most consistent response is Response (number)"
)


@pytest.mark.parametrize(("context", "shown"), [(None, ""), ("Material.", "Material.\n\n")])
def test_a_rating_sees_question_and_answer_alone_and_a_selection_the_replies(
    context: str | None, shown: str
) -> None:
    problem = replace(PROBLEM, context=context)
    policy = Policy(turns=2, rates=True, vote=Vote.CONSISTENT)
    asked, texts = sent(load("introspect"), policy, rollout("A B"), problem)
    assert [(c.turn, c.purpose) for c in asked] == [
        (1, Purpose.ATTEMPT),
        (1, Purpose.RATE),
        (2, Purpose.ATTEMPT),
        (2, Purpose.RATE),
        (1, Purpose.SELECT),
    ]
    assert texts[1] == [user(RATE.format(shown))]
    assert texts[4] == [user(SELECT.format(shown))]


def test_ratings_and_selections_in_chinese() -> None:
    policy = Policy(samples=2, rates=True, vote=Vote.CONSISTENT)
    asked, texts = sent(load("single-call", "zh"), policy, rollout("A", "B"))
    assert [c.purpose for c in asked] == [Purpose.ATTEMPT] * 2 + [Purpose.RATE] * 2 + [Purpose.SELECT]
    assert texts[2] == [
        user(
            "问题：\nWhat is 6 x 7?\n\n给出的答案：\nA\n\n"
            "这个答案有多大可能是对的？只回复一行：\n置信度：0% 到 100% 之间的一个数"
        )
    ]
    assert texts[4] == [
        user(
            "以下问题有 2 个回答：\n\nWhat is 6 x 7?\n\n回答 1：\nA in turn 1 of chain 1\n\n"
            "回答 2：\nB in turn 1 of chain 2\n\n"
            "请选出与其他回答最一致的那一个。只回复一行：\n最一致的回答是 回答（编号）"
        )
    ]


# What holds for all of them


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("window", [0, 1, None])
@pytest.mark.parametrize("name", ["refine", "aggregate", "decide", "single-call"])
def test_only_a_verdict_may_say_that_the_answer_was_wrong(name: str, window: int | None, kind: Kind) -> None:
    problem = replace(PROBLEM, kind=kind, choices=("A", "B"), context="Material.")
    policy = Policy(turns=4, samples=2, window=window)
    _, texts = sent(load(name), policy, rollout("A B? - C", "W X Y Z"), problem)
    assert not [text for call in texts for _, text in call if ACCUSATION.search(text)]


@pytest.mark.parametrize("name", ["refine", "single-call"])
def test_the_prefix_is_the_same_in_every_call(name: str) -> None:
    protocol, policy = load(name), Policy(load(name).shape, turns=3, samples=2, early_stop=False)
    asked, done, _ = play(policy, rollout("A B C", "W X Y"))
    prefixes = set()
    for call in asked:
        conversation = messages(protocol, policy, QUESTION, call, done, "Be brief.")
        (end,) = (n for n, m in enumerate(conversation) if m.fixed)
        prefixes.add(conversation[: end + 1])
    assert len(prefixes) == 1


def test_languages() -> None:
    assert {name: languages(home() / name) for name in names() if languages(home() / name)} == {
        "single-call": ["zh"]
    }
    with pytest.raises(UsageError, match=r"'introspect' does not speak 'zh'; it has en$"):
        load("introspect", "zh")
    with pytest.raises(UsageError, match=r"'single-call' does not speak 'fr'; it has en, zh$"):
        load("single-call", "fr")


# Folders of one's own

Own = Callable[..., str]
SOUND: dict[str, dict[str, str]] = {
    "refine": {
        "critique.md": "Look at {{ answer }}.",
        "revise.md": "Again{% if critique %}: {{ critique }}{% endif %}.",
    },
    "aggregate": {
        "aggregate.md": "{{ question }}\n{% for a in attempts %}\n{{ loop.index }}. {{ a.answer }}"
        "{% endfor %}"
    },
    "single": {"system.md": "In {{ turns }} rounds, until {{ threshold }}."},
}
EACH = "{% for a in attempts %}"


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """Write a protocol of this shape that works, changed by the files given (None: left out)."""

    def write(shape: str, rules: str = "", **files: str | None) -> str:
        folder = tmp_path / "mine"
        folder.mkdir()
        toml = f'shape = "{shape}"\ndescription = "mine"\n{rules}'
        for name, content in {
            "protocol.toml": toml,
            "question.md": "{{ question }}",
            **SOUND[shape],
            **files,
        }.items():
            if content is not None:
                (folder / name).write_text(content, encoding="utf-8")
        return str(folder)

    return write


def test_refine_of_ones_own(own: Own) -> None:
    _, texts = sent(load(own("refine")), Policy(turns=2), rollout("A B"))
    question = user("What is 6 x 7?")
    assert texts == [
        [BRIEF, question],
        [BRIEF, question, A, user("Look at A.")],
        [BRIEF, question, A, user("Again: critique in turn 2 of chain 1.")],
    ]


def test_aggregate_of_ones_own(own: Own) -> None:
    protocol = load(own("aggregate", "samples = 3\ndraw = 2\n"))
    assert (protocol.samples, protocol.draw) == (3, 2)
    _, texts = sent(protocol, Policy(turns=2, samples=1, draw=2), rollout("A B"))
    assert texts == [[BRIEF, user("What is 6 x 7?")], [BRIEF, user("What is 6 x 7?\n1. A")]]


def test_single_call_of_ones_own_in_its_own_languages(own: Own) -> None:
    path = own("single", **{"system.fr.md": "En {{ turns }} tours.", "rate.md": "{{ answer }}?"})
    policy = Policy(turns=4, threshold=0.5, rates=True)
    _, texts = sent(load(path), policy, rollout("A"))
    assert texts == [
        [("system", "Be brief.\n\nIn 4 rounds, until 0.5."), user("What is 6 x 7?")],
        [user("A?")],
    ]
    _, texts = sent(load(path, "fr"), policy, rollout("A"))
    assert texts[0][0] == ("system", "Be brief.\n\nEn 4 tours.")
    assert texts[1] == [user("A?")]
    assert languages(Path(path)) == ["fr"]


BROKEN: list[tuple[str, str, dict[str, str | None], str]] = [
    ("refine", "", {"critique.md": None}, r"cannot read '.*mine/critique\.md': No such file"),
    ("refine", "", {"revise.md": None}, r"cannot read '.*mine/revise\.md': No such file"),
    ("refine", "", {"critique.md": "one\n{% if %}"}, r"mine/critique\.md', line 2: "),
    ("refine", "", {"critique.md": "\n\n{{ nobody }}"}, r"mine/critique\.md', line 3: 'nobody' is undefined"),
    ("refine", "", {"revise.md": "{% if critique %}\n{{ oops }}{% endif %}"}, r"revise\.md', line 2: 'oops'"),
    (
        "refine",
        "",
        {"revise.md": "{% if not critique %}{{ oops }}{% endif %}"},
        r"revise\.md', line 1: 'oops'",
    ),
    (
        "refine",
        "",
        {"critique.md": "{% if feedback %}{{ oops }}{% endif %}"},
        r"critique\.md', line 1: 'oops'",
    ),
    ("refine", "", {"question.md": "{{ critique }}"}, r"question\.md', line 1: 'critique' is undefined"),
    ("aggregate", "", {"aggregate.md": None}, r"cannot read '.*mine/aggregate\.md': No such file"),
    (
        "aggregate",
        "",
        {"aggregate.md": EACH + "\n{{ a.anser }}{% endfor %}"},
        r"aggregate\.md', line 2: .*'anser'",
    ),
    ("aggregate", "", {"aggregate.md": "{{ reply }}"}, r"aggregate\.md', line 1: 'reply' is undefined"),
    ("aggregate", "", {"aggregate.md": "{{ attempts[1].reply }}{{ oops }}"}, r"aggregate\.md', line 1: "),
    (
        "aggregate",
        "",
        {"aggregate.md": EACH + "{% if a.judge == 'person' %}{{ oops }}{% endif %}{% endfor %}"},
        "'oops'",
    ),
    (
        "aggregate",
        "",
        {"aggregate.md": "{% if attempts | length > 1 %}{{ oops }}{% endif %}"},
        "line 1: 'oops'",
    ),
    ("aggregate", "draw = 0", {}, r"protocol\.toml': draw must be 1 or more, not 0"),
    ("aggregate", "draw = 'all'", {}, r"draw must be 1 or more, not 'all'"),
    ("aggregate", "draw = true", {}, "draw must be 1 or more, not True"),
    ("aggregate", "draw = 2.0", {}, r"draw must be 1 or more, not 2\.0"),
    ("single", "", {"system.md": None}, r"cannot read '.*mine/system\.md': No such file"),
    ("single", "", {"system.md": "{{ turn }}"}, r"system\.md', line 1: 'turn' is undefined"),
    ("single", "", {"rate.md": "\n{{ reply }}"}, r"mine/rate\.md', line 2: 'reply' is undefined"),
    ("single", "", {"select.md": "{{ answer }}"}, r"mine/select\.md', line 1: 'answer' is undefined"),
    ("single", "", {"select.md": "{% for r in replies %}"}, r"mine/select\.md', line 1: "),
]


@pytest.mark.parametrize(("shape", "rules", "files", "said"), BROKEN)
def test_broken_protocols_say_where(
    own: Own, shape: str, rules: str, files: dict[str, str | None], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        load(own(shape, rules, **files))


def test_a_broken_translation_is_told_where_it_is_used(own: Own) -> None:
    path = own("single", **{"system.zh.md": "第一行\n{{ nobody }}"})
    load(path)
    with pytest.raises(UsageError, match=r"system\.zh\.md', line 2: 'nobody' is undefined"):
        load(path, "zh")


def test_a_shape_has_the_templates_that_it_needs_and_no_others() -> None:
    had = {
        shape: {
            n
            for n in ("system", "revise", "critique", "aggregate", "decide")
            if getattr(load(name), n) is not None
        }
        for name in names()
        for shape in [load(name).shape]
    }
    assert had == {
        Shape.REVISE: {"system", "revise"},
        Shape.REFINE: {"system", "revise", "critique"},
        Shape.AGGREGATE: {"system", "aggregate"},
        Shape.DECIDE: {"system", "decide"},
        Shape.INDEPENDENT: {"system"},
        Shape.SINGLE: {"system"},
    }


def test_a_rating_of_a_later_round_shows_that_round() -> None:
    """A reply that holds many rounds has many answers at as many places."""
    attempts = tuple(Attempt(1, turn, f"round {turn}", str(turn), Place(turn, 1), None) for turn in (1, 2))
    done: tuple[Done, ...] = (Done(Call(1, 1), Completion("all of it"), attempts),)
    protocol, policy = load("single-call"), Policy(Shape.SINGLE, rates=True, vote=Vote.CONSISTENT)
    asked, done, end = play(policy, (), done)
    assert asked == [
        Call(1, 1, Purpose.RATE, (Place(1, 1),)),
        Call(1, 2, Purpose.RATE, (Place(2, 1),)),
        Call(1, 1, Purpose.SELECT, (Place(1, 1), Place(2, 1))),
    ]
    assert end.winner == replace(attempts[0], confidence=0.5)
    texts = [messages(protocol, policy, PROBLEM, call, done)[0].text for call in asked]
    assert [re.findall("Proposed answer:\n(.*)", text) for text in texts[:2]] == [["1"], ["2"]]
    assert "Response 1:\nround 1\n\nResponse 2:\nround 2\n" in texts[2]
