"""Real RPM packages and repositories: made by rpmbuild, rpmsign, createrepo_c, gpg."""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from tests.unit.kernels.server import Server

_GPG = ("--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", "")
# How gpg is told to sign as of another day.
_FAKED = "--faked-system-time"


@dataclass(frozen=True, kw_only=True)
class RpmSigner:
    """An OpenPGP key of a vendor, in a GNUPGHOME of its own."""

    home: Path
    fingerprint: str
    # Its public half, as vendors publish it.
    public: bytes
    # Whether it expired long ago; it still signs, as of a day before.
    expired: bool

    def sign_package(self, package: Path) -> None:
        """Sign a package in its place, as vendors do."""
        options = f"{_FAKED} 20200601T000000" if self.expired else "%{nil}"
        subprocess.run(
            [
                *("rpmsign", "--addsign", "--define", f"_gpg_name {self.fingerprint}"),
                *("--define", "__gpg /usr/bin/gpg"),
                *("--define", f"_gpg_sign_cmd_extra_args {options}", package),
            ],
            env={**os.environ, "GNUPGHOME": str(self.home)},
            check=True,
            capture_output=True,
        )

    def signature(self, content: bytes, *, armored: bool = True) -> bytes:
        """Return a signature of a file's content."""
        options = [_FAKED, "20200601T000000"] if self.expired else []
        return _gpg(
            self.home,
            *options,
            *(["--armor"] if armored else []),
            "--detach-sign",
            "--output",
            "-",
            "-",
            content=content,
        )


def end_agent(home: Path) -> None:
    """End the agent that gpg started, which would outlive the tests."""
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


def make_rpm_signer(home: Path, *, expired: bool = False) -> RpmSigner:
    """Make a key as vendors have them: RSA. `home` must have a short path."""
    home.mkdir(mode=0o700)
    user = "vendor@example.org"
    faked = [_FAKED, "20200101T000000"] if expired else []
    lasts = "1y" if expired else "never"
    _gpg(home, *faked, "--quick-generate-key", user, "rsa2048", "sign", lasts)
    listed = _gpg(home, "--with-colons", "--list-keys").decode()
    found = re.search(r"^fpr:+([0-9A-F]+):", listed, re.M)
    assert found is not None
    public = _gpg(home, "--armor", "--export", user)
    return RpmSigner(home=home, fingerprint=found[1], public=public, expired=expired)


def _gpg(home: Path, *arguments: str, content: bytes = b"") -> bytes:
    done = subprocess.run(
        ["gpg", "--homedir", home, *_GPG, *arguments],
        check=True,
        capture_output=True,
        input=content,
    )
    return done.stdout


