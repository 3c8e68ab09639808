"""What a program or shared library asks of its dynamic linker, by its own headers."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_E_MACHINE
from elftools.elf.segments import InterpSegment

from runner.arch import ARCHITECTURES
from runner.programs.errors import ProgramError

MAGIC = b"\x7fELF"
# pyelftools raises more than ELFError for damaged files.
_DAMAGED = (ELFError, ValueError, KeyError, IndexError, AttributeError, OverflowError)
# e_machine → what `uname -m` says.
_MACHINES = {
    **{it.elf.machine: it.machine for it in ARCHITECTURES},
    "EM_386": "i686",
    "EM_PPC64": "ppc64le",
    "EM_ARM": "arm",
    "EM_BPF": "BPF",
}


@dataclass(frozen=True, kw_only=True)
class ElfFile:
    """A program or a shared library."""

    path: Path
    # As `uname -m` says it, or the ELF name of one that is not known here.
    machine: str
    # 32 or 64.
    bits: int
    # "ET_EXEC", "ET_DYN"; relocatable objects are "ET_REL".
    kind: str
    # The dynamic linker; empty for a static program or a library.
    interpreter: str = ""
    needed: tuple[str, ...] = ()
    soname: str = ""
    # Folders, as they are written.
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    # Whether only `runpath` and `rpath` are searched (DF_1_NODEFLIB).
    no_default: bool = False

    @property
    def is_static(self) -> bool:
        """Whether no dynamic linker starts it."""
        return not self.interpreter


def is_elf(path: Path) -> bool:
    """Whether a file begins as ELF files do. Raises OSError."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def machine_of(head: bytes) -> str | None:
    """Return the architecture of a file that begins so; None if it is not ELF's.

    It is as `uname -m` says it, or "ELF machine NUMBER".
    """
    if not head.startswith(MAGIC) or len(head) < 20:
        return None
    number = int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")
    for name, machine in _MACHINES.items():
        if ENUM_E_MACHINE[name] == number:
            return machine
    return f"ELF machine {number}"


def read(path: Path) -> ElfFile:
    """Read the headers of a program or library.

    Raises ProgramError for a damaged file, and for one that can't be read.
    """
    try:
        status = path.stat()
        return _known(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        words = error.strerror or str(error)
        raise ProgramError(f"{path}: {words}", failure_class="program_bad") from error


def parse(stream: IO[bytes], path: Path) -> ElfFile:
    """Read the headers of what a stream has, from its start.

    `path` is for people. Raises ProgramError for a damaged file.
    """
    try:
        return _read(path, ELFFile(stream))
    except _DAMAGED as error:
        raise ProgramError(
            f"{path} is a damaged ELF file: {error}",
            failure_class="program_bad",
            hint="build or copy it again",
        ) from error


@functools.lru_cache(maxsize=1000)
def _known(path: Path, mtime_ns: int, size: int) -> ElfFile:
    """Read a file once: each kernel gets the same libraries."""
    with path.open("rb") as stream:
        return parse(stream, path)


def _read(path: Path, elf: ELFFile) -> ElfFile:
    found: dict[str, list[str]] = {}
    flags = 0
    interpreter = ""
    for segment in elf.iter_segments():
        if isinstance(segment, InterpSegment):
            interpreter = str(segment.get_interp_name())
        if not isinstance(segment, DynamicSegment):
            continue
        for tag in segment.iter_tags():
            name = str(tag.entry.d_tag)
            if name == "DT_FLAGS_1":
                flags = int(tag.entry.d_val)
            # pyelftools adds the attribute by the tag's kind.
            value = getattr(tag, name.removeprefix("DT_").lower(), None)
            if isinstance(value, str):
                found.setdefault(name, []).append(value)
    machine = str(elf["e_machine"])
    return ElfFile(
        path=path,
        machine=_MACHINES.get(machine, machine),
        bits=int(elf.elfclass),
        kind=str(elf["e_type"]),
        interpreter=interpreter,
        needed=tuple(found.get("DT_NEEDED", ())),
        soname="".join(found.get("DT_SONAME", ())[:1]),
        rpath=_folders(found.get("DT_RPATH", ())),
        runpath=_folders(found.get("DT_RUNPATH", ())),
        # DF_1_NODEFLIB, of elf.h.
        no_default=bool(flags & 0x800),
    )


def _folders(texts: "list[str] | tuple[str, ...]") -> tuple[str, ...]:
    return tuple(it for text in texts for it in text.split(":") if it)
