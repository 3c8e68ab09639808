"""What a loader sets between opening and loading an object, set by a suite."""

import shutil
import subprocess
from pathlib import Path

import pytest

from runner.bpf import object as bpf_object
from tests.vm.conftest import DATA, run

pytestmark = pytest.mark.vm


def test_a_suite_sets_what_a_loader_sets(tmp_path: Path, reports: Path) -> None:
    suite = tmp_path / "settings"
    shutil.copytree(DATA / "suites/settings", suite)
    tool = ["gcc", "-O1", "-static", "-o", str(suite / "tool"), f"{suite}/tool.c"]
    subprocess.run(tool, check=True)

    done = run(*("--kernels", "6.1", "--suite", suite), reports=reports)

    outcomes = {it.case: (it.outcome, it.message) for it in done.results.cases}
    assert done.status == 0, outcomes
    assert done.case("set").predicted == "loads"
    assert done.case("target_of_no_kernel").predicted == "rejected"
    assert done.case("variable_opens_a_guard").predicted == "rejected"


OFFSET = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
struct task_struct { int pid; } __attribute__((preserve_access_index));
SEC("syscall") int offset(void *context)
{
	return bpf_core_field_offset(struct task_struct, pid) == 40;
}
char _license[] SEC("license") = "GPL";
"""
# What no kernel has: BTF in which pid has this offset.
ELSEWHERE = """\
struct task_struct { char before[40]; int pid; };
struct task_struct task;
"""
BTF_SUITE = """\
description: BTF of the user's own.
cases:
  - name: own
    btf: own.btf
    object: offset.bpf.c
    needs: {prog_type: syscall}
    trigger: [{test_run: offset}]
    expect: [{value: "${run.retval}", equals: 1}]
  - name: in_elf
    btf: elsewhere.o
    object: offset.bpf.c
    needs: {prog_type: syscall}
    trigger: [{test_run: offset}]
    expect: [{value: "${run.retval}", equals: 1}]
  - name: with_compat
    btf: own.btf
    loader: compat
    object: offset.bpf.c
    needs: {prog_type: syscall}
    trigger: [{test_run: offset}]
    expect: [{value: "${run.retval}", equals: 1}]
  - name: kernels
    object: offset.bpf.c
    needs: {prog_type: syscall}
    trigger: [{test_run: offset}]
    expect: [{value: "${run.retval}", equals: 0}]
  - name: broken
    object: offset.bpf.c
    btf: cut.o
    expect_failure: {class: custom_btf_bad, reason: the file was cut off}
"""


def test_a_case_gives_its_loader_btf(tmp_path: Path, reports: Path) -> None:
    suite = tmp_path / "btf"
    suite.mkdir()
    (suite / "offset.bpf.c").write_text(OFFSET)
    (suite / "elsewhere.c").write_text(ELSEWHERE)
    clang = ["clang", "-target", "bpf", "-g", "-O2", "-c", "elsewhere.c"]
    subprocess.run(clang, check=True, cwd=suite)
    object_ = (suite / "elsewhere.o").read_bytes()
    (suite / "cut.o").write_bytes(object_[:200])
    (suite / "own.btf").write_bytes(bpf_object.read(object_).btf_data)
    (suite / "suite.yaml").write_text(BTF_SUITE)

    done = run(*("--kernels", "6.1", "--suite", suite), reports=reports)

    outcomes = {it.case: (it.outcome, it.message) for it in done.results.cases}
    assert done.status == 0, outcomes
    assert {it.case: it.predicted for it in done.results.cases} == {
        "own": "",
        "in_elf": "",
        "with_compat": "",
        "kernels": "loads",
        "broken": "",
    }
    assert "a BTF of its own" in done.case("own").not_predicted
