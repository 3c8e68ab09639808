"""What programs load on real kernels, and what suites expect of it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.results import CaseResult, Outcome
from tests.vm.conftest import DATA, ROOT, Finished, run

pytestmark = pytest.mark.vm

KERNELS = ("5.10", "6.1", "6.12")
SUITE = """\
description: What loaders load.
cases:
  - name: native
    command: [./fallback, "4096", vfs_read]
    expect:
      - {loaded: {program: on_fentry, type: tracing, attach: fentry/vfs_read}}
      - {loaded: {program: on_kprobe, present: false}}
      - {loaded: {map: events, type: ringbuf}}
      - {map: events, show: {max_entries: 4096}}
  - name: falls_back
    command: [./fallback, "5000", no_such_function]
    expect:
      - {loaded: {program: on_fentry}}
      - {loaded: {map: events, type: ringbuf}}
  - name: never_loads
    command: ["true"]
    expect:
      - {loaded: {map: events}}
    kernels: ">=6.1,<6.2"
    reason: one kernel is enough
  - name: instant
    command: [sh, -c, "./loads map; (setsid ./loads program refused); exit 0"]
    files: [loads]
  - name: values
    command: [./loads, count]
    expect:
      - {map: counts_of_packets, key: 1, equals: 42}
      - {map: counts_of_packets, rows: [{key: 1, value: 42}]}
  - name: wrong_values
    command: [./loads, count, map]
    expect:
      - {map: counts_of_packets, key: 1, equals: 43}
      - {map: instance, key: 1, equals: 43}
    kernels: ">=6.1,<6.2"
    reason: one kernel is enough
  - name: unprivileged
    command: [./loads, map]
    as: nobody
    kernels: ">=6.1,<6.2"
    reason: one kernel is enough
  - name: debugger
    command: [./traces, ./loads, map]
    files: [loads]
    kernels: ">=6.1,<6.2"
    reason: one kernel is enough
  - name: switched_off
    command: [./loads, map]
    record: false
    kernels: ">=6.1,<6.2"
    reason: one kernel is enough
"""
THREADS = """\
  - name: threads
    command: [./threads]
"""


def _build(folder: Path) -> None:
    sources = DATA / "programs/recorded"
    for name, source, option in (
        ("fallback", ROOT / "docs/examples/exec/c/fallback.c", "-lbpf"),
        ("loads", sources / "loads.c", "-static"),
        ("traces", sources / "traces.c", "-static"),
    ):
        words = ["gcc", "-o", str(folder / name), str(source), option]
        subprocess.run(words, check=True, capture_output=True)


def _build_go(folder: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOPROXY": "off"}
    source = DATA / "programs/recorded/threads.go"
    words = ["go", "build", "-o", str(folder / "threads"), str(source)]
    subprocess.run(words, env=environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    mine = tmp_path_factory.mktemp("mine") / "loaders"
    mine.mkdir()
    _build(mine)
    text = SUITE
    if shutil.which("go") is not None:
        _build_go(mine)
        text += THREADS
    (mine / "suite.yaml").write_text(text)
    reports = tmp_path_factory.mktemp("reports") / "r"
    return run("--kernels", ",".join(KERNELS), "--suite", mine, reports=reports)


def case(suite: Finished, name: str, kernel: str) -> CaseResult:
    (found,) = [
        it for it in suite.results.cases if (it.case, it.kernel) == (name, kernel)
    ]
    return found


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_loader_that_falls_back_is_told_apart(suite: Finished, kernel: str) -> None:
    native = case(suite, "native", kernel)
    fallen = case(suite, "falls_back", kernel)

    assert native.outcome is Outcome.PASSED, native.message
    assert native.checked == 5
    assert fallen.outcome is Outcome.FAILED
    assert fallen.failure_class == "loaded_otherwise"
    assert [it.observed for it in fallen.mismatches] == [
        "refused with EINVAL (type tracing)",
        "refused with EINVAL (type ringbuf); loaded with type perf_event_array",
    ]
    assert [it.exit for it in (*native.commands, *fallen.commands)] == [0, 0]


def test_what_is_never_loaded_is_missed(suite: Finished) -> None:
    found = case(suite, "never_loads", "6.1")

    assert found.failure_class == "loaded_otherwise"
    assert found.message == "map events: expected loaded, observed no map was loaded"


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_record_has_all_that_a_command_and_its_children_did(
    suite: Finished, kernel: str
) -> None:
    record = case(suite, "instant", kernel).recorded

    assert record is not None
    assert [(it.name, it.error, bool(it.tag)) for it in record.programs] == [
        ("on_packet", "", True),
        ("refused", "EINVAL", False),
    ]
    (map_,) = record.maps
    assert (map_.name, map_.process, map_.value_size) == ("instant", "loads", 8)


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not on the PATH")
@pytest.mark.parametrize("kernel", KERNELS)
def test_each_thread_of_a_go_program_is_seen(suite: Finished, kernel: str) -> None:
    found = case(suite, "threads", kernel)

    assert found.outcome is Outcome.PASSED, found.message
    assert found.recorded is not None
    names = sorted(it.name for it in found.recorded.maps)
    assert names == sorted(f"map{number}" for number in range(20))


@pytest.mark.parametrize("kernel", KERNELS)
def test_maps_are_read_though_the_command_has_ended(
    suite: Finished, kernel: str
) -> None:
    found = case(suite, "values", kernel)

    assert found.outcome is Outcome.PASSED, found.message
    assert found.checked == 3


def test_a_wrong_value_and_a_map_that_is_not_there_fail(suite: Finished) -> None:
    found = case(suite, "wrong_values", "6.1")

    assert found.failure_class == "wrong_value"
    assert [str(it) for it in found.mismatches] == [
        "map counts_of_packets key 1: expected 43, observed 0x2a" + " 0x00" * 7,
        "map instance: expected 43, observed no such map; did you mean 'instant'?",
    ]


def test_a_user_without_rights_is_recorded(suite: Finished) -> None:
    record = case(suite, "unprivileged", "6.1").recorded

    assert record is not None
    assert [it.error for it in record.maps] == ["EPERM"]


def test_a_debugger_is_not_disturbed(suite: Finished) -> None:
    debugger = case(suite, "debugger", "6.1")
    off = case(suite, "switched_off", "6.1")

    assert debugger.outcome is Outcome.PASSED, debugger.message
    assert debugger.recorded is not None
    assert "ran once more without a recorder" in debugger.recorded.missing[0]
    assert off.outcome is Outcome.PASSED, off.message
    assert off.recorded is None


def test_reports_show_what_differs_between_kernels(suite: Finished) -> None:
    words = " ".join(suite.output.split())

    assert re.search(
        r"loaders::falls_back: program on_kprobe: kprobe at kprobe/vfs_read on "
        r"5\.10(, 6\.1)?; kprobe at kprobe\.multi/vfs_read on (6\.1, )?6\.12",
        words,
    )
    assert "loaded: program on_fentry: tracing refused (EINVAL)" in words
    junit = (suite.reports / "6.12/junit.xml").read_text()
    assert "loaded: map events: perf_event_array" in junit
