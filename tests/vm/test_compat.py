"""Loaders compared, maps dumped without bpftool, and old kernels."""

import os
import shutil
import struct
from pathlib import Path

import pytest
import yaml

from runner.bpf.btf import parse
from runner.bpf.compile import compile_object
from runner.bpf.object import read
from runner.files.cache import Cache
from runner.results import Outcome
from tests.vm.conftest import DATA, ROOT, Finished, run

pytestmark = pytest.mark.vm

# A folder of built vanilla trees, each named by its version.
TREES = os.environ.get("KERNEL_TREES", "")
needs_trees = pytest.mark.skipif(
    not TREES, reason="KERNEL_TREES names no folder of kernel trees"
)

# Run inside of a matrix: what bpftool prints, and what is made of raw rows.
DIFFERENTIAL = """
import pytest
from runner.bpf import bpftool
from runner.bpf.compile import compile_object
from runner.bpf.object import read
from runner.case.rawdump import map_dump

@pytest.mark.parametrize("source", {sources})
def test_dumps_are_the_same(bpf, guest, source, request):
    loaded = bpf.load(source)
    data = compile_object(request.path.parent / source, bpf._cache).read_bytes()
    programs = [program.name for program in loaded.programs]
    if "fill" in programs:
        guest.agent.test_run(loaded.handle, "fill", data=bytes(64), timeout=10)
    guest.agent.udp(120, port=9, times=3, timeout=10)
    guest.agent.fork("sleeper", timeout=10)
    compared = 0
    for info in loaded.maps:
        # Global data is left to bpftool.
        if "." in info.name:
            continue
        printed = guest.run(bpftool.map_dump(info.id))
        raw = guest.agent.dump(loaded.handle, info.name, timeout=10)
        ours = map_dump(raw, read(data).btf)
        assert ours == bpftool.parse_map_dump(printed), info.name
        compared += 1
    assert compared
"""


def test_maps_are_dumped_as_the_guests_bpftool_does(
    tmp_path: Path, reports: Path
) -> None:
    # All kinds of maps that have keys.
    kinds = ["maps", "lru", "lpm", "per_cpu", "nested"]
    sources = [
        *(ROOT / f"suites/maps/{kind}.bpf.c" for kind in kinds),
        ROOT / "suites/task/task.bpf.c",
        DATA / "bpftool/shapes.bpf.c",
    ]
    for source in sources:
        (tmp_path / source.name).write_bytes(source.read_bytes())
    names = [source.name for source in sources]
    (tmp_path / "test_dumps.py").write_text(DIFFERENTIAL.format(sources=names))

    done = run(
        "--kernels", "6.1", "--suite", tmp_path / "test_dumps.py", reports=reports
    )

    assert done.status == 0, done.output + done.errors
    assert done.results.count(Outcome.PASSED) == len(names)


# ----------------------------------------------------------- agents that die


def without_member_types(data: bytes, name: str) -> bytes:
    """Give each member of a struct a type that is not there: libbpf 1.1 dies of it."""
    btf = read(data).btf
    damaged = bytearray(btf.data)
    struct_ = btf.find(f"struct {name}")
    for number in range(struct_.count):
        struct.pack_into("<I", damaged, struct_.at + 12 * number + 4, 0x7FFFFFFF)
    assert parse(bytes(damaged))
    return data.replace(btf.data, bytes(damaged))


