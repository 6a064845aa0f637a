"""Every word that is sent: the exact messages of each call, and what a protocol's folder may hold."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import pytest
from rollouts import play, rollout
from wheel_prompts import differences

from rise_cli.core.domain import Call, Done, Kind, Message, Place, Policy, Problem, Shape, Verdict
from rise_cli.errors import UsageError
from rise_cli.prompts import Protocol, home, load, load_role, messages, names, roles
from rise_cli.prompts.templates import Folder, fill

ROOT = Path(__file__).parents[1]

PROBLEM = Problem("p", "What is 6 x 7?")


def sent(
    protocol: Protocol,
    recorded: tuple[Done, ...],
    problem: Problem = PROBLEM,
    *,
    window: int | None = 1,
    role: str | None = None,
) -> list[tuple[Message, ...]]:
    """The messages of every call of a whole run, in the order of the calls."""
    turns = max(d.call.turn for d in recorded)
    samples = max(d.call.chain for d in recorded)
    policy = Policy(protocol.shape, turns, samples, window, early_stop=False)
    asked, done, _ = play(policy, recorded, problem=problem)
    return [
        messages(protocol, policy, problem, call, tuple(d for d in done if d.call.turn < call.turn), role)
        for call in asked
    ]


def texts(conversation: tuple[Message, ...]) -> list[tuple[str, str]]:
    return [(m.role, m.text) for m in conversation]


# The exact messages

# The system message, by what is asked for: it stands first in every call, so that the question ends as it was
# written.
FORM = {
    "answer": 'Reason step by step. End your reply with two lines: "Answer:" with the answer, and '
    '"Confidence:" with a percentage.',
    "letter": 'Reason step by step. End your reply with two lines: "Answer:" with the letter alone, and '
    '"Confidence:" with a percentage.',
    "listed letter": 'Reason step by step. End your reply with two lines: "Answer:" with the letter alone, '
    'one of A, B, C, and "Confidence:" with a percentage.',
    "text": 'Answer the question itself. End your reply with a line that has "Confidence:" and a percentage.',
}
S = ("system", FORM["answer"])
Q = ("user", "What is 6 x 7?")
A1 = ("assistant", "A in turn 1 of chain 1")
A2 = ("assistant", "B in turn 2 of chain 1")
KEEP = "Are you confident in your answer? Keep it if you are, change it if you are not."
END = 'Explain, as briefly as the question allows, then finish with "Answer:" and "Confidence:".'
AGAIN = ("user", f"{KEEP}\n\nWhat is 6 x 7?\n\n{END}")
REJECTED = (
    "user",
    "A check rejected that answer. It said:\n\nno\n\nFind out what went wrong and answer the question again.",
)


@pytest.mark.parametrize(
    ("window", "second", "third"),
    [
        (0, [S, Q], [S, Q]),
        (1, [S, Q, A1, AGAIN], [S, Q, A2, AGAIN]),
        (2, [S, Q, A1, AGAIN], [S, Q, A1, AGAIN, A2, AGAIN]),
        (None, [S, Q, A1, AGAIN], [S, Q, A1, AGAIN, A2, AGAIN]),
    ],
)
def test_introspect(window: int | None, second: list[tuple[str, str]], third: list[tuple[str, str]]) -> None:
    calls = sent(load("introspect"), rollout("A B C"), window=window)
    assert [texts(call) for call in calls] == [[S, Q], second, third]


@pytest.mark.parametrize(
    ("window", "second", "third"),
    [
        (0, [S, Q], [S, Q]),
        (1, [S, Q, A1, REJECTED], [S, Q, A2, AGAIN]),
        (2, [S, Q, A1, REJECTED], [S, Q, A1, REJECTED, A2, AGAIN]),
        (None, [S, Q, A1, REJECTED], [S, Q, A1, REJECTED, A2, AGAIN]),
    ],
)
def test_introspect_after_a_rejection(
    window: int | None, second: list[tuple[str, str]], third: list[tuple[str, str]]
) -> None:
    calls = sent(load("introspect"), rollout("Ax B C"), window=window)
    assert [texts(call) for call in calls] == [[S, Q], second, third]


# On an open question: what was missing or off the point, nothing new for its own sake.
MISSING = (
    "Read your answer again beside the question:\n"
    "\n"
    "Which is it?\n"
    "\n"
    "Add what it asks for and your answer misses, take out what is off the point, mend what does not hold. "
    "Leave the rest as it is; nothing new for its own sake. If nothing needs to change, give the same answer "
    "again."
)


@pytest.mark.parametrize(
    ("kind", "choices", "form"),
    [
        (Kind.AUTO, (), "answer"),
        (Kind.MATH, (), "answer"),
        (Kind.NUMBER, (), "answer"),
        (Kind.CHOICE, (), "letter"),
        (Kind.CHOICE, ("A", "B", "C"), "listed letter"),
        (Kind.TEXT, (), "text"),
    ],
)
@pytest.mark.parametrize("context", [None, "  one  two\n  1    2\n"])
def test_introspect_and_sample_for_each_kind(
    kind: Kind, choices: tuple[str, ...], form: str, context: str | None
) -> None:
    problem = Problem("p", "Which is it?", context, kind=kind, choices=choices)
    system = ("system", FORM[form])
    material = "  one  two\n  1    2\n\n\n" if context else ""
    question = ("user", f"{material}Which is it?")
    keep = f"{KEEP}\n\nWhich is it?\n\n{END}"
    if kind is Kind.TEXT:
        keep = MISSING
    rejected = (
        "A check rejected that answer. It said:\n\nno\n\n"
        "Find out what went wrong and answer the question again."
    )
    calls = sent(load("introspect"), rollout("A Bx C"), problem)
    assert [texts(call) for call in calls] == [
        [system, question],
        [system, question, A1, ("user", keep)],
        [system, question, A2, ("user", rejected)],
    ]
    assert [texts(call) for call in sent(load("sample"), rollout("A", "B"), problem)] == [
        [system, question]
    ] * 2


@pytest.mark.parametrize(("size", "times"), [(1000, 2), (1001, 1)])
def test_introspect_restates_a_short_question_alone(size: int, times: int) -> None:
    problem = Problem("p", "q" * size)
    second = sent(load("introspect"), rollout("A B"), problem)[1]
    assert sum(m.text.count(problem.question) for m in second) == times


def test_introspect_after_a_rejection_without_a_word() -> None:
    first, second = rollout("Ax B")
    silent = replace(first, verdict=Verdict(0.0, None, False, "person"))
    _, call = sent(load("introspect"), (silent, second))
    assert call[-1].text == (
        "The reader rejected that answer.\nFind out what went wrong and answer the question again."
    )


@pytest.mark.parametrize("reward", [0.0, None])
def test_what_a_person_says_is_shown_whether_or_not_it_rejects(reward: float | None) -> None:
    first, second = rollout("A B")
    said = replace(first, verdict=Verdict(reward, "Which unit?", False, "person"))
    _, call = sent(load("introspect"), (said, second))
    assert call[-1].text == (
        "The reader says about that answer:\n"
        "\n"
        "Which unit?\n"
        "\n"
        "Answer the question again with that in mind:\n"
        "\n"
        "What is 6 x 7?"
    )


def test_sample_asks_every_chain_the_same() -> None:
    calls = sent(load("sample"), rollout("A", "B", "C"))
    assert [texts(call) for call in calls] == [[S, Q], [S, Q], [S, Q]]


PAPER = [
    (
        "user",
        "You are an AI language model designed to assist with math problem-solving. In this task, I will "
        "provide you with math problems. Your goal is to solve the problem step-by-step, showing your "
        "reasoning at each step. After you have finished solving the problem, present your final answer as "
        "\\boxed{Your Answer}.\n"
        "\n"
        "Here is the math word problem for you to solve:\n"
        "\n"
        "Of the 60 students in the drama club, 36 take mathematics, 27 take physics and 20 students take "
        "both mathematics and physics. How many drama club students take neither mathematics nor physics?",
    ),
    (
        "assistant",
        "Step 1: To find the number of drama club students who take neither mathematics nor physics, we "
        "first need to determine the number of students taking only math, only physics, and both math and "
        "physics. Step 2: Out of the 60 students in the drama club, 36 take mathematics and 27 take "
        "physics, and 20 students take both mathematics and physics. Step 3: To calculate the number of "
        "students taking only math, we subtract the number of students taking both from the total taking "
        "math: $36 - 20 = 16$. Step 4: Similarly, to calculate the number of students taking only physics, "
        "we subtract the number of students taking both from the total taking physics: $27 - 20 = 7$. Step "
        "5: Now, to find the number of students taking neither math nor physics, we subtract the total "
        "number of students taking only math, only physics, and both from the total number of students in "
        "the drama club. This gives us $60 - 16 - 7 - 20 = \\boxed{17}$ students taking neither. Answer: "
        "\\boxed{17}",
    ),
    (
        "user",
        "Great job! You've successfully answered the question. Now, let's move on to the next one.\n"
        "What is 6 x 7?",
    ),
]
INCORRECT = ("user", "The answer is incorrect. Please try again. Here's the question: What is 6 x 7?")


@pytest.mark.parametrize(
    ("window", "second", "third"),
    [
        (0, [], []),
        (1, [A1, INCORRECT], [A2, INCORRECT]),
        (2, [A1, INCORRECT], [A1, INCORRECT, A2, INCORRECT]),
        (None, [A1, INCORRECT], [A1, INCORRECT, A2, INCORRECT]),
    ],
)
def test_paper(window: int | None, second: list[tuple[str, str]], third: list[tuple[str, str]]) -> None:
    calls = sent(load("paper"), rollout("A B C"), window=window)
    assert [texts(call) for call in calls] == [PAPER, PAPER + second, PAPER + third]


@pytest.mark.parametrize("kind", Kind)
def test_paper_with_context_and_feedback(kind: Kind) -> None:
    """Its wording is the same for every kind; feedback follows the question."""
    problem = Problem("p", "What is 6 x 7?", "Count in base ten.", kind=kind, choices=("A", "B"))
    calls = sent(load("paper"), rollout("A Bx C"), problem)
    head = [
        *PAPER[:2],
        (
            "user",
            "Great job! You've successfully answered the question. Now, let's move on to the next one.\n"
            "Count in base ten.\n"
            "What is 6 x 7?",
        ),
    ]
    told = "The answer is incorrect. Please try again. Here's the question: What is 6 x 7?\n\nno"
    assert [texts(call) for call in calls] == [
        head,
        [*head, A1, INCORRECT],
        [*head, A2, ("user", told)],
    ]


def test_the_shipped_protocols() -> None:
    rules = {name: (p.shape, p.window, p.samples, p.draw) for name in names() if (p := load(name))}
    assert rules == {
        "aggregate": (Shape.AGGREGATE, 1, 4, 4),
        "decide": (Shape.DECIDE, 1, 1, 4),
        "introspect": (Shape.REVISE, 1, 1, 4),
        "paper": (Shape.REVISE, 1, 1, 4),
        "refine": (Shape.REFINE, 1, 1, 4),
        "revise-answer": (Shape.REVISE, 1, 1, 4),
        "sample": (Shape.INDEPENDENT, 1, 5, 4),
        "single-call": (Shape.SINGLE, 1, 1, 4),
    }
    assert all(load(name).name == name and load(name).description for name in names())
    assert "tells the model that it was wrong" in load("paper").description


@pytest.mark.parametrize("protocol", ["sample", "refine", "aggregate", "decide", "revise-answer"])
def test_they_ask_what_introspect_asks(protocol: str) -> None:
    """So that they differ in the method alone when they are compared."""
    asked, plain = home() / protocol, home() / "introspect"
    assert (asked / "question.md").read_bytes() == (plain / "question.md").read_bytes()
    form = (asked / "system.md").read_text(encoding="utf-8")
    if protocol == "refine":  # whose critiques are no answers
        assert form.count("Unless you are asked for a review, end") == 2
        form = form.replace("Unless you are asked for a review, end", "End")
    assert form == (plain / "system.md").read_text(encoding="utf-8")


def test_a_judge_sees_two_replies_under_numbers() -> None:
    template = Folder(home() / "shared", None).template("judge.md")
    assert fill(template, {"question": "Why?", "replies": ["So.", "Thus."]}) == (
        "A question was answered twice:\n\nWhy?\n\n"
        "Response 1:\nSo.\n\nResponse 2:\nThus.\n\n"
        "Which response serves the person who asks better? Consider whether it answers what was asked, "
        "whether it is right, and whether it is clear. The order in which they stand here means nothing. "
        "Reply with one line only:\nThe better choice is Response (number)"
    )


# What holds for all of them

RUNS = [
    (protocol, words, window, problem)
    for protocol in ("introspect", "revise-answer", "paper", "sample")
    for words in ("A B C D", "Ax - Bx A", "A !server B C")
    for window in (0, 1, 2, None)
    for problem in (PROBLEM, Problem("q", "Which?", "Material.", kind=Kind.CHOICE, choices=("A", "B")))
]


@pytest.mark.parametrize(("protocol", "words", "window", "problem"), RUNS)
def test_the_prefix_is_the_same_in_every_turn(
    protocol: str, words: str, window: int | None, problem: Problem
) -> None:
    # A second chain keeps the run going where the first one's call fails.
    other = " ".join("Z" for _ in words.split())
    calls = sent(load(protocol), rollout(words, other), problem, window=window, role="Be brief.")
    prefixes = set()
    for call in calls:
        assert [m.fixed for m in call].count(True) == 1
        end = next(n for n, m in enumerate(call) if m.fixed)
        assert problem.question in call[end].text
        prefixes.add(call[: end + 1])
    assert len(prefixes) == 1
    assert all(call[0].role == "system" for call in calls)
    assert all(call[0].text.split("\n\n")[0] == "Be brief." for call in calls)
    assert all(call[-1].role == "user" for call in calls)
    assert all(a.role != b.role for call in calls for a, b in pairwise(call))
    if window is None:
        chains = [calls[chain::2] for chain in (0, 1)]
        for before, after in (pair for chain in chains for pair in pairwise(chain)):
            assert after[: len(before)] == before


ACCUSATION = re.compile(
    r"wrong|incorrect|mistake|reject|error|\bfalse\b|not right|problem with|fail|fix|correct", re.IGNORECASE
)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("window", [0, 1, 2, None])
@pytest.mark.parametrize("protocol", ["introspect", "revise-answer", "sample", "aggregate"])
def test_only_a_verdict_may_say_that_the_answer_was_wrong(
    protocol: str, window: int | None, kind: Kind
) -> None:
    for context, choices in ((None, ()), ("Material.", ("A", "B"))):
        problem = Problem("p", "Which is it?", context, kind=kind, choices=choices)
        # `?`: somebody looked at it and could not tell.
        for call in sent(load(protocol), rollout("A B? - C"), problem, window=window):
            assert not [m for m in call if ACCUSATION.search(m.text)]


def test_a_verdict_accuses_only_the_attempt_that_it_is_about() -> None:
    call = sent(load("introspect"), rollout("A Bx C D"), window=None)[-1]
    assert [bool(ACCUSATION.search(m.text)) for m in call] == [False] * 5 + [True] + [False] * 2


HOSTILE = "{{ 7*7 }} {% raw %} {# x #} {% include 'finish.md' %} {{ ''.__class__ }} <b>&amp;</b> \\n \x00 %}"


@pytest.mark.parametrize("protocol", ["introspect", "sample", "paper", "aggregate"])
def test_text_from_outside_is_no_template(protocol: str) -> None:
    problem = Problem("p", HOSTILE, f"  {HOSTILE}", kind=Kind.CHOICE, choices=("{{ 1 }}",))
    first, second = rollout("Ax B")
    verdict = Verdict(0.0, HOSTILE, False, "check")
    first = replace(first, result=replace(first.result, reply=HOSTILE), verdict=verdict)  # type: ignore[arg-type]
    calls = sent(load(protocol), (first, second), problem, role=HOSTILE)
    # What the role says stands as it was written; so do the choices in the line that lists them.
    form = FORM["listed letter"].replace("A, B, C", "{{ 1 }}")
    assert calls[0][0].text == (HOSTILE if protocol == "paper" else f"{HOSTILE}\n\n{form}")
    question = next(m.text for m in calls[0] if m.fixed)
    assert question.count(HOSTILE) == 2
    if protocol == "aggregate":
        assert calls[1][-1].text.count(HOSTILE) == 4
    elif protocol != "sample":
        *_, reply, revise = calls[1]
        assert reply.text == HOSTILE
        assert revise.text.count(HOSTILE) == (2 if protocol == "paper" else 1)


# Roles


def test_roles() -> None:
    assert "math" in roles()
    assert load_role("math").text == (
        "You are a careful mathematician. You define what you are looking for, keep units, and check each "
        "result against the question before you state it."
    )


def test_a_role_is_the_system_message() -> None:
    assert sent(load("paper"), rollout("A"))[0][0].role == "user"
    (call,) = sent(load("paper"), rollout("A"), role="Be brief.")
    assert texts(call) == [("system", "Be brief."), *PAPER]


def test_a_role_comes_before_the_protocols_own_system_message(own: Own) -> None:
    (call,) = sent(load("introspect"), rollout("A"), role="Be brief.")
    assert texts(call) == [("system", f"Be brief.\n\n{FORM['answer']}"), Q]
    (call,) = sent(load(own(**{"system.md": "You count.\n"})), rollout("A"), role="Be brief.")
    assert call[0] == Message("system", "Be brief.\n\nYou count.")


def test_a_role_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "role.md").write_bytes(b"\xef\xbb\xbf  {{ 7*7 }} in \r\ntwo lines\n\n")
    assert load_role(str(tmp_path / "role.md")).text == "{{ 7*7 }} in \ntwo lines"
    monkeypatch.chdir(tmp_path)
    assert load_role("./role.md") == load_role(str(tmp_path / "role.md"))


def test_a_role_may_be_a_pipe_which_is_read_once() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"):
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(b"\xef\xbb\xbfBe brief.\r\n")
        assert load_role(f"/dev/fd/{reading}").text == "Be brief."


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "maths",
            r"no role named 'maths'; did you mean 'math'\? Known: code, math, [a-z, ]*, or the path of a fi",
        ),
        (
            "zzz",
            r"no role named 'zzz'\. Known: code, math, [a-z, ]*, or the path of a file, such as \./role\.md",
        ),
        ("", r"no role named ''\. Known: code, math"),
        ("role.md", r"no role named 'role\.md'"),  # a bare name is no file, even where there is one
        ("./", "no role named"),
        ("./none.md", "no role named"),
        ("../roles/math", "no role named"),
        ("./latin1.md", r"'latin1\.md' is not UTF-8; save it as UTF-8"),
        ("./huge.md", r"'huge\.md' is larger than 1 MiB"),
        ("/dev/zero", r"'/dev/zero' is larger than 1 MiB"),
        ("./loop.md", r"cannot open 'loop\.md': Too many levels"),
        ("~nobody-of-that-name/role.md", "names nobody's home"),
        ("./" + "x" * 300, "cannot open .* too long"),
    ],
)
def test_roles_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    (tmp_path / "role.md").write_text("a role")
    (tmp_path / "latin1.md").write_bytes("Straße".encode("latin-1"))
    (tmp_path / "huge.md").write_text("x" * (1 << 20) + "x")
    (tmp_path / "loop.md").symlink_to("loop.md")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        load_role(name)


# Protocols of one's own

Own = Callable[..., str]

TOML = 'shape = "revise"\ndescription = "mine"\n'


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """Write a protocol that works, changed by the files given (None: left out); return its path."""

    def write(**files: str | bytes | None) -> str:
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        sound = {"protocol.toml": TOML, "question.md": "{{ question }}\n", "revise.md": "Again.\n"}
        for name, content in {**sound, **files}.items():
            if content is not None:
                (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return str(folder)

    return write


def test_a_protocol_of_ones_own(own: Own) -> None:
    """System, opening, earlier conversation, question: in this order, and then the attempts."""
    path = own(
        **{
            "protocol.toml": TOML + 'window = "all"\nsamples = 3\n'
            'opening = ["b.user.md", "a.assistant.md"]\n',
            "system.md": "You count in {{ kind }}s.",
            "b.user.md": "Ready?",
            "a.assistant.md": "{% include 'yes.md' %}",
            "yes.md": "Yes: {{ choices | length }}.",
            "revise.md": "You said {{ answer }}."
            "{% if rejected %} No: {{ feedback }}.{% endif %} {{ question }}",
        }
    )
    protocol = load(path)
    assert (protocol.name, protocol.shape) == ("mine", Shape.REVISE)
    assert (protocol.window, protocol.samples) == (None, 3)
    prior = (Message("user", "Hello."), Message("assistant", "Good day."))
    problem = Problem("p", "6 x 7?", prior=prior, kind=Kind.NUMBER)
    calls = sent(protocol, rollout("A - Bx C"), problem, window=None)
    assert texts(calls[-1]) == [
        ("system", "You count in numbers."),
        ("user", "Ready?"),
        ("assistant", "Yes: 0."),
        ("user", "Hello."),
        ("assistant", "Good day."),
        ("user", "6 x 7?"),
        ("assistant", "A in turn 1 of chain 1"),
        ("user", "You said A. 6 x 7?"),
        ("assistant", "None in turn 2 of chain 1"),
        ("user", "You said None. 6 x 7?"),
        ("assistant", "B in turn 3 of chain 1"),
        ("user", "You said B. No: no. 6 x 7?"),
    ]
    assert [m.fixed for m in calls[0]] == [False] * 5 + [True]


@pytest.mark.parametrize(("written", "window"), [("0", 0), ("1", 1), ("7", 7), ('"all"', None)])
def test_a_protocol_names_its_window(own: Own, written: str, window: int | None) -> None:
    assert load(own(**{"protocol.toml": f"{TOML}window = {written}\n"})).window == window


def test_independent_protocols_need_no_revise_md(own: Own) -> None:
    toml = 'shape = "independent"\ndescription = "mine"\n'
    protocol = load(own(**{"protocol.toml": toml, "revise.md": None}))
    assert protocol.revise is None
    assert [texts(call) for call in sent(protocol, rollout("A", "B"))] == [[("user", "What is 6 x 7?")]] * 2


def test_what_windows_editors_write_is_read(own: Own) -> None:
    mark = b"\xef\xbb\xbf"
    path = own(
        **{
            "protocol.toml": mark + TOML.replace("\n", "\r\n").encode(),
            "question.md": mark + b"Now:\r\n{% if question %}\r\n{{ question }}\r\n{% endif %}\r\n",
        }
    )
    assert sent(load(path), rollout("A"))[0][0].text == "Now:\nWhat is 6 x 7?"


BROKEN: list[tuple[dict[str, str | bytes | None], str]] = [
    # protocol.toml
    ({"protocol.toml": "shape = revise\n"}, r"protocol\.toml' is not valid TOML: .*line 1"),
    ({"protocol.toml": ""}, r"protocol\.toml' must set 'shape' to a text, not None"),
    ({"protocol.toml": 'shape = "revise"'}, r"must set 'description' to a text, not None"),
    ({"protocol.toml": 'shape = 1\ndescription = "d"'}, r"must set 'shape' to a text, not 1"),
    ({"protocol.toml": 'shape = "revise"\ndescription = ["d"]'}, r"'description' to a text, not \['d'\]"),
    (
        {"protocol.toml": 'shape = "refined"\ndescription = "d"'},
        r"protocol\.toml': shape must be one of \['revise', [a-z', ]*\], not 'refined'",
    ),
    ({"protocol.toml": TOML + "windows = 1"}, r"protocol\.toml' has the unknown key 'windows'; known:"),
    ({"protocol.toml": TOML + "window = -1"}, r'window must be 0 or more, or "all", not -1'),
    ({"protocol.toml": TOML + "window = true"}, "window must be 0 or more.*not True"),
    ({"protocol.toml": TOML + "window = 1.0"}, r"window must be 0 or more.*not 1\.0"),
    ({"protocol.toml": TOML + 'window = "1"'}, "window must be 0 or more.*not '1'"),
    ({"protocol.toml": TOML + "samples = 0"}, "samples must be 1 or more, not 0"),
    ({"protocol.toml": TOML + 'samples = "5"'}, "samples must be 1 or more, not '5'"),
    ({"protocol.toml": TOML + "samples = true"}, "samples must be 1 or more, not True"),
    ({"protocol.toml": TOML + 'opening = "a.user.md"'}, "opening must be a list of file names"),
    ({"protocol.toml": TOML + "opening = [1]"}, "opening must be a list of file names"),
    ({"protocol.toml": TOML + 'opening = ["a.md"]'}, r"'a\.md' must be named NAME\.user\.md or"),
    ({"protocol.toml": TOML + 'opening = ["a.user.md"]'}, r"cannot read '.*a\.user\.md': No such file"),
    ({"protocol.toml": TOML + 'opening = ["../a.user.md"]'}, r"beside it only, not '\.\./a\.user\.md'"),
    ({"protocol.toml": b"\xff\xfe"}, r"protocol\.toml' is not UTF-8"),
    # The templates
    ({"question.md": None}, r"cannot read '.*question\.md': No such file or directory"),
    ({"revise.md": None}, r"cannot read '.*revise\.md': No such file or directory"),
    ({"question.md": b"Stra\xdfe"}, r"question\.md' is not UTF-8; save it as UTF-8"),
    ({"revise.md": b"\x7fELF\x01\x00"}, r"revise\.md' holds a NUL byte at position 5; is it a binary file\?"),
    ({"question.md": "x" * (1 << 20) + "x"}, r"question\.md' is larger than 1 MiB"),
    ({"question.md": "one\n{% if %}"}, r"question\.md', line 2: "),
    ({"question.md": "one\n{{ question "}, r"question\.md', line 2: "),
    ({"question.md": "{{ question | shout }}"}, r"question\.md', line 1: No filter named 'shout'"),
    ({"revise.md": "one\ntwo\n{{ nobody }}"}, r"revise\.md', line 3: 'nobody' is undefined"),
    ({"question.md": "{{ answer }}"}, r"question\.md', line 1: 'answer' is undefined"),
    ({"question.md": "{{ feedback }}"}, r"question\.md', line 1: 'feedback' is undefined"),
    ({"system.md": "{{ turn }}"}, r"system\.md', line 1: 'turn' is undefined"),
    ({"question.md": "{% include 'none.md' %}"}, r"cannot read '.*none\.md': No such file"),
    ({"question.md": "{% include 'x.md' %}", "x.md": "\n{% nope %}"}, r"x\.md', line 2: "),
    ({"question.md": "{% include 'x.md' %}", "x.md": "\n{{ nope }}"}, r"x\.md', line 2: 'nope' is undef"),
    ({"question.md": "{{ 1 / 0 }}"}, r"question\.md', line 1: division by zero"),
    ({"question.md": "{{ question + 1 }}"}, r"question\.md', line 1: can only concatenate"),
    ({"question.md": "\n{% include 'question.md' %}"}, r"question\.md', line 2: .*recursion"),
    ({"question.md": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"}, r"'question\.md' cannot be compiled"),
    ({"question.md": "{% for x in [1] %}" * 25 + "{% endfor %}" * 25}, r"'question\.md' cannot be compiled"),
    ({"question.md": "{{ cycler() }}"}, r"question\.md', line 1: at least one item"),
    # Branches that the first turn would not reach
    ({"revise.md": "{% if feedback %}\n{{ oops }}{% endif %}"}, r"revise\.md', line 2: 'oops'"),
    ({"revise.md": "{% if rejected and not feedback %}{{ oops }}{% endif %}"}, "'oops' is undefined"),
    ({"revise.md": "{% if answer is none %}{{ oops }}{% endif %}"}, "'oops' is undefined"),
    ({"question.md": "{% if kind == 'math' and context %}{{ oops }}{% endif %}"}, "'oops' is undefined"),
    ({"question.md": "{% if not choices %}{{ oops }}{% endif %}"}, "'oops' is undefined"),
    # The sandbox
    ({"question.md": "{{ ''.__class__ }}"}, r"line 1: access to attribute '__class__' of 'str' .*unsafe"),
    ({"question.md": "{{ question['__class__'] }}"}, "'__class__' of 'str' object is unsafe"),
    ({"question.md": "{{ question | attr('__class__') }}"}, "'__class__' of 'str' object is unsafe"),
    ({"question.md": "{{ '{0.__class__}'.format(1) }}"}, "'__class__' of 'int' object is unsafe"),
    ({"question.md": "{{ cycler.__init__.__globals__ }}"}, "'__init__' of 'type' object is unsafe"),
    ({"question.md": "{{ lipsum.__globals__['os'] }}"}, "'__globals__' of 'function' object is unsafe"),
    ({"question.md": "{{ self.__init__ }}"}, "is unsafe"),
    ({"question.md": "{{ choices.append(1) }}"}, "'append' of 'list' object is unsafe"),
    ({"question.md": "{{ range(10 ** 9) | list }}"}, "Range too big"),
    ({"question.md": "{% include '../secret.md' %}"}, r"beside it only, not '\.\./secret\.md'"),
    ({"question.md": "{% include '/etc/hostname' %}"}, r"beside it only, not '/etc/hostname'"),
    ({"question.md": "{% include './revise.md' %}"}, r"beside it only, not '\./revise\.md'"),
    ({"question.md": "{% extends '../secret.md' %}"}, "beside it only"),
    ({"question.md": "{% import '../secret.md' as x %}"}, "beside it only"),
    ({"question.md": "{% include ['../secret.md', 'revise.md'] %}"}, "beside it only"),
    ({"question.md": "{% include '../secret.md' ignore missing %}"}, "beside it only"),
    ({"question.md": "{% include '..' %}"}, "cannot read .*Is a directory"),
    ({"question.md": "{% include '' %}"}, "cannot read .*Is a directory"),
]


@pytest.mark.parametrize(("files", "said"), BROKEN)
def test_broken_protocols_say_where(
    own: Own, tmp_path: Path, files: dict[str, str | bytes | None], said: str
) -> None:
    (tmp_path / "secret.md").write_text("a secret")
    with pytest.raises(UsageError, match=said) as caught:
        load(own(**files))
    assert "a secret" not in str(caught.value)
    # Which file, in which folder: there may be several.
    assert (
        "mine" in str(caught.value)
        or "cannot be compiled" in str(caught.value)
        or "NAME" in str(caught.value)
    )


def test_a_file_of_exactly_a_mebibyte_is_read(own: Own) -> None:
    assert len(sent(load(own(**{"question.md": "x" * (1 << 20)})), rollout("A"))[0][0].text) == 1 << 20


# Names


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "introspekt",
            r"no protocol named 'introspekt'; did you mean 'introspect'\? Known: aggregate, decide, intro",
        ),
        ("Paper", r"no protocol named 'Paper'; did you mean 'paper'\?"),
        ("SAMPLES", "did you mean 'sample'"),
        (
            "zzz",
            r"no protocol named 'zzz'\. Known: aggregate, decide, introspect, paper, refine, "
            r"revise-answer, sample, single-call, "
            r"or the path of a folder with a protocol\.toml, such as \./mine$",
        ),
        ("two  spaces", "no protocol named 'two  spaces'"),
        ("", r"no protocol named ''\."),
        ("roles", "no protocol named 'roles'"),
        (".", "no protocol named"),
        ("..", "no protocol named"),
        ("~", "no protocol named"),
        ("mine", "no protocol named 'mine'"),
        ("./none", r"no protocol named '\./none'"),
        ("./mine/question.md", "no protocol named"),
        ("introspect/", "no protocol named"),
        ("~nobody-of-that-name/mine", "names nobody's home"),
        ("./" + "x" * 300, "cannot open .* too long"),
    ],
)
def test_names_that_are_none(own: Own, monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    monkeypatch.chdir(Path(own()).parent)
    with pytest.raises(UsageError, match=said):
        load(name)


def test_a_bare_name_never_opens_a_folder(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `rise.toml` comes from strangers and may name a protocol: one of ours, never one beside it."""
    mine = Path(own())
    mine.rename(mine.with_name("paper"))
    monkeypatch.chdir(mine.parent)
    assert load("paper").folder == home() / "paper"
    assert load("./paper").description == "mine"