# Names of RPM's macros for what compresses a payload.
PAYLOADS = {"gzip": "w6.gzdio", "xz": "w2.xzdio", "zstd": "w3.zstdio"}


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A package that is to be made."""

    name: str
    version: str = "5.14.0"
    release: str = "1.el9"
    epoch: int = 0
    arch: str = "x86_64"
    files: Mapping[str, bytes] = field(default_factory=dict)
    # By path: where a symbolic link leads to.
    links: Mapping[str, str] = field(default_factory=dict)
    # Files that the package owns and does not hold.
    ghosts: Sequence[str] = ()
    requires: Sequence[str] = ()
    provides: Sequence[str] = ()
    payload: str = "zstd"

    @property
    def uname(self) -> str:
        """The release of its kernel, as vendors write it."""
        return f"{self.version}-{self.release}.{self.arch}"

    @property
    def nevra(self) -> str:
        """Its name, version and architecture."""
        return f"{self.name}-{self.uname}"

    @property
    def text(self) -> str:
        """The spec file."""
        owned = [*self.files, *self.links]
        lines = [
            f"Name: {self.name}",
            f"Version: {self.version}",
            f"Release: {self.release}",
            *([f"Epoch: {self.epoch}"] if self.epoch else []),
            "Summary: a kernel of a test",
            "License: GPL-2.0-only",
            "AutoReqProv: no",
            *(f"Requires: {it}" for it in self.requires),
            *(f"Provides: {it}" for it in self.provides),
            "%description",
            "Made by a test.",
            "%install",
            "mkdir -p %{buildroot}",
            "cp -a %{tree}/. %{buildroot}/",
            "%files",
            *(f'"/{path}"' for path in owned),
            *(f'%ghost "/{path}"' for path in self.ghosts),
        ]
        return "\n".join(lines) + "\n"


def make_rpm(folder: Path, spec: Spec) -> Path:
    """Make a package by rpmbuild and return its path."""
    folder = folder / f"{spec.name}-{spec.version}-{spec.release}-{spec.arch}"
    tree = folder / "tree"
    for path, content in spec.files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    for path, target in spec.links.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).symlink_to(target)
    for path in spec.ghosts:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(b"a ghost")
    tree.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.spec").write_text(spec.text)
    settings = {
        "_topdir": folder / "top",
        "tree": tree,
        "_binary_payload": PAYLOADS[spec.payload],
        "_build_id_links": "none",
        # Debian's helpers would strip files and compress them again.
        "__os_install_post": "%{nil}",
        "debug_package": "%{nil}",
    }
    defined = [it for key in settings for it in ("--define", f"{key} {settings[key]}")]
    done = subprocess.run(
        ["rpmbuild", "-bb", "--target", spec.arch, *defined, folder / "kernel.spec"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (made,) = (folder / "top/RPMS").rglob("*.rpm")
    return made


@dataclass(frozen=True, kw_only=True)
class RpmRepository:
    """A repository in a folder, which a server of the test's shows."""

    root: Path
    server: Server
    path: str = "/repo"

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.server.url}{self.path}"

    def publish(
        self,
        *packages: Path,
        signer: RpmSigner | None = None,
        compression: str = "gz",
        checksum: str = "sha256",
    ) -> None:
        """Write the metadata of packages, sign it, and serve it all."""
        shutil.rmtree(self.root, ignore_errors=True)
        (self.root / "Packages").mkdir(parents=True)
        for package in packages:
            shutil.copy(package, self.root / "Packages")
        known = "xz" if compression == "xz" else "gz"
        subprocess.run(
            [
                *("createrepo_c", "--quiet", "--no-database"),
                *("--checksum", checksum, "--general-compress-type", known),
                self.root,
            ],
            check=True,
            capture_output=True,
        )
        if compression not in ("xz", "gz"):
            self._pack_again(compression)
        if signer is not None:
            repomd = self.root / "repodata/repomd.xml"
            signature = signer.signature(repomd.read_bytes())
            (self.root / "repodata/repomd.xml.asc").write_bytes(signature)
            (self.root / "repodata/repomd.xml.key").write_bytes(signer.public)
        self.serve()

    def serve(self) -> None:
        """Serve what is in the folder now, and nothing else of the repository."""
        known = [it for it in self.server.answers if it.startswith(f"{self.path}/")]
        for path in known:
            del self.server.answers[path]
        for file in self.root.rglob("*"):
            if file.is_file():
                name = file.relative_to(self.root)
                self.server.put(f"{self.path}/{name}", file.read_bytes())

    def file(self, pattern: str) -> Path:
        """Return the only file that a pattern matches."""
        (found,) = self.root.glob(pattern)
        return found

    def edit_repomd(self, old: str, new: str) -> None:
        """Change repomd.xml, and leave all else."""
        repomd = self.root / "repodata/repomd.xml"
        text = repomd.read_text()
        assert re.search(old, text)
        repomd.write_text(re.sub(old, new, text, count=1))
        self.serve()

    def primary(self) -> bytes:
        """Return primary.xml, unpacked by gzip."""
        return gzip.decompress(self.file("repodata/*primary.xml.gz").read_bytes())

    def replace_primary(self, content: bytes, name: str = "primary.xml") -> None:
        """Put another primary.xml, as it is, into a repository that holds together."""
        self.file("repodata/*primary.xml*").unlink()
        (self.root / "repodata" / name).write_bytes(content)
        (self.root / "repodata/repomd.xml").write_text(
            '<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary">'
            f'<checksum type="sha256">{hashlib.sha256(content).hexdigest()}</checksum>'
            f'<location href="repodata/{name}"/><size>{len(content)}</size>'
            "</data></repomd>"
        )
        self.serve()

    def _pack_again(self, compression: str) -> None:
        """Pack primary.xml by what Debian 12's createrepo_c can't."""
        packed = self.file("repodata/*primary.xml.gz")
        content = subprocess.run(
            ["gzip", "-dc", packed], check=True, capture_output=True
        ).stdout
        match compression:
            case "zst":
                content, suffix = zstandard.ZstdCompressor().compress(content), ".zst"
            case "none":
                suffix = ""
        packed.unlink()
        packed.with_suffix(suffix).write_bytes(content)
        repomd = self.root / "repodata/repomd.xml"
        text = repomd.read_text()
        start = text.index('<data type="primary">')
        end = text.index("</data>", start)
        block = text[start:end]
        block = re.sub(
            r'(<checksum type="sha256">)\w+',
            rf"\g<1>{hashlib.sha256(content).hexdigest()}",
            block,
        )
        block = re.sub(r"<size>\d+", f"<size>{len(content)}", block)
        block = block.replace(packed.name, packed.with_suffix(suffix).name)
        repomd.write_text(text[:start] + block + text[end:])
