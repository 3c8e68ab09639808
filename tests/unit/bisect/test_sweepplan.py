"""Which versions a sweep boots, and what that says of the others."""

from collections.abc import Sequence

import pytest

from runner.bisect import sweepplan
from runner.bisect.sweepplan import SweptVersion
from runner.reports.support import DASH, Support

WORKS, FAILS, UNKNOWN = Support.WORKS, Support.FAILS, Support.UNKNOWN


def row(*shapes: str | None, releases: Sequence[str] = ()) -> list[SweptVersion]:
    """Return versions 1, 2, … by what is predicted: None can't be fetched, "?" can."""
    named = [*releases, *[""] * len(shapes)]
    return [
        SweptVersion(
            id=f"r@{number}",
            version=str(number),
            release=named[number - 1] or f"6.1.0-{number}-cloud-amd64",
            shape=None if shape is None or shape == "?" else {"core::fork": shape},
            unavailable="no such package" if shape is None else "",
        )
        for number, shape in enumerate(shapes, 1)
    ]


def booted(versions: Sequence[SweptVersion], which: str = "needed") -> list[str]:
    found = sweepplan.boots(versions, which)  # type: ignore[arg-type]
    return [it.partition("@")[2] for it in found]


def told(versions: Sequence[SweptVersion], seen: dict[int, Support]) -> list[str]:
    """Return each version's verdict and who says so: "works 1"."""
    known = {f"r@{number}": it for number, it in seen.items()}
    found = sweepplan.verdicts(versions, known)
    return [f"{it.support} {it.by.partition('@')[2]}".strip() for it in found.values()]


@pytest.mark.parametrize(
    ("shapes", "numbers"),
    [
        (("a", "a", "a", "a"), ["1", "4"]),
        (("a", "a", "b", "b"), ["1", "2", "3", "4"]),
        (("a", "a", "a", "b", "b", "b"), ["1", "3", "4", "6"]),
        (("a", "b", "a"), ["1", "2", "3"]),
        (("a",), ["1"]),
        (("a", None, "a", None), ["1", "3"]),
        # What is unavailable hides no difference.
        (("a", "a", None, "b"), ["1", "2", "4"]),
        (("a", "?", "a"), ["1", "2", "3"]),
        ((None, None), []),
    ],
)
def test_both_sides_of_a_difference_and_both_ends_are_booted(
    shapes: tuple[str | None, ...], numbers: list[str]
) -> None:
    assert booted(row(*shapes)) == numbers


def test_all_or_none_are_booted_if_asked() -> None:
    assert booted(row("a", "a", None, "a"), "all") == ["1", "2", "4"]
    assert booted(row("a", "b"), "none") == []


def test_boot_says_what_differs_from_which_neighbour() -> None:
    first, second = row("a", "a")
    shape = {"core::fork": "a", "task_struct.pid": 4, "CONFIG_BPF_LSM": "y"}
    second = SweptVersion(id="r@2", version="2", release="x", shape=shape)
    found = sweepplan.boots([first, second], "needed")
    what = "task_struct.pid, CONFIG_BPF_LSM"
    assert found["r@2"].words == f"differs from 1: {what}"
    # An end stays an end.
    assert found["r@1"].words == "the oldest"


def test_version_that_is_not_booted_shows_what_its_stretch_shows() -> None:
    versions = row("a", "a", "a", "b", "b", "b")
    seen = {1: WORKS, 3: WORKS, 4: FAILS, 6: FAILS}
    assert told(versions, seen) == [
        *("works 1", "works 1", "works 3", "fails 4", "fails 4", "fails 6"),
    ]


def test_stretch_whose_ends_disagree_says_nothing_of_what_is_between() -> None:
    versions = row("a", "a", "a")
    assert told(versions, {1: WORKS, 3: FAILS}) == ["works 1", "unknown", "fails 3"]
    found = sweepplan.verdicts(versions, {"r@1": WORKS, "r@3": FAILS})
    assert "bisect" in found["r@2"].why


def test_end_that_says_nothing_leaves_it_to_the_other() -> None:
    assert told(row("a", "a", "a"), {1: UNKNOWN, 3: WORKS}) == [
        *("unknown 1", "works 3", "works 3"),
    ]


def test_version_that_is_unavailable_is_not_known() -> None:
    assert told(row("a", None, "a"), {1: WORKS, 3: WORKS})[1] == "unknown"


def test_statement_has_the_ranges_of_each_family() -> None:
    releases = ["6.1.0-1-cloud-amd64", "6.1.0-2-cloud-amd64", "5.14.0-570.el9.x86_64"]
    versions = row("a", "a", "b", releases=releases)
    found = sweepplan.verdicts(versions, {"r@1": WORKS, "r@3": FAILS})
    text = sweepplan.statement(versions, found)
    assert text == f"Debian: 1 {DASH} 2 work; RHEL: 3 fails"


def test_statement_tells_each_change_in_turn() -> None:
    versions = row("a", "b", None, "a")
    found = sweepplan.verdicts(versions, {"r@1": WORKS, "r@2": FAILS, "r@4": WORKS})
    text = sweepplan.statement(versions, found)
    assert text == "Debian: 1 works, 2 fails, 3 is not known, 4 works"
