"""Which signatures of several keys count."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.kernels.sources.rpm import keys
from runner.kernels.sources.rpm.keys import Keyring
from tests.unit.kernels.rpm import kernels
from tests.unit.kernels.rpm.conftest import Maker
from tests.unit.kernels.rpm.made import RpmSigner

CONTENT = b"<repomd/>"
URL = "http://127.0.0.1/repodata/repomd.xml"


@pytest.fixture
def files(
    vendor: RpmSigner, impostor: RpmSigner, expired: RpmSigner
) -> Mapping[str, bytes]:
    """A file that has all keys."""
    return {"KEYS": vendor.public + impostor.public + expired.public}


def of(files: Mapping[str, bytes], folder: Path, *trusted: RpmSigner) -> Keyring:
    fingerprints: Sequence[str] = [it.fingerprint for it in trusted]
    return keys.keyring(files, fingerprints, folder / "keys")


def signatures(*signers: RpmSigner, content: bytes = CONTENT) -> bytes:
    return b"".join(it.signature(content, armored=False) for it in signers)


def test_all_keys_of_a_file_are_trusted_without_fingerprints(
    files: Mapping[str, bytes], tmp_path: Path, vendor: RpmSigner, impostor: RpmSigner
) -> None:
    ring = of(files, tmp_path)

    for signer in (vendor, impostor):
        ring.check_file(signer.signature(CONTENT), CONTENT, URL)


def test_fingerprint_leaves_the_other_keys_of_a_file_untrusted(
    files: Mapping[str, bytes],
    tmp_path: Path,
    vendor: RpmSigner,
    impostor: RpmSigner,
    make: Maker,
) -> None:
    ring = of(files, tmp_path, vendor)
    package = make(kernels.plain("4.14.355", "1.amzn2", "gzip"), impostor)

    with pytest.raises(ArtifactError, match="which the row does not trust"):
        ring.check_package(package, "kernel")
    with pytest.raises(ArtifactError, match="by a key that the row does not trust"):
        ring.check_file(impostor.signature(CONTENT), CONTENT, URL)


def test_one_good_signature_of_several_is_enough(
    files: Mapping[str, bytes],
    tmp_path: Path,
    vendor: RpmSigner,
    impostor: RpmSigner,
    expired: RpmSigner,
) -> None:
    ring = of(files, tmp_path, vendor)

    ring.check_file(signatures(expired, vendor), CONTENT, URL)
    ring.check_file(signatures(impostor, vendor), CONTENT, URL)


def test_good_signature_of_one_key_does_not_help_another(
    files: Mapping[str, bytes],
    tmp_path: Path,
    impostor: RpmSigner,
    expired: RpmSigner,
    vendor: RpmSigner,
) -> None:
    # The trusted one expired, and what is good is not trusted.
    ring = of(files, tmp_path, expired, vendor)

    with pytest.raises(ArtifactError, match="by a key that expired"):
        ring.check_file(signatures(impostor, expired), CONTENT, URL)


def test_signature_of_another_file_is_refused_beside_a_good_one(
    files: Mapping[str, bytes], tmp_path: Path, vendor: RpmSigner, impostor: RpmSigner
) -> None:
    ring = of(files, tmp_path, vendor)
    other = signatures(impostor, content=b"other")

    with pytest.raises(ArtifactError, match="does not match the file"):
        ring.check_file(other + signatures(vendor), CONTENT, URL)


def test_neither_the_keyring_nor_the_macros_of_a_user_count(
    vendor: RpmSigner,
    impostor: RpmSigner,
    make: Maker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".rpmmacros").write_text("%_pkgverify_level none\n%_dbpath /nowhere\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GNUPGHOME", str(impostor.home))
    ring = of({"KEY": vendor.public}, tmp_path)
    spec = kernels.plain("4.14.355", "1.amzn2", "gzip")

    with pytest.raises(ArtifactError, match="is not signed"):
        ring.check_package(make(spec), "kernel")
    with pytest.raises(ArtifactError, match="does not trust"):
        ring.check_file(impostor.signature(CONTENT), CONTENT, URL)
    ring.check_package(make(spec, vendor), "kernel")
