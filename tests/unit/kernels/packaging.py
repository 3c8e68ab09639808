"""Real Debian packages, and a signed archive of them, made in a test's folder."""

import gzip
import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822


def make_package(
    folder: Path,
    name: str,
    files: Mapping[str, bytes],
    *,
    version: str = "1",
    depends: str = "",
    compression: str = "xz",
) -> Path:
    """Make a .deb that holds files, by dpkg-deb, and return its path."""
    tree = folder / f"{name}-tree"
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    control = tree / "DEBIAN/control"
    control.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"Package: {name}",
        f"Version: {version}",
        "Architecture: amd64",
        "Maintainer: Nobody <nobody@example.org>",
        "Description: made by a test",
    ]
    control.write_text("\n".join([*lines, *([f"Depends: {depends}"] * bool(depends))]))
    with control.open("a") as stream:
        stream.write("\n")
    made = folder / f"{name}_{version}_amd64.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", tree, made],
        check=True,
        capture_output=True,
    )
    return made


@dataclass(frozen=True, kw_only=True)
class Signer:
    """An OpenPGP key in a GNUPGHOME of its own."""

    home: Path
    # Its public half, as apt takes it.
    keyring: Path

    def sign(self, release: Path) -> None:
        """Write InRelease beside a Release file."""
        self._gpg("--clearsign", "--output", release.parent / "InRelease", release)

    def _gpg(self, *arguments: str | Path) -> bytes:
        return _gpg(self.home, *arguments)


def make_signer(folder: Path) -> Signer:
    """Make a key that is good for a test. `folder` must have a short path."""
    folder.mkdir(mode=0o700)
    user = "test@example.org"
    _gpg(folder, "--quick-generate-key", user, "ed25519", "sign", "never")
    keyring = folder / "public.gpg"
    keyring.write_bytes(_gpg(folder, "--export", user))
    # gpg starts an agent, which would outlive the test.
    subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True)
    return Signer(home=folder, keyring=keyring)


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
    """An archive in a folder, of one component for amd64."""

    root: Path

    @property
    def address(self) -> str:
        """Where apt finds it. Copied, as from a network."""
        return f"copy:{self.root}"

    def publish(
        self,
        suite: str,
        packages: Sequence[Path],
        signer: Signer | None,
        *,
        origin: str = "Debian",
    ) -> None:
        """Write a suite's indices, and sign them."""
        pool = self.root / "pool"
        pool.mkdir(parents=True, exist_ok=True)
        blocks = []
        for package in packages:
            data = package.read_bytes()
            (pool / package.name).write_bytes(data)
            said = subprocess.run(
                ["dpkg-deb", "--field", package], check=True, capture_output=True
            )
            block = Deb822(said.stdout.decode())
            block["Filename"] = f"pool/{package.name}"
            block["Size"] = str(len(data))
            block["SHA256"] = hashlib.sha256(data).hexdigest()
            blocks.append(block.dump())
        index = "\n".join(blocks).encode()
        folder = self.root / "dists" / suite
        binary = folder / "main/binary-amd64"
        binary.mkdir(parents=True, exist_ok=True)
        (binary / "Packages").write_bytes(index)
        (binary / "Packages.gz").write_bytes(gzip.compress(index))
        sums = "".join(
            f" {hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size} "
            f"{path.relative_to(folder)}\n"
            for path in (binary / "Packages", binary / "Packages.gz")
        )
        release = folder / "Release"
        release.write_text(
            f"Origin: {origin}\nSuite: {suite}\nCodename: {suite}\n"
            "Date: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64\n"
            f"Components: main\nSHA256:\n{sums}"
        )
        (folder / "InRelease").unlink(missing_ok=True)
        if signer is not None:
            signer.sign(release)


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
