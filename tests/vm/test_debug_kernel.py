"""A kernel that checks its memory, its locks and its arithmetic: its reports are real.

It is built here, once for all fragments. LKDTM makes the kernel do what it must not
(drivers/misc/lkdtm).
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from runner.kernels import guestconfig
from runner.kernels.kernelbuild import kconfig, recipe
from runner.results import Outcome
from runner.versions import KernelVersion
from tests.vm.conftest import DATA, ROOT, Finished, run

pytestmark = pytest.mark.debug

P, F = Outcome.PASSED, Outcome.FAILED
ARCHIVE = Path("/usr/src/linux-source-6.1.tar.xz")
FRAGMENTS = ("kasan", "lockdep", "ubsan")
MATRIX = f"""\
kernels:
  - id: 6.1-watched
    source:
      type: kernel-org
      version: "6.1"
      tarball: {ARCHIVE}
      fragments: [{", ".join(FRAGMENTS)}]
      options: {{RUNTIME_TESTING_MENU: y, LKDTM: y, DEBUG_FS: y}}
"""
# Cases of one object, in order: what each asks LKDTM for, and what the kernel says.
CASES = {
    "before": ("", ""),
    "warns": ("WARNING", "WARNING: .* lkdtm_WARNING"),
    "between": ("", ""),
    "writes_freed_memory": (
        "WRITE_AFTER_FREE",
        "BUG: KASAN: .*use-after-free in lkdtm",
    ),
    "reads_freed_memory": ("READ_AFTER_FREE", "BUG: KASAN: .*use-after-free in lkdtm"),
    "overflows": ("SLAB_LINEAR_OVERFLOW", "BUG: KASAN: slab-out-of-bounds in lkdtm"),
    "after_kasan": ("", ""),
    "indexes_outside": (
        "ARRAY_BOUNDS",
        "UBSAN: array-index-out-of-bounds in drivers/misc/lkdtm/",
    ),
    "after_ubsan": ("", ""),
    # A lock is taken and never given back. lockdep looks when the system call ends; if
    # the scheduler is due there, it is first to see it.
    "keeps_a_lock": (
        "SPINLOCKUP",
        "WARNING: lock held when returning to user space|BUG: scheduling while atomic",
    ),
    "after": ("", ""),
}
# Has a program of BPF take locks as lockdep does not want it.
NESTED = DATA / "suites/nested_locks"


def case(name: str, crash: str) -> str:
    file = "/sys/kernel/debug/provoke-crash/DIRECT"
    mount = f"[ -e {file} ] || mount -t debugfs d /sys/kernel/debug"
    provoke = f"""\
      - command: [sh, -c, "{mount}; echo {crash} > {file}"]
"""
    return f"""\
  - name: {name}
    object: fine.bpf.c
    trigger:
      - {{test_run: length}}
{provoke if crash else ""}\
    expect: [{{value: "${{run.retval}}", equals: 50}}]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    assert ARCHIVE.exists(), "install linux-source-6.1"
    folder = tmp_path_factory.mktemp("debug")
    (folder / "matrix.yaml").write_text(MATRIX)
    suite = folder / "provoked"
    suite.mkdir()
    (suite / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    cases = "".join(case(name, crash) for name, (crash, _) in CASES.items())
    (suite / "suite.yaml").write_text(
        f"description: Faults that a kernel reports.\nreuse: suite\ncases:\n{cases}"
    )
    return run(
        *("--matrix", folder / "matrix.yaml", "-n", "1"),
        *("--suite", suite, "--suite", NESTED, "--suite", ROOT / "suites/task"),
        reports=folder / "reports",
        seconds=3600,
    )


def test_only_who_provoked_a_report_fails(finished: Finished) -> None:
    provoked = [it for it in finished.results.cases if it.suite == "provoked"]

    assert {it.case: it.outcome for it in provoked} == {
        name: F if crash else P for name, (crash, _) in CASES.items()
    }


@pytest.mark.parametrize("name", [it for it, (crash, _) in CASES.items() if crash])
def test_the_report_is_shown(finished: Finished, name: str) -> None:
    found = finished.case(name)

    assert found.failure_class == "kernel_warned"
    assert re.search(CASES[name][1], found.message), found.message
    assert "lkdtm" in found.console


def test_lockdep_reports_what_a_program_of_bpf_does(
    finished: Finished, tmp_path: Path
) -> None:
    found = finished.case("nests_locks")
    other = run("--kernels", "6.1", "--suite", NESTED, reports=tmp_path)

    assert found.failure_class == "kernel_warned"
    assert "WARNING: possible recursive locking detected" in found.message
    assert "queue_stack_map_push_elem" in found.console
    # Nothing else is wrong with it: where nobody looks at locks, it passes.
    assert other.case("nests_locks").outcome is P


def test_a_suite_passes_in_such_a_kernel(finished: Finished) -> None:
    task = [it for it in finished.results.cases if it.suite == "task"]

    assert task
    assert {it.outcome for it in task} <= {P, Outcome.SKIPPED}, [
        it.message for it in task if it.outcome is F
    ]
    assert any(it.outcome is P for it in task)


# What `make allnoconfig` reads of a kernel's source.
CONFIGURATION = ("Kconfig*", "Makefile*", "*/Kbuild*", "*/scripts/*")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    wanted = ("--wildcards", "--no-anchored", *CONFIGURATION)
    subprocess.run(["tar", "-xf", ARCHIVE, "-C", folder, *wanted], check=True)
    return folder / "linux-source-6.1"


# They are built together above. That each can be built alone is seen without a build.
@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_kernel_takes_all_options_of_a_fragment(tree: Path, name: str) -> None:
    made = recipe.load(KernelVersion.parse("6.1"), {}, named=[name])
    preset = tree / "requested.config"
    preset.write_text(kconfig.preset(made.requests))
    environment = {**os.environ, "KCONFIG_ALLCONFIG": str(preset)}
    subprocess.run(["make", "allnoconfig"], cwd=tree, env=environment, check=True)
    config = guestconfig.parse((tree / ".config").read_text())

    # Raises for what the kernel knows and did not take.
    kconfig.check(made.requests, config, tree)
    own = [it for it in made.requests if it.where.startswith(f"{name}.config")]
    assert own
    assert not kconfig.lost(own, config)
