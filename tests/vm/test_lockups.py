"""A kernel that locks up: a second, clean guest tells whether its case is why."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.deadline import Deadline
from runner.reports import resultsfile
from runner.results import CaseResult, Outcome, RunResults
from tests.vm.conftest import DATA, ROOT, Finished, command, run

pytestmark = pytest.mark.vm

# 2^69 rounds, with the processor to themselves.
LOOPS = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#define MANY (1 << 23)
static long nothing(__u32 index, void *context) { return 0; }
static long inner(__u32 index, void *context)
{
	bpf_loop(MANY, nothing, context, 0);
	return 0;
}
static long outer(__u32 index, void *context)
{
	bpf_loop(MANY, inner, context, 0);
	return 0;
}
SEC("socket") int loops(struct __sk_buff *skb)
{
	__u32 context = 0;

	bpf_loop(MANY, outer, &context, 0);
	return 0;
}
char _license[] SEC("license") = "GPL";
"""
LOCKS_UP = """\
description: A loop that does not end.
cases:
  - name: undeclared
    object: loops.bpf.c
    trigger: [{test_run: loops}]
    expect: [{value: "${run.retval}", equals: 0}]
  - name: declared
    object: loops.bpf.c
    expect_failure:
      class: [kernel_soft_lockup, kernel_rcu_stall]
      reason: it loops
    trigger: [{test_run: loops}]
    expect: [{value: "${run.retval}", equals: 0}]
  - name: after
    object: fine.bpf.c
    trigger: [{test_run: length}]
    expect: [{value: "${run.retval}", equals: 50}]
"""
WORDS = "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:1]"
# As on a host that was busy for a while.
ONCE = f"""\
description: A kernel that locks up until somebody calms it.
cases:
  - name: object
    object: fine.bpf.c
    files: [mood]
    trigger:
      - command:
          - sh
          - -c
          - >-
            grep calm ${{files.folder}}/mood ||
            {{ echo '<0>{WORDS}' > /dev/kmsg; sleep 1; reboot -f; }}
      - {{test_run: length}}
    expect: [{{value: "${{run.retval}}", equals: 50}}]
"""


def suite_of(folder: Path, text: str) -> Path:
    suite = folder / "mine"
    suite.mkdir()
    (suite / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    (suite / "loops.bpf.c").write_text(LOOPS)
    (suite / "mood").write_text("busy\n")
    (suite / "suite.yaml").write_text(text)
    return suite


@pytest.fixture(scope="module")
def locked_up(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("locks_up")
    words = ("--kernels", "6.1", "--suite", suite_of(folder, LOCKS_UP))
    # A guest that is silent is asked soon whether it lives, also on a slow machine.
    scale = ("--timeout-scale", "1")
    return run(*words, *scale, reports=folder / "reports", seconds=900)


def test_a_loop_that_locks_up_twice_fails_with_the_kernels_words(
    locked_up: Finished,
) -> None:
    case = locked_up.case("undeclared")

    assert locked_up.status == 1, locked_up.output
    assert case.outcome is Outcome.FAILED
    assert case.failure_class in ("kernel_soft_lockup", "kernel_rcu_stall")
    assert "BUG: soft lockup" in case.message or "rcu" in case.message
    assert case.message.endswith("(a second try, in a clean guest)")
    assert case.flaky.startswith("the guest was lost: ")
    assert case.console
    assert "passed at the second try" not in locked_up.output


def test_a_declared_lockup_is_taken_at_its_word(locked_up: Finished) -> None:
    case = locked_up.case("declared")

    assert case.outcome is Outcome.PASSED
    assert not case.flaky


def test_the_next_case_has_a_guest_of_its_own(locked_up: Finished) -> None:
    assert locked_up.case("after").outcome is Outcome.PASSED


def said(reports: Path) -> Iterator[str]:
    """Yield what consoles have so far."""
    for console in reports.rglob("console*"):
        yield console.read_text(errors="replace")


def test_a_lockup_that_does_not_come_again_passes_and_is_flaky(
    tmp_path: Path, reports: Path
) -> None:
    suite = suite_of(tmp_path, ONCE)
    process = subprocess.Popen(
        command("--kernels", "6.1", "--suite", suite, "--reports", reports),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = Deadline.after(120)
    while not any("soft lockup" in it for it in said(reports)):
        assert not deadline.expired
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    (suite / "mood").write_text("calm\n")
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 0, output
    case = only(resultsfile.read(reports / "results.json"))
    assert case.outcome is Outcome.PASSED
    assert WORDS in case.flaky
    assert "flaky, passed at the second try" in " ".join(output.split())


def only(results: RunResults) -> CaseResult:
    (case,) = results.cases
    return case
