"""matrix.yaml: the kernels that objects must work on, and where each comes from."""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from runner.arch import ARCHITECTURES, DEFAULT, Architecture, find, named
from runner.errors import UsageError
from runner.files import modelfile
from runner.files.modelfile import FileEntry
from runner.files.patternlist import ConsoleLines
from runner.matrix.environment import PLAIN, GuestEnvironment, KernelArgument, merged
from runner.text.nearest import near
from runner.versions import KernelVersion

ID = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
# Between a row's id and the version of its source that is meant: 6.1@6.1.176-1.
AT = "@"
# A version there. It becomes a part of names of folders.
EXACT_VERSION = r"[A-Za-z0-9][A-Za-z0-9.+~^:_-]*"
# What reports call a kernel.
REPORTED_ID = rf"{ID.removesuffix('$')}({AT}{EXACT_VERSION})?$"


def _beside(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get(modelfile.FOLDER, Path())
    return Path(folder, path.expanduser())


def _beside_unless_url(location: str, info: ValidationInfo) -> str:
    return location if "://" in location else str(_beside(Path(location), info))


# A path that a matrix file names is relative to that file.
LocalPath = Annotated[Path, AfterValidator(_beside)]

# ----------------------------------------------------------------- sources
#
# A source is a model here, named in `Source` below, and a provider in the table of
# runner/kernels/sources/providers.py.


class BaseSource(FileEntry):
    """Where a kernel's files come from."""

    # What tables and messages call it, in terms of its own keys.
    SHOWN: ClassVar[str]

    # The row's, which sets it.
    _arch: str = PrivateAttr(default=DEFAULT)

    @property
    def arch(self) -> str:
        """The architecture of the row that it is a source of, as the table names it."""
        return self._arch

    def of_architecture(self, name: str) -> None:
        """Take over the architecture of a row; the row's model calls it."""
        self._arch = name

    @property
    def shown(self) -> str:
        """Return the source in a few words, for tables and messages."""
        return self.SHOWN.format(self)

    @property
    def tells_checksums(self) -> bool:
        """Whether the row itself pins every file, so that no lock has to."""
        return False

    @property
    def release(self) -> str:
        """The kernel's release, as far as the row itself says it; empty if not."""
        return ""

    def at(self, version: str) -> "BaseSource | None":
        """Return the source of one version exactly; None if it has no such key."""
        del version
        return None

    @property
    def trusted(self) -> tuple[str | Path, ...]:
        """What the row says of whose signatures count; of paths, the content does.

        Empty if it says nothing: this machine's keys count then, or none.
        """
        return ()


# Every package that Debian ever had, and every one that Ubuntu had.
_SNAPSHOT_ARCHIVE = "https://snapshot.debian.org"
_LAUNCHPAD = "https://launchpad.net/ubuntu/+archive/primary/+files"

_Address = Annotated[str, Field(pattern=r"^https?://[^ ]+$")]
_AptPattern = Annotated[str, Field(pattern=r"^[a-z0-9*?\[\]][a-z0-9.+*?\[\]-]*$")]


class DebianSource(BaseSource):
    """A kernel package of a Debian suite, resolved and verified by apt."""

    type: Literal["debian"]
    suite: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9-]*(/updates)?$",
            examples=["bookworm", "sid", "bookworm-backports", "bookworm-security"],
        ),
    ]
    """The suite's codename; the mirror must have it."""

    package: Annotated[
        _AptPattern | Literal[""],
        Field(
            examples=["linux-image-cloud-amd64", "linux-image-6.1.0-*-cloud-amd64"],
        ),
    ] = ""
    """A package, a metapackage or a glob; the newest match is used. By default
    linux-image-cloud-amd64, linux-image-cloud-arm64 or linux-image-s390x, by the row's
    `arch`."""

    version: Annotated[
        str,
        Field(
            pattern=r"^[0-9][A-Za-z0-9.+~-]*$",
            examples=["6.1.176-1", "6.12.90-2~bpo12+1"],
        ),
    ] = ""
    """The package's exact version, or what `uname -r` says without the flavour
    (`6.1.0-50`). By default the newest."""

    mirror: Annotated[
        _Address | None, Field(examples=["http://archive.debian.org/debian"])
    ] = None
    """The archive's address; by default your system's mirror of Debian, or of its
    security updates."""

    keyring: LocalPath | None = None
    """The public keys that may sign the suite, in a file; by default Debian's."""

    check_valid_until: bool = True
    """Whether a mirror that the row names is refused after its index's own end.
    `false` is for archives of old suites, which nobody signs again."""

    debug: bool = False
    """Whether to fetch PACKAGE-dbg, too, to generate BTF from it: hundreds of
    megabytes."""

    archive: Annotated[str, Field(pattern=r"^https?://")] = _SNAPSHOT_ARCHIVE
    """Where to get a locked version after the mirror dropped it."""

    @property
    def shown(self) -> str:
        """Return the source in a few words."""
        return " ".join(
            filter(None, ("debian", self.suite, self.wanted_package, self.version))
        )

    @property
    def wanted_package(self) -> str:
        """The package, or the one that suits guests of the row's architecture best."""
        return self.package or named(self.arch).debian.kernel

    def at(self, version: str) -> "DebianSource":
        """Return the source of one version exactly."""
        return self.model_copy(update={"version": version})

    @property
    def trusted(self) -> tuple[str | Path, ...]:
        """The file of keys, if the row names one."""
        return () if self.keyring is None else ("keyring", self.keyring)


