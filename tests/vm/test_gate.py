"""The gate as pull requests meet it: gate.yml on this machine, on two real kernels."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.reports import resultsfile
from runner.results import RunResults
from tests import github, workflow
from tests.vm.conftest import ROOT
from tests.workflow import Done, Machine, program

pytestmark = pytest.mark.vm

GATE = workflow.load(ROOT / ".github/workflows/gate.yml")
MATRIX = """\
kernels:
  - {id: "5.10", source: {type: debian, suite: bullseye}}
  - {id: "6.1", source: {type: debian, suite: bookworm}}
"""
# What `state` was called until 5.13, with a guard and without.
GUARDED = """\
	struct task_struct___old *old = (void *)task;
	if (bpf_core_field_exists(old->state))
		bpf_core_read(&state, sizeof(state), &old->state);
"""
UNGUARDED = """\
	struct task_struct___old *old = (void *)task;
	bpf_core_read(&state, sizeof(state), &old->state);
"""
SOURCE = """\
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

struct task_struct___old {
	volatile long state;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} states SEC(".maps");

SEC("kprobe/wake_up_new_task")
int BPF_KPROBE(on_new_task, struct task_struct *task)
{
	__u32 pid = 0;
	__u64 state = 0;

	bpf_core_read(&pid, sizeof(pid), &task->pid);
READ
	bpf_map_update_elem(&states, &pid, &state, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""
SUITE = """\
description: New tasks are seen.
cases:
  - name: state
    object: mine.bpf.c
    trigger: [{fork: sleeper}]
    expect: [{map: states, key: "${child.pid}", between: [0, 4096]}]
"""
# The address of GitHub's API; nobody answers unless a test does.
API = [""]
# Keeps what it is told, and knows no earlier comment.
GH = 'echo "$*" >>"$CALLS"'


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a pull request got."""

    gate: Done
    outputs: dict[str, str]
    results: RunResults
    calls: str
    # The artifact, as it was uploaded.
    reports: Path

    @property
    def said(self) -> str:
        """What the step printed that reports."""
        return self.gate.said["report"]


def pull_request(folder: Path, read: str, **inputs: str) -> Outcome:
    """Run the workflow's jobs on a repository whose program reads as `read` says."""
    repository = folder / "repository"
    suite = repository / "tests/bpf/mine"
    shutil.rmtree(suite, ignore_errors=True)
    suite.mkdir(parents=True)
    (repository / "kernels.yaml").write_text(MATRIX)
    (suite / "suite.yaml").write_text(SUITE)
    (suite / "mine.bpf.c").write_text(SOURCE.replace("READ\n", read))
    given = {"kernels": "all", "matrix": "kernels.yaml", "suites": "tests/bpf"}
    known: dict[str, Any] = {
        "inputs": {
            **{
                name: it["default"]
                for name, it in GATE["on"]["workflow_call"]["inputs"].items()
            },
            **given,
            "accel": "tcg",
            "shards": "2",
            **inputs,
        },
        "github": {
            "event": {
                "pull_request": {"number": "7"},
                "repository": {"default_branch": "trunk"},
            },
            "token": "t",
        },
    }
    planned = _job(folder, "plan", known)
    assert not planned.failed, planned.said
    matrix = json.loads(planned.outputs["plan"]["matrix"])
    known["needs"] = {"plan": {"outputs": planned.of_job}}
    for include in matrix["include"]:
        done = _job(folder, "run", {**known, "matrix": include})
        assert not done.failed, done.said
    gate = _job(folder, "gate", known)
    _job(folder, "comment", known)
    _job(folder, "scan", known)
    return Outcome(
        gate=gate,
        outputs=gate.outputs["report"],
        results=resultsfile.read(folder / "artifacts/kernel-matrix/results.json"),
        calls=(folder / "calls").read_text(),
        reports=folder / "artifacts/kernel-matrix",
    )


def _job(folder: Path, name: str, known: dict[str, Any]) -> Done:
    """Run a job on a machine of its own, which begins with a checkout."""
    temp, bin_ = folder / "temp", folder / "bin"
    for path in (temp, folder / "machine"):
        shutil.rmtree(path, ignore_errors=True)
    temp.mkdir()
    workspace = folder / "machine"
    shutil.copytree(folder / "repository", workspace)
    program(bin_ / "gh", GH)
    machine = Machine(
        workspace=workspace,
        artifacts=folder / "artifacts",
        temp=temp,
        action=workflow.checkout(workspace / ".kernel-matrix"),
        environment={
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "CALLS": str(folder / "calls"),
            "GITHUB_REPOSITORY": "me/it",
            "GITHUB_API_URL": API[0],
        },
    )
    job = GATE["jobs"][name]
    seen = {**known, "runner": {"temp": str(temp)}}
    done = workflow.run_steps(machine, job["steps"], seen)
    done.of_job = workflow.outputs_of_job(job, seen)
    return done


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The program with its guard."""
    return pull_request(tmp_path_factory.mktemp("good"), GUARDED)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, good: Outcome) -> Outcome:
    """The program without its guard, held against what main's last run found."""
    folder = tmp_path_factory.mktemp("bad")
    with github.serving(good.reports, name="kernel-matrix", branch="trunk") as address:
        API[0] = address
        try:
            return pull_request(folder, UNGUARDED, gate="regressions", baseline="main")
        finally:
            API[0] = ""


def test_what_works_passes(good: Outcome) -> None:
    assert not good.gate.failed, good.gate.said
    assert good.outputs["passed"] == "2"
    assert good.outputs["failed"] == "0"
    assert good.outputs["compatible-range"] == "5.10 – 6.1"  # noqa: RUF001
    assert [it.id for it in good.results.kernels] == ["5.10", "6.1"]
    assert good.results.complete


def test_two_machines_did_it(good: Outcome) -> None:
    parts = sorted(it.name for it in good.reports.parent.iterdir() if it.is_dir())

    assert parts == ["kernel-matrix", "kernel-matrix.1-of-2", "kernel-matrix.2-of-2"]
    for path, own in zip(parts[1:], ("5.10", "6.1"), strict=True):
        found = resultsfile.read(good.reports.parent / path / "results.json")
        assert [it.id for it in found.kernels] == [own]


def test_the_reports_of_all_kernels_are_in_one_artifact(good: Outcome) -> None:
    for id_ in ("5.10", "6.1"):
        for name in ("junit.xml", "console.log", "runner.log"):
            assert (good.reports / id_ / name).is_file()


def test_the_artifact_has_all_reports(good: Outcome, bad: Outcome) -> None:
    for found in (good, bad):
        for name in ("report.html", "summary.md", "results.sarif", "comment.md"):
            assert (found.reports / name).is_file(), name


def test_a_regression_fails_on_the_kernel_that_has_it(bad: Outcome) -> None:
    assert bad.gate.failed
    assert bad.outputs["regressions"] == "1"
    assert bad.outputs["compatible-range"] == "5.10"
    failed = [it for it in bad.results.cases if it.failure_class]
    assert [it.kernel for it in failed] == ["6.1"]


def test_code_scanning_gets_the_failure(bad: Outcome) -> None:
    scanned = json.loads((bad.reports.parent / "kernel-matrix.scanned").read_text())
    assert [it["ruleId"] for it in scanned["runs"][0]["results"]]


def test_the_annotation_is_at_the_line_that_reads_the_field(bad: Outcome) -> None:
    lines = SOURCE.replace("READ\n", UNGUARDED).splitlines()
    line = 1 + next(at for at, text in enumerate(lines) if "&old->state" in text)

    assert f"::error file=tests/bpf/mine/mine.bpf.c,line={line}," in bad.said


def test_the_summary_and_the_comment_tell_it(bad: Outcome) -> None:
    assert "regression" in bad.gate.summary
    assert "repos/me/it/issues/7/comments" in bad.calls
    assert "state" in (bad.reports / "comment.md").read_text()


def test_the_artifact_alone_gives_the_same_red(bad: Outcome, tmp_path: Path) -> None:
    artifact = shutil.make_archive(str(tmp_path / "kernel-matrix"), "zip", bad.reports)
    (tmp_path / "empty").mkdir()

    done = subprocess.run(
        [sys.executable, "-P", "-m", "runner", "replay", artifact, "-n", "1"],
        cwd=tmp_path / "empty",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same: 6.1 mine::state: failed [poison_reachable]" in done.stdout
    assert "replayed 1 case: 1 the same" in done.stdout
    assert "not the same" not in done.stdout
