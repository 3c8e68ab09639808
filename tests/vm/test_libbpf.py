"""Objects loaded by another libbpf than the machine's."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from runner.libbpf import source
from runner.results import Outcome
from tests.unit.libbpf import made
from tests.vm.conftest import Finished, run

pytestmark = pytest.mark.vm

VERSION = f"1.{made.MINOR}"
CASES = ("--kernels", "6.1", "--suite", "suites/task", "-k", "comm or identity")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.another(tmp_path_factory.mktemp("libbpf"))


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    reports = tmp_path_factory.mktemp("reports")
    return run(*CASES, "--libbpf", folder, reports=reports / "r")


def test_it_loads_and_predicts(finished: Finished) -> None:
    assert finished.status == 0, finished.errors
    assert {it.outcome for it in finished.results.cases} == {Outcome.PASSED}
    assert {it.predicted for it in finished.results.cases} == {"loads"}


def test_reports_tell_of_it(finished: Finished, folder: Path) -> None:
    (kernel,) = finished.results.kernels
    junit = ET.parse(finished.reports / "6.1/junit.xml")
    told = {it.get("name"): it.get("value") for it in junit.iter("property")}

    assert kernel.libbpf == told["libbpf"] == VERSION
    assert kernel.libbpf_source == told["libbpf_source"] == str(folder)
    assert kernel.libbpf_sha256 == source.read(folder).sha256


def test_processes_of_their_own_load_with_it_too(
    finished: Finished, folder: Path, tmp_path: Path
) -> None:
    test = tmp_path / "test_hello.py"
    test.write_text(
        "def test_it_says_its_libbpf(guest):\n"
        f"    assert guest.hello.libbpf == {VERSION!r}\n"
    )
    words = ("--kernels", "6.1", "--suite", test, "-n", "2", "--libbpf", folder)

    done = run(*words, reports=tmp_path / "r")

    assert done.status == 0, done.output + done.errors


def test_the_next_run_has_the_machines_again(
    finished: Finished, tmp_path: Path
) -> None:
    done = run(*CASES, reports=tmp_path / "r")
    (kernel,) = done.results.kernels

    assert done.status == 0, done.errors
    assert kernel.libbpf not in ("", VERSION)
    assert kernel.libbpf_source == ""
