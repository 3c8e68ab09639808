"""The shared libraries that a program starts with, found as its dynamic linker does.

The order is that of glibc's elf/dl-load.c, as ld.so(8) has it: DT_RPATH of the object
that needs the library and of those that needed it (without a DT_RUNPATH), then
LD_LIBRARY_PATH, DT_RUNPATH, ld.so.cache and the default folders.
"""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from runner.arch import ARCHITECTURES
from runner.programs import elf, ldcache
from runner.programs.elf import ElfFile
from runner.programs.errors import ProgramError

# uname -m → Debian's folder for libraries of that machine.
_TRIPLETS = {it.machine: it.debian.triplet for it in ARCHITECTURES}
_ORIGIN = ("$ORIGIN", "${ORIGIN}")
_LIB = ("$LIB", "${LIB}")
_PLATFORM = ("$PLATFORM", "${PLATFORM}")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file that a program starts with."""

    # On this machine.
    source: Path
    # In the guest, where its linker finds it.
    target: PurePosixPath


@dataclass(frozen=True, kw_only=True)
class _Object:
    """An object of the program, with where it will be."""

    file: ElfFile
    target: PurePosixPath
    # Who needed it first; None for the program.
    loader: "_Object | None" = None

    @property
    def chain(self) -> Iterator["_Object"]:
        """Itself, who needed it, and so on."""
        here: _Object | None = self
        while here is not None:
            yield here
            here = here.loader


@dataclass(frozen=True, kw_only=True)
class Linker:
    """The dynamic linker of this machine."""

    machine: str
    # A musl's own name and its list of folders differ.
    interpreter: str = ""
    library_path: str = field(
        default_factory=lambda: os.environ.get("LD_LIBRARY_PATH", "")
    )
    cache_file: Path = ldcache.PATH

    @property
    def is_musl(self) -> bool:
        """Whether it is musl's, which has neither a cache nor RPATH's order."""
        return Path(self.interpreter).name.startswith("ld-musl-")

    @cached_property
    def cache(self) -> Mapping[str, Path]:
        """The libraries of ld.so.cache."""
        return {} if self.is_musl else ldcache.read(self.machine, self.cache_file)

    @cached_property
    def defaults(self) -> tuple[PurePosixPath, ...]:
        """The folders that are searched last, in the guest as here."""
        if self.is_musl:
            own = Path(f"/etc/{Path(self.interpreter).stem.split('.')[0]}.path")
            texts = own.read_text().replace("\n", ":") if own.is_file() else ""
            folders = texts.split(":") if texts else ["/lib", "/usr/local/lib"]
            return tuple(map(PurePosixPath, filter(None, [*folders, "/usr/lib"])))
        triplet = _TRIPLETS.get(self.machine, "")
        folders = [f"/lib/{triplet}", f"/usr/lib/{triplet}"] if triplet else []
        # Other distributions have these.
        folders += ["/lib64", "/usr/lib64", "/lib", "/usr/lib"]
        return tuple(map(PurePosixPath, folders))

    @property
    def home(self) -> PurePosixPath:
        """The default folder that gets what lies in none of them here."""
        return self.defaults[0]


def closure(
    program: Path, target: PurePosixPath, linker: Linker | None = None
) -> tuple[Found, ...]:
    """Return what a program needs to start besides itself: its linker and libraries.

    `target` is where the program will be in the guest. A static program needs nothing.
    Raises ProgramError that names a library which is missing, and who needs it.
    """
    first = elf.read(program)
    if first.is_static:
        return ()
    return _Lookup(linker or Linker(machine=first.machine), first, target).run()


class _Lookup:
    def __init__(self, linker: Linker, program: ElfFile, target: PurePosixPath) -> None:
        self._linker = (
            linker
            if linker.interpreter
            else Linker(
                machine=linker.machine,
                interpreter=program.interpreter,
                library_path=linker.library_path,
                cache_file=linker.cache_file,
            )
        )
        self._program = _Object(file=program, target=target)
        self._found: dict[PurePosixPath, Found] = {}
        # Names that libraries are known by by now.
        self._names: set[str] = set()

    def run(self) -> tuple[Found, ...]:
        """Walk breadth first, as the linker does: the first of a name serves all."""
        self._add_interpreter()
        pending = deque([self._program])
        while pending:
            needer = pending.popleft()
            for name in needer.file.needed:
                if name in self._names:
                    continue
                self._names.add(name)
                found = self._locate(name, needer)
                if found.file.soname:
                    self._names.add(found.file.soname)
                pending.append(found)
        return tuple(self._found.values())

    def _add_interpreter(self) -> None:
        path = Path(self._program.file.interpreter)
        if not path.is_file():
            raise ProgramError(
                f"{self._program.file.path} needs the dynamic linker {path}, which is "
                "not on this machine",
                failure_class="library_missing",
                hint="install it, or link the program statically",
            )
        target = PurePosixPath(path)
        self._found[target] = Found(source=path.resolve(), target=target)
        self._names.add(path.name)
        if self._linker.is_musl:
            # It is the C library, too.
            self._names |= {"libc.so", f"libc.{path.stem.removeprefix('ld-')}.so.1"}

    def _locate(self, name: str, needer: _Object) -> _Object:
        for here, there in self._candidates(name, needer):
            file = self._fitting(here)
            if file is not None:
                self._found.setdefault(
                    there, Found(source=here.resolve(), target=there)
                )
                return _Object(file=file, target=there, loader=needer)
        raise self._missing(name, needer)

    def _fitting(self, path: Path) -> ElfFile | None:
        """Return a library that is there and of the program's kind, else None."""
        try:
            if not (path.is_file() and elf.is_elf(path)):
                return None
        except OSError:
            return None
        file, program = elf.read(path), self._program.file
        fits = (file.machine, file.bits) == (program.machine, program.bits)
        return file if fits else None

    def _candidates(
        self, name: str, needer: _Object
    ) -> Iterator[tuple[Path, PurePosixPath]]:
        """Yield where a library may be, here and in the guest, in their order."""
        if "/" in name:
            yield Path(name), _absolute(PurePosixPath(name), self._program.target)
            return
        for owner, folder in self._own_folders(needer, before=True):
            yield self._in(folder, owner, name)
        for text in self._linker.library_path.split(":"):
            # An empty word is the working directory, which nobody means.
            if text:
                yield Path(text) / name, self._home(Path(text)) / name
        for owner, folder in self._own_folders(needer, before=False):
            yield self._in(folder, owner, name)
        if needer.file.no_default:
            return
        cached = self._linker.cache.get(name)
        if cached is not None:
            yield cached, self._home(cached.parent) / name
        for default in self._linker.defaults:
            yield Path(default) / name, default / name

    def _own_folders(
        self, needer: _Object, *, before: bool
    ) -> Iterator[tuple[_Object, str]]:
        """Yield the folders that objects name: before LD_LIBRARY_PATH, or behind it."""
        if not before:
            yield from ((needer, it) for it in needer.file.runpath)
        elif not needer.file.runpath:
            for owner in needer.chain:
                if not owner.file.runpath:
                    yield from ((owner, it) for it in owner.file.rpath)

    def _in(self, folder: str, owner: _Object, name: str) -> tuple[Path, PurePosixPath]:
        origin = owner.file.path.absolute().parent
        if owner.loader is None:
            # The program's is where the kernel found it.
            origin = owner.file.path.resolve().parent
        here = self._expanded(folder, str(origin))
        there = self._expanded(folder, str(owner.target.parent))
        return Path(here) / name, _absolute(
            PurePosixPath(there) / name, self._program.target
        )

    def _expanded(self, folder: str, origin: str) -> str:
        triplet = _TRIPLETS.get(self._linker.machine, "")
        lib = f"lib/{triplet}" if triplet else "lib64"
        for words, value in (
            (_ORIGIN, origin),
            (_LIB, lib),
            (_PLATFORM, self._linker.machine),
        ):
            for word in words:
                folder = folder.replace(word, value)
        return folder

    def _home(self, folder: Path) -> PurePosixPath:
        """Return the folder of the guest for what this machine has in a folder."""
        there = PurePosixPath(folder)
        return there if there in self._linker.defaults else self._linker.home

    def _missing(self, name: str, needer: _Object) -> ProgramError:
        names = [str(it.file.path) for it in needer.chain]
        by = names[0] + "".join(f", which {it} needs" for it in names[1:])
        by += "," if len(names) > 1 else ""
        searched = dict.fromkeys(
            str(here.parent) for here, _ in self._candidates(name, needer)
        )
        return ProgramError(
            f"{by} needs the library {name}, which is not on this machine",
            failure_class="library_missing",
            hint=f"searched {', '.join(searched)}; install the library, set "
            "LD_LIBRARY_PATH to its folder, or link the program statically",
        )


def _absolute(path: PurePosixPath, program: PurePosixPath) -> PurePosixPath:
    """Return a path without "..", seen from the folder of the program."""
    return PurePosixPath(os.path.normpath(program.parent / path))
