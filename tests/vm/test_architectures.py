"""Guests of other architectures than this machine's."""

from pathlib import Path

import pytest

from runner.reports import resultsfile
from runner.results import Outcome
from tests.vm.conftest import ROOT, run

pytestmark = pytest.mark.vm

SUITE = ROOT / "suites/task"


def test_the_same_suite_holds_on_another_architecture(reports: Path) -> None:
    done = run(
        *("--kernels", "6.1-arm64", "--suite", SUITE, "-k", "identity or start_time"),
        reports=reports,
    )

    assert done.status == 0, done.output + done.errors
    results = resultsfile.read(reports / "results.json")
    (found,) = results.kernels
    assert found.arch == "arm64"
    assert found.accelerator == "tcg"
    # It boots once; the cases come from its snapshot.
    assert len(found.boots) <= 1
    assert found.restores
    assert {case.outcome for case in results.cases} == {Outcome.PASSED}
    assert len(results.cases) == 4


def test_an_s390x_guest_boots_with_an_agent_that_runs(
    reports: Path, tmp_path: Path
) -> None:
    # TCP does not work in it yet, so nobody logs in: docs/architectures.md.
    done = run(
        *("--kernels", "6.12-s390x", "--suite", SUITE, "-k", "task::identity"),
        *("--boot-timeout", "60"),
        reports=reports,
    )

    assert done.status == 3, done.output + done.errors
    console = (reports / "6.12-s390x/console.log").read_text(errors="replace")
    assert "agent: credited 1024 bytes of /dev/hwrng" in console
    assert "rc: network is up" in console


def test_a_missing_qemu_is_told_with_its_package(reports: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
        for program in Path(folder).iterdir():
            if program.name != "qemu-system-aarch64":
                (tools / program.name).unlink(missing_ok=True)
                (tools / program.name).symlink_to(program)

    done = run(
        *("--kernels", "6.1-arm64", "--suite", SUITE, "-k", "task::identity"),
        reports=reports,
        PATH=str(tools),
    )

    assert done.status == 3, done.output + done.errors
    said = done.output + done.errors
    assert "qemu-system-aarch64 is not on the PATH" in said
    assert "apt-get install qemu-system-arm" in said
