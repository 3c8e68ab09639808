"""BPF instructions, of objects in either byte order, of system calls and of dumps."""

import struct
from dataclasses import dataclass
from typing import Self

SIZE = 8

# Classes.
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)

# The source operand's flag: a register, not the immediate.
X = 0x08

# Operations of JMP.
JA, JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE, CALL, EXIT, JLT, JLE, JSLT, JSLE = range(
    0, 0xE0, 0x10
)

# Operations of ALU and ALU64.
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, MOD, XOR, MOV, ARSH, END = range(
    0, 0xE0, 0x10
)

LD_IMM64 = 0x18

# Bytes that a load or store moves, by the code's size bits.
ACCESS_SIZE = {0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8}

# What the src field of a call says.
CALL_HELPER, CALL_LOCAL, CALL_KFUNC = range(3)

# What the src field of LD_IMM64 says: BPF_PSEUDO_MAP_FD and BPF_PSEUDO_MAP_VALUE. The
# kernel shows the map's id there.
PSEUDO_MAPS = (1, 2)

# The call that libbpf puts in the place of what it could not relocate: "bad relo".
POISON_HELPER = 0xBAD2310


@dataclass(frozen=True, slots=True)
class Insn:
    """An instruction of eight bytes; LD_IMM64 is two of them, the second of code 0."""

    code: int
    dst: int
    src: int
    offset: int
    imm: int

    @property
    def op_class(self) -> int:
        """Return its class."""
        return self.code & 7

    @property
    def operation(self) -> int:
        """Return its operation, when it is of ALU or JMP."""
        return self.code & 0xF0

    @property
    def is_poison(self) -> bool:
        """Tell whether it is libbpf's mark for a failed relocation."""
        return self.code == JMP | CALL and self.imm == POISON_HELPER

    @property
    def jump(self) -> int | None:
        """Return how far behind the next instruction it may jump; None for no jump."""
        if self.code & 7 not in (JMP, JMP32) or self.code & 0xF0 in (CALL, EXIT):
            return None
        # In JMP32, which was added in v4, the immediate is the distance.
        far = self.code & 7 == JMP32 and self.code & 0xF0 == JA
        return self.imm if far else self.offset

    @property
    def constant(self) -> int | None:
        """Return what a relocation puts into it, if it can hold that."""
        if self.op_class in (LDX, ST, STX):
            return self.offset
        if self.op_class in (ALU, ALU64) and not self.code & X:
            return self.imm
        return self.imm if self.code == LD_IMM64 and not self.src else None

    @property
    def map_id(self) -> int | None:
        """Return the map whose address it loads: its id in the kernel's own dump."""
        of_a_map = self.code == LD_IMM64 and self.src in PSEUDO_MAPS
        return self.imm if of_a_map else None

    @property
    def word(self) -> int:
        """Return it as the engine takes it: a signed little-endian word."""
        word = (
            self.code
            | self.dst << 8
            | self.src << 12
            | (self.offset & 0xFFFF) << 16
            | (self.imm & 0xFFFFFFFF) << 32
        )
        return word - (1 << 64) if word >> 63 else word

    @classmethod
    def from_word(cls, word: int) -> Self:
        """Read what `word` gives."""
        code, registers, offset, imm = struct.unpack(
            "<BBhi", (word & (1 << 64) - 1).to_bytes(8, "little")
        )
        return cls(code, registers & 15, registers >> 4, offset, imm)


def decode(data: bytes, order: str = "<") -> tuple[Insn, ...]:
    """Decode instructions of a byte order, "<" or ">".

    Raises ValueError for bytes that are not whole instructions.
    """
    if len(data) % SIZE:
        raise ValueError(f"{len(data)} bytes are not a whole number of instructions")
    rows = struct.iter_unpack(order + "BBhi", data)
    if order == "<":
        return tuple(Insn(c, r & 15, r >> 4, off, imm) for c, r, off, imm in rows)
    return tuple(Insn(c, r >> 4, r & 15, off, imm) for c, r, off, imm in rows)
