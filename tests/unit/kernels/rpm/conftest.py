"""Vendors' keys, and a server with a repository."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.errors import ArtifactError, ExitStatus
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.matrix.matrix import Kernel, RpmSource
from tests.unit.kernels.rpm import kernels
from tests.unit.kernels.rpm.made import (
    RpmRepository,
    RpmSigner,
    Spec,
    end_agent,
    make_rpm,
    make_rpm_signer,
)
from tests.unit.kernels.server import Server, serving
from tests.unit.kernels.silent import Silent


def _signer(*, expired: bool = False) -> Iterator[RpmSigner]:
    # Not below pytest's folder: gpg's sockets need a short path.
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "gnupg"
        try:
            yield make_rpm_signer(home, expired=expired)
        finally:
            end_agent(home)


@pytest.fixture(scope="session")
def vendor() -> Iterator[RpmSigner]:
    yield from _signer()


@pytest.fixture(scope="session")
def impostor() -> Iterator[RpmSigner]:
    """A key that nobody trusts."""
    yield from _signer()


@pytest.fixture(scope="session")
def expired() -> Iterator[RpmSigner]:
    """A vendor's key that expired, and signed before."""
    yield from _signer(expired=True)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def repository(tmp_path: Path, server: Server) -> RpmRepository:
    return RpmRepository(root=tmp_path / "repo", server=server)


class Maker:
    """Makes packages, each once in a session: rpmbuild takes its time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, str, str], Path] = {}
        self._copies = 0

    def __call__(self, spec: Spec, signer: RpmSigner | None = None) -> Path:
        """Return a package of its own, signed or not."""
        kept = (spec.text, repr(spec), signer.fingerprint if signer else "")
        if kept not in self._made:
            self._made[kept] = self._make(spec, signer)
        return self._made[kept]

    def _make(self, spec: Spec, signer: RpmSigner | None) -> Path:
        self._copies += 1
        folder = self._folder / str(self._copies)
        folder.mkdir()
        made = make_rpm(folder, spec)
        package = Path(shutil.copy(made, folder / made.name))
        if signer is not None:
            signer.sign_package(package)
        return package


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("rpms"))


@pytest.fixture
def key(tmp_path: Path, vendor: RpmSigner) -> Path:
    """The vendor's public key as a file."""
    path = tmp_path / "RPM-GPG-KEY"
    path.write_bytes(vendor.public)
    return path


def row(repository: RpmRepository, **keys: object) -> RpmSource:
    """Return a source of a repository, as a matrix file has it."""
    return RpmSource.model_validate(
        {"type": "rpm", "baseurl": repository.url, **keys}, strict=False
    )


KERNEL = kernels.plain("4.14.355", "1.amzn2", "gzip")

# Refuses a source: returns the message and the hint.
Refused = Callable[[RpmSource], str]


@pytest.fixture
def refused(cache: Cache) -> Refused:
    """What is said of a source; nothing of it may be left in the cache."""

    def tried(source: RpmSource) -> str:
        kernel = Kernel(id="x", source=source, btf="kernel")
        with pytest.raises(ArtifactError) as it:
            fetch.obtain(kernel, cache, Silent())
        assert it.value.exit_status == ExitStatus.INFRASTRUCTURE
        assert it.value.hint
        assert fetch.cached(kernel, cache) is None
        kept = cache.root.rglob("*") if cache.root.exists() else []
        left = [path for path in kept if path.is_file() and "lock" not in str(path)]
        assert not left
        return str(it.value)

    return tried


@pytest.fixture
def signed(make: Maker, vendor: RpmSigner) -> Path:
    return make(KERNEL, vendor)


def trusting(repository: RpmRepository, key: Path, **keys: object) -> RpmSource:
    return row(repository, gpgkey=str(key), package="kernel", **keys)
