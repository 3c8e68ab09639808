"""RPM's order of versions, compared with RPM's own."""

import subprocess
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.kernels.sources.rpm.version import Evr, key

# Of what versions are made, in runs that make each rule count.
PARTS = ("", "0", "1", "2", "01", "10", "a", "b", "A", "el9", "~", "^", ".", "_", "+")
# Characters that RPM's macros take for themselves are left out: % and quotes.
VERSIONS = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)


def rpm_order(pairs: list[tuple[str, str]]) -> list[int]:
    """Return what RPM itself says of each pair: -1, 0 or 1."""
    found: list[int] = []
    # A word of a command line has its limit.
    for start in range(0, len(pairs), 1000):
        # RPM refuses empty versions, and what it compares begins the same.
        calls = "".join(
            f"print(rpm.vercmp([[9.{a}]],[[9.{b}]]),' ') "
            for a, b in pairs[start : start + 1000]
        )
        done = subprocess.run(
            ["rpm", "--eval", f"%{{lua:{calls}}}"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-500:]
        found += [int(word) for word in done.stdout.split()]
    return found


def order(a: str, b: str) -> int:
    first, second = key(f"9.{a}"), key(f"9.{b}")
    return (first > second) - (first < second)


def test_all_short_versions_are_ordered_as_by_rpm() -> None:
    words = ["".join(parts) for parts in product(PARTS, repeat=2)]
    pairs = list(product(words[::3], words[1::7]))

    assert [order(*pair) for pair in pairs] == rpm_order(pairs)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VERSIONS, VERSIONS), min_size=1, max_size=40))
def test_versions_are_ordered_as_by_rpm(pairs: list[tuple[str, str]]) -> None:
    assert [order(*pair) for pair in pairs] == rpm_order(pairs)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("5.14.0", "5.14.1"),
        ("5.9", "5.14"),
        ("6.12.0~rc1", "6.12.0"),
        ("6.12.0", "6.12.0^20260101"),
        ("6.12.0^20260101", "6.12.1"),
        ("70.el9", "70.13.1.el9_0"),
        ("1.el9", "1.el9_6"),
        ("a", "1"),
    ],
)
def test_newer_versions_are_higher(older: str, newer: str) -> None:
    assert order(older, newer) == -1
    assert order(newer, older) == 1


def evr(text: str) -> Evr:
    epoch, version, release = text.split()
    return Evr(epoch=int(epoch), version=version, release=release)


def test_epoch_counts_before_version_and_version_before_release() -> None:
    ordered = ["0 5.14.0 1", "0 5.14.0 2", "0 6.1.0 1", "1 4.18.0 1"]

    assert sorted(map(evr, reversed(ordered))) == [evr(it) for it in ordered]


def test_epoch_is_shown_where_there_is_one() -> None:
    assert str(evr("0 5.14.0 1.el9")) == "5.14.0-1.el9"
    assert str(evr("2 5.14.0 1.el9")) == "2:5.14.0-1.el9"


def test_huge_numbers_are_compared() -> None:
    assert order("9" * 5000, "1" + "0" * 5000) == -1
