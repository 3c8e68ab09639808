"""An archive in Ubuntu's layout, on a server of this machine."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.files.cache import Cache
from runner.matrix.matrix import UbuntuSource
from tests.unit.kernels.packaging import Repository, Signer, make_signer
from tests.unit.kernels.server import Server, serving


@pytest.fixture(scope="session")
def expired() -> Iterator[Signer]:
    """A key that expired, and signed before."""
    with tempfile.TemporaryDirectory() as folder:
        yield make_signer(Path(folder) / "gnupg", expired=True)


@dataclass(frozen=True, kw_only=True)
class UbuntuArchive:
    """An archive that a test fills, as archive.ubuntu.com is."""

    repository: Repository
    server: Server
    signer: Signer
    # Where it is on the server.
    path: str = "/ubuntu"

    @property
    def address(self) -> str:
        """What the key archive of a row says."""
        return f"{self.server.url}{self.path}"

    def publish(
        self,
        *packages: Path,
        suite: str = "jammy",
        signer: Signer | None = None,
        **release: object,
    ) -> None:
        """Publish a series, or a pocket of it, and serve all there is."""
        self.repository.publish(
            suite,
            packages,
            signer or self.signer,
            origin="Ubuntu",
            **release,  # type: ignore[arg-type]
        )
        self.serve()

    def serve(self) -> None:
        """Serve what is in the folder now."""
        self.repository.serve(self.server, self.path)

    def row(self, **keys: object) -> UbuntuSource:
        """Return a source of this archive, as a matrix file has it."""
        return UbuntuSource.model_validate(
            {
                "type": "ubuntu",
                "series": "jammy",
                "archive": self.address,
                "keyring": self.signer.keyring,
                "pockets": ["release"],
                "old_packages": f"{self.server.url}/launchpad",
                **keys,
            },
            strict=False,
        )


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def archive(tmp_path: Path, server: Server, signer: Signer) -> UbuntuArchive:
    repository = Repository(root=tmp_path / "ubuntu")
    return UbuntuArchive(repository=repository, server=server, signer=signer)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")
