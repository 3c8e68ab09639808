"""Where values in registers and on the stack come from."""

import pytest

from runner.bpf.object import BpfObject
from runner.preflight import dataflow
from runner.preflight.dataflow import (
    OriginKind,
    Use,
    UseKind,
    Value,
    followed,
    offset_on,
)
from runner.preflight.references import Flow
from tests.unit.preflight.made import an_object

TYPES = """\
struct inner { long pad; int number; } __attribute__((preserve_access_index));
struct outer { long pad; struct inner *inner; } __attribute__((preserve_access_index));
int sink;
"""
READS = """\
SEC("raw_tp/sched_switch") int reads(unsigned long long *ctx)
{
	struct outer *outer = (void *)ctx[2];
	struct inner *inner = 0;

	bpf_probe_read_kernel(&inner, sizeof(inner), &outer->inner);
	bpf_probe_read_kernel(&sink, sizeof(sink), &inner->number);
	return 0;
}
"""


def uses_of(source: str, kind: UseKind) -> list[Use]:
    item = an_object(TYPES + source)
    return [it for it in found(item).uses if it.kind is kind]


def found(item: BpfObject) -> dataflow.Dataflow:
    return followed(item, Flow(item, {it.name for it in item.programs}))


def way(value: Value | None) -> list[tuple[str, int]]:
    """Return each origin on the way with the bytes from it, the last read first."""
    steps = []
    while value is not None and value.origin is not None:
        steps.append((value.origin.kind.name, value.offset))
        value = value.origin.base
    return steps


def test_an_argument_is_followed_through_reads_of_the_kernel() -> None:
    read, copies = uses_of(READS, UseKind.READ), uses_of(READS, UseKind.COPIED)

    assert [way(it.value) for it in read] == [[("CONTEXT", 16)]]
    assert [(it.size, way(it.value)) for it in copies] == [
        (8, [("LOADED", 8), ("CONTEXT", 16)]),
        (4, [("LOADED", 8), ("LOADED", 8), ("CONTEXT", 16)]),
    ]


def test_offsets_are_those_of_the_kernel() -> None:
    item = an_object(TYPES + READS)
    flow = Flow(item, {it.name for it in item.programs})
    first = next(it for it in found(item).uses if it.kind is UseKind.COPIED)
    (at,) = first.value.relocations
    before = flow.insn(at)
    assert before is not None
    moved = {at: type(before)(before.code, before.dst, before.src, before.offset, 40)}

    assert offset_on(first.value, flow, {}) == 8
    assert offset_on(first.value, flow, moved) == 40


SPILLED = """\
SEC("fentry/vfs_read") int reads(unsigned long long *ctx)
{
	unsigned long long *kept = ctx;

	asm volatile("*(u64 *)(r10 - 8) = %0\\n%0 = 0\\n%0 = *(u64 *)(r10 - 8)"
		: "+r"(kept) : : "memory");
	return kept[3];
}
"""
CALLED = """\
static __attribute__((noinline)) unsigned long long third(unsigned long long *ctx)
{
	return ctx[3];
}
SEC("fentry/vfs_read") int reads(unsigned long long *ctx)
{
	return third(ctx) + 1;
}
"""


@pytest.mark.parametrize("source", [SPILLED, CALLED])
def test_the_context_is_followed(source: str) -> None:
    uses = uses_of(source, UseKind.READ)

    assert [(it.size, way(it.value)) for it in uses] == [(8, [("CONTEXT", 24)])]


RETURNED = """\
static __attribute__((noinline)) struct outer *of(unsigned long long *ctx)
{
	return (void *)ctx[1];
}
SEC("fentry/vfs_read") int reads(unsigned long long *ctx)
{
	return (long)of(ctx)->inner;
}
"""


def test_what_a_function_returns_is_followed() -> None:
    ways = [way(it.value) for it in uses_of(RETURNED, UseKind.READ)]

    assert sorted(ways) == [[("CONTEXT", 8)], [("LOADED", 8), ("CONTEXT", 8)]]


