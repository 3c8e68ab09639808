"""matrices/vendors.yaml: which kernels it has, and how they are selected.

That each row's kernel is found in its vendor's layout is tested in test_vendors.py of
tests/unit/kernels/rpm and ubuntu, and in tests/unit/kernels/test_fetch_debian.py.
"""

import time
from pathlib import Path

import pytest

from runner.matrix import matrix, selectors
from runner.matrix.matrix import (
    DebianSource,
    Kernel,
    KernelOrgSource,
    RpmSource,
    UbuntuSource,
)

ROOT = Path(__file__).resolve().parents[3]
VENDORS = ROOT / "matrices/vendors.yaml"
MATRIX = matrix.load(VENDORS)


def never(kernel: Kernel) -> None:
    raise AssertionError(f"{kernel.id}: its source may not be asked")


def selected(*words: str) -> list[str]:
    return [it.id for it in selectors.select(MATRIX, words, never)]


def test_each_row_says_what_was_seen_of_it() -> None:
    assert all(row.seen for row in MATRIX.kernels)


def test_only_rows_whose_packages_could_be_had_were_booted() -> None:
    booted = [row for row in MATRIX.kernels if row.seen == "booted"]

    assert booted
    assert all(isinstance(it.source, DebianSource | UbuntuSource) for it in booted)


@pytest.mark.parametrize(
    ("tag", "some"),
    [
        ("@rhel", {"rocky-8", "rocky-8.8", "alma-9.6", "alma-10.1", "stream-10"}),
        ("@rhel9", {"alma-9", "alma-9.7", "alma-9.6", "stream-9"}),
        ("@oracle", {"uek-7", "uek-8"}),
        ("@amazon", {"amazon-2-4.14", "amazon-2-5.10", "amazon-2023-6.1"}),
        ("@suse", {"leap-15.6", "leap-16.0"}),
        ("@fedora", {"fedora-44", "fedora-45"}),
        ("@ubuntu", {"ubuntu-18.04", "ubuntu-22.04-hwe", "ubuntu-24.04-aws"}),
        ("@hwe", {"ubuntu-20.04-hwe", "ubuntu-26.04-hwe"}),
        ("@debian", {"debian-11", "debian-12", "debian-13", "debian-12-bpo"}),
        ("@cloud", {"amazon-2023-6.1", "ubuntu-24.04-gcp", "debian-13"}),
    ],
)
def test_tag_of_a_family_selects_its_rows(tag: str, some: set[str]) -> None:
    found = selected(tag)

    assert some <= set(found)
    assert len(found) < len(MATRIX.kernels)


def test_exact_rows_have_the_release_that_vendors_ranges_need() -> None:
    rows = {row.id: row.version for row in MATRIX.kernels}

    for id_, told in {
        "rocky-8.8": ("4.18.0", (8, 8)),
        "rocky-8.9": ("4.18.0", (8, 9)),
        "alma-9.6": ("5.14.0", (9, 6)),
        "alma-9.7": ("5.14.0", (9, 7)),
        "alma-10.0": ("6.12.0", (10, 0)),
        "alma-10.1": ("6.12.0", (10, 1)),
    }.items():
        version = rows[id_]
        assert version is not None
        assert version.member is not None
        assert (str(version), version.member.version) == told
    # Which one is the newest, only its repository knows.
    assert rows["alma-9"] is None


def test_packages_are_signed_by_keys_that_are_known() -> None:
    sources = [it for row in MATRIX.kernels for it in row.sources]
    rpms = [it for it in sources if isinstance(it, RpmSource)]

    assert rpms
    assert all(it.gpgcheck and it.fingerprints for it in rpms)


def test_whole_matrix_is_read_in_a_moment() -> None:
    started = time.process_time()
    matrix.load(VENDORS)

    assert time.process_time() - started < 1.5


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("5.14.0-503.40.1.el9_5", "5.14.0-503.40.1.el9_5"),
        ("1:5.14.0-1.el9", "5.14.0-1.el9"),
        ("kernel-core-5.14.0-1.el9.x86_64", "5.14.0-1.el9.x86_64"),
        ("kernel6.12-6.12.40-63.114.amzn2023", "6.12.40-63.114.amzn2023"),
    ],
)
def test_release_of_a_package_is_found_however_its_version_is_written(
    version: str, release: str
) -> None:
    source = RpmSource(type="rpm", baseurl="http://x/", gpgcheck=False, version=version)

    assert source.release == release


def test_release_of_a_vendors_source_is_known_and_upstreams_is_not() -> None:
    vendors = KernelOrgSource(
        type="kernel-org", version="4.18.0-553.el8_10", tarball="x.tar.xz"
    )
    upstreams = KernelOrgSource(type="kernel-org", version="5.5", sha256="0" * 64)

    assert (vendors.release, upstreams.release) == ("4.18.0-553.el8_10", "")


def test_rows_have_no_other_sources_than_those_whose_layout_is_tested() -> None:
    kinds = {type(it) for row in MATRIX.kernels for it in row.sources}

    assert kinds == {RpmSource, UbuntuSource, DebianSource}
