"""Kernels in Ubuntu's layout become artifacts, resolved and fetched by apt."""

import gzip
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runner.arch import named
from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.artifact import Artifact
from runner.kernels.sources import apt
from runner.kernels.sources.aptplace import AptPlace
from runner.kernels.sources.ubuntu import Ubuntu
from runner.matrix.matrix import Kernel, UbuntuSource
from runner.versions import VersionRange
from tests.unit.kernels import images
from tests.unit.kernels.packaging import make_package
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.ubuntu import kernels
from tests.unit.kernels.ubuntu.conftest import UbuntuArchive
from tests.unit.kernels.ubuntu.kernels import GENERIC, NEWER, UbuntuKernel

KERNELS = (
    GENERIC,
    replace(GENERIC, signed=False),
    replace(GENERIC, abi="6.8.0-49", upload=".49", zstd=True),
    UbuntuKernel(
        abi="6.8.0-49",
        upload=".49~22.04.1",
        meta="linux-image-generic-hwe-22.04",
        zstd=True,
    ),
    UbuntuKernel(
        abi="5.15.0-1075", upload=".82", flavour="aws", meta="linux-image-aws"
    ),
    UbuntuKernel(flavour="azure", meta="linux-image-azure", signed=False),
    UbuntuKernel(flavour="gcp", meta="linux-image-gcp"),
)


def obtained(source: UbuntuSource, cache: Cache) -> Artifact:
    kernel = Kernel(id="ubuntu", source=source, btf="kernel")
    return fetch.obtain(kernel, cache, Silent())


def resolved(source: UbuntuSource, cache: Cache) -> list[str]:
    """Return the packages that a source means."""
    return [item.name for item in Ubuntu().resolve(source, cache).items]


