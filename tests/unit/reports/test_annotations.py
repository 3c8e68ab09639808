"""Commands for GitHub's log."""

import re

import pytest

from runner.reports import annotations
from runner.reports.compare import Gate, compare
from tests.unit.reports import hostile
from tests.unit.reports.runs import E, F, P, case, kernel, on_all, run


def test_a_failure_points_at_the_line_of_its_source() -> None:
    assert annotations.lines(on_all(P, F, F)) == [
        "::error file=suites/task/task.bpf.c,line=41,"
        "title=task%3A%3Astate on 6.1%2C 6.12::"
        "[poison_reachable] there is no such field%0Awhat to do: guard it"
    ]


def test_a_regression_is_named_and_first() -> None:
    before = run(case("6.1", F, "old"), case("6.1", P, "young"))
    after = run(case("6.1", F, "old"), case("6.1", F, "young"))
    first, second = annotations.lines(after, compare(before, after))
    assert "young on 6.1 (regression on 6.1)::" in first
    assert "old on 6.1::" in second


def test_what_the_gate_lets_pass_is_a_warning() -> None:
    before = run(case("6.1", F, "old"), case("6.1", P, "young"))
    after = run(case("6.1", F, "old"), case("6.1", F, "young"))
    found = annotations.lines(after, compare(before, after), Gate.REGRESSIONS)
    assert [it.split()[0] for it in found] == ["::error", "::warning"]


def test_vanished_cases_are_an_error_and_first() -> None:
    before = run(case("6.1", P), case("6.1", P, "gone"), case("6.1", P, "more"))
    after = run(case("6.1", F))
    first, second = annotations.lines(after, compare(before, after))
    assert first.startswith(
        "::error title=2 baseline cases vanished::6.1 task::gone, 6.1 task::more%0A"
    )
    assert "--allow-vanished" in first
    assert "state on 6.1 (regression on 6.1)" in second
    accepted = compare(before, after, allow_vanished=True)
    assert len(annotations.lines(after, accepted)) == 1


def test_a_new_failure_is_named_and_held() -> None:
    before = run(case("6.1", F, "old"))
    after = run(case("6.1", F, "old"), case("6.1", F, "young"))
    found = annotations.lines(after, compare(before, after), Gate.REGRESSIONS)
    assert [it.split()[0] for it in found] == ["::error", "::warning"]
    assert "young on 6.1 (new failure on 6.1)::" in found[0]


def test_a_kernel_that_is_not_required_warns() -> None:
    kernels = (kernel("sid", required=False, error="no answer"),)
    found = annotations.lines(run(case("sid", F), kernels=kernels))
    assert [it.split()[0] for it in found] == ["::warning", "::warning"]
    assert "title=sid did not come up::no answer" in found[1]


def test_without_a_source_there_is_no_place() -> None:
    (found,) = annotations.lines(run(case("6.1", F, source_path="")))
    assert found.startswith("::error title=task%3A%3Astate on 6.1::")


@pytest.mark.parametrize("number", [9, 10, 11, 1000])
def test_no_more_than_github_shows(number: int) -> None:
    found = annotations.lines(run(*(case("6.1", F, f"c{it}") for it in range(number))))
    assert len(found) == min(number, annotations.MOST)
    if number > annotations.MOST:
        assert f"title=and {number - annotations.MOST + 1} more::" in found[-1]


def test_no_text_is_a_command_of_its_own() -> None:
    evil = "a\r\n::error::b\n::set-output name=c::d %0A, :"
    (found,) = annotations.lines(
        run(case("6.1", F, evil, message=evil, cure=evil, source_path=f"x{evil}.c"))
    )
    assert found == found.splitlines()[0]
    place, _, message = found.removeprefix("::error ").partition("::")
    assert place.count("=") == 3 + evil.count("=") * 2
    assert re.fullmatch(r"file=[^,:]*,line=1,title=[^,:]*", place)
    assert "%250A" in message


def test_a_hostile_run_gives_lines_only() -> None:
    for line in annotations.lines(hostile.run()):
        assert re.match(r"::(error|warning) ", line)
        assert not {*"\r\n"} & {*line}


def test_errors_of_infrastructure_are_no_failures() -> None:
    assert annotations.lines(on_all(P, E, P)) == []
