"""Ubuntu's rows of matrices/vendors.yaml, each with an archive in Ubuntu's layout.

Everything of a row is used as it is written, but its hosts and keys.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from runner.files.cache import Cache
from runner.kernels import fetch
from runner.matrix import matrix
from runner.matrix.matrix import Kernel, UbuntuSource
from tests.unit.kernels.btf import kernels as btf
from tests.unit.kernels.packaging import Repository, make_package
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.ubuntu.conftest import UbuntuArchive
from tests.unit.kernels.ubuntu.kernels import UbuntuKernel

ROOT = Path(__file__).resolve().parents[4]
ROWS = {
    row.id: row
    for row in matrix.load(ROOT / "matrices/vendors.yaml").kernels
    if isinstance(row.source, UbuntuSource)
}


def generic(abi: str, series: str = "", *, zstd: bool = False) -> UbuntuKernel:
    """Return a kernel, of the series' hardware enablement if one is named."""
    meta = f"linux-image-generic{f'-hwe-{series}' if series else ''}"
    return UbuntuKernel(abi=abi, meta=meta, zstd=zstd)


def cloud(abi: str, flavour: str, *, zstd: bool = False) -> UbuntuKernel:
    meta = f"linux-image-{flavour}"
    return UbuntuKernel(abi=abi, flavour=flavour, meta=meta, zstd=zstd)


# Each a kernel as the series has them.
KERNELS: Mapping[str, UbuntuKernel] = {
    "ubuntu-18.04": generic("4.15.0-213"),
    "ubuntu-18.04-hwe": generic("5.4.0-150", "18.04"),
    "ubuntu-20.04": generic("5.4.0-216"),
    "ubuntu-20.04-hwe": generic("5.15.0-139", "20.04"),
    "ubuntu-22.04": generic("5.15.0-164"),
    "ubuntu-22.04-hwe": generic("6.8.0-90", "22.04", zstd=True),
    "ubuntu-22.04-aws": cloud("5.15.0-1075", "aws"),
    "ubuntu-24.04": generic("6.8.0-90", zstd=True),
    "ubuntu-24.04-hwe": generic("6.17.0-42", "24.04", zstd=True),
    "ubuntu-24.04-aws": cloud("6.17.0-1010", "aws", zstd=True),
    "ubuntu-24.04-azure": cloud("6.17.0-1010", "azure", zstd=True),
    "ubuntu-24.04-gcp": cloud("6.17.0-1010", "gcp", zstd=True),
    "ubuntu-26.04": generic("7.0.0-30", zstd=True),
    "ubuntu-26.04-hwe": generic("7.0.0-42", "26.04", zstd=True),
}


def test_every_row_has_a_kernel() -> None:
    assert set(KERNELS) == set(ROWS)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_row_gets_its_kernel_out_of_ubuntus_layout(
    row: Kernel, archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    kernel = KERNELS[row.id]
    (written,) = row.sources
    assert isinstance(written, UbuntuSource)
    assert written.series is not None
    debugs = UbuntuArchive(
        repository=Repository(root=tmp_path / "ddebs"),
        server=archive.server,
        signer=archive.signer,
        path="/ddebs",
    )
    other = make_package(tmp_path, "other", {"x": b"x"})
    archive.publish(other, suite=written.series)
    archive.publish(other, suite=f"{written.series}-security")
    archive.publish(*kernel.make(tmp_path), suite=f"{written.series}-updates")
    if written.debug:
        names = btf.names_of(kernel.abi)
        vmlinux = btf.vmlinux(tmp_path / "c", release=kernel.release, names=names)
        debugs.publish(other, suite=written.series)
        debugs.publish(
            kernel.debug(tmp_path, vmlinux.read_bytes()),
            suite=f"{written.series}-updates",
        )
    source = written.model_copy(
        update={
            "archive": archive.address,
            "keyring": archive.signer.keyring,
            "debug_archive": debugs.address,
            "debug_keyring": archive.signer.keyring,
        }
    )
    # Without debug information, BTFHub would be asked for the BTF of these kernels.
    setting = row.btf if written.debug else "kernel"

    found = fetch.obtain(
        row.model_copy(update={"source": source, "btf": setting}), cache, Silent()
    )

    assert found.release == kernel.release
    assert [path.name for path in found.modules] == ["net_failover.ko", "virtio_net.ko"]
    assert len(found.packages) == 2 + written.debug
    assert bool(found.btf) == written.debug


def test_hwe_row_takes_no_kernel_of_the_series_itself(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    row = ROWS["ubuntu-22.04-hwe"]
    (written,) = row.sources
    newest = replace(KERNELS["ubuntu-22.04"], abi="9.9.0-1")
    enabled = KERNELS["ubuntu-22.04-hwe"]
    archive.publish(*newest.make(tmp_path), *enabled.make(tmp_path))
    source = written.model_copy(
        update={
            "archive": archive.address,
            "keyring": archive.signer.keyring,
            "pockets": ("release",),
        }
    )

    found = fetch.obtain(
        row.model_copy(update={"source": source, "btf": "kernel"}), cache, Silent()
    )

    assert found.release == enabled.release
