"""A kernel's files as a cache entry: what guests need of them, and nothing else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.artifacts import artifact, bzimage, modules
from runner.artifacts.cache import key_of, sha256_of
from runner.artifacts.source import Collected
from runner.errors import ArtifactError

# To be raised when the same files are to give another entry.
_RECIPE = "2"
_WANTED = Path(__file__).resolve().parents[2] / "images/modules"


def fingerprint() -> str:
    """Return what an entry depends on besides the kernel's files."""
    return key_of(_RECIPE, sha256_of(_WANTED))


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What was learned of a kernel when its files were written."""

    # As `uname -r` says it.
    release: str
    # Upstream's.
    version: str
    # In the order in which they load.
    modules: tuple[str, ...]


def write(collected: Collected, folder: Path) -> Stored:
    """Write a kernel's files and return what to remember of them.

    Only the image must be there: an old or self-made kernel may have no modules, no
    config, no System.map. Raises ArtifactError for an image that is none, for more
    than one, and for a required module that is missing.
    """
    contents = collected.contents
    image_path = _only("vmlinuz", contents)
    if image_path is None:
        raise ArtifactError(f"{collected.origin} holds no kernel image (vmlinuz)")
    image = contents[image_path]
    release = bzimage.release(image)
    (folder / artifact.VMLINUZ).write_bytes(image)
    for name in (artifact.CONFIG, artifact.SYSTEM_MAP):
        path = _only(name, contents)
        if path is not None:
            (folder / name).write_bytes(contents[path])
    return Stored(
        release=release,
        version=collected.version or release,
        modules=tuple(_write_modules(contents, folder / artifact.MODULES)),
    )


def _write_modules(contents: Mapping[str, bytes], folder: Path) -> list[str]:
    present = _Modules(contents)
    builtin = _only("modules.builtin", contents)
    if builtin is None and not present:
        # Nothing tells what is built in; if the image lacks it, its guest tells.
        return []
    ordered = modules.load_order(
        modules.parse_wanted(_WANTED.read_text()),
        present,
        modules.builtin(contents[builtin].decode()) if builtin else (),
    )
    folder.mkdir()
    for name in ordered:
        (folder / f"{name}.ko").write_bytes(present[name])
    return ordered


class _Modules(Mapping[str, bytes]):
    """Modules by name, decompressed when they are asked for."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = contents
        self._paths = {
            name: path for path in contents if (name := modules.name_of(path))
        }

    def __getitem__(self, name: str) -> bytes:
        path = self._paths[name]
        return modules.decompressed(path, self._contents[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _only(name: str, contents: Mapping[str, bytes]) -> str | None:
    """Return the path of NAME or NAME-RELEASE, or None when there is none."""
    found = [
        path
        for path in contents
        if PurePosixPath(path).name == name
        or PurePosixPath(path).name.startswith(f"{name}-")
    ]
    if len(found) > 1:
        raise ArtifactError(f"the packages hold {len(found)} files {name}, not one")
    return found[0] if found else None
