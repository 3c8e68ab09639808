"""What a kernel reports counts also where something else ends the case."""

from pathlib import Path

import pytest

from runner.results import Outcome
from tests.vm.conftest import DATA, Finished, run

pytestmark = pytest.mark.vm

# As KASAN prints it, at its level.
REPORT = "BUG: KASAN: use-after-free in mine+0x1/0x2"
SAYS = f"echo '<3>{REPORT}' > /dev/kmsg"
EATS = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"
SUITE = f"""\
description: A kernel that reports something before its case is lost.
cases:
  - name: hangs
    object: fine.bpf.c
    trigger:
      - {{command: [sh, -c, "{SAYS}; sleep 100"], timeout: 2}}
      - {{test_run: length}}
    expect: [{{value: "${{run.retval}}", equals: 50}}]
  - name: reboots
    object: fine.bpf.c
    trigger:
      - {{command: [sh, -c, "{SAYS}; sleep 1; reboot -f"]}}
      - {{test_run: length}}
    expect: [{{value: "${{run.retval}}", equals: 50}}]
  - name: program_hangs
    command: [sh, -c, "{SAYS}; sleep 100"]
    timeout: 2
  - name: declared
    object: fine.bpf.c
    expect_failure: {{class: kernel_warned, reason: it warns}}
    trigger:
      - {{command: [sh, -c, "{SAYS}; sleep 100"], timeout: 2}}
      - {{test_run: length}}
    expect: [{{value: "${{run.retval}}", equals: 50}}]
  - name: takes_all_memory
    object: fine.bpf.c
    trigger:
      - {{command: [sh, -c, "({EATS}); exit 0"]}}
      - {{test_run: length}}
    expect: [{{value: "${{run.retval}}", equals: 50}}]
  - name: ends_no_line
    object: fine.bpf.c
    trigger:
      - {{command: [sh, -c, "printf '<3>{REPORT}' > /dev/kmsg"]}}
      - {{test_run: length}}
    expect: [{{value: "${{run.retval}}", equals: 50}}]
  - name: after
    object: fine.bpf.c
    trigger: [{{test_run: length}}]
    expect: [{{value: "${{run.retval}}", equals: 50}}]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    suite = Path(tmp_path_factory.mktemp("mine") / "mine")
    suite.mkdir()
    (suite / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    (suite / "suite.yaml").write_text(SUITE)
    reports = tmp_path_factory.mktemp("reports") / "r"
    return run("--kernels", "6.1", "--suite", suite, "-n", "1", reports=reports)


@pytest.mark.parametrize("name", ["hangs", "reboots", "program_hangs"])
def test_it_is_a_failure_and_not_tried_again(finished: Finished, name: str) -> None:
    case = finished.case(name)

    assert (case.outcome, case.failure_class) == (Outcome.FAILED, "kernel_warned")
    assert case.message.startswith(f"the kernel reported: {REPORT}")
    assert "; then: " in case.message
    assert not case.flaky


def test_a_declared_report_excuses_no_hang(finished: Finished) -> None:
    case = finished.case("declared")

    assert (case.outcome, case.failure_class) == (Outcome.ERROR, "timed_out")
    assert f"the kernel also reported: {REPORT}" in case.message


def test_a_process_that_the_kernel_killed_for_memory_is_told(
    finished: Finished,
) -> None:
    case = finished.case("takes_all_memory")

    assert (case.outcome, case.failure_class) == (Outcome.FAILED, "kernel_warned")
    assert "Out of memory: Killed process" in case.message


def test_a_line_without_an_end_is_of_the_case_that_made_it(finished: Finished) -> None:
    case = finished.case("ends_no_line")

    assert (case.outcome, case.failure_class) == (Outcome.FAILED, "kernel_warned")


def test_the_run_is_incompatible_and_others_pass(finished: Finished) -> None:
    assert finished.status == 1
    assert finished.case("after").outcome is Outcome.PASSED
