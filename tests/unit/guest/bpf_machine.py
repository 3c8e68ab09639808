"""BPF instructions, and a small machine that runs them, for tests of rewriting."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

U64 = (1 << 64) - 1
U32 = (1 << 32) - 1
# What libbpf puts in place of a relocation that it can't resolve.
POISON = 0xBAD2310
# References to maps' values: BPF_PSEUDO_MAP_VALUE.
MAP_VALUE = 2
# Where the machine keeps its stack and its data sections.
STACK_TOP = 0x7000_0000_0000
DATA_BASE = 0x1000_0000_0000

ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, MOD, XOR, MOV, ARSH = range(0, 0xD0, 0x10)
JA, JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE = range(0, 0x80, 0x10)
JLT, JLE, JSLT, JSLE = range(0xA0, 0xE0, 0x10)
COMPARISONS = (JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE, JLT, JLE, JSLT, JSLE)
# Kernels do not agree on division by zero, nor on shifts that are too wide.
OPERATIONS = (ADD, SUB, MUL, OR, AND, XOR, MOV, NEG)
SHIFTS = (LSH, RSH, ARSH)
SIZES = {"b": (0x10, 1), "h": (0x08, 2), "w": (0x00, 4), "dw": (0x18, 8)}
_BY_SIZE = dict(SIZES.values())


@dataclass(frozen=True)
class Insn:
    """struct bpf_insn."""

    code: int
    dst: int = 0
    src: int = 0
    off: int = 0
    imm: int = 0

    def pack(self) -> bytes:
        return struct.pack(
            "<BBhI", self.code, self.dst | self.src << 4, self.off, self.imm & U32
        )

    @classmethod
    def unpack(cls, data: bytes) -> "Insn":
        code, registers, off, imm = struct.unpack("<BBhi", data)
        return cls(code, registers & 15, registers >> 4, off, imm)


def unpack_all(data: bytes) -> list[Insn]:
    return [Insn.unpack(data[at : at + 8]) for at in range(0, len(data), 8)]


def alu(op: int, dst: int, imm: int, *, bits: int = 64) -> Insn:
    return Insn((7 if bits == 64 else 4) | op, dst, imm=imm)


def alu_reg(op: int, dst: int, src: int, *, bits: int = 64) -> Insn:
    return Insn((0xF if bits == 64 else 0xC) | op, dst, src)


def mov(dst: int, imm: int) -> Insn:
    return alu(MOV, dst, imm)


def jump(op: int, dst: int, imm: int, off: int, *, bits: int = 64) -> Insn:
    return Insn((5 if bits == 64 else 6) | op, dst, off=off, imm=imm)


def jump_reg(op: int, dst: int, src: int, off: int, *, bits: int = 64) -> Insn:
    return Insn((0xD if bits == 64 else 0xE) | op, dst, src, off=off)


def load(size: str, dst: int, src: int, off: int) -> Insn:
    return Insn(0x61 | SIZES[size][0], dst, src, off)


def store(size: str, dst: int, off: int, src: int) -> Insn:
    return Insn(0x63 | SIZES[size][0], dst, src, off)


def call(helper: int) -> Insn:
    return Insn(0x85, imm=helper)


def wide(dst: int, value: int, *, src: int = 0) -> list[Insn]:
    """Return a ldimm64; for MAP_VALUE the low half is the reference."""
    return [
        Insn(0x18, dst, src, imm=_signed(value, 32)),
        Insn(0, imm=_signed(value >> 32, 32)),
    ]


def data_address(dst: int, reference: int, offset: int) -> list[Insn]:
    return [Insn(0x18, dst, MAP_VALUE, imm=reference), Insn(0, imm=offset)]


NOP = Insn(5)
EXIT = Insn(0x95)
POISONED = call(POISON)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


@dataclass(frozen=True)
class Event:
    """What the outside sees of a program: a call with its arguments, or the end."""

    what: str
    values: tuple[int, ...] = ()


@dataclass
class Machine:
    """Runs instructions and notes what the outside sees of them.

    A helper returns what its number and its arguments say, and spoils r1 to r5.
    """

    insns: Sequence[Insn]
    # Reference → bytes.
    data: Mapping[int, bytes]
    arguments: Mapping[int, int]
    context: int = 0
    stack: dict[int, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def run(self, limit: int = 2000) -> list[Event]:
        registers = [0xDEAD0000 + i for i in range(11)]
        registers[1] = self.context
        registers[10] = STACK_TOP
        at = 0
        for _ in range(limit):
            following = self._step(at, registers)
            if following is None:
                return self.events
            at = following
        self.events.append(Event("too long"))
        return self.events

    def _step(self, at: int, registers: list[int]) -> int | None:
        insn = self.insns[at]
        class_ = insn.code & 7
        if insn.code == 0x18:
            registers[insn.dst] = self._wide(at)
            return at + 2
        if class_ in (4, 7):
            registers[insn.dst] = calculate(insn, registers)
        elif class_ == 1:
            registers[insn.dst] = self._load(registers[insn.src] + insn.off, insn)
        elif class_ == 3:
            self._store(registers[insn.dst] + insn.off, insn, registers[insn.src])
        elif class_ == 2:
            self._store(registers[insn.dst] + insn.off, insn, insn.imm & U64)
        elif insn.code == 0x95:
            self.events.append(Event("exit", (registers[0],)))
            return None
        elif insn.code == 0x85:
            return self._call(at, insn.imm, registers)
        elif insn.code & 0xF0 == JA or jumps(insn, registers):
            return at + 1 + insn.off
        return at + 1

    def _wide(self, at: int) -> int:
        first, second = self.insns[at], self.insns[at + 1]
        if first.src == MAP_VALUE:
            return address_of(first.imm, second.imm)
        return (first.imm & U32) | (second.imm & U32) << 32

    def _call(self, at: int, helper: int, registers: list[int]) -> int | None:
        count = self.arguments.get(helper, 5)
        given = tuple(registers[1 : count + 1])
        if helper == POISON:
            self.events.append(Event(f"poison at {at}"))
            return None
        self.events.append(Event(f"call {helper}", given))
        registers[0] = hash((helper, given)) & 0xFF
        for register in range(1, 6):
            registers[register] = 0xBAD00000 + register
        return at + 1

    def _load(self, address: int, insn: Insn) -> int:
        size = _BY_SIZE[insn.code & 0x18]
        address &= U64
        for reference, content in self.data.items():
            start = address - address_of(reference, 0)
            if 0 <= start < len(content):
                return int.from_bytes(content[start : start + size], "little")
        taken = bytes(self.stack.get(address + i, 0xA5) for i in range(size))
        return int.from_bytes(taken, "little")

    def _store(self, address: int, insn: Insn, value: int) -> None:
        address &= U64
        for i in range(_BY_SIZE[insn.code & 0x18]):
            self.stack[address + i] = value >> 8 * i & 0xFF


def address_of(reference: int, offset: int) -> int:
    return DATA_BASE + (reference & 0xFFFF) * 0x10000 + (offset & U32)


def calculate(insn: Insn, registers: Sequence[int]) -> int:
    """Return what an arithmetic instruction gives."""
    bits = 64 if insn.code & 7 == 7 else 32
    mask = (1 << bits) - 1
    a = registers[insn.dst] & mask
    b = (registers[insn.src] if insn.code & 8 else insn.imm) & mask
    results = {
        ADD: lambda: a + b,
        SUB: lambda: a - b,
        MUL: lambda: a * b,
        DIV: lambda: a // b if b else 0,
        OR: lambda: a | b,
        AND: lambda: a & b,
        LSH: lambda: a << (b % bits),
        RSH: lambda: a >> (b % bits),
        NEG: lambda: -a,
        MOD: lambda: a % b if b else a,
        XOR: lambda: a ^ b,
        MOV: lambda: b,
        ARSH: lambda: _signed(a, bits) >> (b % bits),
    }
    return results[insn.code & 0xF0]() & mask


def jumps(insn: Insn, registers: Sequence[int]) -> bool:
    """Whether a conditional jump is taken."""
    bits = 64 if insn.code & 7 == 5 else 32
    mask = (1 << bits) - 1
    a = registers[insn.dst] & mask
    b = (registers[insn.src] if insn.code & 8 else insn.imm) & mask
    x, y = _signed(a, bits), _signed(b, bits)
    return {
        JEQ: a == b,
        JNE: a != b,
        JGT: a > b,
        JGE: a >= b,
        JLT: a < b,
        JLE: a <= b,
        JSET: bool(a & b),
        JSGT: x > y,
        JSGE: x >= y,
        JSLT: x < y,
        JSLE: x <= y,
    }[insn.code & 0xF0]


def walked_by_old_verifier(insns: Sequence[Insn]) -> set[int]:
    """Return the instructions that 4.4's verifier visits.

    It knows constants of `mov reg, imm` only, copies of registers, and skips a side of
    a jump only for JEQ and JNE against an equal immediate (check_cond_jmp_op()).
    """
    visited: set[int] = set()
    seen: set[tuple[int, tuple[int | None, ...]]] = set()
    waiting: list[tuple[int, tuple[int | None, ...]]] = [(0, (None,) * 11)]
    while waiting:
        state = waiting.pop()
        if state in seen:
            continue
        seen.add(state)
        at, known = state
        visited.add(at)
        insn = insns[at]
        after = list(known)
        if insn.code == 0x95:
            continue
        if insn.code & 7 in (4, 7):
            after[insn.dst] = None
            if insn.code & 0xF8 == MOV:
                after[insn.dst] = insn.imm
            elif insn.code == 0xBF:
                after[insn.dst] = known[insn.src]
        elif insn.code in (0x18, 0x61, 0x69, 0x71, 0x79):
            after[insn.dst] = None
        elif insn.code == 0x85:
            after[0:6] = [None] * 6
        following = [at + (2 if insn.code == 0x18 else 1)]
        if insn.code == 0x05:
            following = [at + 1 + insn.off]
        elif insn.code & 7 in (5, 6) and insn.code != 0x85:
            equal = insn.code & 8 == 0 and known[insn.dst] == insn.imm
            if insn.code == 0x15 and equal:
                following = [at + 1 + insn.off]
            elif not (insn.code == 0x55 and equal):
                following.append(at + 1 + insn.off)
        waiting += [(place, tuple(after)) for place in following]
    return visited


def with_offset(insn: Insn, off: int) -> Insn:
    return replace(insn, off=off)
