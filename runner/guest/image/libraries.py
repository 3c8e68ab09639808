"""The shared libraries that a program of this machine needs."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from runner.arch import Architecture
from runner.errors import DOCTOR_INSTALLS, InfrastructureError


def folders(architecture: Architecture) -> tuple[str, ...]:
    """Return where Debian's dynamic linker looks, in its order."""
    triplet = architecture.debian.triplet
    return (f"lib/{triplet}", f"usr/lib/{triplet}", "lib64", "lib", "usr/lib")


def closure(
    programs: Iterable[Path], architecture: Architecture, root: Path = Path("/")
) -> dict[str, Path]:
    """Return every file that the programs need to start: path in the guest → file.

    Libraries come from a root of that architecture, and go to /lib/TRIPLET, the
    interpreter to where the programs name it. Raises InfrastructureError for anything
    that is missing or is no ELF file.
    """
    search = tuple(root / it for it in folders(architecture))
    found: dict[str, Path] = {}
    pending = list(programs)
    while pending:
        interpreter, needed = _dependencies(pending.pop())
        if interpreter:
            found[interpreter.lstrip("/")] = _interpreter_in(root, interpreter)
        for name in needed:
            target = f"lib/{architecture.debian.triplet}/{name}"
            # The interpreter is a library too, and already has its place.
            if target in found or any(path.endswith(f"/{name}") for path in found):
                continue
            found[target] = _locate(name, search)
            pending.append(found[target])
    return found


def _dependencies(program: Path) -> tuple[str, list[str]]:
    try:
        with program.open("rb") as stream:
            elf = ELFFile(stream)
            return _interpreter(elf), list(_needed(elf))
    except (OSError, ELFError) as error:
        raise InfrastructureError(
            f"{program} can't be added to the guest image: {error}",
            hint=DOCTOR_INSTALLS,
        ) from error


def _interpreter_in(root: Path, interpreter: str) -> Path:
    """Return the file of an interpreter, which may be below /usr only."""
    path = root / interpreter.lstrip("/")
    merged = root / "usr" / interpreter.lstrip("/")
    return merged if not path.exists() and merged.exists() else path


def _interpreter(elf: ELFFile) -> str:
    for segment in elf.iter_segments():
        if isinstance(segment, InterpSegment):
            return str(segment.get_interp_name())
    return ""


def _needed(elf: ELFFile) -> Iterator[str]:
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            for tag in section.iter_tags():
                if tag.entry.d_tag == "DT_NEEDED":
                    # pyelftools adds the attribute by the tag's kind.
                    yield getattr(tag, "needed")  # noqa: B009


def _locate(name: str, search: tuple[Path, ...]) -> Path:
    for folder in search:
        if (folder / name).exists():
            return (folder / name).resolve()
    raise InfrastructureError(
        f"the library {name} is not installed",
        hint=f"searched {', '.join(map(str, search))}",
    )
