"""Comparing answers: canonical forms, what only mathematics can tell, and the child that is asked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_cli.compare import Comparer
from rise_cli.core.canonical import canonical, equal
from rise_cli.core.domain import Kind

AUTO, NUMBER, CHOICE, MATH, TEXT = Kind.AUTO, Kind.NUMBER, Kind.CHOICE, Kind.MATH, Kind.TEXT


@pytest.fixture(scope="module")
def comparer() -> Iterator[Comparer]:
    with Comparer() as comparer:
        yield comparer


NUMBERS = [
    (
        "1/2",
        ["0.5", ".5", "½", "5e-1", "2/4", "0.50", "\\frac{1}{2}", "$\\dfrac12$", "50/100", "1/2.", "０．５"],
    ),
    (
        "1234",
        [
            "1,234",
            "1 234",
            "1'234",
            "１，２３４",
            "1,234.00",
            "1.234e3",
            "1234 dollars",
            "\\$1,234",
            "1{,}234",
        ],
    ),
    ("-5", ["−5", "–5", "- 5", "$-5", "-$5", "about -5", "\\(-5\\)"]),
    (
        "18",
        [
            "$18",
            "18 dollars",
            "18 Dollars",
            "€18",
            "18 €",
            "18 USD",
            "USD 18",
            "18元",
            "18 eggs",
            "18.",
            "**18**",
        ],
    ),
    (
        "18",
        [
            "about 18",
            "~18",
            "≈ 18",
            "约18个",
            "approximately 18 km",
            "18 km/h",
            "18km",
            "18 m²",
            "18 cm^2",
            "'18'",
        ],
    ),
    ("18", ["18\\text{ dollars}", "18^\\circ", "18°", "18 °C", "= 18", "+18", "018", "18.000", "18 per day"]),
    ("7/2", ["3 1/2", "3½", "3\\frac{1}{2}", "3.5", "3.5 hours", "350 * 10^-2"]),
    (
        "5000000",
        [
            "5 million",
            "5e6",
            "5 × 10^6",
            "5 \\times 10^{6}",
            "5,000,000",
            "5 million dollars",
            "5·10⁶",
            "500万",
        ],
    ),
    ("1000", ["10^3", "10³", "1e3", "1 thousand", "1000"]),
    ("1/2", ["50%", "50 percent", "50\\%", "50 per cent", "５０％", "0.5"]),
]


@pytest.mark.parametrize(("value", "notations"), NUMBERS)
def test_numbers_have_one_form(value: str, notations: list[str]) -> None:
    assert {canonical(text, AUTO) for text in notations} == {value}
    assert {canonical(text, NUMBER) for text in notations} == {value}


NO_NUMBERS = [
    "18 apples and 3 pears",
    "12 Angry Men",
    "10 pm",
    "4 July",
    "44 BC",
    "5 or 6",
    "5 and a half",
    "2x",
]
NO_NUMBERS += [
    "2k",
    "1,2",
    "1,2345",
    "3/4/2024",
    "5!",
    "16\\pi",
    "1/0",
    "3rd",
    "5月",
    "",
    "x",
    "5-7",
    "1.2.3",
    "2 sqrt 3",
]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_more_than_a_number_is_none(text: str) -> None:
    assert re.fullmatch(r"-?\d+(/[1-9]\d*)?", canonical(text, AUTO)) is None


@pytest.mark.parametrize(
    "text", ["1e999999999", "10^999999999", "9" * 5_000, "1e-99999", "1" * 900 + "/" + "7" * 900]
)
def test_huge_numbers_are_text(text: str) -> None:
    assert canonical(text, NUMBER) == text
    assert equal(text, text.upper(), NUMBER)


TEXTS = [
    (
        "paris",
        [
            "Paris",
            "PARIS.",
            " Paris ",
            '"Paris"',
            "“Paris”",
            "**Paris**",
            "*Paris*.",
            "Ｐａｒｉｓ",
            "`Paris`",
            "「Paris」",
        ],
    ),
    ("new york", ["New  York", "new\nyork", "New\u00a0York.", "_New York_", "New **York**", "«New York»"]),
    ("rock 'n' roll", ["Rock ’n’ Roll", "rock 'n' roll"]),
    ("巴黎", ["巴黎。", "“巴黎”", " 巴黎"]),
    ("strasse", ["Straße", "STRASSE"]),
    ("café", ["Café", "Cafe\u0301"]),
    ("yes", ["Yes", "yes.", "Yes!", "**Yes**,", "YES"]),
]


@pytest.mark.parametrize("kind", [AUTO, TEXT])
@pytest.mark.parametrize(("form", "spellings"), TEXTS)
def test_text_has_one_form(form: str, spellings: list[str], kind: Kind) -> None:
    assert {canonical(text, kind) for text in spellings} == {form}


CHOICES = [
    (
        "B",
        [
            "B",
            "b",
            "(b)",
            "[B]",
            "B.",
            "B)",
            "**B**",
            "(B) Paris",
            "B: Paris",
            "Option B",
            "\\text{B}",
            "Ｂ",
            "$B$",
        ],
    ),
    ("A,C", ["A, C", "C and A", "(a), (c)", "A和C", "\\text{A,C}"]),
    ("a dog", ["A dog", "a dog."]),
]


@pytest.mark.parametrize(("form", "spellings"), CHOICES)
def test_choices_have_one_form(form: str, spellings: list[str]) -> None:
    assert {canonical(text, CHOICE) for text in spellings} == {form}


# What spelling alone can tell, and (None) what it leaves to mathematics.
CHEAP = [
    ("50%", "0.5", NUMBER, True),
    ("50%", "50", NUMBER, False),
    ("50%", "50", AUTO, False),
    ("50", "0.5", NUMBER, False),
    ("50%", "0.5%", NUMBER, False),
    ("1/3", "0.333333", NUMBER, False),
    ("18.0000000000000001", "18", MATH, False),
    ("x + 1", "x+1", MATH, True),
    ("\\left(0, 1\\right)", "(0,1)", MATH, True),
    ("\\dfrac{x}{2}", "\\frac{x}{2}", AUTO, True),
    ("√2", "\\sqrt{2}", AUTO, True),
    ("x²", "x^{2}", AUTO, True),
    ("\\text{Yes}", "yes.", AUTO, True),
    ("Paris", "London", AUTO, False),
    ("even", "neve", MATH, False),
    ("well-known", "known-well", AUTO, False),
    ("2024-01-05", "2024-05-01", AUTO, False),
    ("3:4", "4:3", AUTO, False),
    ("1, 2", "2, 1", AUTO, False),
    ("x^2+y^2=1", "1", MATH, False),
    ("\\sqrt{8}", "2\\sqrt{2}", TEXT, False),
    ("\\sqrt{8}", "2\\sqrt{2}", CHOICE, False),
    ("\\sqrt{8}", "x" * 600, MATH, False),
    ("\\sqrt{8}", "2\\sqrt{2}", AUTO, None),
    ("x=5", "5", AUTO, None),
    ("\\sqrt{4}", "2", NUMBER, None),
    ("{1,2}", "(1,2)", AUTO, False),
    ("\\{1,2\\}", "[1,2]", AUTO, False),
    ("(x+1)(x+2)", "x^2+3x+2", AUTO, None),
    ("{1,2}", "(1,2)", MATH, None),
    ("9 am", "9 pm", MATH, None),
]
NOT_ALGEBRA = [
    ("9 am", "9 pm"),
    ("12 AM", "12 PM"),
    ("9 a.m.", "9 p.m."),
    ("8:30 am", "8:30 pm"),
    ("44 BC", "44 AD"),
    ("8:30", "30:8"),
    ("H2", "2H"),
    ("O2", "2O"),
    ("$H2$", "$2H$"),
    ("Fe2O3", "Fe3O2"),
    ("CH4", "C4H"),
    ("A1", "1A"),
    ("R2D2", "D2R2"),
    ("e4 e5", "e5 e4"),
    ("x y", "y x"),
    ("AB", "BA"),
    ("CO", "OC"),
]


@pytest.mark.parametrize("kind", [AUTO, NUMBER])
@pytest.mark.parametrize(("a", "b"), NOT_ALGEBRA)
def test_what_only_looks_like_algebra_is_told_by_spelling(a: str, b: str, kind: Kind) -> None:
    assert equal(a, b, kind) is False
    assert equal(b, a, kind) is False
    assert equal(a, a.swapcase(), kind) is True


@pytest.mark.parametrize(("a", "b", "kind", "told"), CHEAP)
def test_what_spelling_can_tell(a: str, b: str, kind: Kind, told: bool | None) -> None:
    assert equal(a, b, kind) is told
    assert equal(b, a, kind) is told


SAME = [
    ("\\frac{1}{2}", "0.5"),
    ("\\sqrt{8}", "2\\sqrt{2}"),
    ("√8", "2√2"),
    ("sqrt(8)", "2*sqrt(2)"),
    ("x^2+2x+1", "(x+1)^2"),
    ("x**2 + 2*x + 1", "$(1+x)^2$"),
    ("\\{1, 2\\}", "\\{2,1\\}"),
    ("(-\\infty, 2) \\cup (3, \\infty)", "(3,\\infty)\\cup(-\\infty,2)"),
    ("0<x<1", "(0,1)"),
    ("[46, ∞)", "x \\ge 46"),
    ("\\frac{\\pi}{2}", "π/2"),
    ("2^{10}", "1024"),
    ("2\\sqrt{3}\\text{ cm}", "2\\sqrt{3}"),
    ("x = 5", "5"),
    ("3 + 4i", "4i + 3"),
    ("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "\\begin{bmatrix}1\\\\2\\end{bmatrix}"),
    ("5!", "120"),
    ("\\frac{x y}{2}", "\\frac{y x}{2}"),
    ("x>1 or x<-1", "x<-1 or x>1"),
    ("sin x + 1", "1 + sin x"),
    ("2xy+1", "1+2yx"),
    ("x_1+1", "1+x_1"),
]
DIFFERENT = [
    ("\\sqrt{8}", "3\\sqrt{2}"),
    ("x^2+1", "(x+1)^2"),
    ("(1,2)", "(2,1)"),
    ("[0,1)", "(0,1]"),
    ("x=5", "y=5"),
    ("3.14", "\\pi"),
    ("2x", "2"),
    ("\\frac{1}{0}", "\\sqrt{x}"),
    ("\\frac{", "\\sqrt{2}"),
]


@pytest.mark.parametrize("kind", [AUTO, MATH])
@pytest.mark.parametrize(
    ("a", "b", "same"), [(*pair, True) for pair in SAME] + [(*pair, False) for pair in DIFFERENT]
)
def test_mathematics(comparer: Comparer, a: str, b: str, same: bool, kind: Kind) -> None:
    assert comparer.same(a, b, kind) is same
    assert comparer.same(b, a, kind) is same


def test_a_list_in_another_order_is_the_same_set_only_for_mathematics(comparer: Comparer) -> None:
    assert comparer.same("1, 2", "2, 1", MATH)
    assert not comparer.same("1, 2", "2, 1", AUTO)


def test_a_pair_that_hangs_is_different_and_the_next_one_works() -> None:
    with Comparer(limit_s=0.5) as comparer:
        assert not comparer.same("9^{9^{9^{9}}}", "9^{9^{9^{8}}}", MATH)
        assert comparer.same("\\sqrt{8}", "2\\sqrt{2}", MATH)


def test_an_answer_that_overran_is_not_asked_about_again() -> None:
    with Comparer(limit_s=0.5) as comparer:
        assert comparer.same("x+1", "1+x", MATH)
        assert not comparer.same("100000000!", "x+1", MATH)
        assert not comparer.same("100000000!", "\\frac{2\\cdot 100000000!}{2}", MATH)
        assert comparer.same("100000000!", "$100000000!$", MATH)
        assert comparer.same("x+1", "\\frac{2x+2}{2}", MATH), "the other answer of the pair was not to blame"


def test_works_from_several_threads_at_once(comparer: Comparer) -> None:
    def ask(n: int) -> bool:
        return comparer.same(f"x+{n}", f"{n + n % 2}+x", MATH)

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(ask, range(12)))
    assert told == [n % 2 == 0 for n in range(12)]


def test_after_close_another_child_is_started() -> None:
    comparer = Comparer()
    assert comparer.same("\\sqrt{2}", "2/\\sqrt{2}", MATH)
    comparer.close()
    comparer.close()
    assert comparer.same("\\sqrt{3}", "3/\\sqrt{3}", MATH)
    comparer.close()


def python(code: str, **more: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **more},
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def test_cheap_comparison_imports_nothing_and_starts_nobody() -> None:
    printed = python(
        "import sys\n"
        "sys.addaudithook(lambda event, _: print(event) if event == 'subprocess.Popen' else None)\n"
        "from rise_cli.compare import Comparer\n"
        "from rise_cli.core.domain import Kind\n"
        "with Comparer() as comparer:\n"
        "    print(comparer.same('1/2', '0.5', Kind.AUTO), comparer.same('a', 'b', Kind.AUTO))\n"
        "print(sorted({'sympy', 'math_verify'} & set(sys.modules)))\n"
    )
    assert printed == "True False\n[]\n"


def test_mathematics_stays_out_of_our_process_and_an_unclosed_child_is_ended_silently() -> None:
    printed = python(
        "import sys, warnings\n"
        "warnings.simplefilter('error')\n"
        "from rise_cli.compare import Comparer\n"
        "from rise_cli.core.domain import Kind\n"
        "print(Comparer().same('\\\\sqrt{8}', '2\\\\sqrt{2}', Kind.MATH))\n"
        "kept = Comparer()\n"
        "print(kept.same('\\\\sqrt{8}', '2\\\\sqrt{2}', Kind.MATH))\n"
        "print(sorted({'sympy', 'math_verify'} & set(sys.modules)))\n"
    )
    assert printed == "True\nTrue\n[]\n"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_the_child_ends_with_its_parent_and_is_out_of_reach_of_the_terminal() -> None:
    code = (
        "import time\n"
        "from rise_cli.compare import Comparer\n"
        "from rise_cli.core.domain import Kind\n"
        "comparer = Comparer()\n"
        "print(comparer.same('x+1', '1+x', Kind.MATH), flush=True)\n"
        "time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "True\n"
        child = int(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text())
        assert os.getsid(child) == child
        parent.kill()
        parent.wait()
    while is_running(child):
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("python", ["no/such/python", "false"])
def test_a_child_that_cannot_start_is_said_once_and_spelling_decides(python: str) -> None:
    said: list[str] = []
    with Comparer(notice=said.append, python=python) as comparer:
        assert not comparer.same("\\sqrt{8}", "2\\sqrt{2}", MATH)
        assert not comparer.same("\\sqrt{18}", "3\\sqrt{2}", MATH)
        assert comparer.same("x + 1", "x+1", MATH)
    assert len(said) == 1


PIECES = ["1", "2", "18", "/", ".", ",", "-", "−", "%", " ", "$", "\\frac", "{", "}", "x", "^", "("]
PIECES += [")", "=", "a", "B", "½", "²", "\\text{", "million", " dollars", "**", '"', "“", "_", "。"]
PIECES += ["10^", "e", "√", "π", "\\left", "\\,", "Angry", "é", "ﬁ", "and"]
ANSWERS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))


@given(ANSWERS, st.sampled_from(Kind))
def test_a_canonical_form_is_its_own(answer: str, kind: Kind) -> None:
    form = canonical(answer, kind)
    assert canonical(form, kind) == form
    assert equal(answer, answer, kind) is True
    assert equal(answer, form, kind) is not False


@given(ANSWERS, ANSWERS, st.sampled_from(Kind))
def test_equality_is_symmetric(a: str, b: str, kind: Kind) -> None:
    assert equal(a, b, kind) is equal(b, a, kind)


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_a_decimal_is_the_same_in_every_notation(digits: int, places: int) -> None:
    value = Fraction(digits, 10**places)
    decimal = f"{digits / 10**places:.{places}f}" if abs(digits) < 10**14 else f"{digits}e-{places}"
    notations = [
        decimal,
        f"{digits}e-{places}",
        f"{digits:,}/{10**places}",
        f"about {decimal}",
        f"{decimal} dollars",
    ]
    notations += [
        decimal.replace("-", "−"),
        decimal.translate(str.maketrans("0123456789.", "０１２３４５６７８９．")),
    ]
    notations += [f"\\({digits} \\times 10^{{-{places}}}\\)", f"**{decimal}**"]
    assert {canonical(text, NUMBER) for text in notations} == {str(value)}


@given(st.fractions(max_denominator=10**6))
def test_a_fraction_is_the_same_in_latex(value: Fraction) -> None:
    sign = "-" if value < 0 else ""
    latex = f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    assert canonical(latex, MATH) == canonical(f"${latex}$", AUTO) == str(value)