class PathSource(BaseSource):
    """A kernel on this machine's disk."""

    SHOWN = "path {0.image}"

    type: Literal["path"]
    image: Annotated[LocalPath, Field(examples=["bzImage", "linux-4.4", "image.deb"])]
    """A kernel image (bzImage, Image, Image.gz, vmlinuz.efi), a folder that contains
    one (a built kernel tree, an unpacked package), a .deb or an .rpm. It must be for
    the row's `arch`."""

    modules: LocalPath | None = None
    """A folder of .ko files, such as lib/modules/RELEASE, or a package with them; by
    default that of the image's folder."""

    config: LocalPath | None = None
    """The kernel's .config; by default the one next to the image."""

    system_map: LocalPath | None = None
    """Its System.map; by default the one next to the image."""

    vmlinux: LocalPath | None = None
    """The ELF file, preferably with debug information; by default the one next to the
    image."""

    btf: LocalPath | None = None
    """The kernel's raw BTF; by default the file next to the image."""


class SnapshotSource(BaseSource):
    """A kernel package that Debian once had, from its snapshot archive."""

    SHOWN = "snapshot {0.package} {0.version}"

    type: Literal["snapshot"]
    package: Annotated[
        str,
        Field(
            pattern=r"^linux-image-[a-z0-9.+-]+$",
            examples=["linux-image-4.11.0-1-amd64"],
        ),
    ]
    """The package that contains the image; not a pattern."""

    version: Annotated[
        str, Field(pattern=r"^[0-9][A-Za-z0-9.+~-]*$", examples=["4.11.6-1"])
    ]
    """The package's exact version."""

    debug: bool = False
    """Whether to fetch PACKAGE-dbg, too, to generate BTF from it: hundreds of
    megabytes."""

    url: Annotated[str, Field(pattern=r"^https?://")] = _SNAPSHOT_ARCHIVE
    """The archive, or another server with its interface."""


