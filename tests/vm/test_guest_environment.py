"""What a guest is besides its kernel decides whether objects work."""

import shutil
from pathlib import Path

import pytest

from runner.results import Outcome
from tests.vm.conftest import ROOT, run

pytestmark = pytest.mark.vm

SUITE = ROOT / "suites/environment"


# Two of each pair differ in one key, and end differently: the suite has what is refused
# as declared failures, with the class of each.
def test_each_key_changes_a_verdict(reports: Path) -> None:
    done = run("--kernels", "6.1", "--suite", SUITE, reports=reports)

    assert done.status == 0, done.output + done.errors
    # BPF tokens, and a kernel without a JIT, are other kernels' cases.
    passed = [it for it in done.results.cases if it.outcome is Outcome.PASSED]
    gaps = [it for it in done.results.cases if it.outcome is Outcome.SKIPPED]
    assert len(passed) + len(gaps) == len(done.results.cases)
    assert len(passed) >= 26
    guests = {it.case: it.environment for it in done.results.cases}
    assert guests["memory"] == {"memory": 768}
    assert guests["memory_short"] == {"memory": 256}
    assert guests["no_holes"] == {}
    assert guests["integrity"] == {"lockdown": "integrity"}


def test_a_key_of_the_command_line_is_for_all(reports: Path) -> None:
    done = run(
        *("--kernels", "6.1", "--suite", SUITE, "-k", "cgroup_v1 or cgroup_hybrid"),
        *("--guest", "sysctl={kernel.kptr_restrict: 2}"),
        reports=reports,
    )

    assert done.status == 0, done.output + done.errors
    settings = [it.environment["sysctl"] for it in done.results.cases]
    assert settings == [{"kernel.kptr_restrict": 2}] * 2


def test_guests_with_several_processors_start_from_a_snapshot(reports: Path) -> None:
    done = run(
        *("--kernels", "6.1", "--suite", ROOT / "suites/maps"),
        *("--guest", "cpus={online: 2, possible: 4}"),
        reports=reports,
    )

    assert done.status == 0, done.output + done.errors
    (kernel,) = done.results.kernels
    assert kernel.restores
    assert not any("no guest could start from a snapshot" in it for it in kernel.notes)
    passed = {it.case for it in done.results.cases if it.outcome is Outcome.PASSED}
    assert "per_cpu" in passed


def test_an_interface_that_no_guest_has_is_told_before_the_boot(
    tmp_path: Path, reports: Path
) -> None:
    shutil.copy(SUITE / "arrivals.bpf.c", tmp_path)
    (tmp_path / "suite.yaml").write_text(
        "name: typo\ndescription: An interface that is not there.\ncases:\n"
        "  - name: c\n    object: arrivals.bpf.c\n    must_run: false\n"
        "    programs: {on_arrival: {attach: xdp/veth0}}\n"
        "    expect: [{map: answers, rows: []}]\n"
    )

    done = run("--kernels", "6.1", "--suite", tmp_path, reports=reports)

    assert done.status == 1
    (case,) = done.results.cases
    assert case.failure_class == "environment_unavailable"
    assert "has no interface veth0" in case.message
    assert not done.results.kernels[0].boots
    assert not done.results.kernels[0].restores


def test_a_mount_option_that_is_not_in_force_fails_the_case(
    tmp_path: Path, reports: Path
) -> None:
    (tmp_path / "suite.yaml").write_text(
        "name: mounted\ndescription: Options of mounts.\ncases:\n"
        "  - name: c\n    command: [cat, /proc/mounts]\n"
        "    guest: {mounts: [{type: cgroup2, path: /run/g, options: [sync]}]}\n"
    )

    done = run("--kernels", "6.1", "--suite", tmp_path, reports=reports)

    # A second mount of that file system has the options of the first.
    (case,) = done.results.cases
    assert case.failure_class == "environment_unavailable"
    assert "/run/g is not mounted sync; its options are rw,relatime" in case.message
    assert "suite.yaml:6: cases[0].guest.mounts" in case.message
