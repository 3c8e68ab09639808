"""Where a kernel's BTF comes from."""

import io
import struct
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.kernels.btf import Material, choose, identity
from runner.kernels.btf.choose import HUB_VARIABLE
from runner.kernels.sources.source import Workplace
from runner.matrix.matrix import DebugPackageBtf, FileBtf, HubBtf, MinBtf, VmlinuxBtf
from runner.versions import KernelVersion
from tests.unit.kernels import images
from tests.unit.kernels.btf import kernels
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.silent import Silent


def material(tmp_path: Path, release: str = "4.4.1", btf: bytes = b"") -> Material:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    sections = {".text": b"\x90", **({".BTF": btf} if btf else {})}
    return Material(
        release=release,
        version=KernelVersion.parse(release),
        image=images.bzimage(release, sections),
        vmlinux=None,
        beside=None,
        work=Workplace(
            cache=Cache(root=tmp_path / "cache"), scratch=scratch, progress=Silent()
        ),
    )


def test_kernels_own_comes_first(tmp_path: Path) -> None:
    own = kernels.btf(tmp_path, kernels.NEW)
    it = replace(material(tmp_path, "6.1.0", own), beside=b"never looked at")

    found = choose("auto", it)

    assert found.source == "kernel"
    assert found.data == own


def test_own_that_the_kernel_does_not_show_is_brought(tmp_path: Path) -> None:
    own = kernels.btf(tmp_path)

    assert choose("auto", material(tmp_path, "4.4.1", own)).source == "image"


def test_an_old_kernel_shows_its_own_if_a_vendor_put_that_in(tmp_path: Path) -> None:
    own = kernels.btf(tmp_path, kernels.NEW, ("-g", "-DSHOWS_BTF"))
    release = "4.18.0-553.el8_10.x86_64"

    assert choose("auto", material(tmp_path, release, own)).source == "kernel"


def test_file_beside_the_image_comes_second(tmp_path: Path) -> None:
    beside = kernels.btf(tmp_path)
    it = replace(
        material(tmp_path),
        beside=beside,
        vmlinux=kernels.vmlinux(tmp_path, release="9"),
    )

    found = choose("auto", it)

    assert (found.source, found.data) == ("file", beside)


def test_debug_information_comes_third(tmp_path: Path) -> None:
    it = replace(material(tmp_path), vmlinux=kernels.vmlinux(tmp_path))

    found = choose("auto", it)

    assert found.source == "vmlinux"
    assert found.data
    assert "pahole" in found.detail


def test_vmlinux_of_another_build_is_refused(tmp_path: Path) -> None:
    """Of the same release, and with the structs of another config."""
    vmlinux = kernels.vmlinux(tmp_path)
    add_build_id(vmlinux, b"\x11" * 20)
    sections = {".text": b"\x90", ".notes": build_id_note(b"\x22" * 20)}
    it = material(tmp_path)
    another = replace(it, image=images.bzimage(it.release, sections))

    for setting, at in (
        ("auto", replace(another, vmlinux=vmlinux)),
        (VmlinuxBtf(type="vmlinux", path=vmlinux), another),
    ):
        with pytest.raises(ArtifactError, match="is of another build") as caught:
            choose(setting, at)
        assert f"build-id is {'11' * 20}, the image's is {'22' * 20}" in str(
            caught.value
        )


def test_vmlinux_of_the_same_build_is_taken(tmp_path: Path) -> None:
    vmlinux = kernels.vmlinux(tmp_path)
    add_build_id(vmlinux, b"\x11" * 20)
    it = material(tmp_path)
    sections = {".text": b"\x90", ".notes": build_id_note(b"\x11" * 20)}
    same = replace(it, image=images.bzimage(it.release, sections))

    assert choose("auto", replace(same, vmlinux=vmlinux)).source == "vmlinux"
    # An image that tells none is held by its release alone.
    assert choose("auto", replace(it, vmlinux=vmlinux)).source == "vmlinux"


