"""Kernels from this machine's disk."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.arch import named
from runner.errors import ArtifactError, MissingFileError
from runner.files.cache import Cache, sha256_of, sha256_of_large
from runner.kernels import kernelimage
from runner.kernels.sources import layout, packages
from runner.kernels.sources.source import (
    PIN_AGAIN,
    Collected,
    Item,
    Pin,
    Workplace,
)
from runner.matrix.matrix import PathSource

_AR = b"!<arch>\n"


@dataclass(frozen=True, kw_only=True)
class _KernelFiles:
    """What a source means on the disk now."""

    image: Path
    # As the image's header says it; empty for a package.
    release: str
    # The keys of a source that are there, and their files.
    others: Mapping[str, Path]
    # Keys that the source does not name: found next to the image.
    found: tuple[str, ...]


class LocalFiles:
    """The provider of `path` sources."""

    def resolve(self, source: PathSource, cache: Cache) -> Pin:
        """Look at the files. Raises ArtifactError for what is not there."""
        files = _files(source)
        paths = {"image": files.image, **files.others}
        return Pin(
            provider=source.type,
            version=files.release,
            origin=str(source.image),
            items=tuple(_item(name, path, cache) for name, path in paths.items()),
        )

    def collect(self, pin: Pin, source: PathSource, work: Workplace) -> Collected:
        """Read the files, and say which were found beside the image.

        Raises ArtifactError for what can't be read, and for other files than the pin's.
        """
        _compare(pin, self.resolve(source, work.cache), source)
        files = _files(source)
        if files.found:
            names = ", ".join(_shown(files, name) for name in files.found)
            work.progress.message(f"{source.image}: found {names}")
        return Collected(
            contents=_contents(files),
            origin=str(source.image),
            vmlinux=files.others.get("vmlinux"),
            btf=_read(files.others["btf"]) if "btf" in files.others else None,
        )


def _compare(pin: Pin, found: Pin, source: PathSource) -> None:
    before = {item.name: item.sha256 for item in pin.items}
    now = {item.name: item.sha256 for item in found.items}
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        raise ArtifactError(
            f"{source.image} is not the kernel that was pinned; these files differ: "
            f"{', '.join(changed)}",
            hint=PIN_AGAIN,
        )


def _shown(files: _KernelFiles, key: str) -> str:
    return f"{key.replace('_', ' ')} ({files.others[key]})"


def is_package(path: Path) -> bool:
    """Whether a file is a package of Debian's or RPM's."""
    with path.open("rb") as stream:
        return stream.read(len(_AR)) == _AR or packages.is_rpm(path)


def _files(source: PathSource) -> _KernelFiles:
    architecture = named(source.arch)
    if not source.image.exists():
        raise MissingFileError(
            f"{source.image} does not exist",
            hint=f"`image` must be a kernel image ({architecture.tree.image}), a "
            "folder that contains one, a .deb or an .rpm",
        )
    folder = source.image if source.image.is_dir() else source.image.parent
    is_folder = source.image.is_dir()
    image = layout.image_in(folder, architecture) if is_folder else source.image
    given = {
        key: path
        for key in ("modules", "config", "system_map", "vmlinux", "btf")
        if (path := getattr(source, key)) is not None
    }
    for key, path in given.items():
        if not path.exists():
            raise MissingFileError(f"{key}: {path} does not exist")
    if is_package(image):
        return _KernelFiles(image=image, release="", others=given, found=())
    release = kernelimage.release(_read(image))
    around = layout.around(image, folder, release)
    found = {
        key: path
        for key, path in vars(around).items()
        if path is not None and key not in given
    }
    return _KernelFiles(
        image=image, release=release, others=given | found, found=tuple(found)
    )


def _contents(files: _KernelFiles) -> Mapping[str, bytes]:
    read: dict[str, bytes] = {}
    if is_package(files.image):
        read |= packages.files(files.image, packages.is_of_kernel)
    else:
        read["boot/vmlinuz"] = _read(files.image)
    for key, name in (("config", "boot/config"), ("system_map", "boot/System.map")):
        if key in files.others:
            # What is named counts more than what a package holds.
            read = {path: it for path, it in read.items() if not path.startswith(name)}
            read[name] = _read(files.others[key])
    modules = files.others.get("modules")
    if modules is None:
        return read
    if modules.is_file():
        return read | dict(packages.files(modules, packages.is_of_kernel))
    return _Folder(
        read,
        {
            f"lib/modules/{path.relative_to(modules)}": path
            for path in layout.module_files(modules)
        },
    )


class _Folder(Mapping[str, bytes]):
    """Files that are read when they are asked for: a distribution has 300 MB."""

    def __init__(self, read: Mapping[str, bytes], paths: Mapping[str, Path]) -> None:
        self._read = read
        self._paths = paths

    def __getitem__(self, name: str) -> bytes:
        return self._read[name] if name in self._read else _read(self._paths[name])

    def __iter__(self) -> Iterator[str]:
        yield from self._read
        yield from (path for path in self._paths if path not in self._read)

    def __len__(self) -> int:
        return len({*self._read, *self._paths})


def _item(name: str, path: Path, cache: Cache) -> Item:
    try:
        if path.is_dir():
            sha256, size = _folder_sha256(path)
        else:
            sha256, size = sha256_of_large(path, cache), path.stat().st_size
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error
    return Item(name=name, location=str(path), sha256=sha256, size=size)


def _folder_sha256(folder: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    for path in layout.module_files(folder):
        digest.update(f"{path.relative_to(folder)}\0{sha256_of(path)}\n".encode())
        size += path.stat().st_size
    return digest.hexdigest(), size


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error
