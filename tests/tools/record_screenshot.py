"""Records docs/images/page.png: python -m tests.tools.record_screenshot RESULTS.

RESULTS is the results.json of a run, as of the suites task, maps, skb, tracing and
kconfig and of tests/data/suites/renamed on 5.10, 6.1, 6.12 and sid.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from runner.reports import page, resultsfile

_PICTURE = Path(__file__).resolve().parents[2] / "docs/images/page.png"


def main() -> None:
    """Open the page in Chromium and keep what it looks like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    text = page.render(resultsfile.read(parser.parse_args().results))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "report.html"
        path.write_text(text, encoding="utf-8")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            # Chromium's own sandbox refuses to run as root.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        shown = browser.new_page(viewport={"width": 1100, "height": 1000})
        shown.goto(path.as_uri())
        _PICTURE.parent.mkdir(parents=True, exist_ok=True)
        shown.screenshot(path=_PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
