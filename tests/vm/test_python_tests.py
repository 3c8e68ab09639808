"""Tests in Python, with the plugin's fixtures, on a real kernel."""

import subprocess
import sys
from pathlib import Path

import pytest

from runner.suites import suitefile
from tests.vm.conftest import DATA, ROOT, run

pytestmark = pytest.mark.vm

TEST = """
import pytest
from runner.errors import UsageError

def test_reads_its_own_pid(bpf, guest, kernel):
    loaded = bpf.load("canary.bpf.c")
    child = guest.agent.fork("python", timeout=10)
    rows = bpf.dump(loaded, "tasks").rows
    assert child.pid in [row.formatted_value["pid"] for row in rows]

def test_does_all_that_a_suite_does(bpf, guest, kernel):
    case = dict(
        object="canary.bpf.c",
        trigger=[{"fork": "canary"}],
        truth={"parent": {"proc": "/proc/${child.pid}/stat", "field": 4}},
    )
    right = {"value": "${truth.parent}", "equals": "${agent.pid}"}
    wrong = {"map": "tasks", "key": "${child.pid}", "field": "pid", "equals": 1}
    read = {**wrong, "equals": "${child.pid}"}
    assert bpf.run(**case, expect=[right, read]).outcome == "passed"
    result = bpf.run(**case, expect=[right, wrong])
    assert (result.outcome, result.failure_class) == ("failed", "wrong_value")
    with pytest.raises(UsageError, match="exepct"):
        bpf.run(**case, exepct=[right])
    with pytest.raises(UsageError, match="checks nothing"):
        bpf.run(**case)

def test_knows_its_kernel(guest, kernel):
    assert guest.hello.release.startswith(kernel.id)
"""


FAILING = """
import pytest

@pytest.fixture
def raising(guest):
    raise LookupError("no such fixture of mine")

@pytest.fixture
def broken_at_its_end(guest):
    yield
    raise LookupError("not cleaned up")

def test_has_a_fixture_that_raises(raising):
    pass

def test_has_a_fixture_that_raises_at_its_end(broken_at_its_end):
    pass

def test_asserts(guest):
    done = guest.agent.run(
        ["sh", "-c", "echo '=== RUN   TestLoad'; echo '--- FAIL: TestLoad'; exit 1"],
        timeout=20,
    )
    assert done.exit == 0, done.stdout

def test_is_wrong_itself(bpf):
    bpf.run(files=["bin/gotool"], trigger=[], expect=[])

def test_loads_what_is_refused(bpf):
    bpf.load("refused.bpf.c")

def test_loads_nothing(bpf):
    bpf.load("optional.bpf.c")

def test_passes(bpf, guest):
    guest.agent.run(["echo", "fine"], timeout=20)
    result = bpf.run(
        object="canary.bpf.c",
        trigger=[{"fork": "canary"}, {"command": ["false"]}],
        expect=[{"map": "tasks", "key": "${child.pid}", "field": "pid", "equals": 1}],
    )
    assert result.failure_class == "command_failed"
    assert len(result.commands) == 1
"""
REFUSED = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
SEC("socket") int refused(void *c) { return *(volatile int *)0; }
"""
OPTIONAL = REFUSED.replace('SEC("socket")', 'SEC("?tc")')


def test_what_fails_in_python_is_told_as_what_it_is(tmp_path: Path) -> None:
    canary = (DATA / "suites/canary/canary.bpf.c").read_text()
    (tmp_path / "canary.bpf.c").write_text(canary)
    (tmp_path / "refused.bpf.c").write_text(REFUSED)
    (tmp_path / "optional.bpf.c").write_text(OPTIONAL)
    (tmp_path / "test_mine.py").write_text(FAILING)

    done = run(
        *("--kernels", "6.1", "--suite", tmp_path / "test_mine.py"),
        reports=tmp_path / "reports",
    )

    assert done.status == 1, done.output + done.errors
    classes = {
        it.case: (str(it.outcome), it.failure_class) for it in done.results.cases
    }
    assert classes == {
        "test_has_a_fixture_that_raises": ("failed", ""),
        "test_has_a_fixture_that_raises_at_its_end": ("failed", ""),
        "test_asserts": ("failed", ""),
        "test_is_wrong_itself": ("failed", "suite_error"),
        "test_loads_what_is_refused": ("failed", "pointer_lost"),
        "test_loads_nothing": ("failed", "nothing_loaded"),
        "test_passes": ("passed", ""),
    }
    raising = done.case("test_has_a_fixture_that_raises")
    assert raising.message == "setup: LookupError: no such fixture of mine"
    asserts = done.case("test_asserts")
    assert asserts.message.splitlines()[:3] == [
        "assert 1 == 0",
        "=== RUN   TestLoad",
        "--- FAIL: TestLoad",
    ]
    assert "    --- FAIL: TestLoad\n" in done.output
    (command,) = asserts.commands
    file = done.reports / command.stdout_file
    assert file.read_text() == "=== RUN   TestLoad\n--- FAIL: TestLoad\n"
    wrong = done.case("test_is_wrong_itself").message
    assert "files[0]: no file 'bin/gotool'" in wrong
    assert "pattern" not in wrong
    assert [it.argv[0] for it in done.case("test_passes").commands] == ["echo", "false"]


def test_pytest_itself_runs_suites_and_python_tests(tmp_path: Path) -> None:
    canary = (DATA / "suites/canary/canary.bpf.c").read_text()
    (tmp_path / "canary.bpf.c").write_text(canary)
    (tmp_path / "test_mine.py").write_text(TEST)

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", tmp_path),
            *("--kernels", "6.1", "--matrix", ROOT / "matrix.yaml"),
            *("--reports", tmp_path / "reports"),
            *(tmp_path, ROOT / "suites/skb"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    cases = len(suitefile.load(ROOT / "suites/skb/suite.yaml").suite.cases)
    assert f"{cases + TEST.count('def test_')} passed" in done.stdout
    assert (tmp_path / "reports/6.1/junit.xml").exists()
