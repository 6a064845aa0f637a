"""The page of results as text: what stands in it can end no element, run nothing and fetch nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_rows import row, rows, write
from measuring import measured
from running import Program

from rise_cli.measure.summary import outcomes, summarize
from rise_cli.render.html import charts, page, sections
from rise_cli.render.html.curves import curve
from rise_cli.render.html.embedding import Chunks, in_script
from rise_cli.render.html.entries import FLAGS, flags
from rise_cli.render.html.sections import File

HOSTILE = "</script><script>alert(1)</script><!--<script> ]]> & \u2028\u202e\x00\ud800 {{ 7 * 7 }} $x$"


def _page(*files: Path, title: str | None = None) -> str:
    out = io.BytesIO()
    page.write(files, out, title)
    return out.getvalue().decode()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a file that is hostile throughout, its name included."""
    folder = tmp_path_factory.mktemp("hostile")
    bad = row(HOSTILE, HOSTILE, [HOSTILE, "2"], question=HOSTILE, extra={HOSTILE: HOSTILE}, model=HOSTILE)
    bad["turns"][0]["reply"] = HOSTILE
    bad["settings"]["protocol"] = HOSTILE
    bad["stop_reason"] = HOSTILE
    name = "<img src=x onerror=alert(1)>\u202e.jsonl"
    return _page(write(folder / name, [bad, *rows(3)]), title=HOSTILE)


def _unpack(text: str) -> str:
    return zlib.decompress(base64.b64decode(text), wbits=-15).decode()


def _chunks(text: str, prefix: str) -> list[object]:
    found = re.findall(rf'<script type="text/plain" id="{prefix}\d+">([^<]*)</script>\n', text)
    return [one for chunk in found for one in json.loads(_unpack(chunk))]


@given(st.text(st.characters(codec=None)))
def test_json_in_a_script_ends_no_element_and_comes_back(text: str) -> None:
    held = in_script({"text": text})
    assert held.isascii()
    assert not set(held) & set("<>&")
    assert json.loads(held) == {"text": text}


@given(st.lists(st.text(st.characters(codec=None)), max_size=5))
def test_what_is_packed_comes_back(texts: list[str]) -> None:
    file = io.BytesIO()
    chunks = Chunks(file, "t")
    places = [chunks.add(text) for text in texts]
    chunks.close()
    assert _chunks(file.getvalue().decode("ascii"), "t") == texts
    assert places == [(0, number) for number in range(len(texts))]


def test_a_full_element_is_followed_by_another_and_what_json_has_no_word_for_is_null() -> None:
    file = io.BytesIO()
    chunks = Chunks(file, "t")
    places = [chunks.add({"reply": "x" * 150_000, "cost": float("nan")}) for _ in range(2)]
    chunks.close()
    assert places == [(0, 0), (1, 0)]
    assert _chunks(file.getvalue().decode("ascii"), "t")[1] == {"reply": "x" * 150_000, "cost": None}


def test_the_policy_allows_the_pages_own_script_and_style_by_their_bytes_and_nothing_else(
    hostile: str,
) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', hostile)
    assert policy
    assert policy[1].replace("&#39;", "'").startswith("default-src 'none'; script-src 'sha256-")
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", hostile, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;;" in policy[1]
    assert "unsafe" not in policy[1]


def test_there_are_only_our_elements_and_no_text_became_one(hostile: str) -> None:
    assert len(re.findall("<script", hostile)) == 3  # the list, the transcripts, and the script itself
    assert "<!--" not in hostile
    assert "<img" not in hostile
    assert " style=" not in hostile
    assert not re.search(r"\son\w+=", re.sub(r"<script>.*</script>", "", hostile, flags=re.DOTALL)[:2000])
    assert "49 $x$" not in hostile
    assert not re.search("[\u202a-\u202e\u2028\u2029\ud800-\udfff\x00]", hostile)
    assert "⟨U+202E⟩" in hostile


def test_nothing_is_fetched(hostile: str) -> None:
    assert "http" not in hostile.replace("http-equiv", "")
    assert not re.search(r"@import|<link(?! rel=\"icon\" href=\"data:,\")|<[^>]*\ssrc=|xlink", hostile)
    assert all(link.startswith(("#", "data:,")) for link in re.findall(r'href="([^"]*)"', hostile))


def test_every_id_is_there_once_and_every_reference_leads_to_one(hostile: str) -> None:
    ids = re.findall(r'\sid="([^"]*)"', hostile)
    assert len(ids) == len(set(ids))
    named = re.findall(r'aria-labelledby="([^"]*)"', hostile)
    used = {name for names in named for name in names.split()}
    used |= {one or other for one, other in re.findall(r'url\(#([^)]*)\)|href="#([^"]+)"', hostile)}
    assert used <= set(ids)


