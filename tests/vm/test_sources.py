"""Kernels from the disk, and BTF that their guests are given."""

import os
from pathlib import Path

import pytest

from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.artifact import Artifact
from runner.matrix import matrix
from runner.text.progress import progress
from tests.vm.conftest import DATA, ROOT, run

pytestmark = pytest.mark.vm

# A folder of built vanilla trees, each named by its version: 4.4, 4.11, 5.5, 5.14; and
# e1000, a 5.14 that has CONFIG_E1000=y and no CONFIG_VIRTIO_NET.
TREES = os.environ.get("KERNEL_TREES", "")


@pytest.fixture(scope="module")
def debian() -> Artifact:
    rows = matrix.load(ROOT / "matrix.yaml").kernels
    (kernel,) = (row for row in rows if row.id == "6.1")
    return fetch.obtain(kernel, Cache(), progress())


def test_folder_stands_in_for_a_row(debian: Artifact, reports: Path) -> None:
    done = run(
        *("--kernel", f"6.1={debian.directory}", "--suite", DATA / "suites/canary"),
        reports=reports,
    )

    (kernel,) = done.results.kernels
    assert kernel.release == debian.release
    assert kernel.image == str(debian.directory)
    assert kernel.btf_source == "kernel"


def test_given_btf_is_what_objects_relocate_against(
    debian: Artifact, tmp_path: Path, reports: Path
) -> None:
    # BTF that holds nothing of this kernel but what the suite needs: were the kernel's
    # own in use, it would not be missed.
    rows = tmp_path / "matrix.yaml"
    rows.write_text(
        'kernels:\n  - id: "6.1"\n'
        f"    source: {{type: path, image: {debian.directory}}}\n"
        f"    btf: {{type: min, objects: [{ROOT}/suites/skb]}}\n"
    )

    done = run(
        *("--kernels", "6.1", "--matrix", rows, "--suite", ROOT / "suites/task"),
        *("-k", "comm"),
        reports=reports,
    )

    (kernel,) = done.results.kernels
    assert kernel.btf_source == "min"
    assert done.status == 1
    assert "reloc" in done.case("comm").log


def test_image_that_can_not_boot_is_refused_before_it_is_tried(
    debian: Artifact, tmp_path: Path, reports: Path
) -> None:
    assert debian.config is not None
    config = debian.config.read_text().replace("CONFIG_BPF_SYSCALL=y\n", "")
    (tmp_path / "config").write_text(config)
    (tmp_path / "vmlinuz").write_bytes(debian.vmlinuz.read_bytes())
    (tmp_path / "modules").symlink_to(debian.directory / "modules")

    done = run(
        *("--kernel", f"6.1={tmp_path}", "--suite", DATA / "suites/canary"),
        reports=reports,
    )

    assert done.status == 3
    (kernel,) = done.results.kernels
    assert "CONFIG_BPF_SYSCALL=y" in kernel.error
    assert not (reports / "6.1/console.log").exists()


@pytest.mark.skipif(not TREES, reason="KERNEL_TREES names no folder of kernel trees")
@pytest.mark.parametrize("version", ["4.4", "4.11"])
def test_old_kernel_boots_and_objects_get_btf_made_by_pahole(
    version: str, reports: Path
) -> None:
    done = run(
        *("--kernel", f"{version}={TREES}/{version}"),
        *("--suite", ROOT / "suites/skb"),
        reports=reports,
    )

    (kernel,) = done.results.kernels
    assert kernel.release.startswith(version)
    assert kernel.btf_source == "vmlinux"


@pytest.mark.skipif(not TREES, reason="KERNEL_TREES names no folder of kernel trees")
def test_kernel_with_btf_of_its_own_needs_none_made(reports: Path) -> None:
    done = run(
        *("--kernel", f"5.5={TREES}/5.5", "--suite", ROOT / "suites/skb"),
        reports=reports,
    )

    (kernel,) = done.results.kernels
    assert (done.status, kernel.btf_source) == (0, "kernel")


@pytest.mark.skipif(
    not Path(TREES, "e1000").is_dir(), reason="KERNEL_TREES has no e1000"
)
def test_guest_without_virtio_is_reached_by_an_e1000(reports: Path) -> None:
    done = run(
        *("--kernel", f"5.14={TREES}/e1000", "--suite", ROOT / "suites/skb"),
        reports=reports,
    )

    assert done.status == 0, done.output + done.errors
    assert "e1000" in (reports / "5.14/runner.log").read_text()
