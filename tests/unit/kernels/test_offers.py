"""The versions that sources offer, and rows of one of them exactly."""

from pathlib import Path

import pytest

from runner.bisect import candidates
from runner.bisect.candidates import OfferedKernel, Versions
from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.sources import providers
from runner.kernels.sources.offer import Offer, order_of
from runner.kernels.sources.ubuntu import Ubuntu
from runner.matrix.matrix import DebianSource, Matrix
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.packaging import make_package
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.test_fetch_debian import kernel_files
from tests.unit.kernels.ubuntu import conftest as ubuntu
from tests.unit.kernels.ubuntu.conftest import UbuntuArchive
from tests.unit.kernels.ubuntu.kernels import UbuntuKernel

server, archive = ubuntu.server, ubuntu.archive
CLOUD = "cloud-amd64"
# As Debian's suites have them, not in their order.
HISTORY = (
    (f"linux-image-6.12.9-{CLOUD}", "6.12.9-1~bpo12+1", ""),
    (f"linux-image-6.1.0-9-{CLOUD}", "6.1.27-1", ""),
    (f"linux-image-6.1.0-50-{CLOUD}", "6.1.176-1", ""),
    (f"linux-image-6.1.0-0.deb11.50-{CLOUD}", "6.1.176-1~deb11u1", ""),
    (f"linux-image-6.12.90+deb13.1-{CLOUD}", "6.12.90-2", ""),
    # Other flavours, debug information, and metapackages.
    ("linux-image-6.1.0-50-amd64", "6.1.176-1", ""),
    (f"linux-image-6.1.0-50-{CLOUD}-dbg", "6.1.176-1", ""),
    (f"linux-image-6.1-{CLOUD}", "6.1.176-1", f"linux-image-6.1.0-50-{CLOUD}"),
    (f"linux-image-{CLOUD}", "6.12.90-2", f"linux-image-6.12.90+deb13.1-{CLOUD}"),
)
IN_ORDER = [
    *("6.1.27-1", "6.1.176-1~deb11u1", "6.1.176-1"),
    *("6.12.9-1~bpo12+1", "6.12.90-2"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("packages")
    return [
        make_package(folder, name, {"x": b"x"}, version=version, depends=depends)
        for name, version, depends in HISTORY
    ]


@pytest.fixture
def history(suite: Suite, made: list[Path]) -> Suite:
    suite.publish(*made)
    return suite


def offered(suite: Suite, **keys: object) -> list[Offer]:
    row = {"type": "debian", "suite": "bookworm", **keys}
    source = DebianSource.model_validate(row)
    return providers.offers(source, Cache(suite.folder / "private"))


def rows(suite: Suite, *, btf: str = "auto", **more: str) -> Versions:
    keys = {"type": "debian", "suite": "bookworm", **more}
    only = {"type": "path", "image": "there-is-none"}
    matrix = Matrix.model_validate(
        {
            "kernels": [
                {"id": "deb", "btf": btf, "source": keys},
                {"id": "mine", "source": only},
            ]
        },
        strict=False,
    )
    return Versions(matrix, Cache(suite.folder / "private"), Silent())


def test_suite_offers_all_versions_of_the_flavour_in_their_order(
    history: Suite,
) -> None:
    assert [it.version for it in offered(history)] == IN_ORDER
    assert offered(history)[0].package == f"linux-image-6.1.0-9-{CLOUD}"


def test_pattern_limits_what_is_offered(history: Suite) -> None:
    found = offered(history, package=f"linux-image-6.1.0-*-{CLOUD}")
    assert [it.version for it in found] == IN_ORDER[:3]


@pytest.mark.parametrize(
    ("version", "package"),
    [
        ("6.1.27-1", f"linux-image-6.1.0-9-{CLOUD}"),
        ("6.12.9-1~bpo12+1", f"linux-image-6.12.9-{CLOUD}"),
        ("6.1.0-50", f"linux-image-6.1.0-50-{CLOUD}"),
        (f"6.12.90+deb13.1-{CLOUD}", f"linux-image-6.12.90+deb13.1-{CLOUD}"),
    ],
)
def test_version_means_its_package_however_it_is_written(
    version: str, package: str, history: Suite
) -> None:
    source = DebianSource(type="debian", suite="bookworm", version=version)
    pin = providers.of(source).resolve(source, Cache(history.folder / "private"))
    assert [it.name for it in pin.items] == [package]


def test_version_that_the_suite_lacks_is_told_with_the_nearest(history: Suite) -> None:
    source = DebianSource(type="debian", suite="bookworm", version="6.1.28-1")
    with pytest.raises(ArtifactError) as raised:
        providers.of(source).resolve(source, Cache(history.folder / "private"))
    assert "no linux-image-cloud-amd64 of version 6.1.28-1" in str(raised.value)
    assert "it has 6.1.27-1" in str(raised.value)


def test_row_means_what_a_run_boots_though_its_suite_has_a_newer_series(
    suite: Suite, made: list[Path]
) -> None:
    """Like bookworm's security updates, which also have trixie's kernel."""
    meta = make_package(
        suite.folder,
        f"linux-image-{CLOUD}",
        {"x": b"x"},
        version="6.1.176-1",
        depends=f"linux-image-6.1.0-50-{CLOUD}",
    )
    suite.publish(*made[:-1], meta)
    versions = rows(suite)
    there = versions.of_row(versions.row("deb"))

    assert [it.version for it in there] == IN_ORDER
    assert versions.one("deb", "--bad").id == "deb@6.1.176-1"


def test_row_means_the_kernel_that_the_cache_still_has(
    suite: Suite, tmp_path: Path
) -> None:
    def kernel(number: int) -> Path:
        release = f"6.1.0-{number}-{CLOUD}"
        return make_package(
            tmp_path,
            f"linux-image-{release}",
            kernel_files(release),
            version=f"6.1.{number}-1",
        )

    keys = {"package": f"linux-image-6.1.0-*-{CLOUD}", "btf": "kernel"}
    suite.publish(kernel(10))
    ran = rows(suite, **keys)
    fetch.obtain(ran.row("deb"), Cache(suite.folder / "private"), Silent())
    # A week has not passed yet: runs go on with what was found.
    suite.publish(kernel(11))
    found = rows(suite, **keys).one("deb", "--bad")

    assert (found.id, found.version) == ("deb", "6.1.10-1")
    assert found.order < rows(suite, **keys).one("deb@6.1.11-1", "--bad").order


def test_row_means_its_newest_version_and_others_by_name(history: Suite) -> None:
    versions = rows(history)
    assert versions.one("deb", "--bad").id == "deb@6.12.90-2"
    assert versions.one("deb@6.1.27-1", "--good").version == "6.1.27-1"
    # As `uname -r` has it.
    assert versions.one("deb@6.1.0-9", "--good").version == "6.1.27-1"


def test_version_that_a_row_does_not_offer_is_told(history: Suite) -> None:
    with pytest.raises(UsageError, match=r"deb@6\.1\.26-1: .* offers no version"):
        rows(history).one("deb@6.1.26-1", "--good")


def test_versions_between_two_are_in_the_direction_that_is_asked(
    history: Suite,
) -> None:
    versions = rows(history)
    there = versions.of_row(versions.row("deb"))

    def between(first: str, last: str) -> list[str]:
        one, other = (versions.one(f"deb@{it}", "") for it in (first, last))
        # Two suites may have the same package.
        return [it.version for it in candidates.between(one, other, [*there, *there])]

    assert between("6.1.27-1", "6.12.9-1~bpo12+1") == IN_ORDER[:4]
    assert between("6.12.90-2", "6.1.176-1") == IN_ORDER[:1:-1]


def test_source_that_lists_no_versions_says_what_to_do(history: Suite) -> None:
    versions = rows(history)
    with pytest.raises(ArtifactError) as raised:
        candidates.offered(versions.row("mine"), Cache(history.folder / "private"))
    assert "can't list its versions" in str(raised.value)
    assert "--versions" in raised.value.hint


def test_ubuntus_series_offers_the_kernels_of_all_its_pockets(
    archive: UbuntuArchive, tmp_path: Path
) -> None:
    old = UbuntuKernel(abi="5.15.0-91", upload=".101")
    new = UbuntuKernel(abi="5.15.0-100", upload=".110", signed=False)
    archive.publish(*old.make(tmp_path))
    archive.publish(*new.make(tmp_path), suite="jammy-updates")
    source = archive.row(pockets=["release", "updates"])
    found = Ubuntu().offers(source, Cache(tmp_path / "cache"))
    assert [(it.version, it.package) for it in found] == [
        ("5.15.0-91.101", "linux-image-5.15.0-91-generic"),
        ("5.15.0-100.110", "linux-image-unsigned-5.15.0-100-generic"),
    ]


def test_versions_of_different_sources_are_ordered_by_upstreams_numbers() -> None:
    def candidate(kind: str, version: str) -> OfferedKernel:
        row = Matrix.model_validate(
            {"kernels": [{"id": version, "source": {"type": "path", "image": "x"}}]},
            strict=False,
        ).kernels[0]
        order = order_of(kind, version, version)
        return OfferedKernel(kernel=row, version=version, package=kind, order=order)

    given = [candidate("rpm", "5.14.0-1.el9"), candidate("deb", "5.10.223-1")]
    found = candidates.ordered([*given, candidate("", "6.1")])
    assert [it.version for it in found] == ["5.10.223-1", "5.14.0-1.el9", "6.1"]
