"""Where values in registers and on the stack come from."""

import itertools
import os
import random
import subprocess
import sys

import pytest

from runner.bpf.object import BpfObject
from runner.preflight import dataflow
from runner.preflight.dataflow import (
    Interest,
    Use,
    UseKind,
    Worklist,
    followed,
    offset_on,
)
from runner.preflight.flowstate import FlowState
from runner.preflight.references import Address, Flow
from runner.preflight.values import (
    MANY,
    UNKNOWN,
    OriginKind,
    Value,
    ValueOrigin,
    Values,
    joined,
    sums,
)
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


BEHIND_KFUNC = """\
extern int bpf_kernels(int number) __ksym;
SEC("fentry/vfs_read") int reads(unsigned long long *ctx)
{
	bpf_kernels(1);
	return ctx[3];
}
"""


def test_the_context_is_followed_behind_calls_of_the_kernels_functions() -> None:
    uses = uses_of(BEHIND_KFUNC, UseKind.READ)

    assert [way(it.value) for it in uses] == [[("CONTEXT", 24)]]


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

    assert flow.given_up is None
    assert [("CONTEXT", 8)] in [way(it.value) for it in flow.uses]


def test_too_long_a_way_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataflow, "MOST_VISITS", 5)
    flow = found(an_object(TYPES + READS))

    assert flow.uses == ()
    assert flow.given_up is not None


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


KEPT = """\
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1);
	__type(key, int); __type(value, struct outer *); } kept SEC(".maps");
SEC("xdp") int reads(unsigned long long *ctx)
{
	int zero = 0;
	struct outer **place = bpf_map_lookup_elem(&kept, &zero);
	struct inner *inner = 0;

	if (!place)
		return ctx[1];
	bpf_probe_read_kernel(&inner, sizeof(inner), &(*place)->inner);
	bpf_probe_read_kernel(&sink, sizeof(sink), (void *)inner + 16);
	return 0;
}
"""


def test_of_no_interest_is_what_no_relocation_gives_a_type() -> None:
    item = an_object(TYPES + KEPT)
    flow = Flow(item, {it.name for it in item.programs})
    all_, some = (
        [it.value for it in followed(item, flow, interest=interest).uses]
        for interest in (None, Interest(contexts=(), helpers=()))
    )

    assert [("CONTEXT", 8)] in map(way, all_)
    assert {steps[-1][0] for steps in map(way, some)} == {"UNTYPED"}
    # What lies in a map has no type, until a member of it is read.
    (last,) = (it for it in some if it.offset == 16)
    assert last.origin is not None
    assert last.origin.base is not None
    assert last.origin.base.relocations


SHARED = """\
static __attribute__((noinline)) int shared(unsigned long long *ctx)
{
	unsigned long long sum = 0;

#pragma clang loop unroll(full)
	for (int i = 0; i < 200; i++) {
		if (ctx[0] == sink + i)
			sum += ctx[i & 7];
	}
	return sum;
}
"""
CALLER = 'SEC("fentry/a%d") int p%d(unsigned long long *ctx) { return shared(ctx); }\n'


def test_a_function_is_followed_once_for_all_of_its_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    callers = "".join(CALLER % (it, it) for it in range(6))
    item = an_object(TYPES + SHARED + callers)
    instructions = sum(map(len, item.code.values()))
    monkeypatch.setattr(dataflow, "MOST_VISITS", 2 * instructions)

    flow = found(item)

    assert instructions > 500
    assert flow.given_up is None
    assert len({it.value.origin for it in flow.uses}) == 6


