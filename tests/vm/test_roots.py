"""Commands in root file systems of their own, on real kernels."""

import json
import shutil
from pathlib import Path

import pytest

from runner.files.cache import Cache
from runner.kernels import fetch, rows
from runner.results import Outcome
from runner.text.progress import Lines
from tests.vm import programs, roots
from tests.vm.conftest import ROOT, Finished, run

pytestmark = pytest.mark.vm

P, F = Outcome.PASSED, Outcome.FAILED
MOUNTED = (
    "cat /proc/mounts; ls -d /sys/fs/bpf /sys/kernel/btf/vmlinux /dev/shm /dev/null"
)
JUNIT = '<testsuite><testcase classname="a" name="b"/></testsuite>'
CLEAN = """\
  - {name: writes, root: root, command: [sh, -c, "echo x > /etc/new; rm /etc/hello"]}
  - {name: clean, root: root, command: [sh, -c, "! cat /etc/new && cat /etc/hello"]}
"""
SUITE = f"""\
description: Commands in a root.
cases:
{CLEAN}
  - {{name: mounted, root: root, command: [sh, -c, "{MOUNTED}"]}}
  - {{name: same, root: root, command: [sha256sum, /large, /linked]}}
  - {{name: answers, root: root, command: [./tool]}}
  - {{name: daemon, root: root, command: [./tool, daemon]}}
  - {{name: missing, root: root, command: [bpftrace, --info]}}
  - {{name: guest, command: [sh, -c, "! ls /large"]}}
  - name: junit
    root: root
    results: junit=/etc/results.xml
    command: [sh, -c, 'echo ''{JUNIT}'' > /etc/results.xml']
  - name: everything
    root: root
    command: [./everything.sh]
    files: [data, "data/in:/etc/mine"]
    stdin: data/in
    as: "7:8"
    cwd: /etc
"""
SCRIPT = """\
#!/bin/sh
echo "$(id -u):$(id -g) $(pwd) $(cat) $(cat /etc/mine) $(cat /run/files/data/in)"
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite and all that it names."""
    folder = tmp_path_factory.mktemp("mine") / "mine"
    folder.mkdir()
    programs.c(folder)
    roots.small(folder / "root")
    (folder / "data").mkdir()
    (folder / "data/in").write_text("hello")
    (folder / "everything.sh").write_text(SCRIPT)
    (folder / "suite.yaml").write_text(SUITE)
    return folder


