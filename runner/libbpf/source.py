"""What a folder holds of libbpf: its source, a kernel's tree, or an installed one."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from runner import arch
from runner.errors import UsageError

LibbpfLayout = Literal["source", "kernel", "prefix"]

# Before it, libbpf does not hand out its relocation, of which preflight asks.
OLDEST = (0, 8)
_LAYOUTS = (
    "use libbpf's source (src/libbpf.map), a kernel tree (tools/lib/bpf), or a "
    "folder with an installed libbpf (lib/libbpf.a and include/bpf)"
)
_MAP = "libbpf.map"
# Of what a source is made; what else is there was built from it.
_SUFFIXES = {".c", ".h", ".map", ".template", ".py", ".sh", ".include", ".build"}
_NAMES = ("Makefile", "Build")
# Made by a build in the tree, of the kernel's header.
_GENERATED = "bpf_helper_defs.h"
_KERNEL_PARTS = (
    "tools/lib",
    "tools/include",
    "tools/arch",
    "tools/build",
    "tools/scripts",
    "scripts/bpf_doc.py",
)
_INTERFACE = ("bpf.h", "bpf_common.h", "btf.h")


@dataclass(frozen=True, kw_only=True)
class LibbpfSource:
    """A libbpf, read whole: nobody changes it while it is built."""

    # As its user named it.
    folder: Path
    layout: LibbpfLayout
    # "1.7"; libbpf's headers do not tell more.
    version: str
    # Path → content; an installed one as lib/libbpf.a and include/.
    files: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """The SHA-256 of names and contents."""
        digest = hashlib.sha256(self.layout.encode())
        for path, content in sorted(self.files.items()):
            digest.update(f"\0{path}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()


def read(folder: Path) -> LibbpfSource:
    """Return the libbpf of a folder.

    Raises UsageError for a folder without one, for one that is too old, and for one
    that was installed without what a static program needs.
    """
    if not folder.is_dir():
        raise UsageError(f"--libbpf {folder}: no such folder", hint=_LAYOUTS)
    root, layout = _recognized(folder)
    try:
        files = dict(_READERS[layout](root))
    except OSError as error:
        raise UsageError(
            f"--libbpf {folder}: {error.filename or folder}: {error.strerror}"
        ) from error
    return LibbpfSource(
        folder=folder,
        layout=layout,
        version=_checked_version(files, layout, folder),
        files=files,
    )


def _recognized(folder: Path) -> tuple[Path, LibbpfLayout]:
    """Return where a libbpf begins, and how it lies there."""
    # Who is in the midst of it names that folder.
    above = folder.absolute().parents
    inside = (folder / _MAP).exists()
    if (folder / "src" / _MAP).exists():
        return folder, "source"
    if (folder / "tools/lib/bpf" / _MAP).exists():
        return folder, "kernel"
    if inside and (folder / "../include/uapi/linux/bpf.h").exists():
        return above[0], "source"
    if inside and len(above) > 2 and (above[2] / "tools/lib/bpf" / _MAP).exists():
        return above[2], "kernel"
    if (folder / "include/bpf").is_dir():
        return folder, "prefix"
    raise UsageError(f"--libbpf {folder}: there is no libbpf in it", hint=_LAYOUTS)


# ------------------------------------------------------------------- files

SourceFiles = Iterator[tuple[str, bytes]]


def _source(root: Path) -> SourceFiles:
    for part in ("src", "include"):
        yield from _below(root, part)


def _kernel(root: Path) -> SourceFiles:
    for part in _KERNEL_PARTS:
        for path, content in _below(root, part):
            if PurePosixPath(path).name != _GENERATED:
                yield path, content


def _below(root: Path, part: str) -> SourceFiles:
    """Yield the files of a part that are source."""
    start = root / part
    if start.is_file():
        yield part, start.read_bytes()
    for folder, _, names in os.walk(start):
        for name in names:
            path = Path(folder, name)
            # A link that leads nowhere is none.
            if _is_source(path.name) and path.is_file():
                yield str(path.relative_to(root)), path.read_bytes()


def _is_source(name: str) -> bool:
    return PurePosixPath(name).suffix in _SUFFIXES or name.startswith(_NAMES)


def _libraries() -> Iterator[str]:
    """Yield where distributions have libraries; Debian has those of this machine first.

    Which architecture it is for, is found out when it is built with.
    """
    yield from ("lib64", "lib")
    own = arch.native()
    for it in sorted(arch.ARCHITECTURES, key=lambda it: it is not own):
        yield f"lib/{it.debian.triplet}"


def _prefix(root: Path) -> SourceFiles:
    for place in _libraries():
        library = root / place / "libbpf.a"
        if library.exists():
            yield "lib/libbpf.a", library.read_bytes()
            break
    headers = (root / "include/bpf").glob("*.h")
    # Those that came with libbpf fit it; where there are none, the system's do.
    interface = (root / "include/linux" / name for name in _INTERFACE)
    for path in (*headers, *interface):
        if path.is_file():
            yield str(path.relative_to(root)), path.read_bytes()


_READERS: dict[LibbpfLayout, Callable[[Path], SourceFiles]] = {
    "source": _source,
    "kernel": _kernel,
    "prefix": _prefix,
}

# ----------------------------------------------------------------- version

_HEADERS: dict[LibbpfLayout, str] = {
    "source": "src/libbpf_version.h",
    "kernel": "tools/lib/bpf/libbpf_version.h",
    "prefix": "include/bpf/libbpf_version.h",
}
_NUMBER = re.compile(rb"^#define LIBBPF_(MAJOR|MINOR)_VERSION\s+(\d+)", re.MULTILINE)


def _checked_version(
    files: Mapping[str, bytes], layout: LibbpfLayout, folder: Path
) -> str:
    found = dict(_NUMBER.findall(files.get(_HEADERS[layout], b"")))
    oldest = ".".join(map(str, OLDEST))
    if b"MAJOR" not in found or b"MINOR" not in found:
        # It has told its version since 0.6.
        raise UsageError(
            f"--libbpf {folder}: this libbpf is older than 0.6",
            hint=f"the oldest supported version is {oldest}",
        )
    version = int(found[b"MAJOR"]), int(found[b"MINOR"])
    shown = ".".join(map(str, version))
    if version < OLDEST:
        raise UsageError(
            f"--libbpf {folder}: this is libbpf {shown}",
            hint=f"the oldest supported version is {oldest}",
        )
    if layout == "prefix" and "lib/libbpf.a" not in files:
        raise UsageError(
            f"--libbpf {folder}: there is no libbpf.a, only the headers of libbpf "
            f"{shown}",
            hint="programs in guests are static; run `make install` in libbpf's "
            "source to install it, or name the source itself",
        )
    return shown