def add_build_id(vmlinux: Path, identity: bytes) -> None:
    note = vmlinux.with_name("note")
    note.write_bytes(build_id_note(identity))
    subprocess.run(["objcopy", f"--add-section=.notes={note}", vmlinux], check=True)


def build_id_note(identity: bytes) -> bytes:
    """Return a kernel's notes: Xen's and the linker's."""
    return b"".join(
        struct.pack("<III", len(name), len(content), kind) + name + content
        for name, kind, content in (
            (b"Xen\0", 6, b"linux\0\0\0"),
            (b"GNU\0", 3, identity),
        )
    )


def test_hub_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = "4.4.0-21-generic"
    monkeypatch.setenv(HUB_VARIABLE, str(hub(tmp_path, release)))
    stripped = kernels.vmlinux(tmp_path, options=())

    found = choose("auto", replace(material(tmp_path, release), vmlinux=stripped))

    assert found.source == "btfhub"


def test_hub_has_folders_of_arm64_and_none_of_s390x(tmp_path: Path) -> None:
    release = "4.4.0-21-generic"
    location = hub(tmp_path, release)
    (pc,) = location.glob("*/*/x86_64")
    pc.rename(pc.with_name("arm64"))
    setting = HubBtf(type="btfhub", location=str(location))

    of_arm64 = replace(material(tmp_path, release), image=images.arm64_image(release))
    found = choose(setting, of_arm64)

    assert (found.source, "/arm64/" in found.detail) == ("btfhub", True)
    with pytest.raises(ArtifactError, match="has no BTF for 4"):
        choose(setting, material(tmp_path, release))
    of_s390x = replace(of_arm64, image=images.s390_image(b"", release))
    with pytest.raises(ArtifactError, match="has no BTF for s390x") as caught:
        choose(setting, of_s390x)
    assert "debug-package" in caught.value.hint


def test_kernel_without_any_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HUB_VARIABLE, str(hub(tmp_path, "another")))

    found = choose("auto", material(tmp_path))

    assert found.data is None
    assert found.detail == (
        "the image has none; there is none next to it; there is no vmlinux with "
        "debug information next to it; BTFHub has none for 4.4.1"
    )


def test_kernel_means_its_own_or_none(tmp_path: Path) -> None:
    it = replace(material(tmp_path), vmlinux=kernels.vmlinux(tmp_path))

    assert choose("kernel", it).data is None


def test_wrong_file_beside_the_image_is_refused(tmp_path: Path) -> None:
    beside = kernels.btf(tmp_path, kernels.NEW)

    with pytest.raises(ArtifactError, match=r"of 4\.7 or later"):
        choose("auto", replace(material(tmp_path), beside=beside))
    with pytest.raises(ArtifactError, match="truncated"):
        choose("auto", replace(material(tmp_path), beside=beside[:-9]))


def test_wrong_or_truncated_btf_that_a_row_names_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.btf"
    setting = FileBtf(type="file", path=file)
    file.write_bytes(kernels.btf(tmp_path, kernels.NEW))

    with pytest.raises(ArtifactError, match=r"a\.btf\) can't .* of 4\.7 or later"):
        choose(setting, material(tmp_path))
    file.write_bytes(kernels.btf(tmp_path)[:-9])
    with pytest.raises(ArtifactError, match="truncated") as caught:
        choose(setting, material(tmp_path))
    assert "key btf" in caught.value.hint


def test_row_can_name_a_file_a_vmlinux_and_an_archive(tmp_path: Path) -> None:
    file = tmp_path / "a.btf"
    file.write_bytes(kernels.btf(tmp_path))
    vmlinux = kernels.vmlinux(tmp_path)
    location = str(hub(tmp_path, "4.4.1"))

    for setting in (
        FileBtf(type="file", path=file),
        VmlinuxBtf(type="vmlinux", path=vmlinux),
        HubBtf(type="btfhub", location=location),
    ):
        assert choose(setting, material(tmp_path)).source == setting.type


