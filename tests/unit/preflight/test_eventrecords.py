"""Records of tracepoints, against what programs read of them."""

import pytest

from runner.facts import traced
from runner.facts.model import Facts
from runner.facts.traced import Traced
from runner.preflight.model import Effect, Finding, FindingKind
from tests.unit.preflight.made import an_object, checked, kernel

COMMON = """\
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;
"""
OLD = f"""{COMMON}
	field:char comm[16];	offset:8;	size:16;	signed:1;
	field:pid_t pid;	offset:24;	size:4;	signed:1;
	field:int prio;	offset:28;	size:4;	signed:1;
"""
# As 6.16 has it.
NEW = f"""{COMMON}
	field:__data_loc char[] comm;	offset:8;	size:4;	signed:0;
	field:pid_t pid;	offset:12;	size:4;	signed:1;
	field:int prio;	offset:16;	size:4;	signed:1;
"""
# As RHEL 9 has records: with more in common, so that all others are moved.
SHIFTED = """\
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;
	field:unsigned char common_preempt_lazy_count;	offset:8;	size:1;	signed:0;
	field:char comm[16];	offset:9;	size:16;	signed:1;
	field:pid_t pid;	offset:28;	size:4;	signed:1;
	field:int prio;	offset:32;	size:4;	signed:1;
"""
FREED = """\
struct freed { __u64 common; char comm[16]; int pid; int prio; };
int sink;
SEC("tp/sched/freed") int on_freed(%s)
{
	sink = %s;
	return 0;
}
"""
BY_HAND = "struct freed *ctx"
TYPES = "struct task_struct { int pid; } task;"
BTF = """\
struct trace_entry { unsigned short type; unsigned char flags, count; int pid; };
struct trace_event_raw_freed {
	struct trace_entry ent; %s char __data[0];
} freed;
"""


def findings(
    read: str, text: str = "", parameters: str = BY_HAND, types: str = TYPES
) -> tuple[Finding, ...]:
    """Return what is found where the kernel said a record; without, by BTF alone."""
    record = traced.parse_format(text)
    events = {"sched/freed": record} if record else {}
    facts = Facts(release="", traced=Traced(events=events))
    item = an_object(FREED % (parameters, read))
    return checked(item, kernel(types), facts=facts).findings


def test_a_record_as_the_program_has_it_is_right() -> None:
    assert findings("ctx->prio + ctx->pid + ctx->comm[3]", OLD) == ()


def test_bytes_behind_the_end_of_a_record_can_not_be_attached() -> None:
    (found,) = findings("ctx->prio", NEW)

    assert (found.kind, found.effect) == (FindingKind.RECORD_SHORT, Effect.NOT_ATTACHED)
    assert found.reason == (
        "reads `prio` at bytes 28 to 31, and the record of sched/freed ends at 20; "
        "`prio` (int, 4 bytes) is at offset 16 there"
    )
    assert found.place.source == "sink = ctx->prio;"


def test_a_field_that_moved_is_read_wrong() -> None:
    (found,) = findings("ctx->pid", SHIFTED)

    assert (found.kind, found.effect) == (
        FindingKind.RECORD_CHANGED,
        Effect.WRONG_VALUE,
    )
    assert found.reason == (
        "reads `pid` at bytes 24 to 27, where the record has `comm` (char[16], 16 "
        "bytes); `pid` (pid_t, 4 bytes) is at offset 28 there"
    )


def test_a_field_whose_beginning_moved_is_told_as_such() -> None:
    (found,) = findings("ctx->comm[3]", SHIFTED)

    assert "`comm` at bytes 11 to 11, where another part of it lies" in found.reason


def test_without_names_a_read_must_be_a_field() -> None:
    read = "*(int *)((char *)ctx + %d)"

    assert findings(read % 24, OLD, "void *ctx") == ()
    (found,) = findings(read % 8, NEW.replace("size:4", "size:2"), "void *ctx")
    assert found.reason.startswith("reads bytes 8 to 11, where the record has `comm`")


def test_a_field_may_have_another_name_where_it_fits() -> None:
    other = OLD.replace("pid_t pid", "pid_t tgid")

    assert findings("ctx->pid", other) == ()
    (found,) = findings("ctx->pid", other.replace("size:4", "size:2"))
    assert "where the record has `tgid` (pid_t, 2 bytes)" in found.reason


def test_btf_has_the_records_of_kernels_that_were_never_booted() -> None:
    old = BTF % "char comm[16]; int pid; int prio;"
    new = BTF % "unsigned int __data_loc_comm; int pid; int prio;"

    assert findings("ctx->prio", types=old) == ()
    (found,) = findings("ctx->prio", types=new)
    assert "the record of sched/freed ends at 20" in found.reason
    # The kernel's own word counts more.
    assert findings("ctx->prio", OLD, types=new) == ()
    # Without either nothing is known.
    assert findings("ctx->prio") == ()


