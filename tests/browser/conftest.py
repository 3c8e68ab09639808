"""A real browser, which opens pages from the disk and must ask for nothing else."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from runner.reports import resultsfile
from runner.results import RunResults

_DATA = Path(__file__).parents[1] / "data"
_SLOW = 30_000.0


@dataclass(frozen=True)
class Opened:
    """A page in the browser, and what it did beside being shown."""

    page: Page
    # What the console or an uncaught exception said.
    complaints: list[str] = field(default_factory=list)
    # URLs beside the page's own.
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; none is downloaded."""
    path = shutil.which("chromium")
    assert path, "chromium is not installed; ./dev test browser installs it"
    # Chromium's own sandbox refuses to run as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=arguments)
        yield found
        found.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Return what opens HTML; every page must be silent and ask for nothing."""
    all_opened: list[Opened] = []

    def open_(text: str, fragment: str = "", **options: object) -> Opened:
        path = tmp_path / f"page-{len(all_opened)}.html"
        path.write_text(text, encoding="utf-8")
        known: dict[str, object] = {"viewport": {"width": 1280, "height": 900}}
        context = browser.new_context(**known | options)  # type: ignore[arg-type]
        context.set_default_timeout(_SLOW)
        page = context.new_page()
        opened = Opened(page)
        all_opened.append(opened)
        url = path.as_uri()

        def judge(route: Route) -> None:
            if route.request.url.partition("#")[0] == url:
                route.continue_()
            else:
                opened.requests.append(route.request.url)
                route.abort()

        page.route("**/*", judge)

        def complain(text: str) -> None:
            opened.complaints.append(text)

        page.on("console", lambda message: complain(message.text))
        page.on("pageerror", lambda error: complain(str(error)))
        # Playwright dismisses it.
        page.on("dialog", lambda dialog: complain(dialog.message))
        page.goto(url + fragment)
        return opened

    yield open_
    for opened in all_opened:
        opened.page.context.close()
        assert opened.complaints == []
        assert opened.requests == []


@pytest.fixture(scope="session")
def failures() -> RunResults:
    """A recorded run with failures; see tests/tools/record_results.py."""
    return resultsfile.read(_DATA / "results/failures.json")