@pytest.mark.parametrize(
    "kernel", KERNELS, ids=lambda it: f"{it.meta}-{it.abi}-{it.signed}"
)
def test_metapackage_leads_to_image_and_modules(
    kernel: UbuntuKernel, archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    archive.publish(*kernel.make(tmp_path))

    found = obtained(archive.row(package=kernel.meta), cache)

    assert found.release == kernel.release
    assert list(found.packages) == [kernel.image, kernel.modules]
    assert found.origin == f"jammy {kernel.image} {kernel.version}"
    assert found.vmlinuz.read_bytes() == images.bzimage(kernel.release)
    assert found.config is not None
    assert found.config.read_bytes() == kernel.config
    assert found.system_map is not None
    assert [path.name for path in found.modules] == ["net_failover.ko", "virtio_net.ko"]
    assert found.modules[1].read_bytes() == kernels.NET


def test_row_of_arm64_gets_the_packages_of_its_architecture(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    image = images.arm64_image(GENERIC.release)
    files = {f"boot/vmlinuz-{GENERIC.release}": gzip.compress(image, mtime=0)}
    archive.publish(
        *GENERIC.make(tmp_path),
        *GENERIC.make(tmp_path, files, architecture="arm64"),
        architectures=("amd64", "arm64"),
    )
    source = archive.row()
    kernel = Kernel(id="x", arch="arm64", source=source, btf="kernel")

    found = fetch.obtain(kernel, cache, Silent())

    assert (found.release, found.architecture) == (GENERIC.release, "arm64")
    assert found.vmlinuz.read_bytes() == image


@pytest.mark.parametrize(
    ("host", "arch", "address"),
    [
        ("x86_64", "x86_64", "http://mirror.example/ubuntu"),
        ("x86_64", "arm64", "http://ports.ubuntu.com/ubuntu-ports"),
        ("aarch64", "arm64", "http://mirror.example/ubuntu"),
        ("aarch64", "s390x", "http://mirror.example/ubuntu"),
        ("aarch64", "x86_64", "http://archive.ubuntu.com/ubuntu"),
    ],
)
def test_machines_mirror_counts_for_what_its_archive_has(
    host: str,
    arch: str,
    address: str,
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # Ubuntu has PCs in one archive, and all others in another (ports).
    monkeypatch.setattr(platform, "machine", lambda: host)
    monkeypatch.setattr(apt, "mirror", lambda name: "http://mirror.example/ubuntu")
    keys = tmp_path / "keys.gpg"
    keys.write_bytes(b"keys")
    asked: list[AptPlace] = []

    @contextmanager
    def fresh(place: AptPlace, cache: Cache) -> Iterator[None]:
        asked.append(place)
        raise ArtifactError("enough")
        yield

    monkeypatch.setattr(apt, "fresh", fresh)
    source = UbuntuSource(type="ubuntu", series="jammy", keyring=keys)
    Kernel(id="x", arch=arch, source=source)

    with pytest.raises(ArtifactError, match="enough"):
        Ubuntu().resolve(source, cache)

    assert asked[0].address == address
    assert asked[0].architecture == named(arch).debian.name


def test_version_counts_as_ubuntu_counts_before_and_after_the_fetch(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    archive.publish(*GENERIC.make(tmp_path))
    kernel = Kernel(id="jammy", source=archive.row(), btf="kernel")

    before = fetch.version_of(kernel, cache)
    fetch.obtain(kernel, cache, Silent())
    after = fetch.version_of(kernel, cache)

    # The config tells the upstream version, which the package does not.
    assert (str(before), str(after)) == ("5.15.0", "5.15.131")
    for version in (before, after):
        assert version is not None
        assert version in VersionRange.parse("ubuntu:5.15>=5.15.0-91")
        assert version not in VersionRange.parse("ubuntu:5.15>=5.15.0-92")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, NEWER),
        ({"package": "linux-image-5.15.0-91-generic"}, GENERIC),
        ({"package": "linux-image-5.15.0-*-generic"}, NEWER),
        ({"version": "5.15.0-91"}, GENERIC),
        ({"version": "5.15.0-91-generic"}, GENERIC),
        ({"version": "5.15.0-91.101"}, GENERIC),
        ({"package": "linux-generic"}, NEWER),
    ],
    ids=str,
)
def test_row_names_the_newest_or_one_version(
    keys: dict[str, object],
    expected: UbuntuKernel,
    archive: UbuntuArchive,
    cache: Cache,
    tmp_path: Path,
) -> None:
    metapackage, *newer = NEWER.make(tmp_path)
    above = make_package(
        tmp_path,
        "linux-generic",
        {"usr/share/doc/x": b""},
        depends="linux-image-generic (= 5.15.0.164.174), linux-headers-generic",
    )
    archive.publish(*GENERIC.make(tmp_path)[1:], metapackage, *newer, above)

    found = resolved(archive.row(**keys), cache)

    assert found == [expected.image, expected.modules]


def test_newest_of_the_pockets_is_used(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    archive.publish(*GENERIC.make(tmp_path))
    archive.publish(*NEWER.make(tmp_path), suite="jammy-updates")
    archive.publish(*GENERIC.make(tmp_path), suite="jammy-security")
    proposed = replace(NEWER, abi="5.15.0-170")
    archive.publish(
        *proposed.make(tmp_path),
        suite="jammy-proposed",
        more=["NotAutomatic: yes", "ButAutomaticUpgrades: yes"],
    )
    pockets = UbuntuSource.model_fields["pockets"].default

    assert resolved(archive.row(pockets=["release"]), cache)[0] == GENERIC.image
    assert resolved(archive.row(pockets=pockets), cache)[0] == NEWER.image
    assert (
        resolved(archive.row(pockets=[*pockets, "proposed"]), cache)[0]
        == proposed.image
    )


def test_first_alternative_that_the_archive_has_is_followed(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    unsigned = replace(GENERIC, signed=False)
    archive.publish(*unsigned.make(tmp_path), GENERIC.make(tmp_path)[1])

    assert resolved(archive.row(), cache)[0] == GENERIC.image


def test_extra_modules_are_fetched_if_the_row_says_so(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    archive.publish(*GENERIC.make(tmp_path))

    found = obtained(archive.row(extra_modules=True), cache)

    assert f"linux-modules-extra-{GENERIC.release}" in found.packages


def test_packages_of_another_architecture_are_left_alone(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    other = make_package(
        tmp_path,
        "linux-image-generic",
        {"x": b"x"},
        # Newer than the one for this architecture.
        version="9",
        depends="linux-image-9.0.0-1-generic",
        architecture="arm64",
    )
    archive.publish(*GENERIC.make(tmp_path), other, architectures=("amd64", "arm64"))

    assert obtained(archive.row(), cache).release == GENERIC.release


def test_no_more_is_asked_of_the_archive_than_is_needed(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    archive.publish(*GENERIC.make(tmp_path))
    found = obtained(archive.row(), cache)
    archive.server.asked.clear()

    assert obtained(archive.row(), cache) == found
    assert archive.server.asked == []
