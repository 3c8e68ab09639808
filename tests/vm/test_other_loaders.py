"""The same objects, loaded by libbpf and by loaders with other libraries."""

import shutil

import pytest

from runner.results import Outcome
from tests.vm.conftest import DATA, ROOT, Finished, run

pytestmark = pytest.mark.vm

LOADERS = ("libbpf", "ebpf-go")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("loaders")
    suite = folder / "loaders"
    shutil.copytree(DATA / "suites/loaders", suite)
    for name in ("task/task", "maps/globals", "tracing/perf_event"):
        shutil.copy(ROOT / f"suites/{name}.bpf.c", suite)
    gone = ROOT / "suites/negative/missing_field.bpf.c"
    shutil.copy(gone, suite / "gone.bpf.c")
    matrix = ROOT / "matrix.yaml"
    return run(
        *("--matrix", matrix, "--kernels", "6.1", "--suite", suite),
        reports=folder / "r",
    )


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("case", ["identity", "globals"])
def test_they_read_the_same(finished: Finished, case: str, loader: str) -> None:
    found = finished.case(f"{case}[{loader}]")

    assert found.outcome is Outcome.PASSED, found.message
    assert found.checked > 2


def test_what_a_library_can_not_do_is_not_green(finished: Finished) -> None:
    assert finished.case("sampled[libbpf]").outcome is Outcome.PASSED
    for loader in LOADERS[1:]:
        found = finished.case(f"sampled[{loader}]")
        assert found.failure_class == "loader_unsupported", found.message
        assert loader in found.message


@pytest.mark.parametrize("loader", LOADERS)
def test_a_field_that_no_kernel_has_is_refused_by_all(
    finished: Finished, loader: str
) -> None:
    found = finished.case(f"gone[{loader}]")

    assert found.failure_class == "poison_reachable", found.message
    assert "gone.bpf.c:" in found.source


def test_predictions_are_about_libbpf(finished: Finished) -> None:
    assert finished.case("identity[libbpf]").predicted == "loads"
    for loader in LOADERS[1:]:
        found = finished.case(f"identity[{loader}]")
        assert found.predicted == ""
        assert loader in found.not_predicted
