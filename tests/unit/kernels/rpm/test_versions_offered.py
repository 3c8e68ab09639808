"""The versions that an RPM repository offers."""

from runner.files.cache import Cache
from runner.kernels.sources.rpm.provider import Rpm
from tests.unit.kernels.rpm.conftest import Maker, row
from tests.unit.kernels.rpm.made import RpmRepository, Spec


def test_repository_offers_all_versions_in_rpms_order_with_their_dates(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    releases = ("570.el9", "70.el9", "570.12.1.el9_6")
    specs = [
        Spec(name="kernel-core", version="5.14.0", release=release)
        for release in releases
    ]
    other = Spec(name="kernel-core-debug", version="5.14.0", release="1.el9")
    repository.publish(*map(make, (*specs, other)))

    found = Rpm().offers(row(repository, gpgcheck=False), cache)

    assert [it.version for it in found] == [
        *("5.14.0-70.el9", "5.14.0-570.el9", "5.14.0-570.12.1.el9_6"),
    ]
    assert found[0].package == "kernel-core-5.14.0-70.el9.x86_64"
    # rpmbuild writes the day of the build.
    assert all(len(it.date) == len("2026-01-01") for it in found)
