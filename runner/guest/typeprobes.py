"""How a kernel shows which helpers, types of programs and types of maps it has.

To be changed together with RECIPE in runner/kernels/facts.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.facts.names import HELPERS, PROGRAM_TYPES
from runner.guest import bpfcalls as calls
from runner.guest.probe import Probe, version_code
from runner.versions import KernelVersion

_KPROBE = 2
_ARRAY, _STACK_TRACE, _LPM_TRIE = 2, 7, 11
# BPF_F_SLEEPABLE, BPF_F_NO_PREALLOC and BPF_F_MMAPABLE.
_SLEEPABLE, _NO_PREALLOC, _MMAPABLE = 1 << 4, 1, 1 << 10
_TRACE_FENTRY = 24
_RETURN = (
    Insn(op.ALU64 | op.MOV, 0, 0, 0, 0),
    Insn(op.JMP | op.EXIT, 0, 0, 0, 0),
)


def _call(helper: int) -> Insn:
    return Insn(op.JMP | op.CALL, 0, 0, 0, helper)


# ------------------------------------------------------------ helpers and types


def helpers() -> Mapping[int, Probe]:
    """Return the probes by numbers of helpers."""
    return {
        number: Probe(
            calls=(calls.program(_call(number), *_RETURN),),
            # A number that the kernel has none for.
            absent=(r"invalid func",),
            # Anything else is about how it is called, or by whom.
            present=(r"\S",),
        )
        for number in range(1, len(HELPERS))
    }


# Types of programs that many objects have, and whose helpers do not depend on what a
# program attaches to: socket_filter, kprobe, sched_cls, sched_act, tracepoint, xdp,
# perf_event, cgroup_skb, sock_ops and raw_tracepoint.
_CALLERS = (1, _KPROBE, 3, 4, 5, 6, 7, 8, 13, 17)
# bpf_trace_printk, bpf_probe_write_user and bpf_trace_vprintk: a kernel whose verifier
# sees one of them warns of it on its console.
_TOLD = (6, 36, 177)


def calls_of(version: KernelVersion) -> Mapping[tuple[int, int], Probe]:
    """Return the probes by types of programs and helpers that these may call."""
    return {
        (type_, helper): Probe(
            calls=(
                calls.program(
                    _call(helper), *_RETURN, type_=type_, version=version_code(version)
                ),
            ),
            # check_helper_call() of 4.4, 4.18 and 6.12.
            absent=(
                *(r"invalid func", r"unknown func"),
                r"program of this type cannot use helper",
            ),
            # It is about the arguments, and so the helper was found.
            present=(r"\bR\d\b",),
        )
        for type_ in _CALLERS
        for helper in range(1, len(HELPERS))
        if helper not in _TOLD
    }


# Attach types without which these are refused before they are looked at:
# cgroup_sock_addr, cgroup_sockopt, sk_lookup and netfilter.
_EXPECTED = {18: 10, 25: 21, 30: 36, 32: 45}
# Types that attach to something in BTF: tracing, struct_ops, ext and lsm. Without BTF
# the kernel refuses them in silence.
_IN_BTF = {26: _TRACE_FENTRY, 27: 0, 28: 0, 29: 27}
_SYSCALL = 31


def programs(version: KernelVersion) -> Mapping[int, Probe]:
    """Return the probes by numbers of program types."""
    return {
        number: Probe(
            calls=(
                calls.program(
                    *_RETURN,
                    type_=number,
                    attach_type=_EXPECTED.get(number, _IN_BTF.get(number, 0)),
                    flags=_SLEEPABLE if number == _SYSCALL else 0,
                    version=version_code(version),
                    attach_btf_id=1 if number in _IN_BTF else 0,
                ),
            ),
            # What is known is looked at, and refused in words.
            present=(r"\S",),
            # Before 5.0 another version than its own is refused in silence, too.
            silent=() if number in (_KPROBE, *_IN_BTF) else ("EINVAL",),
        )
        for number in range(1, len(PROGRAM_TYPES))
    }


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What a map of a type needs."""

    key: int = 4
    value: int = 4
    entries: int = 1
    flags: int = 0
    inner: bool = False


# By numbers of types, as map_alloc_check() of each wants them. Types that need BTF or
# what the kernel may have left out are not here: for them BTF alone tells.
_SHAPES: Mapping[int, _Shape] = {
    **{number: _Shape() for number in (*range(1, 7), 8, 9, 10)},
    _STACK_TRACE: _Shape(value=8),
    _LPM_TRIE: _Shape(key=8, flags=_NO_PREALLOC),
    12: _Shape(inner=True),
    13: _Shape(inner=True),
    14: _Shape(),
    15: _Shape(),
    16: _Shape(),
    18: _Shape(),
    # struct bpf_cgroup_storage_key.
    19: _Shape(key=16, value=8, entries=0),
    20: _Shape(value=8),
    21: _Shape(key=16, value=8, entries=0),
    22: _Shape(key=0),
    23: _Shape(key=0),
    25: _Shape(),
    # A page.
    27: _Shape(key=0, value=0, entries=4096),
    30: _Shape(key=0),
    31: _Shape(key=0, value=0, entries=4096),
    33: _Shape(key=0, value=0, flags=_MMAPABLE),
}


def maps() -> Mapping[int, Probe]:
    """Return the probes by numbers of map types."""
    return {number: _of_map(number, shape) for number, shape in _SHAPES.items()}


def _of_map(number: int, shape: _Shape) -> Probe:
    made = calls.create_map(
        number,
        key=shape.key,
        value=shape.value,
        entries=shape.entries,
        flags=shape.flags,
        inner=0 if shape.inner else None,
    )
    first = (calls.create_map(_ARRAY),) if shape.inner else ()
    return Probe(calls=(*first, made), silent=("EINVAL",))
