"""How the code of several builds of one source differs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.bpf.object import BpfObject

# Modes of loads and stores, by the code's mode bits.
_MODE = 0xE0
_MEMSX, _ATOMIC = 0x80, 0xC0

_BY_CLASS = {
    op.LD: "constants of 64 bits",
    op.LDX: "loads",
    op.ST: "stores",
    op.STX: "stores",
    op.ALU: "32-bit arithmetic",
    op.JMP: "jumps",
    op.JMP32: "32-bit jumps",
    op.ALU64: "64-bit arithmetic",
}
_SHIFTS = (op.LSH, op.RSH, op.ARSH)


@dataclass(frozen=True, kw_only=True)
class ProgramCode:
    """A program's code in one build."""

    program: str
    # What the build is called; empty for the source's own.
    build: str
    # Of eight bytes each.
    instructions: int
    # How many of each kind there are.
    kinds: Mapping[str, int]

    def beside(self, other: "ProgramCode") -> dict[str, int]:
        """Return how many more of each kind there are than in another build.

        Kinds of which there are as many are left out.
        """
        names = dict.fromkeys([*other.kinds, *self.kinds])
        found = {it: self.kinds.get(it, 0) - other.kinds.get(it, 0) for it in names}
        return {name: more for name, more in found.items() if more}


def codes(build: str, item: BpfObject) -> list[ProgramCode]:
    """Return the code of each program and function of an object, in its order."""
    return [_code(build, it.name, item.insns(it)) for it in item.functions]


def by_program(built: Sequence[Sequence[ProgramCode]]) -> list[list[ProgramCode]]:
    """Return each program's builds, in the order of the builds."""
    found: dict[str, list[ProgramCode]] = {}
    for one in built:
        for it in one:
            found.setdefault(it.program, []).append(it)
    return list(found.values())


def _code(build: str, name: str, insns: Sequence[Insn]) -> ProgramCode:
    # The second half of a constant of 64 bits has the code 0.
    kinds = Counter(kind_of(it) for it in insns if it.code)
    return ProgramCode(
        program=name, build=build, instructions=len(insns), kinds=dict(kinds)
    )


def kind_of(insn: Insn) -> str:
    """Return what an instruction is, as far as instruction sets differ by it."""
    mode = insn.code & _MODE
    match insn.op_class:
        case op.LDX if mode == _MEMSX:
            return "sign-extending loads"
        case op.STX if mode == _ATOMIC:
            return "atomics"
        case op.JMP if insn.operation == op.CALL:
            return "calls"
        case op.JMP32 if insn.operation == op.JA:
            return "long jumps"
        case op.ALU | op.ALU64 if insn.operation == op.MOV and insn.offset:
            return "sign-extending moves"
        case op.ALU64 if insn.operation == op.END:
            return "byte swaps"
        case op.ALU64 if insn.operation in _SHIFTS:
            return "64-bit shifts"
    return _BY_CLASS[insn.op_class]
