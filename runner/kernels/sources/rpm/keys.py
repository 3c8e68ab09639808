"""Which keys a source trusts, and whether they signed metadata and packages.

gpg says which keys there are and which expired, rpmkeys checks packages.
"""

import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from runner.errors import ArtifactError
from runner.kernels.sources import packages
from runner.kernels.sources.rpm import tools
from runner.process import programs

_NEW_KEY = "get the vendor's current key for the key gpgkey of the row"

# "Header V4 RSA/SHA512 Signature, key ID d60cdc3b: NOKEY"; RPM 6 says "fingerprint:".
_SIGNATURE = re.compile(r"signature, key (?:ID|fingerprint:) ([0-9a-f]+): (\w+)", re.I)
_DIGEST = re.compile(r"^\s*(.*digest): (?!OK|NOTFOUND)(\w+)", re.M)
# What gpg says of a signature, besides GOODSIG. Source: doc/DETAILS of GnuPG.
_REFUSALS = {
    "BADSIG": "does not match the file: somebody changed one of them",
    "EXPKEYSIG": "was made by a key that expired",
    "REVKEYSIG": "was made by a key that was revoked",
    "EXPSIG": "expired",
    "ERRSIG": "was made by a key that the row does not trust",
    "NODATA": "is not an OpenPGP signature",
}
_VALIDITIES = {
    "e": "expired",
    "r": "was revoked",
    "i": "is not valid",
    "d": "is disabled",
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """An OpenPGP key."""

    # Of the primary key, in upper case.
    fingerprint: str
    # Fingerprints of the primary key and of its subkeys.
    parts: tuple[str, ...]
    # Why it can't be trusted any more; empty if it can.
    problem: str

    def has(self, key_id: str) -> bool:
        """Whether a key ID, long or short, is one of its parts."""
        return any(part.endswith(key_id.upper()) for part in self.parts)


class Keyring:
    """The keys that a source trusts, in a folder that only this process uses."""

    def __init__(self, keys: Sequence[Key], folder: Path, origin: str) -> None:
        self._keys = keys
        self._folder = folder
        self._origin = origin

    def check_file(self, signature: bytes, data: bytes, url: str) -> None:
        """Refuse a file that no trusted key signed. Raises ArtifactError."""
        paths = (self._folder / "signature", self._folder / "signed")
        for path, content in zip(paths, (signature, data), strict=True):
            path.write_bytes(content)
        said = tools.gpg(
            self._folder, "--status-fd", "1", "--verify", *map(str, paths)
        ).stdout
        trusted = {key.fingerprint for key in self._keys}
        # Of several signatures one is enough: vendors sign with the old and a new key.
        # One that does not match the file is never right.
        signatures = list(_signatures(said))
        good = any(_is_good(it, trusted) for it in signatures)
        words = [line for it in signatures for line in it]
        bad = [line for line in words if line[0] in _REFUSALS]
        if good and not any(line[0] == "BADSIG" for line in bad):
            return
        raise self._refused(bad[0] if bad else ["ERRSIG"], url)

    def _refused(self, words: Sequence[str], url: str) -> ArtifactError:
        key = f" (key {words[1]})" if len(words) > 1 and len(words[1]) >= 8 else ""
        return ArtifactError(
            f"the signature of {url} {_REFUSALS[words[0]]}{key}",
            hint=f"the trusted keys are {self._shown}; {_NEW_KEY}"
            if words[0] != "BADSIG"
            else "try again later: the repository may be amid an update",
        )

    def check_package(self, package: Path, name: str) -> None:
        """Refuse a package that is damaged, or that no trusted key signed.

        Raises ArtifactError.
        """
        _refuse_others(package, name)
        done = tools.rpmkeys(
            *("--define", "_pkgverify_level all", "-Kv", str(package)),
            folder=self._database(),
        )
        signatures = _SIGNATURE.findall(done.stdout)
        _refuse_damaged(done, name)
        if not signatures:
            raise ArtifactError(
                f"{name} is not signed",
                hint="gpgcheck: false accepts packages that nobody signed",
            )
        for key_id, verdict in signatures:
            if verdict == "BAD":
                raise ArtifactError(
                    f"{name} has a wrong signature: somebody changed it",
                    hint="don't use this repository; compare it with the vendor's",
                )
            if verdict != "OK":
                raise self._unknown(name, key_id)
        if done.returncode != 0:
            raise ArtifactError(
                f"{name} is refused by rpmkeys: {programs.words_of(done)}"
            )

    def _unknown(self, name: str, key_id: str) -> ArtifactError:
        known = next((key for key in self._keys if key.has(key_id)), None)
        if known is not None and known.problem:
            return ArtifactError(
                f"{name} is signed by the key {known.fingerprint}, which "
                f"{known.problem}",
                hint=_NEW_KEY,
            )
        return ArtifactError(
            f"{name} is signed by the key {key_id}, which the row does not trust",
            hint=f"the trusted keys are {self._shown}; {_NEW_KEY}",
        )

    @property
    def _shown(self) -> str:
        return f"{', '.join(key.fingerprint for key in self._keys)} of {self._origin}"

    def _database(self) -> Path:
        """Return RPM's database of the keys that are good now."""
        database = self._folder / "rpm"
        if database.exists():
            return database
        database.mkdir()
        for key in self._keys:
            if key.problem:
                continue
            path = self._folder / f"{key.fingerprint}.asc"
            exported = tools.gpg(self._folder, "--armor", "--export", key.fingerprint)
            path.write_text(exported.stdout)
            done = tools.rpmkeys("--import", str(path), folder=database)
            if done.returncode != 0:
                raise ArtifactError(
                    f"RPM can't use the key {key.fingerprint} of {self._origin}: "
                    f"{programs.words_of(done)}"
                )
        return database


def _signatures(said: str) -> Iterator[list[list[str]]]:
    """Yield what gpg says of each signature of a file, line by line, in words."""
    for block in re.split(r"^\[GNUPG:\] NEWSIG.*\n", said, flags=re.M):
        lines = (line.split()[1:] for line in block.splitlines())
        yield [words for words in lines if words]


def _is_good(lines: Sequence[Sequence[str]], trusted: Collection[str]) -> bool:
    # The last word of VALIDSIG is the primary key's fingerprint.
    valid = {words[-1] for words in lines if words[0] == "VALIDSIG"}
    return any(words[0] == "GOODSIG" for words in lines) and bool(
        valid.intersection(trusted)
    )


def keyring(
    files: Mapping[str, bytes], fingerprints: Sequence[str], folder: Path
) -> Keyring:
    """Return the keys of files, by their names, that have one of the fingerprints.

    Without fingerprints all keys are trusted. `folder` is empty, and this keyring's
    alone. Raises ArtifactError for files without a key, and where no key is good.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    origin = ", ".join(files)
    for content in files.values():
        path = folder / "keys"
        path.write_bytes(content)
        tools.gpg(folder, "--import", str(path))
    found = list(_listed(tools.gpg(folder, "--with-colons", "--list-keys").stdout))
    if not found:
        raise ArtifactError(
            f"{origin} contains no OpenPGP key",
            hint="the key gpgkey must name the vendor's public key",
        )
    trusted = [it for it in found if not fingerprints or it.fingerprint in fingerprints]
    if not trusted:
        there = ", ".join(key.fingerprint for key in found)
        raise ArtifactError(
            f"{origin} has not the key {' or '.join(fingerprints)}",
            hint=f"it has {there}; compare it with what the vendor publishes",
        )
    if all(key.problem for key in trusted):
        told = "; ".join(f"the key {it.fingerprint} {it.problem}" for it in trusted)
        raise ArtifactError(f"{origin}: {told}", hint=_NEW_KEY)
    return Keyring(trusted, folder, origin)


def check_digests(package: Path, name: str, folder: Path) -> None:
    """Refuse a package that is damaged, whoever made it. Raises ArtifactError."""
    _refuse_others(package, name)
    folder.mkdir(exist_ok=True)
    done = tools.rpmkeys("-Kv", "--nosignature", str(package), folder=folder)
    _refuse_damaged(done, name)
    if done.returncode != 0:
        raise ArtifactError(f"{name} is refused by rpmkeys: {programs.words_of(done)}")


def _refuse_others(package: Path, name: str) -> None:
    if not packages.is_rpm(package):
        raise ArtifactError(
            f"{name} is not an RPM package",
            hint="check the address; a repository may have moved",
        )


def _refuse_damaged(done: CompletedProcess[str], name: str) -> None:
    wrong = _DIGEST.findall(done.stdout)
    if wrong:
        raise ArtifactError(
            f"{name} is damaged or truncated: its {wrong[0][0]} is wrong",
            hint="the repository's file is damaged; use another mirror or version",
        )


def _listed(text: str) -> Iterable[Key]:
    """Yield the keys of gpg's list. Source of its columns: doc/DETAILS of GnuPG."""
    blocks: list[list[list[str]]] = []
    for line in text.splitlines():
        columns = line.split(":")
        if columns[0] == "pub":
            blocks.append([])
        if blocks:
            blocks[-1].append(columns)
    for block in blocks:
        parts = tuple(row[9].upper() for row in block if row[0] == "fpr")
        yield Key(fingerprint=parts[0], parts=parts, problem=_problem(block[0]))


def _problem(columns: Sequence[str]) -> str:
    validity, expires = columns[1], columns[6]
    words = _VALIDITIES.get(validity, "")
    if validity == "e" and expires.isdecimal():
        day = time.strftime("%Y-%m-%d", time.gmtime(int(expires)))
        return f"{words} on {day}"
    return words
