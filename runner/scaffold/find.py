"""The BPF sources and objects of a repository, those of one name together."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from runner.bpf import object as bpf_object
from runner.errors import RunnerError, UsageError
from runner.suites import search
from runner.suites.search import SUITE_FILE

SOURCE = ".bpf.c"
_OBJECT = ".o"
# Of which nobody makes objects for other machines.
_NAMED_OBJECT = ".bpf.o"
# libbpf's own examples build there; other hidden folders are not searched.
_BUILD_FOLDER = ".output"
# What bpftool links together to the object that is shipped.
_PART = re.compile(r"\.tmp(\.bpf)?\.o$")
_SUFFIX = re.compile(r"(\.bpf)?\.o$|\.bpf\.c$")
_ELF = b"\x7fELF"
_LITTLE_ENDIAN = 1
_EM_BPF = 247
_HEADER = 20


@dataclass(frozen=True, kw_only=True)
class ObjectFound:
    """An object, its source, or both: at least one of them is there."""

    # Of its suite.
    name: str
    # What the build of its owner made.
    built: Path | None = None
    source: Path | None = None

    @property
    def path(self) -> Path:
        """What a suite loads: what the build makes is what ships."""
        found = self.built or self.source
        assert found is not None
        return found

    @property
    def stem(self) -> str:
        """What libbpf calls the object by."""
        return stem_of(self.path)


def stem_of(path: Path) -> str:
    """Return a file's name without what says that it is an object or a source."""
    return _SUFFIX.sub("", path.name)


def search_all(
    given: Sequence[Path], tell: Callable[[str], object] = print
) -> list[ObjectFound]:
    """Return all objects and sources of folders and files, by their names.

    `tell` is told of files that look like one and can't be used. Raises UsageError for
    what is neither, and when there is none at all.
    """
    sources, built = set[Path](), set[Path]()
    for path in given:
        if path.is_dir():
            sources |= set(_usable(search.below(path, f"*{SOURCE}"), tell))
            built |= set(_usable(_built_below(path, sources), tell))
        else:
            (sources if _is_source(path) else built).add(path)
    if not sources and not built:
        places = ", ".join(str(it.resolve()) for it in given)
        raise UsageError(
            f"there is no NAME{SOURCE} and no BPF object below {places}",
            hint="name the folder that they are in, or the files themselves, such as "
            "`python -m runner init build/probe.bpf.o`; hidden folders, build caches "
            "(CACHEDIR.TAG) and other repositories are not searched",
        )
    return list(_paired(sorted(sources), sorted(built)))


def _is_source(path: Path) -> bool:
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file or folder")
    if path.name.endswith(SOURCE):
        return True
    if path.suffix == _OBJECT and is_bpf_object(path):
        why = _why_not(path)
        if why:
            raise UsageError(f"{path}: {why}", hint="build it again")
        return False
    raise UsageError(
        f"{path}: is neither a NAME{SOURCE} nor a BPF object",
        hint="compile it with clang -target bpf -g",
    )


def _built_below(folder: Path, sources: Iterable[Path]) -> Iterator[Path]:
    folders = {it.parent / _BUILD_FOLDER for it in sources} | {folder / _BUILD_FOLDER}
    files = search.below(folder, f"*{_OBJECT}")
    for each in sorted(it for it in folders if it.is_dir()):
        files += sorted(each.glob(f"*{_OBJECT}"))
    for path in files:
        # Others have objects for this machine by the suffix .o.
        named = path.name.endswith(_NAMED_OBJECT)
        if not _PART.search(path.name) and (named or is_bpf_object(path)):
            yield path


def _usable(paths: Iterable[Path], tell: Callable[[str], object]) -> Iterator[Path]:
    """Yield those that can be used, and tell of the others."""
    for path in paths:
        why = _why_not(path)
        if why:
            tell(f"{path}: {why}; left out")
        else:
            yield path


def _why_not(path: Path) -> str:
    """Return why a file can't be used; empty if it can."""
    if not path.is_file():
        return "a link to nothing" if path.is_symlink() else "not a file"
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER)
    except OSError as error:
        return f"can't be read: {error.strerror}"
    if path.name.endswith(SOURCE):
        return ""
    if not head:
        return "an empty file, not a BPF object"
    if not _is_bpf(head):
        return "not a BPF object in little-endian byte order"
    try:
        bpf_object.read_whole(path.read_bytes(), path)
    except RunnerError as error:
        return error.message.removeprefix(f"{path}: ")
    return ""


def is_bpf_object(path: Path) -> bool:
    """Whether a file is an object for BPF, in the byte order of guests."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER)
    except OSError:
        return False
    return _is_bpf(head)


def _is_bpf(head: bytes) -> bool:
    if len(head) < _HEADER or head[:4] != _ELF or head[5] != _LITTLE_ENDIAN:
        return False
    return int.from_bytes(head[18:20], "little") == _EM_BPF


def _paired(sources: Sequence[Path], built: Sequence[Path]) -> Iterator[ObjectFound]:
    left = list(sources)
    pairs: list[tuple[Path | None, Path | None]] = []
    seen: dict[tuple[str, bytes], Path] = {}
    for object_ in built:
        # Copies of one object, such as of an installation.
        key = (object_.name, object_.read_bytes())
        if seen.setdefault(key, object_) != object_:
            continue
        alike = [it for it in left if stem_of(it) == stem_of(object_)]
        source = min(alike, key=lambda it: _distance(it, object_), default=None)
        if source is not None:
            left.remove(source)
        pairs.append((object_, source))
    pairs += [(None, it) for it in left]
    yield from _named(pairs)


def _distance(one: Path, other: Path) -> int:
    """Return how many folders are between two files."""
    first, second = one.resolve().parts, other.resolve().parts
    common = 0
    for left, right in zip(first, second, strict=False):
        if left != right:
            break
        common += 1
    return len(first) + len(second) - 2 * common


def _named(
    pairs: Sequence[tuple[Path | None, Path | None]],
) -> Iterator[ObjectFound]:
    taken: set[str] = set()
    for built, source in pairs:
        path = built or source
        assert path is not None
        name = _name(stem_of(path))
        parents = [it for it in path.absolute().parts[-2:0:-1] if it != _BUILD_FOLDER]
        while name in taken:
            name = _name(f"{parents.pop(0)}-{name}") if parents else f"{name}-2"
        taken.add(name)
        yield ObjectFound(name=name, built=built, source=source)


def _name(text: str) -> str:
    """Return a name that a suite may have."""
    name = re.sub(r"[^A-Za-z0-9._+-]", "-", text).lstrip("._+-")
    return name or "object"


def covered(folder: Path) -> dict[Path, Path]:
    """Return what suites below a folder load already, each with the suite's file.

    A suite that can't be read covers nothing.
    """
    found: dict[Path, Path] = {}
    for file in search.below(folder, SUITE_FILE):
        try:
            loaded = yaml.safe_load(file.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue
        cases = loaded.get("cases") if isinstance(loaded, dict) else None
        for case in cases if isinstance(cases, list) else ():
            object_ = case.get("object") if isinstance(case, dict) else None
            if isinstance(object_, str) and object_:
                found.setdefault((file.parent / object_).resolve(), file)
    return found
