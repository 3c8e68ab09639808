"""A project of a user's own: what runs there is his."""

import shutil
import subprocess
from pathlib import Path

import pytest

from runner.bpf import compile as compile_
from runner.results import Outcome
from tests.unit.guest.agent_process import COUNTER, compile_bpf
from tests.vm.conftest import ROOT, run

pytestmark = pytest.mark.vm

EXAMPLE = ROOT / "docs/example"
MATRIX = """\
kernels:
  - {id: "6.12", source: {type: debian, suite: trixie}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a matrix, and a suite whose object its build makes."""
    folder = tmp_path / "project"
    suite = folder / "tests/kernel/execsnoop"
    suite.mkdir(parents=True)
    (folder / "build").mkdir()
    (folder / "matrix.yaml").write_text(MATRIX)
    subprocess.run(["git", "init", "-q", folder], check=True)
    built = folder / "build/execsnoop.bpf.o"
    argv = compile_.command(EXAMPLE / "execsnoop.bpf.c", built)
    subprocess.run(argv, cwd=EXAMPLE, check=True)
    text = (EXAMPLE / "suite.yaml").read_text()
    alone = text[: text.index("  - name: opensnoop")]
    (suite / "suite.yaml").write_text(
        alone.replace("execsnoop.bpf.c", "../../../build/execsnoop.bpf.o")
    )
    return folder


def test_without_options_its_suites_run_on_its_kernels(project: Path) -> None:
    done = run(reports=project / "reports/latest", folder=project)

    assert done.status == 0, done.output + done.errors
    (case,) = done.results.cases
    assert (case.kernel, case.suite, case.case) == ("6.12", "execsnoop", "execsnoop")
    assert case.outcome is Outcome.PASSED
    assert case.object_path == "build/execsnoop.bpf.o"


def test_objects_are_told_apart_and_by_the_users_paths(
    project: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (project / name).mkdir()
        compile_bpf(COUNTER, project / name)
    (project / "build/bad.o").write_text("no object")
    objects = ("one/test.bpf.o", "two/test.bpf.o", "build/bad.o")

    done = run("--object", *objects, reports=tmp_path / "reports", folder=project)

    assert done.status == 1, done.output + done.errors
    told = {case.case: (case.outcome, case.object_path) for case in done.results.cases}
    assert told == {
        "one_test": (Outcome.PASSED, "one/test.bpf.o"),
        "two_test": (Outcome.PASSED, "two/test.bpf.o"),
        "bad": (Outcome.FAILED, "build/bad.o"),
    }
    assert done.case("bad").message.startswith("build/bad.o: ")


def test_a_run_that_checks_nothing_has_no_verdict(project: Path, reports: Path) -> None:
    shutil.rmtree(project / "tests")
    (project / "suite.yaml").write_text(
        """\
description: For old kernels only.
cases:
  - name: old
    object: build/execsnoop.bpf.o
    config: [CONFIG_BPF_LMS=y]
    reason: the name is mistyped
    expect: [{map: events, equals: 1}]
"""
    )

    alone = run(reports=reports, folder=project)

    # No kernel of the matrix has it.
    assert alone.status == 1, alone.output + alone.errors
    assert alone.results.cases[0].failure_class == "never_runs"
    assert "did you mean 'CONFIG_BPF_LSM'?" in alone.results.cases[0].message
    assert alone.errors.count("has the option CONFIG_BPF_LMS") == 1

    newer = '  - {id: "6.99", source: {type: unavailable, reason: not yet}}\n'
    (project / "matrix.yaml").write_text(MATRIX + newer)

    done = run("--kernels", "6.12", reports=reports, folder=project)

    # What the other kernel has is not known.
    assert done.status == 3, done.output + done.errors
    assert "no verdict: nothing was checked, 1 declared gap" in done.output
