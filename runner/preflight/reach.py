"""Which instructions a verifier walks, given what relocation put into the program.

Constants are followed along every path, as verifiers do, through registers, the stack,
calls and frozen maps. Ranges are not: an instruction that only a range rules out counts
as walked.
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.preflight.flow import Address, Flow, MapAddress
from runner.preflight.verifier import Verifier
from runner.versions import KernelVersion

_MASK = (1 << 64) - 1
_REGISTERS = 11
_FRAME_POINTER = 10

# Different states that an instruction is walked with before they are merged into one.
_MOST_STATES = 24

# Nested calls that verifiers allow (MAX_CALL_FRAMES).
_MOST_FRAMES = 8

# What a register may hold that is known. None is anything else.
_Value = int | MapAddress | None
_Stack = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a call comes back to."""

    address: Address
    saved: tuple[_Value, ...]
    stack: _Stack


@dataclass(frozen=True, slots=True)
class _State:
    registers: tuple[_Value, ...]
    # Constants on the stack: bytes from the frame pointer, and what is there.
    stack: _Stack
    frames: tuple[_Frame, ...]

    def get(self, register: int) -> _Value:
        return self.registers[register] if register < _REGISTERS else None

    def put(self, register: int, value: _Value) -> "_State":
        if register >= _FRAME_POINTER or self.registers[register] == value:
            return self
        registers = list(self.registers)
        registers[register] = value
        return replace(self, registers=tuple(registers))

    def forget(self, *registers: int) -> "_State":
        return replace(
            self,
            registers=tuple(
                None if i in registers else it for i, it in enumerate(self.registers)
            ),
        )

    def without_stack(self, start: int, size: int) -> "_State":
        kept = frozenset(
            it for it in self.stack if not start - 8 < it[0] < start + size
        )
        return self if kept == self.stack else replace(self, stack=kept)

    def merged(self, other: "_State") -> "_State":
        return replace(
            self,
            registers=tuple(
                a if a == b else None
                for a, b in zip(self.registers, other.registers, strict=True)
            ),
            stack=self.stack & other.stack,
        )


_START = _State((None,) * _REGISTERS, frozenset(), ())


def walked(
    flow: Flow,
    patched: Mapping[Address, Insn],
    verifier: Verifier,
    kernel: KernelVersion | None = None,
) -> set[Address]:
    """Return the instructions that verifying an object's programs visits.

    `patched` are those that relocation changed. A verifier gives up at the first
    poison; this goes on with a value that nobody knows, so that all gaps are told.
    `kernel` is what LINUX_KERNEL_VERSION tells.
    """
    walk = _Walk(flow, patched, verifier, kernel)
    for entry in flow.entries:
        walk.go(entry, _START)
    walk.run()
    return set(walk.seen)


