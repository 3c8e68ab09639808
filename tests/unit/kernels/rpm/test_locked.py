"""Kernels of RPM repositories are pinned, with what their BTF is made of."""

from dataclasses import replace
from pathlib import Path

import pytest

from runner import cli
from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch, lock, rows
from runner.kernels.lock import Lock
from runner.kernels.rows import KernelChoice
from runner.matrix.matrix import Kernel, Matrix, RpmSource
from tests.unit.kernels.btf import kernels as btf
from tests.unit.kernels.rpm import kernels
from tests.unit.kernels.rpm.conftest import Maker, row
from tests.unit.kernels.rpm.made import RpmRepository, RpmSigner
from tests.unit.kernels.silent import Silent

OLD = kernels.plain("4.14.1", "1.amzn2", "gzip")
NEW = kernels.plain("4.14.2", "1.amzn2", "gzip")
FOLDER = Path("/somewhere")


@pytest.fixture
def source(repository: RpmRepository, key: Path) -> RpmSource:
    return row(repository, package="kernel", gpgkey=str(key))


def kernel_of(source: RpmSource) -> Kernel:
    return Kernel(id="4.14", source=source, btf="kernel")


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


def test_locked_kernel_stays_while_the_repository_moves_on(
    repository: RpmRepository,
    source: RpmSource,
    make: Maker,
    vendor: RpmSigner,
    cache: Cache,
    tmp_path: Path,
) -> None:
    repository.publish(make(OLD, vendor))
    kernel = kernel_of(source)
    known = locked(kernel, cache)
    repository.publish(make(OLD, vendor), make(NEW, vendor))
    other = Cache(tmp_path / "other")

    stays = fetch.obtain(bound(kernel, known), other, Silent())
    moved = fetch.obtain(kernel, cache, Silent(), refresh=True)

    assert stays.release == OLD.uname
    assert moved.release == NEW.uname


def test_locked_package_that_was_dropped_comes_from_the_archive(
    repository: RpmRepository,
    source: RpmSource,
    make: Maker,
    vendor: RpmSigner,
    cache: Cache,
    tmp_path: Path,
) -> None:
    vault = RpmRepository(
        root=tmp_path / "vault", server=repository.server, path="/vault/4"
    )
    vault.publish(make(OLD, vendor))
    repository.publish(make(OLD, vendor))
    with_archive = source.model_copy(
        update={"archive": f"{vault.server.url}/vault/$v/", "variables": {"v": "4"}}
    )
    lock_without = locked(kernel_of(source), cache)
    lock_with = locked(kernel_of(with_archive), cache)
    repository.publish(make(NEW, vendor))

    found = fetch.obtain(
        bound(kernel_of(with_archive), lock_with), Cache(tmp_path / "a"), Silent()
    )
    with pytest.raises(ArtifactError, match="does not exist") as it:
        fetch.obtain(
            bound(kernel_of(source), lock_without), Cache(tmp_path / "b"), Silent()
        )

    assert found.release == OLD.uname
    assert "the key archive" in it.value.hint


def test_other_file_than_the_locked_one_is_refused(
    repository: RpmRepository,
    source: RpmSource,
    make: Maker,
    vendor: RpmSigner,
    impostor: RpmSigner,
    cache: Cache,
    tmp_path: Path,
) -> None:
    repository.publish(make(OLD, vendor))
    kernel = kernel_of(source)
    known = locked(kernel, cache)
    # Of the same version, and with metadata that fits.
    repository.publish(make(OLD, impostor))

    with pytest.raises(ArtifactError, match=r"another file|is too large"):
        fetch.obtain(bound(kernel, known), Cache(tmp_path / "other"), Silent())


def test_sha512_of_the_metadata_becomes_a_sha256_in_the_lock(
    repository: RpmRepository,
    source: RpmSource,
    make: Maker,
    vendor: RpmSigner,
    cache: Cache,
) -> None:
    repository.publish(make(OLD, vendor), checksum="sha512")

    (item,) = locked(kernel_of(source), cache).kernels["4.14"].pin.items

    assert len(item.sha512) == 128
    assert len(item.sha256) == 64


def test_btf_is_made_of_the_debug_package_and_pinned_with_it(
    repository: RpmRepository,
    make: Maker,
    vendor: RpmSigner,
    key: Path,
    cache: Cache,
    tmp_path: Path,
) -> None:
    # thread.fs was renamed in 4.7.
    names = {**btf.OLD, "fs": "fsbase"}
    made = btf.vmlinux(tmp_path, release=OLD.uname, names=names).read_bytes()
    debug = make(kernels.debug("kernel-debuginfo", OLD, made), vendor)
    repository.publish(make(OLD, vendor), debug)
    source = row(
        repository,
        package="kernel",
        gpgkey=str(key),
        debug_package="kernel-debuginfo",
    )
    kernel = Kernel(id="4.14", source=source)

    known = locked(kernel, cache)
    found = fetch.obtain(bound(kernel, known), Cache(tmp_path / "other"), Silent())

    pinned = [item.name for item in known.kernels["4.14"].pin.items]
    assert pinned == [OLD.nevra, f"kernel-debuginfo-{OLD.uname}"]
    assert found.btf_source == "vmlinux"
    assert found.btf is not None
    assert found.btf_sha256 == fetch.obtain(kernel, cache, Silent()).btf_sha256


