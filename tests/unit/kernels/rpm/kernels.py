"""Small kernels in the layouts of the vendors.

Sources: kernel.spec of CentOS 7, RHEL 8, 9 and Fedora, kernel-uek.spec of Oracle Linux,
kernel.spec of Amazon Linux, kernel-default.spec of openSUSE.
"""

import lzma
from dataclasses import dataclass, field

import zstandard

from tests.unit.kernels import images
from tests.unit.kernels.rpm.made import Spec

CONFIG = images.GUEST_CONFIG.replace(b"CONFIG_VIRTIO_NET=y", b"CONFIG_VIRTIO_NET=m")
BUILT_IN = b"kernel/drivers/virtio/virtio_pci.ko\n"
SYSTEM_MAP = b"ffffffff81000000 T _text\n"
NET, FAILOVER = images.module("net_failover"), images.module()
_ALONE = "kernel/drivers/net/virtio_net.ko", "kernel/drivers/net/net_failover.ko"


def _modules(folder: str, suffix: str) -> dict[str, bytes]:
    modules = dict(zip(_ALONE, (NET, FAILOVER), strict=True))
    return {
        f"{folder}/{path}{suffix}": lzma.compress(it)
        if suffix == ".xz"
        else zstandard.compress(it)
        for path, it in modules.items()
    }


def _image(release: str, folder: str) -> dict[str, bytes]:
    return {
        f"{folder}/vmlinuz": images.bzimage(release),
        f"{folder}/.vmlinuz.hmac": b"0  vmlinuz\n",
        f"{folder}/config": CONFIG,
        f"{folder}/System.map": SYSTEM_MAP,
    }


def _boot(release: str) -> dict[str, bytes]:
    return {
        f"boot/vmlinuz-{release}": images.bzimage(release),
        f"boot/.vmlinuz-{release}.hmac": b"0  vmlinuz\n",
        f"boot/config-{release}": CONFIG,
        f"boot/System.map-{release}": SYSTEM_MAP,
        f"boot/symvers-{release}.gz": b"no one looks",
    }


def _ghosts(release: str) -> list[str]:
    return [f"boot/vmlinuz-{release}", f"boot/initramfs-{release}.img"]


def debug(
    name: str, like: Spec, vmlinux: bytes = images.VMLINUX, path: str = ""
) -> Spec:
    """Return the package of debug information of a kernel's package."""
    path = path or f"usr/lib/debug/lib/modules/{like.uname}/vmlinux"
    return Spec(
        name=name,
        version=like.version,
        release=like.release,
        files={path: vmlinux},
        payload="xz",
    )


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A vendor's kernel, as its packages split it."""

    family: str
    packages: tuple[Spec, ...]
    # Keys of the row besides the repository's and the signature's.
    keys: dict[str, object] = field(default_factory=dict)
    # How the repository is made.
    compression: str = "gz"
    checksum: str = "sha256"
    signed: bool = False
    # What `uname -r` says; empty for what follows from the package's version.
    uname: str = ""
    # How many of the packages a guest needs; None for all.
    most: int | None = None
    # The package with the debug information, and its file.
    debug_package: str = "kernel-debuginfo"
    debug_path: str = ""

    @property
    def release(self) -> str:
        """What `uname -r` says."""
        return self.uname or self.packages[0].uname

    @property
    def needed(self) -> tuple[Spec, ...]:
        """The packages that are to be fetched."""
        return self.packages[: self.most]


def plain(version: str, release: str, payload: str) -> Spec:
    """Return `kernel` as el7 and Amazon Linux 2 have it: all in one package."""
    uname = f"{version}-{release}.x86_64"
    folder = f"lib/modules/{uname}"
    return Spec(
        name="kernel",
        version=version,
        release=release,
        files={
            **_boot(uname),
            f"{folder}/modules.builtin": BUILT_IN,
            **_modules(folder, ".xz"),
        },
        provides=[f"kernel-uname-r = {uname}"],
        payload=payload,
    )


def el8(version: str = "4.18.0", release: str = "553.el8_10") -> tuple[Spec, Spec]:
    """Return kernel-core, which has what a guest needs, and kernel-modules."""
    uname = f"{version}-{release}.x86_64"
    folder = f"lib/modules/{uname}"
    core = Spec(
        name="kernel-core",
        version=version,
        release=release,
        files={
            **_image(uname, folder),
            f"{folder}/modules.builtin": BUILT_IN,
            **_modules(folder, ".xz"),
        },
        ghosts=_ghosts(uname),
        provides=[f"kernel-core-uname-r = {uname}", f"kernel-uname-r = {uname}"],
        payload="xz",
    )
    more = Spec(
        name="kernel-modules",
        version=version,
        release=release,
        files={f"{folder}/kernel/drivers/net/ppp.ko.xz": lzma.compress(FAILOVER)},
        requires=[f"kernel-uname-r = {uname}"],
        payload="xz",
    )
    return core, more


