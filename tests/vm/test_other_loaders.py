"""The same objects, loaded by libbpf and by loaders with other libraries."""

import shutil

import pytest

from runner.results import CaseResult, Outcome
from tests.vm.conftest import DATA, ROOT, Finished, run

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(
        not (shutil.which("go") and shutil.which("cargo")), reason="needs Go and Rust"
    ),
]

LOADERS = ("libbpf", "ebpf-go", "aya")
EXAMPLE = ROOT / "docs/examples/loaders"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("loaders")
    suite = folder / "alike"
    shutil.copytree(DATA / "suites/loaders", suite)
    for name in ("task/task", "maps/globals", "tracing/perf_event"):
        shutil.copy(ROOT / f"suites/{name}.bpf.c", suite)
    shutil.copy(EXAMPLE / "candidates.bpf.c", suite)
    gone = ROOT / "suites/negative/missing_field.bpf.c"
    shutil.copy(gone, suite / "gone.bpf.c")
    matrix = ROOT / "matrix.yaml"
    return run(
        *("--matrix", matrix, "--kernels", "6.1", "--suite", suite, EXAMPLE),
        reports=folder / "r",
    )


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("case", ["identity", "globals"])
def test_they_read_the_same(finished: Finished, case: str, loader: str) -> None:
    found = finished.case(f"{case}[{loader}]")

    assert found.outcome is Outcome.PASSED, found.message
    assert found.checked > 2


@pytest.mark.parametrize(
    ("case", "able", "unable"),
    [
        ("sampled", "libbpf", "ebpf-go"),
        ("sampled", "aya", "ebpf-go"),
        ("resized", "ebpf-go", "aya"),
    ],
)
def test_what_a_library_can_not_do_is_not_green(
    finished: Finished, case: str, able: str, unable: str
) -> None:
    found = finished.case(f"{case}[{unable}]")

    assert finished.case(f"{case}[{able}]").outcome is Outcome.PASSED
    assert found.failure_class == "loader_unsupported", found.message
    assert unable in found.message


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


def test_each_loader_relocates_candidates_in_its_own_way(finished: Finished) -> None:
    libbpf, ebpf_go, aya = (finished.case(f"candidates[{it}]") for it in LOADERS)

    # The type that has `size`, which the program asks for first.
    assert libbpf.outcome is Outcome.PASSED, libbpf.message
    assert libbpf.relocated_otherwise == ()
    # The type that has most of the fields.
    assert ("field_exists", "perf_aux_event.size", "1", "0") in told(ebpf_go)
    assert ("field_exists", "perf_aux_event.tid", "0", "1") in told(ebpf_go)
    # All of them, of two types.
    assert set(told(aya)) == {
        ("field_exists", "perf_aux_event.pid", "0", "1"),
        ("field_exists", "perf_aux_event.tid", "0", "1"),
        ("byte_off", "perf_aux_event.pid", "poison", "8"),
        ("byte_off", "perf_aux_event.tid", "poison", "12"),
    }


def test_the_report_says_which_one_reads_wrong(finished: Finished) -> None:
    found = finished.case("candidates[aya]")

    assert "aya relocates otherwise than libbpf" in found.message
    assert "libbpf poison, this loader 8: wrong offset" in found.message
    assert "candidates.bpf.c:" in found.message


def test_a_difference_alone_is_a_failure(finished: Finished) -> None:
    assert finished.case("unread[libbpf]").outcome is Outcome.PASSED
    for loader in LOADERS[1:]:
        found = finished.case(f"unread[{loader}]")
        assert found.failure_class == "relocated_otherwise", found.message


def test_a_difference_is_told_of_what_can_not_be_attached(finished: Finished) -> None:
    for loader in LOADERS:
        found = finished.case(f"unattached[{loader}]")
        assert found.failure_class == "nothing_attached", found.message
        if loader == "libbpf":
            assert found.relocated_otherwise == ()
            continue
        assert f"{loader} relocates otherwise than libbpf" in found.message
        assert told(found) == told(finished.case(f"unread[{loader}]"))


def test_what_is_relocated_alike_is_no_difference(finished: Finished) -> None:
    for loader in LOADERS:
        assert finished.case(f"identity[{loader}]").relocated_otherwise == ()


def told(case: CaseResult) -> list[tuple[str, str, str, str]]:
    return [
        (it.what, it.access, it.libbpf, it.loader) for it in case.relocated_otherwise
    ]