class RemoteFile(FileEntry):
    """A file on a server, and its checksum."""

    url: Annotated[str, Field(pattern=r"^https?://[^ ]+$")]
    """Its address."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Its SHA-256, in hexadecimal; any other file is refused."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


# What a pocket of Ubuntu's archive adds to the series: jammy-updates.
RELEASE_POCKET: Final = "release"
# Those of the archive, and those of the archives of Ubuntu Pro (infra-…).
_Pocket = Literal[
    "release",
    "security",
    "updates",
    "proposed",
    "backports",
    "infra-security",
    "infra-updates",
]


class UbuntuSource(BaseSource):
    """A kernel package of an Ubuntu series, resolved and verified by apt; or packages
    by address, such as mainline builds."""

    type: Literal["ubuntu"]
    series: Annotated[
        str | None, Field(pattern=r"^[a-z][a-z0-9-]*$", examples=["jammy", "noble"])
    ] = None
    """The series' codename."""

    package: Annotated[
        _AptPattern,
        Field(
            examples=[
                "linux-image-aws",
                "linux-image-generic-hwe-22.04",
                "linux-image-5.15.0-*-generic",
            ]
        ),
    ] = "linux-image-generic"
    """A package, a metapackage or a glob; the newest match is used."""

    version: Annotated[
        str,
        Field(
            pattern=r"^\d+\.\d+\.\d+-\d[0-9A-Za-z.+~-]*$",
            examples=["5.15.0-91", "5.15.0-91.101"],
        ),
    ] = ""
    """The kernel's exact version: as in `uname -r`, without the flavour, or as its
    package has it. By default the newest."""

    pockets: Annotated[tuple[_Pocket, ...], Field(min_length=1)] = (
        RELEASE_POCKET,
        "security",
        "updates",
    )
    """The parts of the series to look in. Others are `proposed`, `backports` and, in
    Ubuntu Pro's archives, `infra-security` and `infra-updates`."""

    components: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], ...],
        Field(min_length=1),
    ] = ("main",)
    """The archive's components to look in."""

    archive: Annotated[
        _Address | None, Field(examples=["http://old-releases.ubuntu.com/ubuntu"])
    ] = None
    """The archive's address; by default your system's mirror of Ubuntu, or else
    http://archive.ubuntu.com/ubuntu, which has x86_64 only;
    http://ports.ubuntu.com/ubuntu-ports has the other architectures."""

    keyring: LocalPath | None = None
    """The public keys that may sign the archive, in a file; by default Ubuntu's, of the
    package ubuntu-keyring."""

    check_valid_until: bool = True
    """Whether an archive is refused after its index's own end. `false` is for copies
    that nobody signs again."""

    extra_modules: bool = False
    """Whether to fetch linux-modules-extra-RELEASE, too. Guests need nothing of it,
    unless the kernel keeps its network card's driver there."""

    debug: bool = False
    """Whether to fetch the package with debug information, too, to generate BTF from
    it where the kernel has none: a gigabyte."""

    debug_archive: _Address = "http://ddebs.ubuntu.com"
    """Its archive."""

    debug_keyring: LocalPath | None = None
    """The keys that may sign that; by default Ubuntu's, too."""

    old_packages: _Address | None = None
    """A folder that keeps what the archive drops, for locked packages; by default
    Launchpad's, or none for a row that names its archive."""

    packages: tuple[RemoteFile, ...] = ()
    """Packages by address, instead of a series: linux-image-unsigned-… and
    linux-modules-…; and -dbgsym, to generate BTF."""

    @property
    def keeper(self) -> str | None:
        """Where old packages are. Launchpad has none of an archive of your own."""
        return self.old_packages or (None if self.archive else _LAUNCHPAD)

    @property
    def shown(self) -> str:
        """Return the source in a few words."""
        if self.packages:
            return f"ubuntu {self.packages[0].name}"
        return " ".join(
            filter(None, ("ubuntu", self.series, self.package, self.version))
        )

    @property
    def tells_checksums(self) -> bool:
        """Whether the packages are given by address."""
        return bool(self.packages)

    def at(self, version: str) -> "UbuntuSource | None":
        """Return the source of one version exactly; None for packages by address."""
        return None if self.packages else self.model_copy(update={"version": version})

    @property
    def trusted(self) -> tuple[str | Path, ...]:
        """The files of keys, as far as the row names them."""
        named = {"keyring": self.keyring, "debug_keyring": self.debug_keyring}
        given = ((name, path) for name, path in named.items() if path is not None)
        return tuple(part for pair in given for part in pair)

    @model_validator(mode="after")
    def _is_one_form(self) -> Self:
        if bool(self.series) == bool(self.packages):
            raise ValueError("needs either the key series or the key packages")
        unused = sorted(self.model_fields_set - {"type", "packages"})
        if self.packages and unused:
            raise ValueError(f"the key packages can't be used with {unused[0]}")
        return self


def _one_or_many(data: object) -> str:
    return "many" if isinstance(data, list | tuple) else "one"


_Location = Annotated[
    str,
    AfterValidator(_beside_unless_url),
    Field(examples=["RPM-GPG-KEY-AlmaLinux-9", "https://yum.oracle.com/RPM-GPG-KEY"]),
]
# OpenPGP's versions 4 and 6; people write them in groups.
_Fingerprint = Annotated[
    str,
    Field(pattern=r"^([0-9A-Fa-f] *){40}(([0-9A-Fa-f] *){24})?$"),
]
_RpmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+-]*$")]


