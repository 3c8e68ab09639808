"""A real kernel out of an APT archive in Ubuntu's layout.

Debian's 6.1, split by dpkg-deb into a metapackage, image, modules and more modules,
listed by dpkg-scanpackages, signed by gpg and served from this machine.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.artifact import Artifact
from runner.matrix import matrix
from runner.text.progress import progress
from tests.unit.kernels.packaging import Repository, Signer, make_signer
from tests.unit.kernels.server import serving
from tests.unit.kernels.ubuntu.conftest import UbuntuArchive
from tests.unit.kernels.ubuntu.kernels import UbuntuKernel
from tests.vm.conftest import ROOT, run

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def debian() -> Artifact:
    rows = matrix.load(ROOT / "matrix.yaml").kernels
    (kernel,) = (row for row in rows if row.id == "6.1")
    return fetch.obtain(kernel, Cache(), progress())


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with tempfile.TemporaryDirectory() as folder:
        yield make_signer(Path(folder) / "gnupg")


@pytest.fixture
def archive(tmp_path: Path, signer: Signer) -> Iterator[UbuntuArchive]:
    with serving() as server:
        yield UbuntuArchive(
            repository=Repository(root=tmp_path / "ubuntu"),
            server=server,
            signer=signer,
        )


def files(kernel: Artifact) -> dict[str, bytes]:
    """Return a kernel's files as /boot and /lib/modules have them."""
    assert kernel.config is not None
    assert kernel.system_map is not None
    boot, folder = "boot", f"lib/modules/{kernel.release}"
    return {
        f"{boot}/vmlinuz-{kernel.release}": kernel.vmlinuz.read_bytes(),
        f"{boot}/config-{kernel.release}": kernel.config.read_bytes(),
        f"{boot}/System.map-{kernel.release}": kernel.system_map.read_bytes(),
        **{
            f"{folder}/kernel/{path.name}": path.read_bytes() for path in kernel.modules
        },
    }


def publish(debian: Artifact, archive: UbuntuArchive, folder: Path) -> Path:
    """Publish a kernel in a pocket, and return a matrix with a row of it."""
    abi, flavour = debian.release.split("-cloud-")[0], "cloud-amd64"
    kernel = UbuntuKernel(abi=abi, upload=".1", flavour=flavour, signed=False)
    older = UbuntuKernel(abi="6.1.0-1", upload=".1")
    archive.publish(*older.make(folder))
    archive.publish(*kernel.make(folder, files(debian)), suite="jammy-updates")
    (folder / "keys.gpg").write_bytes(archive.signer.keyring.read_bytes())
    rows = folder / "matrix.yaml"
    rows.write_text(
        "kernels:\n  - id: jammy\n    source:\n      type: ubuntu\n"
        f"      series: jammy\n      archive: {archive.address}\n"
        "      pockets: [release, updates]\n      keyring: keys.gpg\n"
    )
    return rows


def test_kernel_of_an_archive_boots_and_objects_read_right_values(
    debian: Artifact, archive: UbuntuArchive, tmp_path: Path, reports: Path
) -> None:
    rows = publish(debian, archive, tmp_path)

    done = run(
        *("--kernels", "jammy", "--matrix", rows, "--suite", ROOT / "suites/task"),
        reports=reports,
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )

    assert done.status == 0, done.output + done.errors
    (kernel,) = done.results.kernels
    assert kernel.release == debian.release
    assert done.case("comm").outcome == "passed"


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ("signature", 3, "does not match the file"),
        ("keys", 2, "keys.gpg does not exist"),
    ],
)
def test_what_is_wrong_ends_a_run_before_anything_boots(
    change: str,
    status: int,
    said: str,
    debian: Artifact,
    archive: UbuntuArchive,
    tmp_path: Path,
    reports: Path,
) -> None:
    rows = publish(debian, archive, tmp_path)
    if change == "keys":
        (tmp_path / "keys.gpg").unlink()
    else:
        signed = archive.repository.root / "dists/jammy-updates/InRelease"
        signed.write_text(signed.read_text().replace("Origin: U", "Origin: O"))
        archive.serve()

    done = run(
        *("--kernels", "jammy", "--matrix", rows, "--suite", ROOT / "suites/task"),
        reports=reports,
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )

    assert done.status == status
    assert said in done.errors + done.output
    assert not (reports / "jammy/console.log").exists()
