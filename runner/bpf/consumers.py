"""Which instruction needs what another one puts into a register.

Compilers load the offset of a field ahead of the line that needs it, and count that
instruction to whatever line is before.
"""

from collections.abc import Sequence

from runner.bpf import insn as op
from runner.bpf.insn import Insn

_CALL = op.JMP | op.CALL
_ARGUMENTS = frozenset(range(1, 6))
_JUMPS = (op.JMP, op.JMP32)
# Instructions that are looked at.
_FARTHEST = 64


def consumer_of(code: Sequence[Insn], index: int) -> int | None:
    """Return what reads or calls with the value that an instruction makes.

    `code` is a function. None where another way through it, the stack or the function's
    end comes first.
    """
    made = code[index]
    if made.op_class not in (op.ALU, op.ALU64) and made.code != op.LD_IMM64:
        return None
    held = {made.dst}
    for at in range(index + 1, min(index + _FARTHEST, len(code))):
        insn = code[at]
        if insn.code == _CALL:
            if held & _ARGUMENTS:
                return at
            held -= {0, *_ARGUMENTS}
        elif insn.op_class in _JUMPS:
            return at if _compares(insn, held) else None
        elif insn.op_class in (op.LDX, op.ST, op.STX):
            base = insn.src if insn.op_class == op.LDX else insn.dst
            if base in held:
                return at
            if insn.op_class == op.STX and insn.src in held:
                return at
            if insn.op_class == op.LDX:
                held.discard(insn.dst)
        elif insn.op_class in (op.ALU, op.ALU64):
            _compute(insn, held)
        elif insn.code == op.LD_IMM64:
            held.discard(insn.dst)
        if not held:
            return None
    return None


def _compares(insn: Insn, held: set[int]) -> bool:
    if insn.operation in (op.JA, op.CALL):
        return False
    if insn.operation == op.EXIT:
        return 0 in held
    return insn.dst in held or (bool(insn.code & op.X) and insn.src in held)


def _compute(insn: Insn, held: set[int]) -> None:
    from_register = bool(insn.code & op.X)
    if from_register and insn.src in held:
        held.add(insn.dst)
    elif insn.operation == op.MOV:
        held.discard(insn.dst)
