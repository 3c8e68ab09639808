"""Rows whose packages are equal share the cache, as far as they trust the same keys."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch, lock
from runner.kernels.artifact import Artifact
from runner.kernels.lock import Lock
from runner.matrix.matrix import Kernel, Matrix, RpmSource
from tests.unit.kernels.rpm.conftest import KERNEL, Maker, row, trusting
from tests.unit.kernels.rpm.made import RpmRepository, RpmSigner
from tests.unit.kernels.silent import Silent

FOLDER = Path("/somewhere")

Obtain = Callable[[RpmSource], Artifact]


def kernel_of(source: RpmSource) -> Kernel:
    return Kernel(id="x", source=source, btf="kernel")


@pytest.fixture
def obtain(cache: Cache) -> Obtain:
    """Gets the kernel of a row; all rows have one cache."""
    return lambda source: fetch.obtain(kernel_of(source), cache, Silent())


def keys(folder: Path, *signers: RpmSigner) -> Path:
    path = folder / "KEYS"
    path.write_bytes(b"".join(it.public for it in signers))
    return path


def downloads(repository: RpmRepository) -> int:
    return sum(it.endswith(".rpm") for it in repository.server.asked)


# ------------------------------------------------------------------------ signatures


def test_row_with_another_key_checks_again(
    repository: RpmRepository,
    signed: Path,
    key: Path,
    impostor: RpmSigner,
    obtain: Obtain,
    cache: Cache,
    tmp_path: Path,
) -> None:
    repository.publish(signed)
    other = trusting(repository, keys(tmp_path, impostor))
    obtain(trusting(repository, key))

    with pytest.raises(ArtifactError, match="which the row does not trust"):
        obtain(other)
    assert fetch.cached(kernel_of(other), cache) is None


def test_row_that_demands_a_signature_gets_nothing_of_one_that_does_not(
    repository: RpmRepository, make: Maker, key: Path, obtain: Obtain
) -> None:
    repository.publish(make(KERNEL))
    obtain(row(repository, package="kernel", gpgcheck=False))

    with pytest.raises(ArtifactError, match="is not signed"):
        obtain(trusting(repository, key))


def test_gpgcheck_counts_for_rows_of_one_key(
    repository: RpmRepository, make: Maker, key: Path, obtain: Obtain
) -> None:
    repository.publish(make(KERNEL))
    obtain(trusting(repository, key, gpgcheck=False))

    with pytest.raises(ArtifactError, match="is not signed"):
        obtain(trusting(repository, key))


def test_row_whose_key_expired_gets_nothing_of_one_that_checks_nothing(
    repository: RpmRepository,
    make: Maker,
    expired: RpmSigner,
    vendor: RpmSigner,
    obtain: Obtain,
    tmp_path: Path,
) -> None:
    repository.publish(make(KERNEL, expired))
    obtain(row(repository, package="kernel", gpgcheck=False))

    with pytest.raises(ArtifactError, match="which expired on 2020-12-31"):
        obtain(trusting(repository, keys(tmp_path, vendor, expired)))


def test_fingerprint_counts_for_rows_of_one_file_of_keys(
    repository: RpmRepository,
    make: Maker,
    impostor: RpmSigner,
    vendor: RpmSigner,
    obtain: Obtain,
    tmp_path: Path,
) -> None:
    repository.publish(make(KERNEL, impostor))
    both = keys(tmp_path, vendor, impostor)
    obtain(trusting(repository, both))

    with pytest.raises(ArtifactError, match="which the row does not trust"):
        obtain(trusting(repository, both, fingerprint=vendor.fingerprint))


def test_packages_by_address_with_a_key_are_checked_again(
    repository: RpmRepository,
    signed: Path,
    impostor: RpmSigner,
    obtain: Obtain,
    cache: Cache,
    tmp_path: Path,
) -> None:
    repository.publish(signed)
    obtained = obtain(row(repository, package="kernel", gpgcheck=False))
    (sha256,) = obtained.packages.values()
    url = f"{repository.url}/Packages/{signed.name}"
    given = {"type": "rpm", "packages": [{"url": url, "sha256": sha256}]}
    obtain(RpmSource.model_validate(given, strict=False))
    named = {**given, "gpgkey": str(keys(tmp_path, impostor))}

    with pytest.raises(ArtifactError, match="which the row does not trust"):
        obtain(RpmSource.model_validate(named, strict=False))


def test_file_of_keys_with_another_content_is_another_key(
    repository: RpmRepository,
    signed: Path,
    key: Path,
    impostor: RpmSigner,
    obtain: Obtain,
    cache: Cache,
) -> None:
    repository.publish(signed)
    source = trusting(repository, key)
    obtain(source)
    key.write_bytes(impostor.public)

    with pytest.raises(ArtifactError, match="which the row does not trust"):
        obtain(source)
    assert fetch.cached(kernel_of(source), cache) is None
    assert fetch.pinned(kernel_of(source), cache) is None


def test_locked_row_is_checked_with_its_own_key(
    repository: RpmRepository,
    signed: Path,
    key: Path,
    impostor: RpmSigner,
    obtain: Obtain,
    cache: Cache,
) -> None:
    repository.publish(signed)
    kernel = kernel_of(trusting(repository, key))
    fetch.obtain(kernel, cache, Silent())
    pinned = fetch.pinned(kernel, cache)
    assert pinned is not None
    (bound,) = lock.applied(
        Matrix(kernels=(kernel,)),
        Lock().with_pinned(kernel, pinned, FOLDER),
        FOLDER,
        strict=True,
    ).kernels
    before = downloads(repository)

    fetch.obtain(bound, cache, Silent())
    assert downloads(repository) == before

    key.write_bytes(impostor.public)
    with pytest.raises(ArtifactError, match="which the row does not trust"):
        fetch.obtain(bound, cache, Silent())
    key.unlink()
    with pytest.raises(UsageError, match=f"{key} does not exist"):
        fetch.obtain(bound, cache, Silent())


def test_rows_of_one_key_in_two_files_share_the_cache(
    repository: RpmRepository, signed: Path, key: Path, obtain: Obtain, tmp_path: Path
) -> None:
    repository.publish(signed)
    copy = Path(shutil.copy(key, tmp_path / "copy"))

    first = obtain(trusting(repository, key))
    second = obtain(trusting(repository, copy))

    assert first == second
    assert downloads(repository) == 1


# ---------------------------------------------------------------------------- origins


def test_rows_of_equal_packages_have_each_its_own_origin(
    repository: RpmRepository,
    signed: Path,
    key: Path,
    obtain: Obtain,
    cache: Cache,
    tmp_path: Path,
) -> None:
    other = RpmRepository(
        root=tmp_path / "other", server=repository.server, path="/other"
    )
    sources = []
    for place in (repository, other):
        place.publish(signed)
        sources.append(trusting(place, key))

    first, second = map(obtain, sources)

    assert first.directory == second.directory
    for source, found, place in zip(
        sources, (first, second), (repository, other), strict=True
    ):
        expected = f"{KERNEL.nevra} of {place.url}"
        assert found.origin == expected
        assert fetch.cached(kernel_of(source), cache) == found
        pinned = fetch.pinned(kernel_of(source), cache)
        assert pinned is not None
        assert pinned.pin.origin == expected


def test_origin_is_the_mirror_whose_file_was_right(
    repository: RpmRepository,
    signed: Path,
    key: Path,
    obtain: Obtain,
    cache: Cache,
    tmp_path: Path,
) -> None:
    bad = RpmRepository(root=tmp_path / "bad", server=repository.server, path="/bad")
    for place in (bad, repository):
        place.publish(signed)
    repository.server.put(f"/bad/Packages/{signed.name}", b"another file")
    url = repository.server.put("/m", f"{bad.url}\n{repository.url}\n".encode())
    source = row(
        repository, baseurl=None, mirrorlist=url, package="kernel", gpgkey=str(key)
    )

    found = obtain(source)

    assert found.origin == f"{KERNEL.nevra} of {repository.url}"
    assert fetch.cached(kernel_of(source), cache) == found
    pinned = fetch.pinned(kernel_of(source), cache)
    assert pinned is not None
    assert pinned.pin.origin == found.origin
