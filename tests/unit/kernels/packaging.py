"""Real Debian packages, and a signed archive of them, made in a test's folder."""

import gzip
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from debian.deb822 import Deb822

from tests.unit.kernels.server import Server


def make_package(
    folder: Path,
    name: str,
    files: Mapping[str, bytes],
    *,
    version: str = "1",
    depends: str = "",
    compression: str = "xz",
    architecture: str = "amd64",
    suffix: str = "deb",
    links: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Make a .deb that holds files, by dpkg-deb, and return its path.

    `links` are symbolic links, by their paths, with what they lead to.
    """
    tree = folder / f"{name}-{version}-{architecture}-tree"
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    for path, target in links.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).symlink_to(target)
    control = tree / "DEBIAN/control"
    control.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"Package: {name}",
        f"Version: {version}",
        f"Architecture: {architecture}",
        "Maintainer: Nobody <nobody@example.org>",
        "Description: made by a test",
    ]
    control.write_text("\n".join([*lines, *([f"Depends: {depends}"] * bool(depends))]))
    with control.open("a") as stream:
        stream.write("\n")
    made = folder / f"{name}_{version}_{architecture}.{suffix}"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", tree, made],
        check=True,
        capture_output=True,
        # The same bytes whenever it is made.
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
    )
    return made


# A day before the end of a key that expired.
_THEN = ("--faked-system-time", "20200601T000000")


@dataclass(frozen=True, kw_only=True)
class Signer:
    """An OpenPGP key in a GNUPGHOME of its own."""

    home: Path
    # Its public half, as apt takes it.
    keyring: Path
    # Whether it expired long ago; it still signs, as of a day before.
    expired: bool = False

    def sign(self, release: Path) -> None:
        """Write InRelease beside a Release file."""
        then = _THEN if self.expired else ()
        signed = release.parent / "InRelease"
        _gpg(self.home, *then, "--clearsign", "--output", signed, release)

    def armored(self) -> bytes:
        """Return its public half as text."""
        return _gpg(self.home, "--armor", "--export")


def make_signer(folder: Path, *, expired: bool = False) -> Signer:
    """Make a key that is good for a test. `folder` must have a short path."""
    folder.mkdir(mode=0o700)
    user = "test@example.org"
    made = ("--faked-system-time", "20200101T000000") if expired else ()
    lasts = "1y" if expired else "never"
    _gpg(folder, *made, "--quick-generate-key", user, "ed25519", "sign", lasts)
    keyring = folder / "public.gpg"
    keyring.write_bytes(_gpg(folder, "--export", user))
    # gpg starts an agent, which would outlive the test.
    subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True)
    return Signer(home=folder, keyring=keyring, expired=expired)


def _gpg(home: Path, *arguments: str | Path) -> bytes:
    options = ["--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
    done = subprocess.run(
        ["gpg", "--homedir", home, *options, *arguments],
        check=True,
        capture_output=True,
    )
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Repository:
    """An archive in a folder, of one component."""

    root: Path

    @property
    def address(self) -> str:
        """Where apt finds it. Copied, as from a network."""
        return f"copy:{self.root}"

    def serve(self, server: Server, path: str) -> None:
        """Serve what is in the folder now, and nothing else of this archive."""
        for known in [it for it in server.answers if it.startswith(f"{path}/")]:
            del server.answers[known]
        for file in self.root.rglob("*"):
            if file.is_file():
                server.put(f"{path}/{file.relative_to(self.root)}", file.read_bytes())

    def publish(
        self,
        suite: str,
        packages: Sequence[Path],
        signer: Signer | None,
        *,
        origin: str = "Debian",
        architectures: Sequence[str] = ("amd64",),
        alias: str = "",
        more: Sequence[str] = (),
    ) -> None:
        """Write a suite's indices, by dpkg-scanpackages, and sign them.

        `alias` is what its Release file calls it for now ("oldstable"); `more` are
        lines of that file.
        """
        pool = self.root / "pool"
        pool.mkdir(parents=True, exist_ok=True)
        for package in packages:
            shutil.copy(package, pool)
        folder = self.root / "dists" / suite
        sums = "".join(
            f" {hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size} "
            f"{path.relative_to(folder)}\n"
            for architecture in architectures
            for path in self._index(folder, architecture, packages)
        )
        release = folder / "Release"
        release.write_text(
            f"Origin: {origin}\nSuite: {alias or suite}\nCodename: {suite}\n"
            "Date: Thu, 01 Jan 2026 00:00:00 UTC\n"
            f"Architectures: {' '.join(architectures)}\n"
            + "".join(f"{line}\n" for line in more)
            + f"Components: main\nSHA256:\n{sums}"
        )
        (folder / "InRelease").unlink(missing_ok=True)
        if signer is not None:
            signer.sign(release)

    def _index(
        self, folder: Path, architecture: str, packages: Sequence[Path]
    ) -> tuple[Path, Path]:
        """List packages of the pool; return the index, plain and packed."""
        scan = ("dpkg-scanpackages", "--multiversion", "--arch", architecture)
        said = "\n\n".join(
            subprocess.run(
                [*scan, "--type", suffix, "pool"],
                cwd=self.root,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            for suffix in {package.suffix[1:] for package in packages}
        )
        names = {f"pool/{package.name}" for package in packages}
        blocks = said.split("\n\n")
        mine = [it for it in blocks if Deb822(it).get("Filename") in names]
        index = "".join(f"{it.strip()}\n\n" for it in mine).encode()
        binary = folder / f"main/binary-{architecture}"
        binary.mkdir(parents=True, exist_ok=True)
        (binary / "Packages").write_bytes(index)
        (binary / "Packages.gz").write_bytes(gzip.compress(index))
        return binary / "Packages", binary / "Packages.gz"


def machine_configuration(folder: Path, sources: str) -> Path:
    """Write the apt.conf of a machine whose sources are these; return its path."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc"):
        (folder / name).mkdir(parents=True)
    (folder / "state/status").touch()
    (folder / "etc/sources.list").write_text(sources)
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state/status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "etc/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    path = folder / "machine.conf"
    path.write_text("".join(f'{name} "{it}";\n' for name, it in settings.items()))
    subprocess.run(
        ["apt-get", "-q", "update"],
        env={**os.environ, "APT_CONFIG": str(path)},
        check=True,
        capture_output=True,
    )
    return path