OF_A_HELPER = """\
SEC("fentry/vfs_read") int reads(unsigned long long *ctx)
{
	struct outer *task = (void *)bpf_get_current_task();

	bpf_probe_read_kernel(&sink, sizeof(sink), &task->inner);
	return 0;
}
"""


def test_what_a_helper_returns_is_followed() -> None:
    (use,) = uses_of(OF_A_HELPER, UseKind.COPIED)

    assert use.value.origin is not None
    assert use.value.origin.kind is OriginKind.CALL
    assert (use.value.origin.helper, use.value.offset, use.size) == (35, 8, 4)


EITHER = """\
SEC("raw_tp/sched_switch") int reads(unsigned long long *ctx)
{
	struct outer *outer;

	if (ctx[0])
		outer = (void *)ctx[1];
	else
		outer = (void *)bpf_get_current_task();
	bpf_probe_read_kernel(&sink, sizeof(sink), &outer->inner);
	return 0;
}
"""


def test_a_use_needs_the_way_that_its_value_came() -> None:
    item = an_object(TYPES + EITHER)
    flow = found(item)
    code = {
        (section, index)
        for section, all_ in item.code.items()
        for index in range(len(all_))
    }
    (call,) = {
        it.value.origin.at
        for it in flow.uses
        if it.value.origin and it.value.origin.kind is OriginKind.CALL
    }

    def copied(reached: set[tuple[int, int]]) -> list[list[tuple[str, int]]]:
        return [way(it.value) for it in flow.on(reached) if it.kind is UseKind.COPIED]

    first, last = [("LOADED", 8), ("CONTEXT", 8)], [("CALL", 8)]
    assert sorted(copied(code)) == [last, first]
    assert copied(code - {call}) == [first]


LIST = """\
struct node { struct node *next; int number; } __attribute__((preserve_access_index));
SEC("raw_tp/sched_switch") int reads(unsigned long long *ctx)
{
	struct node *node = (void *)ctx[1];

	for (int i = 0; i < 100 && node; i++)
		bpf_probe_read_kernel(&node, sizeof(node), &node->next);
	return (long)node;
}
"""
# Without bounds that the compiler knows.
ADDS = """\
SEC("raw_tp/sched_switch") int reads(unsigned long long *ctx)
{
	char *at = (void *)ctx[1];

	for (int i = 0; i < sink; i++, at += 8)
		bpf_probe_read_kernel(&sink, sizeof(sink), at);
	return 0;
}
"""


@pytest.mark.parametrize("source", [LIST, ADDS])
def test_loops_end(source: str) -> None:
    flow = found(an_object(TYPES + source))

    assert flow.is_whole
    assert [("CONTEXT", 8)] in [way(it.value) for it in flow.uses]


def test_too_long_a_way_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataflow, "_MOST_VISITS", 5)
    flow = found(an_object(TYPES + READS))

    assert flow.uses == ()
    assert not flow.is_whole


BUFFER = """\
SEC("raw_tp/sched_switch") int reads(unsigned long long *ctx)
{
	char name[16];
	struct outer *outer = (void *)ctx[1];

	%s
	bpf_probe_read_kernel(&sink, sizeof(sink), &outer->inner);
	return name[3];
}
"""


@pytest.mark.parametrize(
    "call",
    [
        "bpf_get_current_comm(name, sizeof(name));",
        "bpf_probe_read_kernel_str(name, sizeof(name), outer);",
        "bpf_probe_read_kernel(name, sink & 15, outer);",
    ],
)
def test_helpers_that_write_to_the_stack_lose_no_argument(call: str) -> None:
    ways = [way(it.value) for it in uses_of(BUFFER % call, UseKind.COPIED)]

    assert [("LOADED", 8), ("CONTEXT", 8)] in ways


def test_poison_has_no_offset() -> None:
    item = an_object(TYPES + READS)
    flow = Flow(item, {it.name for it in item.programs})
    first = next(it for it in found(item).uses if it.kind is UseKind.COPIED)
    (at,) = first.value.relocations
    before = flow.insn(at)
    assert before is not None
    poison = type(before)(0x85, 0, 0, 0, 0xBAD2310)

    assert offset_on(first.value, flow, {at: poison}) is None
