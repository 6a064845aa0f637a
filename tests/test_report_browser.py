"""The page of results in real Chromium: found, filtered, opened, by mouse and by key, and nothing else.

Without a Chromium these tests are skipped; with `RISE_NEEDS_BROWSER` set they fail then.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from made_rows import row, rows, write
from playwright.sync_api import Browser, Page, expect, sync_playwright

from rise_cli.render.html import page as report

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip

RUN = (
    '<img src=x onerror="window.ran=1"></script><script>window.ran=1</script><!--'
    "\u202eevil\u2066\x1b[31m\ud800"
)

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        why = "there is no Chromium on PATH"
        if os.environ.get("RISE_NEEDS_BROWSER"):
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a file of 230 problems."""
    folder = tmp_path_factory.mktemp("one")
    known = [
        row("fixed-1", "42", ["41", "42", "42"], question="How many roads? Unique words"),
        row("broken-1", "42", ["42", "41", "41"]),
        row("open-1", "42", ["42", "41", "40"]),
        row("failed-1", "42", [None, None]),
    ]
    return _built(folder, "one.jsonl", [*known, *rows(226, words=20)])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two files that are hostile throughout."""
    folder = tmp_path_factory.mktemp("hostile")
    bad = row(RUN, RUN, [RUN, "2"], question=RUN, context=RUN, extra={RUN: RUN}, error=RUN, model=RUN)
    for turn in bad["turns"]:
        turn |= {"reply": RUN, "reasoning": RUN, "critique": RUN, "feedback": RUN, "failure": RUN}
    bad["settings"]["protocol"] = RUN
    bad["prior"] = [{"role": RUN, "text": RUN}]
    long = row("long", "1", ["1", "1"])
    long["turns"][0]["reply"] = "<b>word</b> " * 200_000
    long["turns"][1]["reply"] = "x" * 3_000_000
    odd = row("odd", "1", ["1"], votes=[{"answer": 3, "turns": []}], extra={"deep": [[[{}]]], "n": 1e308})
    made = [bad, long, odd]
    return _built(folder, "<b>one.jsonl", made, write(folder / "two\u202e.jsonl", made))


def _built(folder: Path, name: str, made: list[dict[str, object]], *others: Path) -> Path:
    out = io.BytesIO()
    report.write([write(folder / name, made), *others], out)
    target = folder / "report.html"
    target.write_bytes(out.getvalue())
    return target


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens a page; afterwards nothing may have run, complained, or been asked for."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def to_open(path: Path, *, width: int = 1000, dark: bool = False, bypass_csp: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            bypass_csp=bypass_csp,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        return page

    yield to_open
    ran = [page.evaluate("window.ran") for context in contexts for page in context.pages]
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len(asked) == len(contexts)
    assert ran == [None] * len(ran)


def _rows(page: Page) -> list[str]:
    return page.locator("#rows .id").all_inner_texts()


def test_a_search_looks_in_ids_questions_and_answers(opened: Open, one: Path) -> None:
    page = opened(one)
    expect(page.locator("#count")).to_have_text("1 to 100 of 230 problems")
    for words, found in (("ROADS unique", ["fixed-1"]), ("open-1", ["open-1"]), ("nothing like it", [])):
        page.locator("#search").fill(words)
        expect(page.locator("#rows .id")).to_have_text(found)
    expect(page.locator("#count")).to_have_text("No problem fits.")
    page.locator("#search").press("Escape")
    expect(page.locator("#count")).to_have_text("1 to 100 of 230 problems")


def test_filters_leave_what_they_say_and_tell_how_many(opened: Open, one: Path) -> None:
    page = opened(one)
    for name, id_ in (
        ("fixed", "fixed-1"),
        ("broken", "broken-1"),
        ("unresolved", "open-1"),
        ("failed", "failed-1"),
    ):
        page.get_by_role("radio", name=re.compile(f"^{name}")).check(force=True)
        assert id_ in _rows(page)
        count = int(page.locator(f"#count-{name}").inner_text())
        expect(page.locator("#count")).to_contain_text(f" of {count} problem")
    right = int(page.locator("#count-right").inner_text())
    assert right + int(page.locator("#count-wrong").inner_text()) == 230


def test_a_list_of_hundreds_has_pages(opened: Open, one: Path) -> None:
    page = opened(one)
    page.get_by_role("button", name="Last").click()
    expect(page.locator("#count")).to_have_text("201 to 230 of 230 problems")
    expect(page.get_by_role("button", name="Next", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Previous", exact=True).click()
    expect(page.locator("#rows li")).to_have_count(100)


def test_the_keyboard_reaches_everything(opened: Open, one: Path) -> None:
    page = opened(one)
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("fixed-1")
    expect(page.locator("#rows li")).to_have_count(1)
    for _ in range(2):  # the filters are one stop, then the row
        page.keyboard.press("Tab")
    expect(page.locator(".row")).to_be_focused()
    assert page.locator(".row").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(3)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator(".row")).to_be_focused()
    expect(page.locator(".turn")).to_have_count(0)


def test_a_transcript_shows_votes_turns_and_what_changed(opened: Open, one: Path) -> None:
    page = opened(one)
    page.locator(".row").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("h2")).to_have_text("fixed-1")
    expect(dialog.locator(".votes tbody tr").first).to_have_text("42267%2, 3")
    second = dialog.locator(".turn").nth(1)
    expect(second.locator("del")).to_have_text("41")
    expect(second.locator("ins")).to_have_text("42")
    expect(dialog.locator(".turn").nth(2)).to_contain_text("Word for word as before.")
    dialog.get_by_role("checkbox").uncheck()
    expect(dialog.locator("ins, del")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(dialog.locator("h2")).to_have_text("broken-1")


def test_what_is_printed_is_the_open_transcript_whole(opened: Open, one: Path) -> None:
    page = opened(one)
    page.locator(".row").first.click()
    expect(page.locator(".turn")).to_have_count(3)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    expect(page.locator("#paper .turn")).to_have_count(3)
    expect(page.locator("#paper .turn").first).to_be_visible()
    expect(page.locator("main")).to_be_hidden()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("dialog .turn")).to_have_count(3)


def test_on_paper_no_table_is_cut_off_and_the_verdict_is_on_the_first_page(
    opened: Open, hostile: Path
) -> None:
    page = opened(hostile, width=680)  # what A4 has between its margins
    page.emulate_media(media="print")
    beyond = "all => all.map(e => e.scrollWidth - e.clientWidth)"
    assert set(page.locator(".scroll:visible").evaluate_all(beyond)) == {0}
    sections = "all => all.map(e => getComputedStyle(e).breakInside)"
    assert set(page.locator("main > section").evaluate_all(sections)) == {"auto"}


def test_hostile_words_are_shown_and_run_nothing(opened: Open, hostile: Path) -> None:
    page = opened(hostile)
    expect(page.locator("#file option")).to_have_text(["all files", "<b>one.jsonl", "two⟨U+202E⟩.jsonl"])
    page.locator("#file").select_option("1")
    expect(page.locator("#rows li")).to_have_count(3)
    page.locator(".row").first.click()
    expect(page.locator(".turn")).to_have_count(2)
    for fold in page.locator("dialog summary").all():
        fold.click()
    shown = page.locator("dialog").inner_text()
    assert '<img src=x onerror="window.ran=1"></script>' in shown
    assert "⟨U+202E⟩evil⟨U+2066⟩⟨U+001B⟩[31m⟨U+D800⟩" in shown
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", page.locator("body").inner_text())
    assert page.locator("img, iframe, object, dialog b, dialog script").count() == 0
    page.locator("#others button").click()
    expect(page.locator("#where")).to_contain_text("<b>one.jsonl")


def test_megabytes_are_folded_until_somebody_asks(opened: Open, hostile: Path) -> None:
    page = opened(hostile)
    page.locator(".row").nth(1).click()
    reply = page.locator(".turn").first.locator(".reply")
    assert reply.evaluate("e => e.textContent.length") < 7000
    reply.get_by_role("button", name="Show all 2,400,000 characters").click()
    assert reply.evaluate("e => e.textContent.length") == 2_400_000
    page.get_by_role("button", name="Next").click()
    expect(page.locator("dialog h2")).to_have_text("odd")
    expect(page.locator(".votes tbody tr")).to_have_text("3??")


def test_a_narrow_screen_never_scrolls_sideways(opened: Open, hostile: Path) -> None:
    page = opened(hostile, width=320)
    beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(beyond) == 0
    page.locator(".row").first.click()
    expect(page.locator(".turn")).to_have_count(2)
    assert page.locator("#transcript").evaluate("e => e.scrollWidth - e.clientWidth") == 0


def test_without_scripts_the_figures_are_there(browser: Browser, one: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(one.as_uri())
    expect(page.locator("figure svg")).to_have_count(4)
    expect(page.locator("#count")).to_contain_text("as soon as it may run")
    context.close()


@pytest.mark.parametrize(("dark", "width"), [(False, 360), (True, 1000)])
def test_axe_finds_nothing(opened: Open, hostile: Path, dark: bool, width: int) -> None:
    page = opened(hostile, dark=dark, width=width, bypass_csp=True)
    for fold in page.locator("main summary").all():
        fold.click()
    assert Axe().run(page).generate_snapshot() == ""
    page.locator(".row").first.click()
    expect(page.locator(".turn")).to_have_count(2)
    for fold in page.locator("dialog summary").all():
        fold.click()
    assert Axe().run(page).generate_snapshot() == ""
