"""The blocks of a function, decoded once for all times that dataflow follows them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.preflight.references import Address
from runner.preflight.values import UNKNOWN, OriginKind, Value, ValueOrigin, Values

CALL = op.JMP | op.CALL
FRAME_POINTER = 10
_REGISTERS = 11
_JUMPS = (op.JMP, op.JMP32)


class StepAction(IntEnum):
    """What an instruction does to registers and the stack."""

    # Its destination holds what nobody knows.
    FORGET = 0
    # It holds what another register does, or the lower half of that.
    MOVE = 1
    MOVE_HALF = 2
    # It holds `Step.operand`.
    SET = 3
    # A register, or `Step.operand`, is added or taken away.
    ADD = 4
    LOAD = 5
    STORE = 6
    # A helper or kfunc is called.
    CALL = 7
    # LD_ABS and LD_IND call a helper.
    SCRATCH = 8
    # The address of a function is taken.
    CALLBACK = 9


def _action_of(code: int) -> StepAction | None:
    """Return what instructions of a code do, which have a register to write to."""
    class_, operation = code & 7, code & 0xF0
    if class_ == op.LDX:
        return StepAction.LOAD
    if code == op.LD_IMM64:
        return StepAction.SET
    if class_ not in (op.ALU, op.ALU64):
        return None
    wide = class_ == op.ALU64
    if operation == op.MOV:
        if not code & op.X:
            return StepAction.SET
        return StepAction.MOVE if wide else StepAction.MOVE_HALF
    if operation in (op.ADD, op.SUB) and wide:
        return StepAction.ADD
    return StepAction.FORGET


_ACTIONS = [_action_of(code) for code in range(256)]
# Those that add an immediate, or take it away.
_ADDS = frozenset({op.ALU64 | op.ADD, op.ALU64 | op.SUB})
# Codes of what may end a block.
_LEAVING = frozenset(it for it in range(256) if it & 7 in _JUMPS)

# What an instruction does, where it is, itself, and the number that it works with:
# UNKNOWN where a register holds that.
Step = tuple[StepAction, Address, Insn, Values]


@dataclass(frozen=True, slots=True)
class Block:
    """Instructions that follow each other, whichever way led there."""

    steps: tuple[Step, ...]
    # The jump, exit or call of the object's own function behind them; None where the
    # next block follows.
    last: tuple[Address, Insn] | None
    # The blocks that it may lead to in its function. They may lie outside.
    ways: tuple[Address, ...]
    # How many instructions these are.
    size: int


@dataclass(frozen=True, kw_only=True)
class References:
    """What a symbol or relocation makes of an instruction."""

    relocated: frozenset[Address] | set[Address]
    is_reference: Callable[[Address], bool]
    is_callback: Callable[[Address], bool]
    # What is defined elsewhere, by the instruction that refers to it.
    externs: Mapping[Address, str]
    # What takes the address of a map or variable that holds the kernel's pointers.
    holders: Collection[Address]


def ways(index: int, insn: Insn) -> tuple[int, ...] | None:
    """Return where a jump, an exit or a call in the object may lead to in its function.

    None for what ends no block.
    """
    if insn.code == CALL:
        return (index + 1,) if insn.src == op.CALL_LOCAL else None
    if insn.operation == op.EXIT:
        return ()
    target = index + 1 + (insn.jump or 0)
    return (target,) if insn.operation == op.JA else (target, index + 1)


def blocks_of(
    section: int, code: Sequence[Insn], start: int, end: int, refers: References
) -> dict[Address, Block]:
    """Return the blocks of `code[start:end]` by their leaders, in reverse postorder.

    Behind these is what nothing from the start leads to.
    """
    leaving: dict[int, tuple[int, ...]] = {}
    leaders = {start}
    for index in range(start, end):
        if code[index].code in _LEAVING:
            found = ways(index, code[index])
            if found is not None:
                leaving[index] = found
                leaders.update(found)
                # What is behind an exit is another block, if it is anything.
                leaders.add(index + 1)
    inside = sorted(it for it in leaders if start <= it < end)
    following: dict[int, tuple[int, ...]] = {}
    blocks = {}
    for leader, stop in zip(inside, [*inside[1:], end], strict=True):
        last = stop - 1 if stop - 1 in leaving else None
        upto = stop if last is None else last
        ways_ = (stop,) if last is None else leaving[last]
        following[leader] = ways_
        blocks[leader] = Block(
            _steps(section, code, leader, upto, refers),
            None if last is None else ((section, last), code[last]),
            tuple([(section, it) for it in ways_]),
            stop - leader,
        )
    return {(section, it): blocks[it] for it in _ordered(start, following)}


def _ordered(start: int, following: dict[int, tuple[int, ...]]) -> list[int]:
    done: dict[int, None] = {}
    entered = {start}
    # The far side first, so that what follows comes first in reverse.
    stack = [(start, list(following.get(start, ())))]
    while stack:
        block, rest = stack[-1]
        while rest:
            step = rest.pop(0)
            if step not in entered and step in following:
                entered.add(step)
                stack.append((step, list(following[step])))
                break
        else:
            stack.pop()
            done[block] = None
    return [
        *(it for it in reversed(done) if it in following),
        *(it for it in following if it not in done),
    ]


def _steps(
    section: int, code: Sequence[Insn], start: int, end: int, refers: References
) -> tuple[Step, ...]:
    found: list[Step] = []
    index = start
    relocated = refers.relocated
    while index < end:
        insn = code[index]
        at, action = (section, index), _ACTIONS[insn.code]
        index += 1
        if action is None or insn.dst >= FRAME_POINTER or insn.src > FRAME_POINTER:
            step = _other(at, insn, refers)
            if step is not None:
                found.append(step)
        elif action is StepAction.SET or insn.code in _ADDS:
            relocation = (at,) if at in relocated else ()
            if insn.code == op.LD_IMM64:
                found.append(_wide(at, insn, code, refers))
                index += 1
            else:
                moved = insn.imm
                if insn.code & 7 == op.ALU:
                    moved &= 0xFFFFFFFF
                found.append((action, at, insn, a_number(moved, relocation)))
        elif action is StepAction.MOVE and insn.offset:
            # It extends the sign.
            found.append((StepAction.FORGET, at, insn, UNKNOWN))
        else:
            found.append((action, at, insn, UNKNOWN))
    return tuple(found)


def _other(at: Address, insn: Insn, refers: References) -> Step | None:
    """Return what an instruction does that has no register to write to, or stores.

    None for nothing that a program may do.
    """
    class_ = insn.code & 7
    if class_ in _JUMPS:
        return StepAction.CALL, at, insn, UNKNOWN
    if insn.dst > FRAME_POINTER or insn.src > FRAME_POINTER:
        return None
    if class_ in (op.ST, op.STX):
        stored = a_number(insn.imm) if class_ == op.ST else UNKNOWN
        return StepAction.STORE, at, insn, stored
    if class_ == op.LDX:
        return StepAction.LOAD, at, insn, UNKNOWN
    if insn.code == op.LD_IMM64 and refers.is_callback(at):
        return StepAction.CALLBACK, at, insn, UNKNOWN
    if class_ == op.LD and insn.code not in (0, op.LD_IMM64):
        return StepAction.SCRATCH, at, insn, UNKNOWN
    return None


def _wide(at: Address, insn: Insn, code: Sequence[Insn], refers: References) -> Step:
    if refers.is_callback(at):
        return StepAction.CALLBACK, at, insn, UNKNOWN
    name = refers.externs.get(at)
    if name:
        origin = ValueOrigin(OriginKind.EXTERN, at, name=name)
        return StepAction.SET, at, insn, frozenset({Value(origin, 0)})
    if at in refers.holders:
        origin = ValueOrigin(OriginKind.HOLDER, at)
        return StepAction.SET, at, insn, frozenset({Value(origin, 0)})
    if insn.src or refers.is_reference(at):
        return StepAction.FORGET, at, insn, UNKNOWN
    high = code[at[1] + 1].imm if at[1] + 1 < len(code) else 0
    whole = (insn.imm & 0xFFFFFFFF) | (high & 0xFFFFFFFF) << 32
    relocation = (at,) if at in refers.relocated else ()
    return StepAction.SET, at, insn, a_number(whole, relocation)


@lru_cache(maxsize=1 << 12)
def a_number(value: int, relocations: tuple[Address, ...] = ()) -> Values:
    """Return the set of one number."""
    return frozenset({Value(None, value, relocations)})
