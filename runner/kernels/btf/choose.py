"""A kernel's BTF, from where its row says or from where it can be had."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.arch import Architecture, named
from runner.errors import ArtifactError, MissingFileError, file_errors
from runner.files.cache import Cache, key_of, sha256_of
from runner.kernels import elfsections, kernelimage
from runner.kernels.btf import minimal, pahole
from runner.kernels.btf.pinned import PinnedBtf, hold
from runner.kernels.btf.verify import verify
from runner.kernels.sources import packages
from runner.kernels.sources.source import Item, Workplace
from runner.matrix.matrix import (
    BaseBtf,
    DebugPackageBtf,
    FileBtf,
    HubBtf,
    MinBtf,
    VmlinuxBtf,
)
from runner.versions import KernelVersion

# What the kernel itself shows as /sys/kernel/btf/vmlinux; a guest needs no file.
KERNEL = "kernel"
# In the image, but shown by the kernel only from v5.4 on (341dfcf8d78e).
IMAGE = "image"
_SHOWN_SINCE = KernelVersion.parse("5.4")
# The function that does it, in kernel/bpf/sysfs_btf.c. RHEL 8's 4.18 has it, too.
_SHOWN_BY = b"\0btf_vmlinux_init\0"

# A clone or an address of BTFHub's archive, for `auto`.
HUB_VARIABLE = "BTFHUB_ARCHIVE"

# The key btf of a row.
_Setting = BaseBtf | str


@dataclass(frozen=True, kw_only=True)
class Material:
    """A kernel's files, as far as BTF can come from them."""

    # As `uname -r` says it.
    release: str
    version: KernelVersion
    # bzImage.
    image: bytes
    # The ELF file that came with it.
    vmlinux: Path | None
    # Raw BTF that came with it.
    beside: bytes | None
    work: Workplace
    # What a lock has of the BTF's files.
    locked: tuple[Item, ...] = ()

    @property
    def architecture(self) -> Architecture:
        """The image's architecture."""
        return named(kernelimage.architecture(self.image))


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A kernel's BTF, or that it has none."""

    # Verified; None when there is none.
    data: bytes | None
    # KERNEL, IMAGE, or the type of a setting: "file", "vmlinux"; empty when none.
    source: str
    # For people: where it was found, or where it was looked for in vain.
    detail: str
    # What it was made of, besides the kernel's files.
    items: tuple[Item, ...] = ()


def identity(setting: _Setting, cache: Cache) -> str:
    """Return what of a setting, besides the kernel's files, decides on the BTF.

    Raises ArtifactError for a file that is not there.
    """
    if isinstance(setting, PinnedBtf):
        known = (item.identity for item in setting.items)
        whole = identity(setting.setting, cache)
        return key_of(whole, *known) if setting.items else whole
    if isinstance(setting, str):
        return key_of(setting, _hub() if setting == "auto" else "")
    if isinstance(setting, MinBtf):
        objects = minimal.objects(setting.objects, cache)
        return key_of(setting.type, identity(setting.of, cache), *map(_sha256, objects))
    path = getattr(setting, "path", None)
    return key_of(setting.model_dump_json(), _sha256(path) if path else "")


def choose(setting: _Setting, material: Material) -> Chosen:
    """Return a kernel's whole BTF as its row's setting says.

    Raises ArtifactError for BTF that can't be had, is damaged, another kernel's, or of
    other files than are locked; not for a kernel that has none where the setting leaves
    that open.
    """
    if isinstance(setting, PinnedBtf):
        work = replace(material.work, locked=True)
        made = choose(
            setting.setting, replace(material, locked=setting.items, work=work)
        )
        hold(setting, made.items)
        return made
    if setting == "auto":
        made = _detect(material)
    elif setting == KERNEL:
        made = _own(material) or Chosen(
            data=None,
            source="",
            detail="the image has none, and you asked for no other",
        )
    else:
        made = _MAKERS[type(setting)](setting, material)
    _verify(made, material)
    return made


