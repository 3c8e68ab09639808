"""What is wrong with an archive is said, and never gets into the cache."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import ArtifactError, ExitStatus, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.matrix.matrix import Kernel, UbuntuSource
from tests.unit.kernels.packaging import Signer, make_package
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.ubuntu.conftest import UbuntuArchive
from tests.unit.kernels.ubuntu.kernels import GENERIC

# Refuses a source: returns the message and the hint.
Refused = Callable[[UbuntuSource], str]
OVER = ["Valid-Until: Thu, 08 Jan 2026 00:00:00 UTC"]


@pytest.fixture
def refused(cache: Cache) -> Refused:
    """What is said of a source; no kernel of it may be left in the cache."""

    def tried(source: UbuntuSource) -> str:
        kernel = Kernel(id="x", source=source, btf="kernel")
        with pytest.raises(ArtifactError) as it:
            fetch.obtain(kernel, cache, Silent())
        assert it.value.exit_status == ExitStatus.INFRASTRUCTURE
        assert it.value.hint
        assert fetch.cached(kernel, cache) is None
        assert list(cache.root.rglob("manifest.json")) == []
        left = cache.root / "temporary"
        assert not left.exists() or list(left.iterdir()) == []
        return str(it.value)

    return tried


@pytest.fixture
def made(tmp_path: Path) -> list[Path]:
    return GENERIC.make(tmp_path)


def without(made: list[Path], name: str) -> list[Path]:
    return [path for path in made if not path.name.startswith(f"{name}_")]


def replace_in_pool(archive: UbuntuArchive, name: str, content: bytes | None) -> None:
    """Change a file behind its index, or remove it."""
    (path,) = (archive.repository.root / "pool").glob(f"{name}_*")
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    archive.serve()


# ----------------------------------------------------------------------- signatures


def test_index_of_another_signer_is_refused(
    archive: UbuntuArchive, made: list[Path], stranger: Signer, refused: Refused
) -> None:
    archive.publish(*made, signer=stranger)

    said = refused(archive.row())

    assert f"{archive.address}: jammy is signed by the key " in said
    assert f"which is not among the keys of {archive.signer.keyring}" in said


def test_index_signed_by_a_key_that_expired_is_refused(
    archive: UbuntuArchive, made: list[Path], expired: Signer, refused: Refused
) -> None:
    archive.publish(*made, signer=expired)

    said = refused(archive.row(keyring=expired.keyring))

    assert "which has expired" in said
    assert "get the archive's current keys" in said


def test_index_that_was_changed_is_refused(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    archive.publish(*made)
    release = archive.repository.root / "dists/jammy/InRelease"
    release.write_text(release.read_text().replace("Origin: U", "Origin: O"))
    archive.serve()

    assert "does not match the file" in refused(archive.row())


def test_index_that_nobody_signed_is_refused(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    archive.publish(*made)
    (archive.repository.root / "dists/jammy/InRelease").unlink()
    archive.serve()

    assert "jammy is not signed by a key that is trusted" in refused(archive.row())


def test_index_past_its_end_is_refused_unless_the_row_accepts_it(
    archive: UbuntuArchive, made: list[Path], refused: Refused, cache: Cache
) -> None:
    archive.publish(*made, more=OVER)

    assert "the index of jammy is past its Valid-Until" in refused(archive.row())

    source = archive.row(check_valid_until=False)
    kernel = Kernel(id="x", source=source, btf="kernel")
    assert fetch.obtain(kernel, cache, Silent()).release == GENERIC.release


def test_pocket_that_turns_bad_is_not_read_from_its_old_index(
    archive: UbuntuArchive, made: list[Path], stranger: Signer, cache: Cache
) -> None:
    archive.publish(*made)
    kernel = Kernel(id="x", source=archive.row(), btf="kernel")
    found = fetch.obtain(kernel, cache, Silent())
    archive.publish(*made, signer=stranger)
    progress = Silent()

    assert fetch.obtain(kernel, cache, progress, refresh=True) == found
    assert "not updated" in progress.messages[0]
    assert "is not among the keys" in progress.messages[0]


# --------------------------------------------------------------------------- content


def test_index_with_another_checksum_is_refused(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    archive.publish(*made)
    for index in (archive.repository.root / "dists").rglob("Packages*"):
        index.write_bytes(index.read_bytes()[:-1] + b" ")
    archive.serve()

    said = refused(archive.row())

    assert "Hash Sum mismatch" in said or "unexpected size" in said


def test_package_with_another_checksum_is_refused(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    archive.publish(*made)
    content = made[2].read_bytes()
    replace_in_pool(archive, GENERIC.modules, content[:-1] + bytes([content[-1] ^ 1]))

    said = refused(archive.row())

    assert GENERIC.modules in said
    assert "is another file: its checksum" in said


def test_truncated_package_is_refused(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    archive.publish(*made)
    replace_in_pool(archive, GENERIC.modules, made[2].read_bytes()[:-100])

    said = refused(archive.row())

    assert GENERIC.modules in said
    assert "is damaged: it has " in said


def test_package_that_its_vendor_truncated_is_refused(
    archive: UbuntuArchive, made: list[Path], refused: Refused, tmp_path: Path
) -> None:
    # So that index and file agree.
    broken = tmp_path / "broken" / made[1].name
    broken.parent.mkdir()
    content = made[1].read_bytes()
    broken.write_bytes(content[: len(content) * 9 // 10])
    archive.publish(*without(made, GENERIC.image), broken)

    assert "can't be read" in refused(archive.row())


def test_package_that_is_gone_is_told(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    archive.publish(*made)
    replace_in_pool(archive, GENERIC.image, None)

    said = refused(archive.row())

    assert "404" in said
    assert f"{archive.server.url}/launchpad/{GENERIC.image}_" in said


# ---------------------------------------------------------------------- what is there


def test_kernel_without_its_modules_is_refused(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    archive.publish(*without(made, GENERIC.modules))

    said = refused(archive.row())

    assert (
        f"jammy has no package {GENERIC.modules}, which {GENERIC.image} needs" in said
    )


def test_extra_modules_that_the_archive_lacks_are_told(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    name = f"linux-modules-extra-{GENERIC.release}"
    archive.publish(*without(made, name))

    said = refused(archive.row(extra_modules=True))

    assert f"jammy has no package {name}, which the key extra_modules needs" in said


def test_metapackage_without_its_kernel_is_refused(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    archive.publish(*without(made, GENERIC.image))

    said = refused(archive.row())

    assert f"jammy has no package linux-image-{GENERIC.release}, which " in said
    assert "linux-image-generic needs" in said


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"package": "linux-image-genric"},
            "jammy has no package linux-image-genric\n  there are linux-image-generic",
        ),
        ({"series": "bionic"}, "has no suite bionic: it does not have a Release file"),
        ({"pockets": ["updates"]}, "has no suite jammy-updates"),
        ({"components": ["universe"]}, "jammy does not have the component universe"),
        ({"version": "5.15.0-92"}, "no linux-image-generic of version 5.15.0-92"),
        (
            {"version": "5.15.0-91.102"},
            "version 5.15.0-91.102\n  it has 5.15.0-91.101",
        ),
        ({"package": "linux-firmware"}, "linux-firmware is not a kernel and depends"),
    ],
    ids=str,
)
def test_row_that_does_not_fit_the_archive_is_told(
    keys: dict[str, object],
    said: str,
    archive: UbuntuArchive,
    made: list[Path],
    refused: Refused,
    tmp_path: Path,
) -> None:
    firmware = make_package(tmp_path, "linux-firmware", {"x": b"x"})
    archive.publish(*made, firmware)

    assert said in refused(archive.row(**keys))


def test_series_that_ubuntu_ended_is_told_where_it_is(
    archive: UbuntuArchive, refused: Refused
) -> None:
    assert "http://old-releases.ubuntu.com/ubuntu" in refused(archive.row())


def test_archive_for_another_architecture_is_refused(
    archive: UbuntuArchive, refused: Refused, tmp_path: Path
) -> None:
    other = make_package(
        tmp_path, "linux-image-generic", {"x": b"x"}, architecture="arm64"
    )
    archive.publish(other, architectures=("arm64",))

    said = refused(archive.row())

    assert "jammy does not have packages for amd64" in said
    assert "it has arm64" in said


def test_row_of_an_architecture_that_the_series_lacks_is_refused(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    archive.publish(*GENERIC.make(tmp_path))
    kernel = Kernel(id="x", arch="s390x", source=archive.row())

    with pytest.raises(ArtifactError, match="jammy does not have packages for s390x"):
        fetch.obtain(kernel, cache, Silent())


def test_server_that_is_not_there_is_told(
    archive: UbuntuArchive, refused: Refused
) -> None:
    said = refused(archive.row(archive="http://127.0.0.1:1/ubuntu"))

    assert "http://127.0.0.1:1/ubuntu is unavailable: Could not connect to " in said
    assert "Connection refused" in said
    assert "check your network and apt's proxy" in said


# ------------------------------------------------------------------------------ keys


def test_key_file_that_does_not_exist_is_a_mistake_of_the_row(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    kernel = Kernel(id="x", source=archive.row(keyring=tmp_path / "none.gpg"))

    with pytest.raises(UsageError) as it:
        fetch.obtain(kernel, cache, Silent())

    assert it.value.exit_status == ExitStatus.USAGE
    assert "none.gpg does not exist" in it.value.message


def test_file_that_holds_no_key_is_refused(
    archive: UbuntuArchive, made: list[Path], refused: Refused, tmp_path: Path
) -> None:
    archive.publish(*made)
    (tmp_path / "no.gpg").write_bytes(b"no key")

    assert "jammy" in refused(archive.row(keyring=tmp_path / "no.gpg"))


def test_armored_keys_are_read(
    archive: UbuntuArchive, made: list[Path], cache: Cache, signer: Signer
) -> None:
    archive.publish(*made)
    # With a blank in its path, which sources.list could not hold.
    keys = archive.repository.root.parent / "the keys"
    keys.write_bytes(signer.armored())

    kernel = Kernel(id="x", source=archive.row(keyring=keys), btf="kernel")
    assert fetch.obtain(kernel, cache, Silent()).release == GENERIC.release


# ----------------------------------------------------------------- old packages


@pytest.mark.parametrize("cut", [True, False])
def test_damaged_package_is_told_and_not_looked_for_elsewhere(
    archive: UbuntuArchive, made: list[Path], refused: Refused, *, cut: bool
) -> None:
    archive.publish(*made)
    (content,) = (
        it.read_bytes() for it in made if it.name.startswith(f"{GENERIC.image}_")
    )
    end = b"" if cut else bytes([content[-1] ^ 1])
    replace_in_pool(archive, GENERIC.image, content[:-1] + end)

    said = refused(archive.row())

    assert "index says" in said if cut else "is another file" in said
    assert f"/{GENERIC.image}_" in said
    assert "try again later" in said
    assert "apt-get" not in said
    assert "lock" not in said
    assert not any("/launchpad/" in it for it in archive.server.asked)


def test_missing_package_is_looked_for_where_the_row_says(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    archive.publish(*made)
    replace_in_pool(archive, GENERIC.image, None)

    said = refused(archive.row())

    assert "does not exist; and " in said
    assert "lock" not in said
    assert any("/launchpad/" in it for it in archive.server.asked)


def test_row_with_an_archive_of_its_own_has_no_other_place(
    archive: UbuntuArchive, made: list[Path], refused: Refused
) -> None:
    archive.publish(*made)
    replace_in_pool(archive, GENERIC.image, None)

    said = refused(archive.row(old_packages=None))

    assert "does not exist" in said
    assert "launchpad" not in said
    assert "try again later" in said


def test_ubuntus_own_archive_has_launchpad_for_old_packages() -> None:
    ours = UbuntuSource(type="ubuntu", series="jammy")
    named = UbuntuSource(
        type="ubuntu", series="jammy", archive="http://a", old_packages="http://b"
    )

    assert "launchpad.net" in (ours.keeper or "")
    assert named.keeper == "http://b"
