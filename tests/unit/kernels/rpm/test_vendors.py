"""Rows of matrices/vendors.yaml, each with a repository in its vendor's layout.

Everything of a row is used as it is written, but its hosts and keys: a server of the
test's stands in for the vendor's.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.matrix import matrix
from runner.matrix.matrix import Kernel, RpmSource
from tests.unit.kernels.btf import kernels as btf
from tests.unit.kernels.rpm import kernels
from tests.unit.kernels.rpm.conftest import Maker
from tests.unit.kernels.rpm.kernels import (
    Layout,
    amazon2_layout,
    amazon2023_layout,
    el8_layout,
    split_layout,
    suse_layout,
    uek_layout,
)
from tests.unit.kernels.rpm.made import RpmRepository, RpmSigner
from tests.unit.kernels.rpm.test_mirrors import metalink
from tests.unit.kernels.server import Server
from tests.unit.kernels.silent import Silent

ROOT = Path(__file__).resolve().parents[4]
ROWS = {
    row.id: row
    for row in matrix.load(ROOT / "matrices/vendors.yaml").kernels
    if isinstance(row.source, RpmSource)
}
# How each vendor splits its kernel. Where the row has no version, one as the vendor
# writes it.
LAYOUTS: Mapping[str, Layout] = {
    "rocky-8": el8_layout("4.18.0", "553.el8_10"),
    "rocky-8.9": el8_layout("4.18.0", "513.5.1.el8_9"),
    "rocky-8.8": el8_layout("4.18.0", "477.10.1.el8_8"),
    "alma-9": split_layout("el9", "5.14.0", "687.29.1.el9_8"),
    "alma-9.7": split_layout("el9", "5.14.0", "611.5.1.el9_7"),
    "alma-9.6": split_layout("el9", "5.14.0", "570.12.1.el9_6"),
    "alma-10": split_layout("el10", "6.12.0", "211.22.1.el10_2"),
    "alma-10.1": split_layout("el10", "6.12.0", "124.8.1.el10_1"),
    "alma-10.0": split_layout("el10", "6.12.0", "55.9.1.el10_0"),
    "stream-9": split_layout("el9", "5.14.0", "687.el9"),
    "stream-10": split_layout("el10", "6.12.0", "211.el10"),
    "uek-7": uek_layout("uek7", "5.15.0", "309.180.4.el9uek"),
    "uek-8": uek_layout("uek8", "6.12.0", "103.40.4.4.el9uek"),
    "amazon-2-4.14": amazon2_layout("4.14.355", "276.618.amzn2"),
    "amazon-2-5.10": amazon2_layout("5.10.223", "212.873.amzn2"),
    "amazon-2023-6.1": amazon2023_layout("6.1.141", "155.222.amzn2023"),
    "amazon-2023-6.12": amazon2023_layout("6.12.40", "63.114.amzn2023", "kernel6.12"),
    "amazon-2023-6.18": amazon2023_layout("6.18.30", "61.116.amzn2023", "kernel6.18"),
    "leap-15.6": suse_layout("6.4.0", "150600.23.47.2"),
    "leap-16.0": suse_layout("6.12.0", "160000.9.1"),
    "fedora-44": split_layout("fedora", "6.19.14", "300.fc44"),
    "fedora-45": split_layout("fedora", "7.2.9", "300.fc45"),
}
_ADDRESSES = ("baseurl", "mirrorlist", "metalink", "archive")
_DEBUG_ADDRESSES = ("debug_baseurl", "debug_mirrorlist", "debug_metalink")


def here(server: Server, address: str) -> str:
    """Return an address of a vendor with the test's server as the host."""
    parts = urlsplit(address)
    return server.url + address.removeprefix(f"{parts.scheme}://{parts.netloc}")


def path(server: Server, address: str) -> str:
    return address.removeprefix(server.url)


