"""Where copies of a repository are: lists of mirrors, and metalinks.

A list has an address a line. A metalink is XML that also has the checksums which the
repository's repomd.xml has now, and had until lately: a mirror with any other is old or
was changed. Layout: MirrorManager's template of metalinks, and librepo, which reads it
for dnf.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.errors import ArtifactError
from runner.kernels import http
from runner.kernels.sources.rpm import xmlreader
from runner.kernels.sources.rpm.metadata import STRONG, Checksum

# Of a list's mirrors, how many are tried: dnf's lists have a hundred.
MOST = 5
# What a metalink's addresses end with.
_FILE = "/repodata/repomd.xml"
_SCHEMES = ("http://", "https://")
_VARIABLES = "check the variables of the row, such as releasever"

# Replaces the variables of an address. Raises ValueError.
Expand = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Mirrors:
    """Where a repository is."""

    # Addresses without a slash at the end, the best first.
    bases: tuple[str, ...] = ()
    # One of these must be repomd.xml's; empty where nobody says it.
    repomds: tuple[Checksum, ...] = ()
    # Who says it.
    metalink: str = ""

    def check(self, base: str, repomd: bytes) -> None:
        """Refuse a mirror's repomd.xml that the metalink has not. Raises ArtifactError.

        So it says of an old one, too.
        """
        known = (hashlib.new(it.algorithm, repomd) for it in self.repomds)
        found = [digest.hexdigest() for digest in known]
        if found and not any(
            digest == it.value for digest, it in zip(found, self.repomds, strict=True)
        ):
            raise ArtifactError(
                f"{base}{_FILE} is not one of the files that {self.metalink} names",
                hint="the mirror may be stale, or somebody changed it; try again later",
            )


def read(url: str, expand: Expand) -> Mirrors:
    """Fetch a list of mirrors or a metalink. Raises ArtifactError."""
    content = http.small(url)
    if content.lstrip().startswith(b"<"):
        return _metalink(content, url)
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    listed = [it for it in lines if it.startswith(_SCHEMES)]
    if not listed:
        raise ArtifactError(f"{url} lists no mirror", hint=_VARIABLES)
    try:
        # Amazon's lists hold variables, too.
        return Mirrors(bases=_bases([expand(it) for it in listed]))
    except ValueError as error:
        raise ArtifactError(
            f"{url}: {error}", hint="set it in the key variables of the row"
        ) from error


def _bases(listed: Sequence[str]) -> tuple[str, ...]:
    return tuple(it.rstrip("/") for it in listed[:MOST])


def _metalink(content: bytes, url: str) -> Mirrors:
    reader = _Metalink()
    try:
        xmlreader.parse([content], reader, url)
    except ArtifactError:
        # A page, most likely.
        reader.root = ""
    if reader.root != "metalink":
        raise ArtifactError(
            f"{url} is not a list of mirrors, but XML or a page",
            hint="check the address; a vendor's .repo file has it as mirrorlist or "
            "metalink",
        )
    if not reader.urls:
        raise ArtifactError(f"{url} lists no mirror of repomd.xml", hint=_VARIABLES)
    if not reader.checksums:
        raise ArtifactError(
            f"{url} has no checksum of repomd.xml that can be trusted",
            hint=f"it needs {' or '.join(STRONG)}; use a mirrorlist or a baseurl",
        )
    best = sorted(reader.urls, key=lambda it: it[0], reverse=True)
    return Mirrors(
        bases=_bases([it.removesuffix(_FILE) for _, it in best]),
        repomds=tuple(reader.checksums),
        metalink=url,
    )


class _Metalink:
    """What a metalink says of the file repomd.xml."""

    def __init__(self) -> None:
        self.root = ""
        # With what the vendor prefers: 100 is the best.
        self.urls: list[tuple[int, str]] = []
        self.checksums: list[Checksum] = []
        self._is_meant = False
        self._attributes: Mapping[str, str] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.root = self.root or tag
        self._attributes = dict(attributes)
        if tag == "file":
            self._is_meant = attributes.get("name") == "repomd.xml"

    def end(self, tag: str, text: str) -> None:
        if not self._is_meant:
            return
        if tag == "hash" and self._attributes.get("type") in STRONG:
            algorithm = self._attributes["type"]
            self.checksums.append(Checksum(algorithm=algorithm, value=text.lower()))
        elif tag == "url" and text.startswith(_SCHEMES) and text.endswith(_FILE):
            preference = self._attributes.get("preference", "")
            self.urls.append((int(preference) if preference.isdecimal() else 0, text))
