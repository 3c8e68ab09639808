"""Guests of other architectures than this machine's."""

from pathlib import Path

import pytest

from runner.reports import resultsfile
from runner.results import Outcome
from tests.vm.conftest import ROOT, run

pytestmark = pytest.mark.vm

SUITE = ROOT / "suites/task"
FLAVORS = ROOT / "suites/flavors"
RELOC = ROOT / "suites/reloc"


@pytest.mark.parametrize(
    ("kernel", "architecture"), [("6.1-arm64", "arm64"), ("6.12-s390x", "s390x")]
)
def test_the_same_suites_hold_on_another_architecture(
    reports: Path, kernel: str, architecture: str
) -> None:
    done = run(
        *("--kernels", kernel, "--suite", SUITE, FLAVORS, RELOC),
        *("-k", "task::identity or start_time or (fs_base and not refused) or bits"),
        reports=reports,
    )

    assert done.status == 0, done.output + done.errors
    results = resultsfile.read(reports / "results.json")
    (found,) = results.kernels
    assert found.arch == architecture
    assert found.accelerator == "tcg"
    # It boots once; the cases come from its snapshot.
    assert len(found.boots) <= 1
    assert found.restores
    # Nothing is left out: neither the thread's register nor a bit field.
    assert {case.outcome for case in results.cases} == {Outcome.PASSED}
    names = {case.case for case in results.cases}
    assert {"identity", "start_time_compat", "fs_base", "bits_unset"} <= names


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
