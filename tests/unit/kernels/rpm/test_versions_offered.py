"""The versions that an RPM repository offers."""

from runner.files.cache import Cache
from runner.kernels.sources.rpm.provider import Rpm
from runner.kernels.sources.rpm.version import Evr
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


def test_what_a_run_boots_is_one_of_those_offered(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    spec = Spec(name="kernel-core", version="5.14.0", release="570.12.1.el9_6")
    repository.publish(make(spec))
    source = row(repository, gpgcheck=False)

    (offered,) = Rpm().offers(source, cache)
    found = Rpm().offer_of(Rpm().resolve(source, cache), source)

    assert (found.version, found.package, found.order) == (
        *(offered.version, offered.package, offered.order),
    )


def test_version_with_an_epoch_is_read_as_it_is_written() -> None:
    for evr in (
        Evr(epoch=2, version="5.14.0", release="1.el9"),
        Evr(epoch=0, version="6", release="2"),
    ):
        assert Evr.parse(str(evr)) == evr
