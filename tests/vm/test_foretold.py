"""What no relocation shows is told without a boot, on the real kernels it is true of.

It boots nothing, but needs the BTF of Debian's kernels. The suite contracts boots the
first ones.
"""

import json
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.vm.conftest import ROOT, command

pytestmark = pytest.mark.vm

KERNELS = ("5.10", "6.1", "6.12", "sid")
HEAD = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
char _license[] SEC("license") = "GPL";
long sink;
"""
RECORD = """\
struct freed { __u64 common; char comm[16]; int pid; int prio; };
SEC("tracepoint/sched/sched_process_free") int on_free(struct freed *ctx)
{
	sink = ctx->prio;
	return 0;
}
"""
# As 6.1 has it.
ENUMERATOR = """\
enum iter_type { ITER_IOVEC, ITER_KVEC, ITER_BVEC, ITER_PIPE, ITER_XARRAY, ITER_DISCARD,
	ITER_UBUF };
struct iov_iter { __u8 iter_type; } __attribute__((preserve_access_index));
SEC("raw_tp/sys_enter") int on_call(void *ctx)
{
	struct iov_iter *iter = (void *)bpf_get_current_task();
	__u8 type = BPF_CORE_READ(iter, iter_type);

	if (type == ITER_UBUF)
		sink++;
	return 0;
}
"""
# `pid` as it lies on 6.1.
BARE = """\
struct task_struct { char before[%d]; int pid; };
SEC("raw_tp/sys_enter") int on_call(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	int pid;

	bpf_probe_read_kernel(&pid, sizeof(pid), &task->pid);
	sink = pid;
	return 0;
}
"""
# Object, what is told, about what, the text of the line, and the kernels it is true of.
TOLD = [
    # An argument that a traced function lost in 6.10.
    ("accept", "argument_missing", "inet_csk_accept", "BPF_PROG(four", "6.12 sid"),
    ("accept", "argument_changed", "inet_csk_accept", "accepted->", "5.10 6.1"),
    # Arguments that moved in 5.12; nobody says so.
    ("unlink", "argument_changed", "vfs_unlink, argument 2", "second,", "6.1 6.12 sid"),
    ("unlink", "argument_changed", "vfs_unlink, argument 3", "third,", "5.10"),
    ("switch", "argument_missing", "sched_switch", "ctx->args[3]", "5.10"),
    ("by_value", "target_unsupported", "in_group_p", "calls++", "5.10"),
    ("nothing", "return_missing", "fput", "BPF_PROG(puts", "5.10 6.1 6.12 sid"),
    ("prototype", "kfunc_changed", "bpf_task_acquire", "bpf_task_acquire", "6.12 sid"),
    # An operation of TCP that gets two more arguments from 6.10 on, and a new one.
    ("control", "argument_missing", "cong_control", "BPF_PROG(four", "5.10 6.1"),
    ("control", "argument_changed", "cong_control", "sample->", "6.12 sid"),
    ("start", "member_missing", "tx_start", "BPF_PROG(on_start", "5.10 6.1 6.12"),
    # A tracepoint's record that became shorter in 6.16.
    ("record", "record_short", "sched_process_free, prio", "ctx->prio", "sid"),
    # An enumerator that is 6 on 6.1, and 0 from 6.6 on.
    ("enumerator", "enumerator_changed", "ITER_UBUF", "ITER_UBUF", "6.12 sid"),
    # A field at the place that it has on 6.1 alone.
    ("bare", "field_unrelocated", "task_struct", "&task->pid", "5.10 6.12 sid"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contracts")
    bare = BARE % _place("task_struct.pid", "6.1")
    own = {"record": RECORD, "enumerator": ENUMERATOR, "bare": bare}
    for name, text in own.items():
        (folder / f"{name}.bpf.c").write_text(HEAD + text)
    for path in (ROOT / "suites/contracts").glob("*.bpf.c"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def _place(field: str, kernel: str) -> int:
    argv = command("check", "--kernels", kernel, "--explain", field)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout.rpartition(" ")[2])


def test_each_is_told_at_its_line_with_a_cure_on_the_kernels_it_is_true_of(
    folder: Path,
) -> None:
    argv = command("check", folder, "--kernels", ",".join(KERNELS), "--json")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr

    found: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for kernel in json.loads(done.stdout)["kernels"]:
        for prediction in kernel["predictions"]:
            for it in prediction["findings"]:
                name = prediction["object"].removesuffix(".bpf.o")
                key = (name, it["kind"], it["subject"], it["place"]["source"])
                assert it["cure"], it
                assert it["place"]["line"], it
                found[key].append(kernel["kernel"])
    left = dict(found)
    for name, kind, subject, line, kernels in TOLD:
        (key,) = [
            it
            for it in found
            if it[:2] == (name, kind) and subject in it[2] and line in it[3]
        ]
        assert left.pop(key) == kernels.split(), key
    # On no other kernel, and nothing else.
    assert left == {}
