"""Kernels in the vendors' layouts become artifacts, by the vendors' own tools."""

from pathlib import Path

import pytest

from runner.files.cache import Cache, sha256_of
from runner.kernels import fetch
from runner.matrix.matrix import Kernel, RpmSource
from tests.unit.kernels import images
from tests.unit.kernels.btf import kernels as btf
from tests.unit.kernels.rpm import kernels
from tests.unit.kernels.rpm.conftest import Maker, row
from tests.unit.kernels.rpm.kernels import LAYOUTS, Layout
from tests.unit.kernels.rpm.made import RpmRepository, RpmSigner
from tests.unit.kernels.silent import Silent


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda it: it.family)
def test_kernel_of_each_family_becomes_an_artifact(
    layout: Layout,
    repository: RpmRepository,
    make: Maker,
    vendor: RpmSigner,
    key: Path,
    cache: Cache,
) -> None:
    repository.publish(
        *(make(spec, vendor) for spec in layout.packages),
        signer=vendor if layout.signed else None,
        compression=layout.compression,
        checksum=layout.checksum,
    )
    source = row(repository, gpgkey=str(key), **layout.keys)

    found = fetch.obtain(
        Kernel(id=layout.family, source=source, btf="kernel"), cache, Silent()
    )

    spec, release = layout.packages[0], layout.release
    assert found.release == release
    assert str(found.version) == spec.version
    assert found.vmlinuz.read_bytes() == images.bzimage(release)
    assert found.config is not None
    assert found.config.read_bytes() == kernels.CONFIG
    assert found.system_map is not None
    assert found.system_map.read_bytes() == kernels.SYSTEM_MAP
    assert [path.name for path in found.modules] == ["net_failover.ko", "virtio_net.ko"]
    assert found.modules[1].read_bytes() == kernels.NET
    assert len(found.packages) == len(layout.needed)
    assert all(len(it) == 64 for it in found.packages.values())
    assert repository.url in found.origin


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda it: it.family)
def test_debug_information_of_each_family_becomes_btf_and_is_pinned(
    layout: Layout,
    repository: RpmRepository,
    make: Maker,
    vendor: RpmSigner,
    key: Path,
    cache: Cache,
    tmp_path: Path,
) -> None:
    kernel = layout.packages[0]
    # The release in the banner makes it this build's and no other's.
    vmlinux = btf.vmlinux(
        tmp_path / "vmlinux",
        release=layout.release,
        names=btf.names_of(kernel.version),
    ).read_bytes()
    debug = kernels.debug(layout.debug_package, kernel, vmlinux, layout.debug_path)
    repository.publish(
        *(make(spec, vendor) for spec in (*layout.packages, debug)),
        checksum=layout.checksum,
    )
    source = row(
        repository,
        gpgkey=str(key),
        debug_package=layout.debug_package,
        **layout.keys,
    )
    meant = Kernel(id=layout.family, source=source)

    found = fetch.obtain(meant, cache, Silent())

    assert (found.release, found.btf_source) == (layout.release, "vmlinux")
    assert found.btf is not None
    pinned = fetch.pinned(meant, cache)
    assert pinned is not None
    assert pinned.pin.items[-1].name == debug.nevra
    assert len(pinned.pin.items[-1].sha256) == 64


def test_empty_package_stands_for_those_that_it_requires(
    repository: RpmRepository, make: Maker, vendor: RpmSigner, key: Path, cache: Cache
) -> None:
    repository.publish(*(make(spec, vendor) for spec in kernels.split()))
    source = row(repository, gpgkey=str(key), package="kernel")

    found = fetch.obtain(Kernel(id="9", source=source, btf="kernel"), cache, Silent())

    assert found.release == "5.14.0-1.el9.x86_64"
    assert sorted(found.packages) == [
        "kernel-5.14.0-1.el9.x86_64",
        "kernel-core-5.14.0-1.el9.x86_64",
        "kernel-modules-core-5.14.0-1.el9.x86_64",
    ]


def test_more_modules_come_from_the_packages_that_the_row_names(
    repository: RpmRepository, make: Maker, vendor: RpmSigner, key: Path, cache: Cache
) -> None:
    repository.publish(*(make(spec, vendor) for spec in kernels.el8()))
    source = row(repository, gpgkey=str(key), modules=("kernel-modules",))

    found = fetch.obtain(Kernel(id="8", source=source, btf="kernel"), cache, Silent())

    assert "kernel-modules-4.18.0-553.el8_10.x86_64" in found.packages


def test_packages_by_address_need_no_repository(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    package = make(kernels.plain("4.14.355", "1.amzn2", "gzip"))
    url = repository.server.put("/kernel.rpm", package.read_bytes())
    source = RpmSource.model_validate(
        {"type": "rpm", "packages": ({"url": url, "sha256": sha256_of(package)},)}
    )

    found = fetch.obtain(
        Kernel(id="4.14", source=source, btf="kernel"), cache, Silent()
    )

    assert found.release == "4.14.355-1.amzn2.x86_64"
    assert str(found.version) == "4.14.355"
    assert repository.server.asked == ["/kernel.rpm"]
