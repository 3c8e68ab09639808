"""Whether BTF is of the kernel that it is meant for."""

import struct
from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.kernels.btf.verify import verify
from runner.versions import KernelVersion
from tests.unit.kernels.btf import kernels


def check(data: bytes, release: str) -> None:
    version = KernelVersion.parse(release)
    verify(data, of="a test", release=release, version=version)


def test_btf_of_the_kernel_is_good(tmp_path: Path) -> None:
    check(kernels.btf(tmp_path / "old"), "4.4.1")
    check(kernels.btf(tmp_path / "new", kernels.NEW), "6.1.0-50-cloud-amd64")


def test_btf_of_another_byte_order_is_refused() -> None:
    header = struct.pack(">HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 1)

    with pytest.raises(ArtifactError, match="other byte order"):
        check(header + b"\0", "6.1.0")


@pytest.mark.parametrize(
    ("names", "release", "told"),
    [
        (kernels.OLD, "6.1.0", "thread_struct has fs, so it is of a kernel before 4.7"),
        (kernels.OLD, "5.13.0", "it is of a kernel before 4.7"),
        (kernels.NEW, "4.4.1", "thread_struct has fsbase, so it is of 4.7 or later"),
        (kernels.NEW, "5.13.9", "task_struct has __state, so it is of 5.14 or later"),
    ],
)
def test_btf_of_another_version_is_refused(
    tmp_path: Path, names: dict[str, str], release: str, told: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        check(kernels.btf(tmp_path, names), release)

    assert f"the BTF of a test can't be used for {release}" in caught.value.message
    assert told in caught.value.message


def test_backports_of_red_hat_are_no_mismatch(tmp_path: Path) -> None:
    check(kernels.btf(tmp_path, kernels.NEW), "4.18.0-553.el8_10.x86_64")


def test_btf_without_task_struct_is_no_kernels(tmp_path: Path) -> None:
    data = kernels.btf(tmp_path).replace(b"task_struct", b"mask_struct")

    with pytest.raises(ArtifactError, match="no struct task_struct"):
        check(data, "4.4.1")


def test_btf_of_its_own_byte_order_is_good() -> None:
    header = struct.pack(">HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 1)

    with pytest.raises(ArtifactError, match="no struct task_struct"):
        verify(
            header + b"\0",
            of="a test",
            release="6.1.0",
            version=KernelVersion.parse("6.1"),
            byte_order="big",
        )