def now(
    setting: _Setting, locked: Sequence[Item], architecture: Architecture, cache: Cache
) -> tuple[Item, ...]:
    """Return what the files are now that a lock has of a row's BTF.

    Files of this machine are read, and suites asked. BTFHub is not: it has a file for
    each release, which stays. Raises ArtifactError for what is gone.
    """
    if isinstance(setting, MinBtf):
        return now(setting.of, locked, architecture, cache)
    path = getattr(setting, "path", None)
    if isinstance(path, Path):
        return tuple(_local(item.name, path) for item in locked)
    if isinstance(setting, DebugPackageBtf):
        return tuple(
            _in_suite(item.name, setting, architecture, cache) for item in locked
        )
    return tuple(locked)


def _detect(material: Material) -> Chosen:
    tried = []
    for name, attempt in (
        ("the image has none", _own),
        ("there is none next to it", _beside),
        ("there is no vmlinux with debug information next to it", _debug_information),
        (f"BTFHub has none for {material.release}", _from_hub),
    ):
        made = attempt(material)
        if made is not None:
            return made
        tried.append(name)
    return Chosen(data=None, source="", detail="; ".join(tried))


# ------------------------------------------------------ what can be found unasked


def _own(material: Material) -> Chosen | None:
    data = kernelimage.btf(material.image)
    if data is None:
        return None
    if material.version >= _SHOWN_SINCE or _SHOWN_BY in data:
        return Chosen(data=data, source=KERNEL, detail="the kernel's own")
    detail = "from the image; the kernel does not show it"
    return Chosen(data=data, source=IMAGE, detail=detail)


def _beside(material: Material) -> Chosen | None:
    if material.beside is None:
        return None
    detail = "next to the kernel's image"
    return Chosen(data=material.beside, source="file", detail=detail)


def _debug_information(material: Material) -> Chosen | None:
    vmlinux = material.vmlinux
    if vmlinux is None or not pahole.has_debug_info(vmlinux):
        return None
    return _encode(vmlinux, "vmlinux", material)


def _from_hub(material: Material) -> Chosen | None:
    return _look_up(_hub(), "", material)


def _hub() -> str:
    return os.environ.get(HUB_VARIABLE) or HubBtf(type="btfhub").location


# ------------------------------------------------------------- what a row can name


def _file(setting: FileBtf, material: Material) -> Chosen:
    return Chosen(
        data=_read(setting.path),
        source=setting.type,
        detail=str(setting.path),
        items=(_local(setting.type, setting.path),),
    )


def _hub_setting(setting: HubBtf, material: Material) -> Chosen:
    found = _look_up(setting.location, setting.distribution, material)
    if found is not None:
        return found
    from runner.kernels.btf import hub

    folder = material.architecture.btfhub
    if not folder:
        raise ArtifactError(
            f"BTFHub's archive has no BTF for {material.architecture.name}",
            hint="make it from the package with debug information: "
            "`btf: {type: debug-package, suite: …}`",
        )
    near = hub.similar(setting.location, material.release, folder)
    raise ArtifactError(
        f"BTFHub's archive at {setting.location} has no BTF for {material.release}",
        hint=f"it has {near}"
        if near
        else "set its folder with the key distribution, such as ubuntu/16.04",
    )


def _look_up(location: str, distribution: str, material: Material) -> Chosen | None:
    # Here, because it imports what talks to servers, which few runs do.
    from runner.kernels.btf import hub

    found = hub.look_up(
        location,
        material.release,
        distribution,
        material.work.progress,
        material.architecture.btfhub,
    )
    if found is None:
        return None
    data, item = found
    return Chosen(data=data, source="btfhub", detail=item.location, items=(item,))


def _vmlinux(setting: VmlinuxBtf, material: Material) -> Chosen:
    if not setting.path.is_file():
        raise MissingFileError(f"vmlinux: {setting.path} does not exist")
    made = _encode(setting.path, setting.type, material)
    return replace(made, items=(_local(setting.type, setting.path),))


