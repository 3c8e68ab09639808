"""The page of a real run, used by mouse and keyboard."""

import re
from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from runner.reports import page as pages
from runner.reports.compare import compare
from runner.reports.release import facts
from runner.results import CaseResult, Match, Outcome, ProgramCost, RunResults
from tests.browser.conftest import Open, Opened
from tests.manykernels import many
from tests.unit.reports import hostile

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(open_page: Open, failures: RunResults) -> Opened:
    return open_page(pages.render(failures))


@pytest.fixture(scope="session")
def hundred(failures: RunResults) -> str:
    """The page of 100 kernels with 500 cases."""
    return pages.render(many(failures))


def columns(page: Page) -> list[str]:
    texts = page.locator("#grid-head .kernel").all_inner_texts()
    return [" ".join(it.split()) for it in texts]


def names(page: Page, kind: str = "case") -> list[str]:
    return page.locator(f"#sheet .row.{kind} .name").all_inner_texts()


def cell(page: Page, kernel: str, name: str) -> Locator:
    """Return a case's or a suite's cell."""
    column = columns(page).index(kernel)
    row = page.locator("#sheet .row").filter(
        has=page.locator(".name", has_text=re.compile(rf"^(▸ |▾ )?{name}$"))
    )
    return row.locator(f".cell[data-column='{column}']")


def fragment(page: Page) -> str:
    return unquote(page.evaluate("location.hash"))


def told(page: Page) -> Locator:
    return page.locator("#count")


# ----------------------------------------------------------------------- filters


