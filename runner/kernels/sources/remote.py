"""Kernels from packages that are downloaded one by one."""

from pathlib import Path, PurePosixPath

from runner.kernels import http
from runner.kernels.sources import packages
from runner.kernels.sources.source import Collected, Pin, Workplace
from runner.matrix.matrix import BaseSource


def collect(pin: Pin, source: BaseSource, work: Workplace) -> Collected:
    """Download a pin's .deb packages, whose locations are addresses, and open them.

    A vmlinux with debug information, of a -dbg or -dbgsym package, stays in the scratch
    folder. Raises ArtifactError for what can't be had and for another file than was
    pinned.
    """
    contents: dict[str, bytes] = {}
    checksums: dict[str, str] = {}
    vmlinux: Path | None = None
    for item in pin.items:
        path = work.scratch / "package.deb"
        size = f" ({item.size / 1e6:.1f} MB)" if item.size else ""
        checksums[item.name] = http.download(
            item.location,
            path,
            checksums=item.checksums,
            progress=work.progress,
            name=item.name + size,
            size=item.size,
            hint=work.other_file_hint(source),
        )
        contents |= packages.files(path, packages.is_of_kernel)
        debug = work.scratch / "vmlinux.debug"
        if packages.extract(path, is_debug_vmlinux, debug) is not None:
            vmlinux = debug
        path.unlink()
    return Collected(
        contents=contents,
        origin=pin.origin,
        version=pin.version,
        vmlinux=vmlinux,
        checksums=checksums,
    )


def is_debug_vmlinux(path: str) -> bool:
    """Whether a package's file is a vmlinux with debug information."""
    # usr/lib/debug/boot/vmlinux-RELEASE, usr/lib/debug/lib/modules/RELEASE/vmlinux, and
    # SUSE's usr/lib/debug/usr/lib/modules/RELEASE/vmlinux.debug
    name = PurePosixPath(path).name
    return path.startswith("usr/lib/debug/") and (
        name in ("vmlinux", "vmlinux.debug") or name.startswith("vmlinux-")
    )
