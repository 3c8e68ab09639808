"""A real kernel out of RPM repositories, in the layouts of the vendors.

Debian's 6.1, packed again by rpmbuild, signed by rpmsign and gpg, listed by
createrepo_c and served from this machine.
"""

import lzma
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.artifact import Artifact
from runner.matrix import matrix
from runner.matrix.matrix import Kernel, RpmSource
from runner.text.progress import progress
from tests.unit.kernels.rpm.made import (
    RpmRepository,
    RpmSigner,
    Spec,
    end_agent,
    make_rpm,
    make_rpm_signer,
)
from tests.unit.kernels.server import serving
from tests.vm.conftest import ROOT, run

pytestmark = pytest.mark.vm

VERSION, RELEASE = "6.1.176", "1.el9"


@pytest.fixture(scope="module")
def debian() -> Artifact:
    rows = matrix.load(ROOT / "matrix.yaml").kernels
    (kernel,) = (row for row in rows if row.id == "6.1")
    return fetch.obtain(kernel, Cache(), progress())


@pytest.fixture(scope="module")
def vendor() -> Iterator[RpmSigner]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "gnupg"
        try:
            yield make_rpm_signer(home)
        finally:
            end_agent(home)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[RpmRepository]:
    with serving() as server:
        yield RpmRepository(root=tmp_path / "repo", server=server)


def image(kernel: Artifact, folder: str, ending: str = "") -> dict[str, bytes]:
    """Return the files of a kernel besides its modules."""
    assert kernel.config is not None
    assert kernel.system_map is not None
    return {
        f"{folder}/vmlinuz{ending}": kernel.vmlinuz.read_bytes(),
        f"{folder}/config{ending}": kernel.config.read_bytes(),
        f"{folder}/System.map{ending}": kernel.system_map.read_bytes(),
    }


def modules(kernel: Artifact, folder: str, suffix: str) -> dict[str, bytes]:
    pack = lzma.compress if suffix == ".xz" else zstandard.compress
    return {
        f"{folder}/kernel/{path.name}{suffix}": pack(path.read_bytes())
        for path in kernel.modules
    }


def spec(name: str, files: dict[str, bytes], payload: str, requires: str = "") -> Spec:
    return Spec(
        name=name,
        version=VERSION,
        release=RELEASE,
        files=files,
        payload=payload,
        requires=[f"{requires} = {VERSION}-{RELEASE}.x86_64"] if requires else [],
        provides=[f"{name}-uname-r = {VERSION}-{RELEASE}.x86_64"],
    )


def layout(family: str, kernel: Artifact) -> list[Spec]:
    """Return a kernel's packages as a family of vendors splits them."""
    folder = f"lib/modules/{kernel.release}"
    match family:
        case "plain":
            files = image(kernel, "boot", f"-{kernel.release}")
            return [spec("kernel", files | modules(kernel, folder, ".xz"), "gzip")]
        case "el8":
            files = image(kernel, folder)
            return [spec("kernel-core", files | modules(kernel, folder, ".xz"), "xz")]
        case "el9":
            required = "kernel-modules-core-uname-r"
            return [
                spec("kernel-core", image(kernel, folder), "zstd", required),
                spec("kernel-modules-core", modules(kernel, folder, ".xz"), "zstd"),
            ]
        case "uek":
            # Nothing says that they belong together.
            return [
                spec("kernel-uek-core", image(kernel, folder), "zstd"),
                spec("kernel-uek-modules", modules(kernel, folder, ".xz"), "zstd"),
            ]
        case "amazon2023":
            files = image(kernel, folder) | image(kernel, "boot", f"-{kernel.release}")
            return [spec("kernel6.12", files | modules(kernel, folder, ".xz"), "zstd")]
        case _:
            folder = f"usr/{folder}"
            files = image(kernel, folder) | modules(kernel, folder, ".zst")
            return [spec("kernel-default", files, "zstd")]


def publish(
    family: str,
    kernel: Artifact,
    repository: RpmRepository,
    vendor: RpmSigner,
    folder: Path,
) -> str:
    """Publish a kernel in a family's layout; return the package with the image."""
    made = []
    specs = layout(family, kernel)
    for it in specs:
        package = Path(shutil.copy(make_rpm(folder / "made", it), folder))
        vendor.sign_package(package)
        made.append(package)
    repository.publish(*made, signer=vendor)
    return specs[0].name


@pytest.mark.parametrize("family", ["plain", "el8", "el9", "uek", "amazon2023", "suse"])
def test_real_kernel_is_the_same_in_each_layout(
    family: str,
    debian: Artifact,
    repository: RpmRepository,
    vendor: RpmSigner,
    tmp_path: Path,
) -> None:
    package = publish(family, debian, repository, vendor, tmp_path)
    source = RpmSource(
        type="rpm",
        baseurl=repository.url,
        package=package,
        modules="kernel-uek-modules" if family == "uek" else None,
        fingerprint=vendor.fingerprint,
        repo_gpgcheck=True,
    )

    found = fetch.obtain(
        Kernel(id="6.1", source=source), Cache(tmp_path / "cache"), progress()
    )

    assert found.release == debian.release
    assert found.image_sha256 == debian.image_sha256
    assert found.btf_source == "kernel"
    assert found.nic == debian.nic
    assert [it.read_bytes() for it in found.modules] == [
        it.read_bytes() for it in debian.modules
    ]


def test_kernel_of_a_repository_boots_and_objects_read_right_values(
    debian: Artifact,
    repository: RpmRepository,
    vendor: RpmSigner,
    tmp_path: Path,
    reports: Path,
) -> None:
    publish("el9", debian, repository, vendor, tmp_path)
    (tmp_path / "KEY").write_bytes(vendor.public)
    rows = tmp_path / "matrix.yaml"
    rows.write_text(
        "kernels:\n  - id: el9\n    source:\n      type: rpm\n"
        f"      baseurl: {repository.server.url}/$place/\n"
        "      variables: {place: repo}\n"
        "      gpgkey: KEY\n"
    )

    done = run(
        *("--kernels", "el9", "--matrix", rows, "--suite", ROOT / "suites/task"),
        reports=reports,
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )

    assert done.status == 0, done.output + done.errors
    (kernel,) = done.results.kernels
    assert kernel.release == debian.release
    assert done.case("comm").outcome == "passed"


def test_wrong_signature_ends_a_run_before_anything_boots(
    debian: Artifact,
    repository: RpmRepository,
    vendor: RpmSigner,
    tmp_path: Path,
    reports: Path,
) -> None:
    publish("el9", debian, repository, vendor, tmp_path)
    repository.edit_repomd("<revision>", "<revision>9")
    (tmp_path / "KEY").write_bytes(vendor.public)
    rows = tmp_path / "matrix.yaml"
    rows.write_text(
        "kernels:\n  - id: el9\n    source:\n"
        f"      {{type: rpm, baseurl: '{repository.url}', gpgkey: KEY}}\n"
    )

    done = run(
        *("--kernels", "el9", "--matrix", rows, "--suite", ROOT / "suites/task"),
        reports=reports,
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )

    assert done.status == 3
    (kernel,) = done.results.kernels
    assert "repomd.xml does not match the file" in kernel.error
    assert not (reports / "el9/console.log").exists()
