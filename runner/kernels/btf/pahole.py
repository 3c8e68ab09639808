"""BTF made by pahole from a vmlinux with debug information."""

import mmap
import re
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from runner.errors import ArtifactError
from runner.process import programs
from runner.versions import KernelVersion, VersionRange

# Seconds; a distribution's vmlinux takes half a minute.
_TIMEOUT = 900.0
_BANNER = re.compile(rb"Linux version (\d[!-~]*)")
_HOW = (
    '`file vmlinux` must say "with debug_info, not stripped"; build the kernel '
    "with CONFIG_DEBUG_INFO=y, or use the vmlinux of the -dbg package"
)


@dataclass(frozen=True, kw_only=True)
class _PaholeFlag:
    """A word for pahole where both it and the kernel call for it."""

    word: str
    # pahole's own.
    versions: VersionRange
    kernels: VersionRange


def _option(word: str, versions: str, kernels: str = ">=0") -> _PaholeFlag:
    return _PaholeFlag(
        word=word,
        versions=VersionRange.parse(versions),
        kernels=VersionRange.parse(kernels),
    )


_OPTIONS = (
    # ENUM64 came with 6.0; BTF of an older kernel must be readable for loaders of its
    # time, and builds of stable kernels pass this too (scripts/pahole-flags.sh).
    _option("--skip_encoding_btf_enum64", ">=1.24", "<6.0"),
    # What scripts/pahole-flags.sh of a kernel passes, so that the BTF is what the
    # kernel would have had.
    _option("--btf_gen_floats", ">=1.21", ">=5.13"),
    _option("--lang_exclude=rust", ">=1.24", ">=6.1"),
    _option("--skip_encoding_btf_inconsistent_proto", ">=1.25", ">=6.4"),
    _option("--btf_gen_optimized", ">=1.25", ">=6.4"),
)
# --btf_encode_detached.
_LOWEST = KernelVersion.parse("1.22")


def options(pahole: KernelVersion, kernel: KernelVersion) -> list[str]:
    """Return what pahole is told besides what to read and write."""
    return [
        it.word for it in _OPTIONS if pahole in it.versions and kernel in it.kernels
    ]


def version() -> KernelVersion:
    """Return pahole's version. Raises ArtifactError when it is missing or too old."""
    said = _run(["pahole", "--version"]).strip()
    try:
        found = KernelVersion.parse(said.removeprefix("v"))
    except ValueError as error:
        raise ArtifactError(f"pahole --version says {said!r}") from error
    if found < _LOWEST:
        raise ArtifactError(
            f"pahole {found} can't write BTF to a file",
            hint=f"use {_LOWEST} or later: it has --btf_encode_detached",
        )
    return found


def has_debug_info(vmlinux: Path) -> bool:
    """Whether an ELF file carries DWARF. Raises ArtifactError if it is not an ELF."""
    with vmlinux.open("rb") as stream:
        try:
            elf = ELFFile(stream)
            return elf.get_section_by_name(".debug_info") is not None
        except (ELFError, ValueError, KeyError, UnicodeError) as error:
            raise ArtifactError(
                f"{vmlinux} is not a readable ELF file: {error}", hint=_HOW
            ) from error


def check_release(vmlinux: Path, release: str) -> None:
    """Refuse the vmlinux of another kernel than the image. Raises ArtifactError."""
    with (
        vmlinux.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        found = _BANNER.search(data)
        told = found[1].decode("ascii") if found else release
    if told != release:
        raise ArtifactError(
            f"{vmlinux} is of kernel {told}, but the image is of {release}",
            hint="BTF of another kernel would give wrong offsets",
        )


def encode(
    vmlinux: Path, output: Path, *, release: str, kernel: KernelVersion
) -> KernelVersion:
    """Write the BTF of a vmlinux to a file and return pahole's version.

    Raises ArtifactError for a vmlinux that is stripped, damaged or another kernel's,
    and when pahole is missing or fails.
    """
    if not has_debug_info(vmlinux):
        raise ArtifactError(
            f"{vmlinux} has no debug information: no section .debug_info", hint=_HOW
        )
    check_release(vmlinux, release)
    found = version()
    _run(
        [
            "pahole",
            *options(found, kernel),
            *("--btf_encode_detached", str(output)),
            str(vmlinux),
        ]
    )
    if not output.exists() or output.stat().st_size == 0:
        raise ArtifactError(f"pahole {found} generated no BTF from {vmlinux}")
    return found


def _run(argv: list[str]) -> str:
    done = programs.run(
        argv,
        timeout=_TIMEOUT,
        error=ArtifactError,
        hint="it generates BTF: apt-get install dwarves",
    )
    if done.returncode != 0:
        raise ArtifactError(f"pahole failed: {programs.words_of(done)[:500]}")
    return done.stdout