class RpmSource(BaseSource):
    """A kernel package of an RPM repository; its keys are called as in a .repo file."""

    type: Literal["rpm"]
    baseurl: Annotated[
        _Address | None,
        Field(examples=["https://repo.almalinux.org/almalinux/9/BaseOS/$basearch/os/"]),
    ] = None
    """The repository: the folder that contains repodata/. `$basearch` and your
    `variables` are replaced, as dnf does."""

    mirrorlist: _Address | None = None
    """A list of such addresses, one a line; the first that works is used."""

    metalink: Annotated[
        _Address | None,
        Field(
            examples=[
                "https://mirrors.fedoraproject.org/metalink?repo=fedora-44&arch=x86_64"
            ]
        ),
    ] = None
    """A list of such addresses in XML, with the checksums that repomd.xml must have."""

    variables: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = (
        Field(default_factory=dict, examples=[{"releasever": "9"}])
    )
    """What replaces `$releasever` and so on in addresses. `$basearch` and `$arch` are
    the row's architecture as RPM calls it (x86_64, aarch64, s390x), unless you set
    them."""

    package: _RpmName = "kernel-core"
    """The package that contains the image, or one that requires it. `kernel-core`,
    `kernel-uek-core`; `kernel` on el7 and Amazon Linux; `kernel-default` on SUSE."""

    version: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9._+~^:-]*\d[A-Za-z0-9._+~^:-]*$",
            examples=["5.14.0-503.40.1.el9_5", "4.18.0-553.el8_10"],
        ),
    ] = ""
    """Its exact version, VERSION-RELEASE; by default the newest."""

    modules: (
        Annotated[
            Annotated[_RpmName, Tag("one")]
            | Annotated[tuple[_RpmName, ...], Tag("many")],
            Discriminator(_one_or_many),
        ]
        | None
    ) = None
    """Packages with more modules, of the same version: `kernel-modules-core`. By
    default those that the package requires. [] means none."""

    gpgkey: Annotated[
        Annotated[_Location, Tag("one")]
        | Annotated[tuple[_Location, ...], Tag("many")],
        Discriminator(_one_or_many),
    ] = ()
    """The vendor's public keys: files, relative to this one, or addresses."""

    fingerprint: Annotated[
        Annotated[_Fingerprint, Tag("one")]
        | Annotated[tuple[_Fingerprint, ...], Tag("many")],
        Discriminator(_one_or_many),
    ] = ()
    """Trusts no other keys than those with these fingerprints. Required for keys at an
    address. Without `gpgkey`, the key is the repository's repodata/repomd.xml.key."""

    gpgcheck: bool = True
    """Whether packages must be signed by such a key. `false` accepts what anybody made
    who can write to the repository or to the way to it."""

    repo_gpgcheck: bool = False
    """Whether repomd.xml must be signed, too. A signature that is there is always
    checked."""

    debug_package: _RpmName | None = None
    """The package with the debug information, to generate BTF from it where the kernel
    has none: `kernel-debuginfo`, hundreds of megabytes."""

    debug_baseurl: _Address | None = None
    """Its repository; by default the same."""

    debug_mirrorlist: _Address | None = None
    """A list of mirrors of its repository."""

    debug_metalink: _Address | None = None
    """A metalink of its repository."""

    archive: _Address | None = None
    """A repository that keeps what this one drops, for locked packages."""

    packages: tuple[RemoteFile, ...] = ()
    """Packages by address, instead of a repository. `gpgkey` is optional for these."""

    @property
    def shown(self) -> str:
        """Return the source in a few words."""
        if self.packages:
            return f"rpm {self.packages[0].name}"
        return f"rpm {self.package}{f'-{self.version}' if self.version else ''}"

    @property
    def release(self) -> str:
        """VERSION-RELEASE, however the row writes it."""
        found = re.search(r"\d+\.\d+\.\d.*", self.version)
        return found[0] if found else ""

    def at(self, version: str) -> "RpmSource | None":
        """Return the source of one version exactly; None for packages by address."""
        return None if self.packages else self.model_copy(update={"version": version})

    @property
    def listed(self) -> str | None:
        """The address of a list of mirrors, of either form."""
        return self.mirrorlist or self.metalink

    @property
    def debug_listed(self) -> str | None:
        """The same of the repository with debug information."""
        return self.debug_mirrorlist or self.debug_metalink

    @property
    def has_debug_repository(self) -> bool:
        """Whether debug information has a repository of its own."""
        return any(getattr(self, it) for it in _DEBUG_FORMS)

    @property
    def tells_checksums(self) -> bool:
        """Whether the packages are given by address."""
        return bool(self.packages)

    @property
    def keys(self) -> tuple[str, ...]:
        """Paths and addresses of keys; empty if the repository's own is meant."""
        return _many(self.gpgkey)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of the keys that are accepted, in upper case; empty if all are."""
        return tuple(it.replace(" ", "").upper() for it in _many(self.fingerprint))

    @property
    def trusted(self) -> tuple[str | Path, ...]:
        """Which signatures must be there, and whose count; empty if nobody's do."""
        if not self.keys and not self.fingerprints:
            return ()
        checks = (f"gpgcheck {self.gpgcheck}", f"repo_gpgcheck {self.repo_gpgcheck}")
        # Without gpgkey, each repository tells its own key.
        named = self.keys or filter(None, (getattr(self, it) for it in _REPOSITORIES))
        places = (self.expanded(it) for it in named)
        keys = (it if "://" in it else Path(it) for it in places)
        return (*checks, *self.fingerprints, *keys)

    @property
    def more_modules(self) -> tuple[str, ...] | None:
        """Names of the packages with modules; None for those that it requires."""
        return None if self.modules is None else _many(self.modules)

    @property
    def basearch(self) -> str:
        """What RPM calls the row's architecture: "aarch64"."""
        return named(self.arch).machine

    def expanded(self, address: str) -> str:
        """Return an address with its variables replaced. Raises ValueError."""
        known = {"basearch": self.basearch, "arch": self.basearch, **self.variables}

        def value(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            if name not in known:
                raise ValueError(f"{found[0]} has no value; set it in variables")
            return known[name]

        return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, address)

    @model_validator(mode="after")
    def _is_one_form(self) -> Self:
        forms = [it for it in _FORMS if getattr(self, it)]
        if not forms:
            raise ValueError(f"needs one of the keys {', '.join(_FORMS)}")
        if len(forms) > 1:
            raise ValueError(f"needs only one of the keys {', '.join(forms)}")
        unused = sorted(self.model_fields_set - _WITH_PACKAGES)
        if self.packages and unused:
            raise ValueError(f"the key packages can't be used with {unused[0]}")
        return self

    @model_validator(mode="after")
    def _has_one_debug_form(self) -> Self:
        given = [it for it in _DEBUG_FORMS if getattr(self, it)]
        if len(given) > 1:
            raise ValueError(f"needs only one of the keys {', '.join(given)}")
        if given and not self.debug_package:
            raise ValueError(f"needs the key debug_package, because of {given[0]}")
        return self

    @model_validator(mode="after")
    def _has_values(self) -> Self:
        own = (self.baseurl, self.listed, self.archive)
        for address in (*own, self.debug_baseurl, self.debug_listed, *self.keys):
            self.expanded(address or "")
        return self

    @model_validator(mode="after")
    def _names_a_key(self) -> Self:
        checks = not self.packages and (self.gpgcheck or self.repo_gpgcheck)
        if checks and not self.keys and not self.fingerprints:
            raise ValueError(
                "needs the key gpgkey or fingerprint, because the packages' signatures "
                "are checked; gpgcheck: false accepts packages that nobody signed"
            )
        if any("://" in it for it in self.keys) and not self.fingerprints:
            raise ValueError("needs the key fingerprint, because gpgkey is an address")
        if self.packages and self.fingerprints and not self.keys:
            raise ValueError("needs the key gpgkey, because there is no repository")
        return self


