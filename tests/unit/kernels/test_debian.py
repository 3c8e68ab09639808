"""Which packages hold a kernel, in suites of the tests' own."""

from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.kernels.sources import aptkernel
from runner.kernels.sources.aptkernel import Resolved
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.packaging import make_package


def resolved(suite: Suite, package: str = "linux-image-cloud-amd64") -> Resolved:
    return aptkernel.resolve(package, suite.open())


def names(found: Resolved) -> list[str]:
    return [package.name for package in found.packages]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two 6.1 kernels and a 6.12, each in two flavours; the metapackage pulls one."""
    folder = tmp_path_factory.mktemp("packages")

    def package(name: str, version: str = "1", depends: str = "") -> Path:
        return make_package(folder, name, {"x": b"x"}, version=version, depends=depends)

    found = [
        package(
            "linux-image-cloud-amd64",
            "6.1.176-1",
            "linux-image-6.1.0-50-cloud-amd64 (= 6.1.176-1)",
        ),
        package("linux-image-empty", depends="libc6"),
        package("linux-image-dangling", depends="linux-image-9.9-cloud-amd64"),
    ]
    for release, version in (
        ("6.1.0-9", "6.1.27-1"),
        ("6.1.0-50", "6.1.176-1"),
        ("6.12.9", "6.12.9-1~bpo12+1"),
    ):
        for flavour in ("amd64", "cloud-amd64"):
            name = f"linux-image-{release}-{flavour}"
            found.append(package(name, version))
            found.append(package(f"{name}-dbg", f"9{version}"))
    return found


@pytest.fixture
def kernels(suite: Suite, made: list[Path]) -> Suite:
    suite.publish(*made)
    return suite


def test_a_metapackage_is_followed(kernels: Suite) -> None:
    found = resolved(kernels)

    assert names(found) == ["linux-image-6.1.0-50-cloud-amd64"]
    assert found.image.version == "6.1.176-1"
    assert found.origin == "bookworm linux-image-6.1.0-50-cloud-amd64 6.1.176-1"


def test_a_package_stands_for_itself(kernels: Suite) -> None:
    found = resolved(kernels, "linux-image-6.1.0-9-amd64")

    assert names(found) == ["linux-image-6.1.0-9-amd64"]
    assert found.image.version == "6.1.27-1"


def test_the_newest_of_a_pattern_is_taken(kernels: Suite) -> None:
    # 176 is more than 27, and a package of debugging symbols is no kernel.
    found = resolved(kernels, "linux-image-6.1.0-*-cloud-amd64")

    assert names(found) == ["linux-image-6.1.0-50-cloud-amd64"]
    assert names(resolved(kernels, "linux-image-6.[12]*-cloud-amd64")) == [
        "linux-image-6.12.9-cloud-amd64"
    ]


def test_a_candidate_is_older_than_its_release(suite: Suite) -> None:
    suite.publish(
        suite.package("linux-image-7.2-rc4-cloud-amd64", version="7.2~rc4-1~exp1"),
        suite.package("linux-image-7.2-cloud-amd64", version="7.2-1"),
        suite.package("linux-image-7.1.9-cloud-amd64", version="7.1.9-1"),
    )

    assert names(resolved(suite, "linux-image-7.*-cloud-amd64")) == [
        "linux-image-7.2-cloud-amd64"
    ]


def test_a_split_kernel_is_several_packages(suite: Suite) -> None:
    release = "7.2.13-cloud-amd64"
    parts = [f"linux-{part}-{release}" for part in ("base", "binary", "modules")]
    suite.publish(
        *(suite.package(name, version="7.2.13-1") for name in parts),
        suite.package(f"linux-binary-{release}-dbg"),
        suite.package(
            f"linux-image-{release}",
            version="7.2.13-1",
            depends=f"linux-base (>= 4), {', '.join(parts)}",
        ),
    )

    found = resolved(suite, "linux-image-7.*")

    assert names(found)[0] == f"linux-image-{release}"
    assert sorted(names(found)[1:]) == parts
    assert found.release == release


@pytest.mark.parametrize(
    ("package", "said", "hint"),
    [
        (
            "linux-image-cluod-amd64",
            "bookworm has no package linux-image-cluod-amd64",
            "linux-image-cloud-amd64",
        ),
        (
            "linux-image-5.10.0-*-cloud-amd64",
            "bookworm has no package linux-image-5.10.0-*-cloud-amd64",
            "linux-image-6.1.0-50-cloud-amd64",
        ),
        ("busybox", "bookworm has no package busybox", "linux-image-"),
    ],
)
def test_a_package_that_is_not_there_is_told_with_near_ones(
    kernels: Suite, package: str, said: str, hint: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        resolved(kernels, package)

    assert caught.value.message == said
    assert caught.value.hint.startswith("there are ")
    assert hint in caught.value.hint


def test_a_suite_without_kernels_says_so(suite: Suite) -> None:
    with pytest.raises(ArtifactError) as caught:
        resolved(suite)

    assert caught.value.hint == "it has no kernel"


@pytest.mark.parametrize("package", ["linux-image-empty", "linux-image-dangling"])
def test_a_package_without_a_kernel_is_told(kernels: Suite, package: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        resolved(kernels, package)

    assert caught.value.message == (
        f"bookworm: {package} is not a kernel and depends on none"
    )
