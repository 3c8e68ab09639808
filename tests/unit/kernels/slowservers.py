"""Rows whose packages are on servers of tests, which may be slow."""

import json
import random
from pathlib import Path

from runner.matrix.matrix import Kernel, SnapshotSource
from tests.unit.kernels import images
from tests.unit.kernels.packaging import make_package
from tests.unit.kernels.server import Server
from tests.unit.kernels.snapshotarchive import publish

_BUILT_IN = b"kernel/virtio_pci.ko\nkernel/virtio_net.ko\n"


def row(server: Server, number: int, folder: Path, *, size: int) -> Kernel:
    """Serve a kernel as snapshot.debian.org does, in a package of about `size`."""
    release, version = f"4.11.{number}-1-amd64", f"4.11.{number}-1"
    name = f"linux-image-{release}"
    files = {
        f"boot/vmlinuz-{release}": images.bzimage(release),
        f"lib/modules/{release}/modules.builtin": _BUILT_IN,
        # Which nothing makes smaller.
        f"usr/share/doc/{name}/noise": random.Random(number).randbytes(size),
    }
    publish(server, make_package(folder, name, files, version=version))
    source = SnapshotSource(
        type="snapshot", package=name, version=version, url=server.url
    )
    return Kernel(id=f"4.11.{number}", source=source, btf="kernel")


def file_of(server: Server, number: int) -> str:
    """Return where a row's package is on its server."""
    release = f"4.11.{number}-1-amd64"
    path = f"/mr/binary/linux-image-{release}/4.11.{number}-1/binfiles?fileinfo=1"
    (sha1,) = json.loads(server.answers[path].body)["fileinfo"]
    return f"/file/{sha1}"
