"""Kernel modules: which a guest needs, and in which order they load."""

import lzma
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

import zstandard

from runner.errors import ArtifactError
from runner.kernels import elfsections, packed

_SUFFIXES = (".ko", ".ko.xz", ".ko.zst")
# No module of Debian's is above 16 MB.
LARGEST = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The modules that images/modules lists."""

    required: tuple[str, ...]
    optional: tuple[str, ...]


def parse_wanted(text: str) -> Wanted:
    """Read a list: a name a line, `?` behind what may be missing, # for comments."""
    words = [line.partition("#")[0].strip() for line in text.splitlines()]
    return Wanted(
        required=tuple(word for word in words if word and not word.endswith("?")),
        optional=tuple(word[:-1].strip() for word in words if word.endswith("?")),
    )


def name_of(path: str) -> str | None:
    """Return the module that a file holds: virtio_net, or None for another file.

    The kernel takes - and _ for the same.
    """
    file = PurePosixPath(path).name
    for suffix in _SUFFIXES:
        if file.endswith(suffix):
            return normal(file.removesuffix(suffix))
    return None


def builtin(listing: str) -> set[str]:
    """Return the modules that a modules.builtin lists."""
    return {name for line in listing.splitlines() if (name := name_of(line))}


def decompressed(path: str, data: bytes) -> bytes:
    """Return a module as the kernel loads it. Raises ArtifactError for garbage."""
    try:
        if path.endswith(".xz"):
            return packed.xz(data, LARGEST)
        if path.endswith(".zst"):
            return _zstd(data)
    except (EOFError, lzma.LZMAError, zstandard.ZstdError, ValueError) as error:
        raise ArtifactError(f"{path} can't be decompressed: {error}") from error
    return data


def _zstd(data: bytes) -> bytes:
    # A frame that says its size is given that much memory, whatever the limit is.
    if zstandard.frame_content_size(data) > LARGEST:
        raise ValueError("it is too large")
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST)


def dependencies(name: str, data: bytes) -> list[str]:
    """Return the modules that a module's own metadata names.

    Raises ArtifactError if it is not a module.
    """
    said = _said(name, data, "depends")
    return [normal(word) for it in said for word in it.split(",") if word]


def wishes(name: str, data: bytes) -> list[str]:
    """Return what a module wants to have before it, which it may do without.

    They are names of modules, or what these are also called: libcrc32c looks for the
    algorithm "crc32c", and fails without. Raises ArtifactError if it is not a module.
    """
    found, counts = [], False
    for it in _said(name, data, "softdep"):
        for word in it.split():
            if word.endswith(":"):
                counts = word == "pre:"
            elif counts:
                found.append(word)
    return found


def _said(name: str, data: bytes, key: str) -> list[str]:
    try:
        modinfo = elfsections.section(data, ".modinfo")
    except ValueError as error:
        raise ArtifactError(f"module {name} can't be read: {error}") from error
    if modinfo is None:
        raise ArtifactError(f"module {name} has no .modinfo")
    entries = modinfo.decode("ascii", "replace").split("\0")
    pairs = (it.partition("=") for it in entries)
    return [value for found, _, value in pairs if found == key]


def _provider(wish: str, present: Mapping[str, bytes]) -> str | None:
    """Return a module of that name, or one that is also called so; None for neither.

    Only those are looked into whose names begin so, as those of algorithms do
    (crc32c_generic): to look into all takes many seconds.
    """
    name = normal(wish)
    if name in present:
        return name
    algorithm = normal(wish.removeprefix("crypto-"))
    alike = sorted(it for it in present if it.startswith(algorithm))
    return next((it for it in alike if wish in _said(it, present[it], "alias")), None)


def load_order(
    wanted: Wanted,
    present: Mapping[str, bytes],
    built_in: Iterable[str],
    *,
    complete: bool = True,
    fulfils: bool = True,
) -> list[str]:
    """Return what to load, each after what it needs.

    And after what it wishes for, if `fulfils`.
    Where `built_in` is not complete, what is nowhere counts as built in.
    Raises ArtifactError for a required module, or a dependency, that is missing.
    """
    ordered: dict[str, None] = {}
    done = set(built_in)

    def visit(name: str, needed_by: str) -> None:
        if name in done:
            return
        if name not in present and not complete:
            return
        if name not in present:
            raise ArtifactError(
                f"the kernel has no module {name}, which {needed_by} needs"
            )
        # Before what it needs, so that a circle ends.
        done.add(name)
        data = present[name]
        for dependency in dependencies(name, data):
            visit(dependency, name)
        for wish in wishes(name, data) if fulfils else ():
            fulfil(wish)
        ordered[name] = None

    def fulfil(wish: str) -> None:
        name = None if normal(wish) in done else _provider(wish, present)
        if name is None or name in done:
            return
        found = obtainable([name], present, done, complete=complete)
        ordered.update(dict.fromkeys(found))
        done.update(found)

    for name in wanted.required:
        visit(name, "every guest")
    for name in wanted.optional:
        if name in present:
            visit(name, "a guest")
    return list(ordered)


def obtainable(
    wanted: Iterable[str],
    present: Mapping[str, bytes],
    loaded: Iterable[str],
    *,
    complete: bool = True,
) -> list[str]:
    """Return what to load, each after what it needs, without those that lack something.

    `loaded` is what is there already; what it lacks counts as `load_order` says.
    """
    there = set(loaded)
    ordered: list[str] = []
    for name in wanted:
        one = Wanted(required=(), optional=(name,))
        with suppress(ArtifactError):
            ordered += load_order(one, present, {*there, *ordered}, complete=complete)
    return ordered


def normal(name: str) -> str:
    """Return a module's name as the kernel shows it."""
    return name.replace("-", "_")
