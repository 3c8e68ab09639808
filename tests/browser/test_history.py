"""The site of a history, opened from the disk in a real browser."""

import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from bench import histories
from runner import cli

pytestmark = pytest.mark.browser

_NIGHTS = 60
_WIDTHS = [1280, 390]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site of nights made from a real run."""
    folder = tmp_path_factory.mktemp("history")
    histories.write(folder / "runs", _NIGHTS)
    (folder / "runs/foreign.json").write_text("{}")
    out = folder / "site"
    assert cli.main(["history", str(folder / "runs"), "--out", str(out)]) == 0
    return out


@pytest.fixture
def page(browser: Browser) -> Page:
    """Return a page whose complaints fail the test."""
    found = browser.new_page(viewport={"width": 1280, "height": 900})

    def complain(text: str) -> None:
        raise AssertionError(text)

    found.on("console", lambda message: complain(message.text))
    found.on("pageerror", lambda error: complain(str(error)))
    return found


def biggest(site: Path) -> Path:
    return max((site / "cases").iterdir(), key=lambda it: it.stat().st_size)


def test_from_the_overview_to_a_case_and_back(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    row = page.locator("#broken ~ .scroll tbody tr").first
    name = row.get_by_role("link").first.inner_text()
    row.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator("table.strips tbody tr")).to_have_count(4)
    expect(page.locator("#breaks ~ .scroll tbody tr").first).to_contain_text("not yet")
    page.get_by_role("link", name="History of bpf-kernel-matrix").click()
    expect(page.get_by_text("foreign.json")).to_be_visible()


def test_every_link_leads_to_a_page(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    links = page.locator("a").evaluate_all("all => all.map(it => it.href)")
    here = {it for it in links if it.startswith(site.as_uri()) and "#" not in it}
    assert len(here) > 100
    for address in here:
        assert Path(address.removeprefix("file://")).is_file(), address


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", _WIDTHS)
def test_both_kinds_of_pages_are_accessible(
    site: Path, browser: Browser, scheme: str, width: int
) -> None:
    for path in (site / "index.html", biggest(site)):
        # axe is a script, which the pages allow none.
        context = browser.new_context(
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 844},
            bypass_csp=True,
        )
        page = context.new_page()
        page.goto(path.as_uri())
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        context.close()


@pytest.mark.parametrize("width", _WIDTHS)
def test_only_tables_scroll_sideways(site: Path, browser: Browser, width: int) -> None:
    for path in (site / "index.html", biggest(site)):
        page = browser.new_page(viewport={"width": width, "height": 844})
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        page.close()


def test_pages_open_at_once(site: Path, page: Page) -> None:
    for path in (site / "index.html", biggest(site)):
        began = time.monotonic()
        page.goto(path.as_uri())
        # A fifth of it on a quiet machine.
        assert time.monotonic() - began < 2, path


def test_nothing_is_asked_for_but_the_page(site: Path, browser: Browser) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    assert [it for it in asked if not it.startswith("data:")] == [
        (site / "index.html").as_uri()
    ]