def test_debug_package_of_another_build_is_refused(
    repository: RpmRepository,
    make: Maker,
    vendor: RpmSigner,
    key: Path,
    cache: Cache,
    tmp_path: Path,
) -> None:
    made = btf.vmlinux(tmp_path, release="4.14.99").read_bytes()
    debug = make(kernels.debug("kernel-debuginfo", OLD, made), vendor)
    repository.publish(make(OLD, vendor), debug)
    source = row(
        repository,
        package="kernel",
        gpgkey=str(key),
        debug_package="kernel-debuginfo",
    )

    with pytest.raises(ArtifactError, match=r"4\.14\.99"):
        fetch.obtain(Kernel(id="4.14", source=source), cache, Silent())


def test_debug_package_without_a_vmlinux_is_refused(
    repository: RpmRepository, make: Maker, vendor: RpmSigner, key: Path, cache: Cache
) -> None:
    spec = kernels.debug("kernel-debuginfo", OLD)
    empty = replace(spec, files={"usr/lib/debug/x": b"x"})
    repository.publish(make(OLD, vendor), make(empty, vendor))
    source = row(
        repository,
        package="kernel",
        gpgkey=str(key),
        debug_package="kernel-debuginfo",
    )

    with pytest.raises(ArtifactError, match="contains no vmlinux"):
        fetch.obtain(Kernel(id="4.14", source=source), cache, Silent())


def test_the_command_pins_and_a_locked_choice_takes_the_pin(
    repository: RpmRepository,
    make: Maker,
    vendor: RpmSigner,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    repository.publish(make(OLD, vendor))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "matrix.yaml"
    file.write_text(
        "kernels:\n"
        "- id: '4.14'\n"
        "  btf: kernel\n"
        f"  source: {{type: rpm, baseurl: '{repository.url}', package: kernel, "
        f"gpgkey: {key.name}}}\n"
    )
    choice = KernelChoice(matrix=file, selectors=("4.14",), locked=True)
    with pytest.raises(UsageError, match=r"--locked: .* does not pin 4\.14"):
        rows.choose(choice, Cache())

    assert cli.main(["lock", "--matrix", str(file)]) == 0

    assert f"4.14: {OLD.nevra} of {repository.url}" in capsys.readouterr().out
    (kernel,) = rows.choose(choice, Cache()).kernels
    assert fetch.obtain(kernel, Cache(), Silent()).release == OLD.uname
    written = (tmp_path / "matrix.lock").read_text()
    # Neither a mirror's address nor a path of this machine.
    assert f"location: Packages/{OLD.nevra}.rpm" in written
    assert str(tmp_path) not in written


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
@pytest.mark.parametrize("is_locked", [True, False])
def test_hint_names_the_lock_only_where_there_is_one(
    repository: RpmRepository,
    source: RpmSource,
    make: Maker,
    vendor: RpmSigner,
    cache: Cache,
    tmp_path: Path,
    damage: str,
    *,
    is_locked: bool,
) -> None:
    repository.publish(make(OLD, vendor))
    kernel = kernel_of(source)
    if is_locked:
        kernel = bound(kernel, locked(kernel, cache))
    file = repository.file("Packages/*.rpm")
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        end = b"" if damage == "cut" else bytes([content[-1] ^ 1])
        file.write_bytes(content[:-1] + end)
    repository.serve()

    with pytest.raises(ArtifactError) as it:
        fetch.obtain(kernel, Cache(tmp_path / "other"), Silent())

    assert ("lock" in it.value.hint) == is_locked
    assert is_locked or "try again later" in it.value.hint
    assert ("is incomplete" in it.value.message) == (damage == "cut")


@pytest.mark.parametrize(("missing", "asked"), [(True, True), (False, False)])
def test_without_a_lock_the_archive_has_only_what_is_gone(
    repository: RpmRepository,
    source: RpmSource,
    make: Maker,
    vendor: RpmSigner,
    cache: Cache,
    *,
    missing: bool,
    asked: bool,
) -> None:
    repository.publish(make(OLD, vendor))
    file = repository.file("Packages/*.rpm")
    content = file.read_bytes()
    file.unlink()
    if not missing:
        file.write_bytes(content[:-1])
    repository.serve()
    archive = f"{repository.server.url}/vault"
    repository.server.put(f"/vault/Packages/{file.name}", content)
    kernel = kernel_of(source.model_copy(update={"archive": archive}))

    if asked:
        assert fetch.obtain(kernel, cache, Silent()).release == OLD.uname
    else:
        with pytest.raises(ArtifactError, match="is incomplete"):
            fetch.obtain(kernel, cache, Silent())

    assert any(it.startswith("/vault/") for it in repository.server.asked) == asked
