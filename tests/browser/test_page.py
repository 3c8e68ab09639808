"""The page of a real run, used by mouse and keyboard."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from runner.reports import page as pages
from runner.reports.compare import compare
from runner.reports.release import facts
from runner.results import CaseResult, Outcome, RunResults
from tests.browser.conftest import Open, Opened
from tests.unit.reports import hostile

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(open_page: Open, failures: RunResults) -> Opened:
    return open_page(pages.render(failures))


def rows(page: Page) -> list[str]:
    return page.locator("#matrix tbody tr:visible th").all_inner_texts()


def cell(page: Page, kernel: str, suite: str) -> str:
    """Return a selector of a cell's button."""
    head = page.locator("#matrix thead th").all_inner_texts().index(suite)
    row = [it.strip() for it in page.locator("#matrix tbody th").all_inner_texts()]
    nth = row.index(kernel) + 1
    return f"#matrix tbody tr:nth-child({nth}) > :nth-child({head + 1}) button"


def test_search_narrows_kernels_and_failures(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("Search").fill("6.12 verifier_rejects")
    expect(page.get_by_role("status")).to_contain_text("1 of ")
    assert rows(page) == ["6.12"]
    shown = page.locator("details[data-cases]:visible > summary").all_inner_texts()
    assert len(shown) == 1
    assert "hostile::verifier_rejects" in shown[0]


def test_outcomes_and_suites_are_filters(opened: Opened, failures: RunResults) -> None:
    page = opened.page
    for label in ("failed", "infrastructure error", "declared gap"):
        page.get_by_role("checkbox", name=label).uncheck()
    page.get_by_role("combobox", name="Suite").select_option("maps")
    passed = [
        case
        for case in failures.cases
        if case.suite == "maps" and case.outcome is Outcome.PASSED
    ]
    expect(page.get_by_role("status")).to_contain_text(f"{len(passed)} of ")
    assert rows(page) == list(dict.fromkeys(case.kernel for case in passed))
    assert page.locator("details[data-cases]:visible").count() == 0
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_role("status")).to_contain_text(f"{len(failures.cases)} of ")
    assert len(rows(page)) == len(failures.kernels)


def test_a_click_drills_down_to_expected_and_observed(opened: Opened) -> None:
    page = opened.page
    page.locator(cell(page, "6.1", "canary")).click()
    dialog = page.get_by_role("dialog", name="6.1: canary")
    told = dialog.locator("details", has_text="canary::wrong_constant")
    expect(told).to_have_attribute("open", "")
    expect(told.get_by_role("columnheader")).to_have_text(
        ["what", "expected", "observed"]
    )
    expect(told).to_contain_text("wrong_value")
    expect(told).to_contain_text("what to do")
    expect(told.get_by_role("region", name="Log of libbpf")).to_contain_text("libbpf:")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_a_refusal_shows_its_line_and_the_verifiers_log(opened: Opened) -> None:
    page = opened.page
    page.locator(cell(page, "6.12", "hostile")).click()
    told = page.get_by_role("dialog").locator("details", has_text="::verifier_rejects")
    expect(told).to_contain_text("register_uninitialised")
    expect(told).to_contain_text(re.compile(r"hostile/rejected\.bpf\.c:\d+"))
    expect(told.get_by_role("region")).to_contain_text("R7 !read_ok")
    panicked = page.get_by_role("dialog").locator("details", has_text="::panics")
    expect(panicked.get_by_role("region", name="console")).to_contain_text("sysrq")


def test_what_was_predicted_stands_beside(
    open_page: Open, failures: RunResults
) -> None:
    cases = [it.model_copy(update={"predicted": "rejected"}) for it in failures.cases]
    run = failures.model_copy(update={"cases": tuple(cases)})
    page = open_page(pages.render(run)).page
    page.locator(cell(page, "6.12", "renamed")).click()
    expect(page.get_by_role("dialog")).to_contain_text(
        "predicted, without a bootrejected"
    )


