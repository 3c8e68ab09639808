"""Where a case ends differently on one kernel than on the one before it."""

from runner.reports.neighbours import KernelBoundary, boundaries
from runner.results import CaseResult, KernelRun, Outcome, RunResults
from tests.unit.reports.runs import E, F, P, S

RELEASES = {"el8": "4.18.0-553.el8_10.x86_64", "el9": "5.14.0-570.el9.x86_64"}


def found(**outcomes: str) -> list[KernelBoundary]:
    """Return the boundaries of kernels, each with the letters of its cases."""
    letters = {"P": P, "F": F, "E": E, "S": S}
    kernels = {it.replace("_", "."): words for it, words in outcomes.items()}
    cases = [
        CaseResult(
            kernel=id_,
            suite="task",
            case=str(number),
            outcome=letters[letter.upper()],
            failure_class="other" if letter == "f" else "",
        )
        for id_, words in kernels.items()
        for number, letter in enumerate(words)
        if letter != "-"
    ]
    return boundaries(
        RunResults(
            runner="1",
            started="",
            duration=1.0,
            kernels=tuple(
                KernelRun(id=id_, release=RELEASES.get(id_, "")) for id_ in kernels
            ),
            cases=tuple(cases),
        )
    )


def pairs(all_: list[KernelBoundary]) -> list[tuple[str, str, list[str]]]:
    return [
        (it.before.id, it.after.id, [change.name for change in it.changes])
        for it in all_
    ]


def test_a_case_is_named_where_it_begins_to_fail() -> None:
    (boundary,) = found(v5_4="PP", v5_10="PP", v6_1="PF", v6_6="PF")
    assert (boundary.before.id, boundary.after.id) == ("v5.10", "v6.1")
    (change,) = boundary.changes
    assert change.name == "task::1"
    assert (change.before.outcome, change.after.outcome) == (
        Outcome.PASSED,
        Outcome.FAILED,
    )


def test_another_class_is_a_difference() -> None:
    assert pairs(found(a="F", b="f")) == [("a", "b", ["task::0"])]


def test_kernels_that_agree_have_no_boundary() -> None:
    assert found(a="PF", b="PF") == []


def test_a_kernel_without_a_verdict_is_passed_over() -> None:
    assert pairs(found(a="P", b="E", c="S", d="-", e="F")) == [("a", "e", ["task::0"])]


def test_vendors_are_compared_with_themselves() -> None:
    assert pairs(found(a="P", el8="F", b="P", el9="P")) == [("el8", "el9", ["task::0"])]
    assert found(a="P", el8="F", b="P", el9="P")[0].family == "RHEL"