_FORMS = ("baseurl", "mirrorlist", "metalink", "packages")
_DEBUG_FORMS = ("debug_baseurl", "debug_mirrorlist", "debug_metalink")
# Keys of an `rpm` source that say where packages are, and thus their vendors' keys.
_REPOSITORIES = ("baseurl", "mirrorlist", "metalink", *_DEBUG_FORMS, "archive")
# Keys of an `rpm` source that mean something for packages by address.
_WITH_PACKAGES = {"type", "packages", "gpgkey", "fingerprint", "variables"}


def _many(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


class KernelOrgSource(BaseSource):
    """A release's source, built by the runner; see images/kernel."""

    SHOWN = "kernel-org {0.version}"

    type: Literal["kernel-org"]
    version: Annotated[
        str,
        Field(
            pattern=r"^\d+\.\d+(\.\d+)?(-[A-Za-z0-9][A-Za-z0-9._+~-]*)?$",
            examples=["4.4", "5.10.223", "4.18.0-553.66.1.el8_10"],
        ),
    ]
    """The release, as in the name of its tarball; a vendor's as its packages have
    it."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The tarball's SHA-256; optional only for a local file."""

    tarball: Annotated[
        str,
        AfterValidator(_beside_unless_url),
        Field(examples=["../linux-source-5.10.tar.xz"]),
    ] = ""
    """A file, or its address; by default it comes from `mirror`."""

    tree: Annotated[LocalPath | None, Field(examples=["../linux-stable"])] = None
    """A git clone of linux or linux-stable: the source is that of the tag v`version`,
    and other tags can be selected as ROW@VERSION. It takes the place of a tarball."""

    mirror: Annotated[str, Field(pattern=r"^https?://[^ ]+$")] = (
        "https://cdn.kernel.org/pub/linux/kernel"
    )
    """The folder that contains v5.x/linux-5.5.tar.xz and so on."""

    options: dict[
        Annotated[str, Field(pattern=r"^[A-Z0-9_]+$")],
        Annotated[str, Field(pattern=r'^(y|m|n|-?\d+|0x[0-9a-fA-F]+|"[^"\n]*")$')],
    ] = Field(default_factory=dict, examples=[{"DEBUG_INFO_BTF": "n", "HZ": "1000"}])
    """Options in addition to images/kernel, without CONFIG_; they take precedence."""

    fragments: tuple[Literal["kasan", "lockdep", "ubsan"], ...] = ()
    """Checks that the kernel makes of itself, and reports on its console: `kasan`
    (memory), `lockdep` (locks, sleeping), `ubsan` (undefined behaviour). A case that
    makes it report something fails, as kernel_warned. Such a kernel is slower."""

    compiler: Annotated[
        str, Field(pattern=r"^gcc(-\d+(\.\d+)?)?$", examples=["gcc-11"])
    ] = "gcc"
    """What compiles the kernel: another gcc that is installed here."""

    @property
    def address(self) -> str:
        """Where the source is: a path or an address."""
        if self.tree is not None:
            return str(self.tree)
        major = self.version.partition(".")[0]
        file = f"linux-{self.version}.tar.xz"
        return self.tarball or f"{self.mirror.rstrip('/')}/v{major}.x/{file}"

    @property
    def release(self) -> str:
        """A vendor's release; empty for upstream's."""
        return self.version if "-" in self.version else ""

    @property
    def is_local(self) -> bool:
        """Whether the tarball is a file of this machine."""
        return "://" not in self.address

    @property
    def tells_checksums(self) -> bool:
        """Whether the tarball's is given."""
        return self.sha256 is not None

    def at(self, version: str) -> "KernelOrgSource | None":
        """Return the source of another tag of its tree; None for a tarball."""
        if self.tree is None:
            return None
        return self.model_copy(update={"version": version})

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        used = sorted({"tarball", "sha256", "mirror"} & self.model_fields_set)
        if self.tree is not None and used:
            raise ValueError(f"the key tree can't be used with {used[0]}")
        return self

    @model_validator(mode="after")
    def _is_pinned(self) -> Self:
        if self.sha256 is None and not self.is_local:
            raise ValueError("needs the key sha256, because the tarball is downloaded")
        return self

    @model_validator(mode="after")
    def _is_there(self) -> Self:
        if "-" in self.version and not self.tarball:
            raise ValueError("needs the key tarball, because it is a vendor's release")
        return self


class OciSource(BaseSource):
    """A container image that contains a kernel: /boot and /lib/modules, or the same
    below /data/kernels/NAME."""

    SHOWN = "oci {0.image}:{0.tag}"

    type: Literal["oci"]
    image: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+$",
            examples=["ghcr.io/cilium/ci-kernels", "quay.io/lvh-images/kernel-images"],
        ),
    ]
    """Registry and repository. A registry on 127.0.0.1 or localhost is used without
    TLS."""

    tag: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", examples=["6.6", "5.10"]),
    ]
    """Which of its images; the lock keeps the digest that the tag had."""


