"""Kernels are compared with each other, also when they ran on several machines."""

import os
import shutil
from pathlib import Path

import pytest

from runner.results import CaseResult, Outcome
from tests.vm.conftest import DATA, ROOT, Finished, run

pytestmark = pytest.mark.vm

KERNELS = ("5.10", "6.1", "6.12", "sid")
SUITE = DATA / "suites/disagree"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Finished]:
    """A suite whose numbers differ by kernel, on two machines."""
    folder = tmp_path_factory.mktemp("parts")
    words = ("--kernels", ",".join(KERNELS), "--suite", SUITE)
    return [
        run(*words, "--shard", f"{number}/2", reports=folder / str(number))
        for number in (1, 2)
    ]


@pytest.fixture(scope="module")
def merged(parts: list[Finished]) -> Finished:
    """The same as one run."""
    folders = [it.reports for it in parts]
    out = folders[0].parent / "merged"
    return run("report", *folders, "--gate", "all", reports=out, option="--out")


def classes(merged: Finished, name: str) -> dict[str, str]:
    """Return how a case failed on each kernel; empty where it passed."""
    return {
        case.kernel: case.failure_class
        for case in merged.results.cases
        if case.case == name
    }


def case_on(merged: Finished, name: str, kernel: str) -> CaseResult:
    found = (
        it for it in merged.results.cases if (it.case, it.kernel) == (name, kernel)
    )
    return next(found)


def test_a_part_has_no_say_over_kernels_that_it_does_not_have(
    parts: list[Finished], merged: Finished
) -> None:
    assert {it.status for it in parts} == {1}
    assert merged.status == 1, merged.output + merged.errors
    assert {it.kernel for it in merged.results.cases} == {*KERNELS}


def test_numbers_of_which_no_two_are_the_same_fail_on_all_kernels(
    merged: Finished,
) -> None:
    assert set(classes(merged, "no_two_agree").values()) == {"kernels_disagree"}
    message = case_on(merged, "no_two_agree", "sid").message
    assert "no two of 5.10, 6.1, 6.12 and sid agree" in message


def test_the_boundary_between_two_halves_is_named(merged: Finished) -> None:
    assert set(classes(merged, "two_and_two").values()) == {"kernels_disagree"}
    message = case_on(merged, "two_and_two", "6.1").message
    assert message.endswith("it changes between 6.1 and 6.12")


def test_the_odd_kernel_fails_and_the_majority_passes(merged: Finished) -> None:
    found = classes(merged, "newest_is_odd")

    assert found == {"5.10": "", "6.1": "", "6.12": "", "sid": "kernels_disagree"}
    odd = case_on(merged, "newest_is_odd", "sid")
    assert [str(it) for it in odd.mismatches] == [
        "map newest key 0: expected 1 on 5.10, 6.1 and 6.12, observed 2 on sid"
    ]
    assert "map newest key 0: 1 on 5.10, 6.1, 6.12; 2 on sid" in merged.output


def test_a_declared_difference_is_a_gap_and_one_that_is_none_fails(
    merged: Finished,
) -> None:
    declared = case_on(merged, "declared", "sid")
    assert declared.outcome is Outcome.SKIPPED
    assert case_on(merged, "declared", "6.1").outcome is Outcome.PASSED
    assert classes(merged, "declared_but_agrees")["sid"] == "unexpected_pass"


def test_maps_that_are_empty_everywhere_do_not_agree(merged: Finished) -> None:
    found = set(classes(merged, "nothing_there").values())
    assert found == {"nothing_to_agree_with"}


def test_pids_are_compared_as_numbers_until_the_suite_says_what_they_are(
    merged: Finished,
) -> None:
    assert "kernels_disagree" in classes(merged, "pids_without_a_name").values()
    cure = case_on(merged, "pids_without_a_name", "sid").cure
    assert "add `normalise: {key: pid}`" in cure


def test_a_kernel_that_ran_a_case_alone_did_not_agree_with_anybody(
    merged: Finished,
) -> None:
    alone = case_on(merged, "alone", "sid")
    assert (alone.outcome, alone.failure_class) == (
        Outcome.SKIPPED,
        "nothing_to_agree_with",
    )


def test_rows_are_held_against_the_record(merged: Finished) -> None:
    assert set(classes(merged, "not_recorded").values()) == {"record_missing"}
    found = classes(merged, "recorded_otherwise")
    assert found == {"5.10": "", "6.1": "", "6.12": "", "sid": "record_differs"}


def test_update_writes_the_record_that_is_in_the_repository(tmp_path: Path) -> None:
    suite = tmp_path / "agree"
    shutil.copytree(ROOT / "suites/agree", suite, ignore=shutil.ignore_patterns("rows"))
    matrix = ("--matrix", ROOT / "matrix.yaml", "--kernels", "6.1")
    words = (*matrix, "--suite", suite, "-k", "recorded")
    kept = (ROOT / "suites/agree/rows/senders.yaml").read_text()

    done = run(*words, "--update", reports=tmp_path / "reports", CI="")

    assert done.status == 0, done.output + done.errors
    assert "rows/senders.yaml: 1 row from 6.1; review it" in done.output
    written = (suite / "rows/senders.yaml").read_text()
    assert written.partition("rows:")[2] == kept.partition("rows:")[2]
    assert os.stat(suite / "rows/senders.yaml").st_mode & 0o777 == 0o644
