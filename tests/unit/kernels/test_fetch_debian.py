"""A kernel of a Debian suite becomes an artifact, with and without a mirror."""

import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import ArtifactError, ExitStatus
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.lock import PinnedSource
from runner.kernels.sources.debian import Debian
from runner.matrix import matrix
from runner.matrix.matrix import DebianSource, Kernel
from tests.unit.kernels import images
from tests.unit.kernels.btf import kernels as btf
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.server import Server, serving
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.snapshotarchive import publish as served_as_archive

ROOT = Path(__file__).resolve().parents[3]
# Its own BTF or none, so that nothing else is asked for any.
KERNEL = Kernel(
    id="6.1", source=DebianSource(type="debian", suite="bookworm"), btf="kernel"
)
# What a guest needs.
NEEDED = (
    *("64BIT", "PCI", "BLK_DEV_INITRD", "RD_GZIP", "BINFMT_ELF", "BINFMT_SCRIPT"),
    *("PRINTK", "SERIAL_8250_CONSOLE", "PROC_FS", "SYSFS", "DEVTMPFS", "TMPFS"),
    *("INET", "BPF_SYSCALL", "VIRTIO_PCI"),
)
CONFIG = "".join(f"CONFIG_{name}=y\n" for name in NEEDED) + "CONFIG_VIRTIO_NET=m\n"


def kernel_files(release: str) -> dict[str, bytes]:
    """Return the files of a kernel up to 6.x: the image in boot/."""
    folder = f"lib/modules/{release}"
    return {
        f"boot/vmlinuz-{release}": images.bzimage(release),
        f"boot/config-{release}": CONFIG.encode(),
        f"boot/System.map-{release}": b"0 T _text\n",
        f"{folder}/modules.builtin": b"kernel/virtio/virtio_pci.ko\n",
        f"{folder}/kernel/virtio.ko": images.module(),
        f"{folder}/kernel/net/failover.ko.xz": lzma.compress(images.module()),
        f"{folder}/kernel/net/net_failover.ko": images.module("failover"),
        f"{folder}/kernel/net/virtio_net.ko": images.module("virtio", "net_failover"),
    }


def publish(suite: Suite, number: int, files: dict[str, bytes] | None = None) -> Path:
    """Publish 6.1.NUMBER and the metapackage that pulls it in; return its .deb."""
    release = f"6.1.0-{number}-cloud-amd64"
    name, version = f"linux-image-{release}", f"6.1.{number}-1"
    package = suite.package(name, files or kernel_files(release), version=version)
    suite.publish(
        package,
        suite.package("linux-image-cloud-amd64", version=version, depends=name),
    )
    return package


def locked(suite: Suite, number: int, archive: Server, cache: Cache) -> Kernel:
    """Publish 6.1.NUMBER, and return a row that a lock binds to it."""
    served_as_archive(archive, publish(suite, number))
    source = DebianSource(type="debian", suite="bookworm", archive=archive.url)
    pin = Debian().resolve(source, cache)
    return KERNEL.model_copy(update={"source": PinnedSource(source=source, pin=pin)})


def move_on(suite: Suite) -> None:
    """Replace 6.1.50 by 6.1.51, as mirrors do with each update."""
    for package in (suite.repository.root / "pool").iterdir():
        package.unlink()
    publish(suite, 51)


def lose_mirror(suite: Suite) -> None:
    suite.repository.root.rename(suite.repository.root.parent / "lost")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def archive() -> Iterator[Server]:
    with serving() as running:
        yield running


def test_a_kernel_becomes_an_artifact(suite: Suite, cache: Cache) -> None:
    publish(suite, 50)
    progress = Silent()

    found = fetch.obtain(KERNEL, cache, progress)

    (task,) = progress.tasks
    assert task.startswith("linux-image-6.1.0-50-cloud-amd64 (0.0 MB)")
    assert found.release == "6.1.0-50-cloud-amd64"
    assert str(found.version) == "6.1.50"
    assert found.origin == ("bookworm linux-image-6.1.0-50-cloud-amd64 6.1.50-1")
    assert found.config is not None
    assert found.config.read_text() == CONFIG
    assert found.btf is None
    names = [path.name for path in found.modules]
    assert sorted(names) == [
        "failover.ko",
        "net_failover.ko",
        "virtio.ko",
        "virtio_net.ko",
    ]
    assert names.index("failover.ko") < names.index("net_failover.ko")
    assert names[-1] == "virtio_net.ko"
    assert [path.read_bytes()[:4] for path in found.modules] == [b"\x7fELF"] * 4
    assert fetch.cached(KERNEL, cache) == found