class UnavailableSource(BaseSource):
    """A kernel that you want, but that no source can provide yet."""

    SHOWN = "none yet"

    type: Literal["unavailable"]
    reason: Annotated[str, Field(min_length=1)]
    """What to show users who select the kernel."""


Source = Annotated[
    DebianSource
    | PathSource
    | SnapshotSource
    | UbuntuSource
    | RpmSource
    | KernelOrgSource
    | OciSource
    | UnavailableSource,
    Field(discriminator="type"),
]


# --------------------------------------------------------------------- BTF


class BaseBtf(FileEntry):
    """Where a kernel's BTF comes from."""


class FileBtf(BaseBtf):
    """A file of raw BTF."""

    type: Literal["file"]
    path: LocalPath
    """Relative to the matrix file."""


class HubBtf(BaseBtf):
    """BTFHub's archive, by the kernel's release."""

    type: Literal["btfhub"]
    location: Annotated[
        str,
        AfterValidator(_beside_unless_url),
        Field(examples=["../btfhub-archive"]),
    ] = "https://github.com/aquasecurity/btfhub-archive/raw/main"
    """The folder of a clone, or the address that its folders are below."""

    distribution: Annotated[
        str, Field(pattern=r"^[a-z0-9.-]+/[a-z0-9.-]+$", examples=["ubuntu/16.04"])
    ] = ""
    """The archive's folder; by default it follows from the kernel's release."""


