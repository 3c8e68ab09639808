"""JUnit's XML that a command leaves behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.harness.junit import JUnitReader
from tests.unit.harness.recorded import FAILED, PASSED, SKIPPED, read, states

XML = """<?xml version="1.0"?>
<testsuites><testsuite name="s">
  <testcase classname="maps" name="a" time="0.5"/>
  <testcase classname="maps" name="b"><failure message="wrong">at 3</failure></testcase>
  <testcase name="c"><error>it died
why</error></testcase>
  <testsuite name="inner"><testcase name="d"><skipped message="no BTF"/></testcase>
  </testsuite>
</testsuite></testsuites>
"""


def problems(file: str | None) -> list[str]:
    reader = JUnitReader("/tmp/j.xml")
    read(reader, b"", file=file)
    return reader.tests.problems


def test_cases_of_all_suites_are_read() -> None:
    reader = JUnitReader("/tmp/j.xml")

    read(reader, b"what it printed", file=XML)

    assert states(reader) == {
        "maps.a": PASSED,
        "maps.b": FAILED,
        "c": FAILED,
        "d": SKIPPED,
    }
    tests = reader.tests.by_name
    assert tests["maps.a"].seconds == 0.5
    assert tests["maps.b"].message == "wrong"
    assert tests["maps.b"].output.text() == "wrong\nat 3"
    assert tests["c"].message == "it died"
    assert tests["d"].message == "no BTF"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (None, "left no file /tmp/j.xml"),
        ("", "not JUnit's XML"),
        ("<testsuite><testcase", "not JUnit's XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        ("<a>" * 100 + "</a>" * 100, "too many elements"),
    ],
)
def test_a_missing_or_damaged_file_is_a_problem(file: str | None, words: str) -> None:
    (found,) = problems(file)

    assert words in found


@given(st.text(max_size=200))
def test_no_file_breaks_the_reader(file: str) -> None:
    problems(file)