def test_drawings_use_the_pages_colours_alone(hostile: str) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", hostile, re.DOTALL))
    assert drawings
    used = set(re.findall(r"var\((--[\w-]+)\)", drawings))
    assert used <= set(re.findall(r"(--[\w-]+):", hostile))
    assert not re.search(r'"#[0-9a-fA-F]{6}"', drawings)


def test_the_transcripts_hold_every_word(hostile: str) -> None:
    first = _chunks(hostile, "t")[0]
    assert isinstance(first, dict)
    assert first["turns"][0]["reply"] == first["question"] == first["reference"] == HOSTILE
    assert first["extra"] == {HOSTILE: HOSTILE}


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.jsonl", rows(5)), write(tmp_path / "b.jsonl", rows(4, turns=2))
    assert _page(one, other) == _page(one, other)


@pytest.mark.parametrize(
    ("right", "chains", "leads", "told"),
    [
        ("A", ["A A"], True, {"right"}),
        ("B", ["A A"], True, {"wrong"}),
        ("B", ["A B B"], True, {"right", "fixed"}),
        ("A", ["A B B"], True, {"wrong", "broken"}),
        ("A", ["A B C"], False, {"right", "unresolved"}),
        (None, ["A A"], True, {"unknown"}),
        (None, ["A B"], False, {"unknown", "unresolved"}),
        ("A", ["-"], False, {"wrong", "failed"}),
        ("A", ["!server"], False, {"failed"}),
    ],
)
def test_what_a_problem_can_be(right: str | None, chains: list[str], leads: bool, told: set[str]) -> None:
    bits = flags(measured("p", right, *chains), leads=leads)
    assert {name for bit, name in enumerate(FLAGS) if bits >> bit & 1} == told


def test_the_curve_follows_the_vote_and_what_it_took() -> None:
    some = [measured("p", "B", "A B B"), measured("q", "A", "A A")]
    spots = [(spot.name, spot.right.value, spot.calls, spot.tokens) for spot in curve(some)]
    assert spots == [  # q took two turns, so a third costs half of one a problem
        ("turn 1", 0.5, 1.0, 120.0),
        ("turn 2", 0.5, 2.0, 240.0),
        ("turn 3", 1.0, 2.5, 300.0),
    ]


def test_the_curve_of_samples_goes_along_the_chains() -> None:
    spots = curve([measured("p", "B", "A", "B", "B")])
    assert [(spot.name, spot.right.value) for spot in spots] == [
        ("1 of 3 samples", 0.0),
        ("2 of 3 samples", 0.0),
        ("3 of 3 samples", 1.0),
    ]


def test_calls_that_are_no_attempts_count_with_the_turns_that_they_serve() -> None:
    given = {"requests": 4, "input_tokens": 400, "output_tokens": 80}
    critiques = measured("p", "A", "A A", **given)  # of which the first turn has none
    assert [(spot.calls, spot.tokens) for spot in curve([critiques])] == [(1.0, 120.0), (4.0, 480.0)]
    ratings = measured("p", "A", "A A", **given, settings={"protocol": "t", "confidence": "asked"})
    assert [(spot.calls, spot.tokens) for spot in curve([ratings])] == [(2.0, 240.0), (4.0, 480.0)]


def test_turns_of_one_reply_cost_one_call_and_are_one_point() -> None:
    one = measured("p", "B", "A B B", requests=1, input_tokens=100, output_tokens=90)
    assert [(spot.name, spot.calls, spot.tokens) for spot in curve([one])] == [("turn 3", 1.0, 190.0)]


def test_every_line_has_a_mark_and_colour_of_its_own() -> None:
    looks = [(charts.sign(number), number % charts.SERIES) for number in range(36)]
    assert len(set(looks)) == len(looks)


def test_of_several_files_each_problem_counts_once() -> None:
    files = [_file("a", ("A", "A")), _file("b", ("A", "A"), ("A", "B"))]
    assert sections.about(files)[0].startswith("2 problems, ")


def test_a_file_that_is_named_twice_is_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", rows(1))
    text = _page(path, path)
    assert f"1: {path}" in text
    assert f"2: {path}" in text


def _file(name: str, *words: tuple[str | None, str]) -> File:
    some = [measured(f"p{number}", right, chain) for number, (right, chain) in enumerate(words)]
    return File(name, summarize(some, name), outcomes(some), curve(some))


