"""What becomes of each kind of relocation on kernels that have the thing or lack it."""

import pytest

from runner.preflight.model import Difference, Guard, Status, Verdict
from tests.unit.preflight.made import an_object, checked, kernel, only

KINDS = """\
enum colour { RED = 1, BLUE = 2 };
struct inner { unsigned long count; } CORE;
struct task {
	int pid;
	long big;
	signed char small;
	unsigned int flag : 3;
	struct inner inner;
} CORE;
typedef struct task task_t;
unsigned long out[16];
SEC("kprobe/a") int on_a(struct task *task)
{
	out[0] = bpf_core_field_offset(struct task, inner.count);
	out[1] = bpf_core_field_size(struct task, small);
	out[2] = bpf_core_field_exists(struct task, big);
	out[3] = __builtin_preserve_field_info(task->small, BPF_FIELD_SIGNED);
	out[4] = __builtin_preserve_field_info(task->flag, BPF_FIELD_LSHIFT_U64);
	out[5] = __builtin_preserve_field_info(task->flag, BPF_FIELD_RSHIFT_U64);
	out[6] = bpf_core_type_id_local(struct task);
	out[7] = bpf_core_type_id_kernel(struct inner);
	out[8] = bpf_core_type_exists(task_t);
	out[9] = bpf_core_type_size(struct task);
	out[10] = bpf_core_enum_value_exists(enum colour, BLUE);
	out[11] = bpf_core_enum_value(enum colour, BLUE);
	return 0;
}
"""
WHOLE = kernel("""\
enum colour { NONE, RED = 4, BLUE = 7 };
struct inner { long pad; unsigned long count; };
struct task { char pad[24]; int pid; unsigned int other : 2, flag : 3; long big;
	short small; struct inner inner; };
typedef struct task task_t;
task_t *task; enum colour colour;
""")
EMPTY = kernel("int nothing;")


def test_all_that_is_there_gets_the_kernels_values() -> None:
    prediction = checked(an_object(KINDS), WHOLE)

    assert prediction.verdict is Verdict.LOADS
    values = {it.kind.libbpf_name: it.value for it in prediction.relocations}
    del values["local_type_id"], values["target_type_id"]
    assert values == {
        "byte_off": 56,
        "byte_sz": 2,
        "field_exists": 1,
        "signed": 1,
        "lshift_u64": 59,
        "rshift_u64": 61,
        "type_exists": 1,
        "type_size": 64,
        "enumval_exists": 1,
        "enumval_value": 7,
    }


def test_what_is_not_there_is_zero_or_poison() -> None:
    prediction = checked(an_object(KINDS), EMPTY)

    assert prediction.verdict is Verdict.REJECTED
    found = {it.kind.libbpf_name: it for it in prediction.relocations}
    zero = {name for name, it in found.items() if it.value == 0}
    poison = {name for name, it in found.items() if it.guard is Guard.REACHABLE}
    assert zero == {
        *("field_exists", "target_type_id", "type_exists", "type_size"),
        "enumval_exists",
    }
    assert poison == {
        *("byte_off", "byte_sz", "signed", "lshift_u64", "rshift_u64"),
        "enumval_value",
    }
    assert found["local_type_id"].status is Status.RESOLVED


def test_a_gap_is_told_with_program_instruction_and_line() -> None:
    prediction = checked(an_object(KINDS), EMPTY)
    place = only(prediction, "task.small", "signed").place

    assert (place.program, place.file) == ("on_a", "made.bpf.c")
    assert place.source.startswith("out[")
    assert any(
        it.startswith(f"made.bpf.c:{place.line} (on_a, instruction {place.instruction}")
        for it in prediction.reasons
    )


READ = """\
struct inner { long count; } CORE;
struct task { int pid; struct inner inner; int many[4]; } CORE;
SEC("kprobe/a") int on_a(struct task *task)
{
	return bpf_core_field_offset(struct task, %s);
}
"""


