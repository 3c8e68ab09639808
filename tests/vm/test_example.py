"""The example that newcomers copy."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.bpf import compile as compile_
from runner.results import Outcome
from tests.vm.conftest import ROOT, run

pytestmark = pytest.mark.vm

EXAMPLE = ROOT / "docs/example"


def test_a_copy_of_the_example_runs_anywhere(tmp_path: Path, reports: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(EXAMPLE, mine)

    done = run("--kernels", "5.10,6.12", "--suite", mine, reports=reports)

    assert done.status == 0, done.output + done.errors
    assert {case.suite for case in done.results.cases} == {"mine"}
    assert done.results.count(Outcome.PASSED) == len(done.results.cases) == 6


def test_an_object_that_was_built_elsewhere_does_the_same(
    tmp_path: Path, reports: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    argv = compile_.command(EXAMPLE / "execsnoop.bpf.c", mine / "execsnoop.bpf.o")
    subprocess.run(argv, cwd=EXAMPLE, check=True)
    text = (EXAMPLE / "suite.yaml").read_text()
    alone = text[: text.index("  - name: opensnoop")]
    (mine / "suite.yaml").write_text(
        alone.replace("execsnoop.bpf.c", "execsnoop.bpf.o")
    )

    done = run("--kernels", "5.10", "--suite", mine, reports=reports)

    assert done.status == 0, done.output + done.errors
    assert done.case("execsnoop").outcome is Outcome.PASSED


def test_a_tool_that_reads_another_field_is_noticed(
    tmp_path: Path, reports: Path
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(EXAMPLE, mine)
    source = mine / "execsnoop.bpf.c"
    text = source.read_text()
    # As the example's README says.
    (line,) = re.findall(r"^    (sed .*)$", (mine / "README.md").read_text(), re.M)
    words = [
        it.replace("~/my-repository/tests/bpf", str(mine)) for it in shlex.split(line)
    ]
    subprocess.run(words, check=True)
    assert source.read_text() != text

    done = run(
        *("--kernels", "6.1", "--suite", mine, "-k", "execsnoop"), reports=reports
    )

    assert done.status == 1
    assert done.case("execsnoop").failure_class == "wrong_value"
