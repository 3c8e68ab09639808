"""How a kernel shows each ability of runner/facts/abilities.py.

To be changed together with RECIPE in runner/kernels/facts.py.
"""

from collections.abc import Mapping

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.guest import bpfcalls as calls
from runner.guest.bpfcalls import BpfCall, Packed
from runner.guest.probe import Probe, version_code
from runner.versions import KernelVersion

# Types of programs and maps.
_SOCKET_FILTER, _KPROBE, _SCHED_CLS, _RAW_TRACEPOINT, _TRACING = 1, 2, 3, 17, 26
_HASH, _ARRAY, _PROG_ARRAY, _STACK_TRACE, _LPM_TRIE = 1, 2, 3, 7, 11
# BPF_F_SLEEPABLE, BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG and BPF_F_MMAPABLE.
_SLEEPABLE, _NO_PREALLOC, _RDONLY_PROG, _MMAPABLE = 1 << 4, 1, 1 << 7, 1 << 10
_TRACE_FENTRY = 24
# BPF_LOG_STATS.
_STATS = 4
# enum bpf_func_id.
_PROBE_READ, _SKB_STORE_BYTES, _GET_ATTACH_COOKIE = 4, 9, 174
# sizeof(struct __sk_buff) up to `hwtstamp`, and where `mark` stands.
_SKB_SIZE, _SKB_MARK = 192, 8
# Bytes of a packet: an Ethernet header and more.
_PACKET = bytes(64)
# Bytes of stack, of two functions too many for one stack of 512 bytes.
_STACK = 320
# In the kernel since 5.5, to be traced by its own tests.
_TRACED = "bpf_fentry_test1"


# -------------------------------------------------------------- instructions