def test_an_agent_that_dies_costs_its_case_only(tmp_path: Path, reports: Path) -> None:
    suite = tmp_path / "mortal"
    suite.mkdir()
    canary = DATA / "suites/canary/canary.bpf.c"
    (suite / "canary.bpf.c").write_bytes(canary.read_bytes())
    good = compile_object(suite / "canary.bpf.c", Cache()).read_bytes()
    (suite / "bad.o").write_bytes(without_member_types(good, "task_struct"))
    expect = "expect: [{program: on_new_task, show: {type: kprobe}}]"
    (suite / "suite.yaml").write_text(
        "description: Objects and commands that the agent dies of.\n"
        "cases:\n"
        f"  - {{name: loading, object: bad.o, {expect}}}\n"
        f"  - {{name: fine, object: canary.bpf.c, {expect}}}\n"
        "  - name: killed\n"
        "    object: canary.bpf.c\n"
        '    trigger: [{command: [sh, -c, "kill -9 $PPID"]}]\n'
        f"    {expect}\n"
        f"  - {{name: fine_again, object: canary.bpf.c, {expect}}}\n"
    )

    done = run("--kernels", "6.1", "--suite", suite, reports=reports)

    ends = [(case.outcome, case.failure_class) for case in done.results.cases]
    assert ends == [
        (Outcome.FAILED, "loader_crashed"),
        (Outcome.PASSED, ""),
        # Says nothing about the object.
        (Outcome.ERROR, "agent_crashed"),
        (Outcome.PASSED, ""),
    ]
    assert "the guest still runs" in done.case("loading").message


# ------------------------------------------------------- kernels that are old


def run_on(version: str, *arguments: str | Path, reports: Path) -> Finished:
    return run("--kernel", f"{version}={TREES}/{version}", *arguments, reports=reports)


@needs_trees
@pytest.mark.parametrize("version", ["4.4", "4.11", "5.5", "5.14"])
def test_suites_hold_on_old_kernels(version: str, reports: Path) -> None:
    done = run_on(version, reports=reports)

    assert done.status == 0, done.output + done.errors
    gaps = [it for it in done.results.cases if it.outcome is Outcome.SKIPPED]
    assert all(it.message for it in gaps)
    cases = {f"{it.suite}::{it.case}": it for it in done.results.cases}
    passed = {name for name, it in cases.items() if it.outcome is Outcome.PASSED}
    assert all(cases[name].checked for name in passed)
    assert passed >= {
        *("task::state_compat", "kconfig::utime", "flavors::fs_base"),
        *("reloc::layout", "tailcall::chain", "maps::struct_keys", "tracing::kprobe"),
    }
    if version.startswith("5."):
        return
    # Plain libbpf fails as declared, and an oops costs its own case only.
    assert cases["task::state"].failure_class == "unreached_call_oops"
    refused = cases["kconfig::utime_refused"]
    assert refused.failure_class == "global_data_unsupported"
    identity = cases["task::identity_compat"]
    assert (identity.checked, len(identity.not_available)) == (2, 2)
    assert "program on_new_task: type, name" in identity.not_available[0]


def both_ways(suite: Path, folder: Path) -> Path:
    """Copy a suite so that each case is there with either loader."""
    shutil.copytree(suite, folder)
    file = folder / "suite.yaml"
    content = yaml.safe_load(file.read_text())
    content["cases"] = [
        {
            **{key: value for key, value in case.items() if key != "expect_failure"},
            "name": f"{case['name']}_by_{loader}",
            "loader": loader,
        }
        for case in content["cases"]
        # Without one it is only about a refusal.
        if "expect" in case
        for loader in ("libbpf", "compat")
    ]
    file.write_text(yaml.safe_dump(content))
    return folder


