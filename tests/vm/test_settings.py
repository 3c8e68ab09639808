"""What a loader sets between opening and loading an object, set by a suite."""

from pathlib import Path

import pytest

from tests.vm.conftest import DATA, run

pytestmark = pytest.mark.vm


def test_a_suite_sets_what_a_loader_sets(reports: Path) -> None:
    done = run(
        *("--kernels", "6.1", "--suite", DATA / "suites/settings"), reports=reports
    )

    outcomes = {it.case: (it.outcome, it.message) for it in done.results.cases}
    assert done.status == 0, outcomes
    assert done.case("set").predicted == "loads"
    assert done.case("target_of_no_kernel").predicted == "rejected"
    assert done.case("variable_opens_a_guard").predicted == "rejected"
