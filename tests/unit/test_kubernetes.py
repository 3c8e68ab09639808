"""The example Jobs, against the API's own schemas, and their commands for real."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from runner.reports import resultsfile
from runner.results import Outcome
from tests.unit.reports.runs import F, P, case, run
from tests.workflow import ROOT, program

FOLDER = Path(__file__).resolve().parents[2] / "docs/kubernetes"
FILES = ("job.yaml", "gate.yaml")
# The first in which all of it is there by default, and the newest that is known.
VERSIONS = ("1.33", kubernetes_validate.latest_version())


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def job(name: str) -> Any:
    (found,) = [it for it in documents(name) if it["kind"] == "Job"]
    return found["spec"]


def container(name: str) -> Any:
    (found,) = job(name)["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FILES)
def test_it_is_what_the_api_takes(name: str, version: str) -> None:
    for document in documents(name):
        kubernetes_validate.validate(document, version, strict=True)


def test_an_unknown_field_would_be_noticed() -> None:
    found = documents("job.yaml")[-1]
    found["spec"]["completionsMode"] = "Indexed"

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, VERSIONS[0], strict=True)


@pytest.mark.parametrize("name", FILES)
def test_pods_have_no_more_rights_than_they_need(name: str) -> None:
    pod, security = job(name)["template"]["spec"], container(name)["securityContext"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}


def commands(name: str, tmp_path: Path, **environment: str) -> list[str]:
    """Run a container's command and return the commands of Python that it gives."""
    program(tmp_path / "python3", f'echo "$@" >>{tmp_path}/said')
    found = container(name)
    given = {it["name"]: it["value"] for it in found.get("env", ())}
    subprocess.run(
        found["command"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **given, **environment},
        check=True,
        timeout=60,
    )
    return (tmp_path / "said").read_text().splitlines()


def test_each_pod_runs_its_part(tmp_path: Path) -> None:
    spec = job("job.yaml")
    for index in range(spec["completions"]):
        commands("job.yaml", tmp_path, JOB_COMPLETION_INDEX=str(index))

    said = (tmp_path / "said").read_text().splitlines()
    assert [line.split(" --shard ")[1] for line in said] == [
        f"{part}/4 --reports /reports/parts/{part}" for part in (1, 2, 3, 4)
    ]


REAL = f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -P "$@"'


def gate(folder: Path, **environment: str) -> int:
    """Run the gate's command on a volume that lies in a folder."""
    program(folder / "bin/python3", REAL)
    command = [
        it.replace("/reports", str(folder)) for it in container("gate.yaml")["command"]
    ]
    given = {it["name"]: it["value"] for it in container("gate.yaml")["env"]}
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        command, env={**given, "PATH": path, **environment}, timeout=120
    )
    return done.returncode


def test_the_parts_are_merged_and_judged_against_the_last_good_run(
    tmp_path: Path,
) -> None:
    def found(outcome: Outcome) -> None:
        part = tmp_path / "parts/1/results.json"
        resultsfile.write(run(case("6.1", outcome), case("6.1", P, "other")), part)

    found(F)
    assert gate(tmp_path) == 1
    assert gate(tmp_path, IS_MAIN="true") == 1
    assert not (tmp_path / "baseline").exists()
    found(P)
    assert gate(tmp_path) == 0
    assert not (tmp_path / "baseline").exists()
    assert gate(tmp_path, IS_MAIN="true") == 0
    kept = resultsfile.read(tmp_path / "baseline/results.json")
    assert {it.outcome for it in kept.cases} == {P}
    found(F)
    assert gate(tmp_path) == 1


def test_a_known_failure_of_the_baseline_passes(tmp_path: Path) -> None:
    results = run(case("6.1", F))
    resultsfile.write(results, tmp_path / "baseline/results.json")
    resultsfile.write(results, tmp_path / "parts/1/results.json")
    assert gate(tmp_path) == 0


@pytest.mark.parametrize(("status", "left"), [(0, 0), (1, 0), (2, 2), (3, 3)])
def test_a_pod_that_found_something_has_done_its_work(
    tmp_path: Path, status: int, left: int
) -> None:
    program(tmp_path / "python3", f"exit {status}")
    done = subprocess.run(
        container("job.yaml")["command"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "JOB_COMPLETION_INDEX": "0",
            "JOB_COMPLETIONS": "4",
        },
        timeout=60,
    )
    assert done.returncode == left


def test_a_mistake_is_not_tried_again() -> None:
    (rule, _) = job("job.yaml")["podFailurePolicy"]["rules"]

    assert rule["action"] == "FailIndex"
    assert rule["onExitCodes"]["values"] == [2]
