"""Guests of other architectures than this machine's."""

import subprocess
from pathlib import Path

import pytest

from runner.reports import resultsfile
from runner.results import Outcome
from tests.vm.conftest import ROOT, command, run

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


MATRIX = """\
kernels:
  - id: 6.1-s390x
    arch: s390x
    source: {type: debian, suite: bookworm}
    # Debian's has none; what makes it is 430 MB.
    btf: kernel
"""


def test_an_s390x_guest_answers(tmp_path: Path) -> None:
    matrix = tmp_path / "matrix.yaml"
    matrix.write_text(MATRIX)

    done = subprocess.run(
        command("shell", "6.1-s390x", "--matrix", matrix, "uname", "-m"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["s390x"]


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
