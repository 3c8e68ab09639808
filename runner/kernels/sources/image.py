"""A kernel of the cache as a layer of a container image, for the source `oci`."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from runner.kernels.artifact import Artifact


def pack(found: Artifact, target: Path) -> None:
    """Write a layer: the same bytes for the same kernel."""
    with (
        target.open("wb") as stream,
        gzip.GzipFile(fileobj=stream, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for name, path in _files(found):
            content = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))


def _files(found: Artifact) -> Iterator[tuple[str, Path]]:
    yield "boot/vmlinuz", found.vmlinuz
    for name, path in (
        ("boot/config", found.config),
        ("boot/System.map", found.system_map),
        ("boot/btf", found.btf),
    ):
        if path is not None:
            yield name, path
    for module in found.modules:
        yield f"lib/modules/{found.release}/{module.name}", module
