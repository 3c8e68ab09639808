"""A kernel's files as a cache entry: what guests need of them, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.arch import Architecture
from runner.errors import ArtifactError
from runner.files.cache import key_of, sha256_of
from runner.files.shipped import IMAGES
from runner.kernels import artifact, guestconfig, kernelimage, modules, nic
from runner.kernels.modules import Wanted
from runner.kernels.nic import Card
from runner.kernels.sources import packages
from runner.kernels.sources.source import Collected

# To be raised when the same files are to give another entry.
_RECIPE = "6"
_WANTED = IMAGES / "modules"
_FOR_ROOTS = IMAGES / "root-modules"


def fingerprint() -> str:
    """Return what an entry depends on besides the kernel's files."""
    return key_of(_RECIPE, sha256_of(_WANTED), sha256_of(_FOR_ROOTS))


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What was learned of a kernel when its files were written."""

    # As `uname -r` says it.
    release: str
    # Upstream's.
    version: str
    # In the order in which they load.
    modules: tuple[str, ...]
    # What else a guest loads, in order, before it has a disk.
    root_modules: tuple[str, ...]
    # The card that it has a driver for; None when it has none.
    card: Card | None


def write(collected: Collected, folder: Path, architecture: Architecture) -> Stored:
    """Write the files of an architecture's kernel; return what to remember of them.

    Only the image must be there: an old or self-made kernel may have no modules, no
    config, no System.map. Raises ArtifactError for an image that is none, for more
    than one, and for a module that another one needs and that is missing.
    """
    contents = collected.contents
    image_path = _only((*packages.IMAGES, architecture.debian.image), contents)
    if image_path is None:
        raise ArtifactError(
            f"{collected.origin} contains no kernel image (vmlinuz)",
            hint="vendors split kernels over several packages; name the one with "
            "/boot/vmlinuz-… or /lib/modules/…/vmlinuz",
        )
    image = contents[image_path]
    release = kernelimage.release(image)
    _compare(kernelimage.architecture(image), architecture, release)
    (folder / artifact.VMLINUZ).write_bytes(kernelimage.bootable(image))
    for name in (artifact.CONFIG, artifact.SYSTEM_MAP, artifact.BUILTIN):
        path = _only((name,), contents)
        if path is not None:
            (folder / name).write_bytes(contents[path])
    told = _version(folder / artifact.CONFIG, release)
    card, ordered, for_roots = _write_modules(
        contents, folder / artifact.MODULES, architecture
    )
    return Stored(
        release=release,
        version=collected.version or told,
        modules=tuple(ordered),
        root_modules=tuple(for_roots),
        card=card,
    )


def _compare(found: str, architecture: Architecture, release: str) -> None:
    """Refuse an image that is for another architecture than its row."""
    if found != architecture.name:
        raise ArtifactError(
            f"the kernel image of {release} is for {found}, and the row is for "
            f"{architecture.name}",
            hint=f"set `arch: {found}` in the row, or name an image for "
            f"{architecture.name}",
        )


def _version(config: Path, release: str) -> str:
    """Return upstream's version: of the config, else of the release."""
    if not config.exists():
        return release
    text = config.read_text(errors="replace")
    guestconfig.check(text, release)
    return str(guestconfig.version(text) or release)


def _write_modules(
    contents: Mapping[str, bytes], folder: Path, architecture: Architecture
) -> tuple[Card | None, list[str], list[str]]:
    """Write what a guest loads.

    Return its network card, the order of loading, and the same for disks.
    """
    present = _Modules(contents)
    listing, config = (
        _only(("modules.builtin",), contents),
        _only(("config",), contents),
    )
    if listing is None and config is None and not present:
        # Nothing says what is built in; if the image lacks it, its guest says.
        return nic.of(architecture)[0], [], []
    built_in: set[str] = set()
    if listing is not None:
        built_in |= modules.builtin(contents[listing].decode("utf-8", "replace"))
    if config is not None:
        text = contents[config].decode("utf-8", "replace")
        built_in |= guestconfig.built_in(guestconfig.parse(text))
    card = nic.choose({*built_in, *present}, architecture)
    wanted = modules.parse_wanted(_WANTED.read_text())
    ordered = modules.load_order(
        Wanted(
            required=(*wanted.required, *(card.modules if card else ())),
            optional=wanted.optional,
        ),
        present,
        built_in,
        complete=listing is not None,
    )
    loaded = {*built_in, *ordered}
    for_roots = modules.obtainable(
        modules.parse_wanted(_FOR_ROOTS.read_text()).required,
        present,
        loaded,
        complete=listing is not None,
    )
    folder.mkdir()
    for name in (*ordered, *for_roots):
        (folder / f"{name}.ko").write_bytes(present[name])
    return card, ordered, for_roots


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


def _only(names: Sequence[str], contents: Mapping[str, bytes]) -> str | None:
    """Return the path of NAME or NAME-RELEASE, or None when there is none."""
    found = [
        path for path in contents if PurePosixPath(path).name.partition("-")[0] in names
    ]
    if len(found) > 1:
        what = " or ".join(names)
        raise ArtifactError(f"the packages contain {len(found)} files {what}, not one")
    return found[0] if found else None
