"""Which packages hold a kernel, in suites of the tests' own."""

from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.kernels.sources import aptkernel, debian
from runner.kernels.sources.aptkernel import Resolved
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.packaging import (
    Repository,
    Signer,
    machine_configuration,
    make_package,
)
from tests.unit.kernels.server import serving


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


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (
            "linux-image-empty",
            "bookworm: linux-image-empty is not a kernel and depends on none",
        ),
        (
            "linux-image-dangling",
            "bookworm has no package linux-image-9.9-cloud-amd64, which "
            "linux-image-dangling needs",
        ),
    ],
)
def test_a_package_without_a_kernel_is_told(
    kernels: Suite, package: str, said: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        resolved(kernels, package)

    assert caught.value.message == said
    assert caught.value.hint


def test_split_kernel_without_one_of_its_packages_is_refused(suite: Suite) -> None:
    release = "7.2.13-cloud-amd64"
    suite.publish(
        suite.package(f"linux-binary-{release}"),
        suite.package(
            f"linux-image-{release}",
            depends=f"linux-binary-{release}, linux-modules-{release}",
        ),
    )

    with pytest.raises(ArtifactError) as caught:
        resolved(suite, "linux-image-7.*")

    assert caught.value.message == (
        f"bookworm has no package linux-modules-{release}, which linux-image-{release} "
        "needs"
    )


# ------------------------------------------------------------ other suites and mirrors


def test_backports_are_used_although_apt_would_not_by_itself(suite: Suite) -> None:
    name = "linux-image-6.12.9+deb12-cloud-amd64"
    suite.repository.publish(
        "bookworm-backports",
        [
            suite.package(name, version="6.12.9-1~bpo12+1"),
            suite.package("linux-image-cloud-amd64", depends=name),
        ],
        suite.signer,
        more=["NotAutomatic: yes", "ButAutomaticUpgrades: yes"],
    )

    found = aptkernel.resolve(
        "linux-image-cloud-amd64", suite.open("bookworm-backports")
    )

    assert names(found) == [name]


def test_security_updates_come_from_their_own_mirror(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    security = Repository(root=suite.folder / "security")
    name = "linux-image-6.1.0-57-amd64"
    security.publish(
        "bookworm-security",
        [suite.package(name)],
        suite.signer,
        more=["Label: Debian-Security"],
    )
    signed = f"deb [signed-by={suite.signer.keyring}]"
    configuration = machine_configuration(
        suite.folder / "two",
        f"{signed} {security.address} bookworm-security main\n"
        f"{signed} {suite.repository.address} bookworm main\n",
    )
    monkeypatch.setenv("APT_CONFIG", str(configuration))

    found = aptkernel.resolve(name, suite.open("bookworm-security"))

    assert names(found) == [name]
    assert debian.mirror() == f"{suite.repository.address}/"


def test_machine_without_security_updates_is_told(suite: Suite) -> None:
    with pytest.raises(ArtifactError) as caught:
        suite.open("bookworm-security")

    assert caught.value.message == (
        "apt knows no mirror of Debian's security updates on this machine"
    )
    assert "the key mirror" in caught.value.hint


def test_old_suite_comes_from_the_archive_that_the_row_names(
    suite: Suite, stranger: Signer
) -> None:
    name = "linux-image-4.19.0-27-amd64"
    old = Repository(root=suite.folder / "old")
    old.publish(
        "buster/updates",
        [suite.package(name)],
        stranger,
        more=["Valid-Until: Thu, 08 Jan 2026 00:00:00 UTC"],
    )
    with serving() as server:
        old.serve(server, "/debian")
        keys: dict[str, object] = {
            "mirror": f"{server.url}/debian",
            "keyring": stranger.keyring,
        }

        with pytest.raises(ArtifactError) as caught:
            suite.open("buster/updates", **keys)
        found = suite.open("buster/updates", check_valid_until=False, **keys)

    assert "the index of buster/updates is past its Valid-Until" in caught.value.message
    assert "check_valid_until to false" in caught.value.hint
    assert names(aptkernel.resolve(name, found)) == [name]