@pytest.mark.parametrize(
    ("field", "types", "difference", "near", "how"),
    [
        ("pid", "int nothing;", "no_type", [], None),
        ("pid", "struct taks { int pid; } x;", "no_type", ["taks"], "renamed"),
        ("pid", "typedef int task; task x;", "no_type", ["task"], "retyped"),
        ("pid", "struct task { int __pid; } x;", "no_field", ["task.__pid"], "renamed"),
        (
            "pid",
            "struct task { struct { struct { int pid; } ids; }; } x;",
            "no_field",
            ["task.ids.pid"],
            "moved",
        ),
        (
            "pid",
            "struct signal { int pid; } y; struct task { struct signal *signal; } x;",
            "no_field",
            ["task.signal->pid"],
            "moved",
        ),
        (
            "inner.count",
            "struct inner { int x; }; "
            "struct task { struct inner inner; long count; } x;",
            "no_field",
            ["task.count"],
            "moved",
        ),
        ("pid", "struct task { char *pid; } x;", "retyped", ["task.pid"], "retyped"),
        (
            "inner.count",
            "struct task { long inner; } x;",
            "retyped",
            ["task.inner"],
            "retyped",
        ),
        # A struct that was taken apart, and one that stands in an array now.
        (
            "inner.count",
            "struct task { long inner_other; long inner_count; } x;",
            "no_field",
            ["task.inner_count"],
            "renamed",
        ),
        (
            "inner.count",
            "struct part { int x; long count; };struct task { struct part mem[3]; } x;",
            "no_field",
            ["task.mem[0].count"],
            "moved",
        ),
        (
            "many[3]",
            "struct task { int many[2]; } x;",
            "too_short",
            ["task.many"],
            "too_short",
        ),
    ],
)
def test_a_missing_field_is_told_with_what_is_near(
    field: str, types: str, difference: str, near: list[str], how: str | None
) -> None:
    found = only(
        checked(an_object(READ % field), kernel(types)), f"task.{field}", "byte_off"
    )

    assert found.status is Status.MISSING
    assert found.difference is Difference(difference)
    nearest = found.candidates[:1]
    assert [it.access for it in nearest] == near
    assert [it.difference.value for it in nearest] == ([how] if how else [])


@pytest.mark.parametrize(
    ("field", "types"),
    [
        # Another kind of thing that has the same short name.
        (
            "pid",
            "struct lock { char *pid; }; struct task { struct lock lock; } x;",
        ),
        # Several have it, and nothing tells which it is.
        (
            "inner.count",
            "struct one { long count; }; struct two { long count; };"
            "struct task { struct one one; struct two two; } x;",
        ),
        # It begins with the same word, and ends with another.
        ("inner.count", "struct task { int inner_other; } x;"),
        # The type is called alike, and has no such member.
        ("pid", "struct taks { int other; } x;"),
        # It does not have what is wanted behind it.
        (
            "inner.count",
            "struct lock { int inner; }; struct task { struct lock lock; } x;",
        ),
    ],
)
def test_a_false_friend_is_not_near(field: str, types: str) -> None:
    found = only(
        checked(an_object(READ % field), kernel(types)), f"task.{field}", "byte_off"
    )

    assert found.candidates == ()


def test_a_field_in_a_nameless_union_is_found() -> None:
    types = kernel("struct task { long a; union { int pid; long b; }; } x;")
    found = only(checked(an_object(READ % "pid"), types), "task.pid", "byte_off")

    assert (found.status, found.value) == (Status.RESOLVED, 8)


def test_a_resized_field_is_told() -> None:
    types = kernel("struct task { long pid; } x;")
    found = only(checked(an_object(READ % "pid"), types), "task.pid", "byte_off")

    assert found.status is Status.RESOLVED
    assert found.difference is Difference.RESIZED


def test_a_load_of_another_size_that_would_read_wrong_is_poisoned() -> None:
    item = an_object("""\
struct task { int pid; } CORE;
SEC("tp_btf/a") int on_a(struct task *task) { return task->pid; }
""")
    found = only(
        checked(item, kernel("struct task { long pid; } x;")), "task.pid", "byte_off"
    )

    assert (found.status, found.guard) == (Status.WRONG_SIZE, Guard.REACHABLE)
    assert found.reason == (
        "it is int with 4 bytes in the object, and long with 8 bytes in the kernel"
    )


def test_candidates_that_disagree_are_refused() -> None:
    types = kernel(
        "struct task { int pid; } x; struct task___other { long a; int pid; } y;"
    )
    prediction = checked(an_object(READ % "pid"), types)

    assert prediction.verdict is Verdict.REJECTED
    assert prediction.relocations[0].status is Status.AMBIGUOUS
    assert "ambigu" in prediction.relocations[0].reason


def test_a_program_that_is_not_loaded_counts_for_nothing() -> None:
    source = (READ % "pid").replace('SEC("kprobe/a")', 'SEC("?kprobe/a")')

    assert checked(an_object(source), EMPTY).verdict is Verdict.LOADS