@pytest.mark.parametrize("version", ["6.1", "4.4", "4.11", "5.5", "5.14"])
def test_compat_sees_what_plain_libbpf_sees(
    version: str, tmp_path: Path, reports: Path
) -> None:
    if version != "6.1" and not TREES:
        pytest.skip("KERNEL_TREES names no folder of kernel trees")
    row = [f"{version}={TREES}/{version}"] if version != "6.1" else []
    # All that are to load on this kernel alone; `negative` is about the words of
    # refusals, `agree` about other kernels, `environment` about guests.
    names = [
        path.parent.name
        for path in sorted((ROOT / "suites").glob("*/suite.yaml"))
        if path.parent.name not in ("negative", "agree", "contracts", "environment")
    ]
    suites = [both_ways(ROOT / "suites" / it, tmp_path / it) for it in names]

    done = run(
        *("--kernels", version, *(word for it in row for word in ("--kernel", it))),
        *(word for it in suites for word in ("--suite", it)),
        reports=reports,
    )

    cases = {f"{it.suite}::{it.case}": it for it in done.results.cases}
    loaded = {
        name.removesuffix("_by_libbpf"): it
        for name, it in cases.items()
        if name.endswith("_by_libbpf") and it.outcome is Outcome.PASSED
    }
    assert len(loaded) > 10
    for name, plain in loaded.items():
        compat = cases[f"{name}_by_compat"]
        ends = (compat.outcome, compat.checked, compat.not_available)
        assert ends == (Outcome.PASSED, plain.checked, plain.not_available), name


OLD = """
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
    int pid;
    int no_such_field;
} __attribute__((preserve_access_index));

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64[4]);
} seen SEC(".maps");

const volatile __u32 small = 7;
const volatile __u8 bytes[3] = {1, 2, 3};
const volatile __s64 negative = -2;
const volatile __u64 large = 0x123456789abcdefULL;

SEC("kprobe/wake_up_new_task")
int reads_constants(struct pt_regs *ctx)
{
    __u64 values[4] = {small, bytes[2], negative, large};
    __u32 key = 0;

    bpf_map_update_elem(&seen, &key, values, BPF_ANY);
    return 0;
}

SEC("kprobe/wake_up_new_task")
int reads_what_is_not_there(struct pt_regs *ctx)
{
    struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
    __u64 value = 0;
    __u32 key = 0, gone = 0;

    bpf_core_read(&gone, sizeof(gone), &task->no_such_field);
    value = gone;
    bpf_map_update_elem(&seen, &key, &value, BPF_ANY);
    return 0;
}

char _license[] SEC("license") = "GPL";
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    suite = tmp_path / "old"
    suite.mkdir()
    (suite / "old.bpf.c").write_text(OLD)
    constants = (
        "object: old.bpf.c, programs: {reads_what_is_not_there: {load: false}},"
        " trigger: [{fork: sleeper}],"
        " expect: [{map: seen, key: 0,"
        " equals: [7, 3, 18446744073709551614, 81985529216486895]}]"
    )
    poison = (
        "object: old.bpf.c, programs: {reads_constants: {load: false}},"
        " trigger: [{fork: sleeper}],"
        " expect: [{map: seen, key: 0, equals: [0, 0, 0, 0]}]"
    )
    (suite / "suite.yaml").write_text(
        "description: Read-only data, and a field that no kernel has.\n"
        "cases:\n"
        f"  - {{name: constants, {constants}}}\n"
        f"  - {{name: constants_compat, loader: compat, {constants}}}\n"
        f"  - {{name: poison_compat, loader: compat, {poison}}}\n"
    )
    return suite


@needs_trees
@pytest.mark.parametrize("version", ["4.4", "4.11"])
def test_read_only_data_becomes_constants_and_reachable_poison_stays(
    version: str, old: Path, reports: Path
) -> None:
    done = run_on(version, "--suite", old, reports=reports)

    assert done.case("constants").failure_class == "map_not_created"
    assert done.case("constants_compat").outcome is Outcome.PASSED
    assert "reads of data" in done.case("constants_compat").log
    assert done.case("poison_compat").failure_class == "poison_reachable"


def test_compat_makes_no_difference_where_plain_libbpf_works(
    old: Path, reports: Path
) -> None:
    done = run("--kernels", "6.1", "--suite", old, reports=reports)

    assert done.case("constants").outcome is Outcome.PASSED
    assert done.case("constants_compat").outcome is Outcome.PASSED
    assert done.case("poison_compat").failure_class == "poison_reachable"
