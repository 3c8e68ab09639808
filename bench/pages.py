"""The page of 100 kernels and 500 cases: how soon a browser shows and filters it."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from runner.errors import RunnerError
from runner.files.shipped import ROOT
from runner.reports import page as pages
from runner.reports import resultsfile
from tests.manykernels import many

_RECORDED = ROOT / "tests/data/results/failures.json"
# Found in a class, in a kernel and in a suite.
_WORDS = ("wrong_value", "6.1.", "suite_03")

# Milliseconds from the page's start to the frame that shows the matrix.
_OPENED = """() => new Promise((done) => requestAnimationFrame(() => setTimeout(() =>
  done(performance.getEntriesByType("navigation")[0].loadEventEnd))))"""
# Milliseconds from a letter to the frame that shows what it finds.
_FILTERED = """word => new Promise((done) => {
  const began = performance.now();
  const tell = () => done(performance.now() - began);
  const shown = new MutationObserver(() => {
    shown.disconnect();
    requestAnimationFrame(() => setTimeout(tell));
  });
  shown.observe(document.getElementById("count"), { childList: true });
  const input = document.querySelector("input[type=search]");
  input.value = word;
  input.dispatchEvent(new Event("input", { bubbles: true }));
})"""


@dataclass(frozen=True, kw_only=True)
class PageFile:
    """The page, written to a file."""

    path: Path
    # Seconds, of this process.
    render: float

    @property
    def size(self) -> float:
        """Its size in MiB."""
        return self.path.stat().st_size / (1 << 20)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A page that was opened once; milliseconds."""

    opened: float
    # One for each search.
    filtered: tuple[float, ...]


@contextmanager
def large() -> Iterator[PageFile]:
    """Make the page of a run that is made of a recorded one."""
    results = many(resultsfile.read(_RECORDED))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        began = time.monotonic()
        path.write_text(pages.render(results), encoding="utf-8")
        yield PageFile(path=path, render=time.monotonic() - began)


def openings(page: PageFile, times: int) -> Iterator[Opening]:
    """Open a page in Chromium as many times. Raises RunnerError where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise RunnerError("chromium is not installed", hint="./dev test browser")
    # Chromium's own sandbox refuses to run as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for _ in range(times):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            yield _opening(context.new_page(), page)
            context.close()
        browser.close()


def _opening(shown: Page, page: PageFile) -> Opening:
    shown.goto(page.path.as_uri())
    opened = float(shown.evaluate(_OPENED))
    filtered = tuple(float(shown.evaluate(_FILTERED, word)) for word in _WORDS)
    return Opening(opened=opened, filtered=filtered)
