"""Objects and guests that go wrong cost their own case only."""

import os
from pathlib import Path

import pytest
from lxml import etree

from runner.results import Outcome
from tests.unit.guest.agent_process import COUNTER, compile_bpf
from tests.vm.conftest import DATA, ROOT, Finished, run

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    reports = tmp_path_factory.mktemp("hostile") / "reports"
    return run("--kernels", "6.12", "--suite", DATA / "suites/hostile", reports=reports)


def test_the_run_says_incompatible(hostile: Finished) -> None:
    assert hostile.status == 1, hostile.output + hostile.errors


@pytest.mark.parametrize("name", ["before", "after_the_panic", "at_the_end"])
def test_cases_before_and_after_pass(hostile: Finished, name: str) -> None:
    assert hostile.case(name).outcome is Outcome.PASSED


def test_a_rejection_keeps_the_verifiers_log(hostile: Finished) -> None:
    case = hostile.case("verifier_rejects")

    assert case.failure_class == "register_uninitialised"
    assert "R7 !read_ok" in case.log
    assert "R7 !read_ok" in case.message


def test_text_is_no_object(hostile: Finished) -> None:
    case = hostile.case("not_elf")

    assert case.outcome is Outcome.FAILED
    assert "ELF" in case.message


def test_a_command_that_never_ends_is_killed(hostile: Finished) -> None:
    case = hostile.case("command_never_ends")

    assert case.outcome is Outcome.ERROR
    assert case.failure_class == "timed_out"
    assert "sleep 1000: still running after " in case.message
    assert "second try" in case.message


def test_a_failing_command_is_told_by_its_status(hostile: Finished) -> None:
    case = hostile.case("command_fails")

    assert case.failure_class == "command_failed"
    assert "exit status 1" in case.message
    assert case.mismatches == ()


def test_a_missing_command_is_named(hostile: Finished) -> None:
    case = hostile.case("no_such_command")

    assert case.outcome is Outcome.FAILED
    assert case.failure_class == "command_failed"
    assert "no-such-command" in case.message


def test_a_panic_is_a_result_with_its_console(hostile: Finished) -> None:
    case = hostile.case("panics")

    assert case.outcome is Outcome.FAILED
    assert case.failure_class == "kernel_panic"
    assert "sysrq triggered crash" in case.message
    assert "Kernel panic" in case.console


def test_a_guest_without_memory_is_named(hostile: Finished) -> None:
    assert hostile.case("eats_all_memory").outcome is Outcome.FAILED


def test_control_characters_do_not_break_the_xml(hostile: Finished) -> None:
    etree.parse(hostile.reports / "6.12/junit.xml")

    assert hostile.case("control_characters").outcome is Outcome.FAILED


def test_a_new_guest_came_after_the_panic(hostile: Finished) -> None:
    (kernel,) = hostile.results.kernels

    assert len(kernel.boots + kernel.restores) >= 2


CASES = """
description: Objects that are not whole.
cases:
  - {name: truncated, object: truncated.bpf.o, trigger: [{test_run: length}],
     expect: [{value: "${run.retval}", equals: 50}]}
  - {name: no_btf, object: no_btf.bpf.o, expect: [{map: tasks, key: 1, equals: 1}]}
  - {name: empty, object: empty.bpf.o, expect: [{map: tasks, key: 1, equals: 1}]}
"""


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("damaged")
    whole = compile_bpf(COUNTER, folder)
    (folder / "no_btf.bpf.o").write_bytes(compile_bpf(COUNTER, folder, debug=False))
    (folder / "truncated.bpf.o").write_bytes(whole[:700])
    (folder / "empty.bpf.o").touch()
    (folder / "suite.yaml").write_text(CASES)
    return run("--kernels", "6.12", "--suite", folder, reports=folder / "reports")


@pytest.mark.parametrize(
    ("name", "class_", "said"),
    [
        ("truncated", "bad_object", "truncated"),
        ("no_btf", "bad_object", "no .BTF section"),
        ("empty", "bad_object", "empty"),
    ],
)
def test_an_object_that_is_not_whole_is_told(
    damaged: Finished, name: str, class_: str, said: str
) -> None:
    case = damaged.case(name)

    assert damaged.status == 1
    assert case.outcome is Outcome.FAILED
    assert case.failure_class == class_
    assert said in case.message


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
# Without room for the plan nothing boots; without room for results a run goes on.
@pytest.mark.parametrize(("size", "runs"), [("4k", False), ("24k", True)])
def test_a_full_disk_is_told(size: str, runs: bool, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'

    done = run(
        *("--kernels", "6.12", "--suite", ROOT / "suites/skb"),
        reports=small,
        prefix=["unshare", "--mount", "sh", "-c", script, str(small)],
    )

    assert done.status == 3, done.output + done.errors
    assert ("passed   skb::classifier" in done.output) is runs
    assert f"{small}" in done.errors
    assert "--reports" in done.errors
    assert "Traceback" not in done.output + done.errors


UNLOCKED = ("--matrix", "tests/data/unlocked/matrix.yaml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kernels", "6.13"], "6.1"),
        (["--kernel", "6.1=no/such/bzImage"], "no/such/bzImage"),
        (["--locked", *UNLOCKED, "--kernels", "sid"], "lock --kernels sid"),
        (["--matrix", "no-such.yaml"], "no-such.yaml"),
        (["--suite", "no/such/folder"], "no/such/folder"),
        (["--kernels", "@nosuch"], "nosuch"),
        (["--kernels", ""], "selects no kernel"),
    ],
)
def test_wrong_usage_is_told_before_anything_boots(
    reports: Path, arguments: list[str], said: str
) -> None:
    refused = run(*arguments, reports=reports)

    assert refused.status == 2
    assert said in refused.errors
    assert "Traceback" not in refused.errors
    assert not reports.exists()


# ------------------------------------------------ cases that nothing happens in

TREES = os.environ.get("KERNEL_TREES", "")


@pytest.mark.parametrize("kernel", ["6.1", "4.4", "4.11", "5.5"])
def test_no_check_passes_emptily(kernel: str, reports: Path) -> None:
    if kernel != "6.1" and not TREES:
        pytest.skip("KERNEL_TREES names no folder of kernel trees")
    words = ["--kernels", kernel]
    # Up to 5.0 nothing counts the runs of programs.
    words += [] if kernel == "6.1" else ["--kernel", f"{kernel}={TREES}/{kernel}"]

    done = run(*words, "--suite", DATA / "suites/empty", reports=reports)

    ends = {case.case: case.failure_class for case in done.results.cases}
    assert ends == {
        "never_called": "never_ran",
        "only_a_truth": "never_ran",
        "not_attached": "never_ran",
        "called": "",
    }
