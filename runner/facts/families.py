"""Which vendor a kernel comes from, by its release, and how the vendor counts.

A vendor's kernel has what its vendor put into it: the upstream version in its release
tells little of that. Ranges and reports therefore name vendors' kernels by family.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Numbers = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Family:
    """A vendor's kernels."""

    # As ranges name it: "rhel>=9.4".
    name: str
    # As reports name it.
    shown: str
    # What only releases of this family hold.
    release: re.Pattern[str]
    # How the vendor counts, from a match of `release`; empty where it can't be told.
    count: Callable[[re.Match[str]], Numbers] = lambda _: ()
    # Whether its kernels are upstream's stable ones with few changes, so that the
    # upstream number says what they are.
    follows_upstream: bool = False
    # Whether one version of the vendor's has several kernels: Amazon Linux 2 has 4.14,
    # 5.4 and 5.10.
    has_several: bool = False


@dataclass(frozen=True, kw_only=True)
class Member:
    """What a release tells of its family."""

    family: Family
    # The vendor's own version, such as (9, 4); empty where it can't be told.
    version: Numbers


# Kernel build → minor release. Makefile.rhelver of AlmaLinux's trees says so for 8.3 to
# 8.10, 9.0 to 9.6 and 10.0; releases themselves for 8.0 to 8.2, 9.7, 9.8, 10.1 and 10.2
# ("5.14.0-687.29.1.el9_8"), which a test holds. RHEL 7's releases have no minor number:
# 7.6 and 7.8 were found in what others published, the rest was compared with nothing.
_RHEL_MINORS: Mapping[int, tuple[tuple[int, int], ...]] = {
    7: (
        *((123, 0), (229, 1), (327, 2), (514, 3), (693, 4)),
        *((862, 5), (957, 6), (1062, 7), (1127, 8), (1160, 9)),
    ),
    8: (
        *((80, 0), (147, 1), (193, 2), (240, 3), (305, 4), (348, 5)),
        *((372, 6), (425, 7), (477, 8), (513, 9), (553, 10)),
    ),
    9: (
        *((70, 0), (162, 1), (284, 2), (362, 3), (427, 4)),
        *((503, 5), (570, 6), (611, 7), (687, 8)),
    ),
    10: ((55, 0), (124, 1), (211, 2)),
}


def _rhel(match: re.Match[str]) -> Numbers:
    major = int(match["major"])
    if match["minor"]:
        return major, int(match["minor"])
    build = int(match["build"])
    minors = [minor for first, minor in _RHEL_MINORS.get(major, ()) if first <= build]
    return (major, max(minors)) if minors else (major,)


def _suse(match: re.Match[str]) -> Numbers:
    # 150500 is 15 SP 5.
    code = match["code"]
    return (int(code[:2]), int(code[2:4])) if code else ()


def _numbers(match: re.Match[str]) -> Numbers:
    return (int(match["version"]),) if match["version"] else ()


# Sections of a release that Ubuntu's kernels end with.
_UBUNTU = (
    "generic|generic-hwe|lowlatency|virtual|aws|azure|azure-fde|gcp|gke|gkeop|kvm|oracle"
    "|ibm|raspi|raspi2|oem|realtime|nvidia|intel-iotg|bluefield|snapdragon|fips|aws-fips"
    "|azure-fips|gcp-fips|cloud"
)

FAMILIES = (
    Family(
        name="uek",
        shown="Oracle UEK",
        release=re.compile(r"\.el\d+(?:_\d+)?uek\b"),
    ),
    Family(
        name="rhel",
        shown="RHEL",
        release=re.compile(
            r"-(?P<build>\d+)[\d.]*(?:\.\w+)*?\.el(?P<major>\d+)(?:_(?P<minor>\d+))?"
            r"(?![\da-z])"
        ),
        count=_rhel,
    ),
    Family(
        name="amazon",
        shown="Amazon Linux",
        release=re.compile(r"\.amzn(?P<version>\d+)\b"),
        count=_numbers,
        has_several=True,
    ),
    Family(
        name="fedora",
        shown="Fedora",
        release=re.compile(r"\.fc(?P<version>\d+)\b"),
        count=_numbers,
    ),
    Family(
        name="azurelinux",
        shown="Azure Linux",
        release=re.compile(r"\.(?:azl|cm)(?P<version>\d+)\b"),
        count=_numbers,
    ),
    Family(
        name="android",
        shown="Android",
        release=re.compile(r"-android(?P<version>\d+)\b"),
        count=_numbers,
    ),
    Family(
        name="ubuntu",
        shown="Ubuntu",
        # Ubuntu counts by builds of a series, of which the release itself tells.
        release=re.compile(rf"^\d+\.\d+\.\d+-\d+-(?:{_UBUNTU})(?:-64k|-\d+\.\d+)?$"),
    ),
    Family(
        name="suse",
        shown="SUSE",
        release=re.compile(
            r"-(?P<code>1[0-9]0[0-9]0\d)?[\d.]+-(?:default|azure|rt|preempt|longterm)$"
        ),
        count=_suse,
    ),
    Family(
        name="debian",
        shown="Debian",
        release=re.compile(
            r"(?:\+deb(?P<version>\d+)(?:\+\d+)?|-\d+|\.bpo(?:\.\d+)?|-trunk)"
            r"-(?:cloud-|rt-)*(?:amd64|arm64|686|686-pae|armmp|s390x|ppc64el)(?:-unsigned)?$"
        ),
        count=_numbers,
        follows_upstream=True,
    ),
)
NAMES = tuple(it.name for it in FAMILIES)


def member(release: str) -> Member | None:
    """Return what a release tells of its vendor; None for upstream's and others."""
    for family in FAMILIES:
        match = family.release.search(release)
        if match is not None:
            return Member(family=family, version=family.count(match))
    return None


def vendor(release: str) -> str:
    """Return whose kernel it is; "" for upstream's and those that follow it."""
    found = member(release)
    return "" if found is None or found.family.follows_upstream else found.family.shown
