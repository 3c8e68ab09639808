"""What GoogleTest prints, and writes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.harness.gtest import GoogleReader, GoogleTest
from tests.unit.harness.recorded import (
    FAILED,
    FOLDER,
    PASSED,
    RUNNING,
    SKIPPED,
    read,
    states,
)

TEXT = (FOLDER / "gtest.txt").read_bytes()
XML = (FOLDER / "gtest.xml").read_text()
ENDED = {
    "Maps.Passes": PASSED,
    "Maps.Fails": FAILED,
    "Maps.Skips": SKIPPED,
    "Maps.Aborts": PASSED,
    "All/Sizes.Fit/0": PASSED,
    "All/Sizes.Fit/1": PASSED,
}


@pytest.mark.parametrize("file", [XML, None], ids=["xml", "text"])
def test_a_recorded_output_is_read(file: str | None) -> None:
    reader = GoogleReader()

    read(reader, TEXT, step=11, file=file)

    assert states(reader) == ENDED
    assert "no BTF here" in reader.tests.by_name["Maps.Skips"].output.text()
    assert "wrong value" in reader.tests.by_name["Maps.Fails"].output.text()


def test_a_test_that_aborts_is_the_one_that_runs() -> None:
    reader = GoogleReader()

    read(reader, (FOLDER / "gtest-abort.txt").read_bytes())

    assert states(reader)["Maps.Aborts"] is RUNNING
    assert reader.tests.current is not None
    assert reader.tests.current.name == "Maps.Aborts"


def test_xml_that_can_not_be_read_is_a_problem() -> None:
    reader = GoogleReader()

    read(reader, TEXT, file="<testsuites><oops")

    assert "can't be read" in reader.tests.problems[0]


@given(st.binary(max_size=300), st.text(max_size=100))
def test_no_output_breaks_the_reader(data: bytes, file: str) -> None:
    read(GoogleReader(), data, step=3, file=file)


def test_tests_are_listed_but_for_disabled_ones() -> None:
    assert GoogleTest().names((FOLDER / "gtest-list.txt").read_text()) == tuple(ENDED)


def test_tests_are_chosen_by_their_whole_names() -> None:
    made = GoogleTest().invocation(
        Path("t"), ["--gtest_output=json:a", "--gtest_brief=1", "--x"], ["A.b", "C.d"]
    )

    assert "--gtest_filter=A.b:C.d" in made.arguments
    assert f"--gtest_output=xml:{made.file}" in made.arguments
    assert made.arguments[-1] == "--x"
