"""What Rust's libtest prints."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.harness.cargo import Cargo, CargoReader
from tests.unit.harness.recorded import (
    FAILED,
    FOLDER,
    PASSED,
    RUNNING,
    SKIPPED,
    read,
    states,
)

JSON = (FOLDER / "cargo.json").read_bytes()
TEXT = (FOLDER / "cargo.txt").read_bytes()
ENDED = {
    "tests::aborts": PASSED,
    "tests::exits": PASSED,
    "tests::fails": FAILED,
    "tests::forges": PASSED,
    "tests::panics_as_it_should": PASSED,
    "tests::passes": PASSED,
    "tests::skips": SKIPPED,
}


@pytest.mark.parametrize("data", [JSON, TEXT], ids=["json", "text"])
@pytest.mark.parametrize("step", [0, 5])
def test_a_recorded_output_is_read(data: bytes, step: int) -> None:
    reader = CargoReader()

    read(reader, data, step=step)

    assert states(reader) == ENDED
    assert reader.tests.problems == []
    assert reader.tests.by_name["tests::skips"].message == "needs BTF"
    assert "before it fails" in reader.tests.by_name["tests::fails"].output.text()


def test_a_test_that_aborts_is_the_one_that_runs() -> None:
    reader = CargoReader()

    read(reader, (FOLDER / "cargo-abort.txt").read_bytes())

    assert states(reader) == {"tests::aborts": RUNNING}


def test_results_that_the_summary_does_not_count_are_a_problem() -> None:
    reader = CargoReader()

    read(
        reader,
        b"running 2 tests\ntest a ... ok\ntest forged ... ok\n\n"
        b"test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
    )

    assert "counts passed 1, failed 0, ignored 0" in reader.tests.problems[0]


def test_a_second_result_fails_a_test_if_one_is_a_failure() -> None:
    reader = CargoReader()
    event = {"type": "test", "name": "a"}
    lines = [{**event, "event": it} for it in ("started", "ok", "failed", "ok")]

    read(reader, b"".join(json.dumps(it).encode() + b"\n" for it in lines))

    assert states(reader) == {"a": FAILED}


def test_a_result_of_a_test_that_never_started_is_output() -> None:
    reader = CargoReader()

    read(reader, b'{"type": "test", "name": "never", "event": "ok"}\n')

    assert states(reader) == {}


@given(st.binary(max_size=300))
def test_no_output_breaks_the_reader(data: bytes) -> None:
    read(CargoReader(), data, step=3)


@given(st.lists(st.sampled_from((JSON + TEXT).splitlines(keepends=True)), max_size=40))
def test_lines_in_any_order_do_not_break_it(lines: list[bytes]) -> None:
    read(CargoReader(), b"".join(lines))


def test_tests_are_listed() -> None:
    assert {*Cargo().names((FOLDER / "cargo-list.txt").read_text())} == {*ENDED}


def test_a_list_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="usage"):
        Cargo().names("usage: tool\n")


@pytest.mark.parametrize("words", [["--ignored"], ["maps"], ["--skip", "a"]])
def test_who_chooses_tests_himself_gets_no_plan(words: list[str]) -> None:
    assert Cargo().listing(words) is None


def test_options_choose_nothing() -> None:
    words = ["--nocapture", "--test-threads", "4", "--color=never"]
    assert Cargo().listing(words) is not None


def test_one_that_prints_no_json_is_run_again_for_its_text() -> None:
    made = Cargo().invocation(
        Path("t"),
        ["-q", "--format", "pretty", "--color=always", "--nocapture"],
        ["a", "b"],
    )

    assert made.environment == {"RUSTC_BOOTSTRAP": "1"}
    assert made.otherwise is not None
    assert made.otherwise.arguments == (
        "--test-threads=1",
        "--exact",
        "a",
        "b",
        "--nocapture",
    )
    assert not made.otherwise.environment