def _insn(code: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> Insn:
    return Insn(code, dst, src, offset, imm)


def _set(dst: int, imm: int) -> Insn:
    return _insn(op.ALU64 | op.MOV, dst, imm=imm)


def _jump(operation: int, dst: int, imm: int, offset: int) -> Insn:
    return _insn(op.JMP | operation, dst, offset=offset, imm=imm)


def _call(helper: int) -> Insn:
    return _insn(op.JMP | op.CALL, imm=helper)


def _call_next(offset: int) -> Insn:
    return _insn(op.JMP | op.CALL, src=op.CALL_LOCAL, imm=offset)


def _store(offset: int, src: int) -> Insn:
    """Store 8 bytes of a register on the stack."""
    return _insn(op.STX | 0x60 | 0x18, 10, src, offset)


def _load(dst: int, src: int, offset: int) -> Insn:
    """Load 8 bytes."""
    return _insn(op.LDX | 0x60 | 0x18, dst, src, offset)


def _wide(dst: int, src: int = 0, imm: int = 0) -> tuple[Insn, Insn]:
    return _insn(op.LD_IMM64, dst, src, 0, imm), _insn(0)


_EXIT = _insn(op.JMP | op.EXIT)
_RETURN = (_set(0, 0), _EXIT)
_COPY = op.ALU64 | op.MOV | op.X


def _decided(*before: Insn, jump: Insn) -> Probe:
    """Return the probe of a branch that is always taken, over a read of nothing.

    A verifier that does not decide it walks on, and refuses the read.
    """
    return Probe(
        calls=(calls.program(*before, jump, _insn(_COPY, 0, 7), *_RETURN),),
        absent=(r"R7 !read_ok",),
    )


# ------------------------------------------------------------------ abilities

# Any program, on any kernel.
CONTROL = calls.program(*_RETURN)
# An int, as type 1.
_INT = Packed.of("IIII", 1, 1 << 24, 4, 1 << 24 | 32)
_NAMES = b"\0int\0x\0f\0"
# int f(int x), which is global.
_GLOBAL_FUNCTION = (
    _INT
    + Packed.of("IIIII", 0, 13 << 24 | 1, 1, 5, 1)
    + Packed.of("III", 7, 12 << 24 | 1, 2)
)
_OLD_WIDE = (r"unrecognized bpf_ld_imm64 insn", r"invalid bpf_ld_imm64 insn")


def abilities(version: KernelVersion) -> Mapping[str, Probe]:
    """Return the probes by the names of abilities; `version` is the kernel's own."""
    code = version_code(version)
    return {
        "large_programs": Probe(
            # More than that many lines would not fit into the log.
            calls=(calls.program(*[_set(0, 0)] * 4200, _EXIT, log_level=0),),
            silent=("E2BIG", "EINVAL"),
        ),
        "bounded_loops": Probe(
            calls=(
                calls.program(
                    _set(1, 4),
                    _insn(op.ALU64 | op.ADD, 1, imm=-1),
                    _jump(op.JNE, 1, 0, -2),
                    *_RETURN,
                ),
            ),
            absent=(r"back-edge from insn",),
        ),
        "subprograms": Probe(
            calls=(calls.program(_call_next(1), _EXIT, *_RETURN),),
            absent=(r"BPF_CALL uses reserved fields", r"unreachable insn"),
        ),
        "subprogram_addresses": Probe(
            calls=(calls.program(*_wide(1, 4, 3), *_RETURN, *_RETURN),),
            # It asks for the types of a function whose address is taken.
            present=(r"missing btf func_info",),
            absent=_OLD_WIDE,
        ),
        "global_functions": Probe(
            calls=(calls.load_btf(_GLOBAL_FUNCTION, _NAMES),), silent=("EINVAL",)
        ),
        "private_stacks": Probe(
            calls=(
                calls.program(
                    *(_set(1, 0), _store(-_STACK, 1), _call_next(1), _EXIT),
                    *(_set(1, 0), _store(-_STACK, 1), *_RETURN),
                    type_=_RAW_TRACEPOINT,
                ),
            ),
            absent=(r"combined stack size",),
        ),
        "jumps_v2": Probe(
            calls=(calls.program(_set(0, 0), _jump(op.JLT, 0, 1, 0), _EXIT),),
            absent=(r"invalid BPF_JMP opcode", r"unknown opcode"),
        ),
        "jumps_32": Probe(
            calls=(
                calls.program(_set(0, 0), _insn(op.JMP32 | op.JEQ, 0, imm=1), _EXIT),
            ),
            absent=(r"unknown insn class", r"unknown opcode"),
        ),
        "atomics": Probe(
            calls=(
                calls.program(
                    *(_set(1, 1), _store(-8, 1)),
                    # BPF_ATOMIC, BPF_ADD | BPF_FETCH.
                    _insn(op.STX | 0xC0 | 0x18, 10, 1, -8, 1),
                    *_RETURN,
                ),
            ),
            absent=(r"BPF_STX uses reserved fields", r"unknown opcode"),
        ),
        "instructions_v4": Probe(
            # A move that extends the sign, and a jump with a wide offset.
            calls=(
                calls.program(
                    _set(1, 1),
                    _insn(_COPY, 2, 1, 8),
                    _insn(op.JMP32 | op.JA),
                    *_RETURN,
                ),
            ),
            absent=(
                *(r"BPF_MOV uses reserved fields", r"unknown opcode"),
                r"unknown insn class",
            ),
        ),
        "sleepable": Probe(
            # No kernel lets this type sleep; those that know the flag say so.
            calls=(calls.program(*_RETURN, flags=_SLEEPABLE),),
            present=(r"be sleepable",),
            silent=("EINVAL", "E2BIG"),
        ),
        "trampolines": Probe(
            calls=(
                calls.program(
                    *_RETURN,
                    type_=_TRACING,
                    attach_type=_TRACE_FENTRY,
                    function=_TRACED,
                ),
                BpfCall(
                    command=calls.RAW_TRACEPOINT_OPEN,
                    attribute=bytes(16),
                    descriptors=(calls.Descriptor(at=8, of=0),),
                ),
            ),
            # ENOTSUPP: the architecture has none.
            silent=("524",),
        ),
        "uninitialised_buffers": Probe(
            calls=(
                calls.program(
                    _insn(_COPY, 1, 10),
                    _insn(op.ALU64 | op.ADD, 1, imm=-8),
                    *(_set(2, 8), _set(3, 0), _call(_PROBE_READ), *_RETURN),
                    type_=_KPROBE,
                    version=code,
                ),
            ),
            absent=(r"invalid indirect read from stack",),
        ),
        "uninitialised_stack": Probe(
            calls=(calls.program(_load(0, 10, -8), _EXIT),),
            absent=(r"invalid read from stack",),
        ),
        "global_data": Probe(
            calls=(
                calls.create_map(_ARRAY),
                calls.program(*_wide(1, 2), *_RETURN, maps=((0, 0),)),
            ),
            absent=_OLD_WIDE,
        ),
        "readonly_data": Probe(
            calls=(calls.create_map(_ARRAY, flags=_RDONLY_PROG),), silent=("EINVAL",)
        ),
        "long_hash_keys": Probe(
            calls=(calls.create_map(_HASH, key=513),), silent=("E2BIG",)
        ),
        "walks_tries": Probe(
            calls=(
                calls.create_map(_LPM_TRIE, key=8, flags=_NO_PREALLOC),
                calls.of_map(calls.MAP_NEXT_KEY, 0, key=bytes(8), value=bytes(8)),
            ),
            errors=("ENOENT",),
            silent=("524",),
        ),
        "walks_stacks": Probe(
            calls=(
                calls.create_map(_STACK_TRACE, value=8),
                calls.of_map(calls.MAP_NEXT_KEY, 0, key=bytes(4), value=bytes(4)),
            ),
            errors=("ENOENT",),
            silent=("EINVAL",),
        ),
        "program_array_ids": Probe(
            calls=(
                calls.create_map(_PROG_ARRAY),
                CONTROL,
                calls.of_map(calls.MAP_UPDATE, 0, key=bytes(4), program=1),
                calls.of_map(calls.MAP_LOOKUP, 0, key=bytes(4), value=bytes(8)),
            ),
            # ENOTSUPP, or no such thing at all.
            silent=("524", "ENOENT", "EINVAL"),
        ),
        "test_runs": Probe(
            calls=(
                calls.program(*_RETURN, type_=_SCHED_CLS),
                calls.run_test(0, _PACKET),
            ),
            silent=("EINVAL",),
        ),
        "test_run_contexts": Probe(
            calls=(
                calls.program(*_RETURN, type_=_SCHED_CLS),
                calls.run_test(0, _PACKET, Packed.of(f"{_SKB_SIZE}x")),
            ),
            silent=("EINVAL", "E2BIG"),
        ),
        "test_run_marks": Probe(
            calls=(
                calls.program(*_RETURN, type_=_SCHED_CLS),
                calls.run_test(
                    0,
                    _PACKET,
                    Packed.of(f"{_SKB_MARK}xI", 41).ljust(_SKB_SIZE),
                ),
            ),
            silent=("EINVAL", "E2BIG"),
        ),
        "ids": Probe(
            calls=(
                CONTROL,
                BpfCall(command=calls.PROG_NEXT_ID, attribute=bytes(12)),
            ),
            errors=("ENOENT",),
            silent=("EINVAL",),
        ),
        "btf": Probe(calls=(calls.load_btf(_INT, _NAMES),), silent=("EINVAL",)),
        "map_btf": Probe(
            calls=(
                calls.load_btf(_INT, _NAMES),
                calls.create_map(_ARRAY, btf=0),
            ),
            silent=("EINVAL", "E2BIG"),
        ),
        "verifier_verdicts": Probe(
            calls=(calls.program(*_RETURN, log_level=_STATS),), silent=("EINVAL",)
        ),
        "raw_tracepoints": Probe(
            calls=(
                BpfCall(
                    command=calls.RAW_TRACEPOINT_OPEN,
                    attribute=Packed.of("QiI", 0, -1, 0),
                ),
            ),
            errors=("EBADF", "EFAULT"),
            silent=("EINVAL",),
        ),
        "attach_cookies": Probe(
            calls=(
                calls.program(
                    _call(_GET_ATTACH_COOKIE), *_RETURN, type_=_KPROBE, version=code
                ),
            ),
            absent=(r"(invalid|unknown) func",),
        ),
        # The fix of dead poison is what decides these two ways, c131187db2d3.
        "dead_poison": _decided(_set(1, 1), jump=_jump(op.JNE, 1, 0, 1)),
        "decides_ldimm64": _decided(*_wide(1), jump=_jump(op.JEQ, 1, 0, 1)),
        "decides_computed": _decided(
            _set(1, 1),
            _insn(op.ALU64 | op.ADD, 1, imm=-1),
            jump=_jump(op.JEQ, 1, 0, 1),
        ),
        "decides_orders": _decided(_set(1, 5), jump=_jump(op.JGT, 1, 3, 1)),
        "decides_registers": _decided(
            _set(1, 1),
            _set(2, 1),
            jump=_insn(op.JMP | op.JEQ | op.X, 1, 2, 1),
        ),
        "decides_spilled": _decided(
            *(_set(1, 1), _store(-8, 1), _load(2, 10, -8)),
            jump=_jump(op.JEQ, 2, 1, 1),
        ),
        "decides_readonly": Probe(
            calls=(
                calls.create_map(_ARRAY, value=8, flags=_RDONLY_PROG),
                calls.of_map(calls.MAP_FREEZE, 0),
                calls.program(
                    *_wide(1, 2),
                    _load(2, 1, 0),
                    _jump(op.JEQ, 2, 0, 1),
                    _insn(_COPY, 0, 7),
                    *_RETURN,
                    maps=((0, 0),),
                ),
            ),
            absent=(r"R7 !read_ok",),
        ),
        "names_wrong_types": Probe(
            calls=(calls.program(_call(_SKB_STORE_BYTES), *_RETURN),),
            present=(r"program of this type cannot use helper",),
            absent=(r"unknown func",),
        ),
    }
