"""Kernels from the disk."""

import gzip
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.artifact import Artifact
from runner.kernels.sources import layout, localpath
from runner.kernels.sources.localpath import LocalFiles
from runner.kernels.sources.source import Collected, Workplace
from runner.matrix.matrix import Kernel, PathSource
from tests.unit.kernels import images
from tests.unit.kernels.rpm.made import Spec, make_rpm
from tests.unit.kernels.silent import Silent


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(root=tmp_path / "cache")


def write(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Write files by their paths in a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


def collect(cache: Cache, image: Path, **rest: Path) -> tuple[Collected, list[str]]:
    source = PathSource(type="path", image=image, **rest)
    provider, progress = localpath.LocalFiles(), Silent()
    work = Workplace(cache=cache, scratch=cache.root, progress=progress)
    found = provider.collect(provider.resolve(source, cache), source, work)
    return found, progress.messages


def obtain(cache: Cache, image: Path) -> Artifact:
    kernel = Kernel(id="4.4", source=PathSource(type="path", image=image))
    return fetch.obtain(kernel, cache, Silent())


def test_tree_is_searched_for_all_of_a_kernel(tmp_path: Path, cache: Cache) -> None:
    tree = tmp_path / "linux"
    write(
        tree,
        {
            "Kconfig": "",
            "arch/x86/boot/bzImage": images.bzimage(),
            ".config": "CONFIG_BPF=y\n",
            "System.map": "0 T _text\n",
            "vmlinux": b"\x7fELF",
            ".tmp_vmlinux.btf": b"leftover",
        },
    )

    found, messages = collect(cache, tree)

    assert set(found.contents) == {"boot/vmlinuz", "boot/config", "boot/System.map"}
    assert found.vmlinux == tree / "vmlinux"
    assert found.btf is None
    assert len(messages) == 1
    assert str(tree / ".config") in messages[0]


def test_image_of_a_tree_finds_the_tree(tmp_path: Path, cache: Cache) -> None:
    image = tmp_path / "linux/arch/x86/boot/bzImage"
    write(
        tmp_path / "linux",
        {"arch/x86/boot/bzImage": images.bzimage(), "vmlinux": b"\x7fELF"},
    )

    assert collect(cache, image)[0].vmlinux == tmp_path / "linux/vmlinux"


ARM64_IMAGE = images.arm64_image("6.1.0")
ARM64_TREE = {
    "arch/arm64/boot/Image": ARM64_IMAGE,
    "arch/arm64/boot/Image.gz": gzip.compress(ARM64_IMAGE, mtime=0),
    "arch/arm64/boot/vmlinuz.efi": images.zboot_image(gzip.compress(ARM64_IMAGE)),
    "arch/riscv/boot/Image": images.riscv_image("6.1.0"),
    "arch/x86/boot/bzImage": images.bzimage("6.1.0"),
}


@pytest.mark.parametrize(
    ("arch", "images_there", "found"),
    [
        ("arm64", list(ARM64_TREE), "arch/arm64/boot/Image"),
        ("x86_64", list(ARM64_TREE), "arch/x86/boot/bzImage"),
        ("riscv64", list(ARM64_TREE), "arch/riscv/boot/Image"),
        ("arm64", ["arch/arm64/boot/Image.gz"], "arch/arm64/boot/Image.gz"),
        ("arm64", ["arch/arm64/boot/vmlinuz.efi"], "arch/arm64/boot/vmlinuz.efi"),
    ],
)
def test_tree_has_its_image_where_its_architecture_has_it(
    arch: str, images_there: list[str], found: str, tmp_path: Path, cache: Cache
) -> None:
    tree = tmp_path / "linux"
    write(tree, {name: ARM64_TREE[name] for name in images_there})
    write(tree, {"Kconfig": "", ".config": "CONFIG_BPF=y\n", "vmlinux": b"\x7fELF"})
    source = PathSource(type="path", image=tree)
    # The row tells its source.
    Kernel(id="mine", arch=arch, source=source)

    work = Workplace(cache=cache, scratch=tmp_path, progress=Silent())
    collected = LocalFiles().collect(LocalFiles().resolve(source, cache), source, work)

    assert collected.contents["boot/vmlinuz"] == ARM64_TREE[found]
    # Of the image itself, too, the tree is found.
    assert layout.around(tree / found, (tree / found).parent, "6.1.0") == (
        layout.Surroundings(
            config=tree / ".config",
            system_map=None,
            vmlinux=tree / "vmlinux",
            btf=None,
            modules=None,
        )
    )


def test_tree_built_for_another_architecture_is_refused_with_what_to_write(
    tmp_path: Path, cache: Cache
) -> None:
    tree = tmp_path / "linux"
    write(tree, {"arch/arm64/boot/Image": ARM64_IMAGE})

    with pytest.raises(ArtifactError) as caught:
        obtain(cache, tree)

    assert "of 6.1.0 is for arm64, and the row is for x86_64" in caught.value.message
    assert "set `arch: arm64` in the row" in caught.value.hint


def test_folder_without_an_image_says_what_was_looked_for(
    tmp_path: Path, cache: Cache
) -> None:
    (tmp_path / "empty").mkdir()
    source = PathSource(type="path", image=tmp_path / "empty")
    row = Kernel(id="mine", arch="s390x", source=source)

    with pytest.raises(ArtifactError, match="contains no kernel image") as caught:
        fetch.obtain(row, cache, Silent())

    assert caught.value.hint.startswith("expected one of arch/s390/boot/bzImage")


def test_neighbours_of_the_same_release_are_taken(tmp_path: Path, cache: Cache) -> None:
    boot = tmp_path / "boot"
    write(
        boot,
        {
            "vmlinuz-4.4.1": images.bzimage("4.4.1"),
            "vmlinuz-5.4.0": images.bzimage("5.4.0"),
            "config-4.4.1": "right",
            "config-5.4.0": "wrong",
            "4.4.1.btf": b"right",
            "5.4.0.btf": b"wrong",
        },
    )

    found, _ = collect(cache, boot / "vmlinuz-4.4.1")

    assert found.contents["boot/config"] == b"right"
    assert found.btf == b"right"


def test_folder_with_two_kernels_asks_for_one(tmp_path: Path, cache: Cache) -> None:
    write(tmp_path, {"vmlinuz-1": b"", "vmlinuz-2": b""})

    with pytest.raises(ArtifactError, match="2 kernel images: vmlinuz-1, vmlinuz-2"):
        collect(cache, tmp_path)


def test_named_file_counts_more_than_a_neighbour(tmp_path: Path, cache: Cache) -> None:
    write(
        tmp_path,
        {"bzImage": images.bzimage(), "config": "beside", "my/config": "named"},
    )

    found, messages = collect(cache, tmp_path, config=tmp_path / "my/config")

    assert found.contents["boot/config"] == b"named"
    assert messages == []


def test_named_file_that_is_missing_is_refused(tmp_path: Path, cache: Cache) -> None:
    write(tmp_path, {"bzImage": images.bzimage()})

    with pytest.raises(ArtifactError, match=r"config: .*nowhere does not exist"):
        collect(cache, tmp_path, config=tmp_path / "nowhere")


def test_package_is_opened(tmp_path: Path, cache: Cache) -> None:
    root = tmp_path / "root"
    write(
        root,
        {
            "DEBIAN/control": "Package: linux-image-x\nVersion: 1\n"
            "Architecture: amd64\nMaintainer: nobody\nDescription: x\n",
            "boot/vmlinuz-4.4.1": images.bzimage("4.4.1"),
            "boot/config-4.4.1": "CONFIG_BPF=y\n",
        },
    )
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", root, tmp_path / "k.deb"],
        check=True,
        stdout=subprocess.DEVNULL,
    )

    found, _ = collect(cache, tmp_path / "k.deb")

    assert set(found.contents) == {"boot/vmlinuz-4.4.1", "boot/config-4.4.1"}


