from pathlib import Path

from lxml import etree

from runner import reports
from runner.reports import resultsfile
from runner.reports.criteria import Report
from runner.results import CaseResult, KernelRun, Outcome, RunResults


def test_every_kernel_has_its_junit_file(tmp_path: Path) -> None:
    results = RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=1.0,
        kernels=(KernelRun(id="5.10"), KernelRun(id="6.1", error="no answer")),
        cases=(CaseResult(kernel="5.10", suite="s", case="c", outcome=Outcome.PASSED),),
    )
    reports.write(Report(results=results), tmp_path)
    files = sorted(
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if path.is_file()
    )
    assert files == [
        *("5.10/junit.xml", "6.1/junit.xml", "badge.svg", "matrix.svg"),
        *("report.html", "results.json", "results.sarif", "summary.md"),
    ]
    assert resultsfile.read(tmp_path / "results.json") == results
    root = etree.parse(str(tmp_path / "6.1/junit.xml")).getroot()
    assert root.get("errors") == "1"
