"""Packages of any APT archive, resolved and verified by apt, beside the machine's own.

Each archive has a private state directory, so that nothing of the machine's apt changes
and no root is needed. The machine's apt.conf, proxies and passwords count.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822

from runner.errors import ArtifactError, NotOnServerError
from runner.files.cache import Cache, key_of, sha256_of
from runner.kernels import hosts, http
from runner.kernels.sources import aptrefusals
from runner.kernels.sources.aptplace import AptPlace
from runner.kernels.sources.source import Item, Workplace
from runner.process import programs

# Seconds in which apt must have read a suite's index (10 MB), or said why not.
_UPDATE_TIMEOUT = 300.0
_QUERY_TIMEOUT = 60.0
_DOWNLOAD_TIMEOUT = 1800.0
_NEEDS_APT = "run on Debian or Ubuntu, or in a container of one"
# What the names of suites of security updates end with: bookworm-security, and up to
# buster buster/updates.
SECURITY = ("-security", "/updates")
_ARMORED = b"-----BEGIN"

# Bytes done, bytes in all.
Advance = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of an archive, as its signed index describes it."""

    name: str
    version: str
    # Of the .deb, in hexadecimal.
    sha256: str
    # Of the .deb, in bytes.
    size: int
    # Names only, of Depends and Pre-Depends: for each the alternatives.
    depends: tuple[tuple[str, ...], ...]

    @property
    def item(self) -> Item:
        """What pins it."""
        return Item(
            name=self.name,
            location=f"{self.name}={self.version}",
            sha256=self.sha256,
            size=self.size,
        )


# What a machine does after its own indices came, such as to empty its cache of packages
# (Docker's images) or to tell its desktop, is not for ours. Only a file that apt reads
# after the machine's own can clear a list (apt.conf(5)).
NO_HOOKS = "".join(
    f"#clear APT::Update::{it};\n"
    for it in ("Pre-Invoke", "Post-Invoke", "Post-Invoke-Success")
)


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A place whose index is here."""

    place: AptPlace
    configuration: Path

    def names(self, prefix: str) -> list[str]:
        """Return the names of packages that begin so. Raises ArtifactError."""
        return _run(["apt-cache", "pkgnames", prefix], self.configuration).split()

    def describe(self, names: Sequence[str]) -> list[Package]:
        """Return the newest version of packages; names that it lacks are left out."""
        return self._show(["--no-all-versions", *names]) if names else []

    def versions(self, *names: str) -> list[Package]:
        """Return all versions of packages; names that it lacks are left out."""
        return self._show(names) if names else []

    def _show(self, words: Sequence[str]) -> list[Package]:
        argv = ["apt-cache", "show", *words]
        said = _run(argv, self.configuration, tolerate=True)
        return [_package(block) for block in Deb822.iter_paragraphs(said)]

    def has(self, item: Item) -> bool:
        """Whether it has this very version of a package."""
        return item.sha256 in (it.sha256 for it in self.versions(item.name))

    def download(self, item: Item, folder: Path, advance: Advance) -> Path:
        """Download a .deb, whose checksum apt verifies, and return its path.

        Raises NotOnServerError, DamagedError, and ArtifactError with apt's words.
        """
        _download(
            ["apt-get", "-q", "-o", "APT::Status-Fd=1", "download", item.location],
            self,
            folder,
            lambda percent: advance(int(item.size * percent / 100), item.size),
        )
        # Ubuntu's packages of debug information are .ddeb files.
        found = list(folder.glob(f"{item.name}_*deb"))
        if len(found) != 1:
            raise ArtifactError(
                f"apt did not download {item.name} of {self.place.name}"
            )
        return found[0]


def download_all(
    items: Sequence[Item], place: AptPlace, folder: Path, work: Workplace
) -> list[Path]:
    """Download packages of a place at once, in their order.

    Each is what its item says. Raises NotOnServerError, DamagedError, and ArtifactError
    with apt's words.
    """
    size = sum(it.size for it in items)
    title = f"{len(items)} packages of {place.name} for {place.architecture}"
    archive = holding(items[0], place, work.cache)
    with work.progress.task(f"{title} ({size / 1e6:.1f} MB)") as task:
        locations = [it.location for it in items]
        _download(
            ["apt-get", "-q", "-o", "APT::Status-Fd=1", "download", *locations],
            archive,
            folder,
            lambda percent: task.advance_to(int(size * percent / 100), size),
        )
    return [_downloaded(it, folder) for it in items]


def _downloaded(item: Item, folder: Path) -> Path:
    found = list(folder.glob(f"{item.name}_*deb"))
    if len(found) != 1:
        raise ArtifactError(f"apt did not download {item.name}")
    if sha256_of(found[0]) != item.sha256:
        raise http.DamagedError(
            f"{found[0].name} differs from the index", hint=http.AMID_UPDATE
        )
    return found[0]


def mirror(distribution: str, *, security: bool = False) -> str:
    """Return where a distribution's packages are for this machine, or "".

    The name is the one that Release files have as their origin: "Debian". Of its
    security updates if `security`. Raises ArtifactError if there is no apt.
    """
    if shutil.which("apt-get") is None:
        raise ArtifactError(
            "there is no apt-get here, and the sources `debian` and `ubuntu` need it",
            hint=_NEEDS_APT,
        )
    said = _run(
        [
            *("apt-get", "indextargets", "--format"),
            "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)",
            "Created-By: Packages",
        ],
        None,
    )
    for line in said.splitlines():
        address, suite, component, origin = line.split("|", 3)
        # Not a mirror of updates only, nor Ubuntu's archive of debug information.
        whole = not re.search("[-/]", suite) and "ddebs" not in address
        wanted = suite.endswith(SECURITY) if security else whole
        if wanted and (origin, component) == (distribution, "main"):
            return address
    return ""


@contextmanager
def fresh(place: AptPlace, cache: Cache) -> Iterator[Archive]:
    """Fetch a place's signed index, and hold it for the length of a `with` block.

    Raises ArtifactError when it can't be reached, has no such suite, or when its
    signature is not good; with apt's words.
    """
    folder = _folder(place, cache)
    with cache.locked(f"apt-{folder.name}"):
        archive = _configured(place, folder)
        _update(archive)
        yield archive


def holding(item: Item, place: AptPlace, cache: Cache) -> Archive:
    """Return a place that has an item; its index is fetched if the old one lacks it.

    Raises what `fresh` raises, and NotOnServerError if the place dropped the item.
    """
    folder = _folder(place, cache)
    with cache.locked(f"apt-{folder.name}"):
        archive = _configured(place, folder)
        there = list((folder / "state/lists").glob("*_Packages*"))
        if not there or not archive.has(item):
            # The index may be older than the pin.
            _update(archive)
            if not archive.has(item):
                raise NotOnServerError(
                    f"{place.name} does not have {item.location}", hint=aptrefusals.GONE
                )
    return archive


def _folder(place: AptPlace, cache: Cache) -> Path:
    key = key_of(place.lines(), hashlib.sha256(place.keys()).hexdigest())
    return cache.folder("apt") / f"{place.name.replace('/', '-')}-{key[:12]}"


def _configured(place: AptPlace, folder: Path) -> Archive:
    """Write apt's configuration for a place, and fetch nothing."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc/keys"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    # No package counts as installed.
    (folder / "state/status").touch()
    (folder / "etc/sources.list").write_text(place.lines())
    # All suites count the same, also those that apt would not take by itself, such as
    # backports: the newest package is used.
    (folder / "etc/preferences").write_text(
        "Package: *\nPin: release a=*\nPin-Priority: 500\n"
    )
    keys = place.keys()
    suffix = "asc" if keys.startswith(_ARMORED) else "gpg"
    (folder / f"etc/keys/trusted.{suffix}").write_bytes(keys)
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state/status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "etc/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": folder / "etc/preferences",
        "Dir::Etc::preferencesparts": "/dev/null",
        # Nobody else's keys. A path behind signed-by could hold no blank.
        "Dir::Etc::trusted": "/dev/null",
        "Dir::Etc::trustedparts": folder / "etc/keys",
        "APT::Architecture": place.architecture,
        "APT::Architectures": place.architecture,
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
        # As everywhere: what this machine serves itself needs no proxy.
        "Acquire::http::Proxy::127.0.0.1": "DIRECT",
        "Acquire::http::Proxy::localhost": "DIRECT",
        # Seconds without a byte.
        "Acquire::http::Timeout": 60,
        "Acquire::https::Timeout": 60,
        # A failed index is an error, not a warning that leaves the old one in use.
        "APT::Update::Error-Mode": "any",
        # The folders are this user's; apt's own user could not write to them.
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
    }
    configuration = folder / "apt.conf"
    configuration.write_text(
        "".join(f'{name} "{value}";\n' for name, value in settings.items() if value)
    )
    return Archive(place=place, configuration=configuration)


