"""Vendors, by the releases of their kernels."""

import re

import pytest

from runner.facts.families import member


@pytest.mark.parametrize(
    ("release", "name", "version"),
    [
        ("4.18.0-553.66.1.el8_10.x86_64", "rhel", (8, 10)),
        ("4.18.0-240.el8", "rhel", (8, 3)),
        ("5.14.0-570.32.1.el9_6.x86_64", "rhel", (9, 6)),
        ("5.14.0-570.el9", "rhel", (9, 6)),
        # CentOS Stream runs ahead of the list.
        ("5.14.0-9999.el9.x86_64", "rhel", (9, 8)),
        ("6.12.0-211.el10.x86_64", "rhel", (10, 2)),
        ("3.10.0-1160.108.1.el7.x86_64", "rhel", (7, 9)),
        ("6.12.0-55.9.1.el10_0.x86_64", "rhel", (10, 0)),
        ("5.14.0-70.13.1.rt21.83.el9_0.x86_64", "rhel", (9, 0)),
        ("5.15.0-200.131.27.el8uek.x86_64", "uek", ()),
        ("4.14.336-253.554.amzn2.x86_64", "amazon", (2,)),
        ("6.1.61-85.141.amzn2023.x86_64", "amazon", (2023,)),
        ("6.8.5-301.fc40.x86_64", "fedora", (40,)),
        ("5.15.0-91-generic", "ubuntu", ()),
        ("6.8.0-1012-aws", "ubuntu", ()),
        ("5.14.21-150500.55.7-default", "suse", (15, 5)),
        ("6.9.3-1-default", "suse", ()),
        ("6.1.0-50-cloud-amd64", "debian", ()),
        ("6.12.117+deb13-cloud-amd64", "debian", (13,)),
        ("6.6.57.1-7.azl3", "azurelinux", (3,)),
        ("5.10.66-android12-9-00001-gabc", "android", (12,)),
    ],
)
def test_a_release_names_its_vendor(
    release: str, name: str, version: tuple[int, ...]
) -> None:
    found = member(release)

    assert found is not None
    assert (found.family.name, found.version) == (name, version)


@pytest.mark.parametrize(
    "release",
    [
        *("4.18.0-80.1.2.el8_0", "4.18.0-147.3.1.el8_1", "4.18.0-193.6.3.el8_2"),
        *("4.18.0-240.15.1.el8_3", "4.18.0-305.25.1.el8_4", "4.18.0-348.23.1.el8_5"),
        *("4.18.0-372.32.1.el8_6", "4.18.0-425.19.2.el8_7", "4.18.0-477.27.2.el8_8"),
        *("4.18.0-513.24.1.el8_9", "4.18.0-553.66.1.el8_10"),
        *("5.14.0-70.30.1.el9_0", "5.14.0-162.23.1.el9_1", "5.14.0-284.30.1.el9_2"),
        *("5.14.0-362.24.2.el9_3", "5.14.0-427.42.1.el9_4", "5.14.0-503.40.1.el9_5"),
        *("5.14.0-570.32.1.el9_6", "5.14.0-611.5.1.el9_7", "5.14.0-687.29.1.el9_8"),
        *("6.12.0-55.24.1.el10_0", "6.12.0-124.8.1.el10_1", "6.12.0-211.22.1.el10_2"),
    ],
)
def test_build_has_the_minor_release_that_published_releases_name(
    release: str,
) -> None:
    named, built = member(release), member(re.sub(r"_\d+$", "", release))

    assert named is not None
    assert built is not None
    assert built.version == named.version


@pytest.mark.parametrize(
    "release", ["", "5.14", "6.18.0", "6.1.0-rc4", "4.4.1+", "sid"]
)
def test_upstreams_kernels_have_no_vendor(release: str) -> None:
    assert member(release) is None
