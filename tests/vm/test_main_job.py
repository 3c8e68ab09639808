"""The main job on real kernels, and what it leaves behind."""

from pathlib import Path

import pytest
from lxml import etree

from runner.results import Outcome
from tests.vm.conftest import DATA, ROOT, Finished, guests, run

pytestmark = pytest.mark.vm

KERNELS = ("5.10", "6.1", "6.12", "sid")
SUITES = sorted(path.parent.name for path in ROOT.glob("suites/*/suite.yaml"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """All suites on all kernels that this version can have."""
    reports = tmp_path_factory.mktemp("run") / "reports"
    return run("--kernels", ",".join(KERNELS), reports=reports, seconds=1800)


def test_every_case_passes_on_every_kernel(finished: Finished) -> None:
    assert finished.status == 0, finished.output + finished.errors
    passed = [it for it in finished.results.cases if it.outcome is Outcome.PASSED]
    gaps = [it for it in finished.results.cases if it.outcome is Outcome.SKIPPED]
    assert len(passed) + len(gaps) == len(finished.results.cases)
    assert all(case.message for case in gaps)
    assert {case.kernel for case in passed} == set(KERNELS)


def test_every_suite_of_the_project_ran(finished: Finished) -> None:
    assert {case.suite for case in finished.results.cases} == {*SUITES}


def test_no_case_passed_without_a_check(finished: Finished) -> None:
    assert all(
        case.checked > 0
        for case in finished.results.cases
        if case.outcome is Outcome.PASSED
    )
    assert not any(case.not_available for case in finished.results.cases)


def test_the_kernels_are_really_other_kernels(finished: Finished) -> None:
    releases = {kernel.id: kernel.release for kernel in finished.results.kernels}

    assert releases["5.10"].startswith("5.10.")
    assert releases["6.1"].startswith("6.1.")
    assert releases["6.12"].startswith("6.12.")
    assert len(set(releases.values())) == len(KERNELS)


def test_junit_tells_where_its_results_come_from(finished: Finished) -> None:
    tree = etree.parse(finished.reports / "6.12/junit.xml")
    properties = {
        node.get("name"): node.get("value") for node in tree.iterfind(".//property")
    }

    kernel = next(it for it in finished.results.kernels if it.id == "6.12")
    assert kernel.release in properties.values()
    assert kernel.image_sha256 in properties.values()
    assert kernel.qemu
    assert kernel.libbpf
    assert kernel.bpftool


def test_each_kernel_has_its_console_and_log(finished: Finished) -> None:
    for kernel in KERNELS:
        assert (finished.reports / kernel / "console.log").exists()
        said = (finished.reports / kernel / "runner.log").read_text()
        assert "booting" in said or "starting from the snapshot" in said


def test_no_kernel_is_booted_by_two_workers(finished: Finished) -> None:
    for kernel in finished.results.kernels:
        # Who loads makes no other guest.
        of_kernel = (it for it in finished.results.cases if it.kernel == kernel.id)
        kinds = {
            str({key: it for key, it in each.environment.items() if key != "user"})
            for each in of_kernel
        }
        assert len(kernel.boots) <= len(kinds)
        assert kernel.boots or kernel.restores


def test_results_stand_in_the_order_of_the_suites(finished: Finished) -> None:
    names = [(case.kernel, case.suite) for case in finished.results.cases]

    assert list(dict.fromkeys(names)) == [
        (kernel, suite) for kernel in KERNELS for suite in SUITES
    ]


def test_kernels_may_be_chosen_by_tag_and_by_default(reports: Path) -> None:
    for words in ([], ["--kernels", "@default"]):
        done = run(*words, "--suite", ROOT / "suites/skb", reports=reports)

        assert done.status == 0, done.output + done.errors
        assert {kernel.id for kernel in done.results.kernels} == {"6.1"}


def test_reports_of_an_earlier_run_are_gone_and_other_files_are_not(
    reports: Path,
) -> None:
    for name in ("4.4/junit.xml", "4.4/mine.txt", "3.2/runner.log", "results.json"):
        (reports / name).parent.mkdir(parents=True, exist_ok=True)
        (reports / name).write_text("old")

    run("--kernels", "6.12", "--suite", ROOT / "suites/skb", reports=reports)

    left = {str(path.relative_to(reports)) for path in reports.rglob("*.*")}
    assert left == {
        *("4.4", "4.4/mine.txt", "6.12", "results.json", "results.sarif"),
        *("report.html", "summary.md", "badge.svg", "matrix.svg"),
        *("6.12/junit.xml", "6.12/console.log", "6.12/runner.log"),
        "replay/replay.json",
    }


def test_keys_are_in_no_report(finished: Finished) -> None:
    for path in finished.reports.rglob("*"):
        if path.is_file():
            assert b"PRIVATE KEY" not in path.read_bytes()


def test_no_guest_is_left(finished: Finished) -> None:
    assert not guests(finished.reports)


def test_wrong_expectations_go_red(reports: Path) -> None:
    canary = run(
        "--kernels", "6.12", "--suite", DATA / "suites/canary", reports=reports
    )

    assert canary.status == 1, canary.output + canary.errors
    assert {case.outcome for case in canary.results.cases} == {Outcome.FAILED}
    assert len(canary.results.cases) == 7


def test_a_failure_tells_what_was_expected_and_seen(reports: Path) -> None:
    canary = run(
        *("--kernels", "6.12", "--suite", DATA / "suites/canary"),
        *("-k", "wrong_constant"),
        reports=reports,
    )

    (mismatch,) = canary.case("wrong_constant").mismatches
    assert mismatch.field == "pid"
    assert mismatch.expected == "1"
    assert mismatch.observed.isdecimal()
    assert mismatch.observed in canary.output


def test_every_program_that_loaded_has_its_cost(finished: Finished) -> None:
    cases = [it for it in finished.results.cases if it.outcome is Outcome.PASSED]
    loaded = {
        (case.key, program.name)
        for case in cases
        for program in case.programs
        if program.loaded
    }
    costs = {
        (case.key, it.program): it
        for case in cases
        for it in case.cost
        if (case.key, it.program) in loaded
    }

    assert loaded
    assert costs.keys() == loaded
    # bpf_prog_get_info_by_fd() hides sizes from users without CAP_BPF.
    unseen = {it.key for it in cases if "user" in it.environment}
    for (key, _), cost in costs.items():
        assert cost.verified_insns
        assert cost.insns_limit == 1_000_000
        assert key in unseen or (cost.bytes_xlated and cost.bytes_memlock)