def test_search_narrows_the_matrix_and_the_failures(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("Search").fill("6.12 verifier_rejects")
    expect(told(page)).to_contain_text("1 of ")
    assert columns(page) == ["6.12"]
    assert names(page) == ["verifier_rejects"]
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
    expect(told(page)).to_contain_text(f"{len(passed)} of ")
    assert columns(page) == list(dict.fromkeys(case.kernel for case in passed))
    assert page.locator("details[data-cases]:visible").count() == 0
    page.get_by_role("button", name="Clear filters").click()
    expect(told(page)).to_contain_text(f"{len(failures.cases)} of ")
    assert len(columns(page)) == len(failures.kernels)


def test_each_outcome_is_counted_as_the_other_filters_leave_it(
    opened: Opened, failures: RunResults
) -> None:
    page = opened.page
    expect(page.locator("#count-failed")).to_have_text(
        str(failures.count(Outcome.FAILED))
    )
    page.get_by_role("combobox", name="Class").select_option("wrong_value")
    count = sum(it.failure_class == "wrong_value" for it in failures.cases)
    expect(page.locator("#count-failed")).to_have_text(str(count))
    expect(page.locator("#count-passed")).to_have_text("0")
    # Also while it is not shown.
    page.get_by_role("checkbox", name="failed").uncheck()
    expect(page.locator("#nothing")).to_be_visible()
    expect(page.locator("#count-failed")).to_have_text(str(count))


def test_the_address_holds_the_filters_and_survives_a_reload(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("Search").fill("6.1.0")
    page.get_by_role("checkbox", name="passed").uncheck()
    page.get_by_role("combobox", name="Suite").select_option("canary")
    expect(told(page)).to_contain_text("of 7 cases on 1 kernel")
    before = told(page).inner_text()
    assert fragment(page) == "#q=6.1.0&outcome=failed,error,skipped&suite=canary"
    page.reload()
    expect(told(page)).to_have_text(before)
    expect(page.get_by_label("Search")).to_have_value("6.1.0")
    expect(page.get_by_role("checkbox", name="passed")).not_to_be_checked()


def test_rows_that_differ_between_kernels_can_be_shown_alone(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("combobox", name="Rows").select_option("differ")
    wrong = page.locator("#sheet .row.case .name", has_text="wrong_constant")
    expect(wrong).to_have_count(0)
    assert "state" in names(page)
    differing = cell(page, "6.1", "state").first
    expect(differing).to_have_class(re.compile(r"\bchange\b"))


# ----------------------------------------------------------- links and the dialog


def test_a_case_has_a_link_that_survives_a_reload_and_the_back_button(
    opened: Opened,
) -> None:
    page = opened.page
    cell(page, "6.1", "wrong_constant").click()
    dialog = page.get_by_role("dialog", name="canary::wrong_constant on 6.1")
    expect(dialog).to_be_visible()
    assert fragment(page) == "#case=canary::wrong_constant@6.1"
    page.reload()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert fragment(page) == ""
    page.go_back()
    expect(dialog).to_be_visible()
    page.go_forward()
    expect(dialog).to_be_hidden()


def test_a_link_opens_its_case_in_a_new_page(
    open_page: Open, failures: RunResults
) -> None:
    text = pages.render(failures)
    page = open_page(text, fragment="#suite=canary&case=canary::wrong_offset@6.12").page
    expect(page.get_by_role("dialog")).to_contain_text("canary::wrong_offset on 6.12")
    assert set(names(page, "suite")) == {"▾ canary"}


def test_a_link_to_what_is_not_there_says_so(
    open_page: Open, failures: RunResults
) -> None:
    page = open_page(pages.render(failures), fragment="#case=task::gone@6.1").page
    expect(page.locator("#told")).to_have_text(
        "This page has no result of task::gone@6.1."
    )
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(
    "text", ["#%", "#case=%E0%A4%A", "#a&b==&case", "#__proto__=1"]
)
def test_a_broken_address_is_no_trouble(
    open_page: Open, failures: RunResults, text: str
) -> None:
    page = open_page(pages.render(failures), fragment=text).page
    expect(told(page)).to_contain_text(f"{len(failures.cases)} of ")


def test_the_dialog_goes_to_the_same_case_on_another_kernel(opened: Opened) -> None:
    page = opened.page
    cell(page, "6.1", "wrong_constant").click()
    choice = page.get_by_role("dialog").get_by_role("combobox", name="Kernel")
    choice.select_option(label="✗ 6.12 wrong_value")
    expect(page.get_by_role("dialog")).to_contain_text("wrong_constant on 6.12")
    assert fragment(page) == "#case=canary::wrong_constant@6.12"


def test_a_failure_shows_expected_observed_class_and_command(opened: Opened) -> None:
    page = opened.page
    cell(page, "6.1", "wrong_constant").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("columnheader")).to_have_text(
        ["what", "key", "field", "expected", "observed"]
    )
    expect(dialog).to_contain_text("wrong_value: the object loads and runs")
    expect(dialog).to_contain_text("what to do")
    expect(dialog).to_contain_text(
        "bpf-kernel-matrix --kernels 6.1 --suite tests/data/suites/canary "
        "-k canary::wrong_constant"
    )
    hrefs = dialog.locator("a").evaluate_all(
        "all => all.map(it => it.getAttribute('href'))"
    )
    assert hrefs == ["./6.1/console.log", "./6.1/runner.log", "./6.1/junit.xml"]
    dialog.get_by_text("The whole log").click()
    expect(dialog.get_by_role("region", name="Log of libbpf")).to_contain_text(
        "libbpf:"
    )
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_what_passed_shows_what_was_read(open_page: Open, failures: RunResults) -> None:
    read = Match(subject="map tasks", key="7", expected="7", observed="7")
    cases = [
        it.model_copy(update={"matches": (read,)})
        if it.outcome is Outcome.PASSED
        else it
        for it in failures.cases
    ]
    run = failures.model_copy(update={"cases": tuple(cases)})
    page = open_page(pages.render(run), fragment="#case=task::identity@6.1").page
    values = page.get_by_role("dialog").get_by_role("region", name="What was read")
    expect(values.locator("tbody td")).to_have_text(["map tasks", "7", "", "7", "7"])


def test_a_refusal_shows_its_line_and_the_log_folded_to_what_matters(
    opened: Opened,
) -> None:
    page = opened.page
    cell(page, "6.12", "verifier_rejects").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("register_uninitialised")
    expect(dialog).to_contain_text(re.compile(r"hostile/rejected\.bpf\.c:\d+"))
    telling = dialog.get_by_role("region", name="what matters")
    expect(telling).to_contain_text("R7 !read_ok")
    expect(telling).to_contain_text(re.compile(r"\[… \d+ lines\]"))
    whole = dialog.get_by_text(re.compile(r"The whole log, \d+ lines"))
    expect(whole).to_be_visible()
    page.keyboard.press("Escape")
    cell(page, "6.12", "panics").click()
    expect(page.get_by_role("region", name="console")).to_contain_text("sysrq")


def test_what_was_predicted_stands_with_the_result(
    open_page: Open, failures: RunResults
) -> None:
    cases = [it.model_copy(update={"predicted": "rejected"}) for it in failures.cases]
    run = failures.model_copy(update={"cases": tuple(cases)})
    page = open_page(pages.render(run)).page
    cell(page, "6.12", "verifier_rejects").click()
    expect(page.get_by_role("dialog")).to_contain_text(
        "predicted, without a bootrejected"
    )


def test_a_suites_cell_lists_its_cases(opened: Opened) -> None:
    page = opened.page
    cell(page, "6.12", "renamed").click()
    dialog = page.get_by_role("dialog", name="6.12: renamed")
    expect(dialog).to_contain_text(re.compile(r"renamed\.bpf\.c:\d+"))
    assert fragment(page) == "#cell=renamed@6.12"
    dialog.get_by_role("link", name="Link to renamed::state@6.12").click()
    expect(page.get_by_role("dialog")).to_contain_text("renamed::state on 6.12")


def test_a_kernel_tells_what_was_booted(opened: Opened) -> None:
    page = opened.page
    page.locator("#grid-head .kernel", has_text="5.14").click()
    dialog = page.get_by_role("dialog", name="5.14")
    expect(dialog).to_contain_text("why it did not come up")
    page.keyboard.press("Escape")
    page.locator("#grid-head .kernel", has_text="6.12").click()
    expect(page.get_by_role("dialog")).to_contain_text("linux-image-6.12")
    assert fragment(page) == "#kernel=6.12"


# --------------------------------------------------------------- copy as Markdown


def copied(page: Page) -> str:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_a_failure_is_copied_as_markdown(opened: Opened) -> None:
    page = opened.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    failure = page.locator("details[data-cases]", has_text="canary::wrong_constant")
    failure.locator("summary").first.click()
    failure.get_by_role("button", name="Copy as Markdown").click()
    expect(page.locator("#told")).to_have_text("Copied the failure as Markdown.")
    text = copied(page)
    assert text.startswith("### ✗ `canary::wrong_constant` on 5.10, 6.1, 6.12\n")
    assert "class `wrong_value`" in text
    assert "| kernel | what | key | field | expected | observed |" in text
    assert "| 6.1 | `map tasks` |" in text
    assert (
        "```sh\nbpf-kernel-matrix --kernels 5.10,6.1,6.12 "
        "--suite tests/data/suites/canary -k canary::wrong_constant\n```" in text
    )


def test_the_table_is_copied_as_it_is_filtered(opened: Opened) -> None:
    page = opened.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("combobox", name="Suite").select_option("renamed")
    page.get_by_role("checkbox", name="infrastructure error").uncheck()
    expect(told(page)).to_contain_text("of 1 case on 3 kernels")
    page.get_by_role("button", name="Copy table as Markdown").click()
    expect(page.locator("#told")).to_contain_text("Copied")
    lines = copied(page).splitlines()
    assert lines[0] == "| case | 5.10 | 6.1 | 6.12 |"
    assert lines[1] == "| --- | --- | --- | --- |"
    wrong = "✗ `poison_reachable`"
    assert lines[2] == f"| `renamed::state` | ✓ | {wrong} | {wrong} |"
    assert len(lines) == 3


# ---------------------------------------------------------------------- keyboard


def test_the_keyboard_alone_is_enough(opened: Opened) -> None:
    page = opened.page
    grid = page.get_by_role("grid", name="Cases and kernels")
    for _ in range(40):
        page.keyboard.press("Tab")
        if grid.evaluate("it => it === document.activeElement"):
            break
    expect(grid).to_be_focused()
    active = page.locator("#grid .active")
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    expect(active).to_have_attribute("data-row", "0")
    page.keyboard.press("Home")
    expect(active).to_have_attribute("role", "rowheader")
    expect(grid).to_have_attribute("aria-activedescendant", "at-0--1")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Tab")
    assert dialog.evaluate("it => it.contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    # Back where it was opened from.
    expect(grid).to_be_focused()
    expect(active).to_have_attribute("id", "at-0-0")
    page.keyboard.press("Tab")
    expect(grid).not_to_be_focused()


def test_a_slash_searches_and_a_question_mark_helps(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    # In a field it is a letter.
    page.keyboard.type("a?/b")
    expect(page.get_by_label("Search")).to_have_value("a?/b")
    page.locator("h1").click()
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keys")
    expect(help_).to_be_visible()
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()


def test_enter_folds_and_unfolds_a_suite(opened: Opened) -> None:
    page = opened.page
    name = page.locator("#sheet .row.suite .name", has_text="canary")
    name.click()
    expect(name).to_have_text("▸ canary")
    expect(name).to_have_attribute("aria-expanded", "false")
    assert "wrong_constant" not in names(page)
    page.keyboard.press("Enter")
    expect(name).to_have_text("▾ canary")
    assert "wrong_constant" in names(page)


# ----------------------------------------------------------------- accessibility


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{it['id']}: {it['help']}: {node['html']}"
        for it in found
        if it["impact"] in ("serious", "critical")
        for node in it["nodes"]
    ]


def rich(failures: RunResults) -> str:
    """Return a page with all that a page can have."""
    passing = failures.model_copy(
        update={
            "cases": tuple(
                CaseResult(**it.model_dump() | {"outcome": Outcome.PASSED})
                for it in failures.cases
            )
        }
    )
    cost = ProgramCost(program="on_exec", verified_insns=41)
    cases = [it.model_copy(update={"cost": (cost,)}) for it in failures.cases]
    run = failures.model_copy(update={"cases": tuple(cases)})
    return pages.render(run, compare(passing, run), facts(run, "v1.2"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    open_page: Open, failures: RunResults, scheme: str
) -> None:
    page = open_page(rich(failures), color_scheme=scheme).page
    assert serious(page) == []
    page.get_by_role("button", name="Unfold all").click()
    assert serious(page) == []
    page.keyboard.press("?")
    assert serious(page) == []
    page.keyboard.press("Escape")
    for fragment_ in (
        *("case=canary::wrong_constant@6.1", "case=hostile::verifier_rejects@6.12"),
        *("case=task::identity@6.1", "cell=canary@6.1", "kernel=6.1"),
    ):
        page.evaluate("text => { location.hash = text; }", fragment_)
        expect(page.locator("#drill")).to_be_visible()
        assert serious(page) == [], fragment_


@pytest.mark.parametrize(
    ("scheme", "view"), [("dark", "#q=6.1"), ("light", "#merge=off&fold=off")]
)
def test_axe_finds_no_serious_fault_in_a_large_matrix(
    open_page: Open, hundred: str, scheme: str, view: str
) -> None:
    page = open_page(hundred, color_scheme=scheme, fragment=view).page
    expect(told(page)).to_contain_text("of 50000")
    assert serious(page) == []


def test_the_colours_can_be_chosen(opened: Opened) -> None:
    page = opened.page
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    page.get_by_role("combobox", name="Theme").select_option("dark")
    assert page.evaluate(colour) == "rgb(20, 23, 27)"


# ------------------------------------------------------------- screens and paper


def test_a_phone_shows_all_without_scrolling_sideways(
    open_page: Open, failures: RunResults
) -> None:
    viewport = {"width": 390, "height": 844}
    page = open_page(rich(failures), viewport=viewport).page
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) <= 390
    page.get_by_role("button", name="Unfold all").click()
    assert page.evaluate(width) <= 390
    # The filters do not take half of the screen.
    expect(page.get_by_role("combobox", name="Class")).to_be_hidden()
    assert page.locator("#grid").evaluate("it => it.scrollWidth <= it.clientWidth")
    page.evaluate("location.hash = 'case=canary::wrong_constant@6.1'")
    dialog = page.locator("#drill")
    expect(dialog).to_be_visible()
    cut = "it => it.scrollWidth > it.clientWidth"
    assert not dialog.evaluate(cut)
    tables = dialog.locator(".scroll").evaluate_all(f"all => all.filter({cut}).length")
    assert tables == 0
    expect(dialog.get_by_text("expected", exact=True).first).to_be_attached()


def test_a_hundred_kernels_fit_the_screen(open_page: Open, hundred: str) -> None:
    page = open_page(hundred, fragment="#merge=off&fold=off").page
    expect(page.locator("#grid-head .kernel")).to_have_count(100)
    assert page.locator("#grid").evaluate("it => it.scrollWidth <= it.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_neighbours_that_agree_share_a_column(open_page: Open, hundred: str) -> None:
    page = open_page(hundred).page
    merged = page.locator("#grid-head .kernel")
    expect(page.locator("#merged")).to_contain_text("100 kernels in ")
    assert 1 < merged.count() < 30
    # Not a vendor's with upstream's.
    families = page.locator("#grid-head .family").all_inner_texts()
    assert families == ["upstream", "RHEL"]
    page.get_by_role("checkbox", name="merge neighbours").uncheck()
    expect(merged).to_have_count(100)
    page.get_by_role("checkbox", name="merge neighbours").check()
    expect(merged).not_to_have_count(100)
    assert merged.count() < 30


def test_what_passes_everywhere_is_one_row_until_it_is_opened(
    open_page: Open, hundred: str
) -> None:
    page = open_page(hundred).page
    quiet = page.locator("#sheet .row.quiet").first
    text = quiet.locator(".name").inner_text()
    count = re.search(r"\d+", text)
    assert count
    before = page.locator("#grid").get_attribute("aria-rowcount")
    quiet.locator(".name").click()
    after = page.locator("#grid").get_attribute("aria-rowcount")
    assert int(after or 0) == int(before or 0) + int(count[0]) - 1


def test_only_what_is_in_sight_has_elements(open_page: Open, hundred: str) -> None:
    page = open_page(hundred, fragment="#merge=off&fold=off").page
    cells = page.locator("#sheet .cell")
    assert cells.count() < 8_000
    page.locator("#grid").evaluate("it => { it.scrollTop = it.scrollHeight; }")
    last = page.locator("#sheet .row[aria-rowindex='521']")
    expect(last).to_be_visible()
    assert cells.count() < 8_000


def test_paper_has_all_failures_unfolded(opened: Opened) -> None:
    page = opened.page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("main details.case:not([open])").count() == 0
    failure = page.locator("details[data-cases]", has_text="canary::wrong_constant")
    expect(failure.locator("tbody td").first).to_be_visible()
    expect(page.locator("#matrix")).to_be_visible()
    for gone in ("#grid", "#filter", ".theme", "#copy-table"):
        expect(page.locator(gone)).to_be_hidden()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("main details.case:not([open])").count() > 0
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
    expect(page.locator("#grid")).to_be_hidden()
    expect(page.locator("#matrix")).to_be_visible()
    page.locator("summary", has_text="canary::wrong_constant").click()
    expect(page.get_by_role("columnheader", name="observed").first).to_be_visible()


# ----------------------------------------------------------------- hostile texts


def test_hostile_texts_stay_text(open_page: Open) -> None:
    results = hostile.run()
    text = pages.render(results, compare(results, results), facts(results, "<b>v1"))
    page = open_page(text).page
    unfold = "all => all.forEach(it => { it.open = true; })"
    page.locator("details").evaluate_all(unfold)
    for number in range(len(results.kernels)):
        head = "number => document.getElementById(`at--1-${number}`)?.click()"
        page.evaluate(head, number)
        page.keyboard.press("Escape")
    for cell_ in page.locator("#sheet .cell:not(.none)").all()[:60]:
        cell_.dispatch_event("click")
        page.locator("dialog details").evaluate_all(unfold)
        copies = page.locator("dialog").get_by_role("button", name="Copy as")
        for copy in copies.all():
            copy.click()
        page.keyboard.press("Escape")
    for text in hostile.CORPUS:
        page.get_by_label("Search").fill(text)
    assert page.locator("script").count() == 2
    assert (
        page.locator("img, iframe, b, svg[onload], [onerror], [onfocus]").count() == 0
    )
    page.get_by_label("Search").fill("<script>alert(1)</script>")
    expect(told(page)).to_contain_text("on 1 kernel")
