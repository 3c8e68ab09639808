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


EL8 = "4.18.0-553.66.1.el8_10.x86_64"
EL9 = "5.14.0-570.el9"
UBUNTU = "5.15.0-91-generic"
UEK = "5.15.0-200.131.27.el8uek.x86_64"
AMAZON = "5.10.186-179.751.amzn2.x86_64"
SUSE = "5.14.21-150500.55.7-default"
DEBIAN = "6.1.0-50-cloud-amd64"


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        # An upstream number is a vendor's kernel's, too.
        (">=5.14", [EL9, SUSE, UBUNTU, UEK], [EL8, AMAZON]),
        ("rhel", [EL8, EL9], [UBUNTU, UEK, AMAZON, SUSE, DEBIAN, "5.14.0"]),
        ("rhel>=9.4", [EL9, "5.14.0-427.13.1.el9_4"], [EL8, "5.14.0-362.8.1.el9_3"]),
        ("rhel==8", [EL8], [EL9]),
        ("rhel<9", [EL8, "3.10.0-1160.el7"], [EL9]),
        ("<3.11,rhel>=7.9", ["3.10.0-1160.el7"], [EL8, "3.10.0-957.el7"]),
        ("ubuntu", [UBUNTU, "5.15.0-1052-aws"], [EL9, DEBIAN, UEK]),
        (
            "ubuntu:5.15>=5.15.0-91",
            [UBUNTU, "5.15.0-105-generic"],
            ["5.15.0-90-generic", "6.8.0-45-generic", EL9, "5.15.0"],
        ),
        ("uek", [UEK], [EL8]),
        ("amazon>=2", [AMAZON, "6.1.61-85.141.amzn2023.x86_64"], [EL9]),
        ("suse>=15.5", [SUSE], ["5.14.21-150400.24.1-default"]),
        ("debian", [DEBIAN, "6.12.117+deb13-cloud-amd64"], [UBUNTU]),
        (EL9, [EL9, f"{EL9}.x86_64"], ["5.14.0-570.el90", EL8]),
        (f"=={UBUNTU}", [UBUNTU], ["5.15.0-91-lowlatency"]),
        ("!=5.15.0-91", [EL9, "5.15.0-910-generic"], [UBUNTU]),
    ],
)
def test_vendors_kernels_are_named_as_vendors_count(
    text: str, inside: list[str], outside: list[str]
) -> None:
    wanted = VersionRange.parse(text)

    assert [it for it in inside if version(it) not in wanted] == []
    assert [it for it in outside if version(it) in wanted] == []


def test_a_kernel_whose_release_is_not_known_may_be_a_vendors() -> None:
    wanted = VersionRange.parse(">=5.14,rhel>=9.4")

    assert wanted.may_hold(version("5.14"))
    assert not wanted.may_hold(version("5.13"))
    assert version("5.14") not in wanted
    assert not wanted.may_hold(version("5.14").of_release(DEBIAN))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rehl>=9.4", "did you mean 'rhel'"),
        (">=5.15.0-91", "ubuntu:5.15>=5.15.0-91"),
    ],
)
def test_mistakes_in_vendors_ranges_say_what_is_meant(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="is not a version comparison") as caught:
        VersionRange.parse(text)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "meant"), [("rhel>=8.7,<9", "rhel<9"), ("rhel>=9.3, 9.6", "rhel==9.6")]
)
def test_a_range_that_forgets_its_vendor_is_refused(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"write '{meant}', or put it in front"):
        VersionRange.parse(text)


@pytest.mark.parametrize(
    "text", ["<9,rhel>=8.7", "rhel,>=4.18", "ubuntu:5.15>=5.15.0-91,<6"]
)
def test_a_vendor_and_upstream_versions_go_together(text: str) -> None:
    assert str(VersionRange.parse(text)) == text


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
