"""However a run ends, no guest and no half-written file stays behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.deadline import Deadline
from runner.reports import resultsfile
from tests.vm.conftest import DATA, ROOT, command, guests, run

pytestmark = pytest.mark.vm


STOPPING = """\
description: stopping
cases:
  - {name: wrong, object: fine.bpf.c, trigger: [{test_run: length}],
     expect: [{value: '${run.retval}', equals: 51}]}
  - {name: right, object: fine.bpf.c, trigger: [{test_run: length}],
     expect: [{value: '${run.retval}', equals: 50}]}
"""


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait until something holds."""
    deadline = Deadline.after(seconds)
    while not deadline.expired:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_ends_the_guest_and_writes_what_is_known(
    long_run: subprocess.Popen[str], tmp_path: Path
) -> None:
    # In the middle of what the guest is asked: it has 50 s to answer that.
    time.sleep(1)
    long_run.send_signal(signal.SIGINT)
    # A guest that is busy is not waited for.
    output, _ = long_run.communicate(timeout=15)

    assert long_run.returncode == 130, output
    assert not guests(tmp_path / "r")
    results = resultsfile.read(tmp_path / "r/results.json")
    assert not results.complete
    assert [case.case for case in results.cases] == ["first"]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_keeps_what_is_known(
    number: signal.Signals,
    status: int,
    long_run: subprocess.Popen[str],
    tmp_path: Path,
) -> None:
    long_run.send_signal(number)
    output, _ = long_run.communicate(timeout=15)

    assert long_run.returncode == status, output
    assert output.splitlines()[-1] == f"ended by {number.name}"
    assert "Traceback" not in output
    assert not guests(tmp_path / "r")
    assert _progress(tmp_path / "r") == "1 of 2"
    # QEMU's console is renamed when a guest ends.
    left = [it.name for it in (tmp_path / "r").rglob("console.*-*.log")]
    assert not left


def test_a_second_run_stays_out_of_the_reports_of_a_first(
    long_run: subprocess.Popen[str], tmp_path: Path
) -> None:
    done = run(
        *("--kernels", "6.1", "--suite", ROOT / "suites/skb"), reports=tmp_path / "r"
    )

    assert done.status == 2
    assert f"in use by the run with pid {long_run.pid}" in done.errors
    long_run.send_signal(signal.SIGINT)
    long_run.communicate(timeout=15)
    assert {it.kernel for it in done.results.cases} == {"6.12"}
    assert not (tmp_path / "r/6.1").exists()


SKB = ("--kernels", "6.1", "-n", "1", "--suite", ROOT / "suites/skb")


def _progress(reports: Path) -> str:
    """Return "2 of 10" of a run that every reader takes for incomplete."""
    for verb in ("report", "github"):
        judged = subprocess.run(
            command(verb, reports, "--gate", "all"),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert judged.returncode == 3, judged.stdout
    results = resultsfile.read(reports / "results.json")
    assert not results.complete
    assert "incomplete" in (reports / "badge.svg").read_text()
    assert "incomplete" in (reports / "summary.md").read_text()
    return results.progress


def test_a_run_that_nobody_reads_is_incomplete(reports: Path) -> None:
    with subprocess.Popen(
        command(*SKB, "--reports", reports),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "passed" in process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert process.returncode == 3
    assert errors.splitlines() == ["standard output was closed"]
    assert _progress(reports) != "7 of 7"


def test_a_run_that_stops_at_a_failure_names_what_did_not_run(
    tmp_path: Path, reports: Path
) -> None:
    (tmp_path / "mine").mkdir()
    fine = (DATA / "suites/hostile/fine.bpf.c").read_text()
    (tmp_path / "mine/fine.bpf.c").write_text(fine)
    (tmp_path / "mine/suite.yaml").write_text(STOPPING)

    done = run(
        *("--kernels", "6.1", "-n", "1", "-x", "--suite"),
        tmp_path / "mine",
        reports=reports,
    )

    assert done.status == 1
    assert "did not run: 6.1: mine::right" in done.output
    assert done.results.progress == "1 of 2"
    assert not done.results.complete
    assert "incomplete: 1 of 2" in done.output


def test_a_mistake_in_the_selection_keeps_the_reports(reports: Path) -> None:
    assert run(*SKB, reports=reports).status == 0
    before = {it: it.read_bytes() for it in reports.rglob("*") if it.is_file()}

    for words in (["-k", "nope"], ["--suite", "matrix.yaml"]):
        assert run(*SKB, *words, reports=reports).status == 2
        after = {it: it.read_bytes() for it in reports.rglob("*") if it.is_file()}
        assert after == before


def test_kill_9_leaves_no_guest_and_no_temporary_file(
    long_run: subprocess.Popen[str], tmp_path: Path
) -> None:
    before = set(os.listdir(tmp_path / "temporary"))

    long_run.kill()
    long_run.communicate(timeout=30)

    assert eventually(lambda: not guests(tmp_path / "r"), seconds=5)
    assert set(os.listdir(tmp_path / "temporary")) <= before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to cut the network")
def test_a_warm_cache_needs_no_network(reports: Path) -> None:
    offline = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]

    done = run(
        *("--kernels", "6.12", "--suite", ROOT / "suites/skb"),
        reports=reports,
        prefix=offline,
    )

    assert done.status == 0, done.output + done.errors


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to cut the network")
def test_a_cold_cache_without_network_is_infrastructure(
    reports: Path, tmp_path: Path
) -> None:
    done = run(
        *("--kernels", "6.12", "--suite", ROOT / "suites/skb"),
        reports=reports,
        prefix=["unshare", "--net"],
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )

    assert done.status == 3, done.output + done.errors
    assert "trixie" in done.output + done.errors


def test_a_machine_without_qemu_is_infrastructure(
    reports: Path, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
        for program in Path(folder).iterdir():
            if not program.name.startswith("qemu-system"):
                (tools / program.name).unlink(missing_ok=True)
                (tools / program.name).symlink_to(program)

    done = run(
        *("--kernels", "6.12", "--suite", ROOT / "suites/skb"),
        reports=reports,
        PATH=str(tools),
    )

    assert done.status == 3, done.output + done.errors
    assert "qemu-system-x86_64 is not on the PATH" in done.output + done.errors
