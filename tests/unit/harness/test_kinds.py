"""Which kind of test program a file is."""

from pathlib import Path

import pytest

from runner.harness import kinds
from runner.harness.lines import MOST_LINE, LineSplitter
from runner.harness.tests import MOST_TESTS, HarnessState, KeptText, Tests


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"x test.paniconexit0 y", "gotest"),
        (b"x RUST_TEST_THREADS y", "cargo"),
        (b"x gtest_list_tests y", "gtest"),
        (b"nothing", "auto"),
        (b"", "auto"),
    ],
)
def test_a_program_is_known_by_what_it_contains(
    content: bytes, name: str, tmp_path: Path
) -> None:
    program = tmp_path / "t"
    program.write_bytes(content)

    found = kinds.harness("auto", program)

    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("word", ["gotest", "cargo", "tap", "gtest"])
def test_each_word_has_its_kind(word: str) -> None:
    found = kinds.harness(word, None)

    assert found is not None
    assert found.name == word


def test_an_exit_status_needs_no_kind() -> None:
    assert kinds.harness("exit", None) is None


def test_a_line_without_end_is_bounded() -> None:
    taken: list[bytes] = []
    lines = LineSplitter(taken.append)

    for _ in range(3):
        lines.feed(b"x" * MOST_LINE)
    lines.close()

    assert b"".join(taken) == b"x" * 3 * MOST_LINE
    assert max(map(len, taken)) <= MOST_LINE + 1


def test_a_long_output_keeps_its_start_and_its_end() -> None:
    kept = KeptText()

    for number in range(100_000):
        kept.write(b"%d\n" % number)

    text = kept.text()
    assert text.startswith("0\n1\n")
    assert text.endswith("99998\n99999\n")
    assert "bytes are left out" in text
    assert len(text) < 20_000


def test_tests_without_end_are_bounded() -> None:
    tests = Tests()

    for number in range(MOST_TESTS + 5):
        tests.start(f"t{number}")

    assert len(tests.by_name) == MOST_TESTS
    assert len(tests.problems) == 1


def test_names_are_fit_for_reports() -> None:
    tests = Tests()

    tests.start("a\x1b[31m\nb" + "x" * 1000)
    tests.start(" \x00 ")

    long, empty = tests.by_name
    assert long.startswith("a [31m b")
    assert len(long) < 500
    assert empty == "(no name)"


def test_a_result_without_a_start_is_refused() -> None:
    assert not Tests().end("a", HarnessState.PASSED)
