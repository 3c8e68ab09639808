"""A user's own arguments beside the runner's."""

from runner.harness.arguments import without


def test_options_are_dropped_however_they_are_written() -> None:
    words = ["-q", "--format", "json", "--format=pretty", "-v=true", "a", "-vv"]

    assert without(words, ("-q", "-v"), valued=("--format",)) == ["a", "-vv"]


def test_a_value_that_is_missing_takes_nothing_along() -> None:
    assert without(["a", "--format"], valued=("--format",)) == ["a"]
