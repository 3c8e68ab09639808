"""A kernel of a Debian suite becomes an artifact, with and without a mirror."""

import gzip
import lzma
from pathlib import Path

import pytest

from runner import artifacts
from runner.artifacts.cache import Cache
from runner.errors import ArtifactError, ExitStatus
from runner.matrix import DebianSource, Kernel
from tests.unit.artifacts import images
from tests.unit.artifacts.conftest import Suite
from tests.unit.artifacts.silent import Silent

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


def publish(suite: Suite, number: int, files: dict[str, bytes] | None = None) -> None:
    """Publish 6.1.NUMBER and the metapackage that pulls it in."""
    release = f"6.1.0-{number}-cloud-amd64"
    name, version = f"linux-image-{release}", f"6.1.{number}-1"
    suite.publish(
        suite.package(name, files or kernel_files(release), version=version),
        suite.package("linux-image-cloud-amd64", version=version, depends=name),
    )


def lose_mirror(suite: Suite) -> None:
    suite.repository.root.rename(suite.repository.root.parent / "lost")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_a_kernel_becomes_an_artifact(suite: Suite, cache: Cache) -> None:
    publish(suite, 50)
    progress = Silent()

    found = artifacts.obtain(KERNEL, cache, progress)

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
    assert artifacts.cached(KERNEL, cache) == found


def test_a_split_kernel_becomes_one_too(suite: Suite, cache: Cache) -> None:
    release = "7.2.13-cloud-amd64"
    files = kernel_files(release)
    parts: dict[str, dict[str, bytes]] = {"binary": {}, "base": {}, "modules": {}}
    for path, content in files.items():
        if path.startswith("boot/"):
            file = path.removeprefix("boot/").removesuffix(f"-{release}")
            part = "binary" if file == "vmlinuz" else "base"
            parts[part][f"usr/lib/modules/{release}/{file}"] = content
        else:
            parts["modules"][f"usr/{path}"] = content
    made = [
        suite.package(f"linux-{part}-{release}", held, version="7.2.13-1")
        for part, held in parts.items()
    ]
    depends = ", ".join(f"linux-{part}-{release}" for part in parts)
    suite.publish(
        *made,
        suite.package(f"linux-image-{release}", version="7.2.13-1", depends=depends),
        suite.package(
            "linux-image-cloud-amd64",
            version="7.2.13-1",
            depends=f"linux-image-{release}",
        ),
    )

    found = artifacts.obtain(KERNEL.model_copy(update={"id": "sid"}), cache, Silent())

    assert found.release == release
    assert str(found.version) == "7.2.13"
    assert len(found.modules) == 4
    assert found.config is not None
    assert found.system_map is not None


def test_a_warm_cache_needs_no_mirror(suite: Suite, cache: Cache) -> None:
    publish(suite, 50)
    found = artifacts.obtain(KERNEL, cache, Silent())
    lose_mirror(suite)
    progress = Silent()

    assert artifacts.obtain(KERNEL, cache, progress) == found
    assert progress.messages == []
    # Asked for something newer, it says why there is nothing newer.
    assert artifacts.obtain(KERNEL, cache, progress, refresh=True) == found
    assert progress.messages[0].startswith("6.1: not refreshed: ")


def test_a_cold_cache_without_a_mirror_says_what_is_missing(
    suite: Suite, cache: Cache
) -> None:
    lose_mirror(suite)

    with pytest.raises(ArtifactError) as caught:
        artifacts.obtain(KERNEL, cache, Silent())

    assert caught.value.message.startswith("6.1 can't be had: debian bookworm ")
    assert "linux-image-cloud-amd64" in caught.value.message
    assert "reachable" in caught.value.hint
    assert caught.value.exit_status is ExitStatus.INFRASTRUCTURE
    assert artifacts.cached(KERNEL, cache) is None


def test_a_newer_kernel_is_taken_when_it_is_asked_for(
    suite: Suite, cache: Cache
) -> None:
    publish(suite, 50)
    artifacts.obtain(KERNEL, cache, Silent())
    publish(suite, 51)

    assert str(artifacts.obtain(KERNEL, cache, Silent()).version) == "6.1.50"
    refreshed = artifacts.obtain(KERNEL, cache, Silent(), refresh=True)
    assert str(refreshed.version) == "6.1.51"
    assert artifacts.obtain(KERNEL, cache, Silent()) == refreshed


def test_a_corrupted_image_is_fetched_again(suite: Suite, cache: Cache) -> None:
    publish(suite, 50)
    found = artifacts.obtain(KERNEL, cache, Silent())
    image = found.vmlinuz.read_bytes()
    found.vmlinuz.write_bytes(image[:-1])

    assert artifacts.cached(KERNEL, cache) is None
    assert artifacts.obtain(KERNEL, cache, Silent()) == found
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
        artifacts.obtain(KERNEL, cache, Silent())

    assert artifacts.cached(KERNEL, cache) is None
    assert list((cache.root / "temporary").iterdir()) == []


def test_a_package_whose_image_is_garbage_is_told(suite: Suite, cache: Cache) -> None:
    files = kernel_files("6.1.0-50-cloud-amd64")
    image = next(path for path in files if "vmlinuz" in path)
    publish(suite, 50, files | {image: gzip.compress(b"no kernel")})

    with pytest.raises(ArtifactError, match="this is no x86 kernel image"):
        artifacts.obtain(KERNEL, cache, Silent())
