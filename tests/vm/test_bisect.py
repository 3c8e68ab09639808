"""A regression that is bisected to a package version, out of a real local repository.

Debian's kernels of the cache, with the files that a guest needs, packed by dpkg-deb,
listed by dpkg-scanpackages, signed by gpg and served from this machine.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.artifact import Artifact
from runner.matrix import matrix
from runner.reports import resultsfile
from runner.text.progress import progress
from tests.unit.kernels.packaging import Repository, make_package, make_signer
from tests.unit.kernels.server import Server, serving
from tests.vm.conftest import ROOT
from tests.vm.test_ubuntu import files

pytestmark = pytest.mark.vm

# task_struct.state is __state from 5.14 on.
ROWS = ("5.10", "6.1", "6.12")
SUITE = """\
name: tracer
description: A tracer of ours.
cases:
  - name: state
    description: The state of a task that is made.
    object: tracer.bpf.c
    trigger: [{fork: sleeper}]
    expect:
      - {map: states, key: "${child.pid}", field: seen, equals: 1}
"""
SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	volatile long state;
	int pid;
} __attribute__((preserve_access_index));

struct row {
	__u32 seen;
	__u32 state;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct row);
} states SEC(".maps");

SEC("raw_tp/sched_wakeup_new")
int on_new(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct row row = {.seen = 1};
	__u32 pid = BPF_CORE_READ(task, pid);

	row.state = BPF_CORE_READ(task, state);
	bpf_map_update_elem(&states, &pid, &row, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""


def package(kernel: Artifact, folder: Path) -> Path:
    """Return a package with a kernel's files, as Debian names it."""
    return make_package(
        folder,
        f"linux-image-{kernel.release}",
        files(kernel),
        version=f"{kernel.version}-1",
        compression="none",
    )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    """A project with a tracer, and a row whose suite offers three kernels and one whose
    modules are missing."""
    folder = tmp_path_factory.mktemp("project")
    known = {row.id: row for row in matrix.load(ROOT / "matrix.yaml").kernels}
    kernels = [fetch.obtain(known[it], Cache(), progress()) for it in ROWS]
    packages = [package(it, folder) for it in kernels]
    incomplete = "linux-image-6.11.0-cloud-amd64"
    needs = "linux-modules-6.11.0-cloud-amd64"
    packages.append(
        make_package(folder, incomplete, {"x": b"x"}, version="6.11-1", depends=needs)
    )
    with tempfile.TemporaryDirectory() as home:
        signer = make_signer(Path(home) / "gnupg")
        repository = Repository(root=folder / "debian")
        repository.publish("history", packages, signer)
        (folder / "keys.gpg").write_bytes(signer.keyring.read_bytes())
    repository.serve(server, "/debian")
    (folder / "matrix.yaml").write_text(
        "kernels:\n  - id: kept\n    source:\n      type: debian\n"
        f"      suite: history\n      mirror: {server.url}/debian\n"
        "      package: linux-image-[0-9]*-cloud-amd64\n      keyring: keys.gpg\n"
        "      check_valid_until: false\n"
    )
    (folder / "tracer").mkdir()
    (folder / "tracer/suite.yaml").write_text(SUITE)
    (folder / "tracer/tracer.bpf.c").write_text(SOURCE)
    return folder


def runner(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", *words],
        cwd=project,
        capture_output=True,
        text=True,
    )


def test_regression_is_bisected_to_a_package_and_explained(project: Path) -> None:
    listed = runner(
        project, "sweep", "kept", "--since", "5", "--boot", "none", "--json"
    )
    versions = [it["version"] for it in json.loads(listed.stdout)["versions"]]
    ends = ("--good", f"kept@{versions[0]}", "--bad", "kept")

    done = runner(project, "bisect", *ends, "tracer::state", "--tries", "1", "--json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["bad"]["version"] == versions[1]
    assert found["bad"]["version"].startswith("6.1.")
    assert found["bad"]["release"].startswith("6.1.0-")
    assert found["good"]["version"] == versions[0]
    assert found["failure"]["class"] == "poison_reachable"
    changed = {it["access"]: it for it in found["changes"][0]["changes"]}
    assert changed["task_struct.state"]["difference"] == "renamed"
    assert changed["task_struct.state"]["became"] == ["task_struct.__state"]
    # Both ends, and the first bad version: predictions told the rest.
    assert [it["kernel"] for it in found["boots"]] == [
        *(f"kept@{versions[0]}", f"kept@{versions[-1]}", f"kept@{versions[1]}"),
    ]

    # All of it again from the log, without a boot.
    again = runner(
        project, "bisect", *ends, "tracer::state", "--tries", "1", "--json", "--resume"
    )
    assert json.loads(again.stdout)["boots"] == found["boots"]


def test_sweep_boots_what_may_differ_and_states_the_range(project: Path) -> None:
    done = runner(project, "sweep", "kept", "--since", "6.1", "-n", "1")

    assert done.returncode == 1, done.stderr
    found = json.loads((project / "reports/sweep/sweep.json").read_text())
    old, missing, new = found["versions"]
    assert missing["unavailable"]
    assert not missing["booted"]
    assert (old["verdict"], new["verdict"]) == ("fails", "fails")
    assert old["refused"][0]["case"] == "tracer::state"
    assert "6.1." in found["statement"]
    assert "are not known" in found["statement"] or "is not known" in found["statement"]
    results = resultsfile.read(project / "reports/sweep/results.json")
    assert [it.id for it in results.kernels] == [old["kernel"], new["kernel"]]
    assert (project / "reports/sweep/sweep.md").read_text().startswith("# Sweep of")