def _update(archive: Archive) -> None:
    place, folder = archive.place, archive.configuration.parent
    read_last = folder / "last.conf"
    read_last.write_text(NO_HOOKS)
    done = programs.run(
        ["apt-get", "-q", "-c", str(read_last), "update"],
        timeout=_UPDATE_TIMEOUT,
        error=ArtifactError,
        hint=_NEEDS_APT,
        slow_hint=place.hint,
        env=_environment(archive.configuration),
    )
    if done.returncode != 0:
        raise aptrefusals.refusal(place, done.stderr)
    aptrefusals.check_contents(place, folder / "state/lists")


def _package(block: Deb822) -> Package:
    words = [
        *block.get("Pre-Depends", "").split(","),
        *block.get("Depends", "").split(","),
    ]
    return Package(
        name=block["Package"],
        version=block["Version"],
        sha256=block["SHA256"],
        size=int(block["Size"]),
        depends=tuple(
            # "linux-base:any (>= 4) | other"
            tuple(it.split()[0].partition(":")[0] for it in word.split("|"))
            for word in words
            if word.strip()
        ),
    )


def _environment(configuration: Path | None) -> dict[str, str]:
    # In English, for those who read the words in a log.
    environment = {**os.environ, "LC_ALL": "C"}
    if configuration is not None:
        environment["APT_CONFIG"] = str(configuration)
    return environment


def _run(argv: list[str], configuration: Path | None, *, tolerate: bool = False) -> str:
    done = programs.run(
        argv,
        timeout=_QUERY_TIMEOUT,
        error=ArtifactError,
        hint=_NEEDS_APT,
        slow_hint="end other programs that use apt, or the disk",
        env=_environment(configuration),
    )
    if done.returncode != 0 and not tolerate:
        raise ArtifactError(f"{argv[0]} failed: {aptrefusals.words(done.stderr)}")
    return done.stdout


def _download(
    argv: list[str],
    archive: Archive,
    folder: Path,
    advance: Callable[[float], None],
) -> None:
    with (
        hosts.turn(archive.place.address),
        subprocess.Popen(
            argv,
            cwd=folder,
            env=_environment(archive.configuration),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stdout:
                # "dlstatus:1:42.0000:Retrieving file 1 of 1 (3s remaining)"
                words = line.split(":")
                if words[0] == "dlstatus" and len(words) > 2:
                    advance(float(words[2]))
            errors = process.stderr.read()
            process.wait(_DOWNLOAD_TIMEOUT)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise aptrefusals.refusal(archive.place, errors)
