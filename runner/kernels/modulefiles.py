"""All modules of a kernel's package, for guests that load some of them."""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache, CacheEntry, key_of
from runner.kernels import btf, elfsections, fetch, guestconfig, modules
from runner.kernels.artifact import Artifact
from runner.kernels.modules import Wanted
from runner.kernels.sources import providers
from runner.kernels.sources.source import Workplace
from runner.matrix.matrix import Kernel, KernelOrgSource
from runner.text.nearest import near
from runner.text.progress import Progress

# To be raised when the same package is to give another entry.
_RECIPE = "1"
_ALL, _SOME, _EVERY = "kernel-modules", "chosen-modules", "module-btfs"
_ARCHIVE, _BUILTIN = "modules.zip", "modules.builtin"
_BTF = ".BTF"
# Added in 5.11 (36e68442d1af).
_BTF_OPTION = "DEBUG_INFO_BTF_MODULES"


class ModuleMissingError(UsageError):
    """A module that a kernel's package does not have."""


@dataclass(frozen=True, kw_only=True)
class ChosenModules:
    """Modules that a guest loads, with those that they need, in order."""

    # NAME.ko, decompressed.
    paths: tuple[Path, ...]
    # Raw BTFs of those that have one, on top of the kernel's.
    btfs: tuple[Path, ...]
    # Those that were asked for and are built into the kernel.
    built_in: tuple[str, ...]
    # Those that must be loaded then: what others wish for may not suit the processor,
    # and something built in may do as well (crc32c_intel).
    needed: tuple[str, ...]


NONE = ChosenModules(paths=(), btfs=(), built_in=(), needed=())


def choose(
    wanted: Sequence[str],
    kernel: Kernel,
    artifact: Artifact,
    cache: Cache,
    progress: Progress,
) -> ChosenModules:
    """Return modules out of a kernel's package, which is fetched again for the first.

    Raises ModuleMissingError for what it lacks, and ArtifactError.
    """
    names = tuple(modules.normal(it) for it in wanted)
    if artifact.built_in().issuperset(names):
        return ChosenModules(paths=(), btfs=(), built_in=names, needed=())
    found = archive(kernel, artifact, cache, progress)
    there = {path.stem for path in artifact.modules}
    for name in names:
        if name not in found and name not in found.built_in:
            known = sorted({*found, *found.built_in})
            raise ModuleMissingError(
                f"modules: {artifact.release} has no module {name}"
                f"{near(name, known, '')}",
                hint="other flavours of the kernel may have it: Debian's cloud kernels "
                "have fewer than linux-image-amd64",
            )
    chosen = Wanted(required=names, optional=())
    done = {*found.built_in, *there}
    needed = modules.load_order(chosen, found, done, fulfils=False)
    ordered = modules.load_order(chosen, found, done)

    def build(folder: Path) -> Mapping[str, JsonValue]:
        for name in ordered:
            data = found[name]
            (folder / f"{name}.ko").write_bytes(data)
            _write_btf(name, data, folder)
        return {"release": artifact.release}

    entry = cache.entry(_SOME, key_of(_RECIPE, artifact.image_sha256, *ordered), build)
    files = {name: entry.directory / name for name in entry.checksums}
    return ChosenModules(
        paths=tuple(files[f"{name}.ko"] for name in ordered),
        btfs=_btfs_in(entry, ordered),
        built_in=tuple(it for it in names if it in found.built_in),
        needed=tuple(needed),
    )


def btfs(artifact: Artifact, chosen: ChosenModules, cache: Cache) -> tuple[Path, ...]:
    """Return raw BTFs of all modules that a guest loads, on top of the kernel's.

    They are those that every guest of the kernel has, and the chosen ones. None where
    the kernel shows no BTF of its own, or none of modules.
    """
    if not shows_btf(artifact):
        return ()
    paths = artifact.modules

    def build(folder: Path) -> Mapping[str, JsonValue]:
        for path in paths:
            _write_btf(path.stem, path.read_bytes(), folder)
        return {"release": artifact.release}

    names = (it.stem for it in paths)
    entry = cache.entry(_EVERY, key_of(_RECIPE, artifact.image_sha256, *names), build)
    return (*_btfs_in(entry, [it.stem for it in paths]), *chosen.btfs)


