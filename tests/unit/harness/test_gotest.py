"""What `go test -c` binaries print, by the rules of test2json."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.harness.gotest import GoReader, GoTest
from tests.unit.harness.recorded import (
    FAILED,
    FOLDER,
    PASSED,
    PAUSED,
    RUNNING,
    SKIPPED,
    read,
    states,
)

MARKED = (FOLDER / "go-marked.txt").read_bytes()
ENDED = {
    "TestPasses": PASSED,
    "TestFails": FAILED,
    "TestSkips": SKIPPED,
    "TestSubtests": FAILED,
    "TestSubtests/first": PASSED,
    "TestSubtests/second_one": PASSED,
    "TestSubtests/third": FAILED,
    "TestPrintsWithoutNewline": PASSED,
    "TestForges": FAILED,
    "TestParallelA": PASSED,
    "TestParallelB": PASSED,
    "TestPanics": SKIPPED,
    "TestExits": SKIPPED,
    "TestCrashes": SKIPPED,
    "TestLast": PASSED,
    "TestParallelB/deep": PASSED,
    "TestParallelB/deep/deeper": PASSED,
    "Example_hello": PASSED,
}


@pytest.mark.parametrize("step", [0, 1, 7, 100])
def test_a_recorded_output_is_read_in_pieces_of_any_size(step: int) -> None:
    reader = GoReader(marked=True)

    read(reader, MARKED, step=step)

    assert states(reader) == ENDED
    assert reader.tests.current is None


def test_an_output_without_markers_is_read_too() -> None:
    reader = GoReader(marked=False)

    read(reader, (FOLDER / "go-plain.txt").read_bytes())

    found = states(reader)
    # Nothing tells its end from what the test before it printed without a newline.
    assert found.pop("TestPrintsWithoutNewline") is RUNNING
    assert found == {it: how for it, how in ENDED.items() if it in found}


def test_a_skipped_test_says_why() -> None:
    reader = GoReader(marked=True)

    read(reader, MARKED)

    message = reader.tests.by_name["TestSkips"].message
    assert message.endswith("no BTF here")


def test_output_is_that_of_the_test_that_printed_it() -> None:
    reader = GoReader(marked=True)

    read(reader, MARKED)

    output = reader.tests.by_name["TestForges"].output.text()
    assert output.startswith("--- PASS: TestForges (0.00s)\n")
    assert "bad \ufffd\ufffd bytes" in output
    assert "wrong value" in reader.tests.by_name["TestFails"].output.text()


def test_a_test_that_prints_a_pass_with_the_marker_still_fails() -> None:
    reader = GoReader(marked=True)

    read(
        reader,
        b"\x16=== RUN   TestA\n\x16--- PASS: TestA (0.00s)\n"
        b"\x16--- FAIL: TestA (0.01s)\n\x16--- PASS: TestNever (0.00s)\n",
    )

    assert states(reader) == {"TestA": FAILED}
    assert "two results" in reader.tests.by_name["TestA"].odd


def test_after_a_panic_parallel_tests_have_not_ended() -> None:
    reader = GoReader(marked=True)

    read(reader, (FOLDER / "go-panic.txt").read_bytes())

    found = states(reader)
    assert found["TestPanics"] is FAILED
    assert found["TestParallelA"] is PAUSED
    assert "TestLast" not in found
    assert reader.tests.current is None


def test_the_test_that_runs_is_the_innermost_one() -> None:
    reader = GoReader(marked=True)

    read(reader, b"\x16=== RUN   TestA\n\x16=== RUN   TestA/b\nhello\n")

    assert reader.tests.current is not None
    assert reader.tests.current.name == "TestA/b"
    assert reader.tests.current.output.text() == "hello\n"


def test_a_time_that_is_no_number_is_a_part_of_the_name() -> None:
    reader = GoReader(marked=False)

    read(reader, b"=== RUN   TestA\n--- PASS: TestA (0.00.00s)\n")

    assert states(reader)["TestA"] is not PASSED


@given(st.binary(max_size=400), st.booleans())
def test_no_output_breaks_the_reader(data: bytes, marked: bool) -> None:
    read(GoReader(marked=marked), data, step=3)


@given(st.lists(st.sampled_from(MARKED.splitlines(keepends=True)), max_size=60))
def test_lines_in_any_order_never_pass_a_test_that_did_not_start(
    lines: list[bytes],
) -> None:
    reader = GoReader(marked=True)

    read(reader, b"".join(lines))

    started = {it.split()[-1].decode() for it in lines if b"=== RUN" in it}
    assert set(states(reader)) <= started


def test_tests_and_examples_are_listed_and_no_benchmarks() -> None:
    names = GoTest().names((FOLDER / "go-list.txt").read_text())

    assert "BenchmarkNothing" not in names
    assert {"TestPasses", "Example_hello"} <= {*names}
    assert not any("/" in it for it in names)


@pytest.mark.parametrize("word", ["-test.run=A", "--test.run", "-test.skip=B"])
def test_who_chooses_tests_himself_gets_no_plan(word: str) -> None:
    assert GoTest().listing([word, "A"]) is None
    assert GoTest().listing(["-test.short", "-test.runs"]) == ("-test.list=.*",)


def test_tests_are_chosen_by_their_whole_names(tmp_path: Path) -> None:
    program = tmp_path / "t"
    program.write_bytes(b"\xff Go buildinf:" + b"\0" * 18 + b"\x08go1.20.3" + b"\0" * 9)

    made = GoTest().invocation(
        program, ["-test.v=true", "-test.short", "--test.v"], ["TestA", "TestB"]
    )

    assert made.arguments == (
        "-test.paniconexit0",
        "-test.v=test2json",
        "-test.run=^(TestA|TestB)$",
        "-test.short",
    )


@pytest.mark.parametrize("version", [b"go1.19.13", b"nothing here"])
def test_go_before_1_20_marks_no_lines(version: bytes, tmp_path: Path) -> None:
    program = tmp_path / "t"
    program.write_bytes(b"\xff Go buildinf:" + version)

    assert "-test.v=true" in GoTest().invocation(program, [], None).arguments
