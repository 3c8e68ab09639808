"""Packages of any Debian suite, resolved and verified by apt, beside the machine's own.

Each suite has a private state directory, so that nothing of the machine's apt changes
and no root is needed. The machine's apt.conf, proxies and keyring count.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822

from runner.errors import ArtifactError
from runner.kernels.sources.source import Item
from runner.process import programs

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ARCHITECTURE = "amd64"

# Seconds in which apt must have read a suite's index (10 MB), or said why not.
_UPDATE_TIMEOUT = 300.0
_QUERY_TIMEOUT = 60.0
_DOWNLOAD_TIMEOUT = 1800.0

# Bytes done, bytes in all.
Advance = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of a suite, as its signed index describes it."""

    name: str
    version: str
    # Of the .deb, in hexadecimal.
    sha256: str
    # Of the .deb, in bytes.
    size: int
    # Names only, of Depends and Pre-Depends; of alternatives the first.
    depends: tuple[str, ...]

    @property
    def item(self) -> Item:
        """What pins it."""
        return Item(
            name=self.name,
            location=f"{self.name}={self.version}",
            sha256=self.sha256,
            size=self.size,
        )


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A suite of the system's mirror."""

    suite: str
    folder: Path
    configuration: Path

    def names(self, prefix: str) -> list[str]:
        """Return the names of packages that begin so. Raises ArtifactError."""
        return _run(["apt-cache", "pkgnames", prefix], self.configuration).split()

    def describe(self, names: Sequence[str]) -> list[Package]:
        """Return what the suite says of packages; names that it lacks are left out."""
        if not names:
            return []
        said = _run(
            ["apt-cache", "show", "--no-all-versions", *names],
            self.configuration,
            tolerate=True,
        )
        return [_package(block) for block in Deb822.iter_paragraphs(said)]

    def has(self, item: Item) -> bool:
        """Whether the suite has this very version of a package."""
        return item.sha256 in (it.sha256 for it in self.describe([item.name]))

    def download(self, item: Item, folder: Path, advance: Advance) -> Path:
        """Download a .deb, whose checksum apt verifies, and return its path.

        Raises ArtifactError with apt's words.
        """
        _download(
            ["apt-get", "-q", "-o", "APT::Status-Fd=1", "download", item.location],
            self.configuration,
            folder,
            lambda percent: advance(int(item.size * percent / 100), item.size),
        )
        found = list(folder.glob(f"{item.name}_*.deb"))
        if len(found) != 1:
            raise ArtifactError(f"apt did not download {item.name} of {self.suite}")
        return found[0]


def mirror() -> str:
    """Return the address of the Debian mirror that this machine is set up with.

    Raises ArtifactError that names the setting when there is none.
    """
    if shutil.which("apt-get") is None:
        raise ArtifactError(
            "there is no apt-get here, and the source `debian` needs it",
            hint="run on Debian, or in a Debian container",
        )
    said = _run(
        [
            *("apt-get", "indextargets", "--format"),
            "$(REPO_URI) $(ORIGIN) $(CODENAME) $(COMPONENT)",
            "Created-By: Packages",
        ],
        None,
    )
    for line in said.splitlines():
        words = line.split()
        if len(words) != 4:
            continue
        address, origin, codename, component = words
        if origin == "Debian" and component == "main" and "-" not in codename:
            return address
    raise ArtifactError(
        "apt knows no Debian mirror on this machine",
        hint="add one to /etc/apt/sources.list.d, then run: apt-get update",
    )


def open_suite(suite: str, folder: Path) -> Archive:
    """Fetch a suite's signed index into a folder of its own.

    Raises ArtifactError when the mirror can't be reached, has no such suite, or when
    its signature is not good; with apt's words.
    """
    archive = configured(suite, folder, mirror())
    _run(
        ["apt-get", "-q", "update"],
        archive.configuration,
        timeout=_UPDATE_TIMEOUT,
        hint="check that the mirror of /etc/apt/sources.list.d is reachable and has "
        f"{suite}, and that debian-archive-keyring is installed",
    )
    return archive


def known_suite(suite: str, folder: Path) -> Archive:
    """Return a suite whose index may be there already; fetch it when it is not.

    Raises what `open_suite` raises.
    """
    if not list((folder / "state/lists").glob("*_Packages*")):
        return open_suite(suite, folder)
    return configured(suite, folder, mirror())


def configured(suite: str, folder: Path, address: str) -> Archive:
    """Write apt's configuration for a suite, and fetch nothing."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    # No package counts as installed.
    (folder / "state/status").touch()
    (folder / "etc/sources.list").write_text(
        f"deb [arch={ARCHITECTURE} signed-by={KEYRING}] {address} {suite} main\n"
    )
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state/status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "etc/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Architecture": ARCHITECTURE,
        "APT::Architectures": ARCHITECTURE,
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
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
    return Archive(suite=suite, folder=folder, configuration=configuration)


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
        # "linux-base:any (>= 4)"
        depends=tuple(
            word.split()[0].partition(":")[0] for word in words if word.strip()
        ),
    )


def _environment(configuration: Path | None) -> dict[str, str]:
    # In English, for those who read the words in a log.
    environment = {**os.environ, "LC_ALL": "C"}
    if configuration is not None:
        environment["APT_CONFIG"] = str(configuration)
    return environment


def _run(
    argv: list[str],
    configuration: Path | None,
    *,
    timeout: float = _QUERY_TIMEOUT,
    tolerate: bool = False,
    hint: str = "check that the mirror is reachable",
) -> str:
    done = programs.run(
        argv,
        timeout=timeout,
        error=ArtifactError,
        hint="run on Debian, or in a Debian container",
        slow_hint=hint,
        env=_environment(configuration),
    )
    if done.returncode != 0 and not tolerate:
        raise ArtifactError(f"{argv[0]} failed: {_words(done.stderr)}", hint=hint)
    return done.stdout


def _download(
    argv: list[str],
    configuration: Path,
    folder: Path,
    advance: Callable[[float], None],
) -> None:
    with subprocess.Popen(
        argv,
        cwd=folder,
        env=_environment(configuration),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
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
        raise ArtifactError(f"apt-get download failed: {_words(errors)}")


def _words(errors: str) -> str:
    """Return what apt complains of: its E: lines, or all of it."""
    lines = [line for line in errors.splitlines() if line.startswith("E:")]
    return " ".join(lines) or errors.strip() or "it printed nothing"
