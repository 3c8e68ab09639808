"""The coverage page, of small suites."""

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.suites import coverage

MATRIX = """\
kernels:
  - {id: "4.4", source: {type: debian, suite: a}}
  - {id: "6.1", source: {type: debian, suite: b}}
  - {id: sid, source: {type: debian, suite: sid}}
"""
SUITE = """\
description: d
cases:
  - {name: anywhere, object: a.bpf.c, expect: [{map: m, equals: 1}]}
  - {name: newer, object: a.bpf.c, expect: [{map: m, equals: 1}],
     kernels: ">=5.5", reason: r}
  - {name: gap, object: a.bpf.c, expect: [{map: m, equals: 1}],
     expect_failure: {kernels: "<5.2", class: map_not_created, reason: r}}
  - {name: refused, object: a.bpf.c,
     expect_failure: {class: helper_missing, reason: r}}
"""


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    folder = tmp_path / "suites"
    (folder / "s").mkdir(parents=True)
    (folder / "s/suite.yaml").write_text(SUITE)
    (folder / "s/a.bpf.c").touch()
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    return folder


def page(suites: Path, *patterns: str) -> list[str]:
    listed = ", ".join(f'"{pattern}"' for pattern in patterns)
    topics = f"topics:\n  - {{topic: A topic, cases: [{listed}]}}\n"
    (suites / "topics.yaml").write_text(topics)
    return coverage.page(suites, suites.parent / "matrix.yaml").splitlines()


def test_cases_count_where_they_do_what_they_are_about(suites: Path) -> None:
    assert "| topic | 4.4 | 6.1 | sid |" in page(suites, "s::*")
    assert "| A topic | 2 | 4 | 4 |" in page(suites, "s::*")
    assert "| A topic | none | 2 | 2 |" in page(suites, "s::newer", "s::gap")


def test_cases_are_listed_with_their_kernels(suites: Path) -> None:
    lines = page(suites, "s::*")

    assert "| `s::anywhere` | all |" in lines
    assert "| `s::newer` | >=5.5 |" in lines
    assert "| `s::gap` | all, `map_not_created` on <5.2 |" in lines
    assert "| `s::refused` | all, `helper_missing` |" in lines


def test_a_pattern_that_is_no_case_is_refused(suites: Path) -> None:
    with pytest.raises(UsageError, match="no case 's::newr'; did you mean 's::newer'"):
        page(suites, "s::newr")


def test_a_topic_whose_suite_is_not_there_has_no_case_yet(suites: Path) -> None:
    assert "No case yet." in page(suites, "t::*")
