"""Reads of the kernel's structs that no relocation adapts."""

import pytest

from runner.preflight.model import Effect, Finding, FindingKind
from tests.unit.preflight.made import an_object, checked, kernel

TYPES = """\
struct mm_struct { long users; long owner; } first;
struct cpumask { long bits; };
struct task_struct { long flags; %s int pid; int tgid; struct mm_struct *mm; } task;
long wake(struct task_struct *task) { return 0; }
struct btf_func_model { int arg_flags; int nr_args; } model;
"""
# As it was when the program was compiled.
SAME = TYPES % "struct cpumask mask;"
MOVED = TYPES % "long before; struct cpumask mask;"
HEAD = """\
#include <bpf/bpf_tracing.h>
struct task_struct { long flags; long mask; int pid; int tgid; void *mm; };
struct task_struct___r { struct mm_struct *mm; } CORE;
int sink;
long found;
"""
PROGRAM = """\
SEC("%s") int BPF_PROG(on_wake, struct task_struct *task)
{
	%s
	return 0;
}
"""
CURRENT = "struct task_struct *me = (void *)bpf_get_current_task();"
READ = "bpf_probe_read_kernel(&sink, sizeof(sink), &%s);"


def findings(
    body: str, types: str = MOVED, section: str = "fentry/wake"
) -> tuple[Finding, ...]:
    item = an_object(HEAD + PROGRAM % (section, body))
    return checked(item, kernel(types)).findings


def test_a_field_that_is_read_where_it_was_is_a_warning() -> None:
    (found,) = findings("sink = task->pid;")

    assert found.kind is FindingKind.FIELD_UNRELOCATED
    assert found.effect is Effect.WRONG_VALUE
    assert found.subject == "task_struct+16"
    assert found.reason == (
        "reads task_struct+16 without a relocation, which is `mask.bits` (long, 8 "
        "bytes) on this kernel; `pid` is at task_struct+24"
    )
    assert found.place.source == "sink = task->pid;"


def test_where_the_field_still_lies_nothing_is_said() -> None:
    assert findings("sink = task->pid;", SAME) == ()
    assert findings(CURRENT + READ % "me->tgid", SAME) == ()


def test_pointers_of_helpers_are_followed() -> None:
    (found,) = findings(CURRENT + READ % "me->tgid")

    assert "inside of `mask.bits`" in found.reason
    assert "`tgid` is at task_struct+28" in found.reason


def test_pointers_that_a_relocation_read_are_followed() -> None:
    body = """\
	struct mm_struct *mm = BPF_CORE_READ((struct task_struct___r *)task, mm);
	bpf_probe_read_kernel(&found, sizeof(found), (char *)mm + 8);
"""
    types = TYPES.replace("long owner", "long count") % ""

    (found,) = findings(body, types)

    assert found.subject == "mm_struct+8"
    # The line names no member: what lies there is all that is known.
    assert found.reason.endswith("which is `count` (long, 8 bytes) on this kernel")


def test_pointers_that_were_read_without_a_relocation_are_followed() -> None:
    body = """\
	void *mm;
	bpf_probe_read_kernel(&mm, sizeof(mm), &task->mm);
	bpf_probe_read_kernel(&found, sizeof(found), mm + 8);
"""
    (found,) = findings(body, SAME)

    assert found.subject == "mm_struct+8"


def test_relocated_reads_and_users_memory_are_right() -> None:
    relocated = "found = (long)BPF_CORE_READ((struct task_struct___r *)task, mm);"
    of_user = "bpf_probe_read_user(&sink, sizeof(sink), &task->pid);"

    assert findings(relocated) == ()
    assert findings(of_user, section="raw_tp/wake") == ()


def test_a_cast_to_a_larger_struct_is_not_judged() -> None:
    body = "bpf_probe_read_kernel(&sink, sizeof(sink), (char *)task + 4096);"

    assert findings(body) == ()


OVER_LINES = """\
	bpf_probe_read_kernel(
		&sink,
		sizeof(sink),
		&me->tgid
	);
	sink = 0;
"""


def test_the_lines_of_a_statement_name_the_field() -> None:
    (found,) = findings(CURRENT + OVER_LINES)

    assert found.place.source.endswith("bpf_probe_read_kernel(")
    assert "`tgid` is at task_struct+28" in found.reason
    assert findings(CURRENT + OVER_LINES, SAME) == ()


NESTED = """\
#include <bpf/bpf_tracing.h>
struct load { long sum; int weight; int count; };
struct entity { long flags; struct load load; };
int sink;
long sinks[2];
SEC("fentry/run") int BPF_PROG(on_run, struct entity *entity)
{
	%s
	return 0;
}
"""
ENTITY = """struct load { long sum; %s int weight; int count; };
struct entity { long flags; struct load load; } entity;
long run(struct entity *entity) { return 0; }
"""
SUM = "bpf_probe_read_kernel(&sink, 4, &entity->load.weight);"
COPY = "bpf_probe_read_kernel(sinks, sizeof(sinks), &entity->load);"


def test_a_field_beside_the_one_that_a_line_names_is_a_warning() -> None:
    def nested(body: str, more: str) -> tuple[Finding, ...]:
        return checked(an_object(NESTED % body), kernel(ENTITY % more)).findings

    assert nested(SUM, "") == nested(COPY, "") == nested(COPY, "long more;") == ()
    (found,) = nested(SUM, "long more;")
    assert found.reason == (
        "reads entity+16 without a relocation, which is `load.more` (long, 8 bytes) on "
        "this kernel; `load.weight` is at entity+24"
    )


BOTH = "__builtin_memcpy(&found, &task->pid, sizeof(found));"


def test_two_fields_at_once_are_refused_where_they_are_named() -> None:
    (found,) = findings(BOTH, SAME)

    assert found.effect is Effect.NOT_LOADED
    assert "reads 8 bytes of task_struct at once, where `pid` (int, 4 " in found.reason
    assert "bpf_probe_read_kernel" in found.cure
    assert findings(BOTH, SAME, "kprobe/wake") == ()


def test_a_relocation_does_not_make_two_fields_one() -> None:
    relocated = HEAD.replace("void *mm; };", "void *mm; } CORE;")
    item = an_object(relocated + PROGRAM % ("fentry/wake", BOTH))

    (found,) = checked(item, kernel(MOVED)).findings

    assert found.effect is Effect.NOT_LOADED
    assert found.subject == "task_struct.pid"


PER_CPU = """\
#include <bpf/bpf_helpers.h>
struct queue { long lock; int length; };
extern const struct queue queues __ksym;
int sink;
SEC("raw_tp/x") int reads(unsigned long long *ctx)
{
	const struct queue *queue = %s;

	if (queue)
		sink = queue->length;
	return 0;
}
"""
QUEUES = "struct queue { long lock; %s int length; } queues; long total;"


@pytest.mark.parametrize(
    "queue",
    ["bpf_per_cpu_ptr(&queues, 0)", "bpf_this_cpu_ptr(&queues)", "&queues"],
)
def test_variables_of_the_kernel_are_followed(queue: str) -> None:
    item = an_object(PER_CPU % queue)

    def found(types: str) -> list[Finding]:
        findings_ = checked(item, kernel(types)).findings
        return [it for it in findings_ if it.kind is FindingKind.FIELD_UNRELOCATED]

    assert found(QUEUES % "") == []
    (finding,) = found(QUEUES % "long more;")
    assert finding.subject == "queue+8"
    assert "`length` is at queue+16" in finding.reason
