"""A thousand kernels with fifty cases each."""

import time

import pytest
from playwright.sync_api import expect

from runner.reports import page as pages
from runner.reports import pictures
from runner.results import (
    CaseResult,
    KernelRun,
    Mismatch,
    Outcome,
    Phases,
    RunResults,
)
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser

_KERNELS, _CASES = 1000, 50


def big(suites: int) -> RunResults:
    """Return a run of which every tenth kernel fails five cases."""
    kernels = tuple(
        KernelRun(
            id=f"{4 + n // 250}.{n % 250}",
            release=f"{4 + n // 250}.{n % 250}.0-amd64",
            boots=(3.0 + n % 7,),
        )
        for n in range(_KERNELS)
    )
    return RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=3600.0,
        kernels=kernels,
        cases=tuple(
            _case(kernel.id, f"suite{number % suites}", number, n % 10 == 3)
            for n, kernel in enumerate(kernels)
            for number in range(_CASES)
        ),
    )


def _case(kernel: str, suite: str, number: int, bad: bool) -> CaseResult:
    failed = bad and number % 10 == 7
    return CaseResult(
        kernel=kernel,
        suite=suite,
        case=f"case_{number}",
        outcome=Outcome.FAILED if failed else Outcome.PASSED,
        message=f"task key {kernel}: expected 1, observed 0" if failed else "",
        failure_class="wrong_value" if failed else "",
        mismatches=(
            Mismatch(subject="map tasks", key=kernel, expected="1", observed="0"),
        )
        if failed
        else (),
        checked=3,
        # As long as a real one, and of each kernel another.
        log=f"libbpf of {kernel}\n" + "libbpf: prog 'on_new_task': relo #1\n" * 200,
        phases=Phases(load=0.1, trigger=0.2, check=0.1),
        duration=0.4,
    )


@pytest.mark.parametrize("suites", [10, 50])
def test_a_thousand_kernels_are_rendered_and_usable(
    open_page: Open, suites: int
) -> None:
    results = big(suites)
    began = time.monotonic()
    text = pages.render(results)
    pictures.badge(results)
    pictures.matrix(results)
    assert time.monotonic() - began < 10
    began = time.monotonic()
    page = open_page(text).page
    status = page.get_by_role("status")
    expect(status).to_contain_text("50000 of 50000 cases on 1000 of 1000")
    assert time.monotonic() - began < 10
    # In the page's own time, from the letter to the next frame that shows it.
    took = page.evaluate(
        """() => new Promise((done) => {
          const began = performance.now();
          const status = document.getElementById("count");
          new MutationObserver(() => requestAnimationFrame(() =>
            setTimeout(() => done(performance.now() - began)))
          ).observe(status, { childList: true });
          const input = document.querySelector("input[type=search]");
          input.value = "case_7";
          input.dispatchEvent(new Event("input", { bubbles: true }));
        })"""
    )
    expect(status).to_contain_text("1000 of 50000 cases")
    assert took < 1000
    page.get_by_label("Search").fill("4.13 wrong_value")
    expect(status).to_contain_text("on 1 of 1000")
    page.locator("#matrix tbody tr:visible td.failed button").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("map tasks 4.13")
