"""Kernels of Ubuntu's series are pinned, with what their BTF is made of."""

from dataclasses import replace
from pathlib import Path

import pytest

from runner import cli
from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch, lock, stale
from runner.kernels.lock import Lock
from runner.matrix.matrix import Kernel, Matrix, UbuntuSource
from tests.unit.kernels.btf import kernels as btf
from tests.unit.kernels.packaging import Repository, Signer
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.ubuntu.conftest import UbuntuArchive
from tests.unit.kernels.ubuntu.kernels import GENERIC, NEWER, UbuntuKernel

FOLDER = Path("/somewhere")
OLD = UbuntuKernel(abi="4.15.0-20", upload=".21")


def kernel_of(source: UbuntuSource) -> Kernel:
    return Kernel(id="jammy", source=source, btf="kernel")


def locked(kernel: Kernel, cache: Cache) -> Lock:
    """Return a lock of what a kernel means now."""
    fetch.obtain(kernel, cache, Silent())
    pinned = fetch.pinned(kernel, cache)
    assert pinned is not None
    return Lock().with_pinned(kernel, pinned, FOLDER)


def bound(kernel: Kernel, known: Lock) -> Kernel:
    """Return a row that represents what a lock has."""
    matrix = Matrix(kernels=(kernel,))
    (found,) = lock.applied(matrix, known, FOLDER, strict=True).kernels
    return found


def move_on(archive: UbuntuArchive, folder: Path) -> None:
    """Replace all by a newer kernel, as Ubuntu does after a while."""
    for package in (archive.repository.root / "pool").iterdir():
        package.unlink()
    archive.publish(*NEWER.make(folder))


def test_locked_kernel_stays_and_is_stale_after_the_archive_moved_on(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    archive.publish(*GENERIC.make(tmp_path))
    kernel = kernel_of(archive.row())
    known = locked(kernel, cache)
    archive.publish(*GENERIC.make(tmp_path)[1:], *NEWER.make(tmp_path))

    stays = fetch.obtain(bound(kernel, known), Cache(tmp_path / "other"), Silent())
    moved = stale.compare(kernel, known, FOLDER, cache)

    assert stays.release == GENERIC.release
    assert moved.state == "stale"
    assert moved.locked == f"jammy {GENERIC.image} {GENERIC.version}"
    assert moved.now == f"jammy {NEWER.image} {NEWER.version}"


def test_locked_packages_that_were_dropped_come_from_the_folder_of_old_ones(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    made = GENERIC.make(tmp_path)
    archive.publish(*made)
    kernel = kernel_of(archive.row())
    known = locked(kernel, cache)
    move_on(archive, tmp_path)
    for package in made:
        archive.server.put(f"/launchpad/{package.name}", package.read_bytes())
    progress = Silent()

    found = fetch.obtain(bound(kernel, known), Cache(tmp_path / "other"), progress)

    assert found.release == GENERIC.release
    assert f"looking for {GENERIC.image} {GENERIC.version} in " in progress.messages[0]


def test_other_file_than_the_locked_one_is_refused(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    made = GENERIC.make(tmp_path)
    archive.publish(*made)
    kernel = kernel_of(archive.row())
    known = locked(kernel, cache)
    move_on(archive, tmp_path)
    for package in made:
        archive.server.put(f"/launchpad/{package.name}", b"another file")

    with pytest.raises(ArtifactError, match="or another file: it has 12 of"):
        fetch.obtain(bound(kernel, known), Cache(tmp_path / "other"), Silent())


def test_locked_package_that_a_row_s_own_archive_dropped_is_told_with_the_way_out(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    archive.publish(*GENERIC.make(tmp_path))
    kernel = kernel_of(archive.row(old_packages=None))
    known = locked(kernel, cache)
    move_on(archive, tmp_path)

    with pytest.raises(ArtifactError, match="does not have") as it:
        fetch.obtain(bound(kernel, known), Cache(tmp_path / "other"), Silent())

    assert "the key old_packages" in it.value.hint
    assert "without --locked" in it.value.hint


def test_btf_is_made_of_the_debug_package_and_pinned_with_it(
    archive: UbuntuArchive,
    cache: Cache,
    tmp_path: Path,
    stranger: Signer,
) -> None:
    # thread.fs was renamed in 4.7.
    names = {**btf.OLD, "fs": "fsbase"}
    made = btf.vmlinux(tmp_path, release=OLD.release, names=names).read_bytes()
    archive.publish(*OLD.make(tmp_path))
    # An archive of its own, with a key of its own and without security updates.
    debug = replace(
        archive,
        repository=Repository(root=tmp_path / "ddebs"),
        path="/ddebs",
        signer=stranger,
    )
    debug.publish(OLD.debug(tmp_path, made))
    archive.publish(*OLD.make(tmp_path), suite="jammy-security")
    source = archive.row(
        debug=True,
        pockets=["release", "security"],
        debug_archive=debug.address,
        debug_keyring=stranger.keyring,
    )
    kernel = Kernel(id="bionic", source=source)

    known = locked(kernel, cache)
    found = fetch.obtain(bound(kernel, known), Cache(tmp_path / "other"), Silent())

    pinned = [item.name for item in known.kernels["bionic"].pin.items]
    assert pinned == [
        OLD.image,
        OLD.modules,
        f"linux-image-unsigned-{OLD.release}-dbgsym",
    ]
    assert found.btf_source == "vmlinux"
    assert found.btf is not None


def test_archive_without_the_debug_package_is_told(
    archive: UbuntuArchive, cache: Cache, tmp_path: Path
) -> None:
    archive.publish(*GENERIC.make(tmp_path))
    source = archive.row(
        debug=True, debug_archive=archive.address, debug_keyring=archive.signer.keyring
    )

    with pytest.raises(
        ArtifactError, match=r"has no package \S+-dbgsym, which the key debug needs"
    ):
        fetch.obtain(kernel_of(source), cache, Silent())


def test_commands_pin_and_move_on(
    archive: UbuntuArchive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "keys.gpg").write_bytes(archive.signer.keyring.read_bytes())
    matrix = tmp_path / "matrix.yaml"
    matrix.write_text(
        "kernels:\n- id: jammy\n  btf: kernel\n  source:\n    type: ubuntu\n"
        f"    series: jammy\n    archive: {archive.address}\n    keyring: keys.gpg\n"
        "    pockets: [release]\n"
    )
    file = ("--matrix", str(matrix))
    archive.publish(*GENERIC.make(tmp_path))

    assert cli.main(["lock", *file]) == 0
    assert cli.main(["fetch", "--locked", *file]) == 0
    archive.publish(*NEWER.make(tmp_path))
    capsys.readouterr()
    assert cli.main(["kernels", "--stale", *file]) == 0
    assert "stale" in capsys.readouterr().out
    assert cli.main(["lock", "--update", "jammy", *file]) == 0

    said = capsys.readouterr().out
    assert f"{GENERIC.image} {GENERIC.version} → jammy {NEWER.image}" in said
    assert str(tmp_path) not in (tmp_path / "matrix.lock").read_text()