@pytest.fixture(scope="module")
def suite(mine: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    reports = tmp_path_factory.mktemp("reports") / "r"
    return run("--kernels", "6.1", "--suite", mine, "-n", "1", reports=reports)


def printed(suite: Finished, name: str) -> str:
    case = suite.case(name)
    assert case.outcome is P, case.message
    return case.commands[-1].stdout


def test_a_root_is_on_a_disk_and_the_report_says_so(suite: Finished) -> None:
    (kernel,) = suite.results.kernels

    assert any(it.endswith("is on a disk") for it in kernel.notes), kernel.notes
    assert kernel.restores


def test_a_root_has_the_guests_file_systems(suite: Finished) -> None:
    said = printed(suite, "mounted")

    assert "overlay / overlay rw" in said
    for path in ("/proc", "/sys", "/sys/fs/bpf", "/sys/kernel/tracing", "/dev", "/run"):
        assert f" {path} " in said
    assert "/sys/kernel/btf/vmlinux\n" in said


def test_each_case_has_a_clean_root(suite: Finished) -> None:
    assert suite.case("writes").outcome is P
    assert printed(suite, "clean") == "hello\n"


def test_cases_without_a_root_have_the_guests_own_files(suite: Finished) -> None:
    assert suite.case("guest").outcome is P


def test_large_files_and_their_links_are_whole(suite: Finished) -> None:
    (first, second) = printed(suite, "same").splitlines()

    assert first.split()[0] == second.split()[0]


def test_a_program_of_this_machine_brings_the_libraries_that_the_root_lacks(
    suite: Finished,
) -> None:
    assert printed(suite, "answers") == "42\n"


def test_files_input_user_and_folder_are_those_of_the_root(suite: Finished) -> None:
    said = printed(suite, "everything")

    assert said == "7:8 /settings hello hello hello\n"


def test_a_file_with_results_is_read_in_the_root(suite: Finished) -> None:
    assert suite.case("junit::a.b").outcome is P


@pytest.mark.parametrize(
    ("name", "class_", "words"),
    [
        ("daemon", "left_running", "left tool"),
        ("missing", "program_bad", "has no program 'bpftrace'"),
    ],
)
def test_each_bad_end_has_its_class(
    suite: Finished, name: str, class_: str, words: str
) -> None:
    case = suite.case(name)

    assert case.failure_class == class_, case.message
    assert words in case.message


@pytest.fixture(scope="module")
def without_disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 6.1, without its modules for disks."""
    folder = tmp_path_factory.mktemp("kernel")
    choice = rows.KernelChoice(matrix=ROOT / "matrix.yaml", selectors=("6.1",))
    (kernel,) = rows.choose(choice, Cache()).kernels
    found = fetch.obtain(kernel, Cache(), Lines())
    assert found.config is not None
    shutil.copy(found.vmlinuz, folder / "vmlinuz")
    shutil.copy(found.config, folder / "config")
    (folder / "modules").mkdir()
    for module in found.modules:
        shutil.copy(module, folder / "modules")
    return folder


def test_without_a_driver_for_a_disk_the_root_is_in_memory(
    mine: Path, without_disks: Path, tmp_path: Path
) -> None:
    done = run(
        *("exec", "--kernels", "6.1", "--kernel", f"6.1={without_disks}"),
        *("--root", mine / "root", "--"),
        *("sh", "-c", "cat /etc/hello; stat -c %h /linked; sha256sum /linked /large"),
        reports=tmp_path / "r",
        before="--",
    )

    assert done.status == 0, done.output + done.errors
    (kernel,) = done.results.kernels
    assert any("is in the guest's memory: the kernel has" in it for it in kernel.notes)
    (case,) = done.results.cases
    hello, links, first, second = case.commands[0].stdout.splitlines()
    assert (hello, links) == ("hello", "2")
    assert first.split()[0] == second.split()[0]


def test_a_root_that_does_not_fit_into_memory_is_said_so(
    mine: Path, without_disks: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    shutil.copytree(mine / "root", root, symlinks=True)
    with (root / "giant").open("wb") as stream:
        stream.truncate(300 << 20)

    done = run(
        *("exec", "--kernels", "6.1", "--kernel", f"6.1={without_disks}"),
        *("--root", root, "--", "sh", "-c", ":"),
        reports=tmp_path / "r",
        before="--",
    )

    assert done.status == 1, done.output + done.errors
    (case,) = done.results.cases
    assert case.failure_class == "suite_error"
    assert "does not fit into the guest" in case.message
    assert "raise `memory:` of 6.1" in case.cure


KERNELS = ("5.10", "6.1", "6.12")
BPFTRACE = 'BEGIN { printf("pid %d, task %d\\n", pid, curtask->pid); exit(); }'
DEBIAN = f"""\
description: Tools of Debian's packages.
cases:
  - name: bpftrace
    root: root.tar
    command: [bpftrace, -e, {json.dumps(BPFTRACE)}]
    # bpftrace 0.17 does not find the BTF of a kernel without BTF of modules (5.11).
    env: {{BPFTRACE_BTF: "${{files.btf}}"}}
  - name: bcc
    root: root.tar
    headers: true
    # Compiles for the running kernel, which takes an emulated guest long.
    timeout: 250
    command: [funccount-bpfcc, -d, "1", vfs_read]
  - name: script
    root: root.tar
    headers: true
    timeout: 250
    command: [./opens.py]
"""


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("tools")
    (folder / "root.tar").hardlink_to(roots.debian())
    shutil.copy(ROOT / "docs/examples/bcc/opens.py", folder)
    (folder / "suite.yaml").write_text(DEBIAN)
    return run(
        *("--kernels", ",".join(KERNELS), "--suite", folder),
        reports=tmp_path_factory.mktemp("reports") / "r",
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_bpftrace_of_debian_runs(debian: Finished, kernel: str) -> None:
    (case,) = (
        it
        for it in debian.results.cases
        if (it.kernel, it.case) == (kernel, "bpftrace")
    )

    assert case.outcome is P, case.message
    assert "task" in case.commands[0].stdout


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_bcc_tool_of_debian_runs_with_the_kernels_headers(
    debian: Finished, kernel: str
) -> None:
    (case,) = (
        it for it in debian.results.cases if (it.kernel, it.case) == (kernel, "bcc")
    )

    assert case.outcome is P, case.message
    assert "Tracing 1 functions" in case.commands[0].stdout


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_script_of_the_page_counts_right(debian: Finished, kernel: str) -> None:
    (case,) = (
        it for it in debian.results.cases if (it.kernel, it.case) == (kernel, "script")
    )

    assert case.outcome is P, case.message
    assert case.commands[0].stdout == "opened 100 files, counted 100\n"
