"""One source that one compiler breaks, as docs/builds.md tells it."""

import shutil
from pathlib import Path

import pytest
import yaml

from runner.results import Outcome
from tests.vm.conftest import ROOT, run

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(
        not (shutil.which("clang-16") and shutil.which("clang-19")),
        reason="there is no clang-16 or no clang-19",
    ),
]

EXAMPLE = ROOT / "docs/examples/builds"
BROKEN = "argv[clang-19-v3]"


def test_one_compiler_breaks_what_others_build(tmp_path: Path, reports: Path) -> None:
    suite = yaml.safe_load((EXAMPLE / "suite.yaml").read_text())
    (declared,) = (case.pop("expect_failure") for case in suite["cases"])
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    shutil.copy(EXAMPLE / "argv.bpf.c", tmp_path)

    done = run("--kernels", "5.10", "--suite", tmp_path, reports=reports)

    assert {it.case: it.outcome for it in done.results.cases} == {
        "argv[clang-16-v1]": Outcome.PASSED,
        "argv[clang-16-v3]": Outcome.PASSED,
        "argv[clang-19-v1]": Outcome.PASSED,
        BROKEN: Outcome.FAILED,
    }
    assert done.case(BROKEN).failure_class == declared["class"]
    assert len({it.object_sha256 for it in done.results.cases}) == 4


def test_a_source_is_tested_without_a_suite(reports: Path) -> None:
    done = run(
        *("--kernels", "6.1", "--object", EXAMPLE / "argv.bpf.c"),
        *("--variants", "clang=16,19", "mcpu=v3"),
        reports=reports,
    )

    assert {it.case: it.outcome for it in done.results.cases} == {
        "argv[clang-16-v3]": Outcome.PASSED,
        BROKEN: Outcome.FAILED,
    }
