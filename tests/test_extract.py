"""Reading answers: every notation the method promises, what looks like one and is none, and hostile text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_cli.core.domain import Kind
from rise_cli.core.extract import fix_kind, read_answer

AUTO, NUMBER, CHOICE, MATH, TEXT = Kind.AUTO, Kind.NUMBER, Kind.CHOICE, Kind.MATH, Kind.TEXT
ABCD = ("A", "B", "C", "D")

AUTO_REPLIES = [
    ("<answer>18</answer>", "18"),
    ("<answer>1</answer> x <ANSWER> 2 </ANSWER>", "2"),
    ("<answer>42", "42"),
    ("<answer>18</answer> so \\boxed{19}", "18"),
    ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
    ("\\boxed{\\{1,2\\}}", "\\{1,2\\}"),
    ("x \\boxed{1} y \\fbox{2}", "2"),
    ("\\boxed{x \\boxed{4}}", "4"),
    ("$\\boxed{18}$.\nAnswer: 19", "18"),
    ("\\boxed{12 unbalanced\nAnswer: 3", "3"),
    ("Answer: 4", "4"),
    ("**Answer:** 4", "4"),
    ("**Answer**: 4", "4"),
    ("**Answer: 4**", "4"),
    ("Answer: **4**", "4"),
    ("### Answer: 4", "4"),
    ("### Answer\n4", "4"),
    ("**Answer**\n\n4", "4"),
    ("> Answer: 4", "4"),
    ("- Answer: 4.", "4"),
    ("Final answer: Paris.", "Paris"),
    ("The final answer is: $18$.", "18"),
    ("So the answer is 18.", "18"),
    ("The answer is 3.5. I am sure.", "3.5"),
    ("The answer is **Paris**, because it is.", "Paris"),
    ("A: 4", "4"),
    ("Q: 2+2?\nA: 4", "4"),
    ("答案：4", "4"),
    ("答案是４。", "４"),
    ("最终答案：**巴黎**", "巴黎"),
    ("Ａｎｓｗｅｒ：４", "４"),
    ("所以答案为 18。", "18"),
    ("答：18", "18"),
    ("Answer:\n18", "18"),
    ("Answer:\n\n**18**\n\nConfidence: 0.9", "18"),
    ("Answer:\n\\[\nx = 5\n\\]", "x = 5"),
    ("Answer:\n```\n42\n```", "42"),
    (
        "Answer:\n```python\ndef f(x):\n\n    return x+1\n```\nConfidence: 95%",
        "def f(x):\n\n    return x+1",
    ),
    ("The answer is:\n```\nanswer = 1\nprint(answer)\n```\nIt works.", "answer = 1\nprint(answer)"),
    ("Answer: ~~~\na\nb\n~~~", "a\nb"),
    ("Answer: ```x = 1```", "x = 1"),
    ("Answer:\n```\n42", "42"),
    ("Answer:\n\\[\nx = 1,\\\\\ny = 2\n\\]\nConfidence: 1", "x = 1,\\\\\ny = 2"),
    ("Answer:\n$$\nx\n= 1\n$$", "x\n= 1"),
    ("Answer:\n- a\n- b\n- c", "- a\n- b\n- c"),
    ("**Answer**\n- a\n- b\n**Confidence**\n90%", "- a\n- b"),
    ("Answer:\n- 3\n- 4\n\nBoth fit.\nConfidence: 0.9", "- 3\n- 4"),
    ("The answer is as follows:\n\nx\ny", "x\ny"),
    ("Answer:\nParis\nBecause it is.", "Paris"),
    ("Answer:\nParis\n**Explanation:** it is.", "Paris"),
    ("Answer:\n18\nThere are 18 eggs.", "18"),
    ("Answer: Paris\nIt is.", "Paris"),
    ("I think the answer is\nParis I guess\nor Rome", "Paris I guess"),
    ("#### 18", "18"),
    ("#### Step 1\nfoo\nbar", "#### Step 1\nfoo\nbar"),
    ("Answer: Paris (confidence: 90%)", "Paris"),
    ("Answer: 18, Confidence: 0.9", "18"),
    ("Answer: 18 | Confidence: 90%", "18"),
    ("Answer: Paris; I am 90% confident.", "Paris"),
    ("Answer: Paris (90% confident)", "Paris"),
    ("Answer: Confidence: 0.9", None),
    ("Answer: <your answer>", None),
    ('End your reply with two lines: "Answer:" with the answer, and "Confidence:" with a percentage.', None),
    ("Answer: with the letter alone, one of A, B, C, and", None),
    ("答案：（这一轮的答案）", None),
    ("答案：（这一轮的答案，只写字母，即 A、B 之一）", None),
    ("<answer>your answer</answer>", None),
    ("Answer: [answer]", None),
    ("Answer: ...", None),
    ("\\boxed{answer}", None),
    ("<answer>...</answer>\nAnswer: 5", "5"),
    ("<think>Answer: 3</think>It is 4.\nAnswer: 4", "4"),
    ("<think>\\boxed{3}</think>Answer: 4", "4"),
    ("<think>foo</think>Paris", "Paris"),
    ("<think>Answer: 3</think>", "3"),
    ("Answer: 3</think>Answer: 4", "4"),
    ("Hello\nworld\n**Confidence:** high", "Hello\nworld"),
    ("", None),
    ("My previous answer is correct. So 18.\nAnswer: 18", "18"),
    ("Previous answer: 17\nNew answer: 18", "18"),
    ("Answer: 18\nThe answer is correct.", "18"),
    ("Answer: 18\nMy answer is still 18.", "18"),
    ("Answer: 17\nWait. The answer is 18.", "18"),
    ("Answer: 18\nPlease check if the answer is 19", "18"),
    ("Final Answer: The final answer is $18$. I hope it is correct.", "18"),
    ('{"answer": "18", "confidence": 0.9}', "18"),
    ('{"reasoning": "x", "answer": 18, "confidence": 0.9}', "18"),
    ('```json\n{\n "answer": "Paris",\n "confidence": 0.9\n}\n```', "Paris"),
    ("The answer is as follows:\n\n42", "42"),
    ("Answer: U.S.", "U.S."),
    ("Answer: $5 and $6", "$5 and $6"),
    ('Answer: "Paris"', "Paris"),
    ("Answer: `x = 1`", "x = 1"),
    ("Answer (in dollars): 18", "18"),
    ("Answer: 18\n\nConfidence: 0.9\n", "18"),
    ("<answer>\n```python\nprint(1)\n```\n</answer>", "print(1)"),
    ("Answer: A", "A"),
    ("The answer is Dr. Smith. He knows.", "Dr. Smith"),
    ("The answer is J. Smith. He knows.", "J. Smith"),
    ("Answer: 2*3*4", "2*3*4"),
    ("Answer: __init__", "__init__"),
    ("**Final Answer:**\n\n$$\\boxed{5}$$", "5"),
    ("__Answer:__ 4", "4"),
    ("***Answer:*** 4", "4"),
    ("Answer : 4", "4"),
    ("The answer is yes", "yes"),
    ("ANSWER: YES", "YES"),
    ("Answer: No, 91 = 7 * 13.", "No, 91 = 7 * 13"),
    ("**Answer: The capital is Paris.**", "The capital is Paris"),
    ("I am 90% confident that it is Paris.", "I am 90% confident that it is Paris."),
    ("The answer is correct.", "The answer is correct."),
    ("The answer is No. Because 91 is 7 * 13.", "No"),
    ("Answer: your answer\nConfidence: a number from 0% to 100%", None),
    ("Answer: 5\nConfidence: a number from 0% to 100%", "5"),
    ("\\boxed{}", None),
    ("<answer></answer>", None),
    ("<answer>4</answer> <answer> </answer>", "4"),
    ("**Answer: No**\n**Confidence: 99%**", "No"),
    ("Confidence: 0.9", None),
    ("Paris\n\nMy confidence in this answer is 85%.", "Paris"),
    ("Paris\nConfidence:\n90%", "Paris"),
]

NUMBER_REPLIES = [
    ("work\n#### 1,234", "1,234"),
    ("Answer:\n18\nThat is 3 times 6.", "18"),
    ("<answer>The answer is 18 dollars</answer>", "18"),
    ("Answer: $18", "18"),
    ("Answer: 18 dollars", "18"),
    ("Answer: 3 + 4 = 7", "7"),
    ("Answer: x = -5", "-5"),
    ("Answer: \\sqrt{3}", "\\sqrt{3}"),
    ("Answer: 18 apples and 3 pears", "18 apples and 3 pears"),
    ("Answer: 50%", "50%"),
    ("Answer: 5 million", "5 million"),
    ("Answer: \\frac{1}{2}", "\\frac{1}{2}"),
    ("We get 3, then 4, so 18 eggs.\nConfidence: 90%", "18"),
    ("It costs $1,234.50.", "1,234.50"),
    ("minus: −5", "-5"),
    ("3-5", "5"),
    ("H2O is 3rd", None),
    ("It is 1/2.", "1/2"),
    ("nothing", None),
    ("Total 50%", "50%"),
    ("I am 90% confident that it is 18", "18"),
    ("Answer: the number alone", None),
    ("Answer: 5 (five).", "5"),
    ("Answer: ~18", "18"),
    ("Answer: 2^10", "2^10"),
    ("1. First, 3 apples\n2. Then we stop", "3"),
    ("<answer>none</answer> of the 3", "none"),
    ("It was 3 1/2 cups", "3 1/2"),
    ("共18个", "18"),
]

CHOICE_REPLIES = [
    ("Answer: (B) Paris", "B"),
    ("Answer: b", "B"),
    ("Answer: b) Paris", "B"),
    ("Answer:\nC\nA is wrong.", "C"),
    ("The answer is B.", "B"),
    ("The correct answer is option C", "C"),
    ("\\boxed{\\text{(D)}}", "D"),
    ("\\boxed{B}", "B"),
    ("I choose B) because", "B"),
    ("A dog is B", "B"),
    ("Not A but B? It's C.", "C"),
    ("选B。", "B"),
    ("A: Paris\nB: Rome\nAnswer: B", "B"),
    ("B", "B"),
    ("A", "A"),
    ("Answer: A and B", "A and B"),
    ("Answer: A dog", "A dog"),
    ("The answer is (A).", "A"),
    ("**B**", "B"),
    ("Answer: Ｂ", "B"),
    ("Answer: B, Paris", "B"),
    ("Answer: B Paris", "B"),
    ("none", None),
    ("Answer: the letter alone, one of A, B, C, D", None),
    ("Answer: a, c, and d", "a, c, and d"),
    ("Answer: A, C", "A, C"),
    ("The final answer is $\\boxed{(B)}$.", "B"),
    ("I think A is right", "A"),
    ("I would say a B", "B"),
]

MATH_REPLIES = [
    ("Therefore $x = \\frac{1}{2}$ is it", "x = \\frac{1}{2}"),
    ("2\\sqrt{2}", "2\\sqrt{2}"),
    ("So we get 18 in the end\nyes", "18"),
    ("\\[ x^2 \\]\nok then", "x^2"),
    ("Answer: $\\frac{1}{2}$", "\\frac{1}{2}"),
    ("Answer: 2\\sqrt{3}.", "2\\sqrt{3}"),
    ("no solution", "no solution"),
    ("Costs go up.\nWe find $$\nx+1\n$$\nas wanted", "x+1"),
    ("\\( a \\) then \\( b \\) end it all", "b"),
]

TEXT_REPLIES = [
    ("Paris.\n\nConfidence: 80%", "Paris."),
    ("Answer: Paris", "Answer: Paris"),
    ("  Hello  ", "Hello"),
    ("  \n", None),
    ("I think.\n<answer>x</answer>", "I think.\n<answer>x</answer>"),
    ("<think>hm</think>\nHello", "Hello"),
    ("Confidence: 90%", None),
    ("Hello\nI am 90% confident in my answer.", "Hello"),
]


@pytest.mark.parametrize(("reply", "answer"), AUTO_REPLIES)
def test_auto(reply: str, answer: str | None) -> None:
    assert read_answer(reply, AUTO) == answer


@pytest.mark.parametrize(("reply", "answer"), NUMBER_REPLIES)
def test_number(reply: str, answer: str | None) -> None:
    assert read_answer(reply, NUMBER) == answer


@pytest.mark.parametrize(("reply", "answer"), CHOICE_REPLIES)
def test_choice(reply: str, answer: str | None) -> None:
    assert read_answer(reply, CHOICE, ABCD) == answer


@pytest.mark.parametrize(("reply", "answer"), MATH_REPLIES)
def test_math(reply: str, answer: str | None) -> None:
    assert read_answer(reply, MATH) == answer


@pytest.mark.parametrize(("reply", "answer"), TEXT_REPLIES)
def test_text(reply: str, answer: str | None) -> None:
    assert read_answer(reply, TEXT) == answer


def test_an_explicit_choice_without_letters_takes_any() -> None:
    assert read_answer("The answer is (G).", CHOICE, ()) == "G"
    assert read_answer("I like G. But I choose X.", CHOICE, ()) == "X"


QUESTIONS = [
    ("Which?\nA) x\nB) y\nC) z", "ABC"),
    ("Which?\n(A) x\n(B) y", "AB"),
    ("A. x\nB. y\nC. z\nD. w", "ABCD"),
    ("A: x\nB: y", "AB"),
    ("Is it (A) red (B) blue", "AB"),
    ("Is it A) red B) blue?", "AB"),
    ("Ａ．红\nＢ．蓝", "AB"),
    ("（A）红（B）蓝（C）绿", "ABC"),
    ("哪个？A. 红 B. 蓝 C. 绿", "ABC"),
    ("A、红\nB、蓝", "AB"),
    ("Who is A. Smith?", ""),
    ("Which foods have vitamin A?", ""),
    ("Articles by A. Smith, B. Jones and C. Brown", ""),
    ("A: hi\nB: hello\nA: bye", ""),
    ("A) only", ""),
    ("- **A)** foo\n- **B)** bar", "AB"),
    ("a) compute x\nb) compute y", ""),
    ("What did A. A. Milne write?", ""),
    ("Question: foo?\nOptions: A. x B. y C. z", "ABC"),
    ("Points (A) and (B) lie on a line", ""),
    ("(A) 1 (B) 2 (C) 3 (D) 4 (E) 5", "ABCDE"),
    ("f(A) = 3 and g(B) = 4", ""),
    ("*A.* foo\n*B.* bar", "AB"),
    ("A.\\(x\\)\nB.\\(y\\)", "AB"),
    ("A.5\nB.6", "AB"),
    ("[A] x\n[B] y", "AB"),
    ("Plan A: go. Plan B: stay", ""),
    ("Is it A or B?", ""),
    ("Vitamin A) or B)?", ""),
    ("Is it (A) or (B)?", ""),
    ("Which?\na) red\nb) blue\nc) green", "ABC"),
    ("Which?\n(a) red\n(b) blue\n(c) green\n(d) grey", "ABCD"),
    ("a) compute x\nb) compute y\nc) find z", ""),
    ("Take a cube.\na) its volume?\nb) its area?\nc) its edge?", ""),
    ("Which is bigger? A. 5 B. 6", "AB"),
    ("Example\nA) 1\nB) 2\nC) 3\n\nQuestion\nA) 4\nB) 5", "AB"),
]


@pytest.mark.parametrize(("question", "letters"), QUESTIONS)
def test_lettered_options_make_a_choice(question: str, letters: str) -> None:
    assert fix_kind(AUTO, question) == (CHOICE if letters else AUTO, tuple(letters))
    assert fix_kind(CHOICE, question) == (CHOICE, tuple(letters))


@pytest.mark.parametrize("kind", [NUMBER, MATH, TEXT])
def test_an_explicit_kind_stays(kind: Kind) -> None:
    assert fix_kind(kind, "Which?\nA) 1\nB) 2") == (kind, ())


# Pieces that mean something to the reader, so that random text meets its patterns.
PIECES = ["<answer>", "</answer>", "\\boxed{", "{", "}", "Answer:", "Answer", "The answer is ", "A:"]
PIECES += ["答案：", "#### ", "\n", "**", "$", "\\(", "\\)", "18", "1,234", "-", "1/2", "%", "(B)", "A "]
PIECES += [" ", "Confidence: ", "90%", "high", "```\n", "<think>", "</think>", "<your answer>", "．"]
PIECES += ["\ud800", "\x00", '"', ".", "I am 90% confident"]
REPLIES = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=25).map("".join))


@given(REPLIES, st.sampled_from(Kind), st.sampled_from([(), ABCD]))
def test_reading_never_fails_and_never_returns_blanks(
    reply: str, kind: Kind, choices: tuple[str, ...]
) -> None:
    answer = read_answer(reply, kind, choices)
    assert answer is None or answer.strip()


@given(st.text())
def test_any_question_has_a_kind(question: str) -> None:
    kind, letters = fix_kind(AUTO, question)
    assert (kind is CHOICE) == (len(letters) >= 2)


BRACED = st.recursive(
    st.text("abx12+", min_size=1, max_size=5),
    lambda inner: inner.map(lambda text: "{" + text + "}y"),
    max_leaves=8,
)


@given(BRACED)
def test_nested_braces_round_trip(content: str) -> None:
    assert read_answer(f"so $\\boxed{{{content}}}$ }} it is", AUTO) == content


@given(st.integers(-(10**12), 10**12))
def test_a_marked_integer_is_read_back(number: int) -> None:
    for reply in (
        f"Answer: {number}",
        f"It is \\boxed{{{number:,}}}.",
        f"<answer>{number}</answer>",
        f"#### {number}",
    ):
        answer = read_answer(reply, NUMBER)
        assert answer is not None
        assert int(answer.replace(",", "")) == number


HOSTILE = [
    "{",
    "\\boxed{",
    "<answer>",
    "</answer>",
    "<answer></answer>",
    "</think>",
    " ",
    "\n",
    "1,",
    "1 ",
    "answer ",
    "Answer: ",
]
HOSTILE += ["\\(", "$", "confidence ", "Confidence: 1", "A. ", "(A) ", "*", "\u0301", "#### ", "A:\n", "9% "]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_megabyte_is_read(piece: str) -> None:
    # Quadratic time would take hours here: the test then never ends.
    reply = piece * (1_000_000 // len(piece)) + "\nAnswer: 5"
    assert read_answer(reply, NUMBER) == "5"
    fix_kind(AUTO, reply)