def moved(source: RpmSource, server: Server, vendor: RpmSigner) -> RpmSource:
    """Return a row's source with other hosts and the test's key."""
    changes: dict[str, object] = {
        name: here(server, getattr(source, name))
        for name in (*_ADDRESSES, *_DEBUG_ADDRESSES)
        if getattr(source, name)
    }
    keys = tuple(here(server, it) for it in source.keys)
    for key in keys:
        server.put(path(server, source.expanded(key)), vendor.public)
    return source.model_copy(
        update={**changes, "gpgkey": keys, "fingerprint": vendor.fingerprint}
    )


class VendorServer:
    """A vendor's repositories, where a row looks for them."""

    def __init__(self, source: RpmSource, server: Server, folder: Path) -> None:
        self._source = source
        self._server = server
        self._folder = folder

    def publish(
        self,
        form: tuple[str, ...],
        *packages: Path,
        layout: Layout,
        signer: RpmSigner | None,
    ) -> None:
        """Make a repository, and the list that leads to it if the row names one."""
        (name,) = (it for it in form if getattr(self._source, it))
        address = self._source.expanded(getattr(self._source, name))
        place = path(self._server, address).rstrip("/")
        is_listed = not name.endswith("baseurl")
        made = RpmRepository(
            root=self._folder / name,
            server=self._server,
            path=f"/{name}/x86_64/1a2b" if is_listed else place,
        )
        made.publish(
            *packages,
            signer=signer,
            compression=layout.compression,
            checksum=layout.checksum,
        )
        if name.endswith("metalink"):
            repomd = (made.root / "repodata/repomd.xml").read_bytes()
            content = metalink((1, made.url), repomds=[repomd], algorithm="sha512")
            self._server.put(place, content)
        elif is_listed:
            listed = f"{self._server.url}/{name}/$basearch/1a2b\n"
            self._server.put(place, listed.encode())


def test_every_row_has_a_layout() -> None:
    assert set(LAYOUTS) == set(ROWS)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_row_gets_its_kernel_out_of_its_vendors_layout(
    row: Kernel,
    server: Server,
    make: Maker,
    vendor: RpmSigner,
    cache: Cache,
    tmp_path: Path,
) -> None:
    layout = LAYOUTS[row.id]
    (written,) = row.sources
    assert isinstance(written, RpmSource)
    source = moved(written, server, vendor)
    place = VendorServer(source, server, tmp_path)
    signer = vendor if layout.signed else None
    main = [make(spec, vendor) for spec in layout.packages]
    place.publish(_ADDRESSES[:3], *main, layout=layout, signer=signer)
    if source.debug_package:
        kernel = layout.packages[0]
        names = btf.names_of(kernel.version)
        vmlinux = btf.vmlinux(tmp_path / "c", release=layout.release, names=names)
        debug = kernels.debug(source.debug_package, kernel, vmlinux.read_bytes())
        place.publish(_DEBUG_ADDRESSES, make(debug, vendor), layout=layout, signer=None)
    # Without debug information, BTFHub would be asked for the BTF of these kernels.
    setting = row.btf if source.debug_package else "kernel"

    found = fetch.obtain(
        row.model_copy(update={"source": source, "btf": setting}), cache, Silent()
    )

    assert found.release == layout.release
    assert [path.name for path in found.modules] == ["net_failover.ko", "virtio_net.ko"]
    assert len(found.packages) == len(layout.needed) + bool(source.debug_package)
    assert bool(found.btf) == bool(source.debug_package)
    if written.version:
        assert f"{written.version}.x86_64" == found.release


def test_row_is_refused_when_somebody_else_signed_the_packages(
    server: Server, make: Maker, vendor: RpmSigner, impostor: RpmSigner, tmp_path: Path
) -> None:
    row = ROWS["alma-9.6"]
    (written,) = row.sources
    assert isinstance(written, RpmSource)
    layout = LAYOUTS[row.id]
    source = moved(written, server, vendor)
    place = VendorServer(source, server, tmp_path)
    main = [make(spec, impostor) for spec in layout.packages]
    place.publish(_ADDRESSES[:3], *main, layout=layout, signer=None)

    with pytest.raises(ArtifactError, match="which the row does not trust"):
        fetch.obtain(
            row.model_copy(update={"source": source}),
            Cache(tmp_path / "cache"),
            Silent(),
        )
