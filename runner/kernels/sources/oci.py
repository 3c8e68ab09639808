"""Kernels from container images.

cilium's ci-kernels hold /boot/vmlinuz and /lib/modules; the kernel-images of
little-vm-helper the same, with config, System.map and BTF, below /data/kernels/NAME.
Source: the Dockerfiles of cilium/ci-kernels and cilium/little-vm-helper-images.
"""

import re
import shutil
from pathlib import Path
from typing import IO

from runner.arch import named
from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import kernelimage, layers
from runner.kernels.sources import packages
from runner.kernels.sources.registry import Repository
from runner.kernels.sources.source import Collected, Item, Pin, Workplace
from runner.kernels.sources.spool import Spool
from runner.matrix.matrix import OciSource

_BELOW = re.compile(r"data/kernels/[^/]+/")
_KERNEL = re.compile(r"boot/[^/]+|(usr/)?lib/modules/.+")
_VMLINUX = re.compile(r"boot/vmlinux(-[^/]+)?")
_BTF = re.compile(r"boot/(btf(-[^/]+)?|vmlinux(-[^/]+)?\.btf)")


class Oci:
    """The provider of `oci` sources."""

    def resolve(self, source: OciSource, cache: Cache) -> Pin:
        """Ask the registry what the tag stands for now. Raises ArtifactError."""
        image = Repository(source.image).image(source.tag, named(source.arch))
        return Pin(
            provider=source.type,
            origin=f"{source.image}:{source.tag}@{image.digest}",
            items=tuple(
                Item(
                    name=f"layer {number}",
                    location=layer.digest,
                    sha256=layer.digest.removeprefix("sha256:"),
                    size=layer.size,
                )
                for number, layer in enumerate(image.layers, 1)
            ),
        )

    def collect(self, pin: Pin, source: OciSource, work: Workplace) -> Collected:
        """Download the layers and take the kernel out. Raises ArtifactError."""
        repository = Repository(source.image)
        files = LayerFiles(work.scratch)
        for item in pin.items:
            path = work.scratch / "layer"
            name = f"{source.image} {item.name} ({item.size / 1e6:.1f} MB)"
            repository.download(item.location, path, work.progress, name)
            files.add(path, f"{item.name} of {source.shown}")
            path.unlink()
        files.complete()
        return Collected(
            contents=files.contents,
            origin=pin.origin,
            vmlinux=files.vmlinux,
            btf=files.btf,
        )


class LayerFiles:
    """A kernel's files in an image, layer on layer."""

    def __init__(self, scratch: Path) -> None:
        self.contents = Spool(scratch / "files")
        self.vmlinux: Path | None = None
        self.btf: bytes | None = None
        self._scratch = scratch

    def add(self, layer: Path, name: str) -> None:
        """Lay a layer on top. Raises ArtifactError, with its name, if damaged."""
        try:
            self._add(layer)
        except layers.DAMAGED as error:
            raise ArtifactError(f"{name} can't be unpacked: {error}") from error

    def complete(self) -> None:
        """Take the config out of the image where no file has it.

        ci-kernels have no config and no modules.builtin, and modules for selftests
        only: nothing else says what is built in. Raises ArtifactError for an image
        that can't be read.
        """
        names = [path.rpartition("/")[2].partition("-")[0] for path in self.contents]
        images = [
            path
            for path, name in zip(self.contents, names, strict=True)
            if name == "vmlinuz"
        ]
        if "config" not in names and len(images) == 1:
            config = kernelimage.config(self.contents[images[0]])
            if config is not None:
                self.contents.add("boot/config", config)

    def _add(self, layer: Path) -> None:
        with layers.opened(layer) as archive:
            for member in archive:
                path = _BELOW.sub("", member.name.removeprefix("./").lstrip("/"), 1)
                gone = layers.whiteout(path)
                if gone is not None:
                    self._forget(f"{gone.path}/" if gone.is_content else gone.path)
                elif member.isreg() and _KERNEL.fullmatch(path):
                    content = archive.extractfile(member)
                    assert content is not None
                    self._take(path, member.size, content)

    def _take(self, path: str, size: int, content: IO[bytes]) -> None:
        if _BTF.fullmatch(path):
            self.btf = content.read(packages.LARGEST)
        elif _VMLINUX.fullmatch(path):
            # With debug information it is too large for memory.
            self.vmlinux = self._scratch / "vmlinux"
            with self.vmlinux.open("wb") as stream:
                shutil.copyfileobj(content, stream, 1 << 20)
        elif packages.is_of_kernel(path):
            if size > packages.LARGEST:
                raise ArtifactError(f"{path} is too large")
            self.contents.add(path, content.read())

    def _forget(self, path: str) -> None:
        for name in list(self.contents):
            if name == path or name.startswith(f"{path.rstrip('/')}/"):
                self.contents.discard(name)
