"""A kernel's BTF, cut to what objects need; its kernel is the one in the cache."""

from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.btf import PinnedBtf
from runner.matrix.matrix import Kernel, MinBtf
from tests.unit.kernels import images
from tests.unit.kernels.btf import kernels
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.test_fetch_debian import KERNEL, kernel_files, publish

PROGRAM = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
struct task_struct { int pid; } __attribute__((preserve_access_index));
SEC("kprobe/x") int read_pid(void *context)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    return BPF_CORE_READ(task, pid);
}
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    folder = tmp_path / "objects"
    folder.mkdir()
    (folder / "pid.bpf.c").write_text(PROGRAM)
    return folder


def publish_with_btf(suite: Suite, own: bytes) -> None:
    release = "6.1.0-50-cloud-amd64"
    files = kernel_files(release)
    sections = {".text": b"\x90", ".BTF": own}
    files[f"boot/vmlinuz-{release}"] = images.bzimage(release, sections)
    publish(suite, 50, files)


def cut(objects: Path, *, pinned: bool = False) -> Kernel:
    setting = MinBtf(type="min", objects=(objects,))
    btf = PinnedBtf(setting=setting) if pinned else setting
    return KERNEL.model_copy(update={"btf": btf})


@pytest.mark.parametrize("pinned", [False, True])
def test_a_kernel_in_the_cache_is_not_downloaded_again(
    pinned: bool, suite: Suite, objects: Path, tmp_path: Path
) -> None:
    own = kernels.btf(tmp_path, kernels.NEW)
    publish_with_btf(suite, own)
    cache = Cache(tmp_path / "cache")
    whole = fetch.obtain(KERNEL.model_copy(update={"btf": "auto"}), cache, Silent())
    progress = Silent()

    found = fetch.obtain(cut(objects, pinned=pinned), cache, progress)

    assert not [it for it in progress.tasks if it.startswith("linux-image")]
    assert found.btf_source == "min"
    assert found.btf_detail.startswith("of kernel (")
    assert found.btf_detail.endswith("for pid.bpf.o")
    assert found.btf is not None
    data = found.btf.read_bytes()
    assert len(data) < len(own)
    assert b"\0pid\0" in data
    assert b"\0comm\0" not in data
    # All else is the same kernel.
    assert found.image_sha256 == whole.image_sha256
    assert found.packages == whole.packages
    assert [it.name for it in found.modules] == [it.name for it in whole.modules]
    assert whole.btf is not None
    assert whole.btf.read_bytes() == own


def test_a_kernel_that_is_not_there_is_downloaded_once(
    suite: Suite, objects: Path, tmp_path: Path
) -> None:
    publish_with_btf(suite, kernels.btf(tmp_path, kernels.NEW))
    progress = Silent()

    found = fetch.obtain(cut(objects), Cache(tmp_path / "cache"), progress)

    assert found.btf_source == "min"
    assert len([it for it in progress.tasks if it.startswith("linux-image")]) == 1


def test_a_kernel_without_btf_has_nothing_to_cut(
    suite: Suite, objects: Path, tmp_path: Path
) -> None:
    publish(suite, 50)
    setting = MinBtf(type="min", objects=(objects,), of="kernel")

    with pytest.raises(ArtifactError, match="no BTF to reduce: the image has none"):
        fetch.obtain(
            KERNEL.model_copy(update={"btf": setting}),
            Cache(tmp_path / "cache"),
            Silent(),
        )
