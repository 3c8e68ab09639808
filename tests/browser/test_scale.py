"""A thousand kernels with fifty cases each."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from runner import cli, reports
from runner.reports import page as pages
from runner.reports import resultsfile
from runner.results import (
    CaseResult,
    KernelRun,
    Mismatch,
    Outcome,
    Phases,
    RunResults,
    Shard,
)
from tests.browser.conftest import Open
from tests.manykernels import many
from tests.scaling import grows

pytestmark = pytest.mark.browser

_KERNELS, _CASES = 1000, 50


def big(suites: int, kernels: int = _KERNELS) -> RunResults:
    """Return a run of which every tenth kernel fails five cases."""
    rows = tuple(
        KernelRun(
            id=f"{4 + n // 250}.{n % 250}",
            release=f"{4 + n // 250}.{n % 250}.0-amd64",
            boots=(3.0 + n % 7,),
        )
        for n in range(kernels)
    )
    return RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=3600.0,
        kernels=rows,
        cases=tuple(
            _case(kernel.id, f"suite{number % suites}", number, n % 10 == 3)
            for n, kernel in enumerate(rows)
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
        log=f"libbpf of {kernel}\n" + "libbpf: prog 'on_new_task': relo #1\n" * 80,
        phases=Phases(load=0.1, trigger=0.2, check=0.1),
        duration=0.4,
    )


def test_merging_and_rendering_take_as_many_times_longer_as_there_are_kernels(
    tmp_path: Path,
) -> None:
    for count in (100, 1000):
        put_parts(tmp_path / f"parts-{count}", big(10, count))

    def merged(count: int) -> None:
        found, out = tmp_path / f"parts-{count}", tmp_path / f"all-{count}"
        cli.main(["merge", str(found), "--out", str(out)])

    # Ten, and a hundred if each kernel looked at each other one.
    assert grows(merged, small=100, times=10) < 25
    assert len(resultsfile.read(tmp_path / "all-1000/results.json").cases) == 50_000
    assert (tmp_path / "all-1000/report.html").stat().st_size < 20_000_000


def put_parts(below: Path, results: RunResults) -> None:
    """Write the reports of ten machines."""
    for part in parts(results, 10):
        assert part.shard
        folder = below / str(part.shard.index)
        folder.mkdir(parents=True)
        resultsfile.write(part, folder / reports.RESULTS)
        junit = [
            reports.folder_of(it.id, folder) / reports.JUNIT for it in part.kernels
        ]
        for path in junit:
            path.write_text("<testsuites/>")


def parts(results: RunResults, count: int) -> Iterator[RunResults]:
    cases = results.by_kernel()
    for index in range(count):
        kernels = results.kernels[index::count]
        yield results.model_copy(
            update={
                "kernels": kernels,
                "cases": tuple(case for it in kernels for case in cases[it.id]),
                "shard": Shard(
                    index=index + 1,
                    count=count,
                    planned=tuple(it.id for it in results.kernels),
                    own=tuple(it.id for it in kernels),
                ),
            }
        )


def test_all_kernels_are_there_without_scripts(open_page: Open) -> None:
    page = open_page(pages.render(big(1)), java_script_enabled=False).page
    expect(page.locator("#matrix tbody tr:visible")).to_have_count(1000)


# In the page's own time, from a word to the next frame that shows what it finds.
_SEARCHED = """word => new Promise((done) => {
  const began = performance.now();
  const status = document.getElementById("count");
  new MutationObserver(() => requestAnimationFrame(() =>
    setTimeout(() => done(performance.now() - began)))
  ).observe(status, { childList: true });
  const input = document.querySelector("input[type=search]");
  input.value = word;
  input.dispatchEvent(new Event("input", { bubbles: true }));
})"""


@pytest.mark.parametrize("suites", [10, 50])
def test_a_page_of_a_thousand_kernels_is_usable(open_page: Open, suites: int) -> None:
    text = pages.render(big(suites))
    began = time.monotonic()
    page = open_page(text).page
    status = page.locator("#count")
    expect(status).to_contain_text("50000 of 50000 results match")
    opened = (time.monotonic() - began) * 1000
    took = page.evaluate(_SEARCHED, "case_7")
    expect(status).to_contain_text("1000 of 50000 results")
    # A fifth of it on a quiet machine.
    assert took < opened
    page.get_by_label("Search").fill("4.133 wrong_value")
    expect(status).to_contain_text("on 1 kernel")
    page.locator("#sheet .row.case .cell.failed").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("4.133")


def test_a_page_of_a_hundred_kernels_and_500_cases_stays_small(
    failures: RunResults,
) -> None:
    results = many(failures)
    assert (len(results.kernels), len(results.cases)) == (100, 50_000)
    assert len(pages.render(results).encode()) < 4_000_000
