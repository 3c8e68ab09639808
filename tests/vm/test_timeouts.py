"""What takes too long on real guests, and a machine that is too busy for them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runner import timeouts
from runner.bpf.compile import compile_object
from runner.case import run as session_case
from runner.case.attempt import CaseJob
from runner.files.cache import Cache
from runner.guest import guest, host
from runner.guest.guest import Guest, Origin
from runner.guest.life import Life, Starts
from runner.kernels import fetch
from runner.matrix import matrix
from runner.results import CaseResult, Outcome
from runner.suites import suitefile
from runner.text.progress import Lines
from tests.vm.conftest import DATA, ROOT, run

pytestmark = pytest.mark.vm

KERNEL = "6.1"
LARGE = DATA / "suites/large"
# Many times what this machine has of processors.
BUSY = 12


@contextmanager
def busy_machine() -> Iterator[None]:
    """Keep processors busy with others' work."""
    with ExitStack() as stack:
        for _ in range(BUSY):
            process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Guest]:
    cache = Cache()
    kernels = matrix.load(ROOT / "matrix.yaml").kernels
    kernel = next(it for it in kernels if it.id == KERNEL)
    origin = Origin(
        kernel=kernel,
        artifact=fetch.obtain(kernel, cache, Lines()),
        host=host.inspect(cache, accelerator="tcg", timeout_scale=1.0),
    )
    life = Life(Starts(kernel=origin.kernel.id))
    with guest.start(origin, tmp_path / "console", life) as found:
        yield found
    origin.host.snapshots.close()


def result_of(suite: Path, up: Guest) -> CaseResult:
    """Run the first case of a suite in a guest."""
    case = suitefile.load(suite / "suite.yaml").suite.cases[0]
    job = CaseJob(
        suite=suite.name,
        case=case,
        object_path=compile_object(suite / case.object, Cache()),
        shown_path=f"{suite.name}/{case.object}",
        nodeid="",
        folder=suite,
    )
    return session_case.run(job, up)


def test_a_program_that_is_too_large_is_told_without_kvm(reports: Path) -> None:
    done = run("--kernels", KERNEL, "--suite", LARGE, "--accel", "tcg", reports=reports)

    assert done.status == 1, done.output + done.errors
    (case,) = done.results.cases
    assert case.failure_class == "program_too_large"
    assert "BPF program is too large. Processed 1000001 insn" in case.message


def test_a_verifier_that_takes_too_long_is_no_infrastructure(
    up: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "LOAD", replace(timeouts.LOAD, seconds=0.5))

    result = result_of(LARGE, up)

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "verifier_too_slow"
    assert result.message.startswith("the verifier took over 0.5 s")


SUITE = """\
description: slow
cases:
  - name: slow
    object: fine.bpf.c
    trigger: [{command: [sh, -c, "echo half; sleep 1000"], timeout: 1}]
    expect: [{program: length, show: {type: socket_filter}}]
"""


def test_a_command_that_hangs_is_tried_again_and_told_as_a_timeout(
    tmp_path: Path, reports: Path
) -> None:
    suite = tmp_path / "slow"
    suite.mkdir()
    (suite / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    (suite / "suite.yaml").write_text(SUITE)

    done = run(
        *("--kernels", KERNEL, "--suite", suite, "--timeout-scale", "1.5"),
        reports=reports,
    )

    assert done.status == 3, done.output + done.errors
    case = done.case("slow")
    assert (case.outcome, case.failure_class) == (Outcome.ERROR, "timed_out")
    # With or without "(1 s, scaled: this machine is slow)".
    assert "still running after 1.5 s" in case.message
    assert ", and killed; it printed so far: " in case.message
    assert '"half\\n"' in case.message
    assert "second try, in a clean guest" in case.message
    assert "`timeout` of the trigger in suite.yaml, or --timeout-scale" in case.cure
    assert done.results.kernels[0].timeout_scale == 1.5


def test_a_busy_machine_makes_no_wrong_value(reports: Path) -> None:
    with busy_machine():
        done = run(
            "--kernels", KERNEL, "--suite", ROOT / "suites/task", reports=reports
        )

    ends = {it.outcome for it in done.results.cases}
    assert ends <= {Outcome.PASSED, Outcome.ERROR, Outcome.SKIPPED}, done.output
    assert len(done.results.cases) == 10
    assert done.status in (0, 3)