def _debug_package(setting: DebugPackageBtf, material: Material) -> Chosen:
    if setting.path is None:
        package, item = _download(setting, material)
    elif setting.path.is_file():
        package, item = setting.path, _local(setting.type, setting.path)
    else:
        raise MissingFileError(f"debug-package: {setting.path} does not exist")
    output = material.work.scratch / "vmlinux.debug"
    wanted = (
        f"boot/vmlinux-{material.release}",
        f"lib/modules/{material.release}/vmlinux",
        # SUSE's.
        f"lib/modules/{material.release}/vmlinux.debug",
    )
    if packages.extract(package, lambda path: path.endswith(wanted), output) is None:
        raise ArtifactError(
            f"{package.name} has no vmlinux of {material.release}",
            hint="check that it is the debug package of exactly this kernel",
        )
    return replace(
        _encode(output, setting.type, material),
        detail=f"pahole on {package.name}",
        items=(item,),
    )


def _download(setting: DebugPackageBtf, material: Material) -> tuple[Path, Item]:
    # Here, because it imports what talks to servers, which few runs do.
    from runner.kernels.sources import debian

    name = setting.package.format(release=material.release)
    locked = (item for item in material.locked if item.name == name)
    item = next(locked, None) or _in_suite(
        name, setting, material.architecture, material.work.cache
    )
    architecture = material.architecture
    return debian.download_debug(item, setting, architecture, material.work), item


def _in_suite(
    name: str, setting: DebugPackageBtf, architecture: Architecture, cache: Cache
) -> Item:
    from runner.kernels.sources import apt, debian

    with apt.fresh(debian.debug_place(setting, architecture), cache) as archive:
        found = archive.describe([name])
    if not found:
        raise ArtifactError(
            f"{setting.suite} has no package {name}",
            hint="set another one with the key package, or a .deb with the key path",
        )
    return found[0].item


_MAKERS: Mapping[type[Any], Callable[[Any, Material], Chosen]] = {
    FileBtf: _file,
    HubBtf: _hub_setting,
    VmlinuxBtf: _vmlinux,
    DebugPackageBtf: _debug_package,
}


def _encode(vmlinux: Path, source: str, material: Material) -> Chosen:
    _compare_builds(vmlinux, source, material)
    output = material.work.scratch / "vmlinux.btf"
    with material.work.progress.task(f"pahole on {vmlinux}"):
        version = pahole.encode(
            vmlinux, output, release=material.release, kernel=material.version
        )
    return Chosen(
        data=output.read_bytes(), source=source, detail=f"pahole {version} on {vmlinux}"
    )


def _compare_builds(vmlinux: Path, source: str, material: Material) -> None:
    """Refuse a vmlinux of another build, whose release may well be the same."""
    images = kernelimage.build_ids(material.image)
    with file_errors(ArtifactError, vmlinux):
        found = elfsections.build_id_of(vmlinux)
    if images and found and found not in images:
        raise ArtifactError(
            f"{source}: the vmlinux is of another build than the image: its build-id "
            f"is {found}, the image's is {' or '.join(sorted(images))}",
            hint="BTF of another build would give wrong offsets; use the vmlinux "
            "that the image was built from",
        )


def _verify(made: Chosen, material: Material) -> None:
    if made.data is not None:
        verify(
            made.data,
            of=f"{made.source} ({made.detail})",
            release=material.release,
            version=material.version,
            byte_order=material.architecture.elf.byte_order,
        )


def _read(path: Path) -> bytes:
    with file_errors(ArtifactError, path):
        return path.read_bytes()


def _local(name: str, path: Path) -> Item:
    return Item(name=name, location=str(path), sha256=_sha256(path))


def _sha256(path: Path) -> str:
    with file_errors(ArtifactError, path):
        if not path.exists():
            raise MissingFileError(f"{path} does not exist")
        return sha256_of(path)
