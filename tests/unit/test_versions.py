"""Kernel versions and their ranges."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.versions import KernelVersion, VersionRange

NUMBERS = st.integers(min_value=0, max_value=10_000)
VERSIONS = st.lists(NUMBERS, min_size=1, max_size=3).map(
    lambda parts: KernelVersion(tuple(parts))
)
OPERATORS = st.sampled_from([">=", "<=", "==", "!=", ">", "<"])


def version(text: str) -> KernelVersion:
    return KernelVersion.parse(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("5.14", (5, 14)),
        ("6.1.0-44-cloud-amd64", (6, 1, 0)),
        ("4.19.0+", (4, 19, 0)),
        ("7.2.13-1", (7, 2, 13)),
        ("5.10.223.1", (5, 10, 223)),
        ("6", (6,)),
        ("6.", (6,)),
        ("6.12~rc4", (6, 12)),
    ],
)
def test_a_version_is_read_as_far_as_it_goes(text: str, parts: tuple[int, ...]) -> None:
    assert version(text).parts == parts


@pytest.mark.parametrize("text", ["", "sid", "v5.4", " 5.4", "-1", ".5"])
def test_text_without_a_number_in_front_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="does not begin with a kernel version"):
        version(text)


def test_versions_compare_by_number() -> None:
    ordered = ["4.4", "4.11", "5.4", "5.10", "5.10.1", "5.14", "6", "6.1"]

    assert sorted(map(version, reversed(ordered))) == list(map(version, ordered))


def test_a_shorter_version_equals_one_with_zeros() -> None:
    assert version("5.14") == version("5.14.0")
    assert version("5.14") <= version("5.14.0") <= version("5.14")
    assert len({version("6"), version("6.0"), version("6.0.0")}) == 1
    assert version("5.14") != version("5.14.1")
    assert version("5.14") != "5.14"


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=5.4,<6", ["5.4", "5.4.59", "5.15.9"], ["5.3.18", "6", "6.0.1", "6.1"]),
        ("5.10", ["5.10", "5.10.223"], ["5.1", "5.11"]),
        ("==5.10", ["5.10", "5.10.223"], ["5.100"]),
        ("<=5.10", ["4.4", "5.10.223"], ["5.11"]),
        (">5.10", ["5.11"], ["5.10.223", "5.10"]),
        ("<5.10.100", ["5.10.99", "5.10"], ["5.10.100"]),
        ("!=5.10", ["5.11"], ["5.10.1"]),
        (" >= 5.4 , < 6 ", ["5.4"], ["6"]),
        (">=6,<5", [], ["5.4", "6"]),
    ],
)
def test_a_range_holds_to_the_precision_that_is_written(
    text: str, inside: list[str], outside: list[str]
) -> None:
    wanted = VersionRange.parse(text)

    assert [it for it in inside if version(it) not in wanted] == []
    assert [it for it in outside if version(it) in wanted] == []


def test_a_range_without_comparisons_holds_everything() -> None:
    assert version("4.4") in VersionRange()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "''"),
        (">=5.4,", "''"),
        (">=5.x", "'>=5.x'"),
        ("=5.4", "'=5.4'"),
        (">=5.4 <6", "'>=5.4 <6'"),
        (">=5.4,sid", "'sid'"),
        (">=5.4.1.2", "'>=5.4.1.2'"),
        ("~=5.4", "'~=5.4'"),
    ],
)
def test_what_is_no_comparison_is_named(text: str, part: str) -> None:
    with pytest.raises(ValueError, match="write it like") as caught:
        VersionRange.parse(text)

    assert str(caught.value).startswith(f"{part} is not a version comparison")


@given(VERSIONS)
def test_a_printed_version_reads_as_the_same(given_version: KernelVersion) -> None:
    assert version(str(given_version)).parts == given_version.parts


@given(VERSIONS, VERSIONS)
def test_versions_are_ordered_totally(a: KernelVersion, b: KernelVersion) -> None:
    assert (a < b) + (a == b) + (a > b) == 1
    assert (a <= b) == (not a > b)
    assert a != b or hash(a) == hash(b)


@given(st.lists(st.tuples(OPERATORS, VERSIONS), min_size=1, max_size=4), VERSIONS)
def test_a_range_is_all_of_its_comparisons(
    clauses: list[tuple[str, KernelVersion]], probe: KernelVersion
) -> None:
    texts = [f"{operator}{bound}" for operator, bound in clauses]

    whole = VersionRange.parse(",".join(texts))

    assert VersionRange.parse(str(whole)) == whole
    assert (probe in whole) == all(probe in VersionRange.parse(it) for it in texts)


@given(st.text(max_size=30) | st.from_regex(r"[<>=!0-9., ]*", fullmatch=True))
def test_any_text_is_a_version_and_a_range_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert version(str(version(text))) == version(text)
    with suppress(ValueError):
        wanted = VersionRange.parse(text)
        assert str(wanted) == text
        assert isinstance(version("5.4") in wanted, bool)
