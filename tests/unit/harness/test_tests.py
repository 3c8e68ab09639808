"""What two results of one test are worth."""

import pytest

from runner.harness.tests import HarnessState, Tests
from tests.unit.harness.recorded import FAILED, PASSED, SKIPPED

WRONG = "wrong value"


@pytest.mark.parametrize("other", [PASSED, SKIPPED])
@pytest.mark.parametrize("failed_first", [True, False])
def test_of_two_results_the_failure_and_its_message_count(
    other: HarnessState, failed_first: bool
) -> None:
    tests = Tests()
    tests.start("t")
    results = [(FAILED, WRONG), (other, "not here")]

    for state, message in results if failed_first else reversed(results):
        assert tests.end("t", state, message=message)

    found = tests.by_name["t"]
    assert (found.state, found.message) == (FAILED, WRONG)
    assert found.odd == "two results were printed for it, and one is a failure"


def test_the_last_that_ended_is_the_innermost() -> None:
    tests = Tests()
    for name in ("a", "a/b", "a/b/c", "ab"):
        tests.start(name)

    last = []
    for name in ("a/b/c", "a/b", "a", "ab"):
        tests.end(name, FAILED)
        last.append(tests.last)

    assert last == ["a/b/c", "a/b/c", "a/b/c", "ab"]
