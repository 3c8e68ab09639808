"""Where a kernel's files lie on a disk: in a built tree, next to an image, in /boot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.arch import ARCHITECTURES, X86_64, Architecture
from runner.errors import ArtifactError

# In a folder, behind those of a built tree, in the order in which they are looked for.
_IMAGES = (
    "bzImage",
    "Image",
    "Image.gz",
    "vmlinuz.efi",
    "vmlinuz",
    "vmlinuz-*",
    "boot/vmlinuz",
    "boot/vmlinuz-*",
    "lib/modules/*/vmlinuz",
    "usr/lib/modules/*/vmlinuz",
)
_IN_TREES = {path for it in ARCHITECTURES for path in it.tree.images}

# Around an image; {release} is its own, so that /boot may hold several kernels. A star
# counts only when one file matches.
_CONFIGS = ("config-{release}", "{release}.config", ".config", "config", "*.config")
_SYSTEM_MAPS = ("System.map-{release}", "System.map")
_VMLINUXES = (
    "vmlinux-{release}",
    "usr/lib/debug/boot/vmlinux-{release}",
    "usr/lib/debug/lib/modules/{release}/vmlinux",
    "vmlinux",
)
_BTFS = (
    "vmlinux-{release}.btf",
    "{release}.btf",
    "vmlinux.btf",
    "vmlinux-{release}.raw.btf",
    "*.btf",
)
_MODULES = ("lib/modules/{release}", "usr/lib/modules/{release}", "modules")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What lies around an image; None for what does not."""

    config: Path | None
    system_map: Path | None
    vmlinux: Path | None
    btf: Path | None
    # A folder of modules.
    modules: Path | None


def _patterns(architecture: Architecture) -> tuple[str, ...]:
    """Return what images are called, in the order in which they are looked for.

    A built tree comes first, because it may have a bare vmlinux beside. Trees of other
    architectures follow: what is found there is refused by its architecture, in words.
    """
    others = (it for it in ARCHITECTURES if it is not architecture)
    trees = (path for it in (architecture, *others) for path in it.tree.images)
    return (*trees, *_IMAGES)


def expected(architecture: Architecture) -> str:
    """Return the names of images for people who have none of them."""
    return ", ".join((*architecture.tree.images, *_IMAGES))


def image_in(folder: Path, architecture: Architecture = X86_64) -> Path:
    """Return the only kernel image of a folder.

    Raises ArtifactError when there is none, or several to choose from.
    """
    for pattern in _patterns(architecture):
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if len(found) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in found)
            raise ArtifactError(
                f"{folder} contains {len(found)} kernel images: {names}",
                hint="name one of them",
            )
        if found:
            return found[0]
    raise ArtifactError(
        f"{folder} contains no kernel image",
        hint=f"expected one of {expected(architecture)}",
    )


def around(image: Path, folder: Path, release: str) -> Surroundings:
    """Return what is known by its name around an image.

    `folder` is what the user named, or the image's own.
    """
    roots = list(dict.fromkeys([folder, *_roots(image)]))
    return Surroundings(
        config=_first(roots, _CONFIGS, release),
        system_map=_first(roots, _SYSTEM_MAPS, release),
        vmlinux=_first(roots, _VMLINUXES, release),
        btf=_first(roots, _BTFS, release),
        modules=_modules(roots, release),
    )


def module_files(folder: Path) -> list[Path]:
    """Return a folder's modules, and its modules.builtin if it has one.

    Of a kernel tree those that were built last, which modules.order lists.
    """
    order = folder / "modules.order"
    builtin = [path for path in [folder / "modules.builtin"] if path.is_file()]
    if order.is_file() and (folder / "Kconfig").exists():
        # Up to 5.1 each line begins with kernel/, as if it were installed.
        names = [line.removeprefix("kernel/") for line in _lines(order)]
        listed = [(folder / name).with_suffix(".ko") for name in names]
        return [*builtin, *(path for path in listed if path.is_file())]
    return [
        *builtin,
        *(path for path in sorted(folder.rglob("*.ko*")) if path.is_file()),
    ]


def _roots(image: Path) -> Iterator[Path]:
    if "/".join(image.parts[-4:]) in _IN_TREES:
        yield image.parents[3]
        return
    yield image.parent
    if image.parent.name == "boot":
        yield image.parent.parent


def _first(roots: Sequence[Path], patterns: Sequence[str], release: str) -> Path | None:
    for root in roots:
        for pattern in patterns:
            found = [
                path
                for path in root.glob(pattern.format(release=release))
                if path.is_file()
                # What a build leaves behind: .tmp_vmlinux.btf.
                and path.name.startswith(".") == pattern.startswith(".")
            ]
            if len(found) == 1:
                return found[0]
    return None


def _modules(roots: Sequence[Path], release: str) -> Path | None:
    for root in roots:
        for name in _MODULES:
            folder = root / name.format(release=release)
            if folder.is_dir():
                return folder
        if (root / "modules.builtin").is_file() or (root / "modules.order").is_file():
            return root
    return None


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").split()
