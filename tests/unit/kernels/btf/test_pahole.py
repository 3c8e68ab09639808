"""BTF by pahole, and the vmlinux that it needs."""

from pathlib import Path

import pytest

from runner.bpf import btf
from runner.errors import ArtifactError
from runner.kernels.btf import pahole
from runner.versions import KernelVersion
from tests.unit.kernels.btf import kernels

OLD = KernelVersion.parse("4.4.1")


def test_btf_is_made_of_debug_information(tmp_path: Path) -> None:
    output = tmp_path / "out.btf"

    pahole.encode(kernels.vmlinux(tmp_path), output, release="4.4.1", kernel=OLD)

    assert "struct task_struct" in btf.parse(output.read_bytes()).named


def test_stripped_vmlinux_is_told_as_file_shows_it(tmp_path: Path) -> None:
    vmlinux = kernels.vmlinux(tmp_path, options=())

    with pytest.raises(ArtifactError) as caught:
        pahole.encode(vmlinux, tmp_path / "out", release="4.4.1", kernel=OLD)

    assert "no debug information" in caught.value.message
    assert "with debug_info, not stripped" in caught.value.hint


def test_vmlinux_of_another_kernel_is_refused(tmp_path: Path) -> None:
    vmlinux = kernels.vmlinux(tmp_path, release="4.11.0")

    with pytest.raises(
        ArtifactError, match=r"is of kernel 4\.11\.0, but the image is of"
    ):
        pahole.encode(vmlinux, tmp_path / "out", release="4.4.1", kernel=OLD)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"MZ", b"\x7fELF" + bytes(100)])
def test_what_is_no_elf_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(data)

    with pytest.raises(ArtifactError, match="not a readable ELF file"):
        pahole.encode(path, tmp_path / "out", release="4.4.1", kernel=OLD)


def test_missing_pahole_is_told_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vmlinux = kernels.vmlinux(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ArtifactError, match="not installed") as caught:
        pahole.encode(vmlinux, tmp_path / "out", release="4.4.1", kernel=OLD)

    assert "dwarves" in caught.value.hint


def test_pahole_that_can_not_write_a_file_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pahole"
    program.write_text("#!/bin/sh\necho v1.21\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")

    with pytest.raises(ArtifactError, match=r"pahole 1\.21 can't write BTF"):
        pahole.version()


@pytest.mark.parametrize(
    ("version", "kernel", "wanted"),
    [
        ("1.22", "4.4", []),
        ("1.24", "4.4", ["--skip_encoding_btf_enum64"]),
        ("1.24", "5.14", ["--skip_encoding_btf_enum64", "--btf_gen_floats"]),
        ("1.24", "6.1", ["--btf_gen_floats", "--lang_exclude=rust"]),
        ("1.23", "6.1", ["--btf_gen_floats"]),
    ],
)
def test_options_follow_pahole_and_kernel(
    version: str, kernel: str, wanted: list[str]
) -> None:
    found = pahole.options(KernelVersion.parse(version), KernelVersion.parse(kernel))

    assert found == wanted