def split(suite: Suite, release: str) -> list[Path]:
    """Make a kernel as from 7.2 on: image, config and modules in three packages."""
    version = f"{release.partition('-')[0].partition('+')[0]}-1"
    parts: dict[str, dict[str, bytes]] = {"binary": {}, "base": {}, "modules": {}}
    for path, content in kernel_files(release).items():
        if path.startswith("boot/"):
            file = path.removeprefix("boot/").removesuffix(f"-{release}")
            part = "binary" if file == "vmlinuz" else "base"
            parts[part][f"usr/lib/modules/{release}/{file}"] = content
        else:
            parts["modules"][f"usr/{path}"] = content
    depends = ", ".join(f"linux-{part}-{release}" for part in parts)
    return [
        *(
            suite.package(f"linux-{part}-{release}", held, version=version)
            for part, held in parts.items()
        ),
        suite.package(f"linux-image-{release}", version=version, depends=depends),
        suite.package(
            "linux-image-cloud-amd64",
            version=version,
            depends=f"linux-image-{release}",
        ),
    ]


def test_a_split_kernel_becomes_one_too(suite: Suite, cache: Cache) -> None:
    release = "7.2.13-cloud-amd64"
    suite.publish(*split(suite, release))

    found = fetch.obtain(KERNEL.model_copy(update={"id": "sid"}), cache, Silent())

    assert found.release == release
    assert str(found.version) == "7.2.13"
    assert len(found.modules) == 4
    assert found.config is not None
    assert found.system_map is not None


# Of matrices/vendors.yaml: how Debian packs the kernel, and its release.
VENDORS = {
    "debian-11": ("whole", "5.10.0-32-cloud-amd64"),
    "debian-12": ("whole", "6.1.0-50-cloud-amd64"),
    "debian-13": ("whole", "6.12.117+deb13-cloud-amd64"),
    "debian-12-bpo": ("whole", "6.12.95+deb12-cloud-amd64"),
    "debian-13-bpo": ("split", "7.3.4+deb13-cloud-amd64"),
}
ROWS = {
    row.id: row
    for row in matrix.load(ROOT / "matrices/vendors.yaml").kernels
    if isinstance(row.source, DebianSource)
}


def test_every_row_of_debian_has_a_layout() -> None:
    assert set(VENDORS) == set(ROWS)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_row_of_debian_gets_its_kernel_out_of_its_layout(
    row: Kernel, suite: Suite, cache: Cache
) -> None:
    layout, release = VENDORS[row.id]
    (source,) = row.sources
    assert isinstance(source, DebianSource)
    if layout == "split":
        made = split(suite, release)
    else:
        name = f"linux-image-{release}"
        version = f"{release.partition('-')[0].partition('+')[0]}-1"
        made = [
            suite.package(name, kernel_files(release), version=version),
            suite.package(source.package, version=version, depends=name),
        ]
    suite.publish(*made, name=source.suite)

    found = fetch.obtain(row.model_copy(update={"btf": "kernel"}), cache, Silent())

    assert found.release == release
    assert found.origin.startswith(f"{source.suite} linux-image-{release} ")
    assert len(found.modules) == 4


def test_btf_comes_from_the_debug_package_if_the_row_says_so(
    suite: Suite, cache: Cache, tmp_path: Path
) -> None:
    release = "4.19.0-27-cloud-amd64"
    # thread.fs was renamed in 4.7.
    names = {**btf.OLD, "fs": "fsbase"}
    vmlinux = btf.vmlinux(tmp_path, release=release, names=names).read_bytes()
    image, debug = f"linux-image-{release}", f"linux-image-{release}-dbg"
    symbols = {f"usr/lib/debug/boot/vmlinux-{release}": vmlinux}
    suite.publish(
        suite.package(image, kernel_files(release), version="4.19.316-1"),
        suite.package(debug, symbols, version="4.19.316-1"),
    )
    source = DebianSource(type="debian", suite="bookworm", package=image, debug=True)

    found = fetch.obtain(Kernel(id="4.19", source=source), cache, Silent())

    assert list(found.packages) == [image, debug]
    assert found.btf_source == "vmlinux"
    assert str(found.version) == "4.19.316"


def test_a_suite_without_the_rows_architecture_is_told(
    suite: Suite, cache: Cache
) -> None:
    some = suite.package("some")
    suite.repository.publish(
        "bookworm",
        [some],
        suite.signer,
        architectures=("all", "amd64", "arm64"),
        alias="oldstable",
    )
    row = Kernel(
        id="x", arch="s390x", source=DebianSource(type="debian", suite="bookworm")
    )

    with pytest.raises(ArtifactError) as caught:
        fetch.obtain(row, cache, Silent())

    assert "bookworm does not have packages for s390x" in caught.value.message
    assert caught.value.hint == "it has amd64, arm64"
    assert caught.value.exit_status == ExitStatus.INFRASTRUCTURE


