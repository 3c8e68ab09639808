"""The template for GitLab: against GitLab's schema, and its scripts for real."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.reports import resultsfile
from tests import github
from tests.unit.cli.test_baseline import FakeGitLab
from tests.unit.reports.runs import F, P, case, run
from tests.workflow import ROOT, program

FILE = ROOT / "docs/gitlab/kernel-matrix.yml"
TEMPLATE: dict[str, Any] = yaml.safe_load(FILE.read_text())
VARIABLES = TEMPLATE["variables"]


def test_it_is_what_gitlab_takes() -> None:
    checker = Path(sys.executable).parent / "check-jsonschema"
    subprocess.run(
        [checker, "--builtin-schema", "vendor.gitlab-ci", FILE], check=True, timeout=60
    )


def test_its_variables_are_explained() -> None:
    page = (ROOT / "docs/ci.md").read_text()
    for name in VARIABLES:
        assert f"`{name}`" in page, name


def run_job(
    name: str, folder: Path, command: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a job's script as a runner of GitLab does."""
    program(folder / "bin/bpf-kernel-matrix", command)
    (script,) = TEMPLATE[name]["script"]
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={
            **{key: str(value) for key, value in VARIABLES.items()},
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "CI_NODE_INDEX": "2",
            "CI_NODE_TOTAL": "4",
            "CI_JOB_NAME": name,
            "CI_DEFAULT_BRANCH": "release/1",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )


def test_each_job_runs_its_part(tmp_path: Path) -> None:
    done = run_job(
        "kernel-matrix-run",
        tmp_path,
        'printf "<%s>" "$@"',
        KERNEL_MATRIX_SUITES="tests/a tests/*",
        KERNEL_MATRIX_OPTIONS="--libbpf lib",
    )
    assert done.stdout == (
        "<--kernels><@default><--shard><2/4><--reports><parts/2>"
        "<--suite><tests/a><--suite><tests/*><--libbpf><lib>"
    )


@pytest.mark.parametrize(("status", "left"), [(0, 0), (1, 0), (2, 2), (3, 3)])
def test_a_part_that_found_something_has_done_its_work(
    tmp_path: Path, status: int, left: int
) -> None:
    assert run_job("kernel-matrix-run", tmp_path, f"exit {status}").returncode == left


REAL = f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m runner "$@"'


@pytest.mark.parametrize(
    ("before", "after", "status"), [(F, F, 0), (P, F, 1), (None, F, 1), (None, P, 0)]
)
def test_the_gate_judges_against_the_last_good_run(
    tmp_path: Path, before: Any, after: Any, status: int
) -> None:
    resultsfile.write(run(case("6.1", after)), tmp_path / "parts/1/results.json")
    resultsfile.write(run(case("6.1", before or P)), tmp_path / "before.json")
    values: dict[str, object] = {"data": (tmp_path / "before.json").read_bytes()}
    values |= {} if before else {"path_of_file": ""}
    with github.server(type("Project", (FakeGitLab,), values)) as address:
        done = run_job(
            "kernel-matrix",
            tmp_path,
            REAL,
            CI_API_V4_URL=f"{address}/api/v4",
            CI_PROJECT_ID="3",
            CI_JOB_TOKEN="j",
        )

    assert done.returncode == status, done.stdout
    assert ("there is no baseline yet" in done.stdout) is (before is None)
    assert (tmp_path / "reports/all/report.html").is_file()
