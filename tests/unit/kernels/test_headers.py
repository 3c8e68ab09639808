"""The headers of Debian's kernels, from packages of a suite, as a disk."""

import shutil
import subprocess
from pathlib import Path

import pytest

from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.guest.roots import headers as disks
from runner.kernels import fetch, headers
from runner.matrix.matrix import DebianSource, Kernel, PathSource
from tests.unit.kernels import images
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.packaging import make_package
from tests.unit.kernels.server import serving
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.test_fetch_debian import KERNEL, kernel_files, locked

RELEASE = "6.1.0-50-cloud-amd64"
COMMON = "6.1.0-50-common"


def publish(suite: Suite, modules: str = "lib/modules") -> None:
    """Publish 6.1.50 with its headers, whose links are as Debian's."""
    name = f"linux-headers-{RELEASE}"
    links = f"{modules}/{RELEASE}"
    common = f"linux-headers-{COMMON}"
    suite.publish(
        suite.package(f"linux-image-{RELEASE}", kernel_files(RELEASE), version="6.1-1"),
        suite.package(
            "linux-image-cloud-amd64", version="6.1-1", depends=f"linux-image-{RELEASE}"
        ),
        make_package(
            suite.folder,
            name,
            {f"usr/src/{name}/Makefile": b"own"},
            depends=f"{common}, gcc-12",
            links={
                f"{links}/build": f"/usr/src/{name}",
                f"{links}/source": f"/usr/src/{common}",
            },
        ),
        suite.package(common, {f"usr/src/{common}/include/linux/x.h": b"shared"}),
    )


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.mark.parametrize("modules", ["lib/modules", "usr/lib/modules"])
def test_headers_become_a_disk(
    suite: Suite,
    cache: Cache,
    tmp_path: Path,
    modules: str,
) -> None:
    publish(suite, modules)
    found = fetch.obtain(KERNEL, cache, Silent())

    packages = headers.of(KERNEL, found.release, cache)
    made = disks.obtain(packages, cache, Silent())

    assert made.build == f"linux-headers-{RELEASE}"
    assert made.source == f"linux-headers-{COMMON}"
    target = tmp_path / "unpacked"
    subprocess.run(
        ["unsquashfs", "-q", "-n", "-d", target, made.disk],
        check=True,
        capture_output=True,
    )
    assert (target / made.build / "Makefile").read_text() == "own"
    assert (target / made.source / "include/linux/x.h").read_text() == "shared"


def test_a_locked_kernel_has_its_headers(
    suite: Suite,
    cache: Cache,
) -> None:
    with serving() as archive:
        row = locked(suite, 50, archive, cache)
        publish(suite)
        found = fetch.obtain(row, cache, Silent())

        packages = headers.of(row, found.release, cache)

    assert [it.name for it in packages.items] == [
        f"linux-headers-{RELEASE}",
        f"linux-headers-{COMMON}",
    ]


def test_a_row_with_other_keys_asks_for_its_own_headers(
    suite: Suite, cache: Cache, tmp_path: Path
) -> None:
    keyring = Path(shutil.copy(suite.signer.keyring, tmp_path / "keyring.gpg"))
    source = DebianSource(type="debian", suite="bookworm", keyring=keyring)
    other = Kernel(id="other", source=source, btf="kernel")
    publish(suite)
    theirs = headers.of(
        other, fetch.obtain(other, cache, Silent()).release, cache
    ).items
    publish(suite, "usr/lib/modules")

    fetch.obtain(KERNEL, cache, Silent())
    own = headers.of(KERNEL, RELEASE, cache).items

    assert own[0].sha256 != theirs[0].sha256
    assert headers.of(other, RELEASE, cache).items == theirs


def test_headers_that_the_suite_lacks_are_said_so(
    suite: Suite,
    cache: Cache,
) -> None:
    publish(suite)
    fetch.obtain(KERNEL, cache, Silent())

    with pytest.raises(ArtifactError, match="has no package linux-headers"):
        headers.of(KERNEL, "6.1.0-49-cloud-amd64", cache)


def test_other_sources_have_no_headers(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(images.bzimage("6.6.30"))
    source = PathSource(type="path", image=tmp_path / "vmlinuz")
    row = Kernel(id="mine", source=source, btf="kernel")
    found = fetch.obtain(row, cache, Silent())

    with pytest.raises(UsageError, match=r"mine comes from path .*, which has") as no:
        headers.of(row, found.release, cache)
    assert "/lib/modules/6.6.30/build" in no.value.hint