def test_a_warm_cache_needs_no_mirror(suite: Suite, cache: Cache) -> None:
    publish(suite, 50)
    found = fetch.obtain(KERNEL, cache, Silent())
    lose_mirror(suite)
    progress = Silent()

    assert fetch.obtain(KERNEL, cache, progress) == found
    assert progress.messages == []
    # Asked for something newer, it says why there is nothing newer.
    assert fetch.obtain(KERNEL, cache, progress, refresh=True) == found
    assert progress.messages[0].startswith("6.1: not updated: ")


def test_a_cold_cache_without_a_mirror_says_what_is_missing(
    suite: Suite, cache: Cache
) -> None:
    lose_mirror(suite)

    with pytest.raises(ArtifactError) as caught:
        fetch.obtain(KERNEL, cache, Silent())

    assert caught.value.message.startswith("6.1 is unavailable: debian bookworm ")
    assert "linux-image-cloud-amd64" in caught.value.message
    assert "reachable" in caught.value.hint
    assert caught.value.exit_status is ExitStatus.INFRASTRUCTURE
    assert fetch.cached(KERNEL, cache) is None


def test_a_newer_kernel_is_taken_when_it_is_asked_for(
    suite: Suite, cache: Cache
) -> None:
    publish(suite, 50)
    fetch.obtain(KERNEL, cache, Silent())
    publish(suite, 51)

    assert str(fetch.obtain(KERNEL, cache, Silent()).version) == "6.1.50"
    refreshed = fetch.obtain(KERNEL, cache, Silent(), refresh=True)
    assert str(refreshed.version) == "6.1.51"
    assert fetch.obtain(KERNEL, cache, Silent()) == refreshed


def test_a_corrupted_image_is_fetched_again(suite: Suite, cache: Cache) -> None:
    publish(suite, 50)
    found = fetch.obtain(KERNEL, cache, Silent())
    image = found.vmlinuz.read_bytes()
    found.vmlinuz.write_bytes(image[:-1])

    assert fetch.cached(KERNEL, cache) is None
    assert fetch.obtain(KERNEL, cache, Silent()) == found
    assert found.vmlinuz.read_bytes() == image


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("vmlinuz", "vmlinuz"),
        ("net_failover", "the kernel has no module net_failover"),
    ],
)
def test_a_package_that_lacks_a_file_is_told(
    suite: Suite, cache: Cache, missing: str, said: str
) -> None:
    files = kernel_files("6.1.0-50-cloud-amd64")
    publish(suite, 50, {k: v for k, v in files.items() if missing not in k})

    with pytest.raises(ArtifactError, match=said):
        fetch.obtain(KERNEL, cache, Silent())

    assert fetch.cached(KERNEL, cache) is None
    assert list((cache.root / "temporary").iterdir()) == []


def test_a_package_whose_image_is_garbage_is_told(suite: Suite, cache: Cache) -> None:
    files = kernel_files("6.1.0-50-cloud-amd64")
    image = next(path for path in files if "vmlinuz" in path)
    publish(suite, 50, files | {image: gzip.compress(b"no kernel")})

    with pytest.raises(ArtifactError, match="this is not a kernel image"):
        fetch.obtain(KERNEL, cache, Silent())


def test_a_locked_kernel_is_had_after_the_mirror_moved_on(
    suite: Suite, cache: Cache, archive: Server
) -> None:
    kernel = locked(suite, 50, archive, cache)
    move_on(suite)
    progress = Silent()

    found = fetch.obtain(kernel, cache, progress)

    assert str(found.version) == "6.1.50"
    (said,) = progress.messages
    assert f"linux-image-6.1.0-50-cloud-amd64 6.1.50-1 in {archive.url}" in said


def test_a_lock_that_is_newer_than_the_suite_s_index_refreshes_it(
    suite: Suite, cache: Cache, archive: Server, tmp_path: Path
) -> None:
    publish(suite, 49)
    fetch.obtain(KERNEL, cache, Silent())
    kernel = locked(suite, 50, archive, Cache(tmp_path / "of a colleague"))

    assert str(fetch.obtain(kernel, cache, Silent()).version) == "6.1.50"
    assert archive.asked == []


def test_a_locked_kernel_that_nobody_has_is_told_with_the_way_out(
    suite: Suite, cache: Cache, archive: Server
) -> None:
    kernel = locked(suite, 50, archive, cache)
    move_on(suite)
    archive.answers.clear()

    with pytest.raises(ArtifactError, match=r"archive has no \S+ 6\.1\.50-1") as caught:
        fetch.obtain(kernel, cache, Silent())

    assert "python -m runner lock" in caught.value.hint