class _Walk:
    def __init__(
        self,
        flow: Flow,
        patched: Mapping[Address, Insn],
        verifier: Verifier,
        kernel: KernelVersion | None,
    ) -> None:
        self._flow = flow
        self._patched = patched
        self._verifier = verifier
        self._kernel = kernel
        self._todo: list[tuple[Address, _State]] = []
        self.seen: dict[Address, set[_State]] = defaultdict(set)

    def run(self) -> None:
        while self._todo:
            self._step(*self._todo.pop())

    def go(self, at: Address, state: _State) -> None:
        """Plan a visit, unless an equal one was made."""
        if self._flow.insn(at) is None:
            return
        states = self.seen[at]
        if len(states) >= _MOST_STATES:
            # Those of this call stack become one that stands for all of them; each
            # merge forgets a constant, so this ends.
            for other in [it for it in states if it.frames == state.frames]:
                state = state.merged(other)
        if state not in states:
            states.add(state)
            self._todo.append((at, state))

    def _step(self, at: Address, state: _State) -> None:
        insn = self._patched.get(at) or self._flow.insn(at)
        assert insn is not None
        if insn.is_poison:
            self._pass_poison(at, state)
        elif insn.op_class in (op.JMP, op.JMP32):
            self._jump(at, insn, state)
        elif insn.code == op.LD_IMM64:
            self._load_immediate(at, insn, state)
        else:
            self.go((at[0], at[1] + 1), self._computed(insn, state))

    def _pass_poison(self, at: Address, state: _State) -> None:
        original = self._flow.insn(at)
        assert original is not None
        size = 2 if original.code == op.LD_IMM64 else 1
        if original.op_class in (op.ST, op.STX):
            state = replace(state, stack=frozenset())
        else:
            state = state.forget(original.dst)
        self.go((at[0], at[1] + size), state)

    # ------------------------------------------------------------ values

    def _load_immediate(self, at: Address, insn: Insn, state: _State) -> None:
        second = (at[0], at[1] + 1)
        high = self._patched.get(second) or self._flow.insn(second)
        callback = self._flow.callback(at)
        value: _Value = self._flow.variable(at)
        if callback is not None:
            self.go(callback, _START)
        elif value is None and insn.src == 0 and high is not None:
            known = self._verifier.tracks_ldimm64
            whole = (insn.imm & 0xFFFFFFFF) | (high.imm & 0xFFFFFFFF) << 32
            value = whole if known else None
        self.go((at[0], at[1] + 2), state.put(insn.dst, value))

    def _computed(self, insn: Insn, state: _State) -> _State:
        if insn.op_class in (op.ALU, op.ALU64):
            return state.put(insn.dst, self._result(insn, state))
        if insn.op_class == op.LDX:
            return state.put(insn.dst, self._loaded(insn, state))
        if insn.op_class in (op.ST, op.STX):
            return self._stored(insn, state)
        # LD_ABS and LD_IND call a helper.
        return state.forget(0, 1, 2, 3, 4, 5)

    def _result(self, insn: Insn, state: _State) -> _Value:
        narrow = insn.op_class == op.ALU
        by_register = insn.code & op.X
        operand = state.get(insn.src) if by_register else insn.imm & _MASK
        if insn.operation == op.MOV:
            # Older ones, without sign extension, leave the offset 0.
            if insn.offset or (narrow and not isinstance(operand, int)):
                return None
            # 4.4 forgets constants that a 32-bit move copies.
            if narrow and by_register and not self._verifier.computes:
                return None
            return _narrowed(operand) if narrow else operand
        value = state.get(insn.dst)
        if not self._verifier.computes or not isinstance(operand, int):
            return None
        if isinstance(value, MapAddress):
            if insn.operation != op.ADD or narrow:
                return None
            return MapAddress(value.section, value.offset + _signed(operand, 64))
        compute = _ARITHMETIC.get(insn.operation)
        if value is None or compute is None:
            return None
        if narrow:
            return _narrowed(compute(value & 0xFFFFFFFF, operand & 0xFFFFFFFF, 32))
        return compute(value, operand, 64) & _MASK

    def _loaded(self, insn: Insn, state: _State) -> _Value:
        size = op.ACCESS_SIZE[insn.code & 0x18]
        if insn.src == _FRAME_POINTER:
            found = dict(state.stack).get(insn.offset)
            return found if size == 8 and self._verifier.tracks_stack else None
        base = state.get(insn.src)
        if not isinstance(base, MapAddress) or not self._verifier.reads_frozen_maps:
            return None
        address = MapAddress(base.section, base.offset + insn.offset)
        return self._flow.constant(address, size, self._kernel)

    def _stored(self, insn: Insn, state: _State) -> _State:
        size = op.ACCESS_SIZE[insn.code & 0x18]
        if insn.dst != _FRAME_POINTER:
            # It may be the stack by another register: constants there are rare, and
            # forgetting them only makes more code count as walked.
            return replace(state, stack=frozenset()) if state.stack else state
        state = state.without_stack(insn.offset, size)
        value = insn.imm & _MASK if insn.op_class == op.ST else state.get(insn.src)
        plain = insn.code & 0xE0 == 0x60
        if not plain or size != 8 or not isinstance(value, int):
            return state
        return replace(state, stack=state.stack | {(insn.offset, value)})

    # ------------------------------------------------------------ jumps

    def _jump(self, at: Address, insn: Insn, state: _State) -> None:
        following = (at[0], at[1] + 1)
        target = (at[0], at[1] + 1 + insn.offset)
        if insn.operation == op.EXIT:
            self._return(state)
        elif insn.operation == op.CALL:
            self._call(at, insn, state)
        elif insn.operation == op.JA:
            # In JMP32, which came with v4, the immediate is the distance.
            far = insn.op_class == op.JMP32
            self.go((at[0], at[1] + 1 + insn.imm) if far else target, state)
        else:
            taken = self._decided(insn, state)
            if taken is not False:
                self.go(target, self._learned(insn, state, op.JEQ))
            if taken is not True:
                self.go(following, self._learned(insn, state, op.JNE))

    def _learned(self, insn: Insn, state: _State, by: int) -> _State:
        """Return what is known where `by` tells that the operands are equal."""
        plain = insn.op_class == op.JMP and not insn.code & op.X
        if insn.operation != by or not plain or state.get(insn.dst) is not None:
            return state
        return state.put(insn.dst, insn.imm & _MASK)

    def _decided(self, insn: Insn, state: _State) -> bool | None:
        """Tell whether a branch is taken, or None when the verifier walks both ways."""
        verifier = self._verifier
        by_register = bool(insn.code & op.X)
        if by_register and not verifier.compares_registers:
            return None
        value = state.get(insn.dst)
        operand = state.get(insn.src) if by_register else insn.imm & _MASK
        if not isinstance(value, int) or not isinstance(operand, int):
            return None
        simple = insn.operation in (op.JEQ, op.JNE)
        if not simple and not verifier.decides_all:
            return None
        if insn.op_class == op.JMP32 and not verifier.decides_all:
            return None
        bits = 32 if insn.op_class == op.JMP32 else 64
        mask = (1 << bits) - 1
        value, operand = value & mask, operand & mask
        if value != operand and not verifier.decides_unequal:
            return None
        compare = _COMPARISONS.get(insn.operation)
        return None if compare is None else compare(value, operand, bits)

    def _call(self, at: Address, insn: Insn, state: _State) -> None:
        following = (at[0], at[1] + 1)
        after = state.forget(0, 1, 2, 3, 4, 5)
        if insn.src != op.CALL_LOCAL:
            # A helper may write to the stack whose address it was given.
            self.go(following, replace(after, stack=frozenset()))
            return
        target = self._flow.call_target(at, insn)
        alone = self._verifier.verifies_globals_alone
        if alone and target in self._flow.global_functions:
            self.go(target, _START)
            self.go(following, replace(after, stack=frozenset()))
        elif len(state.frames) < _MOST_FRAMES:
            frame = _Frame(following, state.registers[6:10], frozenset())
            called = state.forget(0, 6, 7, 8, 9)
            self.go(
                target,
                replace(called, stack=frozenset(), frames=(*state.frames, frame)),
            )

    def _return(self, state: _State) -> None:
        if not state.frames:
            return
        frame = state.frames[-1]
        registers = (
            state.registers[0],
            *(None,) * 5,
            *frame.saved,
            None,
        )
        self.go(frame.address, _State(registers, frame.stack, state.frames[:-1]))


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _narrowed(value: _Value) -> _Value:
    return value & 0xFFFFFFFF if isinstance(value, int) else None


