"""Small kernels, split over packages as Ubuntu does.

Source: debian.master/control.d and debian/control.stub of Ubuntu's trees for jammy and
noble, debian/control of linux-meta and linux-signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import zstandard

from tests.unit.kernels import images
from tests.unit.kernels.packaging import make_package

_CONFIG = images.GUEST_CONFIG.replace(b"CONFIG_VIRTIO_NET=y", b"CONFIG_VIRTIO_NET=m")
SYSTEM_MAP = b"ffffffff81000000 T _text\n"
BUILT_IN = b"kernel/drivers/virtio/virtio_pci.ko\n"
NET, FAILOVER = images.module("net_failover"), images.module()


@dataclass(frozen=True, kw_only=True)
class UbuntuKernel:
    """A kernel and its metapackage."""

    # Without the flavour.
    abi: str = "5.15.0-91"
    # What the package's version has behind that.
    upload: str = ".101"
    flavour: str = "generic"
    # The metapackage.
    meta: str = "linux-image-generic"
    # Whether the image's package is the signed one.
    signed: bool = True
    # Whether modules are packed with zstd, as from 22.10 on.
    zstd: bool = False

    @property
    def release(self) -> str:
        """What `uname -r` says."""
        return f"{self.abi}-{self.flavour}"

    @property
    def version(self) -> str:
        """Of its packages."""
        return self.abi + self.upload

    @property
    def image(self) -> str:
        """The name of the package with the image."""
        return f"linux-image-{'' if self.signed else 'unsigned-'}{self.release}"

    @property
    def modules(self) -> str:
        """The name of the package with the modules that a guest needs."""
        return f"linux-modules-{self.release}"

    @property
    def config(self) -> bytes:
        """Its configuration, which says the upstream version."""
        upstream = self.abi.rpartition(".")[0] + ".131"
        return f"# Linux/x86 {upstream} Kernel Configuration\n".encode() + _CONFIG

    def small(self) -> dict[str, bytes]:
        """Return the files of a small kernel."""
        folder = f"lib/modules/{self.release}"
        suffix, pack = (".zst", zstandard.compress) if self.zstd else ("", bytes)
        return {
            f"boot/vmlinuz-{self.release}": images.bzimage(self.release),
            f"boot/config-{self.release}": self.config,
            f"boot/System.map-{self.release}": SYSTEM_MAP,
            f"{folder}/modules.builtin": BUILT_IN,
            f"{folder}/modules.order": b"",
            f"{folder}/kernel/drivers/net/virtio_net.ko{suffix}": pack(NET),
            f"{folder}/kernel/net/core/net_failover.ko{suffix}": pack(FAILOVER),
        }

    def make(
        self,
        folder: Path,
        files: Mapping[str, bytes] | None = None,
        architecture: str = "amd64",
    ) -> list[Path]:
        """Make its packages: metapackage, image, modules, more modules.

        They hold `files`, or those of a small kernel.
        """
        held = self.small() if files is None else files
        image = {path: held[path] for path in held if path.startswith("boot/vmlinuz")}
        rest = {path: held[path] for path in held if path not in image}
        signed = f"linux-image-{self.release}"
        unsigned = f"linux-image-unsigned-{self.release}"
        extra = f"linux-modules-extra-{self.release}"
        driver = f"lib/modules/{self.release}/kernel/drivers/net/ppp/ppp.ko"
        made: list[tuple[str, str, Mapping[str, bytes]]] = [
            (
                self.meta,
                f"{signed} | {unsigned}, {extra}, linux-firmware",
                {"usr/share/doc/x": b""},
            ),
            (
                self.image,
                f"kmod, linux-base (>= 4.5ubuntu1~16.04.1), {self.modules}",
                image,
            ),
            (self.modules, "", rest),
            (extra, f"{signed} | {unsigned}", {driver: FAILOVER}),
        ]
        return [
            make_package(
                folder,
                name,
                content,
                # A metapackage counts its uploads by itself.
                version=self.version.replace("-", ".", 1)
                if name == self.meta
                else self.version,
                depends=depends,
                compression="zstd",
                architecture=architecture,
            )
            for name, depends, content in made
        ]

    def debug(self, folder: Path, vmlinux: bytes) -> Path:
        """Make the package with its debug information."""
        return make_package(
            folder,
            f"linux-image-unsigned-{self.release}-dbgsym",
            {f"usr/lib/debug/boot/vmlinux-{self.release}": vmlinux},
            version=self.version,
            suffix="ddeb",
        )


GENERIC = UbuntuKernel()
NEWER = replace(GENERIC, abi="5.15.0-164", upload=".174")