def test_what_a_row_names_must_be_there(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    it = material(tmp_path)

    with pytest.raises(ArtifactError, match="nowhere: No such file"):
        choose(FileBtf(type="file", path=nowhere), it)
    with pytest.raises(ArtifactError, match="nowhere does not exist"):
        choose(VmlinuxBtf(type="vmlinux", path=nowhere), it)
    with pytest.raises(ArtifactError, match="nowhere does not exist"):
        choose(DebugPackageBtf(type="debug-package", path=nowhere), it)
    with pytest.raises(ArtifactError, match=r"has no BTF for 4\.4\.1") as caught:
        choose(HubBtf(type="btfhub", location=str(hub(tmp_path, "4.4.2"))), it)
    assert "4.4.2" in caught.value.hint


def test_debug_package_holds_the_vmlinux(tmp_path: Path) -> None:
    package = deb(tmp_path, "usr/lib/debug/boot/vmlinux-4.4.1")
    setting = DebugPackageBtf(type="debug-package", path=package)

    assert choose(setting, material(tmp_path)).source == "debug-package"
    with pytest.raises(ArtifactError, match=r"has no vmlinux of 4\.4\.2"):
        choose(setting, material(tmp_path, "4.4.2"))


def test_truncated_debug_package_is_refused(tmp_path: Path) -> None:
    package = deb(tmp_path, "usr/lib/debug/boot/vmlinux-4.4.1")
    package.write_bytes(package.read_bytes()[:-99])
    setting = DebugPackageBtf(type="debug-package", path=package)

    with pytest.raises(ArtifactError):
        choose(setting, material(tmp_path))


def test_debug_package_comes_from_a_suite(tmp_path: Path, suite: Suite) -> None:
    setting = DebugPackageBtf(type="debug-package", suite="bookworm")
    it = material(tmp_path)
    with pytest.raises(
        ArtifactError, match=r"no package linux-image-4\.4\.1-dbg"
    ) as no:
        choose(setting, it)
    assert "key package" in no.value.hint

    # The index that was read before does not have it.
    files = {"usr/lib/debug/boot/vmlinux-4.4.1": kernels.vmlinux(tmp_path).read_bytes()}
    suite.publish(suite.package("linux-image-4.4.1-dbg", files, version="4.4.1-1"))
    found = choose(setting, it)

    assert found.source == "debug-package"
    assert found.detail.endswith("linux-image-4.4.1-dbg_4.4.1-1_amd64.deb")


def test_objects_that_are_none_are_the_users_mistake(tmp_path: Path) -> None:
    cache = Cache(root=tmp_path / "cache")
    (tmp_path / "empty").mkdir()

    for path, told in (("nowhere", "does not exist"), ("empty", "has no")):
        setting = MinBtf(type="min", objects=(tmp_path / path,))
        with pytest.raises(UsageError, match=told):
            identity(setting, cache)


def test_identity_follows_the_content(tmp_path: Path) -> None:
    cache = Cache(root=tmp_path / "cache")
    file = tmp_path / "a.btf"
    setting = FileBtf(type="file", path=file)
    file.write_bytes(b"one")
    before = identity(setting, cache)
    file.write_bytes(b"two")

    assert identity(setting, cache) != before
    assert identity("auto", cache) != identity("kernel", cache)


def hub(tmp_path: Path, release: str) -> Path:
    folder = tmp_path / "hub/ubuntu/16.04/x86_64"
    folder.mkdir(parents=True, exist_ok=True)
    data = kernels.btf(tmp_path / "for-hub")
    member = tarfile.TarInfo(f"{release}.btf")
    member.size = len(data)
    with tarfile.open(folder / f"{release}.btf.tar.xz", "w:xz") as opened:
        opened.addfile(member, io.BytesIO(data))
    return tmp_path / "hub"


def deb(tmp_path: Path, path: str) -> Path:
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: linux-image-dbg\nVersion: 1\nArchitecture: amd64\n"
        "Maintainer: nobody\nDescription: x\n"
    )
    (root / path).parent.mkdir(parents=True)
    (root / path).write_bytes(kernels.vmlinux(tmp_path).read_bytes())
    output = tmp_path / "dbg.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", root, output],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return output