_ARITHMETIC: dict[int, Callable[[int, int, int], int]] = {
    op.ADD: lambda a, b, bits: a + b,
    op.SUB: lambda a, b, bits: a - b,
    op.MUL: lambda a, b, bits: a * b,
    op.OR: lambda a, b, bits: a | b,
    op.AND: lambda a, b, bits: a & b,
    op.XOR: lambda a, b, bits: a ^ b,
    op.LSH: lambda a, b, bits: a << (b & bits - 1),
    op.RSH: lambda a, b, bits: a >> (b & bits - 1),
    op.ARSH: lambda a, b, bits: _signed(a, bits) >> (b & bits - 1),
    op.NEG: lambda a, b, bits: -a,
}


def _by_sign(
    compare: Callable[[int, int], bool],
) -> Callable[[int, int, int], bool]:
    return lambda a, b, bits: compare(_signed(a, bits), _signed(b, bits))


def _by_size(
    compare: Callable[[int, int], bool],
) -> Callable[[int, int, int], bool]:
    return lambda a, b, bits: compare(a, b)


_COMPARISONS: dict[int, Callable[[int, int, int], bool]] = {
    op.JEQ: _by_size(operator.eq),
    op.JNE: _by_size(operator.ne),
    op.JGT: _by_size(operator.gt),
    op.JGE: _by_size(operator.ge),
    op.JLT: _by_size(operator.lt),
    op.JLE: _by_size(operator.le),
    op.JSGT: _by_sign(operator.gt),
    op.JSGE: _by_sign(operator.ge),
    op.JSLT: _by_sign(operator.lt),
    op.JSLE: _by_sign(operator.le),
    op.JSET: lambda a, b, bits: bool(a & b),
}