class VmlinuxBtf(BaseBtf):
    """BTF that pahole generates from a vmlinux with debug information."""

    type: Literal["vmlinux"]
    path: LocalPath
    """The ELF file, not stripped; relative to the matrix file."""


class DebugPackageBtf(BaseBtf):
    """BTF that pahole generates from the vmlinux of a -dbg or -debuginfo package."""

    type: Literal["debug-package"]
    path: LocalPath | None = None
    """The .deb or .rpm, if it is on this machine."""

    suite: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")] | None = None
    """The Debian suite that has it."""

    package: Annotated[str, Field(pattern=r"^[a-z0-9{][a-z0-9.+{}-]*$")] = (
        "linux-image-{release}-dbg"
    )
    """Its name in the suite; {release} is the output of `uname -r`."""

    archive: Annotated[str, Field(pattern=r"^https?://")] = _SNAPSHOT_ARCHIVE
    """Where to get a locked version after the mirror dropped it."""

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.path is None) == (self.suite is None):
            raise ValueError("needs either the key path or the key suite")
        return self


PlainBtf = Annotated[
    FileBtf | HubBtf | VmlinuxBtf | DebugPackageBtf, Field(discriminator="type")
]
BtfWord = Literal["auto", "kernel"]


def _word_or_mapping(data: object) -> str:
    return "BTF source" if isinstance(data, dict | BaseModel) else "word"


class MinBtf(BaseBtf):
    """The part of a kernel's BTF that objects need (bpftool gen min_core_btf)."""

    type: Literal["min"]
    objects: Annotated[tuple[LocalPath, ...], Field(min_length=1)]
    """Objects (.bpf.o), their sources (.bpf.c), or folders of them."""

    of: Annotated[
        Annotated[BtfWord, Tag("word")] | Annotated[PlainBtf, Tag("BTF source")],
        Discriminator(_word_or_mapping),
    ] = "auto"
    """Where the full BTF comes from."""


BtfSource = Annotated[
    FileBtf | HubBtf | VmlinuxBtf | DebugPackageBtf | MinBtf,
    Field(discriminator="type"),
]

# --------------------------------------------------------------------- rows


_ARCHITECTURES = [name for it in ARCHITECTURES for name in it.names]


def _architecture(name: object) -> str:
    """Return what the table calls an architecture that a row names."""
    found = find(name) if isinstance(name, str) else None
    if found is None:
        raise ValueError(
            f"no architecture {name!r}{near(str(name), _ARCHITECTURES, '')}; there are "
            f"{', '.join(it.name for it in ARCHITECTURES)}"
        )
    return found.name


def _one_or_many_sources(data: object) -> str:
    return "many sources" if isinstance(data, list | tuple) else "one source"


