"""Where kernels come from: raw BTF, BTFHub's archives, vmlinux, folders."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.preflight import targets
from runner.preflight.errors import BadBtfError
from tests.unit.preflight.made import compiled
from tests.unit.preflight.raw import Raw, a_kernel

BTF = a_kernel().data
TYPES = "struct task { int pid; } task;"


def packed(name: str) -> bytes:
    """Return a .btf.tar.xz as BTFHub has them."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:xz") as archive:
        member = tarfile.TarInfo(f"{name}.btf")
        member.size = len(BTF)
        archive.addfile(member, io.BytesIO(BTF))
    return file.getvalue()


def test_raw_btf_stays_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "5.4.0-42-generic.btf"
    path.write_bytes(BTF)
    (source,) = targets.of_path(str(path))

    assert targets.load(source).btf == path
    assert targets.load(source).sha256 == hashlib.sha256(BTF).hexdigest()
    assert str(source.version) == "5.4.0"
    assert source.name == "5.4.0-42-generic"


def test_an_elf_file_gives_its_section(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux-6.1"
    path.write_bytes(compiled(TYPES))

    assert targets.read(path)[:2] == b"\x9f\xeb"


def test_a_tree_of_btfhub_is_searched(tmp_path: Path) -> None:
    folder = tmp_path / "ubuntu/16.04/x86_64"
    folder.mkdir(parents=True)
    for release in ("4.4.0-21-generic", "4.15.0-20-generic"):
        (folder / f"{release}.btf.tar.xz").write_bytes(packed(release))
    found = targets.of_path(str(tmp_path))

    assert [str(it.version) for it in found] == ["4.15.0", "4.4.0"]
    assert [targets.load(it).btf for it in found] == [BTF, BTF]


def test_a_folder_as_the_kernel_shows_it_is_one_kernel_with_modules(
    tmp_path: Path,
) -> None:
    base = a_kernel()
    module = Raw(base=base.counts)
    (tmp_path / "vmlinux").write_bytes(base.data)
    (tmp_path / "a_module").write_bytes(module.data)
    (source,) = targets.of_path(str(tmp_path))

    assert targets.load(source).modules == (tmp_path / "a_module",)


def test_a_version_may_be_given(tmp_path: Path) -> None:
    path = tmp_path / "some.btf"
    path.write_bytes(BTF)
    (source,) = targets.of_path(f"4.4={path}")

    assert (source.name, str(source.version)) == ("4.4", "4.4")


@pytest.mark.parametrize("text", ["nothing/there", "x=nothing/there"])
def test_what_is_not_there_is_a_mistake_of_usage(text: str) -> None:
    with pytest.raises(UsageError, match="there is no nothing"):
        targets.of_path(text)


def test_an_empty_folder_is_a_mistake_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it contains no"):
        targets.of_path(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.btf", b"garbage"),
        ("x.btf", b""),
        ("vmlinux", b"\x7fELF" + bytes(60)),
        ("x.btf.tar.xz", b"garbage"),
        ("x.btf.tar.xz", packed("another")),
    ],
)
def test_what_holds_no_btf_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(BadBtfError, match=name):
        targets.read(path)
