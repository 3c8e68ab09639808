"""The words that pytest is given for a command line."""

import argparse
import os
from itertools import pairwise
from pathlib import Path

import pytest

from runner.cli import run
from runner.errors import UsageError


def parsed(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return parser.parse_args(given)


def words(*given: str, workers: int = 1) -> list[str]:
    kernels = ("--kernels", "5.10", "--kernels", "@lts", "--kernel", "6.1=bzImage")
    return run.pytest_arguments(parsed(*kernels, *given), workers, [Path("suites")])


def after(option: str, given: list[str]) -> list[str]:
    return [value for word, value in pairwise(given) if word == option]


def test_selectors_settings_and_paths_are_handed_on() -> None:
    given = words("--matrix", "m.yaml", "--accel", "tcg", "--reports", "r", "--cold")

    assert {"--kernels=5.10", "--kernels=@lts", "--kernel=6.1=bzImage"} <= {*given}
    assert after("--matrix", given) == ["m.yaml"]
    assert after("--accel", given) == ["tcg"]
    assert after("--reports", given) == ["r"]
    assert after("--boot-timeout", given) == ["60.0"]
    assert after("--rootdir", given) == [os.getcwd()]
    assert given[-1] == "suites"
    assert "--cold" in given
    assert "-n" not in given


def test_no_word_is_taken_for_a_file_of_arguments() -> None:
    assert not [word for word in words() if word.startswith("@")]


def test_a_users_own_configuration_of_pytest_does_not_count() -> None:
    (path,) = after("-c", words())

    assert Path(path).is_file()
    assert Path(path).parent == Path(run.__file__).parent


def test_kernels_are_spread_over_workers() -> None:
    given = words(workers=2)

    assert after("-n", given) == ["2"]
    assert after("--dist", given) == ["loadgroup"]


def test_there_are_no_more_workers_than_kernels() -> None:
    assert run.workers("8", 3) == 3
    assert run.workers("8", 1) == 1
    assert run.workers("2", 3) == 2
    assert run.workers("auto", 1) == 1


def test_pytests_own_options_are_handed_on() -> None:
    given = words("-k", "state and not skb", "-x", "--lf")

    assert after("-k", given) == ["state and not skb"]
    assert "-x" in given
    assert "--lf" in given
    assert "-x" not in words()


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5", ""])
def test_a_number_of_workers_is_one(number: str) -> None:
    with pytest.raises(UsageError, match="a number from 1 on, or auto"):
        run.workers(number, 3)


def test_a_part_of_the_kernels_is_handed_on() -> None:
    given = words("--shard", "2/3", "--timings", "old.json")

    assert after("--shard", given) == ["2/3"]
    assert after("--timings", given) == ["old.json"]
    assert "--shard" not in words()
