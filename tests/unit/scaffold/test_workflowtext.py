import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from runner.scaffold import workflowtext
from runner.scaffold.workflowtext import RunnerOrigin, WorkflowSubject

ROOT = Path(__file__).parents[3]
ORIGIN = RunnerOrigin(repository="some/bpf-kernel-matrix", ref="f" * 40, is_known=True)
UNKNOWN = RunnerOrigin(repository="OWNER/bpf-kernel-matrix", ref="v1.0", is_known=False)
BUILT = WorkflowSubject(
    origin=ORIGIN, built=("build/a.bpf.o", ".output/b.bpf.o"), build="make -C src"
)
# Programs of the tests' environment.
PROGRAMS = Path(sys.executable).parent


def _check(program: str, *words: str | Path) -> str:
    found = shutil.which(program, path=str(PROGRAMS))
    if found is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run(
        [found, *map(str, words)], capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("subject", [WorkflowSubject(origin=ORIGIN), BUILT])
def test_a_workflow_passes_its_checkers(
    subject: WorkflowSubject, tmp_path: Path
) -> None:
    file = tmp_path / ".github/workflows/kernel-matrix.yml"
    file.parent.mkdir(parents=True)
    file.write_text(workflowtext.github(subject))

    assert _check("actionlint", file) == ""
    assert _check("zizmor", "--offline", "--quiet", file) == ""


def test_a_workflow_calls_the_gate_of_the_commit_that_wrote_it() -> None:
    text = workflowtext.github(WorkflowSubject(origin=ORIGIN))

    jobs = yaml.safe_load(text)["jobs"]
    gate = "some/bpf-kernel-matrix/.github/workflows/gate.yml"
    assert jobs["kernels"]["uses"] == f"{gate}@{'f' * 40}"
    assert list(jobs) == ["kernels"]


def test_a_workflow_grants_all_that_the_gate_asks_for() -> None:
    jobs = yaml.safe_load(workflowtext.github(WorkflowSubject(origin=ORIGIN)))["jobs"]
    gate = yaml.safe_load((ROOT / ".github/workflows/gate.yml").read_text())

    # GitHub refuses to start a workflow that asks for more than its caller has.
    asked = [it.get("permissions", {}) for it in gate["jobs"].values()]
    assert jobs["kernels"]["permissions"] == {
        name: "write" if any(it.get(name) == "write" for it in asked) else "read"
        for name in {name for it in asked for name in it}
    }


def test_a_workflow_says_what_to_fill_in() -> None:
    text = workflowtext.github(WorkflowSubject(origin=UNKNOWN))

    assert "# Write where you have bpf-kernel-matrix from" in text


def test_objects_are_built_and_handed_on() -> None:
    jobs = yaml.safe_load(workflowtext.github(BUILT))["jobs"]

    assert jobs["kernels"]["needs"] == "build"
    name = jobs["kernels"]["with"]["objects-artifact"]
    *_, build, upload = jobs["build"]["steps"]
    assert build["run"] == "make -C src"
    assert upload["with"]["name"] == name
    # The artifact's paths begin at what all of its files are below.
    assert upload["with"]["path"].split() == [
        *("matrix.yaml", "build/a.bpf.o", ".output/b.bpf.o")
    ]


def test_inputs_are_those_of_the_gate() -> None:
    gate = yaml.safe_load((ROOT / ".github/workflows/gate.yml").read_text())
    # YAML 1.1 reads `on` as a truth.
    inputs = gate[True]["workflow_call"]["inputs"]

    given = yaml.safe_load(workflowtext.github(BUILT))["jobs"]["kernels"]["with"]
    assert set(given) <= set(inputs)


def test_a_pipeline_of_gitlab_builds_runs_and_judges() -> None:
    found = yaml.safe_load(workflowtext.gitlab(BUILT))

    assert found["stages"] == ["build", "kernels", "verdict"]
    assert found["build"]["artifacts"]["paths"] == list(BUILT.built)
    assert found["build"]["script"][-1] == "make -C src"
    assert found[".kernel-matrix"]["variables"]["RUNNER_REF"] == "f" * 40
    assert "build" not in yaml.safe_load(
        workflowtext.gitlab(WorkflowSubject(origin=ORIGIN))
    )