def test_a_renamed_field_fails_from_the_kernel_on_that_renamed_it(
    opened: Opened,
) -> None:
    page = opened.page
    expect(page.locator(cell(page, "5.10", "renamed"))).to_contain_text("✓")
    page.locator(cell(page, "6.12", "renamed")).click()
    expect(page.get_by_role("dialog")).to_contain_text(
        re.compile(r"renamed\.bpf\.c:\d+")
    )


def test_a_kernel_tells_what_was_booted(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="5.14", exact=True).click()
    dialog = page.get_by_role("dialog", name="5.14")
    expect(dialog).to_contain_text("why it did not come up")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="6.12", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("linux-image-6.12")


def test_the_keyboard_alone_is_enough(opened: Opened) -> None:
    page = opened.page
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#matrix') !== null"):
            break
    focus = page.locator(":focus")
    first = page.locator("#matrix tbody button").first
    expect(first).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    assert focus.evaluate("it => it.closest('tr').rowIndex") == 2
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert focus.evaluate("it => it.closest('td').cellIndex") == 2
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Tab")
    assert dialog.evaluate("it => it.contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    # Back where it was opened from.
    assert focus.evaluate("it => it.closest('td').cellIndex") == 2
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#matrix') === null")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    open_page: Open, failures: RunResults, scheme: str
) -> None:
    mended = failures.model_copy(
        update={
            "cases": tuple(
                CaseResult(**it.model_dump() | {"outcome": Outcome.PASSED})
                for it in failures.cases
            )
        }
    )
    text = pages.render(failures, compare(mended, failures), facts(failures, "v1.2"))
    page = open_page(text, color_scheme=scheme).page
    assert serious(page) == []
    page.locator(cell(page, "6.1", "canary")).click()
    assert serious(page) == []


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{it['id']}: {it['help']}: {node['html']}"
        for it in found
        if it["impact"] in ("serious", "critical")
        for node in it["nodes"]
    ]


def test_the_colours_can_be_chosen(opened: Opened) -> None:
    page = opened.page
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    page.get_by_role("combobox", name="Theme").select_option("dark")
    assert page.evaluate(colour) == "rgb(20, 23, 27)"


def test_a_narrow_screen_scrolls_only_the_tables(
    open_page: Open, failures: RunResults
) -> None:
    viewport = {"width": 400, "height": 800}
    page = open_page(pages.render(failures), viewport=viewport).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_paper_has_all_failures_unfolded(opened: Opened) -> None:
    page = opened.page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("main details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("main details:not([open])").count() > 0
    assert page.pdf().startswith(b"%PDF-")


def test_paper_is_white_when_the_screen_is_dark(
    open_page: Open, failures: RunResults
) -> None:
    page = open_page(pages.render(failures), color_scheme="dark").page
    page.emulate_media(media="print")
    colours = "(it => [it.color, it.backgroundColor])(getComputedStyle(document.body))"
    assert page.evaluate(colours) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]


def test_without_javascript_the_failures_can_be_read(
    open_page: Open, failures: RunResults
) -> None:
    page = open_page(pages.render(failures), java_script_enabled=False).page
    expect(page.get_by_text("need JavaScript")).to_be_visible()
    expect(page.locator("#filter")).to_be_hidden()
    page.get_by_text("canary::wrong_constant").click()
    expect(page.get_by_role("columnheader", name="observed").first).to_be_visible()


def test_hostile_texts_stay_text(open_page: Open) -> None:
    results = hostile.run()
    text = pages.render(results, compare(results, results), facts(results, "<b>v1"))
    page = open_page(text).page
    for number in range(len(results.kernels)):
        row = page.locator(f"#matrix tbody tr:nth-child({number + 1})")
        for button in row.locator("button").all():
            button.click()
            page.locator("dialog details").evaluate_all(
                "all => all.forEach(it => { it.open = true; })"
            )
            page.keyboard.press("Escape")
    for text in hostile.CORPUS:
        page.get_by_label("Search").fill(text)
    assert page.locator("script").count() == 3
    assert (
        page.locator("img, iframe, b, svg[onload], [onerror], [onfocus]").count() == 0
    )
    page.get_by_label("Search").fill("<script>alert(1)</script>")
    expect(page.get_by_role("status")).to_contain_text("on 1 of")
