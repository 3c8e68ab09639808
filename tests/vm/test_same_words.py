"""A run and `check` say the same of a renamed field, and name no machine's paths."""

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

from runner.arch import named
from tests.vm.conftest import ROOT, command

pytestmark = pytest.mark.vm

SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { volatile long state; } __attribute__((preserve_access_index));
long seen;

SEC("raw_tp/sched_process_fork")
int on_fork(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	long found = 0;

	bpf_get_current_comm(&seen, sizeof(seen));
	bpf_probe_read_kernel(&found, sizeof(found), (void *)&task->state);
	seen = found;
	return 0;
}

char _license[] SEC("license") = "GPL";
"""
LINE = "src/probe.bpf.c:14"
SIMILAR = "task_struct.__state (renamed, unsigned int)"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose build leaves its own absolute path in the object."""
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / ".git").mkdir()
    source = project / "src/probe.bpf.c"
    source.write_text(SOURCE)
    argv = ["clang", "-target", "bpf", "-g", "-O2", "-mcpu=v1", "-c", str(source)]
    headers = f"-I/usr/include/{named(platform.machine()).debian.triplet}"
    argv += [headers, "-o", str(project / "probe.bpf.o")]
    subprocess.run(argv, cwd=project, check=True)
    return project


def test_a_run_and_check_agree(project: Path, reports: Path) -> None:
    told = subprocess.run(
        [
            *command("check", "probe.bpf.o", "--kernels", "6.1"),
            *("--matrix", str(ROOT / "matrix.yaml")),
        ],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    done = subprocess.run(
        [
            *command("--kernels", "6.1", "--object", "probe.bpf.o"),
            *("--matrix", str(ROOT / "matrix.yaml"), "--release", "v1"),
            *("--reports", str(reports)),
        ],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    output = done.stdout + done.stderr

    assert (told.returncode, done.returncode) == (1, 1), output
    assert f"  {LINE} (on_fork" in told.stdout
    assert SIMILAR in told.stdout
    flat = re.sub(r"\s+", " ", output)
    assert f"load refused at {LINE}" in flat
    assert SIMILAR in flat
    for name in (
        "results.json",
        "release.md",
        "release.json",
        "summary.md",
        "6.1/junit.xml",
    ):
        assert f"{project}/src" not in (reports / name).read_text()
