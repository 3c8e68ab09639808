"""What a loader sets between opening and loading an object, set by a suite."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.vm.conftest import DATA, run

pytestmark = pytest.mark.vm


def test_a_suite_sets_what_a_loader_sets(tmp_path: Path, reports: Path) -> None:
    suite = tmp_path / "settings"
    shutil.copytree(DATA / "suites/settings", suite)
    tool = ["gcc", "-O1", "-static", "-o", str(suite / "tool"), f"{suite}/tool.c"]
    subprocess.run(tool, check=True)

    done = run(*("--kernels", "6.1", "--suite", suite), reports=reports)

    outcomes = {it.case: (it.outcome, it.message) for it in done.results.cases}
    assert done.status == 0, outcomes
    assert done.case("set").predicted == "loads"
    assert done.case("target_of_no_kernel").predicted == "rejected"
    assert done.case("variable_opens_a_guard").predicted == "rejected"
