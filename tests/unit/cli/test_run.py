"""The words that pytest is given for a command line."""

import argparse
import os
from itertools import pairwise
from pathlib import Path

import pytest

from runner.cli import run
from runner.cli.run import AtOnce
from runner.errors import UsageError
from runner.guest import host


def parsed(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return parser.parse_args(given)


def words(*given: str, plan: AtOnce = AtOnce(lanes=1)) -> list[str]:  # noqa: B008
    kernels = ("--kernels", "5.10", "--kernels", "@lts", "--kernel", "6.1=bzImage")
    return run.pytest_arguments(parsed(*kernels, *given), plan, [Path("suites")])


def after(option: str, given: list[str]) -> list[str]:
    return [value for word, value in pairwise(given) if word == option]


def test_selectors_settings_and_paths_are_handed_on() -> None:
    given = words(
        *("--matrix", "m.yaml", "--accel", "tcg", "--reports", "r", "--cold"),
        *("--libbpf", "mine", "--timeout-scale", "2.5"),
    )

    assert {"--kernels=5.10", "--kernels=@lts", "--kernel=6.1=bzImage"} <= {*given}
    assert after("--matrix", given) == ["m.yaml"]
    assert after("--libbpf", given) == ["mine"]
    assert after("--accel", given) == ["tcg"]
    assert after("--reports", given) == ["r"]
    assert after("--boot-timeout", given) == ["60.0"]
    assert after("--timeout-scale", given) == ["2.5"]
    assert after("--timeout-scale", words()) == []
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


def test_lanes_are_handed_on() -> None:
    given = words(plan=AtOnce(lanes=2))

    assert after("--lanes", given) == ["2"]
    assert "-n" not in given


def test_kernels_are_spread_over_processes() -> None:
    given = words(plan=AtOnce(processes=2))

    assert after("-n", given) == ["2"]
    assert after("--dist", given) == ["loadgroup"]
    assert "--lanes" not in given


def test_few_guests_are_driven_by_this_process(tmp_path: Path) -> None:
    assert run.at_once("2", 1, [tmp_path]) == AtOnce(lanes=2)
    assert run.at_once("4", 9, [tmp_path]) == AtOnce(lanes=4)


def test_many_guests_are_driven_by_a_process_a_kernel(tmp_path: Path) -> None:
    assert run.at_once("8", 9, [tmp_path]) == AtOnce(processes=8)
    assert run.at_once("8", 3, [tmp_path]) == AtOnce(processes=3)
    assert run.at_once("8", 1, [tmp_path]) == AtOnce(lanes=1)


def test_tests_in_python_take_a_process_a_kernel(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").touch()

    assert run.at_once("2", 3, [tmp_path]) == AtOnce(processes=2)
    assert run.at_once("2", 3, [tmp_path / "test_mine.py"]) == AtOnce(processes=2)
    # A process even for one kernel: whatever a test does to it, the run tells of it.
    assert run.at_once("2", 1, [tmp_path]) == AtOnce(processes=1)


def test_as_many_as_the_machine_can_drive_work_unasked(tmp_path: Path) -> None:
    most = host.most_guests()
    expected = AtOnce(lanes=most) if most <= 4 else AtOnce(processes=most)

    assert run.at_once("auto", most, [tmp_path]) == expected


def test_pytests_own_options_are_handed_on() -> None:
    given = words("-k", "state and not skb", "-x", "--lf")

    assert after("-k", given) == ["state and not skb"]
    assert "-x" in given
    assert "--lf" in given
    assert "-x" not in words()


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5", ""])
def test_a_number_of_workers_is_one(number: str) -> None:
    with pytest.raises(UsageError, match='must be a positive number or "auto"'):
        run.at_once(number, 3, [])


def test_a_part_of_the_kernels_is_handed_on() -> None:
    given = words("--shard", "2/3", "--timings", "old.json")

    assert after("--shard", given) == ["2/3"]
    assert after("--timings", given) == ["old.json"]
    assert "--shard" not in words()


def test_what_a_shell_makes_of_a_pattern_is_taken() -> None:
    given = parsed("--object", "a.o", "b.o", "--suite", "one", "two", "--object", "c.o")

    assert given.object == [Path("a.o"), Path("b.o"), Path("c.o")]
    assert given.suite == [Path("one"), Path("two")]


@pytest.mark.parametrize("expression", ["", "  "])
def test_an_empty_expression_is_a_mistake_and_not_everything(expression: str) -> None:
    with pytest.raises(UsageError, match="-k: the expression is empty"):
        run.main(parsed("-k", expression))


def test_a_reports_folder_that_can_not_be_written_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="can't write there: Not a directory"):
        run.main(parsed("--reports", str(tmp_path / "file/latest")))
