"""Kernels from Debian's snapshot archive and from Ubuntu's packages."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.sources import remote
from runner.kernels.sources.snapshot import SnapshotArchive
from runner.matrix.matrix import Kernel, RemoteFile, SnapshotSource, UbuntuSource
from tests.unit.kernels import images
from tests.unit.kernels.packaging import make_package
from tests.unit.kernels.server import Server, serving
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.snapshotarchive import publish

BUILT_IN = b"kernel/virtio_pci.ko\nkernel/virtio_net.ko\n"
RELEASE = "4.11.0-1-amd64"
PACKAGE = f"linux-image-{RELEASE}"
FILES = {
    f"boot/vmlinuz-{RELEASE}": images.bzimage(RELEASE),
    f"boot/System.map-{RELEASE}": b"ffffffff81000000 T _text\n",
    f"lib/modules/{RELEASE}/modules.builtin": BUILT_IN,
}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def snapshot(server: Server, version: str = "4.11.6-1") -> SnapshotSource:
    return SnapshotSource(
        type="snapshot", package=PACKAGE, version=version, url=server.url
    )


def test_a_kernel_comes_from_the_snapshot_archive(
    server: Server, cache: Cache, tmp_path: Path
) -> None:
    package = make_package(tmp_path, PACKAGE, FILES, version="4.11.6-1")
    sha1 = publish(server, package)
    kernel = Kernel(id="4.11", source=snapshot(server), btf="kernel")
    progress = Silent()

    found = fetch.obtain(kernel, cache, progress)

    (told,) = progress.tasks.values()
    assert told == (package.stat().st_size,) * 2
    assert found.release == RELEASE
    assert str(found.version) == "4.11.6"
    assert found.vmlinuz.read_bytes() == FILES[f"boot/vmlinuz-{RELEASE}"]
    assert found.system_map is not None
    assert server.asked[-1] == f"/file/{sha1}"


def test_a_kernel_of_the_snapshot_archive_is_fetched_once(
    server: Server, cache: Cache, tmp_path: Path
) -> None:
    publish(server, make_package(tmp_path, PACKAGE, FILES, version="4.11.6-1"))
    kernel = Kernel(id="4.11", source=snapshot(server), btf="kernel")
    first = fetch.obtain(kernel, cache, Silent())
    server.asked.clear()

    assert fetch.obtain(kernel, cache, Silent()) == first
    assert not server.asked


def test_a_file_that_is_not_what_the_archive_told_is_refused(
    server: Server, cache: Cache, tmp_path: Path
) -> None:
    package = make_package(tmp_path, PACKAGE, FILES, version="4.11.6-1")
    sha1 = publish(server, package)
    server.put(f"/file/{sha1}", bytes(package.stat().st_size))
    kernel = Kernel(id="4.11", source=snapshot(server), btf="kernel")

    with pytest.raises(ArtifactError, match="is another file: sha1"):
        fetch.obtain(kernel, cache, Silent())
    assert fetch.cached(kernel, cache) is None


def test_a_version_that_the_archive_lacks_is_told(server: Server, cache: Cache) -> None:
    with pytest.raises(ArtifactError, match=r"has no linux-image-\S+ 4\.11\.7-1") as it:
        SnapshotArchive().resolve(snapshot(server, "4.11.7-1"), cache)
    assert f"{server.url}/binary/{PACKAGE}/" in it.value.hint


def test_another_architecture_is_none(
    server: Server, cache: Cache, tmp_path: Path
) -> None:
    package = make_package(tmp_path, PACKAGE, FILES, version="4.11.6-1")
    publish(server, package, architecture="i386")

    with pytest.raises(ArtifactError, match=r"4\.11\.6-1 for amd64") as it:
        SnapshotArchive().resolve(snapshot(server), cache)
    assert it.value.hint == "it has i386"


@pytest.mark.parametrize("answer", [b"[]", b'{"result": [{"architecture": 1}]}', b"1"])
def test_an_answer_of_another_shape_is_told(
    server: Server, cache: Cache, answer: bytes
) -> None:
    server.put(f"/mr/binary/{PACKAGE}/4.11.6-1/binfiles?fileinfo=1", answer)

    with pytest.raises(ArtifactError, match="did not answer like"):
        SnapshotArchive().resolve(snapshot(server), cache)


def ubuntu(server: Server, *packages: Path) -> UbuntuSource:
    return UbuntuSource(
        type="ubuntu",
        packages=tuple(
            RemoteFile(
                url=server.put(f"/mainline/amd64/{package.name}", package.read_bytes()),
                sha256=hashlib.sha256(package.read_bytes()).hexdigest(),
            )
            for package in packages
        ),
    )


def test_a_kernel_comes_from_ubuntus_packages(
    server: Server, cache: Cache, tmp_path: Path
) -> None:
    release = "5.5.0-050500-generic"
    image = make_package(
        tmp_path,
        f"linux-image-unsigned-{release}",
        {f"boot/vmlinuz-{release}": images.bzimage(release)},
        compression="zstd",
    )
    modules = make_package(
        tmp_path,
        f"linux-modules-{release}",
        {
            f"boot/System.map-{release}": b"",
            f"lib/modules/{release}/modules.builtin": BUILT_IN,
        },
    )
    kernel = Kernel(id="5.5", source=ubuntu(server, image, modules), btf="kernel")
    progress = Silent()

    found = fetch.obtain(kernel, cache, progress)

    sizes = [package.stat().st_size for package in (image, modules)]
    assert [*progress.tasks.values()] == [(size, size) for size in sizes]
    assert found.release == release
    assert str(found.version) == "5.5.0"


def test_a_package_with_another_checksum_is_refused(
    server: Server, cache: Cache, tmp_path: Path
) -> None:
    source = ubuntu(server, make_package(tmp_path, "linux-image-a", FILES))
    server.put("/mainline/amd64/linux-image-a_1_amd64.deb", b"something else")
    kernel = Kernel(id="4.11", source=source, btf="kernel")

    with pytest.raises(ArtifactError, match="is another file: sha256"):
        fetch.obtain(kernel, cache, Silent())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("usr/lib/debug/boot/vmlinux-4.11.0-1-amd64", True),
        ("usr/lib/debug/lib/modules/4.11.0-1-amd64/vmlinux", True),
        ("usr/lib/debug/lib/modules/4.11.0-1-amd64/kernel/fs/ext4.ko", False),
        ("boot/vmlinux-4.11.0-1-amd64", False),
    ],
)
def test_the_vmlinux_of_debug_packages_is_known(path: str, expected: bool) -> None:
    assert remote.is_debug_vmlinux(path) is expected
