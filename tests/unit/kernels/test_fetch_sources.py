"""Sources of a row, tried in order."""

import gzip
from pathlib import Path

import pytest

from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.matrix.matrix import Kernel, PathSource, UnavailableSource
from tests.unit.kernels import images
from tests.unit.kernels.silent import Silent


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(root=tmp_path / "cache")


def path(image: Path) -> PathSource:
    return PathSource(type="path", image=image)


def test_kernel_with_an_image_alone_becomes_an_artifact(
    tmp_path: Path, cache: Cache
) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(images.bzimage("4.4.1"))

    found = fetch.obtain(Kernel(id="4.4", source=path(image)), cache, Silent())

    assert found.release == "4.4.1"
    assert str(found.version) == "4.4.1"
    assert found.vmlinuz.read_bytes() == image.read_bytes()
    assert found.modules == ()
    assert found.config is None
    assert found.system_map is None


def test_version_is_known_before_anything_is_cached(
    tmp_path: Path, cache: Cache
) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(images.bzimage("4.4.1"))

    found = fetch.version_of(Kernel(id="mine", source=path(image)), cache)

    assert str(found) == "4.4.1"


def test_second_source_stands_in_for_the_first(tmp_path: Path, cache: Cache) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(images.bzimage())
    kernel = Kernel(
        id="4.4",
        source=(
            path(tmp_path / "missing"),
            UnavailableSource(type="unavailable", reason="not yet"),
            path(image),
        ),
    )

    assert fetch.obtain(kernel, cache, Silent()).origin.endswith("bzImage")


def test_every_source_says_why_it_failed(tmp_path: Path, cache: Cache) -> None:
    kernel = Kernel(id="4.4", source=(path(tmp_path / "one"), path(tmp_path / "two")))

    # What is not there is a mistake in the matrix.
    with pytest.raises(UsageError) as caught:
        fetch.obtain(kernel, cache, Silent())

    assert "4.4 is unavailable" in caught.value.message
    assert "one" in caught.value.message
    assert "two" in caught.value.message


def test_kernel_that_is_only_unavailable_is_the_users_mistake(cache: Cache) -> None:
    kernel = Kernel(
        id="4.4", source=UnavailableSource(type="unavailable", reason="not yet")
    )

    with pytest.raises(UsageError, match="not yet"):
        fetch.obtain(kernel, cache, Silent())


def test_changed_image_is_another_artifact(tmp_path: Path, cache: Cache) -> None:
    image = tmp_path / "bzImage"
    kernel = Kernel(id="4.4", source=path(image))
    image.write_bytes(images.bzimage("4.4.1"))
    before = fetch.obtain(kernel, cache, Silent())
    image.write_bytes(images.bzimage("4.4.2"))

    assert fetch.cached(kernel, cache) is None
    assert fetch.obtain(kernel, cache, Silent()).release == "4.4.2"
    assert before.vmlinuz.exists()


@pytest.mark.parametrize(
    ("id_", "release", "note"),
    [
        ("5.14", "5.14.0-570.12.1.el9_6.x86_64", ", of RHEL"),
        ("4.11", "4.18.0-553.el8_10.x86_64", ", of RHEL"),
        ("5.15", "5.15.0-91-generic", ", of Ubuntu"),
        ("5.14", "5.14.21", None),
        ("5.14", "5.15.3", ""),
        # Debian's kernels are upstream's stable ones.
        ("6.1", "6.1.0-44-cloud-amd64", None),
        ("5.14-el9", "5.14.0-570.12.1.el9_6.x86_64", None),
        ("rhel-9.6", "5.14.0-570.12.1.el9_6.x86_64", None),
    ],
)
def test_row_that_promises_another_kernel_is_noted(
    tmp_path: Path, cache: Cache, id_: str, release: str, note: str | None
) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(images.bzimage(release))
    progress = Silent()
    kernel = Kernel(id=id_, source=path(image), btf="kernel")

    fetch.obtain(kernel, cache, progress)

    said = f"{id_}: note: this kernel is {release}{note}"
    noted = [it for it in progress.messages if "note: this kernel" in it]
    assert noted == ([] if note is None else [said])


# ------------------------------------------------------------- architectures


@pytest.mark.parametrize("architecture", ["arm64", "riscv64"])
def test_an_image_of_another_architecture_is_refused(
    tmp_path: Path, cache: Cache, architecture: str
) -> None:
    image = tmp_path / "Image"
    made = {"arm64": images.arm64_image, "riscv64": images.riscv_image}[architecture]
    image.write_bytes(made("6.1.0"))

    with pytest.raises(ArtifactError) as caught:
        fetch.obtain(Kernel(id="mine", source=path(image)), cache, Silent())

    assert f"is for {architecture}, and the row is for x86_64" in caught.value.message
    assert f"arch: {architecture}" in (caught.value.hint or "")


def test_a_row_of_an_architecture_refuses_an_image_of_x86(
    tmp_path: Path, cache: Cache
) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(images.bzimage("6.1.0"))
    row = Kernel(id="mine", arch="s390x", source=path(image))

    with pytest.raises(ArtifactError, match="is for x86_64, and the row is for s390x"):
        fetch.obtain(row, cache, Silent())


def test_an_arm64_image_becomes_an_artifact_that_qemu_boots(
    tmp_path: Path, cache: Cache
) -> None:
    image = tmp_path / "Image.gz"
    image.write_bytes(gzip.compress(images.arm64_image("6.1.0")))
    row = Kernel(id="mine", arch="arm64", source=path(image))

    found = fetch.obtain(row, cache, Silent())

    assert found.release == "6.1.0"
    assert found.architecture == "arm64"
    assert found.vmlinuz.read_bytes() == images.arm64_image("6.1.0")
