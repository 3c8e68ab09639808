"""repomd.xml and primary.xml: what an RPM repository says that it has.

Layout: doc/schemas of createrepo_c. Other data, such as modules.yaml, is not read.
"""

import hashlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

import zstandard

from runner.errors import ArtifactError
from runner.kernels import packed
from runner.kernels.sources.rpm import xmlreader
from runner.kernels.sources.rpm.version import Evr
from runner.kernels.sources.rpm.xmlreader import MOVED

# Bytes of primary.xml; Fedora's has 180 MB.
LARGEST = 512 << 20
# Checksums that can be trusted.
STRONG = ("sha256", "sha384", "sha512")
# How kernel packages require each other: kernel-modules-core-uname-r = RELEASE.
# Source: kernel.spec of RHEL and Fedora.
_RELEASE_CAPABILITY = "-uname-r"
_VENDOR = "the repository is damaged; try another mirror, or later"
_BASE = "{http://www.w3.org/XML/1998/namespace}base"


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """A checksum and its algorithm, as hashlib names it."""

    algorithm: str
    value: str


@dataclass(frozen=True, kw_only=True)
class MetadataIndex:
    """Where a repository's primary.xml is, and which file it is."""

    href: str
    checksum: Checksum
    # Of the unpacked file; None when repomd.xml does not say it.
    open_checksum: Checksum | None
    # In bytes; 0 when it does not say it.
    size: int


@dataclass(frozen=True, kw_only=True)
class Capability:
    """What a package provides or requires, of an exact version."""

    name: str
    evr: Evr

    def __str__(self) -> str:
        return f"{self.name} = {self.evr}"


@dataclass(frozen=True, kw_only=True)
class RpmPackage:
    """A package as primary.xml describes it."""

    name: str
    arch: str
    evr: Evr
    checksum: Checksum
    # Of the file, in bytes.
    size: int
    # Relative to the repository, or an address.
    href: str
    # When it was built: seconds since the epoch; 0 if nothing says it.
    built: int = 0
    # Those that name a kernel's release.
    provides: tuple[Capability, ...] = ()
    requires: tuple[Capability, ...] = ()

    @property
    def nevra(self) -> str:
        """Name, version and architecture: kernel-core-5.14.0-1.el9.x86_64."""
        return f"{self.name}-{self.evr}.{self.arch}"


def index_of(repomd: bytes, url: str) -> MetadataIndex:
    """Read repomd.xml. Raises ArtifactError for anything else."""
    reader = _Repomd()
    xmlreader.parse([repomd], reader, url)
    if reader.root != "repomd":
        raise ArtifactError(
            f"{url} is not the metadata of an RPM repository",
            hint=MOVED,
        )
    if reader.primary is None:
        raise ArtifactError(
            f"{url} names no primary.xml, so the repository is empty", hint=_VENDOR
        )
    return _index(reader.primary, url)


def packages_of(
    pieces: Iterable[bytes], wanted: Callable[[str], bool], url: str
) -> tuple[list[RpmPackage], set[str]]:
    """Read primary.xml: packages whose name is wanted, and the names of all.

    Packages that provide a kernel's release are wanted, too. Raises ArtifactError.
    """
    reader = _Primary(wanted, url)
    xmlreader.parse(pieces, reader, url)
    if reader.root != "metadata":
        raise ArtifactError(f"{url} is not a primary.xml", hint=_VENDOR)
    return reader.packages, reader.names


def unpacked(stream: IO[bytes], url: str, checksum: Checksum | None) -> Iterator[bytes]:
    """Yield what a file holds that is packed by gzip, xz, zstd or not at all.

    `checksum` is the unpacked file's. Raises ArtifactError for a damaged, another or a
    huge one.
    """
    digest = hashlib.new(checksum.algorithm) if checksum else None
    done = 0
    try:
        for piece in packed.pieces(stream):
            done += len(piece)
            if done > LARGEST:
                raise ArtifactError(
                    f"{url} is too large: over {LARGEST} bytes", hint=_VENDOR
                )
            if digest:
                digest.update(piece)
            yield piece
    except (
        EOFError,
        OSError,
        zlib.error,
        lzma.LZMAError,
        zstandard.ZstdError,
    ) as error:
        raise ArtifactError(
            f"{url} can't be unpacked: {error}", hint=_VENDOR
        ) from error
    if checksum and digest and digest.hexdigest() != checksum.value:
        raise ArtifactError(
            f"{url} is another file when unpacked: {checksum.algorithm} "
            f"{digest.hexdigest()}, not {checksum.value}",
            hint=_VENDOR,
        )


