"""The words that pytest is given for a command line."""

import argparse
import os
from itertools import pairwise
from pathlib import Path

import pytest

from runner.cli import run
from runner.cli.arguments import choice
from runner.errors import UsageError
from runner.matrix import DebianSource, Kernel

KERNELS = tuple(
    Kernel(id=id_, source=DebianSource(type="debian", suite="sid"))
    for id_ in ("5.10", "6.1", "6.12")
)


def words(*given: str, kernels: int = 3) -> list[str]:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    parsed = parser.parse_args(
        ["--kernels", "5.10", "--kernels", "@lts", "--kernel", "6.1=bzImage", *given]
    )
    return run.pytest_arguments(
        parsed, choice(parsed, "@default"), KERNELS[:kernels], [Path("suites")]
    )


def after(option: str, given: list[str]) -> list[str]:
    return [value for word, value in pairwise(given) if word == option]


def test_selectors_settings_and_paths_are_handed_on() -> None:
    given = words("--matrix", "m.yaml", "--accel", "tcg", "--reports", "r", "-n", "1")

    assert {"--kernels=5.10", "--kernels=@lts", "--kernel=6.1=bzImage"} <= {*given}
    assert after("--matrix", given) == ["m.yaml"]
    assert after("--accel", given) == ["tcg"]
    assert after("--reports", given) == ["r"]
    assert after("--boot-timeout", given) == ["60.0"]
    assert after("--rootdir", given) == [os.getcwd()]
    assert given[-1] == "suites"
    assert "-n" not in given


def test_no_word_is_taken_for_a_file_of_arguments() -> None:
    assert not [word for word in words() if word.startswith("@")]


def test_a_users_own_configuration_of_pytest_does_not_count() -> None:
    (path,) = after("-c", words())

    assert Path(path).is_file()
    assert Path(path).parent == Path(run.__file__).parent


def test_kernels_are_spread_over_workers() -> None:
    given = words("-n", "2")

    assert after("-n", given) == ["2"]
    assert after("--dist", given) == ["loadgroup"]


def test_there_are_no_more_workers_than_kernels() -> None:
    assert after("-n", words("-n", "8")) == ["3"]
    assert after("-n", words("-n", "8", kernels=1)) == []
    assert after("-n", words("-n", "auto", kernels=1)) == []


def test_pytests_own_options_are_handed_on() -> None:
    given = words("-k", "state and not skb", "-x", "--lf")

    assert after("-k", given) == ["state and not skb"]
    assert "-x" in given
    assert "--lf" in given
    assert "-x" not in words()


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5", ""])
def test_a_number_of_workers_is_one(number: str) -> None:
    with pytest.raises(UsageError, match="a number from 1 on, or auto"):
        words(f"-n{number}") if number else words("-n", "")
