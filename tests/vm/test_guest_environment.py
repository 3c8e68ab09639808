"""What a guest is besides its kernel decides whether objects work."""

from pathlib import Path

import pytest

from runner.results import Outcome
from tests.vm.conftest import ROOT, run

pytestmark = pytest.mark.vm

SUITE = ROOT / "suites/environment"


# Two of each pair differ in one key, and end differently: the suite has what is refused
# as declared failures, with the class of each.
def test_each_key_changes_a_verdict(reports: Path) -> None:
    done = run("--kernels", "6.1", "--suite", SUITE, reports=reports)

    assert done.status == 0, done.output + done.errors
    assert {it.outcome for it in done.results.cases} == {Outcome.PASSED}
    guests = {it.case: it.environment for it in done.results.cases}
    assert guests["memory"] == {"memory": 768}
    assert guests["memory_short"] == {"memory": 256}
    assert guests["no_holes"] == {}
    assert guests["integrity"] == {"lockdown": "integrity"}


def test_a_key_of_the_command_line_is_for_all(reports: Path) -> None:
    done = run(
        *("--kernels", "6.1", "--suite", SUITE, "-k", "cgroup_v1 or cgroup_hybrid"),
        *("--guest", "sysctl={kernel.kptr_restrict: 2}"),
        reports=reports,
    )

    assert done.status == 0, done.output + done.errors
    settings = [it.environment["sysctl"] for it in done.results.cases]
    assert settings == [{"kernel.kptr_restrict": 2}] * 2
