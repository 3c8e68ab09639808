"""Which struct of the kernel a program's pointer points to, by what returned it."""

import re
from pathlib import Path

import pytest

from runner.preflight.model import Effect, Finding, FindingKind
from runner.preflight.returned import FIXED, MAP_VALUES, PER_CPU, STRUCTS
from tests.unit.preflight.made import an_object, checked, kernel

HEADER = Path("/usr/include/bpf/bpf_helper_defs.h")
_HELPER = re.compile(
    r"^static (?:struct (\w+) |void )\*\(\*bpf_(\w+)\)\([^\n]*\) = \(void \*\) (\d+);",
    re.MULTILINE,
)
# Those of the UAPI, whose offsets the verifier converts.
_OF_UAPI = ("bpf_sock", "bpf_tcp_sock")

# As it was when the programs were compiled, and with another member ahead.
TYPES = """\
struct area { long start; %(more)s int flags; } area;
struct task { long flags; %(more)s int pid; int tgid; struct area *area; } task;
struct task_struct { struct task task; };
struct vm_area_struct { struct area area; };
struct bpf_rb_node { long opaque; %(more)s int color; } node;
struct task_struct *of_pid(int pid) { return 0; }
struct task_struct *of_pid___other(int pid) { return 0; }
struct bpf_rb_node *first(void *root) { return 0; }
void *untyped(void) { return 0; }
void *bpf_rdonly_cast(const void *what, unsigned int id) { return 0; }
void *bpf_cast_to_kern_ctx(void *context) { return 0; }
void *bpf_obj_new_impl(unsigned long id, void *meta) { return 0; }
struct { struct task_struct t; struct vm_area_struct v; } both;
struct sk_buff { struct area area; } buffer;
struct bpf_ctx_convert {
	int BPF_PROG_TYPE_SCHED_CLS_prog;
	struct sk_buff BPF_PROG_TYPE_SCHED_CLS_kern;
} contexts;
struct holder { struct area *areas; } held;
"""
SAME, MOVED = TYPES % {"more": ""}, TYPES % {"more": "long more;"}
HEAD = """\
#include <bpf/bpf_tracing.h>
#define KPTR __attribute__((btf_type_tag("kptr_untrusted")))
struct area { long start; int flags; };
struct task { long flags; int pid; int tgid; struct area *area; };
struct task_struct { struct task task; };
struct vm_area_struct { struct area area; };
struct bpf_rb_node { long opaque; int color; };
struct sk_buff { struct area area; };
struct holder { struct area *areas; } CORE;
extern struct task_struct *of_pid(int pid) __ksym;
extern struct task_struct *of_pid___other(int pid) __ksym __weak;
extern struct bpf_rb_node *first(void *root) __ksym;
extern void *untyped(void) __ksym;
extern void *bpf_rdonly_cast(const void *what, unsigned int id) __ksym;
extern void *bpf_cast_to_kern_ctx(void *context) __ksym;
extern void *bpf_obj_new_impl(unsigned long id, void *meta) __ksym;
int sink;
"""
PROGRAM = """\
SEC("%s") int reads(void *ctx)
{
	int zero = 0;
	%s
	return 0;
}
"""


def findings(body: str, types: str = MOVED, section: str = "tc") -> list[Finding]:
    """Return what is said of reads without a relocation."""
    item = an_object(HEAD + PROGRAM % (section, body), clang=16)
    found = checked(item, kernel(types), given=()).findings
    return [it for it in found if it.kind is FindingKind.FIELD_UNRELOCATED]


def test_the_tables_have_each_helper_that_returns_a_pointer() -> None:
    structs: dict[int, str] = {}
    untyped = set()
    for struct, _, number in _HELPER.findall(HEADER.read_text()):
        if struct and struct not in _OF_UAPI:
            structs[int(number)] = struct
        else:
            untyped.add(int(number))

    assert len(structs) > 8
    # Two return numbers, as C writes them; programs make pointers of both.
    assert structs.items() <= STRUCTS.items()
    assert STRUCTS.keys() - structs.keys() == {35, 175}
    # bpf_kptr_xchg() has a table of its own.
    assert untyped == FIXED | MAP_VALUES | PER_CPU | {194}


OF_PID = "struct task_struct *task = of_pid(1);\n\t"
READ_PID = "if (task)\n\t\tsink = task->task.pid;"


def test_what_a_kernel_function_returns_is_followed() -> None:
    (found,) = findings(OF_PID + READ_PID)

    assert found.effect is Effect.WRONG_VALUE
    assert found.place.source == "sink = task->task.pid;"
    assert found.reason == (
        "reads task_struct+8 without a relocation, which is `task.more` (long, 8 bytes)"
        " on this kernel; `task.pid` is at task_struct+16"
    )
    assert findings(OF_PID + READ_PID, SAME) == []
    # An object's name for one of several prototypes.
    assert len(findings(OF_PID.replace("of_pid", "of_pid___other") + READ_PID)) == 1


def test_what_lies_behind_that_is_followed_too() -> None:
    behind = OF_PID + "if (task && task->task.area)\n\t\tsink = task->task.area->flags;"

    assert findings(behind, SAME) == []
    (found,) = findings(behind, SAME.replace("long start;", "long start, end;"))
    assert found.subject == "area+8"


def test_a_part_of_a_pointer_is_refused() -> None:
    """The verifier knows what the kernel's own functions return."""
    whole = OF_PID + "if (task)\n\t\tsink = *(int *)&task->task.area;"

    (found,) = findings(whole, SAME)

    assert found.effect is Effect.NOT_LOADED


