"""A kernel's files, as guests and reports need them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from runner.arch import X86_64
from runner.facts.model import Facts
from runner.files.cache import CacheEntry
from runner.kernels import modules
from runner.kernels.nic import CARDS, Nic
from runner.kernels.sources.source import Item, Pin
from runner.suites.known import KnownKernel
from runner.versions import KernelVersion

VMLINUZ = "vmlinuz"
CONFIG = "config"
SYSTEM_MAP = "System.map"
BUILTIN = "modules.builtin"
BTF = "vmlinux.btf"
MODULES = "modules"
# Where BTF comes from that was cut to the types of some objects.
MINIMAL = "min"

_ITEMS = TypeAdapter(tuple[Item, ...])


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A kernel in the cache; its files are verified."""

    # As `uname -r` says it: "6.1.0-50-cloud-amd64".
    release: str
    # Upstream's, 6.1.176, with the release.
    version: KernelVersion
    directory: Path
    vmlinuz: Path
    # In the order in which they load.
    modules: tuple[Path, ...]
    # What a guest loads besides, in this order, before it is given a disk.
    root_modules: tuple[Path, ...] = ()
    config: Path | None
    system_map: Path | None
    # The list of modules that are built into it.
    builtin: Path | None = None
    # The network card of QEMU's that it has a driver for; None when it has none.
    nic: Nic | None
    # None when there is none.
    btf: Path | None
    # Where it comes from: "kernel" (the kernel shows it itself), "image", "file",
    # "btfhub", "vmlinux", "debug-package", "min"; empty when there is none.
    btf_source: str
    # The same for people; when there is none, where it was looked for.
    btf_detail: str
    image_sha256: str
    btf_sha256: str
    # Where it came from, for people.
    origin: str
    # SHA-256 of the files that it was made of, by name.
    packages: Mapping[str, str]
    # What its BTF was made of, besides those.
    btf_items: tuple[Item, ...]
    # As runner/arch names it.
    architecture: str = X86_64.name

    def config_text(self) -> str | None:
        """Return the kernel's configuration, if it came with one."""
        return None if self.config is None else self.config.read_text(errors="replace")

    def built_in(self) -> frozenset[str]:
        """Return the modules that are known to be built into the kernel."""
        if self.builtin is None:
            return frozenset()
        return frozenset(modules.builtin(self.builtin.read_text(errors="replace")))


def known_kernel(artifact: Artifact, facts: Facts | None) -> KnownKernel:
    """Return a kernel as conditions of suites ask for it."""
    return KnownKernel(
        version=artifact.version,
        config=None if artifact.config is None else _text_of(artifact.config),
        facts=facts,
        # What is cut to some objects does not tell what the kernel lacks.
        btf=None if artifact.btf_source == MINIMAL else artifact.btf,
        architecture=artifact.architecture,
    )


@lru_cache(maxsize=16)
def _text_of(path: Path) -> str:
    """Read a file of the cache, which never changes; each case asks for it."""
    return path.read_text(errors="replace")


def from_entry(entry: CacheEntry, pin: Pin) -> Artifact:
    """Read what a builder of artifacts stored, for what a row was resolved to."""
    data = entry.metadata
    # Rows whose files are equal share an entry, and one of them built it. That one's
    # files may come from another mirror than its pin says.
    built_for_it = data.get("pin_origin") == pin.origin

    def optional(name: str) -> Path | None:
        return entry.directory / name if name in entry.checksums else None

    def listed(name: str) -> tuple[Path, ...]:
        words = _text(data[name]).split()
        return tuple(entry.directory / MODULES / f"{word}.ko" for word in words)

    release = _text(data["release"])
    return Artifact(
        release=release,
        version=KernelVersion.parse(_text(data["version"])).of_release(release),
        directory=entry.directory,
        vmlinuz=entry.directory / VMLINUZ,
        modules=listed("modules"),
        root_modules=listed("root_modules"),
        config=optional(CONFIG),
        system_map=optional(SYSTEM_MAP),
        builtin=optional(BUILTIN),
        nic=_nic(data["nic"]),
        btf=optional(BTF),
        btf_source=_text(data["btf_source"]),
        btf_detail=_text(data["btf_detail"]),
        image_sha256=entry.checksums[VMLINUZ],
        btf_sha256=entry.checksums.get(BTF, ""),
        origin=_text(data["origin"]) if built_for_it else pin.origin,
        packages=_packages(data["packages"]),
        btf_items=_ITEMS.validate_python(data["btf_items"]),
        # Entries of before are of the only one that there was.
        architecture=_text(data.get("arch", X86_64.name)),
    )


def _nic(value: JsonValue) -> Nic | None:
    return next((card.device for card in CARDS if card.device == value), None)


def _packages(value: JsonValue) -> dict[str, str]:
    assert isinstance(value, dict)
    return {name: _text(checksum) for name, checksum in value.items()}


def _text(value: JsonValue) -> str:
    assert isinstance(value, str)
    return value