class ShuffledWorklist(Worklist):
    """Gives any block that waits."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = random.Random(seed)

    def pop(self) -> Address:
        self._dice.shuffle(self._heap)
        leader = self._heap.pop()[2]
        self._waiting.discard(leader)
        return leader

    def add(self, rank: tuple[int, int], leader: Address) -> None:
        if leader not in self._waiting:
            self._waiting.add(leader)
            self._heap.append((*rank, leader))


# What a loop spills and reads again, of more values than are told apart, to places that
# depend on the way; and what the stack holds is written to through pointers.
TANGLED = """\
static __attribute__((noinline)) int deeper(unsigned long long *ctx, long *out)
{
	*out = ctx[5];
	return out[0] != sink;
}
SEC("raw_tp/sched_switch") int reads(unsigned long long *ctx)
{
	struct outer *all[6] = {}, *outer = (void *)ctx[0];
	long kept = 0;

	for (int i = 0; i < sink; i++) {
		struct outer **at = &all[i & 3];

		if (sink & 1)
			at = sink & 2 ? &all[1] : (void *)&kept;
		if (sink & 4)
			outer = (void *)ctx[1 + (sink & 8 ? 1 : 2)];
		else if (sink & 16)
			bpf_probe_read_kernel(at, sink & 32 ? 8 : 4, &outer->inner);
		*at = outer;
		asm volatile("" : : "r"(all) : "memory");
		outer = all[sink & 3 ? 2 : 1];
		bpf_probe_read_kernel(&sink, sizeof(sink), &outer->inner);
		if (deeper(ctx, &kept))
			outer = (void *)kept;
		bpf_probe_read_kernel(&sink, sizeof(sink), (void *)outer + 8 * i);
	}
	return 0;
}
"""


@pytest.mark.parametrize("source", [TANGLED, LIST, ADDS, CALLED, READS])
def test_the_order_of_the_way_changes_nothing(source: str) -> None:
    item = an_object(TYPES + source)
    flow = Flow(item, {it.name for it in item.programs})
    first = followed(item, flow)

    assert first.uses
    for seed in range(40):
        assert followed(item, flow, ShuffledWorklist(seed)) == first


def test_each_process_finds_the_same_in_the_same_order() -> None:
    program = "from tests.unit.preflight import test_dataflow as it; it.print_uses()"
    found = {
        subprocess.run(
            (sys.executable, "-c", program),
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }

    (text,) = found
    assert "COPIED" in text


def print_uses() -> None:
    for use in found(an_object(TYPES + TANGLED)).uses:
        print(use)


# ------------------------------------------------------------------ sets of values


def numbers(*all_: int) -> Values:
    return frozenset(Value(None, it) for it in all_)


ARGUMENT = Value(ValueOrigin(OriginKind.CONTEXT, (1, 0)), 0)
SETS = (
    MANY,
    UNKNOWN,
    numbers(1),
    numbers(2),
    numbers(1, 2),
    frozenset({ARGUMENT}),
    frozenset({ARGUMENT, None}),
    frozenset({ARGUMENT.moved(8), ARGUMENT.moved(16)}),
    frozenset(Value(ValueOrigin(OriginKind.CALL, (1, it)), 0) for it in range(8)),
)


def test_sets_are_joined_in_any_order() -> None:
    for a, b, c in itertools.product(SETS, repeat=3):
        assert joined(a, joined(b, c)) == joined(joined(a, b), c)
        assert joined(a, b) == joined(b, a)
        assert joined(a, a) == a


def is_below(a: Values, b: Values) -> bool:
    return joined(a, b) == b


def test_of_more_values_comes_no_less() -> None:
    def stored(values: Values, pointers: Values) -> FlowState:
        state = FlowState([UNKNOWN] * 11)
        state.store(-8, 8, frozenset({ARGUMENT}), sure=True)
        state.store(-16, 8, numbers(5), sure=True)
        if not pointers:
            state.store_anywhere(values)
        for it in pointers:
            state.store(it.offset if it else 0, 8, values, sure=len(pointers) == 1)
        return state

    places = (numbers(-8), numbers(-8, -16), numbers(-12), numbers(-12, -8), MANY)
    for a, b in itertools.product(SETS, repeat=2):
        for more in (it for it in SETS if is_below(a, it)):
            for minus in (False, True):
                assert is_below(sums(a, b, minus=minus), sums(more, b, minus=minus))
                assert is_below(sums(b, a, minus=minus), sums(b, more, minus=minus))
        for at, others in itertools.product(places, repeat=2):
            if is_below(a, b) and is_below(at, others):
                low, high = stored(a, at), stored(b, others)
                assert not high.join(low)
                for offset in (-8, -12, -16):
                    assert is_below(low.load(offset, 8), high.load(offset, 8))