def test_ways_to_write_a_folder(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Path(own())
    monkeypatch.setenv("HOME", str(mine.parent))
    monkeypatch.chdir(mine)
    for name in (str(mine), f"{mine}/", "~/mine", "../mine", "./", "../mine/."):
        assert load(name).name == "mine"


# The wheel


def test_the_wheel_is_told_to_carry_the_prompts() -> None:
    """What is in a wheel that was built is compared by `tests/wheel_prompts.py`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    target = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert target["packages"] == ["src/rise_cli"]
    assert target["force-include"] == {"prompts": "rise_cli/_prompts"}
    assert not (ROOT / "src" / "rise_cli" / "_prompts").exists()
    assert home() == ROOT / "prompts"


def test_the_comparison_with_a_wheel(tmp_path: Path) -> None:
    files = {path.relative_to(home()).as_posix(): path.read_bytes() for path in home().rglob("*.*")}

    def wheel(contents: dict[str, bytes]) -> Path:
        with ZipFile(tmp_path / "x.whl", "w") as archive:
            archive.writestr("rise_cli/__init__.py", "")
            for name, content in contents.items():
                archive.writestr(f"rise_cli/_prompts/{name}", content)
        return tmp_path / "x.whl"

    assert differences(wheel(files)) == []
    changed = {**files, "paper/revise.md": b"x", "more.md": b""}
    del changed["sample/question.md"]
    assert differences(wheel(changed)) == [
        "different: paper/revise.md",
        "in excess: more.md",
        "missing: sample/question.md",
    ]
    assert len(differences(wheel({}))) == len(files)


def test_a_call_may_see_an_attempt_of_any_place() -> None:
    """What is shown is what the call names, in its order; nothing is taken from `done` besides."""
    done = rollout("A B", "C D")
    call = Call(1, 3, sees=(Place(1, 2), Place(2, 1)))
    shown = messages(load("introspect"), Policy(), PROBLEM, call, done)
    assert [m.text for m in shown if m.role == "assistant"] == [
        "C in turn 1 of chain 2",
        "B in turn 2 of chain 1",
    ]
