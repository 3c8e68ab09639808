"""Which kernels a command line means."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ArtifactError, ExitStatus, UsageError
from runner.matrix.matrix import DebianSource, Kernel, Matrix
from runner.matrix.selectors import select
from runner.versions import KernelVersion


def row(id_: str, *tags: str, arch: str = "x86_64") -> Kernel:
    source = DebianSource(type="debian", suite="sid")
    return Kernel(id=id_, source=source, tags=tags, arch=arch)


MATRIX = Matrix(
    kernels=(
        row("4.4", "legacy"),
        row("5.10", "lts", "default"),
        row("5.14"),
        row("6.1", "lts"),
        row("sid", "newest"),
    )
)


class Mirror:
    """Tells the version of the one kernel whose id tells none."""

    def __init__(self, version: str | None = "7.2.13") -> None:
        self.version = version
        self.asked: list[str] = []

    def __call__(self, kernel: Kernel) -> KernelVersion | None:
        self.asked.append(kernel.id)
        return KernelVersion.parse(self.version) if self.version else None


def chosen(*selectors: str) -> list[str]:
    return [kernel.id for kernel in select(MATRIX, selectors, Mirror())]


def test_without_a_default_tag_all_rows_are_meant() -> None:
    untagged = Matrix(kernels=(row("5.10", "lts"), row("6.1")))

    found = select(untagged, ["@default"], Mirror())

    assert [kernel.id for kernel in found] == ["5.10", "6.1"]
    assert chosen("@default") == ["5.10"]


def refusal(*selectors: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        chosen(*selectors)
    assert caught.value.exit_status is ExitStatus.USAGE
    return caught.value


@pytest.mark.parametrize(
    ("selector", "ids"),
    [
        ("5.14", ["5.14"]),
        ("sid,4.4", ["4.4", "sid"]),
        (" 5.10 , 6.1 ,", ["5.10", "6.1"]),
        ("@lts", ["5.10", "6.1"]),
        ("@legacy,@newest", ["4.4", "sid"]),
        ("all", ["4.4", "5.10", "5.14", "6.1", "sid"]),
        (">=5.10,<6", ["5.10", "5.14"]),
        (">=6", ["6.1", "sid"]),
        ("<=5.10", ["4.4", "5.10"]),
        ("!=6.1,<7", ["4.4", "5.10", "5.14"]),
        (">=5.10,<6,@legacy", ["4.4", "5.10", "5.14"]),
        ("@lts,@lts,5.10", ["5.10", "6.1"]),
    ],
)
def test_a_selector_means_kernels_in_the_matrix_order(
    selector: str, ids: list[str]
) -> None:
    assert chosen(selector) == ids


def test_several_selectors_add_up() -> None:
    assert chosen("<5", ">=6") == ["4.4", "6.1", "sid"]


def test_only_a_range_asks_for_versions() -> None:
    mirror = Mirror()

    select(MATRIX, ["@lts,sid,all"], mirror)
    assert mirror.asked == []
    select(MATRIX, [">=6"], mirror)
    assert mirror.asked == ["sid"]


def test_a_kernel_of_unknown_version_is_in_no_range() -> None:
    assert [it.id for it in select(MATRIX, [">=6"], Mirror(None))] == ["6.1"]


def test_a_version_that_can_not_be_told_is_no_usage_error() -> None:
    class NoMirror(Mirror):
        def __call__(self, kernel: Kernel) -> KernelVersion | None:
            raise ArtifactError("no network")

    with pytest.raises(ArtifactError, match="no network"):
        select(MATRIX, [">=6"], NoMirror())


@pytest.mark.parametrize(
    ("selector", "said", "hint"),
    [
        (
            "5.41",
            "there is no kernel '5.41'; did you mean '5.14'?",
            "the matrix has 4.4, 5.10, 5.14, 6.1, sid",
        ),
        (
            "bookworm",
            "there is no kernel 'bookworm'",
            "the matrix has 4.4, 5.10, 5.14, 6.1, sid",
        ),
        (
            "@legcay",
            "no kernel has the tag @legcay; did you mean '@legacy'?",
            "the tags are @default, @legacy, @lts, @newest",
        ),
        (
            ">=9",
            "--kernels '>=9' selects no kernel",
            "the kernels are 4.4, 5.10, 5.14, 6.1, sid",
        ),
        (
            "",
            "--kernels '' selects no kernel",
            "the kernels are 4.4, 5.10, 5.14, 6.1, sid",
        ),
        (
            ">=five",
            "--kernels '>=five': '>=five' is not a version comparison; write it like "
            "'>=5.4', '<6' or 'rhel>=9.4'",
            "",
        ),
    ],
)
def test_what_selects_nothing_is_a_usage_error(
    selector: str, said: str, hint: str
) -> None:
    error = refusal(selector)

    assert error.message == said
    assert error.hint == hint


def test_a_matrix_without_tags_says_so() -> None:
    with pytest.raises(UsageError) as caught:
        select(Matrix(kernels=(row("5.4"),)), ["@lts"], Mirror())

    assert caught.value.hint == "the matrix has no tags"


@given(st.lists(st.text(st.sampled_from("@,<>=! .0456lts"), max_size=12), max_size=3))
def test_any_selector_selects_or_is_a_usage_error(selectors: list[str]) -> None:
    with suppress(UsageError):
        assert chosen(*selectors)


VENDORS = Matrix(kernels=tuple(map(row, ("6.1", "el8", "el9", "el10", "uek8"))))
RELEASES = {
    "6.1": "6.1.0-50-amd64",
    "el8": "4.18.0-553.el8_10.x86_64",
    "el9": "5.14.0-570.12.1.el9_6.x86_64",
    "el10": "6.12.0-55.el10.x86_64",
    "uek8": "6.12.0-100.28.2.el9uek.x86_64",
}


def of_vendors(*selectors: str) -> list[str]:
    def version_of(kernel: Kernel) -> KernelVersion:
        return KernelVersion.parse(RELEASES[kernel.id])

    return [kernel.id for kernel in select(VENDORS, selectors, version_of)]


@pytest.mark.parametrize(
    ("selector", "ids"),
    [
        ("rhel>=9.3,rhel<10", ["el9"]),
        ("rhel>=9,rhel<10", ["el9"]),
        ("rhel<9,rhel>=8", ["el8"]),
        ("rhel>=9.3, 6.1 ,rhel<10", ["6.1", "el9"]),
        ("<6,rhel>=8", ["el8", "el9"]),
        ("rhel", ["el8", "el9", "el10"]),
        ("rhel,>=5", ["el9", "el10"]),
        ("uek,el8", ["el8", "uek8"]),
        ("debian", ["6.1"]),
        ("rhel:4.18", ["el8"]),
        ("rhel:4.18>=4.18.0-500", ["el8"]),
        ("5.14.0-570.12.1.el9_6", ["el9"]),
        ("!=5.14.0-570.12.1.el9_6,rhel", ["el8", "el10"]),
    ],
)
def test_all_comparisons_of_a_selector_must_hold(selector: str, ids: list[str]) -> None:
    assert of_vendors(selector) == ids


def test_ranges_of_several_selectors_add_up() -> None:
    assert of_vendors("rhel>=9,rhel<10", "uek") == ["el9", "uek8"]


def test_an_id_comes_before_a_vendors_name() -> None:
    matrix = Matrix(kernels=(row("debian"), row("6.1"), row("5.14.0-570.el9")))

    def nobody_asks(_: Kernel) -> KernelVersion:
        raise ArtifactError("no network")

    for id_ in ("debian", "5.14.0-570.el9"):
        assert [it.id for it in select(matrix, [id_], nobody_asks)] == [id_]


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("rhel>=9.3,<10", "'<10' counts as upstream does, behind numbers of rhel"),
        ("rehl>=9", "'rehl>=9' is not a version comparison; did you mean 'rhel'?"),
        ("rhel>=nine", "'rhel>=nine' is not a version comparison"),
        ("rhel>=9,rhel<9", "'rhel>=9,rhel<9' selects no kernel"),
        ("rhel,uek", "'rhel,uek' selects no kernel"),
        ("fedora", "there is no kernel 'fedora'"),
        ("5.14.0-571.el9", "there is no kernel '5.14.0-571.el9'"),
    ],
)
def test_ranges_are_refused_as_in_suites(selector: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        of_vendors(selector)

    assert said in caught.value.message


def test_an_empty_range_says_how_ranges_add_up() -> None:
    with pytest.raises(UsageError) as caught:
        of_vendors("rhel>=9,uek")

    assert "must all hold" in caught.value.hint
    assert "--kernels 'rhel>=9' 'suse>=15.5'" in caught.value.hint


def test_a_vendors_range_asks_for_releases() -> None:
    mirror = Mirror("5.14.0-570.el9")

    found = select(MATRIX, ["rhel>=9.4,@legacy"], mirror)

    assert [kernel.id for kernel in found] == [kernel.id for kernel in MATRIX.kernels]
    assert set(mirror.asked) == {kernel.id for kernel in MATRIX.kernels}
    assert "selects no kernel" in str(refusal("ubuntu:5.15>=5.15.0-91"))


FLEET = Matrix(
    kernels=(
        row("6.1", "lts", "default"),
        row("6.1-arm64", "lts", arch="aarch64"),
        row("6.12-arm64", arch="arm64"),
        row("6.12-s390x", arch="s390x"),
    )
)


@pytest.mark.parametrize(
    ("selector", "ids"),
    [
        ("@arm64", ["6.1-arm64", "6.12-arm64"]),
        ("@aarch64", ["6.1-arm64", "6.12-arm64"]),
        ("arch=arm64", ["6.1-arm64", "6.12-arm64"]),
        ("arch=amd64", ["6.1"]),
        ("@x86_64", ["6.1"]),
        (">=6.12", ["6.12-arm64", "6.12-s390x"]),
        ("arch=arm64,>=6.12", ["6.12-arm64"]),
        ("arch=s390x,<6.12,6.1", ["6.1"]),
        ("@default", ["6.1"]),
        ("6.1,6.12-s390x", ["6.1", "6.12-s390x"]),
    ],
)
def test_rows_are_selected_by_architecture(selector: str, ids: list[str]) -> None:
    assert [it.id for it in select(FLEET, [selector], Mirror())] == ids


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        select(FLEET, ["arch=arm46"], Mirror())

    assert "no architecture 'arm46'; did you mean 'arm64'?" in caught.value.message
    assert "x86_64, arm64, s390x" in caught.value.hint
