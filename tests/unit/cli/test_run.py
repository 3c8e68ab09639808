"""What the main job makes of a command line."""

import argparse
import os
from itertools import pairwise
from pathlib import Path

import pytest

from runner import cli
from runner.cli import run
from runner.cli.run import AtOnce
from runner.errors import UsageError
from runner.guest import host
from runner.run import options
from runner.run.options import RunOption


def parsed(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return parser.parse_args(given)


def words(*given: str, plan: AtOnce = AtOnce(lanes=1)) -> list[str]:  # noqa: B008
    return run.pytest_arguments(parsed(*given), plan, [Path("suites")])


def after(option: str, given: list[str]) -> list[str]:
    return [value for word, value in pairwise(given) if word == option]


def test_pytest_is_told_where_it_is_and_what_to_collect() -> None:
    given = words()

    assert after("--rootdir", given) == [os.getcwd()]
    assert given[-1] == "suites"
    assert "-n" not in given


@pytest.mark.parametrize("option", options.of("pytest"), ids=lambda it: it.flag)
def test_the_settings_of_a_run_are_not_turned_into_words(option: RunOption) -> None:
    given = " ".join(words("--cold", "--locked", "--shard", "1/2", "--libbpf", "l"))

    assert option.flag == "--lanes" or option.flag not in given.split()


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


def test_what_failed_last_time_is_not_known_to_other_machines() -> None:
    with pytest.raises(UsageError, match="--lf does not work with --shard"):
        run.main(parsed("--lf", "--shard", "1/2"))


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


def test_no_more_guests_start_than_are_of_use() -> None:
    assert AtOnce(lanes=4).at_most(1) == AtOnce(lanes=1)
    assert AtOnce(lanes=4).at_most(0) == AtOnce(lanes=1)
    assert AtOnce(lanes=2).at_most(9) == AtOnce(lanes=2)
    assert AtOnce(processes=8).at_most(1) == AtOnce(processes=8)


def write_flaky(folder: Path, *lines: str) -> str:
    entry = [*lines, "owner: '@ada'", "until: 2020-01-01"]
    path = folder / "flaky.yaml"
    path.write_text("flaky:\n- " + "\n  ".join(entry) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["case: tsak::state"], "flaky.yaml:2: flaky[0].case: no case matches"),
        (["case: task::state", "kernels: ['5.11']"], "the matrix has no kernel '5.11'"),
    ],
)
def test_what_no_suite_and_no_kernel_of_the_project_is_stops_a_run_of_all(
    lines: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--flaky", write_flaky(tmp_path, *lines), "--reports", str(tmp_path / "r")]

    assert cli.main([*words, "--kernels", "6.1"]) == 2

    assert told in capsys.readouterr().err


def test_a_part_without_kernels_knows_no_case_and_refuses_no_entry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--flaky", write_flaky(tmp_path, "case: task::state")]
    words += ["--reports", str(tmp_path / "r"), "--kernels", "6.1", "--shard", "2/2"]

    cli.main(words)

    assert "no case matches" not in capsys.readouterr().err
    assert (tmp_path / "r/results.json").exists()


def test_an_entry_of_a_suite_that_is_not_run_is_told_in_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "mine/suite.yaml"
    suite.parent.mkdir()
    # Another mistake, which is found later, before anything boots.
    suite.write_text(
        "description: Mine.\ncases:\n"
        "- name: one\n  object: a.bpf.c\n  vmlinux: nosuch\n"
        "  expect: [{map: m, equals: 1}]\n"
    )
    (tmp_path / "mine/a.bpf.c").write_text("")
    flaky = write_flaky(tmp_path, "case: mien::one")
    words = ["--flaky", flaky, "--reports", str(tmp_path / "r")]

    assert cli.main([*words, "--kernels", "6.1", "--suite", str(suite.parent)]) == 2

    said = capsys.readouterr().err
    assert "note: " in said
    assert "no case matches mien::one; did you mean 'mine::one'?" in said
    assert "no kernel 'nosuch'" in said


def test_a_flaky_list_that_matches_no_case_is_told_before_anything_boots(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flaky.yaml").write_text(
        "flaky:\n- case: task::stat\n  owner: '@ada'\n  until: 2020-01-01\n"
    )
    words = ["--flaky", str(tmp_path / "flaky.yaml"), "--reports", str(tmp_path / "r")]

    assert cli.main([*words, "--kernels", "6.1", "--suite", "builtin"]) == 2

    said = capsys.readouterr().err
    assert "flaky.yaml:2" in said
    assert "no case matches task::stat" in said
    assert not (tmp_path / "r/results.json").exists()
