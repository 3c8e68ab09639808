"""A signed archive, and a machine that is set up with it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.files.cache import Cache
from runner.kernels.sources import apt, debian
from runner.kernels.sources.apt import Archive
from runner.matrix.matrix import DebianSource
from tests.unit.kernels.packaging import (
    Repository,
    Signer,
    machine_configuration,
    make_package,
    make_signer,
)


@pytest.fixture(scope="session")
def signer() -> Iterator[Signer]:
    # Not below pytest's folder: gpg's sockets need a short path.
    with tempfile.TemporaryDirectory() as folder:
        yield make_signer(Path(folder) / "gnupg")


@pytest.fixture(scope="session")
def stranger() -> Iterator[Signer]:
    """A key that nobody trusts."""
    with tempfile.TemporaryDirectory() as folder:
        yield make_signer(Path(folder) / "gnupg")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A suite that a test fills; `open` reads it as the runner does."""

    repository: Repository
    signer: Signer
    folder: Path

    def publish(self, *packages: Path, name: str = "bookworm") -> None:
        self.repository.publish(name, packages, self.signer)

    def package(
        self,
        name: str,
        files: dict[str, bytes] | None = None,
        *,
        version: str = "1",
        depends: str = "",
    ) -> Path:
        return make_package(
            self.folder, name, files or {"x": b"x"}, version=version, depends=depends
        )

    def open(self, name: str = "bookworm", **keys: object) -> Archive:
        """Fetch a suite's index as the runner does for a row with these keys."""
        row = {"type": "debian", "suite": name, **keys}
        place = debian.place(DebianSource.model_validate(row))
        with apt.fresh(place, Cache(self.folder / "private")) as archive:
            return archive


@pytest.fixture
def suite(tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A machine whose only mirror is in a folder, with a bookworm."""
    repository = Repository(root=tmp_path / "mirror")
    # apt forgets an index that is empty.
    some = make_package(tmp_path, "some", {"x": b"x"})
    repository.publish("bookworm", [some], signer)
    source = f"deb [signed-by={signer.keyring}] {repository.address} bookworm main\n"
    configuration = machine_configuration(tmp_path / "machine", source)
    monkeypatch.setenv("APT_CONFIG", str(configuration))
    monkeypatch.setattr(debian, "KEYRING", signer.keyring)
    return Suite(repository=repository, signer=signer, folder=tmp_path)