def test_another_file_of_that_version_in_the_archive_is_refused(
    suite: Suite, cache: Cache, archive: Server
) -> None:
    kernel = locked(suite, 50, archive, cache)
    served_as_archive(
        archive,
        suite.package(
            "linux-image-6.1.0-50-cloud-amd64", {"x": b"y"}, version="6.1.50-1"
        ),
    )
    move_on(suite)

    with pytest.raises(ArtifactError, match="is another file: sha256"):
        fetch.obtain(kernel, cache, Silent())


# ------------------------------------- an index that lists more than its server has


def drop_file(suite: Suite, number: int) -> None:
    """Leave 6.1.NUMBER in the index only."""
    (file,) = (suite.repository.root / "pool").glob(f"linux-image-6.1.0-{number}-*")
    file.unlink()


def publish_all(suite: Suite, *numbers: int) -> None:
    """Publish several 6.1.NUMBER, to the last of which the metapackage leads."""
    made = [
        suite.package(
            name, kernel_files(name.removeprefix("linux-image-")), version=f"6.1.{it}-1"
        )
        for it in numbers
        for name in [f"linux-image-6.1.0-{it}-cloud-amd64"]
    ]
    leads = suite.package(
        "linux-image-cloud-amd64",
        version=f"6.1.{numbers[-1]}-1",
        depends=f"linux-image-6.1.0-{numbers[-1]}-cloud-amd64",
    )
    suite.publish(*made, leads)


def row_with(archive: Server, **keys: object) -> Kernel:
    """Return the row, with an archive of old packages that has none."""
    row = {"type": "debian", "suite": "bookworm", "archive": archive.url, **keys}
    return KERNEL.model_copy(update={"source": DebianSource.model_validate(row)})


def test_the_version_before_is_used_if_the_newest_has_no_file(
    suite: Suite, cache: Cache, archive: Server
) -> None:
    kernel = row_with(archive)
    publish_all(suite, 49, 50, 51)
    drop_file(suite, 51)
    progress = Silent()

    found = fetch.obtain(kernel, cache, progress)

    assert str(found.version) == "6.1.50"
    assert found.origin == "bookworm linux-image-6.1.0-50-cloud-amd64 6.1.50-1"
    said = progress.messages[-1]
    assert said.startswith(
        "6.1: using 6.1.50-1 instead of bookworm linux-image-6.1.0-51-cloud-amd64 "
        "6.1.51-1, which is in the index only: "
    )
    assert "cloud-amd64_6.1.51-1_amd64.deb does not exist; and " in said
    # It is what the row means until the suite is asked again.
    assert fetch.cached(kernel, cache) == found
    pinned = fetch.pinned(kernel, cache)
    assert pinned is not None
    assert pinned.source == kernel.source


def test_versions_without_a_file_are_passed_over_without_a_word_of_them(
    suite: Suite, cache: Cache, archive: Server
) -> None:
    publish_all(suite, 49, 50, 51)
    drop_file(suite, 51)
    drop_file(suite, 50)
    progress = Silent()

    found = fetch.obtain(row_with(archive), cache, progress)

    assert str(found.version) == "6.1.49"
    told = [it for it in progress.messages if it.startswith("6.1: ")]
    assert len(told) == 1
    assert told[0].startswith("6.1: using 6.1.49-1 instead of ")


def test_a_suite_that_has_no_file_at_all_is_refused_with_its_newest(
    suite: Suite, cache: Cache, archive: Server
) -> None:
    publish_all(suite, 50, 51)
    drop_file(suite, 50)
    drop_file(suite, 51)

    with pytest.raises(ArtifactError, match=r"51-1_amd64\.deb does not exist; and"):
        fetch.obtain(row_with(archive), cache, Silent())


@pytest.mark.parametrize(
    "keys",
    [{"version": "6.1.51-1"}, {"package": "linux-image-6.1.0-51-cloud-amd64"}],
    ids=["version", "package"],
)
def test_a_row_that_says_which_kernel_gets_no_other(
    suite: Suite, cache: Cache, archive: Server, keys: dict[str, str]
) -> None:
    publish_all(suite, 50, 51)
    drop_file(suite, 51)

    with pytest.raises(ArtifactError, match=r"51-1_amd64\.deb does not exist; and"):
        fetch.obtain(row_with(archive, **keys), cache, Silent())


def test_a_damaged_file_is_told_and_no_older_kernel_used(
    suite: Suite, cache: Cache, archive: Server
) -> None:
    publish_all(suite, 50, 51)
    (file,) = (suite.repository.root / "pool").glob("linux-image-6.1.0-51-*")
    file.write_bytes(file.read_bytes()[:-1])

    with pytest.raises(ArtifactError, match="is damaged"):
        fetch.obtain(row_with(archive), cache, Silent())