# ------------------------------------------------------------------ of expat's words


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 20 else 0


def _evr(attributes: Mapping[str, str]) -> Evr:
    return Evr(
        epoch=_number(attributes.get("epoch")),
        version=attributes.get("ver", ""),
        release=attributes.get("rel", ""),
    )


def _checksum(algorithm: str, value: str, of: str) -> Checksum:
    if algorithm not in STRONG:
        raise ArtifactError(
            f"{of} has a checksum of the type {algorithm or 'unknown'!r}, which can't "
            "be trusted",
            hint=f"the vendor must make the repository with {' or '.join(STRONG)}",
        )
    return Checksum(algorithm=algorithm, value=value.lower())


@dataclass
class _Data:
    """An element <data> of repomd.xml."""

    href: str = ""
    algorithm: str = ""
    value: str = ""
    open_algorithm: str = ""
    open_value: str = ""
    size: int = 0


class _Repomd:
    def __init__(self) -> None:
        self.root = ""
        self.primary: _Data | None = None
        self._data: _Data | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.root = self.root or tag
        if tag == "data":
            is_primary = attributes.get("type") == "primary"
            self._data = _Data() if is_primary else None
        data = self._data
        if data is None:
            return
        if tag == "location":
            data.href = attributes.get("href", "")
        elif tag == "checksum":
            data.algorithm = attributes.get("type", "")
        elif tag == "open-checksum":
            data.open_algorithm = attributes.get("type", "")

    def end(self, tag: str, text: str) -> None:
        data = self._data
        if data is None:
            return
        if tag == "checksum":
            data.value = text
        elif tag == "open-checksum":
            data.open_value = text
        elif tag == "size":
            data.size = _number(text)
        elif tag == "data":
            self.primary, self._data = data, None


def _index(data: _Data, url: str) -> MetadataIndex:
    if not data.href:
        raise ArtifactError(f"{url} does not say where primary.xml is", hint=_VENDOR)
    opened = (
        _checksum(data.open_algorithm, data.open_value, url)
        if data.open_value
        else None
    )
    return MetadataIndex(
        href=data.href,
        checksum=_checksum(data.algorithm, data.value, url),
        open_checksum=opened,
        size=data.size,
    )


@dataclass
class _Raw:
    """A <package> of primary.xml that is being read."""

    texts: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    provides: list[Capability] = field(default_factory=list)
    requires: list[Capability] = field(default_factory=list)


class _Primary:
    def __init__(self, wanted: Callable[[str], bool], url: str) -> None:
        self.root = ""
        self.packages: list[RpmPackage] = []
        self.names: set[str] = set()
        self._wanted = wanted
        self._url = url
        self._raw = _Raw()
        # Where entries go: the lists of provided or required capabilities, or nowhere.
        self._entries: list[Capability] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.root = self.root or tag
        if tag == "package":
            self._raw = _Raw()
        elif tag in ("version", "checksum", "size", "location", "time"):
            self._raw.attributes[tag] = dict(attributes)
        elif tag == "provides":
            self._entries = self._raw.provides
        elif tag == "requires":
            self._entries = self._raw.requires
        elif tag == "entry" and self._entries is not None:
            name = attributes.get("name", "")
            if name.endswith(_RELEASE_CAPABILITY):
                self._entries.append(Capability(name=name, evr=_evr(attributes)))

    def end(self, tag: str, text: str) -> None:
        if tag in ("name", "arch", "checksum"):
            self._raw.texts[tag] = text
        elif tag in ("provides", "requires"):
            self._entries = None
        elif tag == "package":
            self._add(self._raw)

    def _add(self, raw: _Raw) -> None:
        name = raw.texts.get("name", "")
        self.names.add(name)
        if not self._wanted(name) and not raw.provides:
            return
        location = raw.attributes.get("location", {})
        base, href = location.get(_BASE, ""), location.get("href", "")
        algorithm = raw.attributes.get("checksum", {}).get("type", "")
        self.packages.append(
            RpmPackage(
                name=name,
                arch=raw.texts.get("arch", ""),
                evr=_evr(raw.attributes.get("version", {})),
                checksum=_checksum(
                    algorithm, raw.texts.get("checksum", ""), f"{name} of {self._url}"
                ),
                size=_number(raw.attributes.get("size", {}).get("package")),
                href=f"{base.rstrip('/')}/{href}" if base else href,
                built=_number(raw.attributes.get("time", {}).get("build")),
                provides=tuple(raw.provides),
                requires=tuple(raw.requires),
            )
        )