# All records begin with struct trace_entry, which is larger there.
def test_rhel_9_moves_all_fields_and_btf_shows_it() -> None:
    fields = "char comm[16]; int pid; int prio;"
    here = BTF % fields
    rhel = here.replace(
        "int pid; };", "int pid; unsigned char preempt_lazy_count; };", 1
    )
    relocated = """\
struct trace_event_raw_freed { char comm[16]; int pid; int prio; } CORE;
struct freed"""

    assert findings("ctx->pid", types=here) == ()
    (found,) = findings("ctx->pid", types=rhel)
    assert (found.kind, found.effect) == (
        FindingKind.RECORD_CHANGED,
        Effect.WRONG_VALUE,
    )
    assert "`pid` (int, 4 bytes) is at offset 28 there" in found.reason
    (end,) = findings("ctx->prio", types=rhel)
    assert "`prio` (int, 4 bytes) is at offset 32 there" in end.reason
    item = an_object(
        FREED.replace("struct freed", relocated, 1)
        % ("struct trace_event_raw_freed *ctx", "ctx->pid")
    )
    assert checked(item, kernel(rhel)).findings == ()


def test_members_that_are_relocated_are_right_everywhere() -> None:
    struct = (
        "struct trace_event_raw_freed { long ent; char comm[16]; int pid; int prio; }"
    )
    item = an_object(
        f"{struct} CORE;" + FREED % (f"{struct.partition(' {')[0]} *ctx", "ctx->prio")
    )
    new = BTF % "unsigned int __data_loc_comm; int pid; int prio;"

    assert checked(item, kernel(new)).findings == ()


def test_arguments_of_system_calls_are_fields_of_their_own() -> None:
    text = f"""{COMMON}
	field:int __syscall_nr;	offset:8;	size:4;	signed:1;
	field:int dfd;	offset:16;	size:8;	signed:0;
	field:const char * filename;	offset:24;	size:8;	signed:0;
"""
    source = """\
struct enter { __u64 common; long nr; unsigned long args[6]; };
long sink;
SEC("tp/syscalls/sys_enter_openat") int on_enter(struct enter *ctx)
{
	sink = ctx->nr + ctx->args[%d];
	return 0;
}
"""
    record = traced.parse_format(text)
    assert record is not None
    events = {"syscalls/sys_enter_openat": record}
    facts = Facts(release="", traced=Traced(events=events))

    def found(argument: int) -> tuple[Finding, ...]:
        item = an_object(source % argument)
        return checked(item, kernel(TYPES), facts=facts).findings

    assert found(1) == ()
    assert [it.kind for it in found(2)] == [FindingKind.RECORD_SHORT]


NESTED = """\
struct head { unsigned short type; unsigned char flags, preempt; int pid; };
struct who { char comm[16]; int pid; int prio; };
struct freed { struct head head; struct who who; };
struct who copy;
char letters[16];
SEC("tp/sched/freed") int on_freed(struct freed *ctx)
{
	%s
	return 0;
}
"""
COPIES = (
    "bpf_probe_read_kernel(&copy, sizeof(copy), &ctx->who);",
    "__builtin_memcpy(&copy, &ctx->who, sizeof(copy));",
    "copy = ctx->who;",
)
LETTERS = "for (int i = 0; i < 16; i++) letters[i] = ctx->who.comm[i];"


def of_nested(body: str, text: str) -> tuple[Finding, ...]:
    record = traced.parse_format(text)
    assert record is not None
    facts = Facts(release="", traced=Traced(events={"sched/freed": record}))
    return checked(an_object(NESTED % body), kernel(TYPES), facts=facts).findings


@pytest.mark.parametrize("body", [*COPIES, LETTERS])
def test_a_part_of_the_record_that_is_copied_whole_is_right(body: str) -> None:
    assert of_nested(body, OLD) == ()


@pytest.mark.parametrize("body", COPIES)
def test_each_field_of_a_copy_is_told_by_its_name(body: str) -> None:
    subjects = {it.subject for it in of_nested(body, NEW)}

    assert subjects == {f"sched/freed, {name}" for name in ("comm", "pid", "prio")}


def test_the_bytes_of_an_array_are_told_of_once() -> None:
    found = of_nested(LETTERS, NEW)

    assert {it.subject for it in found} == {"sched/freed, comm"}
    assert len(found) == len({it.kind for it in found}) == 2
