"""What `check` says of records, unrelocated reads and functions, as kernels do."""

import subprocess
from pathlib import Path

import pytest

from runner.bpf import btf
from runner.bpf.compile import command
from runner.facts.model import Presence
from runner.files.cache import Cache
from runner.guest import tracing
from runner.guest.agenterrors import AgentError
from runner.guest.guest import Guest
from runner.kernels import facts as kernel_facts
from runner.preflight.check import Checker, CheckJob
from runner.preflight.model import Effect, FindingKind, KernelNeed, Prediction, Verdict
from runner.preflight.targets import BtfSource
from tests.vm.test_facts import guest

__all__ = ["guest"]

pytestmark = pytest.mark.vm

# Right up to 6.15, with the offset of `pid` that is given.
SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
struct freed { __u64 common; char comm[16]; int pid; int prio; };
struct task_struct { char before[PID]; int pid; };
int pid = -1;
SEC("tp/sched/sched_process_free") int on_free(struct freed *ctx)
{
	return ctx->prio > 1000;
}
SEC("raw_tp/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	bpf_probe_read_kernel(&pid, sizeof(pid), &parent->pid);
	return 0;
}
SEC("kprobe/finish_task_switch") int on_switch(void *ctx) { return 0; }
SEC("kprobe/ftrace_location") int on_untraceable(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""
TYPED = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
struct task_struct { char before[PID]; int pid; };
int pid = -1;
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	pid = parent->pid;
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""
# The offset in 6.1.
PID = 2416
PLACES = ("tp/sched/sched_process_free", "kprobe/finish_task_switch")


def compiled(folder: Path, text: str) -> Path:
    source, output = folder / "records.bpf.c", folder / "records.bpf.o"
    source.write_text(text)
    subprocess.run([*command(source, output), f"-DPID={PID}"], cwd=folder, check=True)
    return output


def predicted(guest: Guest, path: Path) -> Prediction:
    assert guest.artifact.btf is not None
    known = kernel_facts.known(guest.cache, guest.artifact.image_sha256)
    source = BtfSource(
        name=guest.kernel.id,
        path=guest.artifact.btf,
        version=guest.artifact.version,
        facts=known,
    )
    job = CheckJob(
        objects=(path,),
        index=Cache(path.parent).folder("index"),
        loader="libbpf",
        engine=guest.engine,
    )
    with Checker(job) as checker:
        (found,) = checker.check(source).predictions
    return found


def test_what_is_predicted_is_what_the_kernel_does(
    guest: Guest, tmp_path: Path
) -> None:
    assert guest.artifact.btf is not None
    types = btf.of_file(guest.artifact.btf)
    own = types.offset_of("struct task_struct", "pid")
    old = compiled(tmp_path, SOURCE)
    tracing.learn(guest, PLACES)

    found = predicted(guest, old)

    opened = guest.agent.open(old.read_bytes(), name="records", timeout=60)
    loaded = guest.agent.load(opened.handle, timeout=60)
    refused = {}
    for program in loaded.programs:
        try:
            guest.agent.attach(loaded.handle, program.name, timeout=60)
        except AgentError as error:
            refused[program.name] = error.log
    absent = {
        user
        for it in found.features
        if it.need is KernelNeed.ATTACH_TARGET and it.presence is Presence.ABSENT
        for user in it.users
    }
    short = {
        it.place.program for it in found.findings if it.effect is Effect.NOT_ATTACHED
    }
    assert absent | short == refused.keys(), refused
    assert "on_untraceable" in refused
    is_new = guest.kernel.id == "sid"
    assert ("on_free" in refused) == is_new
    assert not is_new or "Permission denied" in refused["on_free"]
    assert ("on_switch" in refused) == (guest.kernel.id != "5.10")
    asked = ("fentry/finish_task_switch", "fentry/vfs_read")
    there = guest.agent.has_targets(asked, timeout=60)
    assert there == ("on_switch" not in refused, True)
    # What is read at the old offset is another field, or the right one.
    wrong = [it for it in found.findings if it.kind is FindingKind.FIELD_UNRELOCATED]
    assert bool(wrong) == (own != PID)
    assert all("`pid` is at task_struct+" in it.reason for it in wrong)
    # The agent is the parent of what it forks.
    guest.agent.fork(timeout=60)
    (data,) = (it.name for it in loaded.maps if it.name.endswith(".data"))
    (row,) = guest.agent.dump(loaded.handle, data, timeout=60).rows
    read = int.from_bytes(bytes(row.value or b"")[:4], "little")
    assert (read == guest.hello.pid) == (not wrong)
    guest.agent.release(timeout=60)
    guest.agent.close_object(loaded.handle, timeout=60)


def test_a_typed_read_of_a_part_of_a_pointer_is_refused(
    guest: Guest, tmp_path: Path
) -> None:
    typed = compiled(tmp_path, TYPED)

    found = predicted(guest, typed)

    opened = guest.agent.open(typed.read_bytes(), name="typed", timeout=60)
    said = ""
    try:
        guest.agent.load(opened.handle, timeout=60)
    except AgentError as error:
        said = error.log
    guest.agent.close_object(opened.handle, timeout=60)
    is_refused = "cannot access ptr member" in said
    assert found.verdict is (Verdict.REJECTED if is_refused else Verdict.LOADS), said
    assert all("refuses to read a part of it" in it for it in found.reasons)
    # `thread_group.prev` and `migration_pending` are pointers.
    is_pointer = guest.kernel.id in ("5.10", "sid")
    assert is_refused == is_pointer