@pytest.mark.parametrize(
    ("words", "kind", "word"),
    [
        ([("B", "A B B")] * 20, "helps", "Reconsidering helps"),
        ([("A", "A B B")] * 20, "hurts", "Reconsidering hurts"),
        ([("A", "A A"), ("B", "A B B")], "unknown", "Cannot tell whether reconsidering helps"),
        ([(None, "A B B")], "unknown", "Cannot tell"),
        ([], "unknown", "Cannot tell"),
    ],
)
def test_the_verdict_stands_first(words: list[tuple[str | None, str]], kind: str, word: str) -> None:
    (said,) = sections.verdicts([_file("a", *words)])
    assert (said.kind, said.word) == (kind, word)


def test_of_several_files_the_first_is_what_the_others_are_held_against() -> None:
    one, other = _file("a", *[("A", "B")] * 20), _file("b", *[("A", "A")] * 20)
    (said,) = sections.verdicts([one, other])
    assert (said.kind, said.word) == ("helps", "b is right more often than a")
    assert said.sentence.endswith(" It takes 120 tokens a problem, a 120.")
    table = sections.comparisons([one, other])
    assert table
    assert table.rows[0][:6] == ("a → b", "20", "0", "0", "20", "0")


def test_the_command_writes_the_page_whole(rise: Program) -> None:
    write(rise.folder / "r.jsonl", rows(3))
    result = rise("report", "r.jsonl", "--title", "Three <problems>")
    assert result.code == 0, result.err
    assert "wrote 'report.html': 3 problems" in result.err
    text = (rise.folder / "report.html").read_text(encoding="utf-8")
    assert "<title>Three &lt;problems&gt;</title>" in text
    assert text.endswith("</body>\n</html>\n")
    assert sorted(path.name for path in rise.folder.iterdir()) == ["r.jsonl", "report.html"]


def test_to_stdout_goes_the_page_alone(rise: Program) -> None:
    path = write(rise.folder / "r.jsonl", rows(2))
    result = rise("report", "r.jsonl", "-o", "-")
    assert (result.code, result.err) == (0, "")
    assert result.out == _page(path)


def test_what_is_read_is_not_written_over(rise: Program) -> None:
    path = write(rise.folder / "r.jsonl", rows(2))
    (rise.folder / "link.html").symlink_to(path)
    before = path.read_bytes()
    for out in ("r.jsonl", "./r.jsonl", "link.html"):
        result = rise("report", "r.jsonl", "-o", out)
        assert result.code == 2
        assert f"{out!r} is what is read" in result.err
    assert path.read_bytes() == before


_DAMAGED: list[dict[str, object]] = [
    {"votes": 3},
    {"status": []},
    {"extra": None},
    {"correct": "yes"},
    {"stop_reason": []},
    {"confidence": 3},
    {"cost_usd": "1"},
    {"settings": {"tie": []}},
]


@pytest.mark.parametrize(
    "line", ["{}", "no json", *(json.dumps(row("p", "1", ["1"]) | part) for part in _DAMAGED)]
)
def test_a_line_that_is_no_row_is_named_and_the_page_of_before_stays(rise: Program, line: str) -> None:
    path = write(rise.folder / "r.jsonl", rows(1))
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    (rise.folder / "report.html").write_text("before", encoding="utf-8")
    result = rise("report", "r.jsonl")
    assert result.code == 2
    assert "line 2 of 'r.jsonl'" in result.err
    assert (rise.folder / "report.html").read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in rise.folder.iterdir()) == ["r.jsonl", "report.html"]


@pytest.mark.parametrize("out", [".", "nowhere/report.html"])
def test_where_no_file_can_be_is_said(rise: Program, out: str) -> None:
    write(rise.folder / "r.jsonl", rows(1))
    result = rise("report", "r.jsonl", "-o", out)
    assert result.code == 2
    assert f"cannot write the page to {out!r}" in result.err


def test_a_device_stays_one(rise: Program) -> None:
    write(rise.folder / "r.jsonl", rows(1))
    (rise.folder / "nowhere").symlink_to(os.devnull)
    result = rise("report", "r.jsonl", "-o", "nowhere")
    assert (result.code, result.err) == (0, "rise: wrote 'nowhere': 1 problem\n")
    assert Path(os.devnull).is_char_device()


def test_a_file_that_is_not_there_is_named(rise: Program) -> None:
    result = rise("report", "r.jsonl")
    assert result.code == 2
    assert "'r.jsonl'" in result.err


def test_without_the_library_of_the_charts_it_says_what_to_install(
    rise: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(rise.folder / "r.jsonl", rows(1))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = rise("report", "r.jsonl")
    assert result.code == 3
    assert "pip install 'rise-cli[eval]'" in result.err


def test_rows_without_turns_and_no_rows_at_all_make_a_page(tmp_path: Path) -> None:
    slim = [one | {"turns": []} for one in rows(2)]
    assert "without their turns" in _page(write(tmp_path / "slim.jsonl", slim))
    assert "There are no problems in it." in _page(write(tmp_path / "none.jsonl", []))
