"""A kernel's source, small enough for a test: built by make, and without a compiler."""

import tarfile
from collections.abc import Mapping
from pathlib import Path

from tests.unit.kernels import images

KCONFIG = """\
config 64BIT
\tbool "64-bit kernel"

menuconfig NET
\tbool "Networking"

config VIRTIO_NET
\ttristate "Virtio network driver"
\tdepends on NET && VIRTIO # not alone
\tdepends on NETDEVICES

config LEGACY
\tbool
"""
# allnoconfig takes what the preset asks for, but what it does not know, and VIRTIO_NET.
MAKEFILE = """\
VERSION = {major}
PATCHLEVEL = {minor}
SUBLEVEL = {patch}
EXTRAVERSION =

allnoconfig:
\t@echo "# Linux/x86 {major}.{minor}.{patch} Kernel Configuration" >.config
\t@grep -Ev 'CONFIG_(VIRTIO_NET|UNHEARD_OF)' $(KCONFIG_ALLCONFIG) >>.config; true

bzImage:
\t@echo "$(KCFLAGS)|$(LD)|$(PAHOLE)" >arguments
\t@env >environment
\t@echo "$(CC)|$(EXTRAVERSION)" >names
\t@test ! -e broken || {{ echo "x.c:1: error: no such thing"; exit 1; }}
\t@test ! -e slow || {{ echo "  CC      kernel/fork.o"; \\
\t\techo $$$$ >child; exec sleep $$(cat slow); }}
\tmkdir -p arch/x86/boot && cp image arch/x86/boot/bzImage
\tcp elf vmlinux
\techo "ffffffff81000000 T _text" >System.map

Image:
\t@echo "$(ARCH)|$(CROSS_COMPILE)|$(CC)|$(HOSTCC)|$(LD)" >cross
\tmkdir -p arch/arm64/boot && cp image arch/arm64/boot/Image
\tcp elf vmlinux
\techo "ffff800008000000 T _text" >System.map

# As up to 5.6: nothing else makes it.
modules.builtin:
\techo kernel/net/sched/cls_bpf.ko >modules.builtin

modules:
\tmkdir -p drivers/net && cp module drivers/net/virtio_net.ko
"""


# As Red Hat's trees have it, with its comments cut.
RHELVER = """\
RHEL_MAJOR = 8
RHEL_MINOR = 10
#
# Use this spot to avoid future merge conflicts.
RHEL_RELEASE = {release}
ZSTREAM = yes
EARLY_YSTREAM ?= no
"""


def make_rhel_tree(folder: Path, release: str = "553.66.1") -> Path:
    """Write a tree of Red Hat's and return it."""
    return make_tree(
        folder, "4.18.0", **{"Makefile.rhelver": RHELVER.format(release=release)}
    )


def make_tree(folder: Path, version: str = "5.10.223", **files: str) -> Path:
    """Write a tree and return it; `files` are more of it, by name."""
    major, minor, patch = (*version.split("."), "0")[:3]
    tree = folder / f"linux-{version}"
    (tree / "arch/x86").mkdir(parents=True)
    (tree / "arch/arm").mkdir()
    (tree / "Makefile").write_text(
        MAKEFILE.format(major=major, minor=minor, patch=patch)
    )
    (tree / "Kconfig").write_text(KCONFIG)
    (tree / "arch/arm/Kconfig").write_text("config ARM_ONLY\n\tbool\n")
    (tree / "arch/x86/Makefile").write_text("LDFLAGS := -m elf_x86_64\n")
    (tree / "image").write_bytes(images.bzimage(f"{major}.{minor}.{patch}"))
    (tree / "elf").write_bytes(images.VMLINUX)
    (tree / "module").write_bytes(images.module())
    for name, text in files.items():
        (tree / name).write_text(text)
    return tree


def make_tarball(tree: Path) -> Path:
    """Pack a tree as kernel.org does and return the file."""
    path = tree.with_name(f"{tree.name}.tar.xz")
    with tarfile.open(path, "w:xz", preset=0) as archive:
        archive.add(tree, arcname=tree.name)
    return path


def make_recipes(folder: Path, files: Mapping[str, str] | None = None) -> Path:
    """Write a folder of fragments and quirks that the small tree can fulfil."""
    folder.mkdir()
    for name, text in {
        "fragments.yaml": "- file: base.config\n",
        "quirks.yaml": "[]\n",
        "refused.yaml": "[]\n",
        "base.config": "CONFIG_64BIT=y\nCONFIG_NET=y\nCONFIG_UNHEARD_OF=y\n",
        **(files or {}),
    }.items():
        (folder / name).write_text(text)
    return folder
