"""A root of the user's own in a guest: on a disk where that works, else in memory.

The disk is plugged in while the guest runs. So all guests of a kernel come from one
snapshot, whether they are to have a root or not, and the machine that is saved needs no
place for it. The disk is read-only; what is written goes to the guest's memory.
"""

import logging
from pathlib import Path, PurePosixPath

from runner import timeouts
from runner.errors import GuestError, UsageError
from runner.guest import timely
from runner.guest.guest import Guest
from runner.guest.image import initramfs
from runner.guest.qemu import vm
from runner.guest.roots.headersimage import HeadersImage
from runner.guest.roots.image import RootImage, shown
from runner.programs.prepare import GuestFile

log = logging.getLogger(__name__)

_MODULES = PurePosixPath("/run/agent/modules")
_PART = PurePosixPath("/run/agent/part.tar")
_FOLDER = "/roots"
# Bytes of a guest's memory that its programs and the kernel keep.
_RESERVE = 48 << 20


def enter(
    guest: Guest, image: RootImage, headers: HeadersImage | None = None
) -> PurePosixPath:
    """Give a guest a root, as clean as it was made; return its folder in the guest.

    With `headers`, it has those of the kernel, too.

    A note of the kernel's says where it is. Raises UsageError for one that does not fit
    into the guest's memory, GuestError when the guest dies or can't use it, and
    InfrastructureError when QEMU refuses the disk.
    """
    number = len(guest.roots)
    folder = PurePosixPath(_FOLDER) / str(number)
    with guest.doing("mounting the root file system"):
        said = _open(guest, image, folder)
        place, _, why = said.partition(" ")
        if place == "memory":
            _fill(guest, image, folder, why)
        _root(guest, "bind", str(folder))
        if headers is not None and place == "memory":
            raise UsageError(
                f"{why}, so it can't be given the disk with its headers",
                hint="put the headers into the root, below /lib/modules",
            )
        if headers is not None:
            _mount_headers(guest, image, headers, folder)
    where = "on a disk" if place == "disk" else f"in the guest's memory: {why}"
    note = f"the root {image.name} ({shown(image.size)}) is {where}"
    log.info("%s: %s", guest.kernel.id, note)
    if note not in guest.life.starts.notes:
        guest.life.starts.notes.append(note)
    guest.roots.append(str(folder))
    return folder


def _open(guest: Guest, image: RootImage, folder: PurePosixPath) -> str:
    """Mount a root's disk; return what the guest says of it."""
    modules = [
        GuestFile(source=path, target=_MODULES / path.name, mode=0o600)
        for path in guest.artifact.root_modules
    ]
    if not guest.disks:
        guest.copy(modules)
    serial = _plugged(guest, image.key, image.disk)
    paths = [str(it.target) for it in modules]
    return _root(guest, "open", str(folder), serial, *paths)


def _plugged(guest: Guest, key: str, disk: Path) -> str:
    """Return the serial number of a disk, which is plugged in once."""
    if key not in guest.disks:
        serial = f"root{len(guest.disks)}"
        vm.plug_disk(guest.vm, disk, serial)
        guest.disks[key] = serial
    return guest.disks[key]


def _mount_headers(
    guest: Guest, image: RootImage, headers: HeadersImage, folder: PurePosixPath
) -> None:
    serial = _plugged(guest, headers.key, headers.disk)
    # Outside of the root, its absolute links would lead elsewhere.
    library = image.contents.resolve("/lib") or "/lib"
    words = (str(folder), serial, library, headers.build, headers.source)
    _root(guest, "headers", *words)


def _root(guest: Guest, *words: str) -> str:
    argv = [initramfs.ROOT, *words]
    said = guest.agent.run(argv, timeout=timeouts.TRANSFER.seconds)
    timely.require_ended(said, " ".join(argv[:2]), timeouts.TRANSFER)
    if said.exit != 0:
        raise GuestError(
            f"the root can't be mounted: {said.stderr.strip() or said.stdout.strip()}",
            hint="see console.log",
        )
    return said.stdout.strip()


def _fill(guest: Guest, image: RootImage, folder: PurePosixPath, why: str) -> None:
    """Copy a root's files into memory, a few megabytes at a time."""
    free = _free_memory(guest)
    if image.size + _RESERVE > free:
        raise UsageError(
            f"the root {image.name} ({shown(image.size)}) does not fit into the guest, "
            f"which has {shown(free)} of free memory; {why}, so there is no disk",
            hint=f"raise `memory:` of {guest.kernel.id} in matrix.yaml (now "
            f"{guest.vm.machine.memory} MiB), or build the kernel with VIRTIO_BLK, "
            "SQUASHFS and OVERLAY_FS",
        )
    parts = image.make_parts()
    for file in parts.large:
        there = folder / file.path
        target = GuestFile(
            source=parts.folder / file.name, target=there, mode=file.mode
        )
        guest.copy([target])
        if file.owner != "0:0":
            _busybox(guest, "chown", file.owner, str(there))
            _busybox(guest, "chmod", f"{file.mode:o}", str(there))
    for part in parts.tars:
        guest.copy([GuestFile(source=part, target=_PART, mode=0o600)])
        _busybox(guest, "tar", "-x", "-p", "-f", str(_PART), "-C", str(folder))
    _busybox(guest, "rm", "-f", str(_PART))


def _busybox(guest: Guest, *words: str) -> None:
    said = guest.agent.run(["/bin/busybox", *words], timeout=timeouts.TRANSFER.seconds)
    timely.require_ended(said, words[0], timeouts.TRANSFER)
    if said.exit != 0:
        raise GuestError(f"the root can't be unpacked: {said.stderr.strip()}")


def _free_memory(guest: Guest) -> int:
    """Return the bytes that a guest's programs may still take."""
    text = guest.agent.read("/proc/meminfo", timeout=timeouts.ANSWER.seconds)
    values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    # MemAvailable came with 3.14.
    return int(values["MemAvailable"].split()[0]) << 10
