"""Loaders of the user's own: his binary loads, the runner looks."""

import shutil
import subprocess

import pytest

from runner.bpf import compile as compile_
from runner.results import Outcome
from tests.vm.conftest import DATA, Finished, run

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    mine = tmp_path_factory.mktemp("mine") / "loader"
    shutil.copytree(DATA / "loader", mine)
    subprocess.run(
        [
            *("gcc", "-static", "-o", mine / "loader", mine / "loader.c"),
            *("-lbpf", "-lelf", "-lz"),
        ],
        check=True,
        # glibc warns of what static programs can't do; this one does not want to.
        capture_output=True,
    )
    source = mine / "opens.bpf.c"
    subprocess.run(compile_.command(source, mine / "opens.bpf.o"), cwd=mine, check=True)
    reports = tmp_path_factory.mktemp("reports")
    return run("--kernels", "6.1", "--suite", mine, reports=reports / "r")


@pytest.mark.parametrize("name", ["stays", "ends_by_itself"])
def test_a_loader_is_judged_by_maps_output_and_status(
    finished: Finished, name: str
) -> None:
    case = finished.case(name)

    assert case.outcome is Outcome.PASSED, case.message
    assert case.object_path == "loader/loader"


def test_another_exit_status_fails(finished: Finished) -> None:
    case = finished.case("ends_otherwise")

    assert case.outcome is Outcome.FAILED
    assert case.failure_class == "loader_failed"
    assert "exit status 3" in case.message
    assert case.mismatches == ()


def test_a_loader_that_is_never_ready_is_a_timeout(finished: Finished) -> None:
    case = finished.case("never_ready")

    assert case.outcome is Outcome.ERROR
    assert case.failure_class == "timed_out"
    assert "^ready$" in case.message


def test_programs_that_never_ran_fail(finished: Finished) -> None:
    assert finished.case("never_ran").failure_class == "never_ran"


def test_a_loader_that_loaded_nothing_fails(finished: Finished) -> None:
    case = finished.case("nothing_loaded")

    assert case.outcome is Outcome.FAILED
    assert "no such map; there are none" in case.message
