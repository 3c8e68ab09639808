"""Failures that are one."""

from runner.reports.groups import grouped
from tests.unit.reports.runs import F, P, case


def test_the_same_failure_on_several_kernels_is_one() -> None:
    (found,) = grouped([case("5.10", F), case("6.1", P), case("6.12", F)], F)
    assert found.kernels == ("5.10", "6.12")
    assert found.title == "task::state on 5.10, 6.12"
    assert found.line == 41


def test_another_class_line_or_case_is_another() -> None:
    cases = (
        case("6.1", F),
        case("6.1", F, failure_class="wrong_value"),
        case("6.1", F, source="task.bpf.c:42"),
        case("6.1", F, "other"),
    )
    assert len(grouped(cases, F)) == 4


def test_without_a_line_it_is_the_first() -> None:
    (found,) = grouped([case("6.1", F, source="other.h:7")], F)
    assert found.line == 1
