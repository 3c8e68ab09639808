"""What of this machine every guest of a run shares."""

import functools
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from runner import libbpf, timeouts
from runner.files.cache import Cache
from runner.guest.image import cpio, initramfs
from runner.guest.image.initramfs import Tools
from runner.guest.kits import GuestKits
from runner.guest.qemu.accelerator import AcceleratorChoice
from runner.guest.snapshots import Snapshots
from runner.libbpf import Programs
from runner.memo import Finding, found_once
from runner.text.progress import progress
from runner.timeouts import Pace

_MEMINFO = Path("/proc/meminfo")
# MiB that a running guest of the default size takes, QEMU included.
_GUEST_MEMORY = 350
_INITRAMFS = "initramfs"


@dataclass(frozen=True, kw_only=True)
class Host:
    """Programs, caches and settings for guests."""

    kits: GuestKits
    programs: Programs
    cache: Cache
    snapshots: Snapshots
    accelerator: AcceleratorChoice = "auto"
    # Whether every guest boots, without snapshots.
    cold: bool = False
    # Seconds from QEMU's start to the first command answered, on a usual machine.
    boot_timeout: float = timeouts.BOOT.seconds
    # How slow this machine is, as far as this process has seen.
    pace: Pace = field(default_factory=Pace)


def inspect(
    cache: Cache,
    *,
    accelerator: AcceleratorChoice,
    boot_timeout: float = timeouts.BOOT.seconds,
    timeout_scale: float | None = None,
    cold: bool = False,
    programs: Programs | None = None,
    kits: GuestKits | None = None,
) -> Host:
    """Look at this machine. Raises InfrastructureError if it lacks something.

    What guests of an architecture need is looked for when the first of them is wanted.

    `timeout_scale` multiplies all timeouts; None is what the machine's speed asks for.
    Without `programs`, they are those with the system's libbpf, built if need be.
    """
    if programs is None:
        programs = libbpf.programs(None, cache, progress())
    return Host(
        kits=kits or GuestKits(cache=cache, programs=programs),
        programs=programs,
        cache=cache,
        accelerator=accelerator,
        snapshots=Snapshots(cache),
        cold=cold,
        boot_timeout=boot_timeout,
        pace=Pace(timeout_scale),
    )


def most_guests() -> int:
    """Return how many kernels to bring up at once.

    One for each processor: a guest keeps one busy, and the next one, which is started
    meanwhile, for a short time only. Each has room for two guests in memory.
    """
    processors = len(os.sched_getaffinity(0))
    memory = available_memory()
    fitting = processors if memory is None else memory // (2 * _GUEST_MEMORY)
    return max(1, min(processors, fitting))


def available_memory() -> int | None:
    """Return what memory is free for guests, in MiB; None when Linux does not tell."""
    match = re.search(r"^MemAvailable: *(\d+) kB", _MEMINFO.read_text(), re.MULTILINE)
    return int(match[1]) >> 10 if match else None


@dataclass(frozen=True, kw_only=True)
class Initramfs:
    """An initramfs in the cache, but for a guest's keys."""

    path: Path
    # SHA-256 of what is in it.
    checksum: str

    def read(self) -> bytes:
        """Return it."""
        return self.path.read_bytes()


def packed_initramfs(
    tools: Tools, modules: tuple[Path, ...], cache: Cache
) -> Initramfs:
    """Return the initramfs for a kernel's modules, packed when it is not cached.

    Files are read only when one of them is another than at the last time.
    """

    @functools.cache
    def members() -> list[cpio.ArchiveMember]:
        return [*initramfs.userland(tools), *initramfs.modules(modules)]

    def find() -> Finding:
        paths = (*initramfs.inputs(tools), *modules)
        return initramfs.fingerprint(members()), paths

    def build(folder: Path) -> dict[str, str]:
        (folder / _INITRAMFS).write_bytes(initramfs.pack(members()))
        return {}

    words = map(str, (tools.agent, tools.root, tools.recipe, *modules))
    checksum = found_once(cache, _INITRAMFS, words, find)
    entry = cache.entry(_INITRAMFS, checksum, build)
    return Initramfs(path=entry.directory / _INITRAMFS, checksum=checksum)
