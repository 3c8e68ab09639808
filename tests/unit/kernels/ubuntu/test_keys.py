"""Ubuntu's keys where the row names none: installed, or out of Debian's package."""

from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.sources import ubuntukeys
from runner.matrix.matrix import Kernel
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.packaging import Signer
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.ubuntu.conftest import UbuntuArchive
from tests.unit.kernels.ubuntu.kernels import GENERIC


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this machine has keys: nowhere, so far."""
    folder = tmp_path / "keyrings"
    folder.mkdir()
    monkeypatch.setattr(ubuntukeys, "INSTALLED", folder)
    return folder


def package(suite: Suite, installed: Path, **keys: bytes) -> Path:
    """Make Debian's package of Ubuntu's keys."""
    folder = str(installed).removeprefix("/")
    files = {f"{folder}/ubuntu-{name}-keyring.gpg": it for name, it in keys.items()}
    return suite.package("ubuntu-keyring", files, version="2023.11.28.1-0.2")


def obtained(archive: UbuntuArchive, cache: Cache) -> str:
    """Return the release of a row's kernel that names no key file."""
    kernel = Kernel(id="x", source=archive.row(keyring=None), btf="kernel")
    return fetch.obtain(kernel, cache, Silent()).release


def test_installed_keys_are_used(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path, installed: Path
) -> None:
    archive.publish(*GENERIC.make(tmp_path))
    keys = archive.signer.keyring.read_bytes()
    (installed / "ubuntu-archive-keyring.gpg").write_bytes(keys)

    assert obtained(archive, cache) == GENERIC.release
    assert not (cache.root / "keys").exists()


def test_keys_come_from_debians_package_once(
    suite: Suite,
    stranger: Signer,
    archive: UbuntuArchive,
    cache: Cache,
    tmp_path: Path,
    installed: Path,
) -> None:
    # Ubuntu's key is another one than Debian's.
    keys = stranger.keyring.read_bytes()
    suite.publish(package(suite, installed, archive=keys, dbgsym=keys), name="trixie")
    archive.publish(*GENERIC.make(tmp_path), signer=stranger)

    assert obtained(archive, cache) == GENERIC.release

    suite.repository.root.rename(tmp_path / "no mirror")
    assert ubuntukeys.find("ubuntu-dbgsym-keyring.gpg", cache).read_bytes() == keys


def test_keys_that_somebody_else_signed_are_not_used(
    suite: Suite, stranger: Signer, cache: Cache, installed: Path
) -> None:
    made = package(suite, installed, archive=b"x", dbgsym=b"x")
    suite.repository.publish("trixie", [made], stranger)

    with pytest.raises(ArtifactError, match="which is not among the keys of"):
        ubuntukeys.find(ubuntukeys.ARCHIVE_KEYS, cache)


@pytest.mark.parametrize("there", [False, True])
def test_machine_without_any_keys_is_told_what_to_install(
    there: bool, suite: Suite, cache: Cache, installed: Path
) -> None:
    if there:
        # A package that is not as it was.
        suite.publish(package(suite, installed, archive=b"x"), name="trixie")

    with pytest.raises(ArtifactError) as it:
        ubuntukeys.find(ubuntukeys.ARCHIVE_KEYS, cache)

    said = "does not contain ubuntu-dbgsym" if there else "has no suite trixie"
    assert said in it.value.message
    assert "ubuntu-archive-keyring.gpg is missing" in it.value.message
    assert "install the package ubuntu-keyring" in it.value.hint
    assert "the key keyring" in it.value.hint
