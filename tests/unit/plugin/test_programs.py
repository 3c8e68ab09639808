"""Test programs as items: one run decides many of them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from runner.reports import resultsfile
from runner.results import CaseResult, Outcome, RunResults
from runner.run import listing, programs
from runner.run.programs import Performed
from runner.run.retry import KernelCase, name_of
from tests.unit.plugin.faked import install, note
from tests.unit.plugin.test_plugin import MATRIX

pytest_plugins = ["pytester"]

SUITE = """\
description: A suite.
cases:
  - {name: t, command: [./tool], results: gotest%s}
"""
NAMES = ("TestA", "TestB", "TestC")


def result(on: KernelCase, test: str, outcome: Outcome) -> CaseResult:
    return CaseResult(
        kernel=on.kernel.id,
        suite=on.loaded.name,
        case=name_of(on.case, test),
        outcome=outcome,
        message="" if outcome is Outcome.PASSED else f"{test} ended so",
        checked=1,
    )


def perform(
    run: object, on: KernelCase, names: Sequence[str] | None, *_: object
) -> Performed:
    """Stand in for a program's run: TestB fails, and has subtests."""
    note("run", on.kernel.id, *(names or ["all"]))
    tests = {}
    for name in names or NAMES:
        outcome = Outcome.FAILED if name == "TestB" else Outcome.PASSED
        tests[name] = result(on, name, outcome)
        if name == "TestB":
            tests["TestB/in"] = result(on, "TestB/in", outcome)
    if "TestC" in tests:
        tests["Stray"] = result(on, "Stray", Outcome.PASSED)
    return Performed(own=result(on, "", Outcome.PASSED), tests=tests)


class Project:
    """A folder with a suite that has a program."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.folder = pytester.path

    def run(self, *words: str, more: str = "", kernels: str = "6.1") -> RunResults:
        """Run pytest and return the results that it wrote."""
        (self.folder / "mine").mkdir(exist_ok=True)
        (self.folder / "mine/tool").write_text("#!/bin/sh\n")
        (self.folder / "mine/suite.yaml").write_text(SUITE % more)
        (self.folder / "matrix.yaml").write_text(MATRIX)
        Path("events").unlink(missing_ok=True)
        self._pytester.runpytest_inprocess(
            "--matrix=matrix.yaml",
            "--reports=reports",
            f"--kernels={kernels}",
            "-p",
            "no:cacheprovider",
            *words,
            "mine",
        )
        return resultsfile.read(self.folder / "reports/results.json")

    @property
    def runs(self) -> list[str]:
        """The runs of the program."""
        events = (self.folder / "events").read_text().splitlines()
        return [it for it in events if it.startswith("run ")]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    install(monkeypatch.setattr)
    monkeypatch.setattr(programs, "perform", perform)
    monkeypatch.setattr(listing, "tests_of", lambda case, find: NAMES)
    return Project(pytester)


def names(results: RunResults) -> list[str]:
    return [it.case for it in results.cases]


ALL = ["t", "t::TestA", "t::TestB", "t::TestB/in", "t::TestC", "t::Stray"]


@pytest.mark.parametrize("lanes", ["1", "3"])
def test_one_run_decides_all_tests_of_a_kernel(project: Project, lanes: str) -> None:
    results = project.run(f"--lanes={lanes}", kernels="6.1,6.12")

    assert sorted(project.runs) == [
        "run 6.1 TestA TestB TestC",
        "run 6.12 TestA TestB TestC",
    ]
    for kernel in ("6.1", "6.12"):
        found = [it.case for it in results.cases if it.kernel == kernel]
        assert sorted(found) == sorted(ALL)
    assert results.complete
    assert {it.case for it in results.planned or ()} == {*ALL}


def test_what_k_leaves_is_what_the_program_runs(project: Project) -> None:
    results = project.run("-k", "TestB or TestC")

    assert project.runs == ["run 6.1 TestB TestC"]
    # How the program ended is reported all the same.
    assert sorted(names(results)) == sorted(
        ["t::TestB", "t::TestB/in", "t::TestC", "t::Stray", "t"]
    )
    assert results.complete


def test_a_subtest_selects_the_test_that_has_it(project: Project) -> None:
    project.run("-k", "TestB/in")

    assert project.runs == ["run 6.1 TestB"]


def test_k_with_the_name_of_the_case_runs_all(project: Project) -> None:
    assert sorted(names(project.run("-k", "mine::t"))) == sorted(ALL)


def test_isolated_tests_run_alone(project: Project) -> None:
    results = project.run(more=", isolate: true")

    assert project.runs == ["run 6.1 TestA", "run 6.1 TestB", "run 6.1 TestC"]
    assert {it.case for it in results.cases} == {*ALL[1:]}


def test_tests_that_nobody_knew_of_are_reported_with_the_program(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "tests_of", lambda case, find: None)

    results = project.run()

    assert project.runs == ["run 6.1 all"]
    assert sorted(names(results)) == sorted(ALL)
    assert results.complete


def test_a_run_that_stops_is_incomplete(project: Project) -> None:
    results = project.run("-x")

    assert not results.complete
    assert "t::TestC" in {it.case for it in results.undone}


def test_processes_report_what_was_found_too(
    project: Project, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(
        "import pytest\n"
        "from runner.run import listing, programs\n"
        "from tests.unit.plugin import test_programs as doubles\n"
        "from tests.unit.plugin.faked import install\n"
        "install()\n"
        "programs.perform = doubles.perform\n"
        "listing.tests_of = lambda case, find: doubles.NAMES\n"
    )
    (pytester.path / "mine").mkdir()
    (pytester.path / "mine/tool").write_text("#!/bin/sh\n")
    (pytester.path / "mine/suite.yaml").write_text(SUITE % "")
    (pytester.path / "matrix.yaml").write_text(MATRIX)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))

    pytester.runpytest_subprocess(
        *("--matrix=matrix.yaml", "--reports=reports", "--kernels=6.1,6.12"),
        *("-n", "2", "--dist", "loadgroup", "mine"),
    )

    results = resultsfile.read(pytester.path / "reports/results.json")
    assert results.complete
    assert len(results.cases) == 2 * len(ALL)
