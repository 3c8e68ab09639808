"""The command that runs a case again."""

import shlex

import pytest

from runner.reports import repeat
from runner.results import CaseResult, Outcome


@pytest.mark.parametrize(
    ("nodeid", "words"),
    [
        (
            "suites/task/suite.yaml::state[6.1]",
            "bpf-kernel-matrix --kernels 6.1 --suite suites/task -k task::state",
        ),
        (
            "suite.yaml::state[6.1]",
            "bpf-kernel-matrix --kernels 6.1 --suite . -k task::state",
        ),
        # What --object made, in a folder that is gone.
        (
            "../tmp/x/suite.yaml::state[6.1]",
            "bpf-kernel-matrix --kernels 6.1 -k task::state",
        ),
        ("", "bpf-kernel-matrix --kernels 6.1 -k task::state"),
    ],
)
def test_a_case_is_chosen_by_suite_and_name(nodeid: str, words: str) -> None:
    case = CaseResult(
        kernel="6.1",
        suite="task",
        case="state",
        outcome=Outcome.FAILED,
        nodeid=nodeid,
    )
    assert repeat.command(case).on("6.1") == words


def test_a_test_in_python_runs_with_pytest() -> None:
    case = CaseResult(
        kernel="6.1",
        suite="test_it",
        case="TestLoad::test_it[small]",
        outcome=Outcome.FAILED,
        nodeid="tests/test_it.py::TestLoad::test_it[6.1-small]",
    )
    assert repeat.command(case).on("6.1") == (
        "python -m pytest --kernels 6.1 tests/test_it.py -k test_it"
    )


def test_hostile_names_are_quoted() -> None:
    case = CaseResult(
        kernel="6.1", suite="s", case="$(reboot); `x`", outcome=Outcome.FAILED
    )
    words = shlex.split(repeat.command(case).on("6.1; reboot"))
    assert words == [
        *("bpf-kernel-matrix", "--kernels", "6.1; reboot"),
        *("-k", "s::$(reboot); `x`"),
    ]


def test_the_guest_that_the_run_had_is_named() -> None:
    case = CaseResult(kernel="6.1", suite="s", case="x", outcome=Outcome.FAILED)
    again = repeat.command(case, ("cpus=2", "sysctl={kernel.sysrq: 1}")).on("6.1")
    assert shlex.split(again) == [
        *("bpf-kernel-matrix", "--kernels", "6.1", "--guest", "cpus=2"),
        *("--guest", "sysctl={kernel.sysrq: 1}", "-k", "s::x"),
    ]
