"""Programs that a case names by patterns, or loads alone."""

from typing import Any

from runner.suites import programpatterns
from runner.suites.model import Case, Program

NAMES = ("on_exec", "on_exit", "trace_open")


def expanded(**keys: Any) -> dict[str, Program]:
    case = Case.model_validate({"name": "c", "object": "a.o", **keys})
    return programpatterns.expanded(case, NAMES).programs


def test_a_pattern_means_each_program_that_it_matches() -> None:
    found = expanded(programs={"on_*": {"attach": False}})

    assert found == {
        "on_exec": Program(attach=False),
        "on_exit": Program(attach=False),
    }


def test_a_name_counts_more_than_a_pattern_and_the_first_pattern_most() -> None:
    found = expanded(
        programs={
            "on_ex*": {"attach": "kprobe/a"},
            "*": {"attach": "kprobe/b"},
            "on_exit": {"load": False},
        }
    )

    assert found == {
        "on_exec": Program(attach="kprobe/a"),
        "on_exit": Program(load=False),
        "trace_open": Program(attach="kprobe/b"),
    }


def test_only_leaves_out_the_others_and_keeps_settings() -> None:
    found = expanded(only=("on_*",), programs={"on_exec": {"attach": False}})

    assert found == {
        "on_exec": Program(load=True, attach=False),
        "on_exit": Program(load=True),
        "trace_open": Program(load=False),
    }


def test_a_case_without_patterns_stays_as_it_is() -> None:
    case = Case.model_validate({"name": "c", "programs": {"x": {"load": False}}})

    assert not programpatterns.has_any(case)
    assert programpatterns.has_any(case.model_copy(update={"only": ("x",)}))
