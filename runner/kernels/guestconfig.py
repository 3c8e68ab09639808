"""Which options a kernel must be built with to be a guest, told from its config."""

import re
from collections.abc import Mapping

from runner.arch import Architecture
from runner.errors import ArtifactError
from runner.kernels import nic
from runner.versions import KernelVersion

_HEAD = re.compile(r"^# Linux/\S+ (\d\S*) Kernel Configuration", re.MULTILINE)
_SET = re.compile(r"CONFIG_(\w+)=(.*)")
# The modules of options that count where a modules.builtin is missing.
_MODULES = {
    **{
        option: module
        for card in nic.CARDS
        for option, module in zip(card.options, card.modules, strict=True)
    },
    "HW_RANDOM_VIRTIO": "virtio_rng",
}


# What every guest needs of its kernel, and why; what its machine needs is in
# runner/arch/table.py. All of them y: there is nothing yet that could load a module.
NEEDED = {
    "64BIT": "the guest's programs are of 64 bits",
    "BLK_DEV_INITRD": "a guest runs from its initramfs",
    "RD_GZIP": "the initramfs is compressed with gzip",
    "BINFMT_ELF": "programs are ELF files",
    "BINFMT_SCRIPT": "/etc/rc is a script",
    "PRINTK": "the console reports an oops",
    "PROC_FS": "truths are read from /proc",
    "SYSFS": "the kernel's BTF and tracing are in /sys",
    "DEVTMPFS": "/dev is mounted from it",
    "TMPFS": "/run is one",
    "INET": "SSH uses TCP",
    "BPF_SYSCALL": "objects are loaded with bpf()",
}


def parse(text: str) -> dict[str, str]:
    """Return what a .config sets: names without CONFIG_, values as they stand."""
    return {
        found[1]: found[2]
        for line in text.splitlines()
        if (found := _SET.fullmatch(line.strip()))
    }


def built_in(config: Mapping[str, str]) -> set[str]:
    """Return those of a guest's modules that a config builds in."""
    return {module for name, module in _MODULES.items() if config.get(name) == "y"}


def missing(config: Mapping[str, str], architecture: Architecture) -> list[str]:
    """Return what a config lacks, each as "CONFIG_X=y (why)"."""
    needed = {**NEEDED, **dict(architecture.board.options)}
    found = [
        f"CONFIG_{name}=y ({why})"
        for name, why in needed.items()
        if config.get(name) != "y"
    ]
    cards = [
        [name for name in card.options if config.get(name) not in ("y", "m")]
        for card in nic.of(architecture)
    ]
    if all(cards):
        ways = (
            " and ".join(f"CONFIG_{name}=y or m" for name in names) for names in cards
        )
        found.append(f"{', or else '.join(ways)} (SSH needs a network card)")
    return found


def version(text: str) -> KernelVersion | None:
    """Return the version that a .config's head says, or None.

    It is upstream's where a distribution's release is not: 6.1.176 of 6.1.0-50-amd64.
    """
    found = _HEAD.search(text[:500])
    return None if found is None else KernelVersion.parse(found[1])


def check(text: str, release: str) -> None:
    """Refuse what is no .config, or another kernel's. Raises ArtifactError."""
    if not parse(text):
        raise ArtifactError(
            f"the config of {release} sets no option, so it is not a kernel's .config"
        )
    told = version(text)
    if told and told.filled(2) != KernelVersion.parse(release).filled(2):
        raise ArtifactError(f"the config is of {told}, but the image is of {release}")
