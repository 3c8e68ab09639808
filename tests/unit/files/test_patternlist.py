"""Lists of patterns in files."""

import pytest
from pydantic import ValidationError

from runner.files.patternlist import LinePattern


@pytest.mark.parametrize("pattern", [".", ".*", "", "a|.", r"\S?", "(a)?"])
def test_a_pattern_that_matches_everything_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"matches everything|at least 1"):
        LinePattern(pattern=pattern, reason="any")


def test_a_pattern_that_is_none_is_told() -> None:
    with pytest.raises(ValidationError, match="is not a regular expression"):
        LinePattern(pattern="(", reason="any")


def test_a_pattern_needs_a_reason() -> None:
    with pytest.raises(ValidationError, match="reason"):
        LinePattern(pattern="^WARNING: mine", reason="")


def test_a_pattern_finds_its_line() -> None:
    made = LinePattern(pattern="^mine: lost", reason="any")

    assert made.compiled.search("mine: lost 5")
    assert not made.compiled.search("yours: lost 5")