class Kernel(FileEntry):
    """A row of the matrix."""

    id: Annotated[str, Field(pattern=ID, max_length=64, examples=["5.14", "sid"])]
    """The kernel's name on the command line and in reports."""

    source: Annotated[
        Annotated[Source, Tag("one source")]
        | Annotated[tuple[Source, ...], Field(min_length=1), Tag("many sources")],
        Discriminator(_one_or_many_sources),
    ]
    """Where the kernel's files come from; the first source in a list that can provide
    them is used."""

    btf: Annotated[
        Annotated[BtfWord, Tag("word")] | Annotated[BtfSource, Tag("BTF source")],
        Discriminator(_word_or_mapping),
    ] = "auto"
    """Where its BTF comes from. `kernel` means its own or none. `auto` means its own,
    or else the file next to the image, or else BTF from debug information, or else
    BTFHub's."""

    arch: Annotated[
        str,
        BeforeValidator(_architecture),
        WithJsonSchema({"enum": _ARCHITECTURES, "type": "string"}),
    ] = DEFAULT
    """The guest's architecture. `amd64` means `x86_64`, and `aarch64` means `arm64`."""

    tags: tuple[Annotated[str, Field(pattern=ID)], ...] = ()
    """Names of groups of kernels, selected as @tag."""

    required: bool = True
    """Whether a failure on this kernel fails the run."""

    seen: Literal["booted", "layout"] | None = None
    """What the authors of this row saw: `booted` means that this kernel was fetched and
    ran. `layout` means that only packages made in the vendor's layout were tested."""

    memory: Annotated[int, Field(ge=96, le=65536)] = 256
    """The guest's memory in MiB."""

    arguments: tuple[KernelArgument, ...] = ()
    """More arguments for the kernel's command line."""

    guest: GuestEnvironment = PLAIN
    """What its guests are like besides: processors, lockdown, control groups, modules.
    Suites and cases may say something else; see docs/environment.md."""

    splats: ConsoleLines = ConsoleLines()
    """Lines on its console that fail a case, and lines that do not, besides those of
    images/splats.yaml."""

    @model_validator(mode="after")
    def _says_it_once(self) -> Self:
        for key in ("memory", "arguments"):
            given = key in self.model_fields_set
            if given and getattr(self.guest, key) is not None:
                raise ValueError(f"the keys {key} and guest.{key} mean the same")
        return self

    @property
    def environment(self) -> GuestEnvironment:
        """What its guests are like, with the default of each key that has one."""
        own = GuestEnvironment(memory=self.memory, arguments=self.arguments)
        return merged([own, self.guest])

    def within(self, *environments: GuestEnvironment) -> "Kernel":
        """Return this row with guests that suites and cases want otherwise."""
        guest = merged([self.guest, *environments])
        return self if guest == self.guest else self.model_copy(update={"guest": guest})

    @model_validator(mode="after")
    def _tells_its_sources(self) -> Self:
        return self._told()

    def _told(self) -> Self:
        for source in self.sources:
            source.of_architecture(self.arch)
        return self

    def with_source(self, source: BaseSource | tuple[BaseSource, ...]) -> "Kernel":
        """Return this row with other sources."""
        return self.model_copy(update={"source": source})._told()

    @property
    def architecture(self) -> Architecture:
        """What the table says of its architecture."""
        return named(self.arch)

    @property
    def sources(self) -> tuple[BaseSource, ...]:
        """The sources, in the order in which they are tried."""
        return self.source if isinstance(self.source, tuple) else (self.source,)

    @property
    def btf_shown(self) -> str:
        """Where its BTF comes from, in a word."""
        return self.btf if isinstance(self.btf, str) else self.btf.type

    @property
    def unavailable(self) -> str:
        """Why no source of this version provides it; empty when one may."""
        reasons = [
            it.reason for it in self.sources if isinstance(it, UnavailableSource)
        ]
        return reasons[0] if len(reasons) == len(self.sources) else ""

    def at(self, version: str) -> "Kernel | None":
        """Return this row with one version exactly, as ROW@VERSION.

        Sources that can't be asked for a version are left out; None if that leaves
        none.
        """
        exact = (it.at(version) for it in self.sources)
        sources = tuple(it for it in exact if it is not None)
        if not sources:
            return None
        named = self.model_copy(update={"id": f"{self.id}{AT}{version}"})
        return named.with_source(sources)

    @property
    def version(self) -> KernelVersion | None:
        """The version that the id says, or else a source; None ("sid")."""
        releases = (it.release for it in self.sources)
        row, _, exact = self.id.partition(AT)
        for told in (exact or row, *releases):
            if re.match(r"\d+\.\d+", told):
                found = KernelVersion.parse(told)
                # What follows in "6.1-arm64" is no release, unless a vendor writes it
                # so.
                return found if found.member else found.of_release("")
        return None


class Matrix(FileEntry):
    """A whole matrix file."""

    kernels: Annotated[tuple[Kernel, ...], Field(min_length=1)]
    """The rows, in the order in which reports show them."""

    suites: Annotated[
        tuple[LocalPath, ...], Field(min_length=1, examples=[["tests/bpf"]])
    ] = ()
    """Folders of suites, or Python test files, that run if the command line names none;
    relative to this file. Without this key, all suites below its folder run."""


def load(path: Path) -> Matrix:
    """Read a matrix file.

    Raises UsageError that lists every mistake by file and line, and what to do when
    there is no such file.
    """
    if not path.exists():
        raise UsageError(
            f"there is no matrix file {path}",
            hint="it lists the kernels to test on; copy the example in "
            "docs/matrix.md, or use --matrix FILE for another file, or --matrix "
            "builtin or --matrix vendors for those of bpf-kernel-matrix itself",
        )
    matrix, source = modelfile.load(path, Matrix)
    lines: dict[str, int] = {}
    for number, kernel in enumerate(matrix.kernels):
        where = ("kernels", number, "id")
        if kernel.id in lines:
            again = (
                f"{kernel.id!r} is used twice; line {lines[kernel.id]} already has it"
            )
            raise modelfile.refused(source, [source.mistake(where, again)])
        lines[kernel.id] = source.line(where)
    return matrix
