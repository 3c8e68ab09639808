"""What a kernel has, found out by trying it, as `bpftool feature probe` does.

Each probe is some calls of bpf(2), of which the last one decides. A kernel that refuses
it for another reason than the one that is known for kernels without the feature has not
said anything: that is unknown, and never absent.
"""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from runner import timeouts
from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.facts.model import Facts, Presence
from runner.facts.names import HELPERS, PROGRAM_TYPES
from runner.guest import bpfcalls as calls
from runner.guest.agent import AgentSession, BpfAnswer
from runner.guest.bpfcalls import BpfCall
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
# A function that libbpf looks for, too.
_WRAPPER = "kprobe/__x64_sys_bpf"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Calls that show whether a kernel has something."""

    # The last one decides; those before give what it needs.
    calls: tuple[BpfCall, ...]
    # What the log says where the feature is missing, as regular expressions.
    absent: tuple[str, ...] = ()
    # What it says where the feature is there, though the call is refused.
    present: tuple[str, ...] = ()
    # Errors without a word in the log where it is missing, or there.
    silent: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    def judge(self, answers: Sequence[BpfAnswer]) -> Presence:
        """Return what the answers to its calls say."""
        *before, last = answers
        if not all(it.done for it in before):
            return Presence.UNKNOWN
        if not last.done and _says(last.log, self.absent):
            return Presence.ABSENT
        if last.done or _says(last.log, self.present) or last.errno in self.errors:
            return Presence.PRESENT
        if not last.log.strip() and last.errno in self.silent:
            return Presence.ABSENT
        return Presence.UNKNOWN


def _says(log: str, patterns: Sequence[str]) -> bool:
    return any(re.search(it, log) for it in patterns)


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
_CONTROL = calls.program(*_RETURN)
# An int, as type 1.
_INT = struct.pack("<IIII", 1, 1 << 24, 4, 1 << 24 | 32)
_NAMES = b"\0int\0x\0f\0"
# int f(int x), which is global.
_GLOBAL_FUNCTION = (
    _INT
    + struct.pack("<IIIII", 0, 13 << 24 | 1, 1, 5, 1)
    + struct.pack("<III", 7, 12 << 24 | 1, 2)
)
_OLD_WIDE = (r"unrecognized bpf_ld_imm64 insn", r"invalid bpf_ld_imm64 insn")


def abilities(version: KernelVersion) -> Mapping[str, Probe]:
    """Return the probes by the names of abilities; `version` is the kernel's own."""
    code = _version_code(version)
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
                _CONTROL,
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
                calls.run_test(0, _PACKET, bytes(_SKB_SIZE)),
            ),
            silent=("EINVAL", "E2BIG"),
        ),
        "test_run_marks": Probe(
            calls=(
                calls.program(*_RETURN, type_=_SCHED_CLS),
                calls.run_test(
                    0,
                    _PACKET,
                    (bytes(_SKB_MARK) + struct.pack("<I", 41)).ljust(_SKB_SIZE, b"\0"),
                ),
            ),
            silent=("EINVAL", "E2BIG"),
        ),
        "ids": Probe(
            calls=(
                _CONTROL,
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
                    attribute=struct.pack("<QiI", 0, -1, 0),
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


def _version_code(version: KernelVersion) -> int:
    """Return LINUX_VERSION_CODE."""
    major, minor, patch = version.filled()
    return major << 16 | minor << 8 | min(patch, 255)


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
                    version=_version_code(version),
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


# ----------------------------------------------------------------- finding out


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """All probes of a kernel, by what they are of."""

    control: Mapping[str, Probe]
    abilities: Mapping[str, Probe]
    programs: Mapping[int, Probe]
    maps: Mapping[int, Probe]
    helpers: Mapping[int, Probe]

    @property
    def probes(self) -> tuple[Probe, ...]:
        """All of them, in one order."""
        named = (*self.control.values(), *self.abilities.values())
        types = (*self.programs.values(), *self.maps.values())
        return (*named, *types, *self.helpers.values())

    @property
    def calls(self) -> Iterator[BpfCall]:
        """The calls of all, one after the other."""
        count = 0
        for probe in self.probes:
            yield from (it.after(count) for it in probe.calls)
            count += len(probe.calls)


def find_out(agent: AgentSession, release: str, version: KernelVersion) -> Facts:
    """Return what a kernel has that is up, as it says itself.

    A kernel that does not accept the simplest program and map says nothing. Raises
    AgentError, and GuestError for a guest that is lost.
    """
    wanted = _Wanted(
        control={
            "program": Probe(calls=(_CONTROL,)),
            "map": Probe(calls=(calls.create_map(_ARRAY),)),
        },
        abilities=abilities(version),
        programs=programs(version),
        maps=maps(),
        helpers=helpers(),
    )
    replies = agent.bpf([*wanted.calls], timeout=timeouts.PROBES.seconds)
    (wrapped,) = agent.has_targets([_WRAPPER], timeout=timeouts.READ.seconds)
    found = judged(wanted, replies.answers)
    if any(found[it] is not Presence.PRESENT for it in wanted.control.values()):
        return Facts(release=release)
    return Facts(
        release=release,
        abilities={**_known(wanted.abilities, found), "syscall_wrappers": wrapped},
        programs=_known(wanted.programs, found),
        maps=_known(wanted.maps, found),
        helpers=_known(wanted.helpers, found),
        milliseconds=replies.duration_us / 1000,
    )


def judged(wanted: _Wanted, answers: Sequence[BpfAnswer]) -> Mapping[Probe, Presence]:
    """Return what the answers to all calls say of each probe."""
    left = iter(answers)
    return {it: it.judge([next(left) for _ in it.calls]) for it in wanted.probes}


_Key = TypeVar("_Key", int, str)


def _known(
    probes: Mapping[_Key, Probe], found: Mapping[Probe, Presence]
) -> dict[_Key, bool]:
    """Return what is known of probes, without what the kernel did not decide."""
    return {
        key: found[probe] is Presence.PRESENT
        for key, probe in probes.items()
        if found[probe] is not Presence.UNKNOWN
    }