def shows_btf(artifact: Artifact) -> bool:
    """Tell whether a kernel's modules have BTF that objects may relocate against."""
    text = artifact.config_text()
    if artifact.btf_source != btf.KERNEL:
        return False
    # A kernel without its configuration may have been built with it.
    return text is None or guestconfig.parse(text).get(_BTF_OPTION) == "y"


def _btfs_in(entry: CacheEntry, names: Sequence[str]) -> tuple[Path, ...]:
    return tuple(
        entry.directory / f"{name}.btf"
        for name in names
        if f"{name}.btf" in entry.checksums
    )


def _write_btf(name: str, module: bytes, folder: Path) -> None:
    try:
        found = elfsections.section(module, _BTF)
    except ValueError as error:
        raise ArtifactError(f"module {name} can't be read: {error}") from error
    # The kernel takes an empty one for none (btf_module_notify()).
    if found:
        (folder / f"{name}.btf").write_bytes(found)


class ModuleArchive(Mapping[str, bytes]):
    """The modules of an entry by name, decompressed when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._archive = zipfile.ZipFile(folder / _ARCHIVE)
        self._paths = {
            name: path
            for path in self._archive.namelist()
            if (name := modules.name_of(path))
        }
        self.built_in = frozenset(json.loads((folder / _BUILTIN).read_text()))

    def __getitem__(self, name: str) -> bytes:
        path = self._paths[name]
        return modules.decompressed(path, self._archive.read(path))

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def archive(
    kernel: Kernel, artifact: Artifact, cache: Cache, progress: Progress
) -> ModuleArchive:
    """Return all modules of a kernel's package. Raises ArtifactError."""
    key = key_of(_RECIPE, artifact.image_sha256, *sorted(artifact.packages.values()))

    def build(folder: Path) -> Mapping[str, JsonValue]:
        pinned = fetch.pinned(kernel, cache)
        if pinned is None:
            raise ArtifactError(f"{kernel.id} is not in the cache any more")
        if isinstance(pinned.source, KernelOrgSource) and _has_none(artifact):
            # Nothing would come of building it again.
            listing = artifact.builtin
            _write({} if listing is None else {_BUILTIN: listing.read_bytes()}, folder)
            return {"release": artifact.release}
        with cache.scratch() as scratch:
            work = Workplace(cache=cache, scratch=scratch, progress=progress)
            source = pinned.source
            made = providers.of(source).collect(pinned.pin, source, work)
            # They are read from the scratch folder as they are asked for.
            _write(made.contents, folder)
        return {"release": artifact.release}

    return ModuleArchive(cache.entry(_ALL, key, build).directory)


def _has_none(artifact: Artifact) -> bool:
    """Whether a kernel was configured without any module."""
    text = artifact.config_text()
    return text is not None and "m" not in guestconfig.parse(text).values()


def _write(contents: Mapping[str, bytes], folder: Path) -> None:
    built_in: set[str] = set()
    with zipfile.ZipFile(folder / _ARCHIVE, "w") as archive:
        for path, data in contents.items():
            if path.endswith("modules.builtin"):
                built_in |= modules.builtin(data.decode("utf-8", "replace"))
            if modules.name_of(path):
                # What is packed already does not become smaller.
                plain = path.endswith(".ko")
                how = zipfile.ZIP_DEFLATED if plain else zipfile.ZIP_STORED
                archive.writestr(path, data, how, compresslevel=1)
    (folder / _BUILTIN).write_text(json.dumps(sorted(built_in)))