def test_broken_package_is_refused(tmp_path: Path, cache: Cache) -> None:
    write(tmp_path, {"k.deb": b"!<arch>\nnot a package"})

    with pytest.raises(ArtifactError, match=r"k\.deb can't be read"):
        collect(cache, tmp_path / "k.deb")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x7fELF" + bytes(2000), "ELF file, such as vmlinux"),
        (b"MZ" + bytes(2000), "not a kernel image"),
        (b"", "not a kernel image"),
        (images.bzimage()[:-40], "truncated"),
    ],
)
def test_what_is_no_image_is_refused(
    tmp_path: Path, cache: Cache, data: bytes, told: str
) -> None:
    write(tmp_path, {"bzImage": data})

    with pytest.raises(ArtifactError, match=told):
        obtain(cache, tmp_path)


def test_changed_neighbour_is_another_artifact(tmp_path: Path, cache: Cache) -> None:
    write(tmp_path, {"bzImage": images.bzimage(), "System.map": "one"})
    before = obtain(cache, tmp_path)
    write(tmp_path, {"System.map": "two"})
    after = obtain(cache, tmp_path)

    assert before.directory != after.directory


def test_modules_of_a_tree_are_those_of_its_order(tmp_path: Path, cache: Cache) -> None:
    write(
        tmp_path,
        {
            "Kconfig": "",
            "arch/x86/boot/bzImage": images.bzimage(),
            "modules.order": "kernel/drivers/net/virtio_net.ko\nfs/ext4/ext4.ko\n",
            "modules.builtin": "kernel/drivers/virtio/virtio_pci.ko\n",
            "drivers/net/virtio_net.ko": b"one",
            "fs/ext4/ext4.ko": b"two",
            "stale/old.ko": b"three",
        },
    )

    found, _ = collect(cache, tmp_path)

    assert {path for path in found.contents if path.endswith(".ko")} == {
        "lib/modules/drivers/net/virtio_net.ko",
        "lib/modules/fs/ext4/ext4.ko",
    }
    assert "lib/modules/modules.builtin" in found.contents


def test_rpm_package_is_a_kernel_and_another_has_its_modules(
    cache: Cache, tmp_path: Path
) -> None:
    core = Spec(
        name="kernel-core", files={"lib/modules/5/vmlinuz": images.bzimage("5")}
    )
    modules = Spec(name="kernel-modules", files={"lib/modules/5/a.ko": images.module()})

    found, _ = collect(
        cache, make_rpm(tmp_path, core), modules=make_rpm(tmp_path, modules)
    )

    assert dict(found.contents) == {
        "lib/modules/5/vmlinuz": images.bzimage("5"),
        "lib/modules/5/a.ko": images.module(),
    }