def split(
    version: str = "5.14.0", release: str = "1.el9", name: str = "kernel"
) -> tuple[Spec, Spec, Spec]:
    """Return core, modules-core and the empty package, as el9, el10 and Fedora do."""
    uname = f"{version}-{release}.x86_64"
    folder = f"lib/modules/{uname}"
    core = Spec(
        name=f"{name}-core",
        version=version,
        release=release,
        files=_image(uname, folder),
        ghosts=_ghosts(uname),
        requires=[f"{name}-modules-core-uname-r = {uname}"],
        provides=[f"{name}-core-uname-r = {uname}"],
    )
    modules = Spec(
        name=f"{name}-modules-core",
        version=version,
        release=release,
        files={f"{folder}/modules.builtin": BUILT_IN, **_modules(folder, ".xz")},
        requires=[f"{name}-core-uname-r = {uname}"],
        provides=[f"{name}-modules-core-uname-r = {uname}"],
    )
    whole = Spec(
        name=name,
        version=version,
        release=release,
        requires=[
            f"{name}-core-uname-r = {uname}",
            f"{name}-modules-core-uname-r = {uname}",
        ],
    )
    return core, modules, whole


def amazon2023(version: str, release: str, name: str = "kernel") -> Spec:
    """Return `kernel` with an image in /boot and in /lib/modules."""
    uname = f"{version}-{release}.x86_64"
    folder = f"lib/modules/{uname}"
    return Spec(
        name=name,
        version=version,
        release=release,
        files={
            **_boot(uname),
            **_image(uname, folder),
            f"{folder}/modules.builtin": BUILT_IN,
            **_modules(folder, ".xz"),
        },
    )


def suse(version: str, release: str) -> Spec:
    """Return kernel-default: /usr/lib/modules, links in /boot, modules by zstd."""
    uname = _suse_uname(version, release)
    folder = f"usr/lib/modules/{uname}"
    return Spec(
        name="kernel-default",
        version=version,
        release=release,
        files={
            **_image(uname, folder),
            f"{folder}/modules.builtin": BUILT_IN,
            f"boot/vmlinux-{uname}.gz": b"no one looks",
            **_modules(folder, ".zst"),
        },
        links={
            f"boot/vmlinuz-{uname}": f"../{folder}/vmlinuz",
            f"boot/config-{uname}": f"../{folder}/config",
            f"boot/System.map-{uname}": f"../{folder}/System.map",
        },
    )


def _suse_uname(version: str, release: str) -> str:
    # Not that of its package, as everywhere else: without how often it was rebuilt.
    return f"{version}-{release.rpartition('.')[0]}-default"


def uek(version: str, release: str, modules: str) -> tuple[Spec, Spec]:
    """Return kernel-uek-core, and a package with modules that it does not require.

    Those are kernel-uek-modules of UEK 7, and kernel-uek-modules-core of UEK 8.
    """
    core, more, _ = split(version, release, "kernel-uek")
    return (
        Spec(**{**vars(core), "requires": ()}),
        Spec(**{**vars(more), "name": modules, "requires": ()}),
    )


# ------------------------------------------------------------------ whole layouts


def el7_layout(version: str, release: str) -> Layout:
    return Layout(
        family="el7",
        packages=(plain(version, release, "xz"),),
        keys={"package": "kernel"},
    )


def el8_layout(version: str, release: str) -> Layout:
    return Layout(family="el8", packages=el8(version, release), most=1)


def split_layout(family: str, version: str, release: str) -> Layout:
    """Return that of el9, el10 and Fedora, whose metadata is packed differently."""
    return Layout(
        family=family,
        packages=split(version, release)[:2],
        compression="gz" if family == "el9" else "zst",
    )


def uek_layout(family: str, version: str, release: str) -> Layout:
    modules = f"kernel-uek-modules{'-core' if family == 'uek8' else ''}"
    return Layout(
        family=family,
        packages=uek(version, release, modules),
        keys={"package": "kernel-uek-core", "modules": modules},
        debug_package="kernel-uek-debuginfo",
    )


def amazon2_layout(version: str, release: str) -> Layout:
    return Layout(
        family="amazon2",
        packages=(plain(version, release, "gzip"),),
        keys={"package": "kernel"},
    )


def amazon2023_layout(version: str, release: str, name: str = "kernel") -> Layout:
    return Layout(
        family=f"amazon2023-{name}",
        packages=(amazon2023(version, release, name),),
        keys={"package": name},
        compression="xz",
        debug_package=f"{name}-debuginfo",
    )


def suse_layout(version: str, release: str) -> Layout:
    uname = _suse_uname(version, release)
    return Layout(
        family=f"suse-{version}",
        packages=(suse(version, release),),
        keys={"package": "kernel-default"},
        checksum="sha512",
        signed=True,
        uname=uname,
        debug_package="kernel-default-debuginfo",
        debug_path=f"usr/lib/debug/usr/lib/modules/{uname}/vmlinux.debug",
    )


LAYOUTS = (
    el7_layout("3.10.0", "1160.el7"),
    el8_layout("4.18.0", "553.el8_10"),
    split_layout("el9", "5.14.0", "1.el9"),
    split_layout("el10", "6.12.0", "55.9.1.el10_0"),
    split_layout("fedora", "6.14.0", "63.fc42"),
    uek_layout("uek7", "5.15.0", "309.180.4.el9uek"),
    uek_layout("uek8", "6.12.0", "103.40.4.4.el9uek"),
    amazon2_layout("4.14.355", "276.618.amzn2"),
    amazon2023_layout("6.1.141", "155.222.amzn2023"),
    amazon2023_layout("6.12.40", "63.114.amzn2023", "kernel6.12"),
    suse_layout("6.4.0", "150600.23.47.2"),
    suse_layout("6.12.0", "160000.9.1"),
)
