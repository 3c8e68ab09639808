"""The line that needs an offset, however far ahead the compiler loads it."""

import pytest

from runner.bpf import insn as op
from runner.bpf.consumers import consumer_of
from runner.bpf.insn import Insn
from tests.unit.preflight.made import an_object

HEAD = """\
#include <bpf/bpf_tracing.h>
struct thing { int id; int gone; struct thing *next; } CORE;
int sink, other;

#define READ_GONE(to, from) do { \\
    struct thing *thing_ = (void *)(from); \\
    (to) = BPF_CORE_READ(thing_, \\
                 gone); \\
} while (0)
#define FIELD_OF(from, \\
         field) \\
    BPF_CORE_READ((struct thing *)(from), \\
              field)

SEC("raw_tp/x") int reads(unsigned long long *ctx)
{
    struct thing *thing = (void *)ctx[0];

    sink = 1;
%s
    other = 7;
    bpf_printk("gone %%d", sink);
    return 0;
}
"""
INSIDE = """\
    READ_GONE(sink, // used here
          thing);"""
NAMED = """\
    sink = FIELD_OF( // used here
        thing,
        gone
    );"""
ONE_LINE = """\
    sink = BPF_CORE_READ(thing, gone); // used here"""
LIBBPFS = """\
    sink = BPF_CORE_READ(thing, // used here
                 next,
                 gone);"""
TESTED = """\
    if (bpf_core_field_exists( // used here
            thing->gone))
        sink = 4;"""


@pytest.mark.parametrize("body", [INSIDE, NAMED, ONE_LINE, LIBBPFS, TESTED])
def test_a_field_in_a_macro_is_told_where_the_macro_is_used(body: str) -> None:
    item = an_object(HEAD % body)

    lines = [item.line_reading(it, "gone") for it in item.relocations]

    assert lines
    for line in lines:
        assert line is not None
        assert line.text.endswith("// used here")


MOV, ADD = op.ALU64 | op.MOV, op.ALU64 | op.ADD | op.X
LOAD = op.LDX | 0x60 | 0x18


def test_the_value_is_followed_to_what_reads_it() -> None:
    offset = Insn(MOV, 1, 0, 0, 40)
    copies = Insn(MOV | op.X, 3, 6, 0, 0)
    adds = Insn(ADD, 3, 1, 0, 0)
    calls = Insn(op.JMP | op.CALL, 0, 0, 0, 4)
    loads = Insn(LOAD, 0, 3, 0, 0)
    forgets = Insn(MOV, 1, 0, 0, 0)
    elsewhere = Insn(op.JMP | op.JA, 0, 0, 0, 0)

    assert consumer_of([offset, copies, adds, calls], 0) == 3
    assert consumer_of([offset, copies, adds, loads], 0) == 3
    assert consumer_of([offset, forgets, copies, calls], 0) is None
    assert consumer_of([offset, elsewhere, adds, calls], 0) is None
    assert consumer_of([loads, calls], 0) is None
    assert consumer_of([offset], 0) is None
