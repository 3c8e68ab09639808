"""The program of a command that runs in a root, and what starts it there."""

from pathlib import Path

from runner.failures.classes import LIBRARY_MISSING, PROGRAM_BAD
from runner.guest.roots import disk
from runner.guest.roots.image import RootImage
from runner.programs import elf, prepare, script
from runner.programs.errors import ProgramError
from runner.text.nearest import did_you_mean


def require(root: RootImage, name: str, search: str) -> None:
    """Refuse a command that a root does not have, or that could not start in it.

    A name without "/" is looked up in the folders of `search`, joined by ":". Raises
    ProgramError, and InfrastructureError if the root's disk can't be read.
    """
    path = _found(root, name, search)
    if path is None:
        instead = did_you_mean(name.rpartition("/")[2], root.contents.names)
        raise ProgramError(
            f"the root {root.name} has no program {name!r}",
            failure_class=PROGRAM_BAD.name,
            hint=instead or "install it into the root, or name a file of this machine",
        )
    _require_start(root, path, search, depth=0)


def _found(root: RootImage, name: str, search: str) -> str | None:
    contents = root.contents
    if "/" in name:
        return name if contents.is_program(name) else None
    return contents.program(name, search)


def _require_start(root: RootImage, path: str, search: str, depth: int) -> None:
    """Follow a program to what the kernel executes first."""
    shown = Path(f"{root.name}:{path}")
    resolved = root.contents.resolve(path)
    assert resolved is not None
    with disk.opened(root.disk, resolved) as stream:
        is_elf = stream.read(len(elf.MAGIC)) == elf.MAGIC
        stream.seek(0)
        if is_elf:
            _require_linker(root, elf.parse(stream, shown))
            return
        wanted = script.interpreter(stream, shown)
    script.require_depth(depth, shown)
    for name in filter(None, (wanted.path, wanted.program)):
        found = _found(root, name, search)
        if found is None:
            raise script.no_interpreter(shown, name, "in the root")
        _require_start(root, found, search, depth + 1)


def _require_linker(root: RootImage, program: elf.ElfFile) -> None:
    prepare.require_machine(program, root.architecture)
    if program.is_static or root.contents.is_program(program.interpreter):
        return
    raise ProgramError(
        f"{program.path} needs the dynamic linker {program.interpreter}, which is not "
        "in the root",
        failure_class=LIBRARY_MISSING.name,
        hint="install it into the root, or link the program statically",
    )
