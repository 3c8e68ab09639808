"""A program on its way into a guest: the files that it needs, and what starts it."""

import re
import shutil
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.arch import Architecture, native
from runner.programs import elf, linker, script
from runner.programs.errors import ProgramError

# Where programs and files without a place of their own go; commands start there.
FOLDER = PurePosixPath("/run/files")
_SAFE = re.compile(r"[^A-Za-z0-9_.+-]")
# Where a guest looks for what `env NAME` starts.
_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")


@dataclass(frozen=True, kw_only=True)
class GuestFile:
    """A file that goes into a guest."""

    source: Path
    # An absolute path in the guest.
    target: PurePosixPath
    # Its permissions.
    mode: int


@dataclass(frozen=True, kw_only=True)
class PreparedProgram:
    """A program with all that it needs to start."""

    # What is executed, and the first word of its arguments.
    path: str
    # Itself, its dynamic linker, its libraries, and a script's interpreter with its.
    files: tuple[GuestFile, ...] = ()
    # Whether this machine can run it as it is.
    is_native: bool = False


def guest_name(path: Path) -> str:
    """Return what a file is called in the guest's folder."""
    return _SAFE.sub("_", path.name) or "_"


def prepare(
    path: Path,
    *,
    architecture: Architecture,
    target: PurePosixPath | None = None,
    commands: Container[str] = (),
    there: Container[str] | None = None,
) -> PreparedProgram:
    """Return what a program of this machine needs in a guest of an architecture.

    `commands` are the paths of programs that the guest has. `there` are those of all
    files of a root of the user's own, whose libraries come first; a script's
    interpreter must be in it. Raises ProgramError for a
    program of another architecture, a missing library, a script without its
    interpreter, and a file that is not a program.
    """
    target = target or FOLDER / guest_name(path)
    files = {target: GuestFile(source=path, target=target, mode=0o755)}
    _add(files, path, target, architecture, _Place(commands, there), depth=0)
    return PreparedProgram(
        path=str(target),
        files=tuple(files.values()),
        is_native=_is_elf(path) and architecture is native(),
    )


@dataclass(frozen=True)
class _Place:
    """What a program finds where it runs."""

    commands: Container[str]
    # All files, of a root; None for a guest's own.
    there: Container[str] | None

    def has(self, path: PurePosixPath) -> bool:
        """Whether a file is there, which is not replaced."""
        return self.there is not None and str(path) in self.there


def _add(
    files: dict[PurePosixPath, GuestFile],
    path: Path,
    target: PurePosixPath,
    architecture: Architecture,
    place: _Place,
    depth: int,
) -> None:
    if not _is_elf(path):
        interpreter = _interpreter(path, place)
        if interpreter is not None:
            script.require_depth(depth, path)
            here, there = interpreter
            files[there] = GuestFile(source=here, target=there, mode=0o755)
            _add(files, here, there, architecture, place, depth + 1)
        return
    require_machine(elf.read(path), architecture)
    for found in linker.closure(path, target):
        if place.has(found.target):
            continue
        files[found.target] = GuestFile(
            source=found.source, target=found.target, mode=0o755
        )


def _is_elf(path: Path) -> bool:
    try:
        return elf.is_elf(path)
    except OSError as error:
        words = error.strerror or str(error)
        raise ProgramError(f"{path}: {words}", failure_class="program_bad") from error


def require_machine(program: elf.ElfFile, architecture: Architecture) -> None:
    """Refuse what a guest of an architecture can't execute. Raises ProgramError."""
    if program.kind == "ET_REL":
        raise ProgramError(
            f"{program.path} is an object file, not a program",
            failure_class="program_bad",
            hint="load a BPF object with --object, or link the program",
        )
    # A kernel for 64 bits runs programs for 32, but Debian's cloud kernels may not.
    if program.machine != architecture.machine:
        raise ProgramError(
            f"{program.path} is a program for {program.machine} "
            f"({program.bits} bits); the guest is {architecture.machine}",
            failure_class="wrong_architecture",
            hint=f"build it for {architecture.machine}, best as a static program: "
            f"{architecture.debian.triplet}-gcc -static; or run it on kernels of its "
            "own architecture only, such as --kernels arch="
            f"{program.machine}",
        )


def _interpreter(path: Path, place: _Place) -> tuple[Path, PurePosixPath] | None:
    """Return a script's interpreter here and in the guest; None if guests have it."""
    with path.open("rb") as stream:
        wanted = script.interpreter(stream, path)
    if wanted.program:
        return _by_name(path, wanted.program, place)
    named = wanted.path
    if named in place.commands:
        return None
    if place.there is not None:
        raise script.no_interpreter(path, named, "in the root")
    if not Path(named).is_file():
        raise script.no_interpreter(path, named, "on this machine or in the guest")
    return Path(named), PurePosixPath(named)


def _by_name(path: Path, name: str, place: _Place) -> tuple[Path, PurePosixPath] | None:
    """Return what `env NAME` starts."""
    if any(f"{folder}/{name}" in place.commands for folder in _FOLDERS):
        return None
    if place.there is not None:
        raise script.no_interpreter(path, name, "in the root")
    found = shutil.which(name)
    if found is None:
        raise script.no_interpreter(path, name, "on the PATH of this machine")
    return Path(found), PurePosixPath("/usr/bin") / name