RETURNED = """\
struct old { long flags; int number; } CORE;
extern struct old *get(int number) __ksym%s;
int sink;
SEC("tc") int reads(void *ctx)
{
	struct old *got = get(1);

	if (got)
		sink = got->number;
	return 0;
}
"""
OLD = "struct old { long flags; int number; } old;"
GET = "struct %s *get(int number) { return 0; }"


@pytest.mark.parametrize("attribute", ["", " __weak"])
def test_another_struct_than_the_object_says_is_a_warning(attribute: str) -> None:
    item = an_object(RETURNED % attribute)
    other = "struct new { char before[64]; } new;" + GET % "new"

    def found(types: str) -> tuple[Finding, ...]:
        return checked(item, kernel(OLD + types), given=()).findings

    assert found(GET % "old") == found("struct new { struct old o; };" + GET % "new")
    assert found(GET % "old") == ()
    (finding,) = found(other)
    assert finding.kind is FindingKind.KFUNC_CHANGED
    assert finding.effect is Effect.WRONG_VALUE
    assert finding.place.source == "struct old *got = get(1);"
    assert finding.reason == (
        "get() returns struct new *, and the object takes it for struct old *; the "
        "kernel has struct new *get(int number)"
    )


@pytest.mark.parametrize(
    "body",
    [
        # What is nobody's, or the program's own.
        "struct task_struct *task = untyped();\n\t" + READ_PID,
        "struct bpf_rb_node *node = first(ctx);\n\tif (node)\n\t\tsink = node->color;",
    ],
)
def test_what_is_not_the_kernels_struct_is_not_judged(body: str) -> None:
    assert findings(body) == []


def test_a_cast_to_a_type_of_the_kernel_is_followed() -> None:
    body = """\
struct task_struct *task = bpf_rdonly_cast(ctx,
		bpf_core_type_id_kernel(struct task_struct));

	sink = task->task.pid;
"""
    (found,) = findings(body)

    assert found.subject == "task_struct+8"
    assert findings(body, SAME) == []


def test_the_kernels_struct_behind_a_context_is_followed() -> None:
    body = """\
struct sk_buff *buffer = bpf_cast_to_kern_ctx(ctx);

	sink = buffer->area.flags;
"""
    (found,) = findings(body)

    assert found.subject == "sk_buff+8"
    assert findings(body, SAME) == []
    # No BTF says what is behind others.
    assert findings(body, section="xdp") == []


def test_a_processors_copy_of_what_a_field_points_to_is_followed() -> None:
    body = """\
struct holder *holder = (void *)bpf_get_current_task();
	struct area *areas = BPF_CORE_READ(holder, areas), *own;

	own = bpf_per_cpu_ptr(areas, 0);
	if (own)
		sink = own->flags;
"""
    (found,) = findings(body, section="raw_tp/x")

    assert found.subject == "area+8"
    assert findings(body, SAME, "raw_tp/x") == []


CALLED = """\
static long calls(struct task_struct *task, struct vm_area_struct *area, void *data)
{
	sink = area->area.flags;
	return 0;
}
SEC("raw_tp/x") int reads(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	bpf_find_vma(task, 1, calls, &sink, 0);
	return 0;
}
"""


def test_what_a_helper_gives_a_function_is_followed() -> None:
    item = an_object(HEAD + CALLED)

    (found,) = checked(item, kernel(MOVED)).findings

    assert found.subject == "vm_area_struct+8"
    assert checked(item, kernel(SAME)).findings == ()


KEPT = """\
struct kept { long number; struct task_struct KPTR *task; };
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct kept);
} all SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct kept[2]);
} arrays SEC(".maps");
struct task_struct KPTR *own;
struct task_struct *other;
long number;
"""
IN_MAP = "struct kept *kept = bpf_map_lookup_elem(&%s, &zero);\n\t"
IF_KEPT = "struct task_struct *task = kept ? %s : 0;\n\t"


@pytest.mark.parametrize(
    "task",
    [
        IN_MAP % "all" + IF_KEPT % "kept->task",
        IN_MAP % "arrays" + IF_KEPT % "kept[1].task",
        IN_MAP % "all" + IF_KEPT % "bpf_kptr_xchg(&kept->task, 0)",
        "struct task_struct *task = own;\n\t",
        "struct task_struct *task = bpf_kptr_xchg(&own, 0);\n\t",
        "struct kept *kept = bpf_obj_new_impl(bpf_core_type_id_local(struct kept), 0);"
        + IF_KEPT % "kept->task",
    ],
)
def test_pointers_that_maps_and_variables_hold_are_followed(task: str) -> None:
    def found(types: str) -> list[Finding]:
        source = HEAD + KEPT + PROGRAM % ("tc", task + READ_PID)
        made = checked(an_object(source, clang=16), kernel(types), given=()).findings
        return [it for it in made if it.kind is FindingKind.FIELD_UNRELOCATED]

    assert found(SAME) == []
    (finding,) = found(MOVED)
    assert finding.subject == "task_struct+8"


@pytest.mark.parametrize(
    "task", ["other", "(void *)number", "kept ? (void *)kept->number : 0"]
)
def test_what_holds_no_pointer_to_the_kernels_struct_is_not_judged(task: str) -> None:
    body = IN_MAP % "all" + f"struct task_struct *task = {task};\n\t" + READ_PID
    item = an_object(HEAD + KEPT + PROGRAM % ("tc", body), clang=16)

    found = checked(item, kernel(MOVED), given=()).findings

    assert FindingKind.FIELD_UNRELOCATED not in {it.kind for it in found}
