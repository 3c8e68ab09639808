"""The Test Anything Protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.harness.kinds import UnknownReader
from runner.harness.tap import TapReader
from tests.unit.harness.recorded import FAILED, PASSED, SKIPPED, read, states

TAP14 = b"""TAP version 14
1..5
ok 1 - opens
not ok 2 - reads
  ---
  message: wrong offset
  ...
    # Subtest: maps
    1..2
    ok 1 - hash
    not ok 2 - array # TODO later
ok 3 - maps
ok 4 - btf # SKIP no BTF here
ok
"""


def problems(text: bytes) -> list[str]:
    reader = TapReader()
    read(reader, text)
    return reader.tests.problems


@pytest.mark.parametrize("step", [0, 1])
def test_results_directives_and_subtests_are_read(step: int) -> None:
    reader = TapReader()

    read(reader, TAP14, step=step)

    assert states(reader) == {
        "opens": PASSED,
        "reads": FAILED,
        "maps/hash": PASSED,
        "maps/array": SKIPPED,
        "maps": PASSED,
        "btf": SKIPPED,
        "test 5": PASSED,
    }
    assert reader.tests.problems == []
    assert reader.tests.by_name["btf"].message == "no BTF here"
    assert reader.tests.by_name["maps/array"].message == "to do: later"


def test_diagnostics_are_those_of_the_test_before() -> None:
    reader = TapReader()

    read(reader, b"hello\nnot ok 1 - a\n# got 3\nok 2 - b\n1..2\n")

    assert reader.tests.by_name["a"].output.text() == "hello\n# got 3\n"
    assert reader.tests.by_name["b"].output.text() == ""


def test_two_tests_of_one_name_are_two() -> None:
    reader = TapReader()

    read(reader, b"1..2\nok 1 - a\nnot ok 2 - a\n")

    assert states(reader) == {"a": PASSED, "a #2": FAILED}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"1..3\nok 1\nok 2\n", "planned 3 tests, and printed 2"),
        (b"1..1\nok 1\nok 2\n", "planned 1 tests, and printed 2"),
        (b"ok 1\nok 2\n", "there is no plan"),
        (b"1..2\nok 1\nBail out! no root\n", "bailed out: no root"),
        (b"    1..2\n    ok 1\nok 1 - a\n1..1\n", "subtest a planned 2"),
    ],
)
def test_a_cut_output_is_a_problem(text: bytes, words: str) -> None:
    assert any(words in it for it in problems(text))


def test_a_plan_of_no_tests_says_why() -> None:
    reader = TapReader()

    read(reader, b"1..0 # SKIP needs root\n")

    assert states(reader) == {"all": SKIPPED}
    assert reader.tests.by_name["all"].message == "needs root"
    assert reader.tests.problems == []


@given(st.binary(max_size=300))
def test_no_output_breaks_the_reader(data: bytes) -> None:
    read(TapReader(), data, step=3)


@given(st.lists(st.sampled_from(TAP14.splitlines(keepends=True)), max_size=30))
def test_lines_in_any_order_do_not_break_it(lines: list[bytes]) -> None:
    read(TapReader(), b"".join(lines))


def test_output_shows_by_itself_whether_it_is_tap() -> None:
    tap, other = UnknownReader(), UnknownReader()

    read(tap, b"\n1..1\nok 1 - a\n")
    read(other, b"hello\nok 1 - a\n")

    assert states(tap) == {"a": PASSED}
    assert states(other) == {}
